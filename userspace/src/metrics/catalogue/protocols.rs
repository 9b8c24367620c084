//! Packets and bytes by IP version and protocol, TCP packets by flag.

use wireledger_common::{
    abi::{
        protocol::Protocol,
        totals::{Count, Totals},
    },
    wire::tcp_flags,
};

use super::{super::encode::Samples, Family, counter, each};
use crate::report::Snapshot;

const PROTOCOL: &[&str] = &["interface", "direction", "version", "protocol"];

pub(in super::super) const FAMILIES: &[Family] = &[
    counter(
        "wireledger_ip_packets_total",
        PROTOCOL,
        "Packets with a flow key, by IP version and protocol.",
        |snapshot, out| read(snapshot, out, |count| count.packets),
    ),
    counter(
        "wireledger_ip_bytes_total",
        PROTOCOL,
        "Bytes of packets with a flow key, by IP version and protocol.",
        |snapshot, out| read(snapshot, out, |count| count.bytes),
    ),
    counter(
        "wireledger_tcp_flag_packets_total",
        &["interface", "direction", "flag"],
        "TCP packets that had the flag set; a packet counts once for each of its flags, and as none without any.",
        |snapshot, out| {
            each(snapshot, |[interface, direction], totals| {
                for (label, packets) in by_flag(totals) {
                    out.add(&[interface, direction, label], packets);
                }
            });
        },
    ),
];

fn read(snapshot: &Snapshot, out: &mut Samples<'_>, get: fn(&Count) -> u64) {
    each(snapshot, |[interface, direction], totals| {
        for (version, classes) in ["4", "6"].into_iter().zip(&totals.read) {
            for (class, count) in Protocol::ALL.into_iter().zip(classes) {
                out.add(&[interface, direction, version, class.label()], get(count));
            }
        }
    });
}

/// Packets by flag, then those without any.
fn by_flag(totals: &Totals) -> impl Iterator<Item = (&'static str, u64)> {
    let with = |flag: u16| {
        let sets = totals.flags.iter().enumerate();
        sets.filter(|(set, _)| set & usize::from(flag) != 0).map(|(_, packets)| packets).sum()
    };
    let flags = tcp_flags::LABELS.into_iter().map(move |(flag, label)| (label, with(flag)));
    flags.chain([("none", totals.flags[0])])
}
