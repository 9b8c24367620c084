//! The flow table, flows told, and the ring of ended ones.

use super::{super::encode::Samples, Family, PLACE, counter, gauge, histogram};
use crate::report::{FlowShapes, Histogram, Snapshot};

pub(in super::super) const FAMILIES: &[Family] = &[
    gauge(
        "wireledger_flow_table_capacity",
        &[],
        "Flows that the kernel's flow table holds, over all CPUs.",
        |snapshot, out| out.single(snapshot.table.capacity),
    ),
    gauge(
        "wireledger_flow_table_entries",
        &[],
        "Slots of the flow table in use; idle flows keep theirs until it is wanted.",
        |snapshot, out| out.single(snapshot.table.entries),
    ),
    gauge("wireledger_flow_table_bytes", &[], "Memory of the flow table.", |snapshot, out| {
        out.single(snapshot.table.bytes);
    }),
    gauge(
        "wireledger_flows",
        &[],
        "Flows that are not idle; one on several CPUs counts once.",
        |snapshot, out| out.single(snapshot.live_flows),
    ),
    counter(
        "wireledger_flow_records_total",
        &["cause"],
        "Flows told: idle and evicted ones, which ended, and active ones, which go on.",
        |snapshot, out| {
            for (cause, flows) in &snapshot.told {
                out.add(&[cause.label()], *flows);
            }
        },
    ),
    counter(
        "wireledger_records_written_total",
        &[],
        "Records of ended table entries that the kernel wrote to the ring.",
        |snapshot, out| out.single(snapshot.records.written),
    ),
    counter(
        "wireledger_records_refused_total",
        &[],
        "Evictions that did not happen because the ring was full; the packet went to overflow.",
        |snapshot, out| out.single(snapshot.records.refused),
    ),
    counter(
        "wireledger_records_read_total",
        &[],
        "Records that the collector read from the ring.",
        |snapshot, out| out.single(snapshot.records.read),
    ),
    counter(
        "wireledger_records_malformed_total",
        &[],
        "Ring entries that were no records; anything but 0 is a bug.",
        |snapshot, out| out.single(snapshot.records.malformed),
    ),
    gauge(
        "wireledger_records_ring_bytes",
        &[],
        "Memory of the ring of ended flows.",
        |snapshot, out| out.single(snapshot.records.bytes),
    ),
    counter(
        "wireledger_flows_begun_total",
        PLACE,
        "Flows that began; one that goes on after its idle timeout begins again.",
        |snapshot, out| shapes(snapshot, |at, shapes| out.add(&at, shapes.begun)),
    ),
    histogram(
        "wireledger_flow_duration_seconds",
        PLACE,
        "From the first packet to the last, of flows that ended: idle, or their entry evicted.",
        |snapshot, out| shapes(snapshot, |at, shapes| add(out, at, &shapes.duration)),
    ),
    histogram(
        "wireledger_flow_size_bytes",
        PLACE,
        "Bytes of flows that ended.",
        |snapshot, out| shapes(snapshot, |at, shapes| add(out, at, &shapes.bytes)),
    ),
    histogram(
        "wireledger_flow_size_packets",
        PLACE,
        "Packets of flows that ended.",
        |snapshot, out| shapes(snapshot, |at, shapes| add(out, at, &shapes.packets)),
    ),
    counter(
        "wireledger_sweeps_repeated_total",
        &[],
        "Sweeps of the flow table that read everything because an account did not balance after one that read what was new.",
        |snapshot, out| out.single(snapshot.sweeps_repeated),
    ),
];

fn shapes(snapshot: &Snapshot, mut see: impl FnMut([&str; 2], &FlowShapes)) {
    for shapes in &snapshot.shapes {
        see([&shapes.interface, shapes.direction.label()], shapes);
    }
}

fn add(out: &mut Samples<'_>, at: [&str; 2], histogram: &Histogram) {
    out.histogram(&at, histogram.buckets.iter().copied(), histogram.count, histogram.sum);
}
