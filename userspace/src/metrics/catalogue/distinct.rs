//! How many different ones there are, estimated in little memory.

use super::{Family, PLACE, gauge};
use crate::report::{Distinct, Snapshot};

pub(in super::super) const FAMILIES: &[Family] = &[
    gauge(
        "wireledger_distinct_sources",
        PLACE,
        "Different source addresses of the last 4 to 5 minutes, by HyperLogLog: the standard error is below 1 %.",
        |snapshot, out| each(snapshot, |at, distinct| out.add(&at, distinct.sources)),
    ),
    gauge(
        "wireledger_distinct_destinations",
        PLACE,
        "Different destination addresses of the last 4 to 5 minutes, by HyperLogLog: the standard error is below 1 %.",
        |snapshot, out| each(snapshot, |at, distinct| out.add(&at, distinct.destinations)),
    ),
    gauge(
        "wireledger_distinct_flows",
        PLACE,
        "Different flows of the last 4 to 5 minutes, by HyperLogLog: the standard error is below 1 %.",
        |snapshot, out| each(snapshot, |at, distinct| out.add(&at, distinct.flows)),
    ),
];

fn each(snapshot: &Snapshot, mut see: impl FnMut([&str; 2], &Distinct)) {
    for distinct in &snapshot.distinct {
        see([&distinct.interface, distinct.direction.label()], distinct);
    }
}
