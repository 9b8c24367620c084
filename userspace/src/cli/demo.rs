//! `wireledger demo`.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use anyhow::Context;
use crossterm::{cursor, queue, terminal};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    Outcome, flows, ledger, output,
    run::{Options, runtime},
};
use crate::{
    collector,
    demo::{Lab, NEAR, Sent, Traffic},
    feed::Want,
    kernel::{Hook, links::Statistics},
    logging::{self, LogFormat, LogLevel},
    plan::{Listen, Serve},
    report::{Count, Direction, Interface, Snapshot, Sort},
    web::api,
};

/// See it work: traffic of its own, in network namespaces of its own, counted and balanced
///
/// Makes two hosts joined by a wire, sends bounded traffic of many kinds (TCP connections, UDP, IPv6, VLAN tags,
/// fragments, echo requests, thousands of flows), shows the busiest flows, serves metrics, and in the end holds the ledger
/// against what both interfaces counted by themselves. Exit code 0 only if all three agree to the last packet and byte.
/// Leaves nothing behind. Needs root.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How long to send
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    #[command(flatten)]
    options: Options,
    /// Where to serve metrics and the API meanwhile; port 0 takes a free one
    #[arg(long = "web.listen-address", value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: Listen,
    /// What to log
    #[arg(long = "log.level", value_enum, default_value = "warn")]
    log_level: LogLevel,
}

/// Flows shown while it runs.
const SHOWN: usize = 12;
/// Silence around the look before the traffic: two hosts that come up say something every few hundred milliseconds.
const BREATH: Duration = Duration::from_millis(30);
/// Silence around the look at the end.
const SILENCE: Duration = Duration::from_millis(300);
/// Longest wait for either.
const PATIENCE: Duration = Duration::from_secs(10);

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        logging::init(self.log_level, LogFormat::Logfmt);
        runtime()?.block_on(self.play())
    }

    async fn play(self) -> anyhow::Result<Outcome> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let lab = Lab::build().await?;
        let patterns = vec![NEAR.parse().map_err(anyhow::Error::msg)?];
        let serve = Serve::at(vec![self.listen]);
        let plan = self.options.plan(patterns, Some(serve), self.log_level.of_probe());
        // The interfaces have counted the noise of coming up; from here on everything is on the ledger too.
        let mut running = collector::start(&plan, lab.near.clone()).await?;
        let address = running.address().context("the demo serves metrics")?;
        let (near_before, far_before, before) = still(&lab, &running, BREATH).await?;
        output::line(&format!(
            "Two hosts, one wire, {} seconds of traffic. Metrics: http://{address}/metrics",
            self.seconds
        ))?;
        let traffic = Traffic::start(&lab, Duration::from_secs(self.seconds))?;
        let mut screen = Screen::default();
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        let until = tokio::time::Instant::now() + Duration::from_secs(self.seconds);
        let cut = loop {
            tokio::select! {
                _ = tick.tick() => {
                    let want = Want { flows: SHOWN, sort: Sort::Bytes, ..Want::default() };
                    screen.show(&*running.feed().snapshot(want).await?)?;
                }
                () = tokio::time::sleep_until(until) => break false,
                _ = interrupt.recv() => break true,
                _ = terminate.recv() => break true,
                error = running.failed() => return Err(error),
            }
        };
        let sent = tokio::task::spawn_blocking(move || traffic.stop()).await??;
        if cut {
            output::line(
                "Interrupted: the traffic ends here, and the ledger is checked as it stands.",
            )?;
        }
        let (near, far, last) = still(&lab, &running, SILENCE).await?;
        let stopped = running.stop().await?;
        let header = uncounted_header(&last);
        let counted = |direction| seen(&last, direction) - seen(&before, direction);
        let (ingress, egress) = (counted(Direction::Ingress), counted(Direction::Egress));
        let checks = [
            Check::new("sent to the watched host", sent_by(far_before, far, header), ingress),
            Check::new(
                "received by its interface",
                received_by(near_before, near, header),
                ingress,
            ),
            Check::new("sent by its interface", sent_by(near_before, near, 0), egress),
        ];
        conclude(&sent, &stopped, &checks, near.dropped + far.dropped)
    }
}

/// Both interfaces and the ledger at one moment: nothing passed for `silence` before the ledger was read, nor while it was.
async fn still(
    lab: &Lab,
    running: &collector::Running,
    silence: Duration,
) -> anyhow::Result<(Statistics, Statistics, std::sync::Arc<Snapshot>)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (near, far) = lab.statistics().await?;
        tokio::time::sleep(silence).await;
        let snapshot = running.feed().snapshot(Want::default()).await?;
        if lab.statistics().await? == (near, far) || Instant::now() > deadline {
            return Ok((near, far, snapshot));
        }
    }
}

/// One judge's count against the ledger's.
struct Check {
    what: &'static str,
    expected: Count,
    counted: Count,
}

impl Check {
    const fn new(what: &'static str, expected: Count, counted: Count) -> Self {
        Self { what, expected, counted }
    }

    fn holds(&self) -> bool {
        self.expected == self.counted && self.counted.packets > 0
    }
}

/// Bytes of each frame that the wire's own counters leave out: with native XDP the veth driver counts a frame behind its
/// Ethernet header, on the receiver's side and, since it is one counter, on the sender's (`veth_xdp_rcv_skb` in
/// drivers/net/veth.c).
fn uncounted_header(snapshot: &Snapshot) -> u64 {
    const ETHERNET: u64 = 14;
    let native = |interface: &Interface| interface.ingress.mode == Hook::Native.label();
    if snapshot.interfaces.iter().any(native) { ETHERNET } else { 0 }
}

fn conclude(
    sent: &Sent,
    last: &Snapshot,
    checks: &[Check],
    dropped: u64,
) -> anyhow::Result<Outcome> {
    output::line("")?;
    let accounts = api::Ledger::from(last);
    ledger::print(&accounts)?;
    output::line(&format!(
        "\nTraffic: {} crafted frames, {} TCP connections, {} fragmented datagrams; dropped on the wire: {dropped}.",
        sent.frames, sent.connections, sent.datagrams
    ))?;
    for check in checks {
        let Check { what, expected, counted } = check;
        let verdict = if check.holds() { "equal" } else { "DIFFERENT" };
        output::line(&format!(
            "{verdict}: {} packets, {} bytes {what}; {} packets, {} bytes on the ledger",
            expected.packets, expected.bytes, counted.packets, counted.bytes
        ))?;
    }
    Ok(Outcome::of(accounts.balanced && checks.iter().all(Check::holds)))
}

fn seen(snapshot: &Snapshot, direction: Direction) -> Count {
    let accounts = snapshot.accounts.iter().filter(|account| account.direction == direction);
    accounts.map(|account| account.seen).sum()
}

fn sent_by(before: Statistics, after: Statistics, header: u64) -> Count {
    let packets = after.tx_packets - before.tx_packets;
    Count { packets, bytes: after.tx_bytes - before.tx_bytes + packets * header }
}

fn received_by(before: Statistics, after: Statistics, header: u64) -> Count {
    let packets = after.rx_packets - before.rx_packets;
    Count { packets, bytes: after.rx_bytes - before.rx_bytes + packets * header }
}

/// The live table: redrawn in place on a terminal, one line a second in a pipe.
#[derive(Default)]
struct Screen {
    lines: u16,
    earlier: Option<(Instant, u64)>,
}

impl Screen {
    fn show(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        let packets = snapshot.accounts.iter().map(|account| account.seen.packets).sum();
        let now = Instant::now();
        let rate = self.earlier.map_or(0.0, |(then, before)| {
            (packets - before) as f64 / now.duration_since(then).as_secs_f64()
        });
        self.earlier = Some((now, packets));
        let summary = format!(
            "{packets} packets, {rate:.0} a second, {} flows, table {} of {}",
            snapshot.live_flows, snapshot.table.entries, snapshot.table.capacity
        );
        let mut out = io::stdout().lock();
        if !out.is_terminal() {
            writeln!(out, "{summary}")?;
            return out.flush();
        }
        if self.lines > 0 {
            queue!(out, cursor::MoveToPreviousLine(self.lines))?;
        }
        queue!(out, terminal::Clear(terminal::ClearType::FromCursorDown))?;
        // A serial console says 0.
        let width = terminal::size().ok().map(|(width, _)| width).filter(|&width| width > 0);
        let width = usize::from(width.unwrap_or(80));
        let text = output::aligned(&flows::HEAD, 7, snapshot.flows.iter().map(flows::row));
        let text = format!("{summary}\n{text}");
        for line in text.lines() {
            writeln!(out, "{}", line.chars().take(width).collect::<String>().trim_end())?;
        }
        self.lines = u16::try_from(text.lines().count()).unwrap_or(u16::MAX);
        out.flush()
    }
}
