//! A flow: the key that names it and what the ledger keeps of it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One direction's packets between two endpoints on one interface.
///
/// Unused fields are zero, so that equality of bytes is equality of flows.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout,
)]
#[repr(C, align(8))]
pub struct FlowKey {
    /// Source address in network byte order; IPv4 in the first four bytes.
    pub source: [u8; 16],
    /// Destination address in network byte order; IPv4 in the first four bytes.
    pub destination: [u8; 16],
    /// Source port in host order; for ICMP and ICMPv6 the type.
    pub source_port: u16,
    /// Destination port in host order; for ICMP and ICMPv6 the code.
    pub destination_port: u16,
    /// Interface index in the watched network namespace.
    pub interface: u32,
    /// VLAN ids, outermost first: [`VLAN_PRESENT`] `| id`, 0 where there is no tag.
    pub vlans: [u16; 3],
    /// IP protocol after the extension chain (IANA "Assigned Internet Protocol Numbers").
    pub protocol: u8,
    /// [`EGRESS`], [`IPV6`], [`FRAGMENT`]; the upper bits are free for inner headers of tunnels.
    pub kind: u8,
}

/// Set in every used element of [`FlowKey::vlans`], so that VLAN id 0 (a priority tag) is not "no tag".
pub const VLAN_PRESENT: u16 = 0x1000;
/// Mask of the VLAN id in [`FlowKey::vlans`] (IEEE 802.1Q: 12 bits).
pub const VLAN_ID: u16 = 0x0fff;

/// [`FlowKey::kind`]: the packet left the host through the interface.
pub const EGRESS: u8 = 1 << 0;
/// [`FlowKey::kind`]: the addresses are IPv6.
pub const IPV6: u8 = 1 << 1;
/// [`FlowKey::kind`]: fragments whose datagram's ports are not known.
pub const FRAGMENT: u8 = 1 << 2;

/// The key as words, the unit in which it is hashed and compared.
pub const KEY_WORDS: usize = size_of::<FlowKey>() / 8;

const _: () = assert!(size_of::<FlowKey>() == 48);

/// What the ledger keeps of a flow besides packets and bytes.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
#[repr(C)]
pub struct Detail {
    /// Time of the first packet, nanoseconds of CLOCK_MONOTONIC, precise: it tells which CPU was first.
    pub first_seen: u64,
    /// Packets with SYN set (RFC 9293 section 3.1).
    pub syn: u32,
    /// Packets with FIN set.
    pub fin: u32,
    /// Packets with RST set.
    pub rst: u32,
    /// Packets that were fragments.
    pub fragments: u32,
    /// Shortest frame, bytes.
    pub length_min: u32,
    /// Longest frame, bytes.
    pub length_max: u32,
    /// OR of the TCP flags, as in [`crate::wire::tcp_flags`].
    pub tcp_flags: u16,
    /// TCP flags of the first packet.
    pub tcp_flags_first: u16,
    /// Identifier of the first ICMP echo packet, host order.
    pub echo_id: u16,
    /// Lowest TTL or hop limit.
    pub ttl_min: u8,
    /// Highest TTL or hop limit.
    pub ttl_max: u8,
    /// DSCP of the latest packet (RFC 2474: the upper six bits of the traffic class).
    pub dscp: u8,
    /// Zero.
    pub reserved: [u8; 7],
    /// Zero; room for what comes.
    pub spare: [u64; 2],
}

const _: () = assert!(size_of::<Detail>() == 64);
