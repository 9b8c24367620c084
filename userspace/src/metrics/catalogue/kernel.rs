//! The kernel's own counters of the watched interfaces, to hold the ledger against.

use super::{super::encode::Samples, Family, PLACE, counter};
use crate::report::{Direction, KernelCount, Snapshot};

pub(in super::super) const FAMILIES: &[Family] = &[
    counter(
        "wireledger_kernel_packets_total",
        PLACE,
        "Packets that the interface counted by itself; ingress is received, egress sent.",
        |snapshot, out| counters(snapshot, out, |count| count.packets),
    ),
    counter(
        "wireledger_kernel_bytes_total",
        PLACE,
        "Bytes that the interface counted by itself. veth leaves out the Ethernet header of received frames while native XDP is attached.",
        |snapshot, out| counters(snapshot, out, |count| count.bytes),
    ),
    counter(
        "wireledger_kernel_errors_total",
        PLACE,
        "Packets that the interface counted as errors.",
        |snapshot, out| counters(snapshot, out, |count| count.errors),
    ),
    counter(
        "wireledger_kernel_drops_total",
        PLACE,
        "Packets that the interface's driver or the stack dropped; those that the interface missed for want of buffers included.",
        |snapshot, out| counters(snapshot, out, |count| count.drops),
    ),
    counter(
        "wireledger_kernel_fifo_errors_total",
        PLACE,
        "Packets lost in a full or empty queue of the device.",
        |snapshot, out| counters(snapshot, out, |count| count.fifo_errors),
    ),
];

fn counters(snapshot: &Snapshot, out: &mut Samples<'_>, get: fn(&KernelCount) -> u64) {
    for counted in &snapshot.kernel.interfaces {
        for (direction, count) in
            [(Direction::Ingress, &counted.ingress), (Direction::Egress, &counted.egress)]
        {
            out.add(&[counted.interface.as_str(), direction.label()], get(count));
        }
    }
}
