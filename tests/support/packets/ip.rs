//! IPv4 and IPv6 with extension headers.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    link::{ether_type, ethernet},
    protocol,
};

/// An IPv4 header (RFC 791). The fields with an `Option` are right when `None`.
#[derive(Clone, Debug)]
pub struct Ipv4 {
    /// Version.
    pub version: u8,
    /// Header length in 32-bit words.
    pub ihl: Option<u8>,
    /// DSCP.
    pub dscp: u8,
    /// Length of header and payload, bytes.
    pub total_length: Option<u16>,
    /// Identification.
    pub id: u16,
    /// Flags and fragment offset as they stand in the header; see [`fragment`].
    pub flags_offset: u16,
    /// Time to live.
    pub ttl: u8,
    /// Protocol.
    pub protocol: u8,
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Options, a multiple of four bytes.
    pub options: Vec<u8>,
}

impl Default for Ipv4 {
    fn default() -> Self {
        Self {
            version: 4,
            ihl: None,
            dscp: 0,
            total_length: None,
            id: 1,
            flags_offset: 0,
            ttl: 64,
            protocol: protocol::UDP,
            source: Ipv4Addr::new(198, 51, 100, 1),
            destination: Ipv4Addr::new(203, 0, 113, 2),
            options: Vec::new(),
        }
    }
}

impl Ipv4 {
    /// A header for `protocol`.
    #[must_use]
    pub fn of(protocol: u8) -> Self {
        Self { protocol, ..Self::default() }
    }

    /// The packet.
    #[must_use]
    pub fn packet(&self, payload: &[u8]) -> Vec<u8> {
        const HEADER: usize = 20;
        let length = HEADER + self.options.len();
        let ihl = self.ihl.unwrap_or((length / 4) as u8);
        let total = self.total_length.unwrap_or((length + payload.len()) as u16);
        let mut packet = vec![self.version << 4 | ihl, self.dscp << 2];
        packet.extend(total.to_be_bytes());
        packet.extend(self.id.to_be_bytes());
        packet.extend(self.flags_offset.to_be_bytes());
        packet.extend([self.ttl, self.protocol, 0, 0]);
        packet.extend(self.source.octets());
        packet.extend(self.destination.octets());
        packet.extend(&self.options);
        let checksum = checksum(&packet);
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
        packet.extend(payload);
        packet
    }

    /// The packet in an Ethernet frame.
    #[must_use]
    pub fn frame(&self, payload: &[u8]) -> Vec<u8> {
        ethernet(ether_type::IPV4, &self.packet(payload))
    }
}

/// IPv4 flags and fragment offset: `offset` in bytes, a multiple of eight.
#[must_use]
pub const fn fragment(offset: u16, more: bool) -> u16 {
    ((more as u16) << 13) | (offset / 8)
}

/// RFC 1071, of an even number of bytes.
#[must_use]
pub fn checksum(header: &[u8]) -> u16 {
    let words = header.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

/// An IPv6 header (RFC 8200) and what stands between it and the transport.
#[derive(Clone, Debug)]
pub struct Ipv6 {
    /// Version.
    pub version: u8,
    /// DSCP.
    pub dscp: u8,
    /// Bytes behind this header; right when `None`.
    pub payload_length: Option<u16>,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
    /// Extension headers in order.
    pub chain: Vec<Extension>,
    /// Protocol after the chain.
    pub protocol: u8,
}

/// An extension header, or AH.
#[derive(Clone, Copy, Debug)]
pub enum Extension {
    /// Hop-by-hop options of this many 64-bit words after the first.
    HopByHop(u8),
    /// A routing header of this many 64-bit words after the first.
    Routing(u8),
    /// Destination options of this many 64-bit words after the first.
    Destination(u8),
    /// An authentication header (RFC 4302) with a value of 12 bytes.
    Authentication,
    /// A fragment header.
    Fragment {
        /// Offset in bytes, a multiple of eight.
        offset: u16,
        /// More fragments follow.
        more: bool,
        /// Identification.
        id: u32,
    },
}

impl Extension {
    const fn number(self) -> u8 {
        match self {
            Self::HopByHop(_) => protocol::HOP_BY_HOP,
            Self::Routing(_) => protocol::ROUTING,
            Self::Destination(_) => protocol::DESTINATION,
            Self::Authentication => protocol::AUTHENTICATION,
            Self::Fragment { .. } => protocol::FRAGMENT,
        }
    }

    fn bytes(self, next: u8) -> Vec<u8> {
        match self {
            Self::HopByHop(words) | Self::Destination(words) => options(next, words),
            Self::Routing(words) => {
                // Type 253 for experiments, no segments left: two words of data.
                let mut header = vec![next, words, 253, 0];
                header.resize(8 * (usize::from(words) + 1), 0);
                header
            }
            Self::Authentication => authentication(next),
            Self::Fragment { offset, more, id } => {
                let mut header = vec![next, 0];
                header.extend((offset | u16::from(more)).to_be_bytes());
                header.extend(id.to_be_bytes());
                header
            }
        }
    }
}

/// PadN options that fill the header; one holds 255 bytes at most.
fn options(next: u8, words: u8) -> Vec<u8> {
    const PAD_N: u8 = 1;
    let length = 8 * (usize::from(words) + 1);
    let mut header = vec![next, words];
    while header.len() < length {
        let mut room = (length - header.len() - 2).min(255);
        // A single byte would be left, which PadN cannot fill.
        if length - header.len() - 2 - room == 1 {
            room -= 1;
        }
        header.extend([PAD_N, room as u8]);
        header.extend(vec![0; room]);
    }
    header
}

/// An authentication header before `next` (RFC 4302): 24 bytes.
#[must_use]
pub fn authentication(next: u8) -> Vec<u8> {
    const WORDS: usize = 6;
    let mut header = vec![next, WORDS as u8 - 2, 0, 0];
    header.extend(0x100_u32.to_be_bytes());
    header.extend(1_u32.to_be_bytes());
    header.resize(4 * WORDS, 0xaa);
    header
}

impl Default for Ipv6 {
    fn default() -> Self {
        Self {
            version: 6,
            dscp: 0,
            payload_length: None,
            hop_limit: 64,
            source: Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 1),
            destination: Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, 2),
            chain: Vec::new(),
            protocol: protocol::UDP,
        }
    }
}

impl Ipv6 {
    /// A header for `protocol`.
    #[must_use]
    pub fn of(protocol: u8) -> Self {
        Self { protocol, ..Self::default() }
    }

    /// A header with extension headers before `protocol`.
    #[must_use]
    pub fn with(chain: &[Extension], protocol: u8) -> Self {
        Self { chain: chain.to_vec(), ..Self::of(protocol) }
    }

    /// The packet.
    #[must_use]
    pub fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let mut next = self.protocol;
        let mut behind = payload.to_vec();
        for extension in self.chain.iter().rev() {
            behind = [extension.bytes(next), behind].concat();
            next = extension.number();
        }
        let length = self.payload_length.unwrap_or(behind.len() as u16);
        let first = u16::from(self.version) << 12 | u16::from(self.dscp) << 6;
        let mut packet = first.to_be_bytes().to_vec();
        packet.extend([0, 0]);
        packet.extend(length.to_be_bytes());
        packet.extend([next, self.hop_limit]);
        packet.extend(self.source.octets());
        packet.extend(self.destination.octets());
        packet.extend(behind);
        packet
    }

    /// The packet in an Ethernet frame.
    #[must_use]
    pub fn frame(&self, payload: &[u8]) -> Vec<u8> {
        ethernet(ether_type::IPV6, &self.packet(payload))
    }
}
