//! End to end: Debian's Prometheus scrapes the daemon over TLS with a password, with the shipped configuration and rules, while
//! real traffic runs; everything that dashboards and rules ask is answered, and counters survive what they should.

mod scene;
mod traffic;

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use wireledger_tests::{
    contrib::{dashboards, selectors},
    netns::{Pair, Setup},
    packets::{ip::Ipv4, transport::udp},
    prometheus::{Sample, Server, program, sample, values},
    send::send_once,
    tools::eventually,
};

use scene::Scene;
use traffic::Traffic;

type Result = anyhow::Result<()>;

/// Everything is answered within this of the traffic's begin: flows have ended, talkers have entered their tables.
const PATIENCE: Duration = Duration::from_secs(45);
/// What a panel shows, seconds.
const SHOWN: f64 = 20.0;

/// Why an expression may have no number although traffic runs.
const NO_NUMBER: [(&str, &str); 3] = [
    ("wireledger_program_seconds_total", "the kernel counts it only with kernel.bpf_stats_enabled"),
    ("sum by (instance, kind) (wireledger_scans_under_way", "shown above 0, and nobody scans"),
    ("sum by (kind, direction) (rate(wireledger_scans_total", "shown above 0, and nobody scans"),
];

/// Selectors of alerts that rightly have no series on a host that is well.
const NO_SERIES: [(&str, &str); 2] = [
    (r#"mode="none""#, "both directions are attached"),
    (r#"mode="generic""#, "veth has native XDP"),
];

/// Alerts of loss and of bugs, none of which may so much as think of firing here. The kernel's drops are not among them: it
/// drops frames of EtherTypes that nobody speaks, and some are sent.
const WELL: &str = "TargetDown|LedgerUnbalanced|ProbeDetached|Overflow|FlowTableSmall|Unplaced|\
                    RecordsRefused|Malformed|SamplesLost|HandshakesUntracked|ScansUnjudged|\
                    EvidenceFails|ReloadFailed|CollectorFailed|SeriesNearLimit|SnapshotSlow";

/// The counter of what [`burst`] sends.
const SENT: &str = r#"wireledger_ip_packets_total{interface="wl0",direction="ingress",version="4",protocol="udp"}"#;

#[test]
fn everything_that_is_asked_is_answered_and_counters_survive() -> Result {
    let Some(prometheus) = program("prometheus")? else { return Ok(()) };
    let pair = Pair::new(Setup::default())?;
    let mut scene = Scene::new(&pair.right)?;
    scene.start()?;
    let (config, data) = scene.monitoring()?;
    let server = Server::start(&prometheus, &pair.right, &config, &data)?;
    {
        let traffic = Traffic::new(&pair)?;
        thread::scope(|scope| {
            let running = scope.spawn(|| traffic.run());
            let asked = everything_is_answered(&server);
            traffic.stop();
            running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            asked
        })?;
    }
    nothing_is_wrong(&server)?;
    let last = reloads_lose_nothing(&pair, &mut scene, &server)?;
    a_restart_is_a_reset(&pair, &mut scene, &server, last)
}

/// An expression, and what must come of it.
struct Asked {
    at: String,
    expression: String,
    /// Of one moment, not over what a panel shows.
    instant: bool,
    /// What comes of it: a finite number, a series of whatever value, or nothing but success.
    wanted: Wanted,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wanted {
    Number,
    Series,
    Success,
}

/// With Grafana's variables as a user who chose nothing has them.
fn chosen(expression: &str) -> String {
    let variables =
        [("$__rate_interval", "10s"), ("$__range", "1m"), ("$job", ".+"), ("$instance", ".+")];
    let variables = variables.into_iter().chain([("$interface", ".+")]);
    variables.fold(expression.to_owned(), |text, (variable, value)| text.replace(variable, value))
}

/// What the dashboards ask.
fn of_dashboards() -> anyhow::Result<Vec<Asked>> {
    let mut all = Vec::new();
    for dashboard in dashboards()? {
        for query in dashboard.queries()? {
            let expression = chosen(&query.expression);
            let excused = NO_NUMBER.iter().any(|(part, _)| expression.contains(part));
            let wanted = if excused { Wanted::Success } else { Wanted::Number };
            all.push(Asked { at: query.at, expression, instant: query.instant, wanted });
        }
        for (selector, label) in dashboard.variables() {
            let expression = format!("count by ({label}) ({})", chosen(&selector));
            let at = format!("{}: variable {label}", dashboard.file);
            all.push(Asked { at, expression, instant: true, wanted: Wanted::Number });
        }
    }
    Ok(all)
}

/// What the rules ask, as the server has loaded them. An alert's expression is rightly empty while all is well, so it need
/// only be taken; but what it looks at must be there, or it would be empty for ever.
fn of_rules(server: &Server<'_>) -> anyhow::Result<Vec<Asked>> {
    let mut all = Vec::new();
    for rule in rules(server)? {
        let text = |key: &str| rule[key].as_str().map(str::to_owned).context("a rule's text");
        let (at, expression) = (text("name")?, text("query")?);
        let alerting = rule["type"] == "alerting";
        if alerting {
            let looks_at = selectors(&expression).into_iter().map(|selector| selector.text);
            let there = |text: &String| !NO_SERIES.iter().any(|(part, _)| text.contains(part));
            all.extend(looks_at.filter(there).map(|expression| {
                let wanted = Wanted::Series;
                Asked { at: at.clone(), expression, instant: true, wanted }
            }));
        }
        let wanted = if alerting { Wanted::Success } else { Wanted::Number };
        all.push(Asked { at, expression, instant: true, wanted });
    }
    Ok(all)
}

fn rules(server: &Server<'_>) -> anyhow::Result<Vec<Value>> {
    let groups = server.api("rules", &[])?;
    let groups = groups["groups"].as_array().context("groups of rules")?;
    Ok(groups
        .iter()
        .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default())
        .collect())
}

/// Asks until each has what it should, once.
fn everything_is_answered(server: &Server<'_>) -> Result {
    let since = Instant::now();
    let mut open = of_dashboards()?;
    open.extend(of_rules(server)?);
    let (asked, mut said) = (open.len(), BTreeSet::new());
    ensure!(asked > 100, "{asked} expressions are not all");
    while since.elapsed() < PATIENCE {
        let mut rest = Vec::new();
        for one in open {
            // A broken expression stays broken: its error ends the test.
            let found =
                ask(server, &one).with_context(|| format!("{}: {}", one.at, one.expression))?;
            if !is_enough(one.wanted, &found)? {
                rest.push(one);
            }
        }
        open = rest;
        if open.is_empty() {
            eprintln!("{asked} expressions answered in {:.1} s", since.elapsed().as_secs_f64());
            return Ok(());
        }
        thread::sleep(Duration::from_millis(500));
    }
    said.extend(
        open.iter().map(|one| format!("{}: {} ({:?})", one.at, one.expression, one.wanted)),
    );
    bail!("{} of {asked} have no answer: {said:#?}", open.len());
}

fn ask(server: &Server<'_>, asked: &Asked) -> anyhow::Result<Vec<Value>> {
    if asked.instant {
        return server.query(&asked.expression);
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
    server.range(&asked.expression, now, SHOWN)
}

fn is_enough(wanted: Wanted, found: &[Value]) -> anyhow::Result<bool> {
    let samples: Vec<Sample> =
        found.iter().flat_map(values).map(sample).collect::<anyhow::Result<_>>()?;
    Ok(match wanted {
        Wanted::Number => samples.iter().any(|(_, value)| value.is_finite()),
        Wanted::Series => !samples.is_empty(),
        Wanted::Success => true,
    })
}

fn nothing_is_wrong(server: &Server<'_>) -> Result {
    for rule in rules(server)? {
        ensure!(rule["health"] == "ok", "rule {}: {}", rule["name"], rule["lastError"]);
    }
    // One scrape that came late makes an alert pending until the next; what tells of loss looks back for minutes.
    let alerts = format!("ALERTS{{alertname=~\"Wireledger({WELL})\"}}");
    let mut wrong = Vec::new();
    eventually("no alert that should not be", || {
        wrong = server.query(&alerts)?;
        Ok(wrong.is_empty().then_some(()))
    })
    .with_context(|| format!("{wrong:#?}"))
}

/// Sends datagrams that nobody else counts; how many.
fn burst(pair: &Pair, packets: u64) -> anyhow::Result<u64> {
    let frame = Ipv4::default().frame(&udp(40_000, 53, b"counted"));
    let sent = send_once(&pair.left, &pair.right, vec![frame; packets as usize])?;
    Ok(sent.packets)
}

/// The last sample of [`SENT`] once it shows `value`.
fn scraped(server: &Server<'_>, value: f64) -> anyhow::Result<Sample> {
    let what = format!("{SENT} is {value}");
    eventually(&what, || {
        let last = server.samples(SENT)?.pop();
        Ok(last.filter(|(_, seen)| *seen == value))
    })
}

/// Datagrams flow through three reloads, of which one is refused. Returns the last sample.
fn reloads_lose_nothing(
    pair: &Pair,
    scene: &mut Scene<'_>,
    server: &Server<'_>,
) -> anyhow::Result<Sample> {
    let before = scraped(server, scene.value(SENT)?)?;
    let sent = thread::scope(|scope| -> anyhow::Result<u64> {
        let sender = scope.spawn(|| -> anyhow::Result<u64> {
            let mut sent = 0;
            for _ in 0..60 {
                sent += burst(pair, 100)?;
                thread::sleep(Duration::from_millis(50));
            }
            Ok(sent)
        });
        let reloaded = reload_thrice(scene, server);
        let sent = sender.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        reloaded.and(sent)
    })?;
    let after = scraped(server, before.1 + sent as f64)?;
    assert_eq!(server.between("increase", SENT, before.0, after.0)?, sent as f64);
    assert_eq!(server.between("resets", SENT, before.0, after.0)?, 0.0);
    Ok(after)
}

fn reload_thrice(scene: &mut Scene<'_>, server: &Server<'_>) -> Result {
    scene.reload("idle-timeout = \"3s\"", true)?;
    scene.reload("idle-timout = \"4s\"", false)?;
    eventually("the alert of the refused reload is pending", || {
        let alert = r#"ALERTS{alertname="WireledgerReloadFailed", alertstate="pending"}"#;
        Ok(server.query(alert)?.pop())
    })?;
    scene.reload("idle-timeout = \"2s\"", true)
}

fn a_restart_is_a_reset(
    pair: &Pair,
    scene: &mut Scene<'_>,
    server: &Server<'_>,
    before: Sample,
) -> Result {
    scene.stop()?;
    scene.start()?;
    let sent = burst(pair, 64)?;
    let after = scraped(server, sent as f64)?;
    assert_eq!(server.between("resets", SENT, before.0, after.0)?, 1.0);
    assert_eq!(server.between("increase", SENT, before.0, after.0)?, sent as f64);
    let started = format!("process_start_time_seconds{{instance=\"{}\"}}", scene.instance());
    assert_eq!(server.between("changes", &started, before.0, after.0)?, 1.0);
    let up = format!("up{{instance=\"{}\"}} == 1", scene.instance());
    eventually(&up, || Ok((!server.query(&up)?.is_empty()).then_some(())))
}
