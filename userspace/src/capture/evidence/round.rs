//! One walk along the tape for several cases: which packets belong to which, each to each once.

use std::net::IpAddr;

use hashbrown::{HashMap, HashSet};

use super::ends::{Ends, Pair};

/// Between whom packets go, either way: nobody named is anybody.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Party {
    pub(super) source: Option<IpAddr>,
    pub(super) target: Option<IpAddr>,
}

impl Party {
    /// Every source with every target; none where neither is known, for that would be everybody.
    pub(super) fn all(sources: &[IpAddr], targets: &[IpAddr]) -> impl Iterator<Item = Self> {
        let some = |all: &[IpAddr]| match all {
            [] => vec![None],
            all => all.iter().copied().map(Some).collect(),
        };
        let (sources, targets) = (some(sources), some(targets));
        let pairs = sources.into_iter().flat_map(move |source| {
            targets.clone().into_iter().map(move |target| Self { source, target })
        });
        pairs.filter(|party| party.source.is_some() || party.target.is_some())
    }
}

/// Cases by party, and from where on each has not read of it.
#[derive(Default)]
pub(super) struct Index {
    parties: HashMap<Party, Vec<(usize, u64)>>,
    addresses: HashSet<IpAddr>,
    hits: Vec<(usize, u64)>,
}

impl Index {
    pub(super) fn add(&mut self, party: Party, case: usize, unread: u64) {
        self.parties.entry(party).or_default().push((case, unread));
        self.addresses.extend(party.source.into_iter().chain(party.target));
    }

    /// Calls `take` for each case that the packet at this position belongs to and that has not read it for another of its parties.
    pub(super) fn each(&mut self, ends: &Ends, position: u64, mut take: impl FnMut(usize)) {
        self.hits.clear();
        for (from, to) in ends.pairs() {
            self.find((from, to));
            self.find((to, from));
        }
        for (at, (case, _)) in self.hits.iter().enumerate() {
            let is_first = self.hits[..at].iter().all(|(other, _)| other != case);
            let is_unread =
                self.hits.iter().all(|(other, unread)| other != case || *unread <= position);
            if is_first && is_unread {
                take(*case);
            }
        }
    }

    fn find(&mut self, (one, other): Pair) {
        if !self.addresses.contains(&one) {
            return;
        }
        let (one, other) = (Some(one), Some(other));
        for (source, target) in [(one, None), (None, one), (one, other)] {
            if let Some(cases) = self.parties.get(&Party { source, target }) {
                self.hits.extend(cases);
            }
        }
    }
}
