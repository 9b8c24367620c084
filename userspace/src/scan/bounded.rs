//! Counts and samples that do not grow with what they are of.

use datasketches::hll::{HllSketch, HllType};

/// Base-2 logarithm of a sketch's registers: 1 KiB, 3.3 % standard error.
const REGISTERS: u8 = 10;

/// About how many different words were added.
#[derive(Clone)]
pub(super) struct Sketch(HllSketch);

impl Sketch {
    pub(super) fn of(words: impl IntoIterator<Item = u64>) -> Self {
        let mut sketch =
            Self(HllSketch::new(REGISTERS, HllType::Hll8).expect("10 is between 4 and 21"));
        words.into_iter().for_each(|word| sketch.add(word));
        sketch
    }

    pub(super) fn add(&mut self, word: u64) {
        self.0.update(word);
    }

    pub(super) fn estimate(&self) -> u64 {
        self.0.estimate().round() as u64
    }
}

/// Bytes of a sketch's registers.
pub(super) const SKETCH_BYTES: usize = 1 << REGISTERS;

/// Different ports as far as there are few.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Few {
    ports: [u16; Self::MOST],
    count: u8,
    /// There were more.
    overflows: bool,
}

impl Few {
    const MOST: usize = 12;

    pub(super) fn add(&mut self, port: u16) {
        if self.known().contains(&port) {
            return;
        }
        match self.ports.get_mut(usize::from(self.count)) {
            Some(place) => {
                *place = port;
                self.count += 1;
            }
            None => self.overflows = true,
        }
    }

    pub(super) fn known(&self) -> &[u16] {
        &self.ports[..usize::from(self.count)]
    }

    /// At most this many, and at least one.
    pub(super) fn is_within(&self, most: u64) -> bool {
        !self.overflows && self.count > 0 && u64::from(self.count) <= most
    }
}

/// A set of words that may say yes for one that is not in it: one in twenty when it holds a thousand.
#[derive(Clone, Default)]
pub(super) struct Filter {
    bits: Option<Box<[u64; Self::WORDS]>>,
}

impl Filter {
    const WORDS: usize = 128;

    pub(super) fn add(&mut self, hash: u64) {
        let bits = self.bits.get_or_insert_with(|| Box::new([0; Self::WORDS]));
        for (word, bit) in Self::places(hash) {
            bits[word] |= bit;
        }
    }

    pub(super) fn has(&self, hash: u64) -> bool {
        let is_set = |bits: &[u64; Self::WORDS]| {
            Self::places(hash).into_iter().all(|(word, bit)| bits[word] & bit != 0)
        };
        self.bits.as_deref().is_some_and(is_set)
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        self.bits.as_deref().map_or(0, size_of_val)
    }

    fn places(hash: u64) -> [(usize, u64); 2] {
        [hash, hash >> 32].map(|half| {
            let bit = half as usize % (Self::WORDS * 64);
            (bit / 64, 1 << (bit % 64))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_ports_are_few_until_there_are_many() {
        let mut few = Few::default();
        assert!(!few.is_within(9));
        for port in [80, 81, 80] {
            few.add(port);
        }
        assert_eq!(few.known(), [80, 81]);
        assert!(few.is_within(2) && !few.is_within(1));
        few.extend(0..20);
        assert!(!few.is_within(u64::MAX));
    }

    #[test]
    fn a_filter_has_what_was_added() {
        let mut filter = Filter::default();
        assert!(!filter.has(7));
        filter.add(7 << 32 | 9);
        assert!(filter.has(7 << 32 | 9) && !filter.has(9));
    }

    impl Extend<u16> for Few {
        fn extend<I: IntoIterator<Item = u16>>(&mut self, ports: I) {
            ports.into_iter().for_each(|port| self.add(port));
        }
    }
}
