//! Floods: SYN, UDP and ICMP floods and the backscatter of others', per interface and direction, against rates that are learned.
//!
//! Fed with what flows had of late ([`Detector::note`]) and, once a second, with what the kernel counted ([`Rates`]): how much there
//! is comes from the counters, which have every packet; whom it concerns from the flows. A second above the level makes a
//! suspect, and the next one, in which answers may still come, decides. Memory is bounded by the number of interfaces and time is an argument.
//!
//! What is one-sided, and so no crowd: SYNs without handshakes that complete; UDP that is refused or not answered; ICMP requests far
//! beyond what is usual; answers to what nobody here sent. And it is meant for few: SYNs to many ports from few sources are a scan.

mod course;
mod interface;
mod judge;
mod kind;
mod lasting;
mod measure;
mod rates;
mod sight;
#[cfg(test)]
mod tests;
mod usual;
mod verdict;
mod who;
mod window;

use std::collections::VecDeque;

use hashbrown::DefaultHashBuilder;
use wireledger_common::abi::{
    flow::{EGRESS, FlowKey, IPV6},
    link::Link,
};

pub use kind::{Kind, Thresholds};
pub use lasting::{LONGEST, QUIET};
pub use rates::{Handshakes, Rates};
pub use verdict::{Flood, Source, Sources, Target};

pub use super::{Confidence, Prefix, Sensitivity, Stage};
pub use crate::flows::News;

use super::link_header;
use course::Course;
use interface::Interface;
use judge::Place;
use measure::{Matter, Measure};
use sight::Sight;
use who::Counts;
use window::Span;

/// Nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// Most interfaces that are looked at; as many as can be watched.
const INTERFACES: usize = 4096;
/// How often old packets of a flood begin to count half.
const HALVE: u64 = 20 * SECOND;

/// How floods are looked for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How soon something is called a flood.
    pub sensitivity: Sensitivity,
    /// Flows and counters tell ingress from egress. Many captures do not: all of theirs is ingress, and holds the answers too.
    pub directed: bool,
    /// Sources whose packets are no part of any flood.
    pub allow: Vec<Prefix>,
    /// Ended floods that are kept.
    pub kept: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { sensitivity: Sensitivity::default(), directed: true, allow: Vec::new(), kept: 256 }
    }
}

/// What there is to count of the detector itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Floods that began, by [`Kind`].
    pub begun: [u64; Kind::COUNT],
    /// Floods under way, by kind.
    pub under_way: [u64; Kind::COUNT],
    /// Ended floods that were forgotten.
    pub forgotten: u64,
    /// Packets of interfaces beyond those that are looked at, as flows tell of them.
    pub left_out: u64,
    /// Packets of allowed sources, as flows tell of them.
    pub allowed: u64,
    /// Memory, bytes.
    pub bytes: usize,
}

/// Finds floods.
pub struct Detector {
    settings: Settings,
    thresholds: Thresholds,
    /// In order of index.
    interfaces: Vec<Interface>,
    ended: VecDeque<Flood>,
    hasher: DefaultHashBuilder,
    counters: Counters,
    numbers: u64,
}

impl Detector {
    /// A detector that knows nothing.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            thresholds: Thresholds::of(settings.sensitivity),
            settings,
            interfaces: Vec::new(),
            ended: VecDeque::new(),
            hasher: DefaultHashBuilder::default(),
            counters: Counters::default(),
            numbers: 0,
        }
    }

    /// Notes what a flow had since it was looked at last. Between two calls of [`Self::second`], in any order.
    pub fn note(&mut self, key: &FlowKey, news: &News) {
        let matter = Matter::of(key, news);
        let Some(at) = self.find(key.interface) else {
            self.counters.left_out += news.packets;
            return;
        };
        let Settings { directed, ref allow, .. } = self.settings;
        let is_v6 = key.kind & IPV6 != 0;
        let is_allowed = allow.iter().any(|prefix| prefix.holds(&key.source, is_v6));
        let egress = directed && key.kind & EGRESS != 0;
        let Interface { ways, link, .. } = &mut self.interfaces[at];
        let asked = &ways[usize::from(directed) ^ usize::from(egress)];
        let hosts = asked.courses[Kind::UdpFlood as usize].is_noting();
        let way = &mut ways[usize::from(egress)];
        let hasher = &self.hasher;
        match matter {
            Matter::Udp => way.answers.note_udp(hasher, key, news.packets, hosts),
            Matter::Error => way.refuse(hasher, &who::sender(key), news.packets),
            _ => {}
        }
        if is_allowed {
            self.counters.allowed += news.packets;
            way.spared.note(matter, key, news);
            return;
        }
        way.tally.note(matter, key, news);
        let Some((kind, packets)) = matter.counts(news) else { return };
        if packets == 0 || egress && !may_leave(kind) {
            return;
        }
        // Of a capture every packet is noted.
        let floor = if directed { self.thresholds.floors[kind as usize] } else { 0.0 };
        let course = &mut way.courses[kind as usize];
        match matter {
            // Type and code are no ports.
            Matter::Request | Matter::Reply | Matter::Error => {
                let key = FlowKey { source_port: 0, destination_port: 0, ..*key };
                course.note(hasher, floor, &key, packets, news, *link);
            }
            // Where both directions are one, an answer comes from where others were sent to.
            Matter::Udp if !directed && course.is_target(hasher, &who::answerer(key)) => {
                way.tally.udp_answers += packets;
            }
            Matter::Syn | Matter::Answer | Matter::Udp | Matter::Nothing => {
                course.note(hasher, floor, key, packets, news, *link);
            }
        }
    }

    /// Where an interface is; none when there are too many.
    fn find(&mut self, index: u32) -> Option<usize> {
        match self.at(index) {
            Ok(at) => Some(at),
            Err(_) if self.interfaces.len() >= INTERFACES => None,
            Err(at) => {
                self.interfaces.insert(at, Interface::new(index));
                Some(at)
            }
        }
    }

    fn at(&self, index: u32) -> Result<usize, usize> {
        self.interfaces.binary_search_by_key(&index, |interface| interface.index)
    }

    /// An interface is watched from `now` on, or its counters are others: the first second after it begins here. Where nobody says so, it
    /// is taken to be a second long. What its frames begin with decides what a datagram without data is.
    pub fn begin(&mut self, interface: u32, link: Link, now: u64) {
        if let Some(at) = self.find(interface) {
            self.interfaces[at].link = link_header(link);
            self.interfaces[at].begin(now);
        }
    }

    /// Whether answers can be seen at an interface, as far as its packets tell: not at a mirror port, and not where answers go another way.
    #[must_use]
    pub fn sees_answers(&self, interface: u32) -> bool {
        self.at(interface).map_or(true, |at| self.interfaces[at].sight() != Sight::Blind)
    }

    /// Closes a second of an interface that ends at `now`: what the kernel counted of ingress and egress since the last one. To be
    /// called once a second also when nothing was counted; a longer pause counts as one long second.
    pub fn second(
        &mut self,
        interface: u32,
        now: u64,
        rates: [Rates; 2],
        mut hear: impl FnMut(&Flood, Stage),
    ) {
        let Some(at) = self.find(interface) else { return };
        let from = self.interfaces[at].closed.replace(now);
        let span = Span { from: from.unwrap_or(now.saturating_sub(SECOND)), to: now };
        let measures = self.interfaces[at].close(&rates, self.settings.directed);
        for (way, measure) in measures.into_iter().enumerate() {
            for kind in Kind::ALL {
                self.advance(at, way, kind, span, measure, &mut hear);
            }
        }
        let interface = &mut self.interfaces[at];
        interface.settle();
        if now.saturating_sub(interface.halved) >= HALVE {
            interface.halve(now);
        }
    }

    fn advance(
        &mut self,
        at: usize,
        way: usize,
        kind: Kind,
        span: Span,
        measure: Measure,
        hear: &mut dyn FnMut(&Flood, Stage),
    ) {
        if way == 1 && !may_leave(kind) {
            return;
        }
        let interface = &mut self.interfaces[at];
        let mut course = std::mem::take(&mut interface.ways[way].courses[kind as usize]);
        let directed = self.settings.directed;
        let other = &interface.ways[usize::from(directed) ^ way];
        let own = &interface.ways[way];
        let sight = interface.sight();
        // Of a mirror port both directions come the same way.
        let mirrored = directed && sight != Sight::Answers;
        let place = Place {
            kind,
            floor: self.thresholds.floors[kind as usize],
            factor: self.thresholds.factor,
            interface: interface.index,
            egress: way == 1,
            hasher: &self.hasher,
            // Of a capture whose handshakes are counted both directions are there.
            sees: !directed || sight == Sight::Answers,
            answers: &other.answers,
            mirrored: mirrored.then_some(&own.answers),
            refusals: &other.refusals,
            counter_refusals: &own.refusals,
        };
        let before = self.numbers;
        let ended = course.second(&place, span, measure, &mut self.numbers, hear);
        self.counters.begun[kind as usize] += self.numbers - before;
        interface.ways[way].courses[kind as usize] = course;
        self.keep(ended);
    }

    fn keep(&mut self, ended: Option<Flood>) {
        self.ended.extend(ended);
        while self.ended.len() > self.settings.kept {
            self.ended.pop_front();
            self.counters.forgotten += 1;
        }
    }

    /// The end of a capture: what is suspected is judged by what there is, and what is under way has ended.
    pub fn finish(&mut self, now: u64, mut hear: impl FnMut(&Flood, Stage)) {
        for at in 0..self.interfaces.len() {
            self.second(self.interfaces[at].index, now, Default::default(), &mut hear);
            self.end(at, &mut hear);
        }
    }

    /// An interface is gone: its floods have ended.
    pub fn forget(&mut self, interface: u32, mut hear: impl FnMut(&Flood, Stage)) {
        if let Ok(at) = self.at(interface) {
            self.end(at, &mut hear);
            self.interfaces.remove(at);
        }
    }

    /// Every interface is gone but these, also those that are known by flows alone.
    pub fn retain(&mut self, stays: impl Fn(u32) -> bool, mut hear: impl FnMut(&Flood, Stage)) {
        for at in (0..self.interfaces.len()).rev() {
            if !stays(self.interfaces[at].index) {
                self.end(at, &mut hear);
            }
        }
        self.interfaces.retain(|interface| stays(interface.index));
    }

    fn end(&mut self, at: usize, hear: &mut dyn FnMut(&Flood, Stage)) {
        for way in 0..2 {
            for kind in 0..Kind::COUNT {
                let ended = self.interfaces[at].ways[way].courses[kind].finish(hear);
                self.keep(ended);
            }
        }
    }

    /// Floods under way, and behind them those that ended, oldest first.
    pub fn floods(&self) -> impl Iterator<Item = &Flood> {
        self.courses().filter_map(|(_, course)| course.flood()).chain(&self.ended)
    }

    /// The detector's own counters.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut counters = self.counters;
        counters.bytes = size_of::<Self>() + self.ended.len() * size_of::<Flood>();
        for interface in &self.interfaces {
            let sketches = interface.ways.iter().flat_map(|way| [&way.answers, &way.refusals]);
            counters.bytes += size_of::<Interface>() + sketches.map(Counts::bytes).sum::<usize>();
        }
        for (kind, course) in self.courses() {
            counters.under_way[kind] += u64::from(course.flood().is_some());
            counters.bytes += course.bytes();
        }
        counters
    }

    fn courses(&self) -> impl Iterator<Item = (usize, &Course)> {
        let ways = self.interfaces.iter().flat_map(|interface| &interface.ways);
        ways.flat_map(|way| way.courses.iter().enumerate())
    }
}

/// Answers that leave were asked for by what came, perhaps by another interface.
const fn may_leave(kind: Kind) -> bool {
    !matches!(kind, Kind::Backscatter)
}
