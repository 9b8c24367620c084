//! One table of those who talk most: entries counted exactly from the moment they enter until they leave, the rest in `other`.
//!
//! Guarantees: `other + Σ entries` is everything that was ever added; no entry's count goes backwards while it is one, and `other`
//! never does, because what an entry had when it leaves is folded into it; there are never more entries than the table's size.

use std::{hash::BuildHasher, sync::Arc};

use hashbrown::{DefaultHashBuilder, HashTable};
use wireledger_common::{
    abi::{flow::FlowKey, totals::Count},
    table::hash::words,
};

use super::{
    candidates::Candidates,
    party::{self, Dimension},
};
use crate::naming::Names;

/// Candidates for each entry that a table may have.
const CANDIDATES: usize = 4;
/// Fewest of them.
const FEWEST: usize = 64;

/// One of those who talk most.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who: see [`Dimension`].
    pub key: FlowKey,
    /// What was counted since it entered.
    pub count: Count,
    /// The names of both ends, or its own in the first place.
    pub called: [Option<Arc<str>>; 2],
    /// Recent bytes, halved from time to time.
    recent: u64,
}

/// A table.
pub struct Table {
    dimension: Dimension,
    size: usize,
    other: Count,
    members: Vec<Member>,
    index: HashTable<u32>,
    candidates: Candidates,
    hasher: DefaultHashBuilder,
}

impl Table {
    /// A table without room for entries.
    pub(super) fn new(dimension: Dimension, hasher: DefaultHashBuilder) -> Self {
        Self {
            dimension,
            size: 0,
            other: Count::default(),
            members: Vec::new(),
            index: HashTable::new(),
            candidates: Candidates::default(),
            hasher,
        }
    }

    /// By what its entries are told apart.
    #[must_use]
    pub const fn dimension(&self) -> Dimension {
        self.dimension
    }

    /// Everything that is in no entry.
    #[must_use]
    pub const fn other(&self) -> Count {
        self.other
    }

    /// The entries, in no order.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Adds what a flow had of late.
    #[inline]
    pub(super) fn add(&mut self, key: &FlowKey, names: &Names, news: Count) {
        if self.size == 0 {
            self.other.add(news.packets, news.bytes);
            return;
        }
        let party = self.dimension.party(key, names);
        // A record of less than was read takes the rest back; that is no weight.
        let bytes = if news.bytes >> 63 == 0 { news.bytes } else { 0 };
        let hash = self.hasher.hash_one(words(&party));
        let members = &mut self.members;
        let same = |at: &u32| words(&members[*at as usize].key) == words(&party);
        if let Some(&at) = self.index.find(hash, same) {
            let member = &mut members[at as usize];
            member.count.add(news.packets, news.bytes);
            member.recent = member.recent.saturating_add(bytes);
        } else {
            self.other.add(news.packets, news.bytes);
            self.candidates.add(hash, &party, bytes);
        }
    }

    /// Lets candidates in: while there is room, and after that those that outweigh the lightest entries by a quarter.
    pub(super) fn admit(&mut self, names: &Names) {
        let room = self.size - self.members.len();
        let mut lightest: Vec<_> = (0..self.members.len()).collect();
        lightest.sort_unstable_by_key(|&at| (self.members[at].recent, self.members[at].key));
        let least = match lightest.first() {
            Some(&at) if room == 0 => more_by_a_quarter(self.members[at].recent),
            _ => 0,
        };
        let candidates = self.candidates.above(least);
        let mut left = Vec::new();
        for (nth, candidate) in candidates.iter().enumerate() {
            let entering = self.enter(&candidate.key, candidate.weight, names);
            match nth.checked_sub(room).map(|nth| lightest.get(nth).copied()) {
                None => self.members.push(entering),
                Some(Some(at)) if candidate.weight > more_by_a_quarter(self.members[at].recent) => {
                    left.push(std::mem::replace(&mut self.members[at], entering));
                }
                Some(_) => break,
            }
            self.candidates.take(candidate);
        }
        if !candidates.is_empty() {
            self.reindex();
        }
        for member in left {
            self.fold(&member);
        }
    }

    fn enter(&self, key: &FlowKey, recent: u64, names: &Names) -> Member {
        let called = party::called(self.dimension, key, names);
        Member { key: *key, count: Count::default(), called, recent }
    }

    /// An entry has left: its count belongs to the rest, and it may come back.
    fn fold(&mut self, member: &Member) {
        self.other.add(member.count.packets, member.count.bytes);
        let hash = self.hasher.hash_one(words(&member.key));
        self.candidates.add(hash, &member.key, member.recent);
    }

    /// Halves all recent bytes.
    pub(super) fn halve(&mut self) {
        self.candidates.halve();
        for member in &mut self.members {
            member.recent /= 2;
        }
    }

    /// Room for so many entries from now on; the lightest of too many leave.
    pub(super) fn resize(&mut self, size: usize) {
        if size == self.size {
            return;
        }
        let places = if size == 0 { 0 } else { (size * CANDIDATES).max(FEWEST) };
        let before = std::mem::replace(&mut self.candidates, Candidates::new(places));
        for candidate in before.above(0) {
            let hash = self.hasher.hash_one(words(&candidate.key));
            self.candidates.add(hash, &candidate.key, candidate.weight);
        }
        self.size = size;
        if self.members.len() > size {
            self.members
                .sort_unstable_by(|a, b| b.recent.cmp(&a.recent).then_with(|| a.key.cmp(&b.key)));
            for member in self.members.split_off(size) {
                self.fold(&member);
            }
            self.members.shrink_to_fit();
        }
        self.reindex();
    }

    /// Entries that are called otherwise now leave.
    pub(super) fn rename(&mut self, names: &Names) {
        // Parties of before may be others of now.
        let places = if self.size == 0 { 0 } else { (self.size * CANDIDATES).max(FEWEST) };
        self.candidates = Candidates::new(places);
        let dimension = self.dimension;
        let other = &mut self.other;
        self.members.retain_mut(|member| {
            let renamed = party::renamed(dimension, &member.key, &member.called, names);
            match renamed {
                Some(key) => member.key = key,
                None => other.add(member.count.packets, member.count.bytes),
            }
            renamed.is_some()
        });
        self.reindex();
    }

    fn reindex(&mut self) {
        let (members, hasher) = (&self.members, &self.hasher);
        let hash = |at: &u32| hasher.hash_one(words(&members[*at as usize].key));
        self.index.clear();
        self.index.reserve(members.len(), hash);
        for at in 0..members.len() as u32 {
            self.index.insert_unique(hash(&at), at, hash);
        }
    }
}

/// What a newcomer must have more than, lest two of equal weight drive each other out.
const fn more_by_a_quarter(recent: u64) -> u64 {
    recent.saturating_add(recent / 4)
}
