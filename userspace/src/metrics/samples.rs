//! A snapshot's values, family by family.

use prometheus::proto::{Bucket, Histogram};
use wireledger_common::{
    abi::{
        protocol::Protocol,
        totals::{self, SIZE_STEP, Totals},
        unread::Unread,
    },
    wire::tcp_flags,
};

use super::Family;
use crate::report::{CaptureSlot, Direction, InterfaceTotals, Recorder, Snapshot, Tally};

/// Upper bounds of the frame-size buckets, bytes: multiples of the kernel's step, so that they are exact.
const SIZE_BOUNDS: [u32; 10] = [64, 128, 256, 512, 1024, 1536, 2048, 4096, 9216, 16320];

pub(super) struct Sample {
    pub(super) labels: Vec<String>,
    pub(super) value: Value,
}

pub(super) enum Value {
    Number(f64),
    Histogram(Histogram),
}

/// Appends the samples of one family.
pub(super) fn collect(family: Family, snapshot: &Snapshot, out: &mut Vec<Sample>) {
    let mut one = |labels: &[&str], value: f64| {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        out.push(Sample { labels, value: Value::Number(value) });
    };
    let records = &snapshot.records;
    let captures = &snapshot.captures;
    let recorder: &Option<Recorder> = &captures.recorder;
    match family {
        Family::SeenPackets => each(snapshot, |at, totals| one(&at, totals.seen.packets as f64)),
        Family::SeenBytes => each(snapshot, |at, totals| one(&at, totals.seen.bytes as f64)),
        Family::ReadPackets => read(snapshot, |count| count.packets, one),
        Family::ReadBytes => read(snapshot, |count| count.bytes, one),
        Family::TcpFlags => each(snapshot, |[interface, direction], totals| {
            for (label, packets) in by_flag(totals) {
                one(&[interface, direction, label], packets as f64);
            }
        }),
        Family::PacketSize => each(snapshot, |at, totals| {
            let labels = at.map(str::to_owned).to_vec();
            out.push(Sample { labels, value: Value::Histogram(sizes(totals)) });
        }),
        Family::UnreadPackets => unread(snapshot, |count| count.packets, one),
        Family::UnreadBytes => unread(snapshot, |count| count.bytes, one),
        Family::OverflowPackets => overflow(snapshot, |count| count.packets, one),
        Family::OverflowBytes => overflow(snapshot, |count| count.bytes, one),
        Family::UnplacedPackets => one(&[], snapshot.unplaced.packets as f64),
        Family::UnplacedBytes => one(&[], snapshot.unplaced.bytes as f64),
        Family::Balanced => balanced(snapshot, one),
        Family::AttachInfo => {
            for interface in &snapshot.interfaces {
                for (direction, attached) in [
                    (Direction::Ingress, &interface.ingress),
                    (Direction::Egress, &interface.egress),
                ] {
                    one(&[&interface.name, direction.label(), &attached.mode], 1.0);
                }
            }
        }
        Family::TableCapacity => one(&[], snapshot.table.capacity as f64),
        Family::TableEntries => one(&[], snapshot.table.entries as f64),
        Family::TableBytes => one(&[], snapshot.table.bytes as f64),
        Family::LiveFlows => one(&[], snapshot.live_flows as f64),
        Family::FlowsTold => {
            for (cause, flows) in &snapshot.told {
                one(&[cause.label()], *flows as f64);
            }
        }
        Family::RecordsWritten => one(&[], records.written as f64),
        Family::RecordsRefused => one(&[], records.refused as f64),
        Family::RecordsRead => one(&[], records.read as f64),
        Family::RecordsMalformed => one(&[], records.malformed as f64),
        Family::RecordsBytes => one(&[], records.bytes as f64),
        Family::CaptureSessions => {
            one(&[], captures.slots.iter().filter(|slot| slot.armed).count() as f64);
        }
        Family::CaptureOpened => one(&[], captures.opened as f64),
        Family::CaptureMatched => {
            for CaptureSlot { slot, tally, .. } in &captures.slots {
                one(&[&slot.to_string()], tally.matched as f64);
            }
        }
        Family::CapturePackets => {
            for CaptureSlot { slot, tally, .. } in &captures.slots {
                for (fate, packets) in fates(tally) {
                    one(&[&slot.to_string(), fate], packets as f64);
                }
            }
        }
        Family::CaptureStrays => one(&[], captures.strays as f64),
        Family::RecorderPackets => {
            for value in recorder.iter().map(|recorder| recorder.packets as f64) {
                one(&[], value);
            }
        }
        Family::RecorderForgotten => {
            for value in recorder.iter().map(|recorder| recorder.forgotten as f64) {
                one(&[], value);
            }
        }
        Family::RecorderBytes => {
            for value in recorder.iter().map(|recorder| recorder.bytes as f64) {
                one(&[], value);
            }
        }
        Family::RecorderCapacity => {
            for value in recorder.iter().map(|recorder| recorder.capacity as f64) {
                one(&[], value);
            }
        }
        Family::RecorderOldest => {
            for value in recorder.iter().filter_map(|recorder| recorder.oldest) {
                one(&[], value);
            }
        }
        Family::ProgramRuns => {
            for program in &snapshot.programs {
                one(&[program.name], program.runs as f64);
            }
        }
        Family::ProgramSeconds => {
            for program in &snapshot.programs {
                one(&[program.name], program.seconds);
            }
        }
        Family::ProgramStatistics => one(&[], f64::from(u8::from(snapshot.program_statistics))),
        Family::SnapshotSeconds => one(&[], snapshot.took),
        Family::BuildInfo => one(
            &[
                env!("CARGO_PKG_VERSION"),
                env!("WIRELEDGER_REVISION"),
                std::env::consts::OS,
                std::env::consts::ARCH,
            ],
            1.0,
        ),
    }
}

/// Where matched packets ended.
const fn fates(tally: &Tally) -> [(&'static str, u64); 5] {
    [
        ("delivered", tally.delivered - tally.unread),
        ("left_out", tally.left_out),
        ("over_budget", tally.over_budget),
        ("lost", tally.lost),
        ("unread", tally.unread),
    ]
}

fn each(snapshot: &Snapshot, mut see: impl FnMut([&str; 2], &Totals)) {
    for InterfaceTotals { interface, direction, totals } in &snapshot.totals {
        see([interface, direction.label()], totals);
    }
}

fn read(snapshot: &Snapshot, get: fn(&totals::Count) -> u64, mut one: impl FnMut(&[&str], f64)) {
    each(snapshot, |[interface, direction], totals| {
        for (version, classes) in ["4", "6"].into_iter().zip(&totals.read) {
            for (class, count) in Protocol::ALL.into_iter().zip(classes) {
                one(&[interface, direction, version, class.label()], get(count) as f64);
            }
        }
    });
}

fn unread(snapshot: &Snapshot, get: fn(&totals::Count) -> u64, mut one: impl FnMut(&[&str], f64)) {
    each(snapshot, |[interface, direction], totals| {
        for (reason, count) in Unread::ALL.into_iter().zip(&totals.unread) {
            one(&[interface, direction, reason.label()], get(count) as f64);
        }
    });
}

fn overflow(
    snapshot: &Snapshot,
    get: fn(&totals::Count) -> u64,
    mut one: impl FnMut(&[&str], f64),
) {
    each(snapshot, |[interface, direction], totals| {
        for (class, count) in Protocol::ALL.into_iter().zip(&totals.overflow) {
            one(&[interface, direction, class.label()], get(count) as f64);
        }
    });
}

fn balanced(snapshot: &Snapshot, mut one: impl FnMut(&[&str], f64)) {
    each(snapshot, |[interface, direction], _| {
        let mut accounts = snapshot.accounts.iter();
        let all = accounts.all(|account| {
            let here = account.interface == interface && account.direction.label() == direction;
            !here || account.balanced
        });
        one(&[interface, direction], f64::from(u8::from(all)));
    });
}

/// Packets by flag, then those without any.
fn by_flag(totals: &Totals) -> Vec<(&'static str, u64)> {
    let with = |flag: u16| {
        let sets = totals.flags.iter().enumerate();
        sets.filter(|(set, _)| set & usize::from(flag) != 0).map(|(_, packets)| packets).sum()
    };
    let flags = tcp_flags::LABELS.into_iter().map(|(flag, label)| (label, with(flag)));
    flags.chain([("none", totals.flags[0])]).collect()
}

fn sizes(totals: &Totals) -> Histogram {
    let mut histogram = Histogram::default();
    let buckets = SIZE_BOUNDS.map(|bound| {
        let steps = &totals.sizes[..(bound / SIZE_STEP) as usize];
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(f64::from(bound));
        bucket.set_cumulative_count(steps.iter().sum());
        bucket
    });
    histogram.set_bucket(buckets.to_vec());
    histogram.set_sample_count(totals.sizes.iter().sum());
    histogram.set_sample_sum(totals.seen.bytes as f64);
    histogram
}
