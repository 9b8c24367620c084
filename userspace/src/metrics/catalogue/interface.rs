//! Packets, bytes and frame sizes of the watched interfaces.

use wireledger_common::abi::totals::{SIZE_STEP, Totals};

use super::{Family, PLACE, counter, each, histogram, info};
use crate::report::{Count, Direction, InterfaceTotals, Snapshot};

/// Upper bounds of the frame-size buckets, bytes: multiples of the kernel's step, so that they are exact.
const SIZE_BOUNDS: [u32; 10] = [64, 128, 256, 512, 1024, 1536, 2048, 4096, 9216, 16320];

pub(in super::super) const FAMILIES: &[Family] = &[
    counter(
        "wireledger_interface_packets_total",
        PLACE,
        "Packets on the ledger: in flows, in overflow or unread. What moves while the answer is made may be on it only the next time.",
        |snapshot, out| on_ledger(snapshot, |at, count| out.add(&at, count.packets)),
    ),
    counter(
        "wireledger_interface_bytes_total",
        PLACE,
        "Bytes of the packets on the ledger.",
        |snapshot, out| on_ledger(snapshot, |at, count| out.add(&at, count.bytes)),
    ),
    histogram(
        "wireledger_packet_size_bytes",
        PLACE,
        "Frame sizes without FCS.",
        |snapshot, out| {
            each(snapshot, |at, totals| {
                let count = totals.sizes.iter().sum();
                out.histogram(&at, sizes(totals), count, totals.seen.bytes);
            });
        },
    ),
    info(
        "wireledger_attach_info",
        &["interface", "direction", "mode"],
        "1 for each direction of an interface that is to be watched, with the hook that watches it, or none.",
        |snapshot, out| {
            for interface in snapshot.interfaces.iter().filter(|interface| interface.wanted) {
                for (direction, attached) in [
                    (Direction::Ingress, &interface.ingress),
                    (Direction::Egress, &interface.egress),
                ] {
                    out.add(&[&interface.name, direction.label(), &attached.mode], 1_u64);
                }
            }
        },
    ),
];

/// What each interface and direction has on the ledger, and what the tables of talkers add up to.
fn on_ledger(snapshot: &Snapshot, mut see: impl FnMut([&str; 2], Count)) {
    for InterfaceTotals { interface, direction, ledger, .. } in &snapshot.totals {
        see([interface, direction.label()], *ledger);
    }
}

/// Packets up to each bound.
fn sizes(totals: &Totals) -> impl Iterator<Item = (f64, u64)> {
    SIZE_BOUNDS.into_iter().map(|bound| {
        let steps = &totals.sizes[..(bound / SIZE_STEP) as usize];
        (f64::from(bound), steps.iter().sum())
    })
}
