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

/// What the line of tags and times said of a slot that was read and needs no more reading until it says something else.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Mark {
    /// Generation; 0 = the slot needs reading.
    generation: u32,
    /// [`Bucket::last_seen`].
    last_seen: u32,
}

/// What [`news`] found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum News {
    /// Nobody is there, or it is being replaced, in which case the next sweep sees it.
    Nobody,
    /// As it was.
    Same,
    /// Something may be new.
    Slot(Reading),
}

/// Reads a slot if something may be new since it was read last, which `mark` remembers; so there is one for each slot.
///
/// `now` is the table's clock ([`super::Now::ticks`]) before this call or earlier, `margin` how many ticks a packet may take from
/// reading it to storing its counts. A slot whose last packet is older than that when it is read has all that
/// packets of that time or before ever store; and later ones store another time.
///
/// # Safety
/// As [`generation`].
#[inline]
#[must_use]
pub unsafe fn news(
    bucket: *const Bucket,
    way: usize,
    mark: &mut Mark,
    now: u32,
    margin: u32,
) -> News {
    // SAFETY: the caller's word, passed on.
    let generation = unsafe { generation(bucket, way) };
    if generation == 0 {
        return News::Nobody;
    }
    // SAFETY: in bounds by the caller's word; volatile because the kernel writes it meanwhile.
    let last_seen = unsafe { ptr::read_volatile(&raw const (*bucket).last_seen[way]) };
    atomic::fence(atomic::Ordering::Acquire);
    let found = Mark { generation, last_seen };
    if *mark == found {
        return News::Same;
    }
    // SAFETY: the caller's word, passed on.
    let Some(reading) = (unsafe { slot(bucket, way) }) else { return News::Nobody };
    let settled = reading.generation == generation
        && now.wrapping_sub(last_seen).cast_signed() >= margin.cast_signed();
    *mark = if settled { found } else { Mark::default() };
    News::Slot(reading)
}

/// What [`look`] found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Look {
    /// Nobody is there.
    Nobody,
    /// As it was.
    Same,
    /// [`news`] would read the slot.
    Maybe,
}

/// What [`news`] would do, without reading the slot: for whoever wants it fetched beforehand.
///
/// # Safety
/// As [`generation`].
#[inline]
#[must_use]
pub unsafe fn look(bucket: *const Bucket, way: usize, mark: &Mark) -> Look {
    // SAFETY: the caller's word, passed on.
    let generation = unsafe { generation(bucket, way) };
    // SAFETY: in bounds by the caller's word; volatile because the kernel writes it meanwhile.
    let last_seen = unsafe { ptr::read_volatile(&raw const (*bucket).last_seen[way]) };
    match generation {
        0 => Look::Nobody,
        _ if *mark == (Mark { generation, last_seen }) => Look::Same,
        _ => Look::Maybe,
    }
}

/// Reads a slot of a bucket that nobody writes meanwhile; `None` when it is free or half replaced.
#[must_use]
pub fn quiet(bucket: &Bucket, way: usize) -> Option<Reading> {
    // SAFETY: a live reference; the index is brought below WAYS.
    unsafe { slot(bucket, way % WAYS) }
}

/// [`news`] of a bucket that nobody writes meanwhile.
#[must_use]
pub fn quiet_news(bucket: &Bucket, way: usize, mark: &mut Mark, now: u32, margin: u32) -> News {
    // SAFETY: a live reference; the index is brought below WAYS.
    unsafe { news(bucket, way % WAYS, mark, now, margin) }
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
        traffic_class: 0,
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

    #[test]
    fn a_slot_is_skipped_once_it_was_read_the_margin_after_its_last_packet() {
        const MARGIN: u32 = 3;
        let (mut bucket, mut mark) = (Bucket::default(), Mark::default());
        let mut news =
            |bucket: &Bucket, now: u32| match quiet_news(bucket, 1, &mut mark, now, MARGIN) {
                News::Nobody => None,
                News::Same => Some(None),
                News::Slot(reading) => Some(Some(reading.slot.packets)),
            };
        assert_eq!(news(&bucket, 0), None);
        // Across the wrap of the clock.
        let start = u32::MAX - 1;
        let at = |ticks: u32| Now::jiffies(start.wrapping_add(ticks).into());
        let key = FlowKey::default();
        set::replace(&mut bucket, 1, &set::Newcomer { now: at(0), ..newcomer(&key) });
        assert_eq!(news(&bucket, at(2).ticks), Some(Some(1)));
        assert_eq!(news(&bucket, at(3).ticks), Some(Some(1)), "it was read too early");
        assert_eq!(news(&bucket, at(4).ticks), Some(None));
        set::count(&mut bucket, 1, &SEEN, at(4));
        assert_eq!(news(&bucket, at(9).ticks), Some(Some(2)));
        assert_eq!(news(&bucket, at(9).ticks), Some(None));
        let generation = set::open(&mut bucket, 1);
        assert_eq!(news(&bucket, at(9).ticks), None);
        set::fill(&mut bucket, 1, &set::Newcomer { now: at(4), ..newcomer(&key) });
        set::close(&mut bucket, 1, generation);
        assert_eq!(
            news(&bucket, at(9).ticks),
            Some(Some(1)),
            "another generation at the same time"
        );
    }
}
