//! The probe's flow table and ring over plain memory, and the flows and packets they are played with.

use std::collections::VecDeque;

use wireledger::flows::Moment;
use wireledger_common::{
    abi::{
        flow::{EGRESS, FlowKey},
        record::{Entry, Record},
    },
    table::{
        Bucket, Now, Sighting, Slot, WAYS,
        hash::{self, Home, Seeds},
        put::{self, Memory, Slice},
        read::{self, Reading},
    },
    wire::tcp_flags,
};

use super::input::Input;

/// CPUs that have a slice of the table.
pub(super) const CPUS: u32 = 2;
/// Flows that are played with.
pub(super) const FLOWS: usize = 64;
/// Nanoseconds per jiffy.
const TICK: u64 = 4_000_000;

/// Flow table and ring.
pub(super) struct Probe {
    pub(super) buckets: u32,
    pub(super) table: Vec<Bucket>,
    pub(super) evict_after: u32,
    seeds: Seeds,
    /// Records that nobody read yet.
    pub(super) ring: VecDeque<Record>,
    /// How many fit.
    pub(super) room: usize,
    /// Jiffies.
    pub(super) now: u64,
    /// The slot that the latest packet took from another flow.
    taken: Option<u32>,
}

impl Memory for Probe {
    fn bucket(&mut self, index: u32) -> Option<&mut Bucket> {
        self.table.get_mut(index as usize)
    }

    fn pair(&self, first: u32, second: u32) -> Option<(&Bucket, &Bucket)> {
        Some((self.table.get(first as usize)?, self.table.get(second as usize)?))
    }

    /// As `tell::ended` in the probe.
    fn end(&mut self, index: u32, way: usize) -> bool {
        if self.ring.len() >= self.room {
            return false;
        }
        let bucket = &self.table[index as usize];
        let Slot { key, packets, bytes, detail } = bucket.slots[way];
        let slot = index * WAYS as u32 + way as u32;
        let generation = bucket.generations[way];
        let entry = Entry { slot, generation, cpu: index / self.buckets, ..Entry::default() };
        self.ring.push_back(Record { key, packets, bytes, detail, entry });
        self.taken = Some(slot);
        true
    }

    fn nanoseconds(&self) -> u64 {
        self.now * TICK + TICK / 2
    }
}

/// Where a packet went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Counted {
    /// Its flow had an entry, or got a free one.
    Entered,
    /// Its flow got the slot of another one, whose record is in the ring.
    Evicted(u32),
    /// No entry.
    Overflow,
}

impl Probe {
    /// A table of a few buckets, with the clock shortly before its lower half wraps.
    pub(super) fn new(input: &mut Input<'_>) -> Self {
        let buckets = u32::from(input.byte() % 4) + 1;
        let evict_after = u32::from(input.byte());
        let seed = u64::from(input.word16());
        let mut seeds = [1, 2, 3, 4, 5, 6];
        for word in &mut seeds {
            *word = (seed ^ *word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        Self {
            buckets,
            table: vec![Bucket::default(); (CPUS * buckets) as usize],
            evict_after,
            seeds,
            ring: VecDeque::new(),
            room: usize::from(input.byte() % 16),
            now: (1 << 32) - u64::from(input.byte()),
            taken: None,
        }
    }

    pub(super) fn home(&self, key: &FlowKey) -> Home {
        hash::home(key, &self.seeds, self.buckets)
    }

    pub(super) fn count(&mut self, cpu: u32, key: &FlowKey, seen: &Sighting) -> Counted {
        let seeds = self.seeds;
        let (start, buckets) = (cpu * self.buckets, self.buckets);
        let slice = Slice { start, buckets, seeds: &seeds, evict_after: self.evict_after };
        let now = Now::jiffies(self.now);
        self.taken = None;
        match (put::put(self, &slice, key, seen, now, &mut 0), self.taken) {
            (Some(_), None) => Counted::Entered,
            (Some(_), Some(slot)) => Counted::Evicted(slot),
            (None, None) => Counted::Overflow,
            (None, Some(_)) => panic!("an entry was taken away and given to nobody"),
        }
    }

    pub(super) fn slots(&self) -> u32 {
        self.table.len() as u32 * WAYS as u32
    }

    /// What a sweep reads of `slot`.
    pub(super) fn reading(&self, slot: u32) -> Option<Reading> {
        let slot = slot as usize;
        read::quiet(&self.table[slot / WAYS], slot % WAYS)
    }

    /// The CPU whose slice `slot` is in.
    pub(super) fn owner(&self, slot: u32) -> u32 {
        slot / (self.buckets * WAYS as u32)
    }

    pub(super) fn moment(&self) -> Moment {
        moment(self.now)
    }
}

/// A jiffy and when it began.
pub(super) const fn moment(jiffies: u64) -> Moment {
    Moment { jiffies, nanoseconds: jiffies * TICK, tick: TICK }
}

/// The key of flow `n`.
pub(super) fn key(n: u8) -> FlowKey {
    FlowKey {
        source: [n; 16],
        protocol: 6,
        interface: 1 + u32::from(n & 2),
        kind: n & EGRESS,
        ..FlowKey::default()
    }
}

/// The flow whose key [`key`] made.
pub(super) fn number(key: &FlowKey) -> usize {
    assert_eq!(*key, self::key(key.source[0]), "a key that nobody sent");
    usize::from(key.source[0])
}

/// A packet, or a super-packet of several.
pub(super) fn sighting(input: &mut Input<'_>) -> Sighting {
    let (shape, length) = (input.byte(), u32::from(input.word16()));
    let packets = 1 + u32::from(shape >> 6) * 15;
    Sighting {
        packets,
        bytes: packets * length,
        length_min: length,
        length_max: length,
        tcp_flags: u16::from(shape) & (tcp_flags::SYN | tcp_flags::FIN | tcp_flags::RST),
        echo_id: 0,
        ttl: shape,
        traffic_class: shape << 2,
        fragments: shape >> 5 & 1,
    }
}

/// A slot as a sweep reads it.
pub(super) const fn reading(generation: u32, slot: Slot) -> Reading {
    Reading { generation, slot }
}
