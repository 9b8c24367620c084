//! What was not read, what got no table entry, and whether the accounts balance.

use wireledger_common::abi::{protocol::Protocol, totals::Count, unread::Unread};

use super::{super::encode::Samples, Family, PLACE, counter, each, gauge};
use crate::report::Snapshot;

const UNREAD: &[&str] = &["interface", "direction", "reason"];
const OVERFLOW: &[&str] = &["interface", "direction", "protocol"];

pub(in super::super) const FAMILIES: &[Family] = &[
    counter(
        "wireledger_unread_packets_total",
        UNREAD,
        "Packets whose headers gave no flow key, by reason.",
        |snapshot, out| unread(snapshot, out, |count| count.packets),
    ),
    counter(
        "wireledger_unread_bytes_total",
        UNREAD,
        "Bytes of packets whose headers gave no flow key, by reason.",
        |snapshot, out| unread(snapshot, out, |count| count.bytes),
    ),
    counter(
        "wireledger_overflow_packets_total",
        OVERFLOW,
        "Packets that were read, but whose flow got no table entry.",
        |snapshot, out| overflow(snapshot, out, |count| count.packets),
    ),
    counter(
        "wireledger_overflow_bytes_total",
        OVERFLOW,
        "Bytes of packets that were read, but whose flow got no table entry.",
        |snapshot, out| overflow(snapshot, out, |count| count.bytes),
    ),
    counter(
        "wireledger_unplaced_packets_total",
        &[],
        "Packets of an interface that has no place in the probe: on no interface's ledger.",
        |snapshot, out| out.single(snapshot.unplaced.packets),
    ),
    counter(
        "wireledger_unplaced_bytes_total",
        &[],
        "Bytes of packets of an interface that has no place in the probe.",
        |snapshot, out| out.single(snapshot.unplaced.bytes),
    ),
    gauge(
        "wireledger_ledger_balanced",
        PLACE,
        "1 when seen = flows + overflow + unread on every CPU, packets and bytes; 0 is a bug.",
        balanced,
    ),
];

fn unread(snapshot: &Snapshot, out: &mut Samples<'_>, get: fn(&Count) -> u64) {
    each(snapshot, |[interface, direction], totals| {
        for (reason, count) in Unread::ALL.into_iter().zip(&totals.unread) {
            out.add(&[interface, direction, reason.label()], get(count));
        }
    });
}

fn overflow(snapshot: &Snapshot, out: &mut Samples<'_>, get: fn(&Count) -> u64) {
    each(snapshot, |[interface, direction], totals| {
        for (class, count) in Protocol::ALL.into_iter().zip(&totals.overflow) {
            out.add(&[interface, direction, class.label()], get(count));
        }
    });
}

fn balanced(snapshot: &Snapshot, out: &mut Samples<'_>) {
    // Both are by interface and direction.
    let mut accounts = snapshot.accounts.iter().peekable();
    each(snapshot, |[interface, direction], _| {
        let mut all = true;
        while let Some(account) = accounts.next_if(|account| {
            account.interface == interface && account.direction.label() == direction
        }) {
            all &= account.balanced;
        }
        out.add(&[interface, direction], all);
    });
}
