//! Where counts stand in the kernel: totals, flows, first fragments, handshakes, losses.
//!
//! Plain additions throughout: each CPU writes only its own memory, and neither NAPI nor TC interrupts itself.

use aya_ebpf::helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns};
use wireledger_common::{
    abi::{
        flow::{EGRESS, FlowKey, KEY_WORDS},
        fragment::{Datagram, FirstFragment},
        handshake::Attempt,
        settings::{PLACES_LEN, Place},
        totals::Totals,
    },
    observe::{Books, Sight, count::add},
    table::{
        Bucket, Now, Sighting, WAYS,
        put::{Memory, Slice, put},
        track::{Segment, track},
    },
};

use crate::{maps, tell};

/// `BPF_NOEXIST`: an update that makes an entry, or fails.
const NEW: u64 = 1;

/// The place of an interface; `None` when nobody gave it one.
#[inline(always)]
pub fn place(interface: u32) -> Option<&'static Place> {
    let place = maps::PLACES.get(interface & (PLACES_LEN - 1))?;
    (place.interface == interface).then_some(place)
}

/// The totals of a place and direction on this CPU.
#[inline(always)]
pub fn totals(place: &Place, direction: u8) -> Option<&'static mut Totals> {
    let index = place.place * 2 + u32::from(direction & EGRESS);
    let totals = maps::TOTALS.get_ptr_mut(index)?;
    // SAFETY: this CPU's copy, which nobody else writes while the program runs.
    Some(unsafe { &mut *totals })
}

/// Counts a packet of an interface nobody placed.
#[inline(always)]
pub fn unplaced(seen: &Sighting) {
    if let Some(losses) = tell::losses() {
        add(&mut losses.unplaced, seen);
    }
}

/// The probe's maps, as the ledger's books.
pub struct Maps {
    /// What a replay has for the precise clock; 0 = ask the kernel.
    pub nanoseconds: u64,
}

impl Books for Maps {
    #[inline(always)]
    fn flow(&mut self, key: &FlowKey, seen: &Sighting, now: Now, slot: &mut u32) -> Option<u64> {
        // SAFETY: no arguments, no effects.
        let cpu = unsafe { bpf_get_smp_processor_id() };
        if cpu >= maps::CPUS.load() {
            return None;
        }
        let (buckets, evict_after) = (maps::BUCKETS.load(), maps::EVICT_AFTER.load());
        let slice = Slice { start: cpu * buckets, buckets, seeds: &seeds(), evict_after };
        put(&mut Flows { cpu, nanoseconds: self.nanoseconds }, &slice, key, seen, now, slot)
    }

    #[inline(always)]
    fn track(&mut self, slot: u32, segment: &mut Segment, now: Now) {
        let Some(bucket) = maps::FLOWS.get_ptr_mut(slot / WAYS as u32) else { return };
        // SAFETY: in this CPU's slice, which nobody else writes.
        let bucket = unsafe { &mut *bucket };
        let detail = &mut bucket.slots[slot as usize & (WAYS - 1)].detail;
        track(detail, segment, now.ticks, maps::REORDER.load());
    }

    #[inline(always)]
    fn remember(&mut self, datagram: &Datagram, first: &FirstFragment) {
        let _ = maps::FRAGMENTS.insert(datagram, first, 0);
    }

    #[inline(always)]
    fn recall(&mut self, datagram: &Datagram) -> Option<&FirstFragment> {
        // SAFETY: the entry is read at once; a racing writer can only put another datagram's ports there, and it would have
        // to reuse the identification within the life of a fragment.
        unsafe { maps::FRAGMENTS.get(datagram) }
    }

    #[inline(always)]
    fn fragment_life(&self) -> u64 {
        maps::FRAGMENT_LIFE.load()
    }

    #[inline(always)]
    fn attempt(&mut self, key: &FlowKey) -> Option<&mut Attempt> {
        let attempt = maps::HANDSHAKES.get_ptr_mut(key)?;
        // SAFETY: words that any CPU may write, each at once. Whoever takes the entry out meanwhile may give it to another
        // handshake, whose times would then be wrong; what is counted is what was put in and taken out, which is exact.
        Some(unsafe { &mut *attempt })
    }

    #[inline(always)]
    fn begin_attempt(&mut self, key: &FlowKey, attempt: &Attempt) -> bool {
        maps::HANDSHAKES.insert(key, attempt, NEW).is_ok()
    }

    #[inline(always)]
    fn end_attempt(&mut self, key: &FlowKey) -> bool {
        maps::HANDSHAKES.remove(key).is_ok()
    }

    #[inline(always)]
    fn opposite(&mut self, sight: &Sight<'_>) -> Option<&mut Totals> {
        totals(sight.place, sight.direction ^ EGRESS)
    }

    #[inline(always)]
    fn nanoseconds(&self) -> u64 {
        precise(self.nanoseconds)
    }
}

/// The precise clock; in a replay the capture's.
#[inline(always)]
fn precise(replayed: u64) -> u64 {
    if maps::REPLAY.load() != 0 {
        return replayed;
    }
    // SAFETY: no arguments, no effects.
    unsafe { bpf_ktime_get_ns() }
}

/// The flow table's map.
struct Flows {
    cpu: u32,
    nanoseconds: u64,
}

impl Memory for Flows {
    #[inline(always)]
    fn bucket(&mut self, index: u32) -> Option<&mut Bucket> {
        let bucket = maps::FLOWS.get_ptr_mut(index)?;
        // SAFETY: in this CPU's slice, which nobody else writes; the caller holds one at a time.
        Some(unsafe { &mut *bucket })
    }

    #[inline(always)]
    fn pair(&self, first: u32, second: u32) -> Option<(&Bucket, &Bucket)> {
        Some((maps::FLOWS.get(first)?, maps::FLOWS.get(second)?))
    }

    #[inline(always)]
    fn end(&mut self, index: u32, way: usize) -> bool {
        let Some(bucket) = maps::FLOWS.get(index) else { return false };
        tell::ended(bucket, way, index * WAYS as u32 + way as u32, self.cpu)
    }

    #[inline(always)]
    fn nanoseconds(&self) -> u64 {
        precise(self.nanoseconds)
    }
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
