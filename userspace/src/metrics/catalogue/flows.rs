//! The flow table, flows told, and the ring of ended ones.

use super::{Family, counter, gauge};

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
];
