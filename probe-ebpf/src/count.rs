//! Totals, flows, overflow, unread, lost: every counter the kernel keeps, each in one place.
//!
//! Plain additions throughout: each CPU writes only its own memory, and neither NAPI nor TC interrupts itself.

use aya_ebpf::helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns};
use wireledger_common::{
    abi::{
        flow::{EGRESS, FlowKey, IPV6, KEY_WORDS},
        protocol::Protocol,
        settings::PLACES_LEN,
        totals::{Count, FLAG_SETS, SIZE_STEP, SIZES, Totals},
        unread::Unread,
    },
    table::{
        Bucket, Sighting, WAYS, hash, low,
        set::{self, Newcomer},
    },
    wire::{Headers, tcp_flags},
};

use crate::{maps, tell};

/// The totals of an interface and direction on this CPU.
#[inline(always)]
pub fn totals(interface: u32, direction: u8) -> Option<&'static mut Totals> {
    let place = maps::PLACES.get(interface & (PLACES_LEN - 1))?;
    if place.interface != interface {
        return None;
    }
    let index = place.place * 2 + u32::from(direction & EGRESS);
    let totals = maps::TOTALS.get_ptr_mut(index)?;
    // SAFETY: this CPU's copy, which nobody else writes while the program runs.
    Some(unsafe { &mut *totals })
}

/// Counts what the program was called for.
#[inline(always)]
pub fn seen(totals: &mut Totals, seen: &Sighting) {
    add(&mut totals.seen, seen);
    totals.sizes[size_step(seen.length_max)] += u64::from(seen.packets) - 1;
    totals.sizes[size_step(seen.length_min)] += 1;
}

/// All segments of a super-packet but the last have the greatest length.
#[inline(always)]
fn size_step(length: u32) -> usize {
    let step = length.wrapping_sub(1) / SIZE_STEP;
    let last = SIZES as u32 - 1;
    (if step > last { last } else { step }) as usize & (SIZES - 1)
}

/// Counts a packet that has a flow key.
#[inline(always)]
pub fn read(totals: &mut Totals, headers: &Headers, seen: &Sighting) {
    let version = usize::from(headers.key.kind & IPV6 != 0);
    let class = Protocol::of(headers.key.protocol) as usize;
    add(&mut totals.read[version][class], seen);
    if headers.has_tcp_flags {
        if seen.packets == 1 {
            flags(totals, headers.tcp_flags, 1);
        } else {
            segments(totals, headers.tcp_flags, u64::from(seen.packets));
        }
    }
}

/// A super-packet's flags as segmentation deals them out: CWR to the first segment, FIN and PSH to the last.
#[inline(always)]
fn segments(totals: &mut Totals, all: u16, packets: u64) {
    const LAST: u16 = tcp_flags::FIN | tcp_flags::PSH;
    let each = all & !(LAST | tcp_flags::CWR);
    flags(totals, each | (all & tcp_flags::CWR), 1);
    flags(totals, each, packets - 2);
    flags(totals, each | (all & LAST), 1);
}

#[inline(always)]
fn flags(totals: &mut Totals, set: u16, packets: u64) {
    totals.flags[usize::from(set) & (FLAG_SETS - 1)] += packets;
}

/// Counts a packet that has none.
#[inline(always)]
pub fn unread(totals: &mut Totals, reason: Unread, seen: &Sighting) {
    add(&mut totals.unread[reason as usize], seen);
}

/// Counts a packet whose flow got no entry.
#[inline(always)]
pub fn overflow(totals: &mut Totals, protocol: u8, seen: &Sighting) {
    add(&mut totals.overflow[Protocol::of(protocol) as usize], seen);
}

/// Counts a packet of an interface nobody placed.
#[inline(always)]
pub fn unplaced(seen: &Sighting) {
    if let Some(losses) = tell::losses() {
        add(&mut losses.unplaced, seen);
    }
}

#[inline(always)]
fn add(count: &mut Count, seen: &Sighting) {
    count.add(u64::from(seen.packets), u64::from(seen.bytes));
}

/// Counts a packet in the flow table; `false` when its flow gets no entry.
#[inline(always)]
pub fn flow(key: &FlowKey, seen: &Sighting, now: u64) -> bool {
    // SAFETY: no arguments, no effects.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    if cpu >= maps::CPUS.load() {
        return false;
    }
    let buckets = maps::BUCKETS.load();
    let home = hash::home(key, &seeds(), buckets);
    let slice = cpu * buckets;
    let Some(first) = bucket(slice + home.first) else { return false };
    if let Some(way) = set::find(first, &home, key) {
        set::count(first, way, seen, now);
        return true;
    }
    let Some(second) = bucket(slice + home.second) else { return false };
    if let Some(way) = set::find(second, &home, key) {
        set::count(second, way, seen, now);
        return true;
    }
    let evict_after = maps::EVICT_AFTER.load();
    let (place, evicts) = match set::choose(first, second, &home, low(now), evict_after) {
        set::Choice::Free(place) => (place, false),
        set::Choice::Evict(place) => (place, true),
        set::Choice::Full => return false,
    };
    let (chosen, index) =
        if place.second { (second, slice + home.second) } else { (first, slice + home.first) };
    let way = place.way & (WAYS - 1);
    if evicts && !tell::ended(chosen, way, index * WAYS as u32 + way as u32, cpu) {
        return false;
    }
    // SAFETY: no arguments, no effects.
    let nanoseconds = unsafe { bpf_ktime_get_ns() };
    set::replace(chosen, way, &Newcomer { tag: home.tag, key, seen, now, nanoseconds });
    true
}

#[inline(always)]
fn bucket(index: u32) -> Option<&'static mut Bucket> {
    let bucket = maps::FLOWS.get_ptr_mut(index)?;
    // SAFETY: in this CPU's slice, which nobody else writes. `first` and `second` may be one bucket: then nothing of one
    // is kept across a write to the other, see `flow`.
    Some(unsafe { &mut *bucket })
}

#[inline(always)]
fn seeds() -> [u64; KEY_WORDS] {
    let mut seeds = [0; KEY_WORDS];
    let mut i = 0;
    while i < KEY_WORDS {
        seeds[i] = maps::SEEDS[i].load();
        i += 1;
    }
    seeds
}
