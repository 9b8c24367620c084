//! What a source did with success, in nine bytes: whether a pair of target and port is likely among it, and about how many
//! there are.
//!
//! A bitmap of 64 bits, three to a pair: one of the target's and two of its own. Filled to three quarters it starts over with
//! every second pair only, then with every fourth (adaptive sampling), so that the count stays near the truth. Whatever is
//! not sampled is not among it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bits that are filled before every second pair is left out.
const FULL: u32 = 48;
/// Twice as often there is nothing left to sample by.
const SCALE_MAX: u8 = 24;

/// The successes of one source.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
#[repr(C)]
pub(super) struct Successes {
    bits: [u32; 2],
    /// Base-2 logarithm of one in how many is sampled.
    scale: u8,
    reserved: [u8; 3],
}

/// A success, hashed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hashes {
    /// The target.
    pub(super) target: u64,
    /// Target, port and class.
    pub(super) pair: u64,
}

impl Successes {
    pub(super) fn add(&mut self, hashes: Hashes) {
        if !self.samples(hashes) {
            return;
        }
        let bits = self.bits() | Self::mask(hashes);
        self.set(bits);
        if bits.count_ones() > FULL && self.scale < SCALE_MAX {
            self.scale += 1;
            self.set(0);
        }
    }

    /// Whether the pair seems to be among it; `None` where it is not sampled. Of those that are not, as many as
    /// [`explain`](Self::explain) counts on seem to be.
    pub(super) fn has(&self, hashes: Hashes) -> Option<bool> {
        let mask = Self::mask(hashes);
        self.samples(hashes).then(|| self.bits() & mask == mask)
    }

    /// The target is likely among it, by any port.
    pub(super) fn has_target(&self, target: u64) -> bool {
        self.bits() & Self::bit(target) != 0
    }

    /// Whether these pairs, of which so many are sampled and so many of those seem to be among it, are: nearer to all of
    /// them than to those that seem so by chance, where their targets are among it already.
    pub(super) fn explain(&self, sampled: u64, seem: u64) -> bool {
        /// Fewer of many say little.
        const LEAST: u64 = 8;
        let set = u64::from(self.bits().count_ones());
        let enough = if self.scale == 0 { 1 } else { LEAST };
        sampled >= enough && seem * 2 * 64 * 64 >= sampled * (64 * 64 + set * set)
    }

    /// The same of targets, all of which are sampled.
    pub(super) fn explain_targets(&self, all: u64, seem: u64) -> bool {
        let set = u64::from(self.bits().count_ones());
        seem * 2 * 64 >= all * (64 + set)
    }

    /// About how many pairs.
    pub(super) fn estimate(&self) -> u64 {
        // Linear counting. Three bits a pair, of which the target's may be shared.
        let pairs = |set: u32| {
            let free = f64::from(64 - set.min(63));
            (64.0 / 2.5 * (64.0 / free).ln()).ceil() as u64
        };
        let now = pairs(self.bits().count_ones()) << self.scale;
        let before = if self.scale == 0 { 0 } else { pairs(FULL) << (self.scale - 1) };
        now.max(before)
    }

    fn samples(&self, hashes: Hashes) -> bool {
        // The bits that choose nothing else.
        (hashes.pair >> 32) & ((1 << self.scale) - 1) == 0
    }

    fn mask(hashes: Hashes) -> u64 {
        Self::bit(hashes.target) | Self::bit(hashes.pair) | Self::bit(hashes.pair >> 6)
    }

    const fn bit(hash: u64) -> u64 {
        1 << (hash & 63)
    }

    const fn bits(&self) -> u64 {
        self.bits[0] as u64 | (self.bits[1] as u64) << 32
    }

    const fn set(&mut self, bits: u64) {
        self.bits = [bits as u32, (bits >> 32) as u32];
    }
}

const _: () = assert!(size_of::<Successes>() == 12);

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;

    fn hashes(n: u64) -> Hashes {
        let hasher = foldless();
        Hashes { target: hasher(n), pair: hasher(n ^ (1 << 40)) }
    }

    /// The same in each run, so that what is asserted holds in each.
    fn foldless() -> impl Fn(u64) -> u64 {
        |n| std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().hash_one(n)
    }

    #[test]
    fn a_few_are_remembered_and_little_else() {
        let mut successes = Successes::default();
        for n in 0..8 {
            successes.add(hashes(n));
        }
        assert!((0..8).all(|n| successes.has(hashes(n)) == Some(true)));
        let false_ones = (100..1100).filter(|&n| successes.has(hashes(n)) == Some(true)).count();
        assert!(false_ones < 100, "{false_ones} of 1000");
        assert!((6..=10).contains(&successes.estimate()), "{}", successes.estimate());
    }

    #[test]
    fn the_count_stays_near_however_many() {
        for count in [100, 1_000, 100_000] {
            let mut successes = Successes::default();
            for n in 0..count {
                successes.add(hashes(n));
                successes.add(hashes(n / 2));
            }
            let estimate = successes.estimate();
            assert!((count / 2..=count * 2).contains(&estimate), "{estimate} of {count}");
        }
    }
}
