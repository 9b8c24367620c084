//! What has to be known of earlier packets to tell what one means to those who look for floods: how its flow began, which handshake
//! it ends, which datagram it is part of.
//!
//! Packets pass through the probe's own source, with books that keep nothing else. Guarantees: no clock is believed, and memory is
//! bounded: [`FLOWS`] flows, [`HANDSHAKES`] handshakes and [`FRAGMENTS`] first fragments are surely remembered, and no more than
//! twice as many, which take 60 MiB. A flow that comes again after it was forgotten begins again, as one does that left the
//! probe's table.

use std::mem::take;

use wireledger_common::{
    abi::{
        flow::{EGRESS, FlowKey},
        fragment::{Datagram, FirstFragment},
        handshake::{Attempt, Leg, Outcome},
        link::Link,
        protocol::Protocol,
        replay::Replay,
        settings::Place,
        totals::Totals,
        unread::Unread,
    },
    observe::{self, Books, Fate, Scratch, Sight},
    table::{Now, Sighting, track::Segment},
    wire::{
        Cursor, Headers,
        tcp_flags::{ACK, RST, SYN},
    },
};
use zerocopy::FromZeros;

use super::recent::Recent;
use crate::{
    replay::{probe, read},
    scan::{
        flood::{Handshakes, News},
        reverse,
    },
};

/// Sizes that fill a hash map of a power of two.
const FLOWS: usize = 7 << 15;
const HANDSHAKES: usize = 7 << 14;
const FRAGMENTS: usize = 7 << 13;

/// What was seen lately.
pub(super) struct Notes {
    decap: bool,
    flows: Recent<FlowKey, First>,
    handshakes: Recent<FlowKey, Open>,
    fragments: Recent<Datagram, FirstFragment>,
    /// By direction. Of all counters only those of handshakes are looked at, and taken out after each packet.
    totals: Box<[Totals; 2]>,
}

/// How a flow began.
#[derive(Clone, Copy)]
struct First {
    flags: u16,
    recording: u32,
}

/// A handshake under way.
struct Open {
    attempt: Attempt,
    recording: u32,
}

/// What a packet means.
pub(super) struct Noted {
    pub(super) key: FlowKey,
    pub(super) news: News,
    /// It asks for a TCP connection.
    pub(super) asks: bool,
    /// It is the first of a flow whose other direction is known.
    pub(super) answers: bool,
    /// Handshakes that it ends or begins again, by the direction of their SYN.
    pub(super) handshakes: [Handshakes; 2],
}

impl Notes {
    pub(super) fn new(decap: bool) -> Self {
        Self {
            decap,
            flows: Recent::new(FLOWS),
            handshakes: Recent::new(HANDSHAKES),
            fragments: Recent::new(FRAGMENTS),
            totals: Box::new([Totals::new_zeroed(), Totals::new_zeroed()]),
        }
    }

    /// Takes in a packet of this recording; `None` for one without a flow key. Whether a flow answers another is looked up only
    /// where somebody asks.
    pub(super) fn packet(
        &mut self,
        replay: &Replay,
        link: Link,
        bytes: &[u8],
        recording: u32,
        asked: bool,
    ) -> Option<Noted> {
        let mut headers = Headers::default();
        let read = read(Cursor::over(bytes), replay.length, link, self.decap, &mut headers);
        let first = First { flags: headers.tcp_flags, recording };
        let asked = asked.then_some(replay.direction != replay.opposite);
        let seen = self.observe(read, replay, &mut headers, first, asked)?;
        let flags = if headers.has_tcp_flags { headers.tcp_flags } else { 0 };
        let news = News {
            packets: 1,
            bytes: replay.length.into(),
            syn: u64::from(flags & SYN != 0),
            first_flags: seen.first.flags,
            begins: seen.begins,
        };
        Some(Noted {
            key: headers.key,
            news,
            asks: flags & (SYN | ACK | RST) == SYN,
            answers: seen.answers,
            handshakes: match Protocol::of(headers.key.protocol) {
                Protocol::Tcp => self.totals.each_mut().map(ended),
                _ => Default::default(),
            },
        })
    }

    /// Puts a packet on books of which only its flow's beginning is kept; `None` for one without a flow key.
    fn observe(
        &mut self,
        read: Result<(), Unread>,
        replay: &Replay,
        headers: &mut Headers,
        first: First,
        asked: Option<bool>,
    ) -> Option<Seen> {
        let place = Place { interface: replay.interface, both_ways: 1, ..Place::default() };
        let sight = Sight {
            place: &place,
            direction: replay.direction,
            opposite: replay.opposite,
            cut: replay.cut != 0,
            now: Now { ticks: replay.ticks, stamp: replay.time },
        };
        let sighting = Sighting::of(headers, replay.length);
        let [ingress, egress] = &mut *self.totals;
        let (totals, opposite) =
            if replay.direction & EGRESS == 0 { (ingress, egress) } else { (egress, ingress) };
        let mut page = Page {
            flows: &mut self.flows,
            handshakes: &mut self.handshakes,
            fragments: &mut self.fragments,
            opposite,
            now: replay.time,
            asked,
            seen: Seen { first, begins: false, answers: false },
        };
        let scratch = &mut Scratch::default();
        let fate = observe::observe(read, &sight, headers, scratch, &sighting, totals, &mut page);
        match fate {
            Fate::Unread(_) => None,
            Fate::Flow { .. } | Fate::Overflow => Some(page.seen),
        }
    }
}

/// Takes out what was counted of handshakes.
fn ended(totals: &mut Totals) -> Handshakes {
    Handshakes {
        begun: take(&mut totals.handshakes_begun),
        untracked: take(&mut totals.handshakes[Outcome::Untracked as usize]),
        answered: std::mem::take(&mut totals.handshake_times[Leg::SynAck as usize]).count(),
        completed: take(&mut totals.handshakes[Outcome::Completed as usize]),
        refused: take(&mut totals.handshakes[Outcome::Refused as usize]),
        resent: take(&mut totals.handshake_resent),
    }
}

/// The notes, open at one packet.
struct Page<'a> {
    flows: &'a mut Recent<FlowKey, First>,
    handshakes: &'a mut Recent<FlowKey, Open>,
    fragments: &'a mut Recent<Datagram, FirstFragment>,
    opposite: &'a mut Totals,
    now: u64,
    /// Whether keys tell directions, where a flow's other direction is asked for.
    asked: Option<bool>,
    seen: Seen,
}

/// What is seen of a packet's flow.
struct Seen {
    /// Its beginning: the packet's own, until the flow is found.
    first: First,
    begins: bool,
    answers: bool,
}

impl Books for Page<'_> {
    fn flow(&mut self, key: &FlowKey, _: &Sighting, _: Now, _: &mut u32) -> Option<u64> {
        let first = &mut self.seen.first;
        match self.flows.get(key) {
            Some(known) if known.recording == first.recording => {
                *first = *known;
                return Some(1);
            }
            Some(known) => *known = *first,
            None => self.flows.insert(*key, *first),
        }
        self.seen.begins = true;
        let back = self.asked.and_then(|directed| reverse(key, directed));
        self.seen.answers = back.is_some_and(|back| self.flows.holds(&back));
        Some(0)
    }

    /// Nobody asks for sequence numbers. Without them an ACK is looked up that others know to end no handshake.
    fn track(&mut self, _: u32, _: &mut Segment, _: Now) {}

    fn remember(&mut self, datagram: &Datagram, first: &FirstFragment) {
        self.fragments.insert(*datagram, *first);
    }

    fn recall(&mut self, datagram: &Datagram) -> Option<&FirstFragment> {
        self.fragments.get(datagram).map(|first| &*first)
    }

    fn fragment_life(&self) -> u64 {
        probe::FRAGMENT_LIFE
    }

    fn attempt(&mut self, key: &FlowKey) -> Option<&mut Attempt> {
        let open = self.handshakes.get(key)?;
        (open.recording == self.seen.first.recording).then_some(&mut open.attempt)
    }

    fn begin_attempt(&mut self, key: &FlowKey, attempt: &Attempt) -> bool {
        let recording = self.seen.first.recording;
        self.handshakes.insert(*key, Open { attempt: *attempt, recording });
        true
    }

    fn end_attempt(&mut self, key: &FlowKey) -> bool {
        self.handshakes.remove(key).is_some()
    }

    fn opposite(&mut self, _: &Sight<'_>) -> Option<&mut Totals> {
        Some(self.opposite)
    }

    fn nanoseconds(&self) -> u64 {
        self.now
    }
}
