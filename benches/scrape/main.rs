//! What a scrape costs with a million live flows: the snapshot, before anything is written; what the daemon does by itself; and
//! whole scrapes beside node_exporter.
//!
//! CPU time is this process's while it answers, medians of many; the flows come over a veth and are silent meanwhile, or go on. Needs root.
//! `cargo xtask bench scrape --record DIR` keeps the raw rounds.

#![expect(clippy::print_stdout, reason = "a bench prints")]

mod beside;
mod news;

use std::{
    alloc::System,
    fmt::Write as _,
    fs,
    net::Ipv4Addr,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Parser;
use nix::sys::resource::{UsageWho, getrusage};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use wireledger::plan::Bytes;
use wireledger_tests::{
    collected::{Collected, collect, plan},
    netns::{INTERFACE, Pair, Setup},
    packets::{ip::Ipv4, protocol, transport::udp},
    send::{Share, send},
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Measure what a scrape costs
#[derive(Clone, Debug, Parser)]
struct Args {
    /// Snapshots in each scene; the median of them counts
    #[arg(long, default_value_t = 60)]
    rounds: usize,
    /// Live flows, in thousands of 1024
    #[arg(long, default_value_t = 1024)]
    flows: usize,
    /// Folder for the raw rounds (scrape.tsv) and what was printed (scrape.txt)
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

/// Between two snapshots.
const PAUSE: Duration = Duration::from_millis(130);
/// Snapshots after a packet of each flow, which takes seconds to send.
const ALL_ROUNDS: usize = 10;
/// Flows of one thread that are sent at once.
const CHUNK: usize = 1 << 15;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let pair = Pair::new(Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false })?;
    let mut plan = plan(INTERFACE)?;
    // At half load, so that none is evicted: 144 bytes a slot.
    plan.flow_memory = Bytes(args.flows as u64 * 1024 * 2 * 144);
    (plan.metrics.max_series, plan.metrics.top) = (10_000, 500);
    let ((mut text, mut raw), _) =
        collect(&pair.right, &plan, |collected| run(&args, &pair, collected))?;
    text += &beside::run(&args, &pair, &mut raw)?;
    text += &news::play(args.rounds, &mut raw)?;
    print!("{text}");
    if let Some(folder) = args.record {
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        fs::write(folder.join("scrape.tsv"), raw).context("writing the raw rounds")?;
        fs::write(folder.join("scrape.txt"), text).context("writing the table")?;
    }
    Ok(())
}

fn run(args: &Args, pair: &Pair, collected: &Collected) -> anyhow::Result<(String, String)> {
    let empty = scene(args, collected, || Ok(()))?;
    fill(args, pair)?;
    // Past the margin, and past the tick that reads what was new.
    thread::sleep(Duration::from_secs(4));
    let snapshot = collected.snapshot()?;
    let flows = snapshot.live_flows;
    let lines: usize = snapshot.talkers.iter().map(|table| table.lines.len()).sum();
    let silent = scene(args, collected, || Ok(()))?;
    let alone = busy()?;
    thread::sleep(Duration::from_secs(10));
    let alone = (busy()? - alone) / 10.0;
    let chunk = share(0);
    let some = scene(args, collected, || {
        send(&pair.left, &pair.right, std::slice::from_ref(&chunk)).map(drop)
    })?;
    let all = Args { rounds: args.rounds.min(ALL_ROUNDS), ..args.clone() };
    let busy_all = scene(&all, collected, || fill(args, pair))?;
    let mut raw = String::from("scene\tround\tcpu_ms\tms\tallocations\tbytes_allocated\n");
    let mut text = format!(
        "{flows} live flows, {lines} entries of talkers; medians of {} snapshots\n\n{:<44} {:>8} {:>8} {:>12} {:>12}\n",
        args.rounds, "", "CPU ms", "ms", "allocations", "KiB"
    );
    for (name, rounds) in [
        ("no flow", &empty),
        ("all flows silent", &silent),
        ("32 Ki of them had a packet just before", &some),
        ("all of them had a packet just before", &busy_all),
    ] {
        for (round, [cpu, wall, allocations, bytes]) in rounds.iter().enumerate() {
            writeln!(raw, "{name}\t{round}\t{cpu}\t{wall}\t{allocations}\t{bytes}")?;
        }
        let median = |nth: usize| {
            let mut values: Vec<_> = rounds.iter().map(|round| round[nth]).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let (cpu, wall, allocations, bytes) = (median(0), median(1), median(2), median(3));
        let kib = bytes / 1024.0;
        writeln!(text, "{name:<44} {cpu:>8.2} {wall:>8.2} {allocations:>12} {kib:>12.0}")?;
    }
    writeln!(text, "\nUnasked, all flows silent: {:.1} ms of CPU each second.", alone * 1e3)?;
    Ok((text, raw))
}

/// CPU and wall milliseconds, allocations and bytes of each snapshot; `before` each something is done.
fn scene(
    args: &Args,
    collected: &Collected,
    before: impl Fn() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<[f64; 4]>> {
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        thread::sleep(PAUSE);
        before()?;
        let (allocated, cpu, began) = (Region::new(ALLOCATOR), busy()?, Instant::now());
        collected.snapshot()?;
        let (cpu, wall) = ((busy()? - cpu) * 1e3, began.elapsed().as_secs_f64() * 1e3);
        let allocated = allocated.change();
        let bytes = allocated.bytes_allocated as f64;
        rounds.push([cpu, wall, allocated.allocations as f64, bytes]);
    }
    Ok(rounds)
}

fn fill(args: &Args, pair: &Pair) -> anyhow::Result<()> {
    for pass in 0..args.flows * 1024 / CHUNK / 2 {
        send(&pair.left, &pair.right, &[share(2 * pass), share(2 * pass + 1)])?;
    }
    Ok(())
}

/// A packet of each of [`CHUNK`] flows that no other share has.
fn share(nth: usize) -> Share {
    let frame = |n: usize| {
        let source = Ipv4Addr::from_bits(0x0a00_0000 + (nth * CHUNK + n) as u32 / 4);
        let ip = Ipv4 { source, ..Ipv4::of(protocol::UDP) };
        ip.frame(&udp(5000 + n as u16 % 4, 53, &[0; 18]))
    };
    Share { frames: (0..CHUNK).map(frame).collect(), rounds: 1 }
}

/// CPU time of this process, seconds.
fn busy() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).context("reading this process's CPU time")?;
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}
