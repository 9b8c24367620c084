//! Whole scrapes over HTTP, as Prometheus asks: the daemon with its flows, beside node_exporter in the same namespace.

use std::{
    fmt::Write as _,
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use wireledger_tests::{
    daemon::{Daemon, get},
    netns::{INTERFACE, NetNs, Pair},
    process::Process,
    tools::eventually,
};

use super::{Args, PAUSE, fill};

/// What a thread that answered needs to go back to sleep, and to be accounted for.
const SETTLING: Duration = Duration::from_millis(20);
const EXPORTER: &str = "127.0.0.1:9100";

/// One server's scrapes.
struct Scraped {
    name: &'static str,
    series: usize,
    /// CPU of the server, and time until the answer is there, milliseconds.
    rounds: Vec<[f64; 2]>,
}

/// Scrapes each as often as `args` say; raw rounds go to `raw`.
pub(super) fn run(args: &Args, pair: &Pair, raw: &mut String) -> anyhow::Result<String> {
    let memory = format!("{}KiB", args.flows * 2 * 144);
    let daemon = Daemon::start(
        &pair.right,
        &[
            &["-i", INTERFACE, "--flow-memory", &memory, "--idle-timeout", "10m"][..],
            // Flows, hosts and conversations of one direction: some 5,000 series.
            &["--metrics.max-series", "20000", "--metrics.top", "750"],
        ]
        .concat(),
    )?;
    let (url, id) = (format!("{}/metrics", daemon.url()), daemon.id());
    let empty = scrape("wireledger, no flow", args, &pair.right, &url, id)?;
    fill(args, pair)?;
    thread::sleep(Duration::from_secs(4));
    let full = scrape("wireledger, all flows live", args, &pair.right, &url, id)?;
    drop(daemon);
    let mut other = pair.right.command("prometheus-node-exporter");
    let exporter = Process::start(other.arg(format!("--web.listen-address={EXPORTER}")))?;
    let url = format!("http://{EXPORTER}/metrics");
    eventually("node_exporter answers", || Ok(get(&pair.right, &url).ok()))?;
    let node = scrape("node_exporter", args, &pair.right, &url, exporter.id())?;
    table(args, &[empty, full, node], raw)
}

fn table(args: &Args, all: &[Scraped], raw: &mut String) -> anyhow::Result<String> {
    let mut text = format!(
        "\nWhole scrapes over HTTP, OpenMetrics and gzip; medians of {}\n\n{:<44} {:>8} {:>8} {:>8} {:>12}\n",
        args.rounds, "", "series", "CPU ms", "ms", "CPU us/series"
    );
    for Scraped { name, series, rounds } in all {
        for (round, [cpu, wall]) in rounds.iter().enumerate() {
            writeln!(raw, "scrape: {name}\t{round}\t{cpu}\t{wall}\t\t")?;
        }
        let median = |nth: usize| {
            let mut values: Vec<_> = rounds.iter().map(|round| round[nth]).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let (cpu, wall) = (median(0), median(1));
        let each = cpu * 1e3 / *series as f64;
        writeln!(text, "{name:<44} {series:>8} {cpu:>8.2} {wall:>8.2} {each:>12.2}")?;
    }
    Ok(text)
}

fn scrape(
    name: &'static str,
    args: &Args,
    namespace: &NetNs,
    url: &str,
    id: u32,
) -> anyhow::Result<Scraped> {
    let text = get(namespace, url)?;
    let series = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        thread::sleep(PAUSE);
        let (cpu, began) = (busy(id)?, Instant::now());
        let mut curl = namespace.command("curl");
        curl.args([
            "-sS",
            "--compressed",
            "-H",
            "Accept: application/openmetrics-text;version=1.0.0",
        ]);
        let asked = Process::run(curl.args(["-o", "/dev/null", "-w", "%{time_total}"]).arg(url))?;
        ensure!(asked.code == Some(0), "{asked:?}");
        let seconds: f64 = asked.stdout.trim().parse().context("reading curl's time")?;
        ensure!(seconds <= began.elapsed().as_secs_f64(), "{asked:?}");
        thread::sleep(SETTLING);
        rounds.push([(busy(id)? - cpu) as f64 / 1e6, seconds * 1e3]);
    }
    Ok(Scraped { name, series, rounds })
}

/// CPU time of a process's threads, nanoseconds: the first number of their schedstat (Documentation/scheduler/sched-stats.rst).
fn busy(id: u32) -> anyhow::Result<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{id}/task")).context("listing threads")? {
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let first = text.split(' ').next().and_then(|number| number.parse::<u64>().ok());
        sum += first.context("reading schedstat")?;
    }
    Ok(sum)
}
