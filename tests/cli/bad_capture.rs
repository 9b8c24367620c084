//! What a user gets wrong about captures: one line that begins with `error:`, the right exit code, nothing attached or armed.

use anyhow::Context as _;
use wireledger_tests::{
    bpf::Attached,
    daemon::{Daemon, wireledger},
    netns::{INTERFACE, NetNs, Pair, Setup},
    process::{Ended, Process},
    session::sessions,
};

type Result = anyhow::Result<()>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };

/// Exit code of a wrong command line.
const USAGE: i32 = 2;
/// Exit code of what did not work.
const FAILURE: i32 = 1;

fn capture(namespace: &NetNs, arguments: &[&str]) -> anyhow::Result<Ended> {
    Process::run(wireledger(namespace)?.arg("capture").args(arguments))
}

/// Panics unless it ended with `code` and one error, which says `what`, before anything else.
fn assert_error(ended: &Ended, code: i32, what: &str) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    let errors = ended.stderr.lines().filter(|line| line.starts_with("error: "));
    assert_eq!(errors.count(), 1, "{ended:?}");
    assert!(
        ended.stderr.starts_with("error: ") && ended.stderr.contains(what),
        "{what}: {ended:?}"
    );
    assert!(!ended.stderr.contains("panicked") && ended.stdout.is_empty(), "{ended:?}");
}

/// Filters that are none, and what is said of them.
const FILTERS: [(&str, &str); 8] = [
    ("tcp prot 5", "can't parse filter expression: syntax error"),
    ("udp port", "can't parse filter expression: syntax error"),
    ("host 300.1.1.1", "300.1.1.1"),
    ("vlan 5000", "5000"),
    ("ip6 protochain 6", "a loop"),
    ("2\n40 0 0 12\n6 0 0", "line 3"),
    ("9\n6 0 0 1", "9"),
    ("1\n6 0 0 99999999999", "line 2"),
];

#[test]
fn a_mistake_in_the_expression_does_not_cost_the_file_that_was_there() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.left, &["-i", INTERFACE])?;
    let place = format!("unix:{}", daemon.socket().display());
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(&file, "evidence")?;
    let name = file.path().to_str().context("a path that is not UTF-8")?;
    for way in [&["-i", INTERFACE], &["--connect", &place]] {
        let ended = capture(&pair.left, &[way, &["-w", name, "tcp prot 5"][..]].concat())?;
        assert_error(&ended, USAGE, "syntax error");
        assert_eq!(std::fs::read_to_string(&file)?, "evidence");
    }
    Ok(())
}

#[test]
fn a_filter_that_is_none_is_said_to_be_so_by_every_way() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.left, &["-i", INTERFACE])?;
    let place = format!("unix:{}", daemon.socket().display());
    for (filter, what) in FILTERS {
        assert_error(&capture(&pair.right, &["-i", INTERFACE, filter])?, USAGE, what);
        assert_error(&capture(&pair.left, &["--connect", &place, filter])?, USAGE, what);
        assert_error(&capture(&pair.right, &["-d", filter])?, USAGE, what);
    }
    assert_eq!(Attached::to(&pair.right, INTERFACE)?, Attached::default());
    assert_eq!(sessions(&daemon.socket())?.len(), 0);
    Ok(())
}

#[test]
fn a_wrong_command_line_is_exit_code_2() -> Result {
    let pair = Pair::new(QUIET)?;
    let at = ["-i", INTERFACE];
    let cases: [(&[&str], &str); 15] = [
        (&["--count", "0"], "--count"),
        (&["--count", "many"], "--count"),
        (&["-W", "3"], "--write"),
        (&["-C", "1"], "--write"),
        (&["-G", "1"], "--write"),
        (&["-U"], "--write"),
        (&["--every", "0"], "--every"),
        (&["--first", "0"], "--first"),
        (&["--rate", "0"], "--rate"),
        (&["--rate", "1000000001"], "--rate"),
        (&["--bytes", "0"], "bytes"),
        (&["--duration", "0s"], "--duration"),
        (&["-s", "many"], "--snaplen"),
        (&["-Q", "sideways"], "--direction"),
        (&["-V", "--json"], "--json"),
    ];
    for (arguments, what) in cases {
        // What clap says may have several lines.
        let ended = capture(&pair.right, &[&at[..], arguments].concat())?;
        let said = ended.stderr.replace("-s <", "--snaplen <");
        assert_error(&Ended { stderr: said, ..ended }, USAGE, what);
    }
    assert_eq!(Attached::to(&pair.right, INTERFACE)?, Attached::default());
    Ok(())
}

#[test]
fn budgets_of_nothing_are_refused_by_the_daemon_too() -> Result {
    use wireledger_tests::session::{Refused, Session};
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    for (key, value, status) in [
        ("count", "0", 400),
        ("bytes", "0", 400),
        ("first", "0", 400),
        ("rate", "0", 400),
        ("every", "0", 400),
        ("duration", "0", 400),
        ("duration", "nan", 400),
        ("snaplen", "-1", 400),
        ("direction", "sideways", 400),
        ("filter", "tcp prot 5", 400),
        ("nonsense", "1", 400),
        ("interface", "nosuch0", 404),
    ] {
        let refused = Session::open(&daemon.socket(), &[(key, value)]).expect_err(key);
        let refused = refused.downcast_ref::<Refused>().expect("an answer");
        assert_eq!(refused.status, status, "{key}={value}: {refused}");
        assert!(refused.said.starts_with("{\"error\":\""), "{refused}");
    }
    assert_eq!(sessions(&daemon.socket())?.len(), 0);
    Ok(())
}

#[test]
fn what_is_not_there_is_named() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.left, &["-i", INTERFACE])?;
    let place = format!("unix:{}", daemon.socket().display());
    let by = ["--connect", &*place];
    for (namespace, arguments, code, what) in [
        (&pair.right, &["-i", "nosuch0"][..], FAILURE, "nosuch0"),
        (&pair.right, &["udp"], USAGE, "no daemon is running here"),
        (&pair.right, &["-i", INTERFACE, "-F", "/nowhere"], FAILURE, "/nowhere"),
        (&pair.right, &["-i", INTERFACE, "-w", "/nowhere/file"], FAILURE, "/nowhere/file"),
        (&pair.right, &["-i", INTERFACE, "--connect", "unix:/nowhere"], FAILURE, "/nowhere"),
        (&pair.left, &[&by[..], &["-i", "nosuch0"]].concat(), FAILURE, "nosuch0"),
        (&pair.left, &[&by[..], &["--token-file", "/nowhere"]].concat(), FAILURE, "/nowhere"),
    ] {
        assert_error(&capture(namespace, arguments)?, code, what);
    }
    assert_eq!(Attached::to(&pair.right, INTERFACE)?, Attached::default());
    assert_eq!(sessions(&daemon.socket())?.len(), 0);
    Ok(())
}

#[test]
fn a_dump_of_a_recorder_that_is_not_there_is_refused() -> Result {
    let (pair, folder) = (Pair::new(QUIET)?, tempfile::tempdir()?);
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    let (place, file) = (format!("unix:{}", daemon.socket().display()), folder.path().join("dump"));
    let mut command = wireledger(&pair.right)?;
    command.args(["recorder", "dump", "--connect", &place, "-w"]).arg(&file);
    assert_error(&Process::run(&mut command)?, FAILURE, "--sample-every");
    assert!(!file.exists());
    let mut command = wireledger(&pair.right)?;
    command.args(["captures", "--connect", &place, "--end", "12345"]);
    assert_error(&Process::run(&mut command)?, FAILURE, "12345");
    let ended = Process::run(wireledger(&pair.right)?.args([
        "run",
        "-i",
        INTERFACE,
        "--recorder",
        "1MiB",
    ]))?;
    assert_error(&ended, USAGE, "--sample-every");
    Ok(())
}

#[test]
fn a_filter_is_shown_as_both_programs() -> Result {
    let ended = capture(&NetNs::new("shown")?, &["-d", "icmp"])?;
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
    let of = |hook| format!("# eBPF for {hook}, which returns 1 for a match");
    let expected = ["# classic BPF".to_owned(), of("XDP"), of("TC")];
    let headings: Vec<_> = ended.stdout.lines().filter(|line| line.contains("BPF")).collect();
    assert_eq!(headings, expected);
    Ok(())
}
