//! Names of the LINKTYPE numbers (tcpdump.org's registry), for messages.

use pcap_file::DataLink;

/// The name of a LINKTYPE number and the number: `LINKTYPE_IEEE802_11 (105)`, or `link type 4711` where nobody has
/// given it a name.
#[must_use]
pub fn linktype_name(number: u32) -> String {
    match DataLink::from(number) {
        DataLink::Unknown(number) => format!("link type {number}"),
        // The registry's names are the library's variants.
        known => format!("LINKTYPE_{known:?} ({number})"),
    }
}

/// Where a Linux "cooked" header has its packet type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cooked {
    /// Another link type.
    No,
    /// LINKTYPE_LINUX_SLL: the first 16 bits.
    V1,
    /// LINKTYPE_LINUX_SLL2: byte 10.
    V2,
}

impl Cooked {
    pub(super) fn of(linktype: u32) -> Self {
        match linktype {
            113 => Self::V1,
            276 => Self::V2,
            _ => Self::No,
        }
    }

    /// Whether the packet left this host, as far as the header tells.
    #[inline]
    pub(super) fn outgoing(self, packet: &[u8]) -> Option<bool> {
        match (self, packet) {
            (Self::No, _) => None,
            (Self::V1, [0, kind, ..]) | (Self::V2, [_, _, _, _, _, _, _, _, _, _, kind, ..]) => {
                of_packet_type(*kind)
            }
            _ => None,
        }
    }
}

/// Direction by `sll_pkttype` of packet(7): 0 to 3 came in, 4 went out.
pub(super) fn of_packet_type(kind: u8) -> Option<bool> {
    match kind {
        0..=3 => Some(false),
        4 => Some(true),
        _ => None,
    }
}
