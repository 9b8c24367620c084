//! Keys, values and what is wrong with them, over a command of a few flags.

use std::fs;

use clap::{Arg, ArgAction, value_parser};

use super::*;

fn command() -> Command {
    Command::new("run").args([
        Arg::new("interfaces")
            .short('i')
            .long("interface")
            .action(ArgAction::Append)
            .required(true),
        Arg::new("size").long("flow-memory").requires("file"),
        Arg::new("number").long("max-interfaces").value_parser(value_parser!(u32).range(1..=9)),
        Arg::new("allow").long("web.allow-capture").action(ArgAction::SetTrue),
        Arg::new("flows").long("collector.flows").action(ArgAction::SetTrue),
        Arg::new("no_flows").long("no-collector.flows").action(ArgAction::SetTrue),
        Arg::new("level").long("log.level").value_parser(["info", "debug"]),
        Arg::new("file").long("web.config.file").value_parser(value_parser!(PathBuf)),
        Arg::new("config").long(FLAG).value_parser(value_parser!(PathBuf)),
    ])
}

/// The words of a file `c.toml`, its folder written as `DIR`.
fn read(text: &str, line: &[&str]) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("c.toml");
    fs::write(&file, text).expect("writing");
    let line = std::iter::once("run").chain(line.iter().copied());
    let given = command().ignore_errors(true).try_get_matches_from(line).expect("words");
    let folder = folder.path().display().to_string();
    let shown = |text: String| text.replace(&folder, "DIR");
    match words(&command(), &file, &given) {
        Ok(words) => {
            Ok(words.into_iter().map(|word| shown(word.into_string().expect("text"))).collect())
        }
        Err(error) => Err(shown(error.to_string())),
    }
}

#[test]
fn keys_are_flags_and_dots_are_tables() {
    let text = "interface = ['eth0', 'wl*']\nmax-interfaces = 4\n[web]\nallow-capture = true\n\
        config.file = 'web.yml'\n[log]\nlevel = 'debug'\n";
    let words = [
        "--interface=eth0",
        "--interface=wl*",
        "--max-interfaces=4",
        "--web.allow-capture",
        "--web.config.file=DIR/web.yml",
        "--log.level=debug",
    ];
    assert_eq!(read(text, &[]), Ok(words.map(str::to_owned).to_vec()));
    assert_eq!(read("", &[]), Ok(vec![]));
    assert_eq!(
        read("web.config.file = '/w.yml'", &[]),
        Ok(vec!["--web.config.file=/w.yml".into()])
    );
}

#[test]
fn a_switch_is_off_by_its_opposite_or_by_silence() {
    assert_eq!(read("web.allow-capture = false", &[]), Ok(vec![]));
    assert_eq!(read("collector.flows = false", &[]), Ok(vec!["--no-collector.flows".into()]));
}

#[test]
fn the_command_line_goes_first_and_a_wrong_value_is_wrong_all_the_same() {
    let text = "interface = ['a', 'b']\nmax-interfaces = 3";
    assert_eq!(read(text, &["-i", "c"]), Ok(vec!["--max-interfaces=3".into()]));
    let wrong = read("max-interfaces = 30", &["--max-interfaces", "1"]).expect_err("30 of 9");
    assert!(
        wrong.starts_with("DIR/c.toml:1: max-interfaces: \"30\": 30 is not in 1..=9"),
        "{wrong}"
    );
}

#[test]
fn what_is_wrong_is_named_with_file_line_and_key() {
    for (text, said) in [
        ("\ninterfaces = 'a'", "DIR/c.toml:2: unknown key interfaces; did you mean interface?"),
        (
            "[web]\nallow-captures = true",
            "DIR/c.toml:2: unknown key web.allow-captures; did you mean web.allow-capture?",
        ),
        ("zzz = 1", "DIR/c.toml:1: unknown key zzz"),
        ("[zzz]\na = 1", "DIR/c.toml:1: unknown key zzz"),
        ("[web]\n[web.zzz]", "DIR/c.toml:2: unknown key web.zzz"),
        ("help = true", "DIR/c.toml:1: unknown key help"),
        ("config.file = 'x'", "DIR/c.toml:1: unknown key config"),
        ("max-interfaces = true", "DIR/c.toml:1: max-interfaces: write a text or a number"),
        ("max-interfaces = [1]", "DIR/c.toml:1: max-interfaces: write one value, not a list"),
        ("web.allow-capture = 'yes'", "DIR/c.toml:1: web.allow-capture: write true or false"),
        ("interface = [\n'a',\n['b']]", "DIR/c.toml:1: interface: this list does not belong here"),
        ("interface = 2026-01-01", "DIR/c.toml:1: interface: a date does not belong here"),
        ("[interface]", "DIR/c.toml:1: interface: a table does not belong here"),
        ("[log]\nlevel = 'loud'", "DIR/c.toml:2: log.level: \"loud\" is none of info, debug"),
        ("a = 1\na = 2", "DIR/c.toml:2: duplicate key"),
    ] {
        let error = read(text, &[]).expect_err(text);
        assert!(error.starts_with(said), "{text:?}: {error}");
    }
    let absent = words(&command(), Path::new("/nowhere.toml"), &ArgMatches::default());
    assert!(absent.is_err_and(|error| error.to_string().contains("/nowhere.toml")));
}
