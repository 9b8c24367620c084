//! Sources that failed once and were forgotten since: a filter of two generations, so that one that comes again is known to
//! have been there, however many others came in between.
//!
//! Of four million sources each (default size), of which one in some hundred that was not there is taken for one that was.

/// Bits set for a source, all in one line of 512.
const BITS: u32 = 4;
const WORDS: usize = 8;
/// Sources for each line of a generation.
const PER_LINE: u64 = 32;

/// The filter.
pub(super) struct Once {
    /// The one that is filled, and the one before.
    generations: [Vec<[u64; WORDS]>; 2],
    current: usize,
    added: u64,
}

impl Once {
    /// A filter of so many lines in each generation, a power of two.
    pub(super) fn new(lines: usize) -> Self {
        let generation = || vec![[0; WORDS]; lines];
        Self { generations: [generation(), generation()], current: 0, added: 0 }
    }

    pub(super) fn add(&mut self, hash: u64) {
        if self.added >= self.generations[0].len() as u64 * PER_LINE {
            self.added = 0;
            self.current ^= 1;
            self.generations[self.current].fill([0; WORDS]);
        }
        let generation = &mut self.generations[self.current];
        let line = hash as usize & (generation.len() - 1);
        for (word, bit) in places(hash) {
            generation[line][word] |= bit;
        }
        self.added += 1;
    }

    pub(super) fn has(&self, hash: u64) -> bool {
        self.generations.iter().any(|generation| {
            let line = &generation[hash as usize & (generation.len() - 1)];
            places(hash).all(|(word, bit)| line[word] & bit != 0)
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.generations.iter().map(|generation| size_of_val(&**generation)).sum()
    }
}

/// Words and bits in the line, by the upper half of the hash, which does not choose the line.
fn places(hash: u64) -> impl Iterator<Item = (usize, u64)> {
    (0..BITS).map(move |nth| {
        let nine = (hash >> (28 + nth * 9)) as usize & 511;
        (nine / 64, 1 << (nine % 64))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn hash(n: u64) -> u64 {
        let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let n = (n ^ (n >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        n ^ (n >> 32)
    }

    #[test]
    fn the_last_generation_is_known_and_few_others() {
        let mut once = Once::new(1024);
        let capacity = 1024 * PER_LINE;
        for n in 0..2 * capacity {
            once.add(hash(n));
        }
        assert!((capacity..2 * capacity).all(|n| once.has(hash(n))));
        let others = (10 * capacity..11 * capacity).filter(|&n| once.has(hash(n))).count() as u64;
        assert!(others * 50 < capacity, "{others} of {capacity}");
        for n in 20 * capacity..22 * capacity + 1 {
            once.add(hash(n));
        }
        let known = (0..capacity).filter(|&n| once.has(hash(n))).count() as u64;
        assert!(known * 50 < capacity, "{known} of {capacity} are remembered for ever");
    }
}
