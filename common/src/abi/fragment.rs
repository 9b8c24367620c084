//! Datagrams whose first fragment was seen: how later fragments find their flow.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::flow::FlowKey;

/// Key of the table of first fragments.
#[derive(
    Clone, Copy, Debug, Default, Eq, Hash, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
#[repr(C)]
pub struct Datagram {
    /// The flow key without ports; its protocol is the one that names the datagram.
    pub key: FlowKey,
    /// Identification: 16 bits for IPv4 (RFC 791), 32 bits for IPv6 (RFC 8200), host order.
    pub id: u32,
    /// Zero.
    pub reserved: u32,
}

/// What the first fragment told.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
#[repr(C)]
pub struct FirstFragment {
    /// When it was seen, by the table's clock ([`crate::table::Now::stamp`]).
    pub seen: u64,
    /// Source port or ICMP type, host order.
    pub source_port: u16,
    /// Destination port or ICMP code, host order.
    pub destination_port: u16,
    /// IP protocol after the extension chain.
    pub protocol: u8,
    /// Zero.
    pub reserved: [u8; 3],
}
