//! How a reader in another address space sees a slot whole while the kernel writes.
//!
//! A generation counter per slot (seqlock style): odd while the slot is being replaced. Totals of one generation only
//! grow, and each is one aligned 64-bit store, so a reading between two stores of one packet is behind by that packet in
//! one field; the next reading has it.

use core::{ptr, sync::atomic};

use super::{Bucket, Slot, WAYS};

/// One slot as read: key and totals belong to the same generation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reading {
    /// Even and not 0.
    pub generation: u32,
    /// The entry.
    pub slot: Slot,
}

/// The slot's generation now; 0 = never used, odd = being replaced.
///
/// # Safety
/// `bucket` points to a readable `Bucket` that others may write; `way < WAYS`.
#[inline]
#[must_use]
pub unsafe fn generation(bucket: *const Bucket, way: usize) -> u32 {
    debug_assert!(way < WAYS);
    // SAFETY: in bounds by the caller's word; volatile because the kernel writes it meanwhile.
    let generation = unsafe { ptr::read_volatile(&raw const (*bucket).generations[way]) };
    atomic::fence(atomic::Ordering::Acquire);
    generation
}

/// Reads a slot; `None` when it is free or was replaced meanwhile, in which case the next sweep sees it.
///
/// # Safety
/// As [`generation`].
#[inline]
#[must_use]
pub unsafe fn slot(bucket: *const Bucket, way: usize) -> Option<Reading> {
    // SAFETY: the caller's word, passed on.
    let before = unsafe { generation(bucket, way) };
    if before == 0 || before & 1 == 1 {
        return None;
    }
    // SAFETY: in bounds by the caller's word; any bytes are a `Slot`, and those of two generations are dropped below.
    let slot = unsafe { ptr::read_volatile(&raw const (*bucket).slots[way]) };
    atomic::fence(atomic::Ordering::Acquire);
    // SAFETY: the caller's word, passed on.
    let after = unsafe { generation(bucket, way) };
    (before == after).then_some(Reading { generation: before, slot })
}

/// Reads a slot of a bucket that nobody writes meanwhile; `None` when it is free or half replaced.
#[must_use]
pub fn quiet(bucket: &Bucket, way: usize) -> Option<Reading> {
    // SAFETY: a live reference; the index is brought below WAYS.
    unsafe { slot(bucket, way % WAYS) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::flow::FlowKey;
    use crate::table::{Now, Sighting, set};

    const SEEN: Sighting = Sighting {
        packets: 1,
        bytes: 60,
        length_min: 60,
        length_max: 60,
        tcp_flags: 0,
        echo_id: 0,
        ttl: 64,
        dscp: 0,
        fragments: 0,
    };

    fn newcomer(key: &FlowKey) -> set::Newcomer<'_> {
        set::Newcomer { tag: 1, key, seen: &SEEN, now: Now::default(), nanoseconds: 0 }
    }

    #[test]
    fn a_slot_that_was_never_used_reads_as_nothing() {
        assert_eq!(quiet(&Bucket::default(), 0), None);
    }

    #[test]
    fn a_slot_being_replaced_reads_as_nothing_at_every_step() {
        let mut bucket = Bucket::default();
        let key = FlowKey { protocol: 17, ..FlowKey::default() };
        let nobody = FlowKey::default();
        set::replace(&mut bucket, 2, &newcomer(&nobody));
        assert_eq!(quiet(&bucket, 2).map(|r| r.generation), Some(2));
        let generation = set::open(&mut bucket, 2);
        assert_eq!(quiet(&bucket, 2), None);
        set::fill(&mut bucket, 2, &newcomer(&key));
        assert_eq!(quiet(&bucket, 2), None);
        set::close(&mut bucket, 2, generation);
        let reading = quiet(&bucket, 2).expect("whole again");
        assert_eq!((reading.generation, reading.slot.key), (4, key));
    }
}
