//! Ten million flows that nobody has seen before: series, entries and memory stay within their bounds, and every packet is counted.

use std::{
    fs,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use wireledger::{
    metrics::{Collectors, fixed_series, talkers_series},
    report::{Count, Snapshot},
};
use wireledger_tests::{
    collected::{Collected, collect, plan},
    netns::{INTERFACE, Pair, Setup},
    packets::{ip::Ipv4, protocol, transport::udp},
    send::{Share, send},
};

type Result = anyhow::Result<()>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };

const FLOWS: u64 = 10_000_000;
/// Flows after which everything that grows has grown: several times what the table holds.
const WARM: u64 = 3_000_000;
/// Flows of one thread between two looks.
const CHUNK: u64 = 50_000;
/// How much more memory the process may have than when it was warm: what allocators move, not what flows leave behind.
const GROWTH: u64 = 16 << 20;

/// The 5-tuple of a number: another one for each, in no order.
fn frame(n: u64) -> Vec<u8> {
    // Odd, so that it maps 48 bits onto themselves.
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4b) & 0xffff_ffff_ffff;
    let source = Ipv4Addr::from_bits((mixed >> 16) as u32);
    let ip = Ipv4 { source, ..Ipv4::of(protocol::UDP) };
    ip.frame(&udp(mixed as u16, 53, &[0; 18]))
}

fn resident() -> anyhow::Result<u64> {
    let statm = fs::read_to_string("/proc/self/statm").context("reading this process's memory")?;
    let pages = statm.split_whitespace().nth(1).context("reading resident pages")?;
    Ok(pages.parse::<u64>()? * 4096)
}

/// Panics unless the tables add up and have as many series as they may.
fn check(snapshot: &Snapshot, max_series: usize) -> usize {
    let talkers = talkers_series(snapshot, Collectors::ALL);
    let series = fixed_series(snapshot, Collectors::ALL) + talkers;
    assert!(talkers > 0 && series <= max_series, "{series} series, {talkers} of them of talkers");
    for table in &snapshot.talkers {
        let mine = snapshot
            .totals
            .iter()
            .filter(|totals| table.direction.is_none_or(|direction| direction == totals.direction));
        assert_eq!(table.sum(), mine.map(|totals| totals.ledger).sum(), "{:?}", table.dimension);
    }
    series
}

/// Sends them all, with a snapshot after each chunk; returns the most series, and resident memory when warm and at its most after.
fn churn(
    pair: &Pair,
    collected: &Collected,
    max_series: usize,
) -> anyhow::Result<(usize, [u64; 2])> {
    let (mut warm, mut most, mut series) = (0, 0, 0);
    for first in (0..FLOWS).step_by(2 * CHUNK as usize) {
        let share =
            |first: u64| Share { frames: (first..first + CHUNK).map(frame).collect(), rounds: 1 };
        send(&pair.left, &pair.right, &[share(first), share(first + CHUNK)])?;
        series = series.max(check(&*collected.snapshot()?, max_series));
        let now = resident()?;
        if first + 2 * CHUNK <= WARM {
            warm = now;
        } else {
            most = most.max(now);
        }
    }
    Ok((series, [warm, most]))
}

#[test]
fn ten_million_new_flows_leave_series_and_memory_as_they_were() -> Result {
    let pair = Pair::new(QUIET)?;
    let plan = plan(INTERFACE)?;
    let max_series = plan.metrics.max_series;
    let began = Instant::now();
    let ((series, [warm, most]), last) =
        collect(&pair.right, &plan, |collected| churn(&pair, collected, max_series))?;
    let took = began.elapsed();
    eprintln!(
        "{FLOWS} flows in {:.1} s; at most {series} series; resident {} KiB when warm, {} KiB at most after; \
         {} live flows, {} records, everything read again {} times",
        took.as_secs_f64(),
        warm >> 10,
        most >> 10,
        last.live_flows,
        last.records.read,
        last.sweeps_repeated
    );
    assert!(most <= warm + GROWTH, "{warm} bytes when warm, {most} after");
    assert!(took < Duration::from_secs(240), "{took:?}");
    for account in &last.accounts {
        assert!(account.balanced, "{account:?}");
    }
    let seen: Count = last.accounts.iter().map(|account| account.seen).sum();
    assert_eq!(seen.packets, FLOWS);
    assert_eq!(last.totals.iter().map(|totals| totals.ledger).sum::<Count>(), seen);
    check(&last, max_series);
    Ok(())
}
