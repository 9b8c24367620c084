//! Which targets were asked for which ports: exact while it is small, sketched then.

use super::{
    bounded::{SKETCH_BYTES, Sketch},
    ports::PortSet,
};

/// A target within one detector: an IPv4 address itself; of an IPv6 address seeded hashes of its /64 in the upper bits and of
/// the whole in the lower ones.
pub(super) type Target = u32;

/// Bits of an IPv6 target that are of the whole address.
pub(super) const V6_HOST_BITS: u32 = 22;

/// Whether most of these targets, which are sorted, are in networks of their own: IPv4 by /24, IPv6 by /64.
pub(super) fn are_scattered(targets: impl Iterator<Item = Target>, is_v6: bool) -> bool {
    let bits = if is_v6 { V6_HOST_BITS } else { 8 };
    let (mut count, mut networks, mut last) = (0_u64, 0_u64, None);
    for target in targets {
        count += 1;
        networks += u64::from(last != Some(target >> bits));
        last = Some(target >> bits);
    }
    networks * 2 > count
}

/// A target and a port in one word, in the order of targets.
pub(super) const fn pair(target: Target, port: u16) -> u64 {
    (target as u64) << 16 | port as u64
}

/// Target and port of a pair.
pub(super) const fn parts(pair: u64) -> (Target, u16) {
    ((pair >> 16) as Target, pair as u16)
}

/// Pairs that are listed one by one, when there is more than one target.
pub(super) const LISTED: usize = 2048;
/// Targets that are listed.
const TARGETS: usize = 1024;

/// Different pairs.
#[derive(Clone, Default)]
pub(super) struct Pairs {
    pub(super) ports: PortSet,
    pub(super) targets: Targets,
    known: Known,
}

#[derive(Clone, Default)]
enum Known {
    /// Those of the one target there is, or of none.
    #[default]
    Ports,
    /// Sorted.
    List(Vec<u64>),
    Sketch(Box<Sketch>),
}

impl Pairs {
    /// Adds a pair; whether it is new, as far as that is known.
    pub(super) fn insert(&mut self, target: Target, port: u16) -> bool {
        let new_port = self.ports.insert(port);
        let new_target = self.targets.insert(target);
        match &mut self.known {
            Known::Ports if self.targets.len() == 1 => new_port,
            Known::Ports => {
                let first = self.targets.listed().find(|&other| other != target);
                let first = first.unwrap_or(target);
                // The port that just came is the other target's, unless the first was asked for it too.
                let others = self.ports.iter().filter(|&other| other != port || !new_port);
                let mut list: Vec<_> = others.map(|port| pair(first, port)).collect();
                let added = pair(target, port);
                let at = list.partition_point(|&other| other < added);
                list.insert(at, added);
                self.known = Known::List(list);
                true
            }
            Known::List(list) => match list.binary_search(&pair(target, port)) {
                Ok(_) => false,
                Err(at) => {
                    list.insert(at, pair(target, port));
                    true
                }
            },
            Known::Sketch(sketch) => {
                sketch.add(pair(target, port));
                new_port || new_target
            }
        }
    }

    /// The list is longer than it should be.
    pub(super) fn is_full(&self) -> bool {
        match &self.known {
            Known::List(list) => list.len() >= LISTED,
            Known::Ports | Known::Sketch(_) => false,
        }
    }

    /// Counts in a sketch from now on.
    pub(super) fn sketch(&mut self) {
        if let Known::List(list) = &self.known {
            self.known = Known::Sketch(Box::new(Sketch::of(list.iter().copied())));
        }
    }

    /// How many; about, once they are sketched.
    pub(super) fn len(&self) -> u64 {
        match &self.known {
            Known::Ports => self.ports.len(),
            Known::List(list) => list.len() as u64,
            // Never fewer than are known of.
            Known::Sketch(sketch) => sketch.estimate().max(self.ports.len()).max(LISTED as u64),
        }
    }

    /// The list, where there is more than one target and all their pairs are listed.
    pub(super) fn list(&self) -> Option<&[u64]> {
        match &self.known {
            Known::List(list) => Some(list),
            Known::Ports | Known::Sketch(_) => None,
        }
    }

    /// Whether it is known to be among them.
    pub(super) fn contains(&self, target: Target, port: u16) -> bool {
        match &self.known {
            Known::Ports => self.targets.contains(target) && self.ports.contains(port),
            Known::List(list) => list.binary_search(&pair(target, port)).is_ok(),
            Known::Sketch(_) => false,
        }
    }

    /// The ports of one target, rising; none where pairs are sketched.
    pub(super) fn ports_of(&self, target: Target) -> impl Iterator<Item = u16> {
        let list = match &self.known {
            Known::List(list) => list.as_slice(),
            Known::Ports | Known::Sketch(_) => &[],
        };
        let (from, to) = (pair(target, 0), pair(target, u16::MAX));
        let row = &list[list.partition_point(|&pair| pair < from)..];
        let row = &row[..row.partition_point(|&pair| pair <= to)];
        let is_only = matches!(self.known, Known::Ports) && self.targets.contains(target);
        let only = is_only.then(|| self.ports.iter());
        row.iter().map(|&pair| parts(pair).1).chain(only.into_iter().flatten())
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        let known = match &self.known {
            Known::Ports => 0,
            Known::List(list) => list.capacity() * size_of::<u64>(),
            Known::Sketch(_) => SKETCH_BYTES,
        };
        self.ports.bytes() + self.targets.bytes() + known
    }
}

/// Different targets.
#[derive(Clone)]
pub(super) enum Targets {
    /// Sorted.
    List(Vec<Target>),
    Sketch(Box<Sketch>),
}

impl Default for Targets {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Targets {
    /// Adds a target; whether it is new, as far as that is known.
    pub(super) fn insert(&mut self, target: Target) -> bool {
        match self {
            Self::List(list) => {
                let Err(at) = list.binary_search(&target) else { return false };
                if list.len() < TARGETS {
                    list.insert(at, target);
                } else {
                    let all = list.iter().chain([&target]);
                    *self = Self::Sketch(Box::new(Sketch::of(all.map(|&word| u64::from(word)))));
                }
                true
            }
            Self::Sketch(sketch) => {
                sketch.add(u64::from(target));
                false
            }
        }
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Self::List(list) => list.len() as u64,
            Self::Sketch(sketch) => sketch.estimate().max(TARGETS as u64),
        }
    }

    /// Whether it is known to be among them.
    pub(super) fn contains(&self, target: Target) -> bool {
        match self {
            Self::List(list) => list.binary_search(&target).is_ok(),
            Self::Sketch(_) => false,
        }
    }

    /// Those that are listed, rising.
    pub(super) fn listed(&self) -> impl Iterator<Item = Target> {
        let list: &[Target] = match self {
            Self::List(list) => list,
            Self::Sketch(_) => &[],
        };
        list.iter().copied()
    }

    fn bytes(&self) -> usize {
        match self {
            Self::List(list) => list.capacity() * size_of::<Target>(),
            Self::Sketch(_) => SKETCH_BYTES,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn up_to_the_bound_it_is_the_set_that_it_says(
            given in proptest::collection::vec((0..4_u32, 0..300_u16), 0..1500),
        ) {
            let (mut pairs, mut model) = (Pairs::default(), BTreeSet::new());
            for &(target, port) in &given {
                prop_assert_eq!(pairs.insert(target, port), model.insert(pair(target, port)));
            }
            prop_assert_eq!(pairs.len(), model.len() as u64);
            prop_assert!(given.iter().all(|&(target, port)| pairs.contains(target, port)));
            if let Some(list) = pairs.list() {
                prop_assert!(list.iter().eq(&model));
            }
        }
    }

    #[test]
    fn beyond_the_bound_counts_are_near() {
        let mut pairs = Pairs::default();
        for n in 0..40_000_u32 {
            pairs.insert(n / 10, (n % 10) as u16);
            if pairs.is_full() {
                pairs.sketch();
            }
        }
        let near = |count: u64, truth: u64| count.abs_diff(truth) * 100 <= truth * 17;
        assert!(near(pairs.len(), 40_000), "{}", pairs.len());
        assert!(near(pairs.targets.len(), 4_000), "{}", pairs.targets.len());
        assert_eq!(pairs.ports.len(), 10);
        assert!(pairs.bytes() < 4096, "{}", pairs.bytes());
    }

    #[test]
    fn targets_are_scattered_where_most_have_a_network_of_their_own() {
        assert!(are_scattered([0x0a00_0001, 0x0b00_0001, 0x0c00_0001].into_iter(), false));
        assert!(!are_scattered((0..32).map(|n| 0x0a00_0000 + n), false));
        assert!(!are_scattered((0..32).map(|n| 7 << V6_HOST_BITS | n), true));
    }

    #[test]
    fn one_target_needs_its_ports_alone() {
        let mut pairs = Pairs::default();
        for port in 0..=u16::MAX {
            assert!(pairs.insert(7, port));
        }
        assert_eq!((pairs.len(), pairs.list()), (65_536, None));
        assert_eq!(pairs.bytes(), 8192 + 4 * size_of::<Target>());
    }
}
