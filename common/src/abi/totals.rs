//! Exact totals of one interface and direction on one CPU.
//!
//! `seen` is counted before the packet is looked at; `read`, `overflow` and `unread` where its way ends.
//! The ledger's equation: `seen = flows + overflow + Σ unread`, for packets and for bytes.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{
    handshake::{Leg, Outcome, Times},
    protocol::Protocol,
    unread::Unread,
};

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
/// Traffic classes: DSCP in the upper six bits (RFC 2474), ECN in the lower two (RFC 3168).
pub const CLASSES: usize = 1 << 8;

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
    /// Packets with a flow key, by IPv4's type of service octet or IPv6's traffic class.
    pub traffic_classes: [u64; CLASSES],
    /// Packets with a flow key that are fragments: first ones, later ones.
    pub fragments: [u64; 2],
    /// Packets with a flow key whose TTL or hop limit is 0 or 1: the next router drops them.
    pub expiring: u64,
    /// Packets with a flow key that have at least the interface's MTU behind the link header and its VLAN tags.
    pub full_size: u64,
    /// TCP segments of which the flow had seen every sequence number, or passed over it longer ago than segments overtake one another.
    pub retransmitted: u64,
    /// TCP segments that fill what the flow passed over lately.
    pub out_of_order: u64,
    /// TCP segments with a window of 0 and none of SYN, FIN and RST.
    pub zero_window: u64,
    /// TCP segments of at most one byte just before what comes next; not counted as retransmitted.
    pub keep_alive: u64,
    /// TCP handshakes that began here and are followed.
    pub handshakes_begun: u64,
    /// SYNs that were seen again before an answer.
    pub handshake_resent: u64,
    /// TCP handshakes that began here, by how they ended: [`Outcome`]. Of those that began,
    /// `handshakes_begun = completed + refused + abandoned + expired + open`; userspace counts the expired ones.
    pub handshakes: [u64; Outcome::COUNT],
    /// How long the handshakes took that began here, by [`Leg`].
    pub handshake_times: [Times; Leg::COUNT],
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
