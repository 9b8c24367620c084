//! One packet on the flow table: find its flow or make room for it, and count.
//!
//! The memory is the caller's: a map in the kernel, a vector offline.

use super::{
    Bucket, Now, Sighting, WAYS,
    hash::{self, Home, Seeds},
    set::{self, Choice, Newcomer},
};
use crate::abi::flow::FlowKey;

/// Where the buckets are, and where a flow's record goes when its slot is taken.
pub trait Memory {
    /// A bucket to write; `None` for an index beyond the table.
    fn bucket(&mut self, index: u32) -> Option<&mut Bucket>;

    /// Two buckets to choose between; they may be one.
    fn pair(&self, first: u32, second: u32) -> Option<(&Bucket, &Bucket)>;

    /// Writes the record of the flow in `way`; `false` when there is no room for it, and then the flow must stay.
    fn end(&mut self, index: u32, way: usize) -> bool;

    /// The precise clock, asked once for each new flow: see [`crate::abi::flow::Detail::first_seen`].
    fn nanoseconds(&self) -> u64;
}

/// The part of the table that this CPU owns, and its rules.
#[derive(Clone, Copy, Debug)]
pub struct Slice<'a> {
    /// Index of its first bucket.
    pub start: u32,
    /// Buckets in it.
    pub buckets: u32,
    /// Of the flow hash.
    pub seeds: &'a Seeds,
    /// Ticks of silence after which a slot may be given to another flow.
    pub evict_after: u32,
}

/// Counts a packet in the flow table, and leaves in `slot` where: `bucket * WAYS + way`. Returns how many its flow had before
/// it; `None` when the flow gets no entry.
#[inline(always)]
pub fn put(
    memory: &mut impl Memory,
    slice: &Slice<'_>,
    key: &FlowKey,
    seen: &Sighting,
    now: Now,
    slot: &mut u32,
) -> Option<u64> {
    let home = hash::home(key, slice.seeds, slice.buckets);
    let (first, second) = (slice.start + home.first, slice.start + home.second);
    if let Some(before) = hit(memory, first, &home, key, seen, now, slot) {
        return Some(before);
    }
    if let Some(before) = hit(memory, second, &home, key, seen, now, slot) {
        return Some(before);
    }
    let (a, b) = memory.pair(first, second)?;
    let (place, evicts) = match set::choose(a, b, &home, now.ticks, slice.evict_after) {
        Choice::Free(place) => (place, false),
        Choice::Evict(place) => (place, true),
        Choice::Full => return None,
    };
    let index = if place.second { second } else { first };
    let way = place.way & (WAYS - 1);
    if evicts && !memory.end(index, way) {
        return None;
    }
    *slot = number(index, way);
    begin(memory, index, way, &home, key, seen, now)
}

/// Counts the packet if its flow is in this bucket.
#[inline(always)]
fn hit(
    memory: &mut impl Memory,
    index: u32,
    home: &Home,
    key: &FlowKey,
    seen: &Sighting,
    now: Now,
    slot: &mut u32,
) -> Option<u64> {
    let bucket = memory.bucket(index)?;
    let way = set::find(bucket, home, key)?;
    *slot = number(index, way);
    Some(set::count(bucket, way, seen, now))
}

/// Gives a free way, or one whose record is written, to the flow.
#[inline(always)]
fn begin(
    memory: &mut impl Memory,
    index: u32,
    way: usize,
    home: &Home,
    key: &FlowKey,
    seen: &Sighting,
    now: Now,
) -> Option<u64> {
    let nanoseconds = memory.nanoseconds();
    let bucket = memory.bucket(index)?;
    set::replace(bucket, way, &Newcomer { tag: home.tag, key, seen, now, nanoseconds });
    Some(0)
}

#[inline(always)]
const fn number(index: u32, way: usize) -> u32 {
    index * WAYS as u32 + way as u32
}
