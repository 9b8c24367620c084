//! The flows that are not idle, in one vector: found by slot in a step, by key in a few, and walked for what is due without touching them.
//!
//! Room for as many flows as the table has slots is reserved, not touched, at the start: a flood of new flows moves none of the old.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use wireledger_common::{abi::flow::FlowKey, table::hash::words};

use super::flow::Flow;

/// A flow and what is noted of it.
pub(super) struct Entry {
    pub(super) key: FlowKey,
    pub(super) flow: Flow,
    /// Window of distinct counts that has it already; see [`super::distinct`].
    pub(super) window: u32,
    /// It was shown once it had settled, or is not to be.
    pub(super) settled: bool,
}

/// The flows.
pub(super) struct Live {
    entries: Vec<Entry>,
    /// No flow is due before this, in steps of 2^[`STEP`] ns, rounded down.
    due: Vec<u32>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

/// 2^24 ns are 17 ms; 32 bits of them are two years.
const STEP: u32 = 24;

/// Deadlines that are looked at together.
const BLOCK: usize = 256;

impl Live {
    pub(super) fn new(flows: usize) -> Self {
        Self {
            entries: Vec::with_capacity(flows),
            due: Vec::with_capacity(flows),
            index: HashTable::with_capacity(flows),
            hasher: DefaultHashBuilder::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Where a flow is; `hint` is where it was last.
    #[inline]
    pub(super) fn find(&self, hint: u32, key: &FlowKey) -> Option<u32> {
        if self.entries.get(hint as usize).is_some_and(|entry| words(&entry.key) == words(key)) {
            return Some(hint);
        }
        let entries = &self.entries;
        let same = |at: &u32| words(&entries[*at as usize].key) == words(key);
        self.index.find(self.hash(key), same).copied()
    }

    /// Reads a word of each of a flow's cache lines, for whoever wants several fetched at once.
    #[inline]
    pub(super) fn touch(&self, hint: u32) -> u64 {
        let Some(Entry { key, flow, window, .. }) = self.entries.get(hint as usize) else {
            return 0;
        };
        words(key)[0] ^ flow.packets ^ flow.last_seen ^ u64::from(*window)
    }

    pub(super) fn at(&mut self, at: u32) -> &mut Entry {
        &mut self.entries[at as usize]
    }

    /// Adds a flow that is not there.
    pub(super) fn insert(&mut self, key: &FlowKey, flow: Flow, due: u64) -> u32 {
        let at = self.entries.len() as u32;
        self.entries.push(Entry { key: *key, flow, window: 0, settled: false });
        self.due.push(step(due));
        let (entries, hasher) = (&self.entries, &self.hasher);
        let hash = |at: &u32| hasher.hash_one(words(&entries[*at as usize].key));
        self.index.insert_unique(hasher.hash_one(words(key)), at, hash);
        at
    }

    /// Takes a flow out; the last one moves to its place.
    pub(super) fn remove(&mut self, at: u32) -> Entry {
        let last = self.entries.len() as u32 - 1;
        let (gone, moved) = (
            self.hash(&self.entries[at as usize].key),
            self.hash(&self.entries[last as usize].key),
        );
        if let Ok(found) = self.index.find_entry(gone, |&found| found == at) {
            found.remove();
        }
        if at != last
            && let Some(found) = self.index.find_mut(moved, |&found| found == last)
        {
            *found = at;
        }
        self.due.swap_remove(at as usize);
        self.entries.swap_remove(at as usize)
    }

    /// Every flow may be due: what that depends on has changed.
    pub(super) fn reconsider(&mut self) {
        self.due.fill(0);
    }

    /// Flow by key.
    pub(super) fn get(&self, key: &FlowKey) -> Option<&Flow> {
        self.find(u32::MAX, key).map(|at| &self.entries[at as usize].flow)
    }

    /// A flow by its place, which is one of [`Self::settled`].
    pub(super) fn shown(&self, at: u32) -> (&FlowKey, &Flow) {
        let entry = &self.entries[at as usize];
        (&entry.key, &entry.flow)
    }

    /// Where the flows are that may be due and that `settles` finds settled now.
    pub(super) fn settled(&mut self, now: u64, settles: impl Fn(&Flow) -> bool) -> Vec<u32> {
        let now = step(now);
        let mut found = Vec::new();
        for (block, dues) in self.due.chunks(BLOCK).enumerate() {
            if !dues.iter().fold(false, |any, &due| any | (due <= now)) {
                continue;
            }
            for (at, _) in (block * BLOCK..).zip(dues).filter(|(_, due)| **due <= now) {
                let entry = &mut self.entries[at];
                if !entry.settled && settles(&entry.flow) {
                    entry.settled = true;
                    found.push(at as u32);
                }
            }
        }
        found
    }

    /// Shows every flow that may be due; `see` says when it is due next, or that it has ended.
    pub(super) fn due(&mut self, now: u64, mut see: impl FnMut(&mut Entry) -> Option<u64>) {
        let now = step(now);
        // From the end: what moves to a flow's place was looked at before.
        for block in (0..self.due.len().div_ceil(BLOCK)).rev() {
            let first = block * BLOCK;
            let last = self.due.len().min(first + BLOCK);
            // Without a branch for each, so that the compiler compares several at once.
            if !self.due[first..last].iter().fold(false, |any, &due| any | (due <= now)) {
                continue;
            }
            for at in (first..last).rev() {
                if self.due[at] > now {
                    continue;
                }
                match see(&mut self.entries[at]) {
                    Some(due) => self.due[at] = step(due),
                    None => drop(self.remove(at as u32)),
                }
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&FlowKey, &Flow)> {
        self.entries.iter().map(|entry| (&entry.key, &entry.flow))
    }

    fn hash(&self, key: &FlowKey) -> u64 {
        self.hasher.hash_one(words(key))
    }
}

fn step(nanoseconds: u64) -> u32 {
    u32::try_from(nanoseconds >> STEP).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use wireledger_common::abi::flow::Detail;

    use super::*;

    fn key(n: u32) -> FlowKey {
        FlowKey { interface: n, ..FlowKey::default() }
    }

    fn live(flows: u32) -> Live {
        let mut live = Live::new(4);
        for n in 0..flows {
            live.insert(&key(n), Flow::new(&Detail::default(), u64::from(n)), u64::from(n) << STEP);
        }
        live
    }

    #[test]
    fn flows_are_found_whatever_the_hint_and_whoever_left() {
        let mut live = live(1000);
        for n in (0..1000).step_by(3) {
            let at = live.find(n, &key(n)).expect("is there");
            assert_eq!(live.remove(at).key, key(n));
        }
        for n in 0..1000 {
            let at = live.find(n ^ 1, &key(n));
            assert_eq!(at.is_some(), n % 3 != 0, "{n}");
            assert!(at.is_none_or(|at| live.at(at).key == key(n)));
        }
    }

    #[test]
    fn what_is_due_is_seen_once_and_what_ended_is_gone() {
        let mut live = live(1000);
        let mut seen = Vec::new();
        live.due(499 << STEP, |entry| {
            seen.push(entry.key.interface);
            (entry.key.interface % 2 == 0).then_some(u64::MAX)
        });
        seen.sort_unstable();
        assert_eq!(seen, (0..500).collect::<Vec<_>>());
        assert_eq!(live.len(), 750);
        live.due(499 << STEP, |entry| panic!("{:?} again", entry.key));
        for n in 0..1000 {
            assert_eq!(live.find(0, &key(n)).is_some(), n >= 500 || n % 2 == 0, "{n}");
        }
    }
}
