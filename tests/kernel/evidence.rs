//! Evidence of scans by nmap, as files that tshark and our own reader read, and `wireledger scans --follow` through a verdict's whole life.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use wireledger::capfile::Reader;
use wireledger_tests::{
    daemon::{Daemon, wireledger},
    netns::{INTERFACE, NetNs, output},
    packets::transport::flags,
    process::Process,
    scans::{Ground, Nmap, SCANNER_V4, TARGET_V4, nmap},
    tshark::{Field, Tshark},
};

/// The third host's, which has none of its own.
const THIRD_V4: &str = "10.9.0.4";

const SCAN: [&str; 7] = ["-sS", "-T4", "--max-retries", "1", "-p", "1-200", TARGET_V4];

/// Told of once when it begins, as at least ten ports are a scan and twice as many would be told of anew.
const SMALL: [&str; 7] = ["-sS", "-T4", "--max-retries", "1", "-p", "1-19", TARGET_V4];

/// A verdict ends after a minute of silence, of which it is told at a tick.
const LIFE: Duration = Duration::from_secs(100);

fn watch<'a>(ground: &'a Ground, folder: &Path) -> Result<Daemon<'a>> {
    let folder = folder.to_str().context("a folder whose name is not UTF-8")?;
    let kept = ["--sample-every", "1", "--evidence-dir", folder];
    Daemon::start(&ground.target, &[&["-i", INTERFACE][..], &kept].concat())
}

/// The line of `/api/v1/scans` about this source, once it has a file.
fn filed(daemon: &Daemon<'_>, source: &str) -> Result<Value> {
    let since = Instant::now();
    loop {
        let answer: Value = daemon.json("/api/v1/scans")?;
        let lines = answer["scans"].as_array().cloned().unwrap_or_default();
        let is_it = |line: &&Value| line["sources"] == serde_json::json!([source]);
        if let Some(line) = lines.iter().filter(is_it).find(|line| line["evidence"].is_string()) {
            return Ok(line.clone());
        }
        ensure!(since.elapsed() < LIFE, "no evidence of {source}: {lines:#?}");
        thread::sleep(Duration::from_millis(100));
    }
}

fn file(line: &Value) -> Result<PathBuf> {
    Ok(line["evidence"].as_str().context("no file")?.into())
}

/// When a file's packets were seen, seconds since 1970.
fn times(file: &Path) -> Result<Vec<f64>> {
    let mut reader = Reader::open(file)?;
    let mut times = Vec::new();
    while let Some(record) = reader.next()? {
        times.push(record.time as f64 / 1e9);
    }
    Ok(times)
}

/// The ports that a file's SYNs of this source ask for; every packet is of the source.
fn asked(file: &Path, source: &str) -> Result<BTreeSet<u16>> {
    let rows = Tshark::new()?.rows(file)?;
    assert_eq!(rows.len(), times(file)?.len());
    let mut asked = BTreeSet::new();
    for row in rows {
        let from = row.cell(Field::IpSource);
        assert!(from == source || row.cell(Field::IpDestination) == source, "{row:?}");
        let is_syn = row.nth(Field::TcpFlags, 0) == Some(u64::from(flags::SYN));
        if let Some(port) = row.nth(Field::TcpDestination, 0).filter(|_| from == source && is_syn) {
            asked.insert(u16::try_from(port)?);
        }
    }
    Ok(asked)
}

#[test]
fn each_scan_has_a_file_of_its_source_alone_with_packets_from_before_it_was_told() -> Result<()> {
    let ground = Ground::new()?;
    ground.third.run(&format!("ip addr add {THIRD_V4}/24 dev {INTERFACE}"))?;
    let folder = tempfile::tempdir()?;
    let daemon = watch(&ground, folder.path())?;
    let scan = |host: &NetNs, source| -> Result<(Value, Nmap)> {
        let nmap = nmap(host, &SCAN)?;
        Ok((filed(&daemon, source)?, nmap))
    };
    let scans = [
        (SCANNER_V4, scan(&ground.scanner, SCANNER_V4)?),
        (THIRD_V4, scan(&ground.third, THIRD_V4)?),
    ];
    // What came after the file was written last is written at the end.
    assert_eq!(daemon.stop()?.code, Some(0));
    let mut files = BTreeSet::new();
    for (source, (line, nmap)) in scans {
        let file = file(&line)?;
        output(Command::new("capinfos").arg(&file))?;
        assert_eq!(line["evidence_incomplete"], false);
        let told = line["first_told"].as_f64().context("it was told")?;
        let before = times(&file)?.iter().filter(|&&time| time < told).count();
        assert!(before > 10, "{before} packets from before {told}");
        assert_eq!(asked(&file, source)?, nmap.account.tcp(flags::SYN), "{source}");
        files.insert(file);
    }
    let found = fs::read_dir(folder.path())?.map(|entry| Ok(entry?.path()));
    assert_eq!(found.collect::<Result<BTreeSet<_>>>()?, files);
    assert_eq!(files.len(), 2);
    Ok(())
}

/// `wireledger scans --follow --json`.
struct Following(Process);

impl Following {
    fn start(ground: &Ground, daemon: &Daemon<'_>) -> Result<Self> {
        let mut command = wireledger(&ground.target)?;
        let follow = ["scans", "--follow", "--json", "--connect", &daemon.url()];
        Ok(Self(Process::start(command.args(follow))?))
    }

    fn lines(&mut self) -> Result<Vec<Value>> {
        let (said, complained) = self.0.said()?;
        ensure!(self.0.is_running()?, "it has ended: {complained}");
        said.lines().map(|line| serde_json::from_str(line).context("reading a line")).collect()
    }

    /// Waits until its lines are so.
    fn until(&mut self, what: &str, is_so: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>> {
        let since = Instant::now();
        loop {
            let lines = self.lines()?;
            if is_so(&lines) {
                return Ok(lines);
            }
            if since.elapsed() > LIFE {
                bail!("{what}: there are {lines:#?}");
            }
            thread::sleep(Duration::from_millis(200));
        }
    }
}

#[test]
fn whoever_follows_sees_a_scan_begin_and_end_and_nothing_twice() -> Result<()> {
    let ground = Ground::new()?;
    let daemon = Daemon::start(&ground.target, &["-i", INTERFACE])?;
    let mut following = Following::start(&ground, &daemon)?;
    nmap(&ground.scanner, &SMALL)?;
    let is_over = |lines: &[Value]| lines.iter().any(|line| line["stage"] == "ended");
    following.until("the scan ends", is_over)?;
    // Nothing comes of what was told, however often it is asked for.
    thread::sleep(Duration::from_secs(4));
    let lines = following.lines()?;
    let told: Vec<_> = lines.iter().map(|line| (line["stage"].as_str(), &line["id"])).collect();
    let [(Some("begun"), id), grown @ .., (Some("ended"), _)] = &told[..] else {
        bail!("{told:?}");
    };
    assert!(grown.iter().all(|(stage, _)| *stage == Some("grown")), "{told:?}");
    assert!(told.iter().all(|(_, other)| other == id), "{told:?}");
    let revisions: Vec<_> = lines.iter().map(|line| line["revision"].as_u64()).collect();
    assert!(revisions.is_sorted_by(|a, b| a < b), "{revisions:?}");
    let first = &lines[0];
    for key in ["first_told", "first_seen"] {
        assert!(lines.iter().all(|line| line[key] == first[key]), "{lines:#?}");
    }
    Ok(())
}

#[test]
fn whoever_follows_waits_for_a_daemon_that_is_started_again() -> Result<()> {
    let ground = Ground::new()?;
    let daemon = Daemon::start(&ground.target, &["-i", INTERFACE])?;
    let mut following = Following::start(&ground, &daemon)?;
    nmap(&ground.scanner, &SMALL)?;
    following.until("a scan", |lines| !lines.is_empty())?;
    daemon.stop()?;
    thread::sleep(Duration::from_secs(3));
    following.lines()?;
    let _again = Daemon::start(&ground.target, &["-i", INTERFACE])?;
    nmap(&ground.scanner, &SMALL)?;
    // It has the same number, and is another one.
    let begun = |lines: &[Value]| lines.iter().filter(|line| line["stage"] == "begun").count();
    let lines = following.until("another scan", |lines| begun(lines) == 2)?;
    assert!(lines.iter().all(|line| line["id"] == lines[0]["id"]), "{lines:#?}");
    let (_, complained) = following.0.said()?;
    let waiting = complained.lines().filter(|line| line.starts_with("waiting for the daemon"));
    assert_eq!(waiting.count(), 1, "{complained}");
    Ok(())
}

#[test]
fn evidence_that_cannot_be_is_refused_before_anything_is_attached() -> Result<()> {
    let namespace = NetNs::new("evidence")?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("c.toml");
    let of_nothing =
        "interface = 'lo'\nsample-every = 1\nevidence-dir = 'e'\nscan.sensitivity = 'off'\n";
    fs::write(&config, of_nothing)?;
    let config = config.to_str().context("a folder whose name is not UTF-8")?;
    let kept = ["run", "-i", "lo", "--sample-every", "1", "--evidence-dir"];
    let cases = [
        (1, [&kept[..], &["/proc/sys"]].concat(), "cannot make /proc/sys/"),
        (1, [&kept[..], &[config]].concat(), "is no folder"),
        (2, [&kept[..], &["/e", "--scan.sensitivity", "off"]].concat(), "nothing to write"),
        (2, vec!["run", "--config.file", config], "nothing to write"),
        (2, vec!["check-config", config], "nothing to write"),
        (2, vec!["run", "-i", "lo", "--evidence-size", "1MiB"], "--evidence-dir"),
    ];
    for (code, words, why) in cases {
        let ended = Process::run(wireledger(&namespace)?.args(&words))?;
        assert_eq!(ended.code, Some(code), "{words:?}: {ended:?}");
        assert!(ended.stderr.contains(why), "{words:?}: {ended:?}");
        assert!(ended.stderr.contains("error: ") && !ended.stderr.contains("panicked"));
    }
    Ok(())
}
