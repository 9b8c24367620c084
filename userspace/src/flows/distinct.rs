//! How many different sources, destinations and flows there were: HyperLogLog over a sliding window.
//!
//! The window is of [`WINDOWS`] parts of [`PART`], the last of them the one that is under way: it reaches back between four and five minutes. A
//! flow is hashed when it begins and once in each part in which it has news. Hashes are seeded anew in each process, so
//! nobody can choose addresses that look like fewer.

use std::hash::BuildHasher;

use datasketches::hll::{HllSketch, HllType, HllUnion};
use hashbrown::DefaultHashBuilder;
use wireledger_common::{
    abi::flow::{FlowKey, IPV6},
    table::hash::words,
};

/// Length of a part of the window, nanoseconds.
pub(super) const PART: u64 = 60_000_000_000;
/// Parts of the window.
pub(super) const WINDOWS: usize = 5;

/// Base-2 logarithm of the registers of a sketch: 16 KiB of bytes.
const REGISTERS: u8 = 14;

/// Standard error of the counts, relative: 1.04 / √registers, as merged sketches have it.
pub const STANDARD_ERROR: f64 = 1.04 / 128.0;

/// Distinct counts of one interface and direction.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Distinct {
    /// Source addresses.
    pub sources: u64,
    /// Destination addresses.
    pub destinations: u64,
    /// Flows.
    pub flows: u64,
}

/// The sketches behind them.
#[derive(Default)]
pub(super) struct Sketches {
    sources: Window,
    destinations: Window,
    flows: Window,
}

impl Sketches {
    pub(super) fn add(&mut self, key: &FlowKey, hasher: &DefaultHashBuilder) {
        let v6 = key.kind & IPV6;
        self.sources.current.update(hasher.hash_one((v6, u128::from_ne_bytes(key.source))));
        let destination = (v6, u128::from_ne_bytes(key.destination));
        self.destinations.current.update(hasher.hash_one(destination));
        self.flows.current.update(hasher.hash_one(words(key)));
    }

    /// Begins the next part of the window.
    pub(super) fn turn(&mut self) {
        self.sources.turn();
        self.destinations.turn();
        self.flows.turn();
    }

    pub(super) fn estimate(&self) -> Distinct {
        Distinct {
            sources: self.sources.estimate(),
            destinations: self.destinations.estimate(),
            flows: self.flows.estimate(),
        }
    }
}

/// One count over all parts of the window.
struct Window {
    current: HllSketch,
    /// The parts before, oldest overwritten first.
    past: [HllSketch; WINDOWS - 1],
    oldest: usize,
    /// All of `past`, merged once a part rather than at each question.
    merged: HllSketch,
}

impl Default for Window {
    fn default() -> Self {
        let past = std::array::from_fn(|_| empty());
        Self { current: empty(), past, oldest: 0, merged: empty() }
    }
}

impl Window {
    fn turn(&mut self) {
        self.past[self.oldest] = std::mem::replace(&mut self.current, empty());
        self.oldest = (self.oldest + 1) % self.past.len();
        self.merged = union(&self.past).to_sketch(HllType::Hll8);
    }

    fn estimate(&self) -> u64 {
        union([&self.merged, &self.current]).estimate().round() as u64
    }
}

fn empty() -> HllSketch {
    HllSketch::new(REGISTERS, HllType::Hll8).expect("14 is between 4 and 21")
}

fn union<'a>(sketches: impl IntoIterator<Item = &'a HllSketch>) -> HllUnion {
    let mut union = HllUnion::new(REGISTERS).expect("14 is between 4 and 21");
    for sketch in sketches {
        union.update(sketch);
    }
    union
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32, to: u8) -> FlowKey {
        let mut key = FlowKey { destination: [to; 16], ..FlowKey::default() };
        key.source[..4].copy_from_slice(&n.to_be_bytes());
        key
    }

    /// Five standard errors: one run in a million is beyond.
    fn assert_near(estimate: u64, truth: u64) {
        let error = (estimate as f64 - truth as f64).abs() / truth as f64;
        assert!(error <= 5.0 * STANDARD_ERROR, "{estimate} of {truth}");
    }

    #[test]
    fn the_standard_error_is_below_one_in_a_hundred() {
        const { assert!(STANDARD_ERROR <= 0.01) };
    }

    #[test]
    fn counts_are_near_and_small_ones_exact() {
        let (mut sketches, hasher) = (Sketches::default(), DefaultHashBuilder::default());
        for n in 0..100_000 {
            sketches.add(&key(n, (n % 7) as u8), &hasher);
            sketches.add(&key(n, (n % 7) as u8), &hasher);
        }
        let distinct = sketches.estimate();
        assert_eq!(distinct.destinations, 7);
        assert_near(distinct.sources, 100_000);
        assert_near(distinct.flows, 100_000);
    }

    #[test]
    fn the_window_forgets_after_five_parts() {
        let (mut sketches, hasher) = (Sketches::default(), DefaultHashBuilder::default());
        for part in 0..8_u32 {
            for n in 0..10_000 {
                sketches.add(&key(part * 10_000 + n, 1), &hasher);
            }
            assert_near(sketches.estimate().sources, 10_000 * u64::from((part + 1).min(5)));
            sketches.turn();
        }
        for _ in 0..4 {
            sketches.turn();
        }
        assert_eq!(sketches.estimate(), Distinct::default());
    }
}
