//! How TCP fares: control segments, retransmissions, windows, and handshakes by how they end and how long they take.

use wireledger_common::{
    abi::{
        handshake::{Leg, Outcome, Times},
        totals::Totals,
    },
    wire::tcp_flags::{ACK, FIN, RST, SYN},
};

use super::{super::encode::Samples, Family, PLACE, counter, each, gauge, histogram};
use crate::report::{Direction, Handshakes, Snapshot};

pub(in super::super) const FAMILIES: &[Family] = &[
    counter(
        "wireledger_tcp_control_packets_total",
        &["interface", "direction", "kind"],
        "TCP packets that open or end connections: syn is SYN without ACK, syn_ack both; fin and rst whatever else is set.",
        |snapshot, out| {
            each(snapshot, |[interface, direction], totals| {
                for (kind, packets) in control(totals) {
                    out.add(&[interface, direction, kind], packets);
                }
            });
        },
    ),
    counter(
        "wireledger_tcp_retransmitted_packets_total",
        PLACE,
        "TCP packets whose sequence numbers the flow had seen, or had passed over for longer than packets overtake one another.",
        |snapshot, out| each(snapshot, |at, totals| out.add(&at, totals.retransmitted)),
    ),
    counter(
        "wireledger_tcp_out_of_order_packets_total",
        PLACE,
        "TCP packets that fill what the flow passed over some milliseconds before.",
        |snapshot, out| each(snapshot, |at, totals| out.add(&at, totals.out_of_order)),
    ),
    counter(
        "wireledger_tcp_zero_window_packets_total",
        PLACE,
        "TCP packets whose sender takes no more for now: window 0, without SYN, FIN and RST.",
        |snapshot, out| each(snapshot, |at, totals| out.add(&at, totals.zero_window)),
    ),
    counter(
        "wireledger_tcp_keep_alive_packets_total",
        PLACE,
        "TCP packets of at most one byte just before what comes next; not among the retransmitted ones.",
        |snapshot, out| each(snapshot, |at, totals| out.add(&at, totals.keep_alive)),
    ),
    counter(
        "wireledger_tcp_handshakes_begun_total",
        PLACE,
        "TCP handshakes that are followed, by the direction of the SYN. Where one direction alone is watched none is.",
        |snapshot, out| each(snapshot, |at, totals| out.add(&at, totals.handshakes_begun)),
    ),
    counter(
        "wireledger_tcp_handshakes_total",
        &["interface", "direction", "outcome"],
        "TCP handshakes that ended, by the direction of the SYN: completed; refused by a RST; abandoned by who began; expired after 10 s. Together with the open ones they are those that began; untracked ones found no room and did not.",
        ended,
    ),
    gauge(
        "wireledger_tcp_handshakes_open",
        PLACE,
        "TCP handshakes under way at the last look, which is every 5 s, by the direction of the SYN.",
        |snapshot, out| handshakes(snapshot, |at, handshakes| out.add(&at, handshakes.open)),
    ),
    counter(
        "wireledger_tcp_handshake_syn_resent_total",
        PLACE,
        "SYNs that were sent again before an answer.",
        |snapshot, out| each(snapshot, |at, totals| out.add(&at, totals.handshake_resent)),
    ),
    histogram(
        "wireledger_tcp_handshake_seconds",
        &["interface", "direction", "leg"],
        "How long handshakes took as seen here, by the direction of the SYN: synack is from SYN to SYN-ACK, ack from there to the ACK. For an egress SYN the first is the way to the peer and back, for an ingress SYN the second. Legs in which something was sent again are left out (Karn's rule).",
        |snapshot, out| {
            each(snapshot, |[interface, direction], totals| {
                for (leg, times) in Leg::ALL.into_iter().zip(&totals.handshake_times) {
                    let seconds = times.nanoseconds as f64 / 1e9;
                    let labels = [interface, direction, leg.label()];
                    out.histogram(&labels, bounds(times), times.count(), seconds);
                }
            });
        },
    ),
];

/// Packets by what they do to a connection.
fn control(totals: &Totals) -> impl Iterator<Item = (&'static str, u64)> {
    type Is = fn(u16) -> bool;
    const KINDS: [(&str, Is); 4] = [
        ("syn", |set| set & (SYN | ACK) == SYN),
        ("syn_ack", |set| set & (SYN | ACK) == SYN | ACK),
        ("fin", |set| set & FIN != 0),
        ("rst", |set| set & RST != 0),
    ];
    KINDS.into_iter().map(|(kind, is)| {
        let sets = (0_u16..).zip(&totals.flags).filter(|&(set, _)| is(set));
        (kind, sets.map(|(_, packets)| packets).sum())
    })
}

fn ended(snapshot: &Snapshot, out: &mut Samples<'_>) {
    each(snapshot, |[interface, direction], totals| {
        for (outcome, attempts) in Outcome::ALL.into_iter().zip(totals.handshakes) {
            out.add(&[interface, direction, outcome.label()], attempts);
        }
    });
    handshakes(snapshot, |[interface, direction], handshakes| {
        out.add(&[interface, direction, "expired"], handshakes.expired);
    });
}

fn handshakes(snapshot: &Snapshot, mut see: impl FnMut([&str; 2], &Handshakes)) {
    for handshakes in &snapshot.handshakes {
        let direction: Direction = handshakes.direction;
        see([&handshakes.interface, direction.label()], handshakes);
    }
}

/// Times up to each bound, in seconds.
fn bounds(times: &Times) -> impl Iterator<Item = (f64, u64)> {
    let mut count = 0;
    times.buckets.into_iter().enumerate().map_while(move |(bucket, here)| {
        count += here;
        Some((Times::upper(bucket)? as f64 / 1e9, count))
    })
}
