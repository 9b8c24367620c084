//! What taking in a flow's news costs: the ledger alone, with the sums of a name, and with tables of those who talk most.

use std::{fmt::Write as _, time::Instant};

use wireledger::flows::{Ledger, Moment, Timeouts, talkers::Sizes};
use wireledger_common::{
    abi::flow::{Detail, FlowKey},
    table::{Slot, read::Reading},
};

/// Flows with news in each sweep.
const FLOWS: u32 = 1 << 17;
const INTERFACE: u32 = 2;

/// Sweeps `rounds` times in each scene; raw rounds go to `raw`.
pub(super) fn play(rounds: usize, raw: &mut String) -> anyhow::Result<String> {
    let mut text = format!(
        "\n{} Ki flows with news: ns for each, medians of {rounds} sweeps\n\n",
        FLOWS >> 10
    );
    for (name, sizes) in [
        ("the ledger alone", None),
        ("sums of a name, tables without entries", Some(Sizes::default())),
        ("7 tables of 500 entries", Some(Sizes::all(500))),
    ] {
        let mut times = scene(rounds, sizes);
        for (round, time) in times.iter().enumerate() {
            writeln!(raw, "news, each: {name}\t{round}\t\t{}\t\t", time / 1e6)?;
        }
        times.sort_by(f64::total_cmp);
        writeln!(text, "{name:<44} {:>8.0}", times[times.len() / 2])?;
    }
    Ok(text)
}

fn scene(rounds: usize, sizes: Option<Sizes>) -> Vec<f64> {
    let timeouts = Timeouts { idle: u64::MAX, active: u64::MAX };
    let mut ledger = Ledger::new(FLOWS as usize, timeouts);
    if let Some(sizes) = sizes {
        ledger.set_sizes(sizes);
        ledger.assign(INTERFACE, 0);
    }
    let mut readings: Vec<_> = (0..FLOWS).map(reading).collect();
    let mut times = Vec::new();
    for round in 0..rounds as u64 {
        let now = Moment { jiffies: round, nanoseconds: round, tick: 1 };
        for (n, reading) in readings.iter_mut().enumerate() {
            reading.slot.packets += 1;
            // Few have most.
            reading.slot.bytes += 60 + 1_000_000 / (n as u64 % 4096 + 1);
        }
        let began = Instant::now();
        for (slot, reading) in (0..).zip(&readings) {
            ledger.read_slot(0, slot, reading, &now, &mut |_, _| {});
        }
        times.push(began.elapsed().as_nanos() as f64 / f64::from(FLOWS));
        ledger.tick(round);
    }
    times
}

/// A flow in a slot of its own, in no order: a third of the addresses have most of the flows.
fn reading(n: u32) -> Reading {
    let mixed = n.wrapping_mul(0x9e37_79b9);
    let mut key = FlowKey { interface: INTERFACE, protocol: 17, ..FlowKey::default() };
    key.source[..4].copy_from_slice(&(mixed >> (mixed & 7)).to_be_bytes());
    key.destination[..4].copy_from_slice(&[10, 0, 0, 1]);
    (key.source_port, key.destination_port) = (n as u16, (mixed >> 28) as u16);
    let detail = Detail { length_min: 60, length_max: 60, ..Detail::default() };
    Reading { generation: 2, slot: Slot { key, packets: 0, bytes: 0, detail } }
}
