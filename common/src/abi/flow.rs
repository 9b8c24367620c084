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
    /// VLAN ids, outermost first: [`VLAN_PRESENT`] `| id`, 0 where there is no tag. For an inner flow: its own outermost
    /// tag, then the upper and the lower half of the tunnel's number (VNI, GRE key, TEID).
    pub vlans: [u16; 3],
    /// IP protocol after the extension chain (IANA "Assigned Internet Protocol Numbers").
    pub protocol: u8,
    /// [`EGRESS`], [`IPV6`], [`FRAGMENT`], and in [`TUNNEL`] what an inner flow came out of.
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

/// [`FlowKey::kind`]: the tunnel that an inner flow came out of, see [`Tunnel`]; 0 = none.
pub const TUNNEL: u8 = 0b111 << TUNNEL_SHIFT;
const TUNNEL_SHIFT: u32 = 3;

/// What an inner flow came out of.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Tunnel {
    /// IPv4 or IPv6 in IPv4 or IPv6 (RFC 2003, RFC 4213, RFC 2473).
    Ip = 1,
    /// GRE (RFC 2784, RFC 2890).
    Gre,
    /// VXLAN (RFC 7348).
    Vxlan,
    /// Geneve (RFC 8926).
    Geneve,
    /// GTP-U (3GPP TS 29.281).
    Gtpu,
}

impl Tunnel {
    /// Every tunnel in index order.
    pub const ALL: [Self; 5] = [Self::Ip, Self::Gre, Self::Vxlan, Self::Geneve, Self::Gtpu];

    /// As it stands in [`FlowKey::kind`].
    #[inline(always)]
    #[must_use]
    pub const fn bits(self) -> u8 {
        (self as u8) << TUNNEL_SHIFT
    }

    /// The tunnel of a flow; `None` for one that was in none.
    #[must_use]
    pub fn of(kind: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|tunnel| tunnel.bits() == kind & TUNNEL)
    }

    /// The number of the tunnel of an inner flow: VNI, GRE key or TEID; 0 where there is none.
    #[must_use]
    pub fn number(key: &FlowKey) -> u32 {
        u32::from(key.vlans[1]) << 16 | u32::from(key.vlans[2])
    }

    /// The label of tables.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Gre => "gre",
            Self::Vxlan => "vxlan",
            Self::Geneve => "geneve",
            Self::Gtpu => "gtpu",
        }
    }
}

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
    /// What is known of the TCP sequence numbers: [`crate::table::track`].
    pub track: u8,
    /// When the hole opened: the lower bits of [`crate::table::Now::ticks`].
    pub hole_ticks: u16,
    /// Highest TCP sequence number seen, plus one.
    pub next: u32,
    /// When the latest packet was counted, by the table's clock ([`crate::table::Now::stamp`]).
    pub last_seen: u64,
    /// Sequence numbers that were passed over: from here …
    pub hole_start: u32,
    /// … to before here; equal where nothing is missing.
    pub hole_end: u32,
}

const _: () = assert!(size_of::<Detail>() == 64);
