//! What a user gets wrong: one line on stderr that begins with `error:`, the right exit code, never a panic, nothing half
//! done. And output that goes elsewhere than to a terminal.

use std::{net::TcpListener, process::Command};

use serde_json::Value;
use wireledger_tests::{
    bpf::Attached,
    daemon::{Daemon, wireledger},
    netns::{INTERFACE, NetNs, Pair, Setup},
    packets::{ip::Ipv4, transport::udp},
    process::{Ended, Process, binary},
    send::send_once,
};

type Result = anyhow::Result<()>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };

/// Exit code of a wrong command line.
const USAGE: i32 = 2;
/// Exit code of what did not work.
const FAILURE: i32 = 1;

/// Panics unless it ended with `code` and one error on stderr; a wrong command line may have its usage below.
fn assert_error(ended: &Ended, code: i32) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    let errors = ended.stderr.lines().filter(|line| line.starts_with("error: "));
    assert_eq!(errors.count(), 1, "{ended:?}");
    if code == FAILURE {
        let last = ended.stderr.lines().last();
        assert!(last.is_some_and(|line| line.starts_with("error: ")), "{ended:?}");
    } else {
        assert!(ended.stderr.starts_with("error: "), "{ended:?}");
    }
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    assert!(!ended.stdout.contains("error: "), "{ended:?}");
    assert_plain(ended);
}

/// Panics when there is a byte for a terminal in it.
fn assert_plain(ended: &Ended) {
    for text in [&ended.stdout, &ended.stderr] {
        assert!(!text.contains('\x1b'), "{ended:?}");
    }
}

fn run(namespace: &NetNs, arguments: &[&str]) -> anyhow::Result<Ended> {
    Process::run(wireledger(namespace)?.args(arguments))
}

#[test]
fn a_wrong_command_line_is_exit_code_2() -> Result {
    let namespace = NetNs::new("usage")?;
    let cases: [&[&str]; 20] = [
        &["run"],
        &["run", "-i"],
        &["run", "-i", ""],
        &["run", "-i", "a-name-that-is-too-long"],
        &["run", "-i", "lo", "--nonsense"],
        &["run", "-i", "lo", "stray"],
        &["run", "-i", "lo", "--mode", "fast"],
        &["run", "-i", "lo", "--direction", "sideways"],
        &["run", "-i", "lo", "--flow-memory", "0"],
        &["run", "-i", "lo", "--flow-memory", "-1"],
        &["run", "-i", "lo", "--flow-memory", "lots"],
        &["run", "-i", "lo", "--flow-memory", "999999999999999999999GiB"],
        &["run", "-i", "lo", "--record-memory", "5000"],
        &["run", "-i", "lo", "--record-memory", "0"],
        &["run", "-i", "lo", "--idle-timeout", "soon"],
        &["run", "-i", "lo", "--evict-after", "0s"],
        &["run", "-i", "lo", "--web.listen-address", "nowhere"],
        &["run", "-i", "lo", "--web.listen-address", "127.0.0.1:70000"],
        &["flows", "--sort", "beauty"],
        &["demo", "--seconds", "0"],
    ];
    for arguments in cases {
        let ended = run(&namespace, arguments)?;
        assert_eq!(ended.code, Some(USAGE), "{arguments:?}: {ended:?}");
        assert_error(&ended, USAGE);
    }
    Ok(())
}

#[test]
fn a_wrong_file_of_names_is_told_by_file_and_line() -> Result {
    let namespace = NetNs::new("names")?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("names.txt");
    let path = file.to_string_lossy();
    for (text, what) in [
        (Some("10.0.0.0/8 corp\n10.0.0.0/33 lab\n"), "names.txt:2: \"33\" is no prefix length"),
        (Some("\n\ntcp/80 other\n"), "names.txt:3: \"other\" is what the rest"),
        (None, "cannot read the names in "),
    ] {
        match text {
            Some(text) => std::fs::write(&file, text)?,
            None => std::fs::remove_file(&file)?,
        }
        let ended = run(&namespace, &["run", "-i", "lo", "--names", &path])?;
        assert_error(&ended, USAGE);
        assert!(ended.stderr.contains(what), "{ended:?}");
    }
    Ok(())
}

#[test]
fn no_subcommand_shows_help_and_is_exit_code_2() -> Result {
    let ended = run(&NetNs::new("none")?, &[])?;
    assert_eq!(ended.code, Some(USAGE));
    let said = ended.stdout + &ended.stderr;
    assert!(said.contains("Usage:") && !said.contains("panicked"), "{said}");
    Ok(())
}

#[test]
fn an_unknown_interface_is_named() -> Result {
    let ended = run(&NetNs::new("unknown")?, &["run", "-i", "nosuch0"])?;
    assert_error(&ended, FAILURE);
    assert!(ended.stderr.contains("nosuch0"), "{ended:?}");
    Ok(())
}

#[test]
fn an_unknown_interface_leaves_the_known_ones_alone() -> Result {
    let pair = Pair::new(QUIET)?;
    let ended = run(&pair.right, &["run", "-i", INTERFACE, "-i", "nosuch0"])?;
    assert_error(&ended, FAILURE);
    assert_eq!(Attached::to(&pair.right, INTERFACE)?, Attached::default());
    Ok(())
}

#[test]
fn a_port_in_use_is_named_and_nothing_is_attached() -> Result {
    let pair = Pair::new(QUIET)?;
    let taken = pair.right.enter(|| TcpListener::bind("127.0.0.1:0"))??;
    let address = taken.local_addr()?.to_string();
    let arguments = ["run", "-i", INTERFACE, "--web.listen-address", &address];
    let ended = run(&pair.right, &arguments)?;
    assert_error(&ended, FAILURE);
    assert!(ended.stderr.contains(&address), "{ended:?}");
    assert_eq!(Attached::to(&pair.right, INTERFACE)?, Attached::default());
    Ok(())
}

#[test]
fn more_memory_than_there_is_is_an_error() -> Result {
    let pair = Pair::new(QUIET)?;
    let ended = run(&pair.right, &["run", "-i", INTERFACE, "--flow-memory", "1023GiB"])?;
    assert_error(&ended, FAILURE);
    assert_eq!(Attached::to(&pair.right, INTERFACE)?, Attached::default());
    Ok(())
}

/// The binary, without any capability, inside a namespace.
fn powerless(namespace: &NetNs, arguments: &[&str]) -> anyhow::Result<Ended> {
    let mut command = namespace.command("setpriv");
    command.args(["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--"]);
    Process::run(command.arg(binary()?).args(arguments))
}

#[test]
fn a_missing_capability_is_named() -> Result {
    let pair = Pair::new(QUIET)?;
    let ended = powerless(&pair.right, &["run", "-i", INTERFACE])?;
    assert_error(&ended, FAILURE);
    assert!(ended.stderr.contains("CAP_BPF"), "{ended:?}");
    let ended = powerless(&pair.right, &["demo", "--seconds", "1"])?;
    assert_error(&ended, FAILURE);
    assert!(ended.stderr.contains("CAP_"), "{ended:?}");
    Ok(())
}

#[test]
fn doctor_fails_where_run_would() -> Result {
    let pair = Pair::new(QUIET)?;
    let arguments = ["doctor", "-i", INTERFACE];
    let ended = run(&pair.right, &arguments)?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains(INTERFACE), "{ended:?}");
    assert_plain(&ended);
    let ended = powerless(&pair.right, &arguments)?;
    assert_eq!(ended.code, Some(FAILURE), "{ended:?}");
    assert!((ended.stdout.clone() + &ended.stderr).contains("CAP_BPF"), "{ended:?}");
    let ended = run(&pair.right, &["doctor", "-i", "nosuch0"])?;
    assert_eq!(ended.code, Some(FAILURE), "{ended:?}");
    assert!((ended.stdout.clone() + &ended.stderr).contains("nosuch0"), "{ended:?}");
    // Asking changes nothing.
    assert_eq!(Attached::to(&pair.right, INTERFACE)?, Attached::default());
    Ok(())
}

#[test]
fn asking_where_nobody_listens_is_an_error() -> Result {
    let namespace = NetNs::new("nobody")?;
    for command in ["ledger", "flows", "interfaces"] {
        let ended = run(&namespace, &[command, "--connect", "http://127.0.0.1:9"])?;
        assert_error(&ended, FAILURE);
        assert!(ended.stderr.contains("127.0.0.1:9"), "{ended:?}");
        assert_error(&run(&namespace, &[command, "--connect", "no url"])?, FAILURE);
    }
    Ok(())
}

/// A daemon's answers are long enough to fill a pipe.
fn with_flows(pair: &Pair) -> anyhow::Result<Daemon<'_>> {
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    let frames = (1..=5000).map(|n| Ipv4::default().frame(&udp(n, 53, &[]))).collect();
    let sent = send_once(&pair.left, &pair.right, frames)?;
    daemon.settled(INTERFACE, "ingress", sent.packets)?;
    Ok(daemon)
}

#[test]
fn a_closed_pipe_is_no_error() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = with_flows(&pair)?;
    for table in ["flows --top 5000", "flows --top 5000 --json"] {
        let line = format!("'{}' {table} --connect {} ", binary()?.display(), daemon.url());
        let script = format!("{line} | head -n 1; echo \"${{PIPESTATUS[0]}}\" >&2");
        let ended = Process::run(pair.right.command("bash").args(["-c", &script]))?;
        assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
        // Nothing but the exit code, or that of a process that SIGPIPE ended.
        assert!(matches!(ended.stderr.trim(), "0" | "141"), "{ended:?}");
    }
    Ok(())
}

#[test]
fn tables_are_plain_where_no_terminal_is_or_no_colour_is_wanted() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = with_flows(&pair)?;
    for command in ["ledger", "flows", "interfaces"] {
        let piped = daemon.ask(&[command])?;
        assert_eq!(piped.code, Some(0), "{piped:?}");
        assert!(piped.stdout.contains(INTERFACE), "{piped:?}");
        assert!(piped.stderr.is_empty(), "{piped:?}");
        assert_plain(&piped);

        // script(1) gives it a terminal.
        let line = format!("'{}' {command} --connect {}", binary()?.display(), daemon.url());
        let mut terminal: Command = pair.right.command("script");
        terminal.args(["-qec", &line, "/dev/null"]).env("NO_COLOR", "1");
        let shown = Process::run(&mut terminal)?;
        assert_eq!(shown.code, Some(0), "{shown:?}");
        assert!(shown.stdout.contains(INTERFACE), "{shown:?}");
        assert_plain(&shown);
    }
    Ok(())
}

#[test]
fn json_is_what_the_api_says() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = with_flows(&pair)?;
    for (command, path) in [
        (&["interfaces", "--json"][..], "/api/v1/interfaces"),
        (&["ledger", "--json"], "/api/v1/ledger"),
        (&["flows", "--json", "--top", "7", "--sort", "bytes"], "/api/v1/flows?top=7&sort=bytes"),
    ] {
        let printed = serde_json::from_str(&daemon.ask(command)?.stdout)?;
        assert_eq!(without_times(printed), without_times(daemon.json(path)?), "{path}");
    }
    Ok(())
}

/// Each answer says when it was given, and reads the clock that flows are dated by.
fn without_times(mut answer: Value) -> Value {
    if let Some(object) = answer.as_object_mut() {
        object.remove("at");
    }
    for flow in answer["flows"].as_array_mut().into_iter().flatten() {
        for time in ["first_seen", "last_seen"] {
            assert!(flow[time].take().is_f64(), "{flow}");
        }
    }
    answer
}
