//! What one source did with one class of probes.

use std::net::IpAddr;

use super::{
    bounded::Few,
    pairs::{Pairs, Target, pair},
    probe::{Class, Outcome, Probe},
    rows::Rows,
    verdict::{OpenPort, Shape},
};

/// Pairs whose order is kept.
pub(super) const ORDERED: usize = 32;
/// Targets that are told by address.
pub(super) const EXAMPLES: usize = 8;
/// Open ports that are told.
pub(super) const OPEN: usize = 64;

/// A target, and its address as far as that is remembered.
pub(super) type Scanned = (Target, Option<IpAddr>);

/// A source's probes of one class.
#[derive(Clone)]
pub(super) struct Track {
    pub(super) class: Class,
    /// Every pair that was tried.
    pub(super) probed: Pairs,
    /// Those of them that ever succeeded.
    pub(super) completed: Pairs,
    /// Those of them that answered.
    pub(super) answered: Pairs,
    /// The first of those, by address.
    pub(super) open: Vec<OpenPort>,
    /// The first pairs, in the order in which they came.
    pub(super) order: Vec<u64>,
    /// Targets by address, those that came first.
    pub(super) examples: Vec<(Target, IpAddr)>,
    /// Source ports; of unasked-for SYN/ACKs the ports here.
    pub(super) near_ports: Few,
    /// By outcome, in the order of [`Outcome::ALL`].
    pub(super) outcomes: [u64; 4],
    pub(super) attempts: u64,
    pub(super) packets: u64,
    /// Attempts with odd flags, in fragments, and SYNs without the usual options.
    pub(super) odd: u64,
    pub(super) in_fragments: u64,
    pub(super) bare: u64,
    /// Times of the first and the latest packet, and of the latest pair that was new.
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) last_new: u64,
    /// New pairs that failed and are sampled by what succeeded before it was a suspect, and those that seem to be among that.
    pub(super) sampled: u64,
    pub(super) seem_earlier: u64,
    /// Of ordinary probes, what was done to which target.
    pub(super) rows: Rows,
    /// What it was called a scan for.
    pub(super) shape: Option<Shape>,
    /// The targets that it scans, where the source does much else with success; empty where that is all that it does.
    pub(super) scanned: Vec<Scanned>,
    /// The verdict that it belongs to.
    pub(super) case: Option<u64>,
}

impl Track {
    pub(super) fn new(class: Class, first: u64) -> Self {
        Self {
            class,
            probed: Pairs::default(),
            completed: Pairs::default(),
            answered: Pairs::default(),
            open: Vec::new(),
            order: Vec::new(),
            examples: Vec::new(),
            near_ports: Few::default(),
            outcomes: [0; 4],
            attempts: 0,
            packets: 0,
            odd: 0,
            in_fragments: 0,
            bare: 0,
            first,
            last: first,
            last_new: first,
            sampled: 0,
            seem_earlier: 0,
            rows: Rows::default(),
            shape: None,
            scanned: Vec::new(),
            case: None,
        }
    }

    /// Takes in a probe; whether its pair is new.
    pub(super) fn add(&mut self, probe: &Probe, target: Target, address: Option<IpAddr>) -> bool {
        self.outcomes[probe.outcome as usize] += 1;
        self.attempts += 1;
        self.packets += probe.packets;
        self.odd += u64::from(probe.is_odd);
        self.in_fragments += u64::from(probe.in_fragments);
        self.bare += u64::from(probe.is_bare);
        self.first = self.first.min(probe.first);
        self.last = self.last.max(probe.last);
        if let Some(port) = probe.near_port {
            self.near_ports.add(port);
        }
        let is_new = self.probed.insert(target, probe.port);
        if is_new {
            self.last_new = self.last_new.max(probe.first);
            self.note_new(target, probe.port, address);
        }
        if self.class.is_ordinary() {
            self.rows.add(probe, target, is_new);
        }
        if probe.outcome == Outcome::Completed {
            self.completed.insert(target, probe.port);
        }
        if probe.answered && matches!(probe.outcome, Outcome::Completed | Outcome::HalfOpen) {
            self.note_answer(probe.port, target, address);
        }
        for pairs in [&mut self.completed, &mut self.answered] {
            if pairs.is_full() {
                pairs.sketch();
            }
        }
        is_new
    }

    fn note_new(&mut self, target: Target, port: u16, address: Option<IpAddr>) {
        if self.order.len() < ORDERED {
            self.order.push(pair(target, port));
        }
        if let Some(address) = address
            && self.examples.len() < EXAMPLES
            && !self.examples.iter().any(|(known, _)| *known == target)
        {
            self.examples.push((target, address));
        }
    }

    fn note_answer(&mut self, port: u16, target: Target, address: Option<IpAddr>) {
        let is_new = self.answered.insert(target, port);
        if let (true, true, Some(address)) = (is_new, self.open.len() < OPEN, address) {
            self.open.push(OpenPort { address, port });
        }
    }

    /// Pairs that never succeeded.
    pub(super) fn failed(&self) -> u64 {
        self.probed.len().saturating_sub(self.completed.len())
    }

    /// Its packets were made by a program, not by connect(): they come from the same port, or from one for each repetition.
    pub(super) fn has_few_ports(&self) -> bool {
        self.near_ports.is_within(self.attempts / 4 + 2)
    }

    /// Mean distance between new pairs, nanoseconds.
    pub(super) fn distance(&self) -> u64 {
        (self.last_new - self.first.min(self.last_new)) / (self.probed.len().max(2) - 1)
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        let pairs = [&self.probed, &self.completed, &self.answered];
        pairs.iter().map(|pairs| pairs.bytes()).sum::<usize>()
            + self.open.capacity() * size_of::<OpenPort>()
            + self.order.capacity() * size_of::<u64>()
            + self.examples.capacity() * size_of::<(Target, IpAddr)>()
            + self.scanned.capacity() * size_of::<Scanned>()
            + self.rows.bytes()
    }
}
