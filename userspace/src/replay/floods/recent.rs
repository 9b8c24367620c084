//! What was of use lately, in bounded memory.

use std::hash::Hash;

use hashbrown::{HashMap, hash_map::Entry};

/// Values by key, in two generations: what was neither put in nor asked for while `most` others were is forgotten.
pub(super) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    most: usize,
}

impl<K: Copy + Eq + Hash, V> Recent<K, V> {
    /// Keeps at least the latest `most`, and at most twice as many.
    pub(super) fn new(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), most: most.max(1) }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<&mut V> {
        self.turn();
        match self.young.entry(*key) {
            Entry::Occupied(entry) => Some(entry.into_mut()),
            Entry::Vacant(entry) => Some(entry.insert(self.old.remove(key)?)),
        }
    }

    /// Whether it is known, without keeping it for longer.
    pub(super) fn holds(&self, key: &K) -> bool {
        self.young.contains_key(key) || self.old.contains_key(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        self.turn();
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    fn turn(&mut self) {
        if self.young.len() >= self.most {
            // The memory of those who go is for those who come.
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_kept_and_never_more_than_twice_as_many() {
        let mut recent = Recent::new(10);
        for n in 0..1000 {
            recent.insert(n, n);
            assert!(recent.young.len() + recent.old.len() <= 20, "{n}");
            let first = (n + 1_u32).saturating_sub(10);
            assert!((first..=n).all(|n| recent.holds(&n)), "{n}");
        }
        assert!(!recent.holds(&900));
    }

    #[test]
    fn what_is_asked_for_stays_and_what_is_taken_out_goes() {
        let mut recent = Recent::new(10);
        recent.insert(0, 'a');
        for n in 1..1000 {
            recent.insert(n, 'b');
            assert_eq!(recent.get(&0), Some(&mut 'a'), "{n}");
        }
        assert_eq!(recent.remove(&0), Some('a'));
        assert_eq!(recent.get(&0), None);
        assert_eq!(recent.remove(&0), None);
    }

    #[test]
    fn a_value_that_is_put_in_again_is_the_new_one() {
        let mut recent = Recent::new(2);
        for n in [1, 2, 3] {
            recent.insert(n, 'a');
        }
        recent.insert(1, 'b');
        assert_eq!(recent.remove(&1), Some('b'));
        assert!(!recent.holds(&1));
    }
}
