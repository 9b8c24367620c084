//! Capture sessions at the boundary: what userspace asks for, what the probe counts of it, the samples it delivers.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Sessions that can be armed at once, the always-on sampler among them.
pub const SESSIONS: usize = 16;

/// Longest sample, bytes of the packet: what an IP packet can be, jumbograms aside. Longer packets are cut, and say so.
pub const MOST_SNAP: u32 = 0xffff;

/// Bytes of a packet that a [`Room`] has place for.
pub const ROOM: usize = MOST_SNAP as usize + 1 + 16;

/// What a session asks for. Written while its filter is not armed, read-only while it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
pub struct Session {
    /// Its number, never used twice; samples carry it.
    pub id: u64,
    /// Deliver at most this many packets.
    pub packets: u64,
    /// Deliver at most this many bytes of packets, as captured.
    pub bytes: u64,
    /// Only the first so many packets of each flow, as its table entry counts them on this CPU.
    pub first: u64,
    /// Rate: nanoseconds between two packets; 0 = as they come.
    pub interval: u64,
    /// Nanoseconds that packets may come ahead of their rate.
    pub burst: u64,
    /// One of every so many, at a random place among them; at least 1.
    pub every: u32,
    /// Bytes of each packet; at most [`MOST_SNAP`].
    pub snap: u32,
}

/// What a session has used up of its budgets, over all CPUs; changed by atomic instructions only. A cache line each.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
#[repr(C)]
pub struct Spent {
    /// Packets delivered.
    pub packets: u64,
    /// Bytes of packets delivered.
    pub bytes: u64,
    /// When the next packet is due by the rate, CLOCK_MONOTONIC nanoseconds (the theoretical arrival time of the GCRA, ITU-T I.371).
    pub due: u64,
    /// Zero.
    pub reserved: [u64; 5],
}

/// What became of the packets that a session's filter matched, at one place and direction on one CPU:
/// `matched = left_out + over_budget + lost + delivered`.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
#[repr(C)]
pub struct Tally {
    /// Matched the filter.
    pub matched: u64,
    /// Not chosen: not among the first of their flow, or not the one of every so many.
    pub left_out: u64,
    /// Beyond packets, bytes or rate.
    pub over_budget: u64,
    /// Not written to the ring: it had no room, or the packet could not be read.
    pub lost: u64,
    /// In the ring.
    pub delivered: u64,
    /// Zero.
    pub reserved: [u64; 3],
}

/// Where a session stands in its present block of `every` packets, on one CPU.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
#[repr(C)]
pub struct Block {
    /// Packets of the block that are still to come.
    pub left: u32,
    /// The one that is taken: when so many are left.
    pub taken: u32,
}

/// What goes from the armed filter to the program that delivers, and on from one session to the next, on one CPU.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
#[repr(C)]
pub struct Handover {
    /// Sessions that want the packet and do not have it yet, a bit each; [`Handover::UNDER_WAY`] from the second on.
    pub sessions: u64,
    /// When the packet was delivered to the first of them.
    pub time: u64,
    /// Bytes of it in this CPU's [`Sample`] memory.
    pub loaded: u32,
    /// What the verifier is to forget passes through here.
    pub memory: u32,
}

impl Handover {
    /// Set in `sessions` by the program that delivers, never by a filter.
    pub const UNDER_WAY: u64 = 1 << 63;
    /// Where a filter writes, bytes.
    pub const SESSIONS: i16 = core::mem::offset_of!(Self, sessions) as i16;
}

/// What is known of a delivered packet; in the ring its first bytes follow.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
#[repr(C)]
pub struct Sample {
    /// CLOCK_MONOTONIC, nanoseconds.
    pub time: u64,
    /// [`Session::id`].
    pub session: u64,
    /// Packets of its flow before it; 0 also where it has no flow entry.
    pub before: u64,
    /// Interface index.
    pub interface: u32,
    /// Original length, bytes; a VLAN tag kept beside the frame counts.
    pub length: u32,
    /// Bytes that follow.
    pub captured: u32,
    /// CPU.
    pub cpu: u32,
    /// Receive queue at XDP; at TC the queue the packet is mapped to.
    pub queue: u32,
    /// It stands for so many packets that matched.
    pub every: u32,
    /// Direction bit of the flow key.
    pub direction: u32,
    /// 1 = seen by XDP, 0 = by TC.
    pub driver: u32,
}

/// A sample's memory before it goes to the ring, one for each CPU: at [`MOST_SNAP`] bytes it is more than a per-CPU map's entry may have.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
pub struct Room {
    /// What is known of the packet.
    pub sample: Sample,
    /// Its bytes, and behind them what only the verifier thinks may be written: as much again as stands before a tag and in it.
    pub bytes: [u8; ROOM],
}

const _: () = assert!(size_of::<Spent>() == 64 && size_of::<Tally>() == 64);
const _: () = assert!(size_of::<Sample>() == 56 && SESSIONS < 32);
