//! What a source did to each of its latest targets, so that a scan of one can be told from all else that the source does.

use super::{
    pairs::Target,
    probe::{Outcome, Probe},
};

/// Sets by target, and targets in each; the one that was silent for longest gives way.
const SETS: usize = 32;
const WAYS: usize = 4;

/// What was done to one target.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Row {
    target: Target,
    /// Zero where there is no row.
    pub(super) attempts: u32,
    pub(super) packets: u64,
    /// By outcome, in the order of [`Outcome::ALL`].
    pub(super) outcomes: [u32; Outcome::ALL.len()],
    pub(super) bare: u32,
    /// Times of the first and the latest packet, and of the latest pair that was new.
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) last_new: u64,
}

/// Targets of late.
#[derive(Clone, Default)]
pub(super) struct Rows(Option<Box<[[Row; WAYS]; SETS]>>);

impl Rows {
    pub(super) fn add(&mut self, probe: &Probe, target: Target, is_new: bool) {
        let sets = self.0.get_or_insert_with(|| Box::new([[Row::default(); WAYS]; SETS]));
        let set = &mut sets[home(target)];
        let at = set.iter().position(|row| row.attempts > 0 && row.target == target);
        let at = at.unwrap_or_else(|| {
            let oldest = (0..WAYS).min_by_key(|&at| set[at].last).unwrap_or_default();
            set[oldest] = Row { target, first: probe.first, ..Row::default() };
            oldest
        });
        set[at].add(probe, is_new);
    }

    /// What was done to this target since it is here.
    pub(super) fn of(&self, target: Target) -> Option<&Row> {
        let set = &self.0.as_deref()?[home(target)];
        set.iter().find(|row| row.attempts > 0 && row.target == target)
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        self.0.as_deref().map_or(0, size_of_val)
    }
}

impl Row {
    fn add(&mut self, probe: &Probe, is_new: bool) {
        self.attempts = self.attempts.saturating_add(1);
        self.packets += probe.packets;
        let outcome = &mut self.outcomes[probe.outcome as usize];
        *outcome = outcome.saturating_add(1);
        self.bare = self.bare.saturating_add(u32::from(probe.is_bare));
        self.first = self.first.min(probe.first);
        self.last = self.last.max(probe.last);
        if is_new {
            self.last_new = self.last_new.max(probe.first);
        }
    }
}

/// Fibonacci hashing: neighbours are in sets of their own.
const fn home(target: Target) -> usize {
    target.wrapping_mul(0x9e37_79b9) as usize >> (32 - SETS.ilog2())
}
