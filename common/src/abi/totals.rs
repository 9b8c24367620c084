//! Exact totals of one interface and direction on one CPU.
//!
//! `seen` is counted before the packet is looked at; `read`, `overflow` and `unread` where its way ends.
//! The ledger's equation: `seen = flows + overflow + Σ unread`, for packets and for bytes.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{protocol::Protocol, unread::Unread};

/// Packets and bytes.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
#[repr(C)]
pub struct Count {
    /// Packets as on the wire.
    pub packets: u64,
    /// Bytes as on the wire, link-layer header included, FCS not.
    pub bytes: u64,
}

impl Count {
    /// Adds one packet or one unfolded super-packet.
    #[inline(always)]
    pub const fn add(&mut self, packets: u64, bytes: u64) {
        self.packets = self.packets.wrapping_add(packets);
        self.bytes = self.bytes.wrapping_add(bytes);
    }
}

/// Combinations of the nine TCP flags; see [`crate::wire::tcp_flags`].
pub const FLAG_SETS: usize = 1 << 9;
/// Frame sizes in steps of [`SIZE_STEP`] bytes; the last one holds everything longer.
pub const SIZES: usize = 256;
/// Bytes per size step: step `k` holds frames of `64 k + 1 ..= 64 (k + 1)` bytes.
pub const SIZE_STEP: u32 = 64;

/// The counters of one interface and direction on one CPU.
#[derive(Clone, Copy, Debug, Eq, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
pub struct Totals {
    /// Every packet the program was called for.
    pub seen: Count,
    /// Packets with a flow key, `[IPv4, IPv6][protocol class]`.
    pub read: [[Count; Protocol::COUNT]; 2],
    /// Read, but the flow got no table entry, by protocol class.
    pub overflow: [Count; Protocol::COUNT],
    /// Not read, by reason.
    pub unread: [Count; Unread::COUNT],
    /// TCP packets by the set of their flags.
    pub flags: [u64; FLAG_SETS],
    /// Packets by frame size.
    pub sizes: [u64; SIZES],
}

/// What the probe could not tell or place, on one CPU.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
#[repr(C)]
pub struct Losses {
    /// Records written to the ring.
    pub records: u64,
    /// Evictions that did not happen because the ring had no room: the new flow's packet went to overflow.
    pub records_refused: u64,
    /// Packets of an interface that has no place: seen, but on no interface's ledger.
    pub unplaced: Count,
    /// Records written since the last wake-up of the reader.
    pub unannounced: u64,
    /// Bytes of samples written since the last wake-up of theirs.
    pub samples_unannounced: u64,
}
