//! The flow table's algorithm over plain memory.
//!
//! One flat array of [`Bucket`]s, `[cpu][bucket]`; each CPU owns its slice and is the only writer of it.
//! A flow lives in one of two buckets chosen by its hash ([`hash`]); finding, choosing and replacing a
//! way is in [`set`], a packet's way through all of it in [`put`]; what becomes of
//! its TCP sequence numbers there in [`track`]; how a reader in another address space
//! sees whole slots is in [`read`].
//!
//! Guarantees: a slot's totals only grow during one generation; a slot is replaced only by
//! [`set::replace`], which the caller may call on a used slot only after its record is written.

pub mod hash;
pub mod put;
pub mod read;
pub mod set;
pub mod track;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{
    abi::flow::{Detail, FlowKey},
    wire::{Fragment, Headers},
};

/// Slots in a bucket.
pub const WAYS: usize = 4;

/// The moment of a packet, by the table's clock: the kernel's jiffies, which are as fine as its coarse clock and read
/// without a call; the capture's own time in a replay.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Now {
    /// The clock by which flows grow old. 32 bits of jiffies wrap after 49 days at 1000 Hz; ages are differences and do not
    /// mind.
    pub ticks: u32,
    /// The clock that is told: whole jiffies, or nanoseconds since 1970 in a replay.
    pub stamp: u64,
}

impl Now {
    /// This jiffy.
    #[inline(always)]
    #[must_use]
    pub const fn jiffies(jiffies: u64) -> Self {
        Self { ticks: jiffies as u32, stamp: jiffies }
    }
}

/// Four slots and, in one cache line before them, what is needed to choose among them.
///
/// A lookup that misses reads this line alone; a hit reads it and the slot's two.
#[derive(Clone, Copy, Debug, Default, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C, align(64))]
pub struct Bucket {
    /// 32 bits of each flow's hash with bit 0 set; 0 = free.
    pub tags: [u32; WAYS],
    /// When each flow was last seen: [`Now::ticks`].
    pub last_seen: [u32; WAYS],
    /// Incarnation of each slot: 0 = never used, odd = being replaced.
    pub generations: [u32; WAYS],
    /// Zero.
    pub reserved: [u32; 4],
    /// The flows.
    pub slots: [Slot; WAYS],
}

const _: () = assert!(size_of::<Bucket>() == 576);

/// One flow's entry: the words every packet writes in the first cache line, the rest in the second.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
#[repr(C, align(64))]
pub struct Slot {
    /// The flow.
    pub key: FlowKey,
    /// Packets in this incarnation.
    pub packets: u64,
    /// Bytes in this incarnation.
    pub bytes: u64,
    /// Everything else.
    pub detail: Detail,
}

const _: () = assert!(size_of::<Slot>() == 128);

/// One packet (or one super-packet of a segmentation offload) as the ledger counts it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sighting {
    /// Packets on the wire.
    pub packets: u32,
    /// Bytes on the wire.
    pub bytes: u32,
    /// Shortest frame among them, bytes.
    pub length_min: u32,
    /// Longest frame among them, bytes.
    pub length_max: u32,
    /// TCP flags, 0 for everything else.
    pub tcp_flags: u16,
    /// ICMP echo identifier, host order.
    pub echo_id: u16,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Traffic class.
    pub traffic_class: u8,
    /// 1 for a fragment, else 0.
    pub fragments: u8,
}

impl Sighting {
    /// One packet of `length` bytes on the wire.
    #[inline(always)]
    #[must_use]
    pub const fn of(headers: &Headers, length: u32) -> Self {
        Self {
            packets: 1,
            bytes: length,
            length_min: length,
            length_max: length,
            tcp_flags: headers.tcp_flags,
            echo_id: headers.echo_id,
            ttl: headers.ttl,
            traffic_class: headers.traffic_class,
            fragments: (headers.fragment as u8 != Fragment::Whole as u8) as u8,
        }
    }
}
