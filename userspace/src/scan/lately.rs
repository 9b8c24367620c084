//! What sources did with success of late, pair by pair, so that a scan's list of ports has those that were open before it
//! was known for one. Bounded: what is overwritten is missing from such a list, nothing else.

use wireledger_common::abi::flow::IPV6;

use super::{newcomers::Failure, pairs::Target, probe::Probe, suspect::address};

/// Sets, and successes in each.
const SETS: usize = 16_384;
const WAYS: usize = 4;
/// Sets of IPv6 targets by address, and addresses in each.
const ADDRESS_SETS: usize = 1024;
const ADDRESSES: usize = 4;

/// Successes by source.
pub(super) struct Lately {
    sets: Vec<[Success; WAYS]>,
    /// The way that is overwritten next, in whichever set.
    next: usize,
}

#[derive(Clone, Copy)]
struct Success {
    /// The source's hash; 0 = none.
    source: u64,
    time: u64,
    what: Failure,
}

const NONE: Success = Success { source: 0, time: 0, what: Failure::NONE };

impl Lately {
    pub(super) fn new() -> Self {
        Self { sets: vec![[NONE; WAYS]; SETS], next: 0 }
    }

    pub(super) fn add(&mut self, source: u64, target: Target, probe: &Probe) {
        let (set, source, what) = (home(source), source.max(1), probe.pack(target));
        let same = |known: &&mut Success| known.source == source && known.what.is_like(&what);
        if let Some(known) = self.sets[set].iter_mut().find(same) {
            known.what.packets = known.what.packets.saturating_add(what.packets);
            return;
        }
        let free = self.sets[set].iter().position(|place| place.source == 0);
        let way = free.unwrap_or(self.next % WAYS);
        self.sets[set][way] = Success { source, time: probe.first, what };
        self.next += 1;
    }

    /// Takes out what this source did.
    pub(super) fn take(&mut self, source: u64) -> impl Iterator<Item = (Target, Probe)> {
        let set = &mut self.sets[home(source)];
        let source = source.max(1);
        set.iter_mut().filter(move |success| success.source == source).map(|success| {
            let Success { time, what, .. } = std::mem::replace(success, NONE);
            (what.target, Probe::unpack(&what, time))
        })
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.sets)
    }
}

fn home(source: u64) -> usize {
    source as usize % SETS
}

/// Addresses of IPv6 targets, of which only hashes are kept otherwise; those of IPv4 are told by themselves.
pub(super) struct Addresses {
    sets: Vec<[(Target, [u8; 16]); ADDRESSES]>,
    next: usize,
}

impl Addresses {
    pub(super) fn new() -> Self {
        Self { sets: vec![[(0, [0; 16]); ADDRESSES]; ADDRESS_SETS], next: 0 }
    }

    pub(super) fn add(&mut self, kind: u8, target: Target, bytes: &[u8; 16]) {
        if kind & IPV6 == 0 {
            return;
        }
        let set = &mut self.sets[target as usize % ADDRESS_SETS];
        if !set.iter().any(|(known, _)| *known == target) {
            set[self.next % ADDRESSES] = (target, *bytes);
            self.next += 1;
        }
    }

    /// `None` for one that was forgotten.
    pub(super) fn of(&self, kind: u8, target: Target) -> Option<std::net::IpAddr> {
        if kind & IPV6 == 0 {
            return Some(std::net::Ipv4Addr::from_bits(target).into());
        }
        let set = &self.sets[target as usize % ADDRESS_SETS];
        let known = set.iter().find(|(known, _)| *known == target);
        known.map(|(_, bytes)| address(true, bytes))
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.sets)
    }
}
