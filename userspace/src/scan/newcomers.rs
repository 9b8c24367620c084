//! Sources that have failed less than four times, in a table of fixed size: 64 bytes each, sets of eight.
//!
//! When a set is full, who has the fewest failures leaves, and of those the one that was silent for longest, but nobody for a
//! source with fewer: however many sources with one packet each there are, one with two stays. Who failed once and left is
//! known to have been there when it comes again ([`Once`]), and counts as one that failed twice.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::{once::Once, pairs::Target, successes::Successes};

/// Sources in a set.
pub(super) const WAYS: usize = 8;
/// Failures that are remembered one by one; who has one more is a suspect.
pub(super) const FAILURES: usize = 3;

/// Lines of the filter of who was forgotten, at least.
const LINES: usize = 1 << 12;

/// Units of [`Failure::after`], nanoseconds as a power of two: about a millisecond.
const AFTER_SHIFT: u32 = 20;
/// Units of [`Head::lasts`]: about four seconds, so that they wrap after three days.
const LAST_SHIFT: u32 = 32;

/// What a set is searched by.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
struct Head {
    /// Lower half of the source's hash; 0 = nobody.
    tags: [u32; WAYS],
    /// When each was heard of last.
    lasts: [u16; WAYS],
    /// How many different failures each had.
    failures: [u8; WAYS],
    /// 1 for those that had failed once before, and were forgotten.
    returned: [u8; WAYS],
}

/// What is known of a newcomer.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
pub(super) struct Newcomer {
    /// Time of its first failure, nanoseconds.
    pub(super) first: u64,
    /// As many as the set's head says.
    pub(super) failures: [Failure; FAILURES],
    /// What it did with success.
    pub(super) successes: Successes,
}

/// A failure of a newcomer.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
#[repr(C)]
pub(super) struct Failure {
    /// How long after the first, in units of 2^20 ns.
    after: u32,
    /// Whom it asked.
    pub(super) target: Target,
    /// What for.
    pub(super) port: u16,
    /// Class in the lower four bits, outcome in the next two, then whether it was a bare SYN, and answered.
    pub(super) what: u8,
    /// Packets, saturating.
    pub(super) packets: u8,
}

/// Sources that share a place: the head beside what it leads to, so that a look-up stays on one page.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
struct Set {
    head: Head,
    newcomers: [Newcomer; WAYS],
}

const _: () = assert!(size_of::<Set>() == 64 * WAYS);

impl Failure {
    /// Nothing.
    pub(super) const NONE: Self = Self { after: 0, target: 0, port: 0, what: 0, packets: 0 };

    pub(super) fn new(target: Target, port: u16, what: u8, packets: u64) -> Self {
        Self { after: 0, target, port, what, packets: packets.min(255) as u8 }
    }

    /// The same target, port and class.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.target, self.port, self.what & 15) == (other.target, other.port, other.what & 15)
    }

    /// When, nanoseconds; good to a millisecond unless it was the first.
    pub(super) fn time(&self, newcomer: &Newcomer) -> u64 {
        newcomer.first.saturating_add(u64::from(self.after) << AFTER_SHIFT)
    }
}

/// The table.
pub(super) struct Newcomers {
    /// A power of two of them.
    sets: Vec<Set>,
    once: Once,
    /// Silence after which a source is forgotten, in units of [`LAST_SHIFT`].
    window: u16,
    live: u64,
    evicted: u64,
    refused: u64,
}

/// Where a source is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place(usize);

/// What became of a failure.
#[derive(Clone, Copy, Debug)]
pub(super) enum Noted {
    /// It is remembered, or was before.
    Newcomer,
    /// No room in its set, where all have failed more often.
    Refused,
    /// It is one more than is remembered here: the source leaves, with what is known of it.
    Leaves(Newcomer),
}

impl Newcomers {
    /// Room for at least so many sources. Nothing is touched before it is used.
    ///
    /// # Errors
    /// When there is not so much memory.
    pub(super) fn new(sources: usize, window: u64) -> Result<Self, zerocopy::error::AllocError> {
        let sets = (sources / WAYS).max(1).next_power_of_two();
        Ok(Self {
            sets: Set::new_vec_zeroed(sets)?,
            once: Once::new(sets.max(LINES)),
            window: (window >> LAST_SHIFT).clamp(1, u64::from(u16::MAX / 2)) as u16,
            live: 0,
            evicted: 0,
            refused: 0,
        })
    }

    /// Where this source is, if it is remembered.
    #[inline]
    pub(super) fn find(&self, hash: u64, now: u64) -> Option<Place> {
        let (set, tag) = self.home(hash);
        let head = &self.sets[set].head;
        let way = head.tags.iter().position(|&other| other == tag)?;
        (!self.is_old(head.lasts[way], now)).then_some(Place(set * WAYS + way))
    }

    /// A success of this source.
    #[inline]
    pub(super) fn succeeds(&mut self, hash: u64, success: super::successes::Hashes, now: u64) {
        let Some(Place(at)) = self.find(hash, now).or_else(|| self.admit(hash, 0, now)) else {
            return;
        };
        let (set, way) = (at / WAYS, at % WAYS);
        self.sets[set].head.lasts[way] = last(now);
        self.sets[set].newcomers[way].successes.add(success);
    }

    /// A failure of this source, which is at `place` if it is known, and when it was.
    #[inline]
    pub(super) fn fails(
        &mut self,
        hash: u64,
        place: Option<Place>,
        failure: Failure,
        time: u64,
        now: u64,
    ) -> Noted {
        let Some(Place(at)) = place.or_else(|| self.admit(hash, 1, now)) else {
            self.refused += 1;
            return Noted::Refused;
        };
        let (set, way) = (at / WAYS, at % WAYS);
        let count = usize::from(self.sets[set].head.failures[way]);
        let newcomer = &mut self.sets[set].newcomers[way];
        let known = newcomer.failures[..count].iter_mut().find(|known| known.is_like(&failure));
        if let Some(known) = known {
            known.packets = known.packets.saturating_add(failure.packets);
            return Noted::Newcomer;
        }
        if count == FAILURES {
            let leaves = *newcomer;
            self.vacate(at);
            return Noted::Leaves(leaves);
        }
        if count == 0 {
            newcomer.first = time;
        }
        let after = (time.saturating_sub(newcomer.first) >> AFTER_SHIFT).min(u64::from(u32::MAX));
        newcomer.failures[count] = Failure { after: after as u32, ..failure };
        self.sets[set].head.lasts[way] = last(now);
        self.sets[set].head.failures[way] += 1;
        Noted::Newcomer
    }

    /// A way for a new source that has failed so often: a free one, one that was silent for long, or one that failed no
    /// more often.
    fn admit(&mut self, hash: u64, failures: u8, now: u64) -> Option<Place> {
        let (set, tag) = self.home(hash);
        let head = &self.sets[set].head;
        let age = |way: usize| last(now).wrapping_sub(head.lasts[way]);
        // What it failed counts for less the longer nothing new came.
        let quarter = (self.window / 4).max(1);
        let left = |failures: u8, age: u16| failures.saturating_sub((age / quarter) as u8);
        let worth = |way: usize| match head.tags[way] {
            0 => (0, 0),
            _ if self.is_old(head.lasts[way], now) => (1, 0),
            _ => (2 + left(head.failures[way] + head.returned[way], age(way)), u16::MAX - age(way)),
        };
        let own = head.tags.iter().position(|&other| other == tag);
        let way = own.or_else(|| (0..WAYS).min_by_key(|&way| worth(way)))?;
        let (rank, _) = worth(way);
        let returned = failures > 0 && rank > 1 && self.once.has(name(set, tag));
        match rank {
            0 => self.live += 1,
            1 => {}
            _ if rank - 2 <= failures + u8::from(returned) => {
                self.evicted += 1;
                if head.failures[way] == 1 {
                    self.once.add(name(set, head.tags[way]));
                }
            }
            _ => {
                if failures > 0 {
                    self.once.add(name(set, tag));
                }
                return None;
            }
        }
        let Set { head, newcomers } = &mut self.sets[set];
        newcomers[way].zero();
        (head.tags[way], head.lasts[way], head.failures[way]) = (tag, last(now), 0);
        head.returned[way] = u8::from(returned);
        Some(Place(set * WAYS + way))
    }

    fn vacate(&mut self, at: usize) {
        let head = &mut self.sets[at / WAYS].head;
        let way = at % WAYS;
        (head.tags[way], head.failures[way], head.returned[way]) = (0, 0, 0);
        self.live -= 1;
    }

    fn home(&self, hash: u64) -> (usize, u32) {
        // The tag takes the lower half but for the one value that means nobody.
        ((hash >> 32) as usize & (self.sets.len() - 1), (hash as u32).max(1))
    }

    const fn is_old(&self, then: u16, now: u64) -> bool {
        last(now).wrapping_sub(then) > self.window
    }

    /// Sources in the table, those that are due to be forgotten included.
    pub(super) const fn live(&self) -> u64 {
        self.live
    }

    /// Sources that left for others.
    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Failures of sources that found no room.
    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.sets) + self.once.bytes()
    }
}

/// What a source is known by when its entry is gone: where it was, and its tag.
const fn name(set: usize, tag: u32) -> u64 {
    let hash = (set as u64) << 32 | tag as u64;
    let hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ (hash >> 32)
}

const fn last(now: u64) -> u16 {
    (now >> LAST_SHIFT) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const HOUR: u64 = 3600 * SECOND;

    fn failure(port: u16) -> Failure {
        Failure::new(7, port, 0, 1)
    }

    fn fails(table: &mut Newcomers, hash: u64, port: u16, now: u64) -> Noted {
        let place = table.find(hash, now);
        table.fails(hash, place, failure(port), now, now)
    }

    #[test]
    fn the_fourth_different_failure_leaves_with_the_three_before() {
        let mut table = Newcomers::new(8, HOUR).expect("memory");
        for port in [1, 1, 2, 3, 2] {
            let now = u64::from(port) * SECOND;
            assert!(matches!(fails(&mut table, 5, port, now), Noted::Newcomer));
        }
        let Noted::Leaves(newcomer) = fails(&mut table, 5, 4, 4 * SECOND) else { panic!("left") };
        assert_eq!(newcomer.failures.map(|failure| failure.port), [1, 2, 3]);
        assert_eq!(newcomer.failures.map(|failure| failure.packets), [2, 2, 1]);
        assert_eq!(newcomer.failures[0].time(&newcomer), SECOND);
        assert!(newcomer.failures[2].time(&newcomer).abs_diff(3 * SECOND) < 1 << AFTER_SHIFT);
        assert_eq!(table.live(), 0);
        assert_eq!(table.find(5, 4 * SECOND), None);
    }

    #[test]
    fn nobody_leaves_for_a_source_that_failed_less() {
        let mut table = Newcomers::new(8, HOUR).expect("memory");
        for source in 1..9 {
            fails(&mut table, source, 1, SECOND);
            fails(&mut table, source, 2, SECOND);
        }
        for source in 9..10_001 {
            assert!(matches!(fails(&mut table, source, 1, SECOND), Noted::Refused));
        }
        assert!((1..9).all(|source| table.find(source, SECOND).is_some()));
        assert_eq!((table.live(), table.evicted(), table.refused()), (8, 0, 9_992));
    }

    #[test]
    fn of_those_that_failed_as_often_the_one_that_did_nothing_new_for_longest_leaves() {
        let mut table = Newcomers::new(8, HOUR).expect("memory");
        for source in 1..9 {
            fails(&mut table, source, 1, source * 10 * SECOND);
        }
        // The same once more.
        fails(&mut table, 1, 1, 90 * SECOND);
        fails(&mut table, 9, 1, 100 * SECOND);
        assert_eq!(table.find(1, 100 * SECOND), None);
        assert!(table.find(2, 100 * SECOND).is_some() && table.find(9, 100 * SECOND).is_some());
        assert_eq!(table.evicted(), 1);
    }

    #[test]
    fn who_comes_again_after_it_was_forgotten_stays() {
        let mut table = Newcomers::new(8, HOUR).expect("memory");
        fails(&mut table, 1, 1, SECOND);
        for source in 2..20 {
            fails(&mut table, source, 1, 2 * SECOND);
        }
        assert_eq!(table.find(1, 2 * SECOND), None);
        fails(&mut table, 1, 2, 15 * SECOND);
        for source in 100..110 {
            fails(&mut table, source, 1, 16 * SECOND);
        }
        assert!(table.find(1, 16 * SECOND).is_some());
    }

    #[test]
    fn who_was_silent_for_the_window_is_forgotten() {
        let mut table = Newcomers::new(8, HOUR).expect("memory");
        for source in 1..9 {
            fails(&mut table, source, 1, 0);
            fails(&mut table, source, 2, 0);
        }
        let later = HOUR + 10 * SECOND;
        assert_eq!(table.find(1, later), None);
        for source in [9, 1, 1] {
            assert!(matches!(fails(&mut table, source, 1, later), Noted::Newcomer));
        }
        assert_eq!((table.live(), table.evicted()), (8, 0));
    }
}
