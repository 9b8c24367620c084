//! Every packet of a capture through the detector of floods, by its interface's own time.
//!
//! Seconds are an interface's: they begin with its first packet, so that no other interface's clock matters. What silence means is
//! said at [`SILENCE`], what a clock that goes back means at [`LATE`]. Where the capture tells directions they are told apart as
//! they are live; where it does not, all is ingress. How handshakes end counts once both directions of some flow were seen: until
//! then answers may be missing from the capture.
//!
//! Guarantees: memory is bounded, whatever the capture ([`INTERFACES`], [`MOST`], and what [`Notes`] keeps); what is left out is
//! counted.

mod notes;
mod recent;

use wireledger_common::abi::{flow::EGRESS, link::Link, protocol::Protocol, replay::Replay};

use crate::scan::{
    Prefix, Sensitivity, Stage,
    flood::{Detector, Flood, Handshakes, Rates, Settings},
};
use notes::{Noted, Notes};

/// Nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// So many seconds without a packet are seconds in which nothing came, as they are live. What a pause has beyond them counts as one
/// long second: nobody knows whether the capture went on.
const SILENCE: usize = 60;

/// A packet that is farther than this behind the latest of its interface is of another recording, or the clock was set back: what was
/// learned of the interface is forgotten, and what was under way has ended. Any other only came late, and counts in the second under
/// way.
const LATE: u64 = SECOND / 2;

/// Interfaces that are looked at; with every kind of packets on each and both ways, they take 110 MiB.
const INTERFACES: usize = 256;

/// Floods that are told, the first to end; one takes some 2 KiB.
const MOST: usize = 1 << 14;

/// Looks for floods while packets pass.
pub struct Floods {
    /// Of interfaces whose directions are not told, and of those whose are.
    detectors: [Detector; 2],
    notes: Notes,
    /// By number of the interface.
    lanes: Vec<Option<Lane>>,
    found: Found,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Floods in the order in which they began, numbered so; times are nanoseconds since 1970.
    pub floods: Vec<Flood>,
    /// Packets that were not looked at: without a time, or of interfaces beyond those that are.
    pub left_out: u64,
    /// Floods for which there was no room.
    pub forgotten: u64,
}

/// An interface in one recording.
#[derive(Clone, Copy)]
struct Lane {
    directed: bool,
    /// A flow was seen both ways.
    both_ways: bool,
    /// Which recording of the interface it is.
    recording: u32,
    /// When the second under way began.
    began: u64,
    /// Its latest packet.
    last: u64,
    /// What the second under way had: ingress, egress.
    rates: [Rates; 2],
}

impl Lane {
    fn new(replay: &Replay, recording: u32) -> Self {
        let time = replay.time;
        Self {
            directed: replay.direction != replay.opposite,
            both_ways: false,
            recording,
            began: time,
            last: time,
            rates: [counted(); 2],
        }
    }
}

/// Nothing yet.
fn counted() -> Rates {
    Rates { handshakes: Some(Handshakes::default()), ..Rates::default() }
}

impl Floods {
    /// Nothing was seen yet. Sources of `allow` are left out; with `decap` flows are those inside tunnels.
    #[must_use]
    pub fn new(sensitivity: Sensitivity, allow: &[Prefix], decap: bool) -> Self {
        let detector = |directed| {
            let allow = allow.to_owned();
            Detector::new(Settings { sensitivity, directed, allow, kept: 0 })
        };
        Self {
            detectors: [false, true].map(detector),
            notes: Notes::new(decap),
            lanes: Vec::new(),
            found: Found::default(),
        }
    }

    /// Takes in a packet: its first bytes, and what a hook would know of it.
    pub(super) fn packet(&mut self, replay: &Replay, link: Link, bytes: &[u8]) {
        let number = (replay.interface as usize).wrapping_sub(1);
        if replay.time == 0 || number >= INTERFACES {
            self.found.left_out += 1;
            return;
        }
        if self.lanes.len() <= number {
            self.lanes.resize(number + 1, None);
        }
        match &self.lanes[number] {
            None => self.begin(number, Lane::new(replay, 0), link),
            Some(lane) if lane.holds(replay.time) => {}
            Some(_) => self.reach(number, replay, link),
        }
        let Some(lane) = &mut self.lanes[number] else { return };
        lane.last = lane.last.max(replay.time);
        // Of a packet without direction where others have one: it came in.
        let (direction, opposite) = match (lane.directed, replay.direction) {
            (false, _) => (0, 0),
            (true, EGRESS) => (EGRESS, 0),
            (true, _) => (0, EGRESS),
        };
        let replay = Replay { direction, opposite, ..*replay };
        let noted = self.notes.packet(&replay, link, bytes, lane.recording, !lane.both_ways);
        let Some(noted) = noted else { return };
        lane.both_ways |= noted.answers;
        lane.count(&noted);
        self.detectors[usize::from(lane.directed)].note(&noted.key, &noted.news);
    }

    /// An interface's recording begins.
    fn begin(&mut self, number: usize, lane: Lane, link: Link) {
        self.detectors[usize::from(lane.directed)].begin(index(number), link, lane.began);
        self.lanes[number] = Some(lane);
    }

    /// Goes on to the second of a packet that is not in the one under way.
    #[cold]
    fn reach(&mut self, number: usize, replay: &Replay, link: Link) {
        let time = replay.time;
        let Some(lane) = self.lanes[number] else { return };
        if time < lane.last {
            self.end(number);
            self.begin(number, Lane::new(replay, lane.recording.wrapping_add(1)), link);
            return;
        }
        let mut ends = lane.began + SECOND;
        for _ in 0..=SILENCE {
            if time < ends {
                return;
            }
            self.close(number, ends);
            ends += SECOND;
        }
        if time >= ends {
            self.close(number, time);
        }
    }

    /// Closes the second under way; the next one begins.
    fn close(&mut self, number: usize, now: u64) {
        let Some(lane) = &mut self.lanes[number] else { return };
        lane.began = now;
        let mut rates = std::mem::replace(&mut lane.rates, [counted(); 2]);
        if !lane.both_ways {
            rates.iter_mut().for_each(|rates| rates.handshakes = None);
        }
        let (last, found) = (lane.last, &mut self.found);
        let detector = &mut self.detectors[usize::from(lane.directed)];
        detector.second(index(number), now, rates, |flood, stage| found.hear(flood, stage, last));
    }

    /// An interface's recording is over: what is suspected is judged by what there is, and what is under way has ended.
    fn end(&mut self, number: usize) {
        let Some(lane) = self.lanes[number] else { return };
        let now = lane.began + SECOND;
        self.close(number, now);
        self.close(number, now);
        let (last, found) = (lane.last, &mut self.found);
        let detector = &mut self.detectors[usize::from(lane.directed)];
        detector.forget(index(number), |flood, stage| found.hear(flood, stage, last));
    }

    /// The end of everything.
    pub(super) fn finish(mut self) -> Found {
        (0..self.lanes.len()).for_each(|number| self.end(number));
        let mut found = self.found;
        found.floods.sort_by_key(|flood| (flood.first_seen, flood.interface, flood.kind));
        for (number, flood) in (1..).zip(&mut found.floods) {
            flood.number = number;
        }
        found
    }
}

impl Lane {
    /// Whether a packet of this time is in the second under way.
    const fn holds(&self, time: u64) -> bool {
        time < self.began + SECOND && time.saturating_add(LATE) >= self.last
    }

    /// Counts a packet as the kernel's totals do.
    fn count(&mut self, noted: &Noted) {
        let egress = self.directed && noted.key.kind & EGRESS != 0;
        let rates = &mut self.rates[usize::from(egress)];
        match Protocol::of(noted.key.protocol) {
            Protocol::Tcp => {
                rates.tcp += 1;
                rates.syn += u64::from(noted.asks);
            }
            Protocol::Udp => rates.udp += 1,
            Protocol::Icmp | Protocol::Icmpv6 => rates.icmp += 1,
            _ => {}
        }
        for (way, ended) in noted.handshakes.iter().enumerate() {
            let rates = &mut self.rates[if self.directed { way } else { 0 }];
            let told = rates.handshakes.get_or_insert_default();
            told.begun += ended.begun;
            told.untracked += ended.untracked;
            told.answered += ended.answered;
            told.completed += ended.completed;
            told.refused += ended.refused;
            told.resent += ended.resent;
        }
    }
}

impl Found {
    fn hear(&mut self, flood: &Flood, stage: Stage, last: u64) {
        match stage {
            Stage::Ended if self.floods.len() < MOST => {
                // The last second ends with the capture.
                let last_seen = flood.last_seen.min(last);
                self.floods.push(Flood { last_seen, ..flood.clone() });
            }
            Stage::Ended => self.forgotten += 1,
            Stage::Begun | Stage::Grown => {}
        }
    }
}

/// Of an interface in flow keys.
const fn index(number: usize) -> u32 {
    number as u32 + 1
}

#[cfg(test)]
mod tests;
