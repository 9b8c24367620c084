//! Packets, bytes and frame sizes of the watched interfaces.

use wireledger_common::abi::totals::{SIZE_STEP, Totals};

use super::{Family, PLACE, counter, each, histogram, info};
use crate::report::Direction;

/// Upper bounds of the frame-size buckets, bytes: multiples of the kernel's step, so that they are exact.
const SIZE_BOUNDS: [u32; 10] = [64, 128, 256, 512, 1024, 1536, 2048, 4096, 9216, 16320];

pub(in super::super) const FAMILIES: &[Family] = &[
    counter(
        "wireledger_interface_packets_total",
        PLACE,
        "Packets the probe was called for.",
        |snapshot, out| each(snapshot, |at, totals| out.add(&at, totals.seen.packets)),
    ),
    counter(
        "wireledger_interface_bytes_total",
        PLACE,
        "Bytes of the packets the probe was called for.",
        |snapshot, out| each(snapshot, |at, totals| out.add(&at, totals.seen.bytes)),
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
        "1 for each direction that is watched, with the hook that watches it, or none.",
        |snapshot, out| {
            for interface in &snapshot.interfaces {
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

/// Packets up to each bound.
fn sizes(totals: &Totals) -> impl Iterator<Item = (f64, u64)> {
    SIZE_BOUNDS.into_iter().map(|bound| {
        let steps = &totals.sizes[..(bound / SIZE_STEP) as usize];
        (f64::from(bound), steps.iter().sum())
    })
}
