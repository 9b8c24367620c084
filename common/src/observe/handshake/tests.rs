//! Handshakes packet by packet, over memory.

use super::*;
use crate::{
    abi::{
        flow::IPV6,
        fragment::{Datagram, FirstFragment},
        settings::Place,
    },
    table::{Now, Sighting},
    wire::tcp_flags::FIN,
};
use zerocopy::FromZeros;

const PLACE: Place = Place { interface: 3, place: 0, link: 0, both_ways: 1, mtu: 0 };

/// Attempts that fit.
const ROOM: usize = 2;

/// Handshakes, the opposite direction's totals, and the time.
struct Memory {
    attempts: Vec<(FlowKey, Attempt)>,
    opposite: Box<Totals>,
    now: u64,
}

impl Books for Memory {
    fn flow(&mut self, _: &FlowKey, _: &Sighting, _: Now, _: &mut u32) -> Option<u64> {
        None
    }

    fn track(&mut self, _: u32, _: &mut Segment, _: Now) {}

    fn remember(&mut self, _: &Datagram, _: &FirstFragment) {}

    fn recall(&mut self, _: &Datagram) -> Option<&FirstFragment> {
        None
    }

    fn fragment_life(&self) -> u64 {
        0
    }

    fn attempt(&mut self, key: &FlowKey) -> Option<&mut Attempt> {
        self.attempts.iter_mut().find(|(name, _)| name == key).map(|(_, attempt)| attempt)
    }

    fn begin_attempt(&mut self, key: &FlowKey, attempt: &Attempt) -> bool {
        let room = self.attempts.len() < ROOM;
        if room {
            self.attempts.push((*key, *attempt));
        }
        room
    }

    fn end_attempt(&mut self, key: &FlowKey) -> bool {
        let found = self.attempts.iter().position(|(name, _)| name == key);
        found.map(|at| self.attempts.swap_remove(at)).is_some()
    }

    fn opposite(&mut self, _: &Sight<'_>) -> Option<&mut Totals> {
        Some(&mut self.opposite)
    }

    fn nanoseconds(&self) -> u64 {
        self.now
    }
}

/// A host that is asked: SYNs come in, SYN-ACKs go out.
struct Host {
    books: Memory,
    /// Of ingress. What the books call opposite is put here as well: no packet of these tests begins anything outward.
    totals: Box<Totals>,
}

/// The key of what peer `n` sends in.
fn key(n: u8) -> FlowKey {
    FlowKey {
        source: [n; 16],
        destination: [9; 16],
        source_port: 1000 + u16::from(n),
        destination_port: 80,
        interface: 3,
        protocol: 6,
        kind: IPV6,
        ..FlowKey::default()
    }
}

impl Host {
    fn new() -> Self {
        let opposite = Box::new(Totals::new_zeroed());
        let books = Memory { attempts: Vec::new(), opposite, now: 1_000_000 };
        Self { books, totals: Box::new(Totals::new_zeroed()) }
    }

    /// A segment with what its flow had before it ([`crate::table::track`]), `after` nanoseconds from the last.
    fn segment(&mut self, key: &FlowKey, egress: bool, after: u64, segment: Segment) {
        self.books.now += after;
        let (direction, opposite) = if egress { (EGRESS, 0) } else { (0, EGRESS) };
        let sight = Sight { place: &PLACE, direction, opposite, cut: false, now: Now::default() };
        let scratch = &mut Scratch { segment, ..Scratch::default() };
        let mut outward = Box::new(Totals::new_zeroed());
        let totals = if egress { &mut outward } else { &mut self.totals };
        follow(key, scratch, &sight, totals, &mut self.books);
        assert!(*outward == Totals::new_zeroed(), "nothing began outward");
    }

    fn comes(&mut self, n: u8, after: u64, flags: u16, sequence: u32) {
        let segment = Segment { sequence, flags, ..Segment::default() };
        self.segment(&key(n), false, after, segment);
    }

    /// The same, with a SYN before it that the same CPU saw.
    fn comes_behind_syn(&mut self, n: u8, flags: u16) {
        let segment = Segment { flags, before: SYN_SENT, ..Segment::default() };
        self.segment(&key(n), false, 0, segment);
    }

    fn leaves(&mut self, n: u8, after: u64, flags: u16) {
        let come = key(n);
        let key = FlowKey {
            source: come.destination,
            destination: come.source,
            source_port: come.destination_port,
            destination_port: come.source_port,
            kind: come.kind | EGRESS,
            ..come
        };
        self.segment(&key, true, after, Segment { flags, ..Segment::default() });
    }

    /// Begun, resent, then by outcome: completed, refused, abandoned, untracked; and that what began is somewhere.
    fn ledger(&self) -> [u64; 6] {
        let Totals { handshakes_begun, handshake_resent, handshakes, .. } = *self.totals;
        let [completed, _, abandoned, untracked] = handshakes;
        let refused = self.books.opposite.handshakes[Outcome::Refused as usize];
        let open = self.books.attempts.len() as u64;
        assert_eq!(handshakes_begun, completed + refused + abandoned + open);
        [handshakes_begun, handshake_resent, completed, refused, abandoned, untracked]
    }

    /// How many times of each leg, and their sum.
    fn times(&self) -> [(u64, u64); 2] {
        let of = |times: &Times| (times.count(), times.nanoseconds);
        let [synack, ack] = Leg::ALL.map(|leg| leg as usize);
        [of(&self.books.opposite.handshake_times[synack]), of(&self.totals.handshake_times[ack])]
    }
}

#[test]
fn a_handshake_is_completed_once_with_the_time_of_each_leg() {
    let mut host = Host::new();
    host.comes(1, 0, SYN, 7);
    host.leaves(1, 3_000, SYN | ACK);
    host.comes(1, 50_000, ACK, 8);
    host.comes(1, 1, ACK, 8);
    assert_eq!(host.ledger(), [1, 0, 1, 0, 0, 0]);
    assert_eq!(host.times(), [(1, 3_000), (1, 50_000)]);
    let [synack, ack] = [&host.books.opposite, &host.totals].map(|totals| totals.handshake_times);
    assert_eq!((synack[0].buckets[2], ack[1].buckets[6]), (1, 1));
}

#[test]
fn a_reset_instead_of_an_answer_refuses_and_after_it_does_nothing() {
    let mut host = Host::new();
    host.comes(1, 0, SYN, 7);
    host.leaves(1, 9, RST | ACK);
    host.leaves(1, 9, RST | ACK);
    assert_eq!(host.ledger(), [1, 0, 0, 1, 0, 0]);
    host.comes(2, 0, SYN, 7);
    host.leaves(2, 9, SYN | ACK);
    host.leaves(2, 9, RST);
    assert_eq!(host.ledger(), [2, 0, 0, 1, 0, 0]);
    host.comes(2, 0, ACK, 8);
    assert_eq!(host.ledger(), [2, 0, 1, 1, 0, 0]);
}

#[test]
fn another_syn_or_a_reset_of_the_same_peer_abandons() {
    let mut host = Host::new();
    host.comes(1, 0, SYN, 7);
    host.comes(1, 9, SYN, 70);
    assert_eq!(host.ledger(), [2, 0, 0, 0, 1, 0]);
    host.leaves(1, 5, SYN | ACK);
    assert_eq!(host.times()[0], (1, 5));
    host.comes_behind_syn(1, RST);
    host.comes_behind_syn(1, RST);
    assert_eq!(host.ledger(), [2, 0, 0, 0, 2, 0]);
}

#[test]
fn what_was_seen_twice_has_no_time() {
    let mut host = Host::new();
    host.comes(1, 0, SYN, 7);
    host.comes(1, 9, SYN, 7);
    host.leaves(1, 9, SYN | ACK);
    host.comes(1, 11, ACK, 8);
    assert_eq!((host.ledger(), host.times()), ([1, 1, 1, 0, 0, 0], [(0, 0), (1, 11)]));
    for (again, from_peer) in [(SYN | ACK, false), (SYN, true)] {
        let mut host = Host::new();
        host.comes(1, 0, SYN, 7);
        host.leaves(1, 9, SYN | ACK);
        if from_peer {
            host.comes(1, 9, again, 7)
        } else {
            host.leaves(1, 9, again)
        }
        host.comes(1, 11, ACK, 8);
        assert_eq!((host.ledger(), host.times()), ([1, 0, 1, 0, 0, 0], [(1, 9), (0, 0)]));
    }
}

#[test]
fn without_room_a_handshake_is_untracked_and_in_no_other_count() {
    let mut host = Host::new();
    for n in 1..=4 {
        host.comes(n, 0, SYN, 7);
    }
    host.leaves(4, 1, SYN | ACK);
    host.comes(4, 1, ACK, 8);
    assert_eq!(host.ledger(), [2, 0, 0, 0, 0, 2]);
}

#[test]
fn an_acknowledgment_ends_only_what_was_answered() {
    let mut host = Host::new();
    host.comes(1, 0, SYN, 7);
    host.comes(1, 0, ACK, 8);
    host.comes(1, 0, 0, 8);
    assert_eq!(host.ledger(), [1, 0, 0, 0, 0, 0]);
    host.leaves(1, 1, SYN | ACK);
    host.comes(1, 1, ACK | FIN, 8);
    assert_eq!(host.ledger(), [1, 0, 1, 0, 0, 0]);
}

#[test]
fn a_segment_that_is_expected_is_not_looked_after() {
    let mut host = Host::new();
    host.comes(1, 0, SYN, 7);
    host.leaves(1, 1, SYN | ACK);
    let segment = Segment { flags: ACK, expected: true, ..Segment::default() };
    host.segment(&key(1), false, 0, segment);
    assert_eq!(host.ledger(), [1, 0, 0, 0, 0, 0]);
}

#[test]
fn a_capture_without_directions_has_one_name_for_both() {
    let (mut host, one_way) = (Host::new(), |key| {
        let mut key: FlowKey = key;
        let now = Now::default();
        let sight = Sight { place: &PLACE, direction: 0, opposite: 0, cut: false, now };
        name(&mut key, true, &sight);
        key
    });
    host.comes(1, 0, SYN, 7);
    let answer = one_way(key(1));
    assert_eq!((answer.source, answer.destination_port), ([9; 16], 1001));
    assert_eq!(one_way(answer), key(1));
    assert!(host.books.attempt(&one_way(answer)).is_some());
}

#[test]
fn the_numbers_of_a_gtp_tunnel_are_no_part_of_the_name() {
    let place = Sight { place: &PLACE, direction: 0, opposite: 0, cut: false, now: Now::default() };
    let tunnel =
        |kind: Tunnel, number| FlowKey { vlans: [0, 1, number], kind: kind.bits(), ..key(1) };
    let named = |mut key| {
        name(&mut key, false, &place);
        key
    };
    assert_eq!(named(tunnel(Tunnel::Gtpu, 1)), named(tunnel(Tunnel::Gtpu, 2)));
    assert_ne!(named(tunnel(Tunnel::Vxlan, 1)), named(tunnel(Tunnel::Vxlan, 2)));
}

#[test]
fn tags_are_no_part_of_the_name_since_cards_hide_them_one_way() {
    let place = Sight { place: &PLACE, direction: 0, opposite: 0, cut: false, now: Now::default() };
    let named = |vlans| {
        let mut key = FlowKey { vlans, ..key(1) };
        name(&mut key, false, &place);
        key
    };
    assert_eq!(named([0x1064, 0, 0]), named([0; 3]));
    assert_eq!(named([0x1064, 0x1007, 0x1001]), named([0; 3]));
}
