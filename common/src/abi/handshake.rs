//! TCP handshakes under way: what is remembered between a SYN and the segment that ends the attempt.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Attempts that are followed at once, over all interfaces. One that finds no room is counted as [`Outcome::Untracked`].
pub const ATTEMPTS: u32 = 1 << 14;

/// How long an attempt may take, nanoseconds. Linux sends its SYN again after 1, 3 and 7 seconds (RFC 6298 section 5.5), so that
/// four of them fit; a peer that has not answered by then is counted as one that does not.
pub const LIFE: u64 = 10_000_000_000;

/// An attempt at a connection, by the key of its SYN's direction.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
#[repr(C)]
pub struct Attempt {
    /// When its first SYN was seen, nanoseconds of CLOCK_MONOTONIC; the capture's time in a replay.
    pub began: u64,
    /// When its first SYN-ACK was seen; of no meaning without [`Attempt::ANSWERED`].
    pub answered: u64,
    /// Sequence number of the SYN, host order.
    pub sequence: u32,
    /// What was seen of it: [`Attempt::ANSWERED`] and the others.
    pub marks: u32,
}

impl Attempt {
    /// A SYN-ACK was seen.
    pub const ANSWERED: u32 = 1 << 0;
    /// The SYN was seen again, so that nobody knows which one was answered (Karn's rule, RFC 6298 section 3).
    pub const BEGAN_AGAIN: u32 = 1 << 1;
    /// The SYN-ACK was seen again, or the SYN after it.
    pub const ANSWERED_AGAIN: u32 = 1 << 2;
}

const _: () = assert!(size_of::<Attempt>() == 24);

/// How an attempt ended. What ends none of these ways expires, after [`LIFE`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Outcome {
    /// SYN, SYN-ACK and the initiator's ACK were seen.
    Completed,
    /// A RST answered the SYN.
    Refused,
    /// The initiator gave it up: by a RST, or by a SYN with another sequence number.
    Abandoned,
    /// There was no room to follow it: it never began, and is in no other count.
    Untracked,
}

impl Outcome {
    /// Every outcome in index order.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Completed, Self::Refused, Self::Abandoned, Self::Untracked];
    /// How many there are.
    pub const COUNT: usize = 4;

    /// The label of metrics and tables.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Refused => "refused",
            Self::Abandoned => "abandoned",
            Self::Untracked => "untracked",
        }
    }
}

/// A part of a handshake that takes time.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Leg {
    /// From the SYN to the SYN-ACK: the way to who answers, and back.
    SynAck,
    /// From the SYN-ACK to the first ACK: the way to who began, and back.
    Ack,
}

impl Leg {
    /// Both in index order.
    pub const ALL: [Self; Self::COUNT] = [Self::SynAck, Self::Ack];
    /// How many there are.
    pub const COUNT: usize = 2;

    /// The label of metrics and tables.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::SynAck => "synack",
            Self::Ack => "ack",
        }
    }
}

/// Buckets of [`Times`].
pub const TIMES: usize = 24;

/// How long a leg took: bucket `k` holds times above 2^(k-1) up to 2^k microseconds, the first one everything up to a
/// microsecond, the last one everything above 2^22 (4.2 s).
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
#[repr(C)]
pub struct Times {
    /// How many, by length.
    pub buckets: [u64; TIMES],
    /// Sum of all, nanoseconds.
    pub nanoseconds: u64,
}

impl Times {
    /// The bucket of a time in nanoseconds.
    #[inline(always)]
    #[must_use]
    pub const fn bucket(nanoseconds: u64) -> u32 {
        const LONGEST: u64 = 1000 << (TIMES - 2);
        if nanoseconds > LONGEST {
            return TIMES as u32 - 1;
        }
        // Whole microseconds, rounded up, less one: it has as many bits as the bound's exponent says.
        let below = (nanoseconds as u32).div_ceil(1000).saturating_sub(1);
        u32::BITS - below.leading_zeros()
    }

    /// The greatest time of a bucket, nanoseconds; `None` for the last.
    #[must_use]
    pub const fn upper(bucket: usize) -> Option<u64> {
        if bucket + 1 < TIMES { Some(1000 << bucket) } else { None }
    }

    /// How many times were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_at_its_own_index() {
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
        for (index, leg) in Leg::ALL.into_iter().enumerate() {
            assert_eq!(leg as usize, index);
        }
    }

    #[test]
    fn a_time_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let bounds = (0..).map_while(Times::upper);
        let by_bounds = |time: u64| bounds.clone().filter(|&bound| time > bound).count() as u32;
        for power in 0..TIMES as u32 + 3 {
            for time in [(1000 << power) - 1, 1000 << power, (1000 << power) + 1] {
                assert_eq!(Times::bucket(time), by_bounds(time), "{time}");
            }
        }
        for time in [0, 1, 999, 1001, 1_999_999, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            assert_eq!(Times::bucket(time), by_bounds(time), "{time}");
        }
        assert_eq!(Times::upper(TIMES - 2), Some(4_194_304_000));
        assert_eq!(Times::upper(TIMES - 1), None);
    }
}
