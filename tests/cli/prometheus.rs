//! The metrics as Prometheus takes them: its own linter has nothing to say, and its own server scrapes them.

use std::{
    fs,
    io::{Seek as _, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use wireledger_tests::{
    daemon::{Daemon, get},
    netns::{INTERFACE, NetNs, Pair, Setup},
    packets::every_kind,
    process::Process,
    send::{Tally, send_once},
    tools::{eventually, find, is_ci},
};

type Result = anyhow::Result<()>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };

/// A daemon that has seen every kind of frame.
fn scraped(pair: &Pair) -> anyhow::Result<(Daemon<'_>, Tally)> {
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    let frames = every_kind().into_iter().map(|(_, frame)| frame).collect();
    let sent = send_once(&pair.left, &pair.right, frames)?;
    daemon.settled(INTERFACE, "ingress", sent.packets)?;
    Ok((daemon, sent))
}

/// A program of Prometheus; `None`, and says so, where it may be missing.
fn program(name: &str, variable: &str) -> anyhow::Result<Option<PathBuf>> {
    let found = find(name, variable);
    ensure!(found.is_some() || !is_ci(), "{name} is not there; {variable} may name it");
    if found.is_none() {
        eprintln!("skipped: {name} is not there; {variable} may name it");
    }
    Ok(found)
}

#[test]
fn promtool_has_nothing_to_say() -> Result {
    let Some(promtool) = program("promtool", "WIRELEDGER_PROMTOOL")? else { return Ok(()) };
    let pair = Pair::new(QUIET)?;
    let (daemon, _) = scraped(&pair)?;
    let mut text = tempfile::tempfile()?;
    text.write_all(daemon.get("/metrics")?.as_bytes())?;
    text.rewind()?;
    let mut check = Command::new(promtool);
    let checked = check.args(["check", "metrics"]).stdin(text).output()?;
    let said =
        [checked.stdout, checked.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(checked.status.success(), "{said:?}");
    assert_eq!(said, ["", ""]);
    Ok(())
}

#[test]
fn the_metrics_are_the_ledger() -> Result {
    let pair = Pair::new(QUIET)?;
    let (daemon, sent) = scraped(&pair)?;
    let metrics = daemon.metrics()?;
    let ingress = [("interface", INTERFACE), ("direction", "ingress")];
    let sum = |name: &str| metrics.sum(name, &ingress);
    let ledger = daemon.ledger()?;
    for (unit, of) in
        [("packets", (|tally| tally.packets) as fn(Tally) -> u64), ("bytes", |tally| tally.bytes)]
    {
        let seen = sum(&format!("wireledger_interface_{unit}_total"))?;
        let read = sum(&format!("wireledger_ip_{unit}_total"))?;
        let unread = sum(&format!("wireledger_unread_{unit}_total"))?;
        assert_eq!(seen, of(sent) as f64);
        assert_eq!(read + unread, seen);
        let by_ledger = ledger.sum(INTERFACE, "ingress", |account| account.unread);
        assert_eq!(unread, of(by_ledger) as f64);
    }
    Ok(())
}

/// A Prometheus server on the loopback of a namespace, scraping `target` every second.
fn server(
    prometheus: &Path,
    namespace: &NetNs,
    target: &str,
    folder: &Path,
) -> anyhow::Result<Process> {
    let file = folder.join("prometheus.yml");
    let config = format!(
        "global: {{scrape_interval: 1s}}\n\
         scrape_configs: [{{job_name: wireledger, static_configs: [{{targets: ['{target}']}}]}}]\n"
    );
    fs::write(&file, config).context("writing prometheus.yml")?;
    let mut command = namespace.command(prometheus.to_str().context("a path in UTF-8")?);
    command.arg(format!("--config.file={}", file.display()));
    command.arg(format!("--storage.tsdb.path={}", folder.join("data").display()));
    command.arg(format!("--web.listen-address={SERVER}"));
    Process::start(&mut command)
}

/// Where the server listens.
const SERVER: &str = "127.0.0.1:9890";

/// The one number that an instant query gives, once it gives one; the expression as it may stand in a URL.
fn query(namespace: &NetNs, expression: &str) -> anyhow::Result<Option<f64>> {
    let url = format!("http://{SERVER}/api/v1/query?query={expression}");
    // The server may not be up yet.
    let Ok(text) = get(namespace, &url) else { return Ok(None) };
    let answer: Value = serde_json::from_str(&text)?;
    let value = answer["data"]["result"][0]["value"][1].as_str();
    value.map(|value| value.parse().context("reading a value")).transpose()
}

#[test]
fn a_prometheus_server_scrapes_every_packet() -> Result {
    let Some(prometheus) = program("prometheus", "WIRELEDGER_PROMETHEUS")? else { return Ok(()) };
    let pair = Pair::new(QUIET)?;
    let (daemon, sent) = scraped(&pair)?;
    let folder = tempfile::tempdir()?;
    let target = daemon.url().replace("http://", "");
    let mut server = server(&prometheus, &pair.right, &target, folder.path())?;
    let once = |expression: &str, server: &mut Process| {
        eventually(expression, || {
            ensure!(server.is_running()?, "prometheus ended: {:?}", server.said()?);
            query(&pair.right, expression)
        })
    };
    once("up==1", &mut server)?;
    let packets = once("sum(wireledger_interface_packets_total)", &mut server)?;
    assert_eq!(packets, sent.packets as f64);
    eventually("every series is scraped", || {
        let text = daemon.get("/metrics")?;
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let scraped = once("scrape_samples_scraped", &mut server)?;
        Ok((scraped == lines.count() as f64).then_some(()))
    })
}
