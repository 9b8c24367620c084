//! The flight recorder, where there is one.

use super::{
    super::encode::{Number, Samples},
    Family, counter, gauge,
};
use crate::report::{Recorder, Snapshot};

pub(in super::super) const FAMILIES: &[Family] = &[
    gauge(
        "wireledger_recorder_packets",
        &[],
        "Packets in the flight recorder.",
        |snapshot, out| of(snapshot, out, |recorder| Some(recorder.packets)),
    ),
    counter(
        "wireledger_recorder_forgotten_packets_total",
        &[],
        "Packets of the flight recorder that made room for newer ones.",
        |snapshot, out| of(snapshot, out, |recorder| Some(recorder.forgotten)),
    ),
    gauge(
        "wireledger_recorder_bytes",
        &[],
        "Memory of the flight recorder in use.",
        |snapshot, out| of(snapshot, out, |recorder| Some(recorder.bytes)),
    ),
    gauge(
        "wireledger_recorder_capacity_bytes",
        &[],
        "Memory that the flight recorder may use (--recorder).",
        |snapshot, out| of(snapshot, out, |recorder| Some(recorder.capacity)),
    ),
    gauge(
        "wireledger_recorder_oldest_timestamp_seconds",
        &[],
        "When the oldest packet in the flight recorder was seen, seconds since 1970.",
        |snapshot, out| of(snapshot, out, |recorder| recorder.oldest),
    ),
];

fn of<N: Into<Number>>(
    snapshot: &Snapshot,
    out: &mut Samples<'_>,
    get: impl Fn(&Recorder) -> Option<N>,
) {
    if let Some(value) = snapshot.captures.recorder.as_ref().and_then(get) {
        out.single(value);
    }
}
