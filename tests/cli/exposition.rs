//! `/metrics` of a live daemon: both formats as Prometheus's Python client reads them, held against each other, the API and the kernel.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Seek as _, Write as _},
    process::Command,
};

use anyhow::{Context as _, ensure};
use flate2::read::GzDecoder;
use serde::Deserialize;
use wireledger_tests::{
    answers::Metrics,
    daemon::{Daemon, get},
    netns::{INTERFACE, Pair, Setup, output},
    packets::every_kind,
    process::{Process, binary},
    send::{Tally, send_once},
    tools::{eventually, find, is_ci},
};

type Result = anyhow::Result<()>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };
const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cli/exposition.py");

/// A daemon that has seen every kind of frame.
fn fed<'p>(pair: &'p Pair, arguments: &[&str]) -> anyhow::Result<(Daemon<'p>, Tally)> {
    let daemon = Daemon::start(&pair.right, &[&["-i", INTERFACE], arguments].concat())?;
    let frames = every_kind().into_iter().map(|(_, frame)| frame).collect();
    let sent = send_once(&pair.left, &pair.right, frames)?;
    daemon.settled(INTERFACE, "ingress", sent.packets)?;
    Ok((daemon, sent))
}

/// An answer of `/metrics`.
struct Answer {
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// What `/metrics` answers to a request with these headers.
fn scrape(pair: &Pair, daemon: &Daemon<'_>, headers: &[(&str, &str)]) -> anyhow::Result<Answer> {
    let url = format!("{}/metrics", daemon.url());
    pair.right.enter(|| {
        let mut request = ureq::get(&url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = request.call()?;
        let headers = answer.headers().iter().map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let headers = headers.collect();
        Ok(Answer { headers, body: answer.body_mut().read_to_vec()? })
    })?
}

fn text(answer: Answer) -> anyhow::Result<String> {
    String::from_utf8(answer.body).context("reading an answer")
}

/// A family as the Python client has it.
#[derive(Debug, Deserialize)]
struct Family {
    name: String,
    kind: String,
    unit: String,
    help: String,
    samples: Vec<Sample>,
}

#[derive(Debug, Deserialize)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// `None`, and says so, where the client may be missing.
fn parsed(format: &str, text: &str) -> anyhow::Result<Option<Vec<Family>>> {
    let python = find("python3", "WIRELEDGER_PYTHON").context("python3 is not there")?;
    let there = Command::new(&python).args(["-c", "import prometheus_client"]).output()?;
    if !there.status.success() {
        ensure!(!is_ci(), "{} has no prometheus-client", python.display());
        eprintln!(
            "skipped: {} has no prometheus-client; WIRELEDGER_PYTHON may name one that has",
            python.display()
        );
        return Ok(None);
    }
    let mut input = tempfile::tempfile()?;
    input.write_all(text.as_bytes())?;
    input.rewind()?;
    let parsed = Command::new(python).args([SCRIPT, format]).stdin(input).output()?;
    let said = String::from_utf8_lossy(&parsed.stderr);
    ensure!(parsed.status.success(), "the client refuses {format}: {said}");
    Ok(Some(serde_json::from_slice(&parsed.stdout).context("reading what the client made of it")?))
}

/// A sample's name and labels.
type Series = (String, BTreeMap<String, String>);

/// Whether a line of this start, or a family of this name, moves by itself, or with what scrapes add to the exporter's own counters.
fn moves(start: &str) -> bool {
    const MOVING: [&str; 6] = [
        "process_",
        "wireledger_http_",
        "wireledger_recorder_oldest_",
        "wireledger_scrape_",
        "wireledger_snapshot_",
        "wireledger_top_limit",
    ];
    MOVING.iter().any(|moving| start.starts_with(moving))
}

/// Every sample that does not move. Bounds of buckets are numbers: OpenMetrics writes `64.0`, the text format `64`.
fn still(families: &[Family]) -> anyhow::Result<BTreeMap<Series, f64>> {
    let mut found = BTreeMap::new();
    for sample in families.iter().flat_map(|family| &family.samples) {
        if moves(&sample.name) {
            continue;
        }
        let mut labels = sample.labels.clone();
        if let Some(bound) = labels.get_mut("le") {
            *bound = bound.parse::<f64>()?.to_string();
        }
        let twice = found.insert((sample.name.clone(), labels), sample.value);
        ensure!(twice.is_none(), "{sample:?} is there twice");
    }
    Ok(found)
}

#[test]
fn the_reference_client_reads_the_same_in_both_formats() -> Result {
    let pair = Pair::new(QUIET)?;
    let (daemon, sent) = fed(&pair, &["--sample-every", "2"])?;
    eventually("no sample is under way any more", || {
        let metrics = daemon.metrics()?;
        let matched = metrics.sum("wireledger_capture_matched_packets_total", &[])?;
        let settled = metrics.sum("wireledger_capture_packets_total", &[])?;
        let recorded = metrics.sum("wireledger_recorder_packets", &[])?;
        let delivered =
            metrics.sum("wireledger_capture_packets_total", &[("fate", "delivered")])?;
        let all = matched >= sent.packets as f64 && matched == settled && recorded == delivered;
        Ok(all.then_some(()))
    })?;
    let lines = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !moves(line)).map(str::to_owned).collect()
    };
    let (plain, open) = eventually("nothing moves around a scrape", || {
        let plain = text(scrape(&pair, &daemon, &[])?)?;
        let open = text(scrape(&pair, &daemon, &[("accept", OPENMETRICS)])?)?;
        let after = text(scrape(&pair, &daemon, &[])?)?;
        Ok((lines(&plain) == lines(&after)).then_some((plain, open)))
    })?;
    let (Some(plain), Some(open)) = (parsed("text", &plain)?, parsed("openmetrics", &open)?) else {
        return Ok(());
    };
    let (of_plain, of_open) = (still(&plain)?, still(&open)?);
    assert!(of_plain.len() > 300, "{}", of_plain.len());
    let only = |one: &BTreeMap<Series, f64>, other: &BTreeMap<Series, f64>| -> Vec<_> {
        let sample = |(series, value): (&Series, &f64)| (series.clone(), *value);
        one.iter().map(sample).filter(|(series, value)| other.get(series) != Some(value)).collect()
    };
    assert_eq!(only(&of_plain, &of_open), [], "of {} samples", of_plain.len());
    assert_eq!(only(&of_open, &of_plain), []);
    assert!(of_plain.values().any(|&value| value > 0.0));
    let names = |families: &[Family]| -> BTreeSet<String> {
        families.iter().map(|family| family.name.trim_end_matches("_info").to_owned()).collect()
    };
    assert_eq!(names(&plain), names(&open));
    for family in &open {
        assert!(!family.help.is_empty() && !family.kind.is_empty(), "{family:?}");
        let unit = ["bytes", "seconds"].into_iter().find(|unit| family.name.ends_with(unit));
        assert_eq!(family.unit, unit.unwrap_or_default(), "{}", family.name);
        assert_ne!(family.kind, "unknown", "{}", family.name);
    }
    Ok(())
}

#[test]
fn the_metrics_are_what_the_api_says() -> Result {
    let pair = Pair::new(QUIET)?;
    let (daemon, sent) = fed(&pair, &[])?;
    let (ledger, flows) = (daemon.ledger()?, daemon.flows()?);
    let watched = daemon.interface(INTERFACE)?;
    for accept in ["text/plain", OPENMETRICS] {
        let metrics = Metrics::read(&text(scrape(&pair, &daemon, &[("accept", accept)])?)?)?;
        for direction in ["ingress", "egress"] {
            let place = [("interface", INTERFACE), ("direction", direction)];
            let of = |family: &str| metrics.sum(family, &place);
            let seen = ledger.seen(INTERFACE, direction);
            assert_eq!(of("wireledger_interface_packets_total")?, seen.packets as f64);
            assert_eq!(of("wireledger_interface_bytes_total")?, seen.bytes as f64);
            assert_eq!(of("wireledger_packet_size_bytes_count")?, seen.packets as f64);
            let unread = ledger.sum(INTERFACE, direction, |account| account.unread);
            assert_eq!(of("wireledger_unread_packets_total")?, unread.packets as f64);
            assert_eq!(of("wireledger_unread_bytes_total")?, unread.bytes as f64);
            assert_eq!(of("wireledger_ledger_balanced")?, 1.0);
        }
        assert_eq!(metrics.sum("wireledger_flows", &[])?, flows.len() as f64);
        let mode = [("direction", "ingress"), ("mode", watched.ingress.mode.as_str())];
        assert_eq!(metrics.values("wireledger_attach_info", &mode)?, [1.0]);
    }
    assert_eq!(ledger.seen(INTERFACE, "ingress").packets, sent.packets);
    Ok(())
}

#[test]
fn the_kernels_own_counters_are_beside_the_ledgers() -> Result {
    let pair = Pair::new(QUIET)?;
    let before = pair.right_link()?;
    let (daemon, sent) = fed(&pair, &[])?;
    let metrics = daemon.metrics()?;
    let after = pair.right_link()?;
    for (direction, counters) in [("ingress", after.rx), ("egress", after.tx)] {
        let place = [("interface", INTERFACE), ("direction", direction)];
        let kernel = |what: &str| metrics.sum(&format!("wireledger_kernel_{what}_total"), &place);
        assert_eq!(kernel("packets")?, counters.packets as f64);
        assert_eq!(kernel("bytes")?, counters.bytes as f64);
        assert_eq!(kernel("drops")?, counters.dropped as f64);
        assert_eq!(kernel("errors")?, 0.0);
        assert_eq!(kernel("fifo_errors")?, 0.0);
    }
    assert_eq!(after.rx.since(&before.rx).packets, sent.packets);
    let loopback = metrics.values("wireledger_kernel_packets_total", &[("interface", "lo")]);
    assert!(loopback.is_err(), "lo is not watched");
    Ok(())
}

#[test]
fn a_format_and_an_encoding_are_agreed_on() -> Result {
    let pair = Pair::new(QUIET)?;
    let (daemon, _) = fed(&pair, &[])?;
    for (accept, kind) in [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ] {
        let headers = [("accept", accept), ("accept-encoding", "gzip")];
        let answer = scrape(&pair, &daemon, &headers)?;
        assert_eq!(answer.headers["content-type"], kind, "{accept}");
        assert_eq!(answer.headers["content-encoding"], "gzip");
        assert_eq!(answer.headers["vary"], "Accept, Accept-Encoding");
        let mut unpacked = String::new();
        GzDecoder::new(&*answer.body).read_to_string(&mut unpacked)?;
        let first = if accept == OPENMETRICS { "# TYPE " } else { "# HELP " };
        assert!(unpacked.starts_with(first), "{unpacked:.80}");
        let identity =
            scrape(&pair, &daemon, &[("accept", accept), ("accept-encoding", "identity")])?;
        assert!(!identity.headers.contains_key("content-encoding"));
        assert!(answer.body.len() * 4 < identity.body.len());
    }
    Ok(())
}

#[test]
fn collectors_are_switched_and_say_how_they_did() -> Result {
    let pair = Pair::new(QUIET)?;
    let only = ["--collector.disable-defaults", "--collector.interface", "--web.max-requests", "1"];
    let (daemon, sent) = fed(&pair, &only)?;
    let told = text(scrape(&pair, &daemon, &[])?)?;
    let metrics = Metrics::read(&told)?;
    let ingress = [("interface", INTERFACE), ("direction", "ingress")];
    let seen = metrics.sum("wireledger_interface_packets_total", &ingress)?;
    assert_eq!(seen, sent.packets as f64);
    assert_eq!(metrics.values("wireledger_scrape_collector_success", &[])?, [1.0]);
    assert_eq!(metrics.values("wireledger_scrape_collector_duration_seconds", &[])?.len(), 1);
    for absent in ["wireledger_ip_", "wireledger_kernel_", "wireledger_flow", "process_"] {
        assert!(!told.lines().any(|line| line.starts_with(absent)), "{absent}");
    }
    drop(daemon);
    let (daemon, _) = fed(&pair, &["--no-collector.process"])?;
    let told = text(scrape(&pair, &daemon, &[])?)?;
    assert!(!told.contains("process_cpu_seconds_total"));
    let metrics = Metrics::read(&told)?;
    let success = metrics.values("wireledger_scrape_collector_success", &[])?;
    assert_eq!(success, vec![1.0; success.len()]);
    assert!(success.len() > 5);
    Ok(())
}

#[test]
fn a_collector_that_fails_takes_nothing_else_with_it() -> Result {
    const URL: &str = "http://127.0.0.1:9856/metrics";
    let pair = Pair::new(QUIET)?;
    // In a mount namespace of its own, whose /proc can be taken away.
    let mut run = pair.right.command("unshare");
    run.arg("--mount").arg(binary()?).args(["run", "-i", INTERFACE]);
    run.args(["--socket", "none", "--web.listen-address", "127.0.0.1:9856"]);
    let mut daemon = Process::start(&mut run)?;
    let success = |text: &str, collector: &str| {
        let labels = [("collector", collector)];
        Metrics::read(text)?.values("wireledger_scrape_collector_success", &labels)
    };
    let before = eventually("the daemon answers", || {
        ensure!(daemon.is_running()?, "the daemon ended: {:?}", daemon.said()?);
        Ok(get(&pair.right, URL).ok())
    })?;
    for collector in ["kernel", "process", "interface"] {
        assert_eq!(success(&before, collector)?, [1.0], "{collector}");
    }
    let mut hide = Command::new("nsenter");
    hide.arg("--mount").arg(format!("--target={}", daemon.id()));
    output(hide.args(["mount", "-t", "tmpfs", "none", "/proc"]))?;
    // Not 200 would be an error.
    let after = get(&pair.right, URL)?;
    for (collector, worked) in
        [("kernel", 0.0), ("process", 0.0), ("interface", 1.0), ("ledger", 1.0)]
    {
        assert_eq!(success(&after, collector)?, [worked], "{collector}");
    }
    assert!(!after.contains("wireledger_kernel_") && !after.contains("process_cpu_seconds_total"));
    assert!(after.contains("wireledger_interface_packets_total{"));
    Ok(())
}
