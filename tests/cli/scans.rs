//! Scans as a user meets them: `wireledger scans`, its API, its metrics, its options, and what is wrong with them. What is
//! called a scan is for the kernel's tests.

use std::{collections::BTreeMap, net::Ipv4Addr};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use wireledger::report::ScanLine;
use wireledger_tests::{
    answers::Metrics,
    contrib,
    daemon::{Daemon, wireledger},
    netns::{INTERFACE, NetNs, Pair, Setup},
    packets::{
        ip::Ipv4,
        protocol,
        transport::{flags, tcp},
    },
    process::{Ended, Process},
    send::send_once,
    tools::eventually,
    web::{Certificates, Server},
};

type Result = anyhow::Result<()>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };
const URL: &str = "http://127.0.0.1:9801";

/// Exit code of a wrong command line.
const USAGE: i32 = 2;
/// Exit code of what did not work.
const FAILURE: i32 = 1;

/// Ports that one source tries, none of which answers.
const TRIED: u16 = 30;

/// Families of a daemon that keeps no evidence, and how many series each has.
const FAMILIES: [(&str, usize); 14] = [
    // 19 kinds, 2 directions, 3 confidences.
    ("wireledger_scans_total", 114),
    ("wireledger_scans_under_way", 114),
    ("wireledger_scan_attempts_total", 4),
    ("wireledger_scan_unjudged_flows_total", 1),
    ("wireledger_scan_uncounted_flows_total", 2),
    ("wireledger_scan_sources", 2),
    ("wireledger_scan_sources_evicted_total", 2),
    ("wireledger_scan_refused_failures_total", 1),
    ("wireledger_scan_suspects_begun_anew_total", 1),
    ("wireledger_scan_suspects_waiting", 1),
    ("wireledger_flood_left_out_packets_total", 1),
    ("wireledger_flood_allowed_packets_total", 1),
    ("wireledger_scans_forgotten_total", 1),
    ("wireledger_scan_memory_bytes", 1),
];

/// Those of one that keeps evidence besides.
const EVIDENCE: [(&str, usize); 6] = [
    ("wireledger_evidence_files_total", 1),
    ("wireledger_evidence_packets_total", 2),
    ("wireledger_evidence_files_removed_total", 1),
    ("wireledger_evidence_failures_total", 1),
    ("wireledger_evidence_incomplete_total", 1),
    ("wireledger_evidence_lost_total", 1),
];

fn run(namespace: &NetNs, arguments: &[&str]) -> anyhow::Result<Ended> {
    Process::run(wireledger(namespace)?.args(arguments))
}

fn assert_error(ended: &Ended, code: i32, what: &str) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    assert!(ended.stderr.contains("error: ") && ended.stderr.contains(what), "{what}: {ended:?}");
    assert!(!ended.stderr.contains("panicked") && ended.stdout.is_empty(), "{ended:?}");
}

/// A SYN to each of [`TRIED`] ports from `first` on.
fn syns(source: Ipv4Addr, first: u16) -> Vec<Vec<u8>> {
    let header = Ipv4 { source, ..Ipv4::of(protocol::TCP) };
    (first..first + TRIED).map(|port| header.frame(&tcp(50_000, port, flags::SYN, b""))).collect()
}

/// A configuration with `more` in it.
fn text(more: &str) -> String {
    format!(
        "interface = ['{INTERFACE}']\nsample-every = 10\nweb.listen-address = ['127.0.0.1:9801']\n\
         web.enable-lifecycle = true\n{more}\n"
    )
}

#[test]
fn the_examples_of_the_api_are_what_it_answers() -> Result {
    let page = contrib::read("docs/API.md")?;
    let (_, page) = page.split_once("## Scans\n").context("no chapter on scans")?;
    let (page, _) = page.split_once("\n## ").context("no chapter behind it")?;
    let examples: Vec<_> = page.split("```json\n").skip(1).collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        let (example, _) = example.split_once("```").context("an example without an end")?;
        let example: Value = serde_json::from_str(example)?;
        let line: ScanLine = serde_json::from_value(example.clone())?;
        assert_eq!(serde_json::to_value(line)?, example);
    }
    Ok(())
}

#[test]
fn where_nothing_runs_scans_says_how_to_reach_a_daemon() -> Result {
    let ended = run(&NetNs::new("nobody")?, &["scans", "--connect", URL])?;
    assert_error(&ended, FAILURE, "is `wireledger run` up there? --connect says where");
    Ok(())
}

#[test]
fn a_daemon_that_does_not_look_says_so() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE, "--scan.sensitivity", "off"])?;
    for arguments in [&["scans"][..], &["scans", "--json"], &["scans", "--follow"]] {
        let ended = daemon.ask(arguments)?;
        assert_error(&ended, FAILURE, "start it without --scan.sensitivity off");
    }
    let answer: Value = daemon.json("/api/v1/scans")?;
    assert_eq!(answer, json!({ "watched": false, "scans": [] }));
    let text = daemon.get("/metrics")?;
    for (family, _) in FAMILIES.into_iter().chain(EVIDENCE) {
        assert!(!text.contains(family), "{family}");
    }
    Ok(())
}

#[test]
fn a_daemon_that_has_seen_nothing_has_no_scan_and_every_metric() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    let answer: Value = daemon.json("/api/v1/scans")?;
    assert_eq!(answer, json!({ "watched": true, "scans": [] }));
    let printed = daemon.ask(&["scans"])?;
    assert_eq!((printed.code, &*printed.stdout), (Some(0), "No scan.\n"));
    let printed: Value = serde_json::from_str(&daemon.ask(&["scans", "--json"])?.stdout)?;
    assert_eq!(printed, answer);
    let metrics = daemon.metrics()?;
    for (family, series) in FAMILIES {
        let values = metrics.values(family, &[])?;
        assert_eq!(values.len(), series, "{family}");
        assert!(family.ends_with("_bytes") || values.iter().all(|&value| value == 0.0), "{family}");
    }
    for (family, _) in EVIDENCE {
        assert!(metrics.values(family, &[]).is_err(), "{family}");
    }
    Ok(())
}

#[test]
fn a_wrong_option_is_exit_code_2_and_says_what_to_write() -> Result {
    let namespace = NetNs::new("options")?;
    let folder = tempfile::tempdir()?;
    let evidence = folder.path().join("evidence");
    let evidence = evidence.to_string_lossy();
    let kept = ["--sample-every", "10", "--evidence-dir", &evidence];
    let cases: [(&[&str], &str); 8] = [
        (&["--scan.sensitivity", "loud"], "off, low, normal, high"),
        (&["--scan.allow", "10.0.0.0/33"], "write 192.0.2.0/24, 2001:db8::/32 or one address"),
        (&["--scan.allow", "example.org"], "write 192.0.2.0/24, 2001:db8::/32 or one address"),
        (&["--evidence-dir", &evidence], "--sample-every <N>"),
        (&[&kept[..], &["--evidence-size", "lots"]].concat(), "as in 64MiB"),
        (&[&kept[..], &["--evidence-size", "1"]].concat(), "at least 64KiB"),
        (&[&kept[..], &["--evidence-files", "0"]].concat(), "0 is not in 1.."),
        (&[&kept[..], &["--evidence-files", "many"]].concat(), "--evidence-files <N>"),
    ];
    for (arguments, what) in cases {
        let ended = run(&namespace, &[&["run", "-i", "lo"], arguments].concat())?;
        assert_error(&ended, USAGE, what);
    }
    assert!(!folder.path().join("evidence").exists());
    Ok(())
}

#[test]
fn a_wrong_prefix_in_the_file_is_told_by_line() -> Result {
    let (namespace, made) = (NetNs::new("prefix")?, Certificates::new()?);
    let more = "[scan]\nallow = ['192.0.2.1',\n '192.0.2.0/33']";
    let file = made.write("c.toml", &text(more))?;
    let ended = run(&namespace, &["check-config", &file])?;
    assert_error(&ended, USAGE, "c.toml:7: scan.allow: ");
    Ok(())
}

/// The scans and the metrics of a daemon.
fn told(server: &Server<'_>) -> anyhow::Result<(Vec<Value>, Metrics)> {
    let mut answer = server.json("/api/v1/scans")?;
    let scans = serde_json::from_value(answer["scans"].take())?;
    let metrics = server.curl(&[&format!("{URL}/metrics")])?;
    ensure!(metrics.status == 200, "{metrics:?}");
    Ok((scans, Metrics::read(&metrics.body)?))
}

#[test]
fn who_is_allowed_by_the_file_is_counted_and_not_told_of() -> Result {
    let (pair, made) = (Pair::new(QUIET)?, Certificates::new()?);
    let more = "evidence-dir = 'evidence'\n[scan]\nsensitivity = 'high'\nallow = ['192.0.2.0/24', '2001:db8::1']";
    let file = made.write("c.toml", &text(more))?;
    let server = Server::start(&pair.right, &["run", "--config.file", &file])?;
    assert!(made.folder().join("evidence").is_dir());
    send_once(&pair.left, &pair.right, syns(Ipv4Addr::new(192, 0, 2, 7), 1))?;
    eventually("what is allowed was looked at", || {
        let (_, metrics) = told(&server)?;
        let allowed =
            metrics.sum("wireledger_scan_uncounted_flows_total", &[("reason", "allowed")])?;
        Ok((allowed == f64::from(TRIED)).then_some(()))
    })?;
    let (scans, metrics) = told(&server)?;
    assert_eq!(scans, Vec::<Value>::new());
    assert_eq!(metrics.sum("wireledger_scans_total", &[])?, 0.0);

    let scanner = Ipv4Addr::new(198, 51, 100, 7);
    let leaving = Ipv4Addr::new(203, 0, 113, 7);
    send_once(&pair.left, &pair.right, syns(scanner, 1))?;
    send_once(&pair.right, &pair.left, syns(leaving, 101))?;
    let (scans, metrics) = eventually("both scans are told of", || {
        let (scans, metrics) = told(&server)?;
        Ok((scans.len() >= 2).then_some((scans, metrics)))
    })?;
    let said: BTreeMap<_, _> =
        scans.iter().map(|scan| (scan["direction"].as_str(), &scan["sources"])).collect();
    let wanted = [("ingress", json!([scanner])), ("egress", json!([leaving]))];
    assert_eq!(said, wanted.iter().map(|(way, sources)| (Some(*way), sources)).collect());
    for family in ["wireledger_scans_total", "wireledger_scans_under_way"] {
        for direction in ["ingress", "egress"] {
            let labels = [("kind", "syn"), ("direction", direction)];
            assert_eq!(metrics.sum(family, &labels)?, 1.0, "{family} {direction}");
        }
        assert_eq!(metrics.sum(family, &[])?, 2.0, "{family}");
    }
    for (family, series) in FAMILIES.into_iter().chain(EVIDENCE) {
        assert_eq!(metrics.values(family, &[])?.len(), series, "{family}");
    }
    assert_eq!(server.stop()?.code, Some(0));
    Ok(())
}

#[test]
fn a_reload_that_changes_what_is_called_a_scan_is_refused_by_name() -> Result {
    let (pair, made) = (Pair::new(QUIET)?, Certificates::new()?);
    let before = "scan.allow = ['192.0.2.1']\nevidence-dir = 'evidence'";
    let file = made.write("c.toml", &text(before))?;
    let server = Server::start(&pair.right, &["run", "--config.file", &file])?;
    for (more, key) in [
        ("scan.allow = ['192.0.2.1']\nevidence-dir = 'elsewhere'", "evidence-dir"),
        ("scan.allow = ['192.0.2.1']", "evidence-dir"),
        (&format!("{before}\nevidence-files = 7"), "evidence-files"),
        (&format!("{before}\nevidence-size = '1MiB'"), "evidence-size"),
        ("scan.allow = ['192.0.2.2']\nevidence-dir = 'evidence'", "scan.allow"),
        (&format!("{before}\nscan.sensitivity = 'high'"), "scan.sensitivity"),
        ("scan.allow = ['192.0.2.1']\nscan.sensitivity = 'off'", "scan.sensitivity"),
    ] {
        made.replace("c.toml", &text(more))?;
        let said = server.curl(&["-X", "POST", &format!("{URL}/-/reload")])?;
        let refused = said.body.contains(&format!("{key} cannot change"));
        assert!(said.status == 500 && refused, "{more}: {said:?}");
        assert!(!server.is_loaded("config")?);
    }
    made.replace("c.toml", &text(before))?;
    assert_eq!(server.curl(&["-X", "POST", &format!("{URL}/-/reload")])?.status, 200);
    Ok(())
}
