//! Who might become an entry of a table: recent bytes of the many, in bounded memory.
//!
//! Space-saving (Metwally, Agrawal, El Abbadi 2005) in sets of eight: a newcomer takes the lightest place of its set and inherits its weight
//! as its error, so `weight − error` is what was surely seen. Beside `frequencies` of the datasketches crate, with as many counters and
//! the same stream, an addition took 20 to 30 ns rather than 40, and weights can be halved, which that sketch has no way to do.

use wireledger_common::{abi::flow::FlowKey, table::hash::words};

/// Places in a set.
const WAYS: usize = 8;

#[derive(Clone, Copy)]
struct Set {
    /// Lower half of the hash with bit 0 set; 0 = free.
    tags: [u32; WAYS],
    weights: [u64; WAYS],
    errors: [u64; WAYS],
    keys: [FlowKey; WAYS],
}

const FREE: Set =
    Set { tags: [0; WAYS], weights: [0; WAYS], errors: [0; WAYS], keys: [NOBODY; WAYS] };

const NOBODY: FlowKey = FlowKey {
    source: [0; 16],
    destination: [0; 16],
    source_port: 0,
    destination_port: 0,
    interface: 0,
    vlans: [0; 3],
    protocol: 0,
    kind: 0,
};

impl Set {
    /// Where somebody is.
    fn way(&self, hash: u64, key: &FlowKey) -> Option<usize> {
        let tag = hash as u32 | 1;
        (0..WAYS).find(|&way| self.tags[way] == tag && words(&self.keys[way]) == words(key))
    }
}

/// Sets for at least so many places.
const fn sets(places: usize) -> usize {
    if places == 0 { 0 } else { places.div_ceil(WAYS).next_power_of_two() }
}

/// A candidate as it was found.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// What it surely had lately.
    pub weight: u64,
    /// Who it is.
    pub key: FlowKey,
    set: usize,
    way: usize,
}

/// The candidates of a table.
#[derive(Default)]
pub struct Candidates {
    /// A power of two of them, or none.
    sets: Vec<Set>,
}

impl Candidates {
    /// Room for at least so many.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Self { sets: vec![FREE; sets(places)] }
    }

    /// Memory of so many places.
    #[must_use]
    pub const fn bytes(places: usize) -> usize {
        sets(places) * size_of::<Set>()
    }

    /// Adds recent bytes, or whatever else weighs.
    #[inline]
    pub fn add(&mut self, hash: u64, key: &FlowKey, bytes: u64) {
        if self.sets.is_empty() {
            return;
        }
        let at = self.home(hash);
        let set = &mut self.sets[at];
        let tag = hash as u32 | 1;
        // Every tag without a branch between, so that the compiler compares them at once.
        let mut hits = set
            .tags
            .iter()
            .enumerate()
            .fold(0_u32, |hits, (way, &other)| hits | u32::from(other == tag) << way);
        while hits != 0 {
            let way = hits.trailing_zeros() as usize % WAYS;
            if words(&set.keys[way]) == words(key) {
                set.weights[way] = set.weights[way].saturating_add(bytes);
                return;
            }
            hits &= hits - 1;
        }
        let mut lightest = 0;
        for way in 1..WAYS {
            if set.weights[way] < set.weights[lightest] {
                lightest = way;
            }
        }
        set.tags[lightest] = tag;
        set.keys[lightest] = *key;
        set.errors[lightest] = set.weights[lightest];
        set.weights[lightest] = set.weights[lightest].saturating_add(bytes);
    }

    /// What somebody can have had at the most: its weight, or, where it has no place, that of whom it could have lost it to.
    #[must_use]
    pub fn most(&self, hash: u64, key: &FlowKey) -> u64 {
        let Some(set) = self.sets.get(self.home(hash)) else { return u64::MAX };
        let lightest = set.weights.iter().copied().min().unwrap_or_default();
        set.way(hash, key).map_or(lightest, |way| set.weights[way])
    }

    /// What somebody surely had.
    #[must_use]
    pub fn least(&self, hash: u64, key: &FlowKey) -> u64 {
        let Some(set) = self.sets.get(self.home(hash)) else { return 0 };
        set.way(hash, key).map_or(0, |way| set.weights[way].saturating_sub(set.errors[way]))
    }

    fn home(&self, hash: u64) -> usize {
        (hash >> 32) as usize & self.sets.len().wrapping_sub(1)
    }

    /// Forgets everybody.
    pub fn clear(&mut self) {
        self.sets.fill(FREE);
    }

    /// Those with more than `least` bytes, heaviest first, ties by key.
    #[must_use]
    pub fn above(&self, least: u64) -> Vec<Candidate> {
        let mut found = Vec::new();
        for (at, set) in self.sets.iter().enumerate() {
            for way in 0..WAYS {
                let weight = set.weights[way].saturating_sub(set.errors[way]);
                if set.tags[way] != 0 && weight > least {
                    found.push(Candidate { weight, key: set.keys[way], set: at, way });
                }
            }
        }
        found.sort_unstable_by(|a, b| b.weight.cmp(&a.weight).then_with(|| a.key.cmp(&b.key)));
        found
    }

    /// Takes one out that [`Self::above`] found; nothing may have been added since.
    pub(super) fn take(&mut self, candidate: &Candidate) {
        let set = &mut self.sets[candidate.set];
        set.tags[candidate.way] = 0;
        set.weights[candidate.way] = 0;
        set.errors[candidate.way] = 0;
    }

    /// Halves every weight.
    pub fn halve(&mut self) {
        for set in &mut self.sets {
            for way in 0..WAYS {
                set.weights[way] /= 2;
                set.errors[way] /= 2;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> FlowKey {
        FlowKey { interface: n, ..FlowKey::default() }
    }

    /// A hash as good as any for numbers in order.
    fn hash(n: u32) -> u64 {
        u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
    }

    #[test]
    fn what_fits_is_counted_exactly_and_sorted() {
        let mut candidates = Candidates::new(8);
        for n in 0..8 {
            candidates.add(hash(n), &key(n), 100);
            candidates.add(hash(n), &key(n), u64::from(n));
        }
        let above: Vec<_> =
            candidates.above(100).iter().map(|one| (one.key.interface, one.weight)).collect();
        assert_eq!(above, [7, 6, 5, 4, 3, 2, 1].map(|n| (n, 100 + u64::from(n))));
    }

    #[test]
    fn a_flood_hides_nobody_heavy_and_makes_nobody_heavy() {
        let mut candidates = Candidates::new(64);
        for n in 0..100_000 {
            candidates.add(hash(n), &key(n), 60);
            if n % 10 == 0 {
                candidates.add(hash(1 << 30), &key(1 << 30), 600);
            }
        }
        let above = candidates.above(1000);
        assert_eq!(above.len(), 1, "{above:?}");
        assert_eq!(above[0].key, key(1 << 30));
        assert!(above[0].weight <= 6_000_000, "never more than it had");
        assert!(above[0].weight > 3_000_000, "it could have been driven out early only");
        candidates.take(&above[0]);
        assert!(candidates.above(1000).is_empty());
    }

    #[test]
    fn what_somebody_had_is_between_what_it_surely_and_what_it_can_have_had() {
        let mut candidates = Candidates::new(64);
        let mut had = [0_u64; 1000];
        for n in 0..20_000_u32 {
            let who = (n * n / 7) % 1000;
            candidates.add(hash(who), &key(who), u64::from(n % 5));
            had[who as usize] += u64::from(n % 5);
        }
        for (who, had) in (0..).zip(had) {
            let (least, most) =
                (candidates.least(hash(who), &key(who)), candidates.most(hash(who), &key(who)));
            assert!((least..=most).contains(&had), "{who}: {least} to {most}, not {had}");
        }
        candidates.clear();
        assert!((0..1000).all(|who| candidates.most(hash(who), &key(who)) == 0));
    }

    #[test]
    fn without_room_there_is_nobody() {
        let mut candidates = Candidates::new(0);
        candidates.add(1, &key(1), 100);
        assert!(candidates.above(0).is_empty());
        assert_eq!((candidates.least(1, &key(1)), candidates.most(1, &key(1))), (0, u64::MAX));
    }
}
