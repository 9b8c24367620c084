//! Packets and bytes by IP version and protocol, TCP packets by flag, and what else IP headers tell.

use wireledger_common::{
    abi::{
        protocol::Protocol,
        totals::{Count, Totals},
    },
    wire::tcp_flags,
};

use super::{
    super::encode::{Label, Samples},
    Family, PLACE, counter, each,
};
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
    counter(
        "wireledger_dscp_packets_total",
        &["interface", "direction", "dscp"],
        "Packets with a flow key by differentiated services code point, 0 to 63 (RFC 2474); those that were seen.",
        |snapshot, out| {
            each(snapshot, |[interface, direction], totals| {
                for (dscp, packets) in by_dscp(totals) {
                    out.add::<Label<'_>>(
                        &[interface.into(), direction.into(), dscp.into()],
                        packets,
                    );
                }
            });
        },
    ),
    counter(
        "wireledger_ecn_packets_total",
        &["interface", "direction", "ecn"],
        "Packets with a flow key by explicit congestion notification (RFC 3168): ce is marked by a router that is congested.",
        |snapshot, out| {
            each(snapshot, |[interface, direction], totals| {
                for (ecn, label) in ["not_ect", "ect1", "ect0", "ce"].into_iter().enumerate() {
                    let packets: u64 = totals.traffic_classes.iter().skip(ecn).step_by(4).sum();
                    out.add(&[interface, direction, label], packets);
                }
            });
        },
    ),
    counter(
        "wireledger_fragment_packets_total",
        &["interface", "direction", "kind"],
        "Packets with a flow key that are IP fragments: first ones, and later ones.",
        |snapshot, out| {
            each(snapshot, |[interface, direction], totals| {
                for (kind, packets) in ["first", "later"].into_iter().zip(totals.fragments) {
                    out.add(&[interface, direction, kind], packets);
                }
            });
        },
    ),
    counter(
        "wireledger_expiring_packets_total",
        PLACE,
        "Packets with a flow key whose TTL or hop limit is 0 or 1: the next router drops them.",
        |snapshot, out| each(snapshot, |at, totals| out.add(&at, totals.expiring)),
    ),
    counter(
        "wireledger_full_size_packets_total",
        PLACE,
        "Packets with a flow key that fill the interface's MTU.",
        |snapshot, out| each(snapshot, |at, totals| out.add(&at, totals.full_size)),
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

/// Packets by differentiated services code point, of which there are any.
fn by_dscp(totals: &Totals) -> impl Iterator<Item = (u16, u64)> {
    let classes = totals.traffic_classes.chunks_exact(4).map(|ecns| ecns.iter().sum());
    (0..).zip(classes).filter(|&(_, packets)| packets > 0)
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
