//! The configuration file, `--config.file`, and what checks it.

use std::fs;

use anyhow::Context as _;
use serde_json::Value;
use wireledger_tests::{
    bpf::Attached,
    daemon::wireledger,
    netns::{INTERFACE, NetNs, Pair, Setup},
    process::{Ended, Process},
    web::{Certificates, Server},
};

type Result = anyhow::Result<()>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };

fn run(namespace: &NetNs, arguments: &[&str]) -> anyhow::Result<Ended> {
    Process::run(wireledger(namespace)?.args(arguments))
}

/// The example of docs/CONFIG.md.
fn example() -> anyhow::Result<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/CONFIG.md");
    let page = fs::read_to_string(page)?;
    let (_, rest) = page.split_once("```toml\n").context("no example in docs/CONFIG.md")?;
    let (example, _) = rest.split_once("```").context("an example without an end")?;
    Ok(example.to_owned())
}

/// The keys that a file may have, by the program's own help.
fn flags(namespace: &NetNs) -> anyhow::Result<Vec<String>> {
    let help = run(namespace, &["run", "--help"])?.stdout;
    let words = help.lines().filter_map(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("-i, ").unwrap_or(line);
        Some(line.strip_prefix("--")?.split([' ', '=']).next()?.to_owned())
    });
    Ok(words.filter(|flag| !["help", "config.file"].contains(&&**flag)).collect())
}

#[test]
fn a_file_is_as_good_as_a_command_line_which_goes_first() -> Result {
    let (pair, made) = (Pair::new(QUIET)?, Certificates::new()?);
    made.write("token", "a-token-of-some-length")?;
    let text = format!(
        "interface = ['{INTERFACE}', 'nosuch*']\nmax-interfaces = 7\nidle-timeout = '3s'\ndirection = 'ingress'\n\
         [web]\nlisten-address = ['127.0.0.1:9801']\ntelemetry-path = '/m'\ncapture-token-file = 'token'\n\
         allow-capture = false\n"
    );
    let file = made.write("c.toml", &text)?;
    let run = ["run", "--config.file", &file];
    let server = Server::start(&pair.right, &run)?;
    assert_eq!(server.curl(&["http://127.0.0.1:9801/m"])?.status, 200);
    let bearer = "Authorization: Bearer a-token-of-some-length";
    let said = server.curl(&["-H", bearer, "http://127.0.0.1:9801/api/v1/captures"])?;
    assert_eq!(said.status, 200, "{said:?}");
    let egress = |server: &Server<'_>| -> anyhow::Result<Value> {
        Ok(server.json("/api/v1/interfaces")?["interfaces"][0]["egress"]["mode"].clone())
    };
    assert_eq!(egress(&server)?, "none");
    drop(server);
    let more = ["--direction", "both", "--web.listen-address", "127.0.0.1:9802"];
    let server = Server::start(&pair.right, &[&run[..], &more].concat())?;
    assert_eq!(server.curl(&["http://127.0.0.1:9802/m"])?.status, 200);
    // A list that is given is given whole.
    assert_eq!(server.curl(&["http://127.0.0.1:9801/m"])?.code, Some(7));
    assert_ne!(egress(&server)?, "none");
    Ok(())
}

#[test]
fn the_environment_goes_before_the_file() -> Result {
    let (pair, made) = (Pair::new(QUIET)?, Certificates::new()?);
    let text = format!("interface = '{INTERFACE}'\nsocket = '{}'\n", made.path("file.sock"));
    let file = made.write("c.toml", &text)?;
    // The server is found ready at the socket that the environment names.
    let server = Server::start(&pair.right, &["run", "--config.file", &file])?;
    assert!(server.socket().exists() && !made.folder().join("file.sock").exists());
    Ok(())
}

#[test]
fn what_is_wrong_is_refused_with_file_line_and_key() -> Result {
    let (pair, made) = (Pair::new(QUIET)?, Certificates::new()?);
    for (text, said) in [
        ("interfaces = 'x'", ":1: unknown key interfaces; did you mean interface?"),
        (
            "\n[web]\nlisten-adress = ':1'",
            ":3: unknown key web.listen-adress; did you mean web.listen-address?",
        ),
        ("[metricz]\na = 1", ":1: unknown key metricz"),
        ("idle-timeout = 'soon'", ":1: idle-timeout: \"soon\": "),
        ("idle-timeout = true", ":1: idle-timeout: write a text or a number"),
        ("idle-timeout = 5", ":1: idle-timeout: \"5\": "),
        ("max-interfaces = 0", ":1: max-interfaces: \"0\": 0 is not in 1..=4096"),
        ("decap = 'yes'", ":1: decap: write true or false"),
        ("mode = 'fast'", ":1: mode: \"fast\" is none of auto, native, generic, tc"),
        ("flow-memory = ['1MiB']", ":1: flow-memory: write one value, not a list"),
        ("interface = 'x'\ninterface = 'y'", ":2: "),
        ("web = 1", ":1: unknown key web"),
        ("[web]\nlisten-address = ['9814']", ":2: web.listen-address: \"9814\": no port"),
    ] {
        let file = made.write("c.toml", text)?;
        for command in
            [&["run", "-i", INTERFACE, "--config.file", &file][..], &["check-config", &file]]
        {
            let ended = run(&pair.right, command)?;
            assert_eq!(ended.code, Some(2), "{text}: {ended:?}");
            assert!(ended.stderr.contains(&format!("{file}{said}")), "{text}: {ended:?}");
            assert_eq!(ended.stderr.lines().count(), 1, "{text}: {ended:?}");
        }
    }
    let ended = run(&pair.right, &["run", "-i", INTERFACE, "--config.file", "/nowhere.toml"])?;
    assert!(ended.code == Some(2) && ended.stderr.contains("/nowhere.toml"), "{ended:?}");
    // What the whole line lacks or contradicts.
    let file = made.write("c.toml", "decap = true")?;
    let ended = run(&pair.right, &["run", "--config.file", &file])?;
    assert!(ended.code == Some(2) && ended.stderr.contains("no interface is named"), "{ended:?}");
    made.write("c.toml", "web.allow-capture = true\nweb.capture-token-file = '/t'")?;
    let ended = run(&pair.right, &["run", "-i", INTERFACE, "--config.file", &file])?;
    assert!(ended.code == Some(2) && ended.stderr.contains("cannot be used with"), "{ended:?}");
    assert_eq!(Attached::to(&pair.right, INTERFACE)?, Attached::default());
    Ok(())
}

#[test]
fn a_check_reads_the_files_that_are_named() -> Result {
    let (namespace, made) = (NetNs::new("check")?, Certificates::new()?);
    let text =
        "interface = 'eth0'\nweb.config.file = 'web.yml'\nweb.capture-token-file = 'token'\n";
    let file = made.write("c.toml", text)?;
    for (web, token, said) in [
        ("rate_limit: {burst: x}", "a-token-of-some-length", "web.yml:1: "),
        ("", "short", "at least 16 characters"),
    ] {
        made.write("web.yml", web)?;
        made.write("token", token)?;
        let ended = run(&namespace, &["check-config", &file])?;
        assert!(ended.code == Some(1) && ended.stderr.contains(said), "{ended:?}");
    }
    made.write("token", "a-token-of-some-length")?;
    let ended = run(&namespace, &["check-config", &file])?;
    assert_eq!((ended.code, ended.stdout), (Some(0), format!("{file}: OK\n")));
    assert_eq!(run(&namespace, &["check-config", "/nowhere"])?.code, Some(2));
    Ok(())
}

#[test]
fn every_option_can_be_in_the_file_and_the_example_has_most() -> Result {
    let (namespace, made) = (NetNs::new("example")?, Certificates::new()?);
    let flags = flags(&namespace)?;
    assert!(flags.len() > 20, "{flags:?}");
    for flag in &flags {
        let file = made.write("c.toml", &format!("{flag} = [[]]"))?;
        let ended = run(&namespace, &["check-config", &file])?;
        assert!(ended.stderr.contains(&format!(":1: {flag}: ")), "{flag}: {ended:?}");
    }
    let example = example()?;
    made.write("web.yml", "")?;
    made.write("token", "a-token-of-some-length")?;
    let file = made.write("c.toml", &example)?;
    let ended = run(&namespace, &["check-config", &file])?;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    Ok(())
}
