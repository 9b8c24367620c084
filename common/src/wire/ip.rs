//! IPv4 (RFC 791) and IPv6 (RFC 8200) with its extension chain, down to the transport protocol.

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{
    Fragment, Headers, Walk,
    cursor::forget,
    field::{self, Be16, Be32},
    transport,
};
use crate::abi::{flow::IPV6, unread::Unread};

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Ipv4 {
    version_ihl: u8,
    traffic_class: u8,
    total_length: Be16,
    identification: Be16,
    flags_offset: Be16,
    ttl: u8,
    protocol: u8,
    checksum: Be16,
    source: [Be32; 1],
    destination: [Be32; 1],
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Ipv6 {
    /// Version (4 bits), traffic class (8), upper bits of the flow label (4).
    version_class: Be16,
    flow_label: Be16,
    payload_length: Be16,
    next_header: u8,
    hop_limit: u8,
    source: [Be32; 4],
    destination: [Be32; 4],
}

/// The first two bytes of every extension header, and of AH (RFC 4302).
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Extension {
    next_header: u8,
    length: u8,
}

/// RFC 8200 section 4.5.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct FragmentHeader {
    next_header: u8,
    reserved: u8,
    offset_more: Be16,
    identification_high: Be16,
    identification_low: Be16,
}

/// Protocol numbers of headers that stand between IP and the transport.
mod next {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const AUTHENTICATION: u8 = 51;
    pub(super) const DESTINATION: u8 = 60;
}

const EXTENSIONS_MAX: usize = 8;

/// A length field may say 0 for "take the frame's": IPv4 segments before segmentation offload has filled it in, and
/// frames over 64 KiB (RFC 2675 jumbograms; Linux's "BIG TCP"). Never shorter than a length of 0 could mean otherwise.
const FROM_FRAME: u32 = 0;

#[inline(always)]
pub(super) fn read_v4(walk: &mut Walk<'_>, headers: &mut Headers) -> Result<(), Unread> {
    const VERSION: u8 = 4;
    const HEADER: u32 = size_of::<Ipv4>() as u32;
    let start = walk.cursor.offset();
    let ip = walk.cursor.take::<Ipv4>().ok_or(Unread::Ipv4Truncated)?;
    if ip.version_ihl >> 4 != VERSION {
        return Err(Unread::Ipv4Version);
    }
    let header = u32::from(ip.version_ihl & 0xf) * 4;
    if header < HEADER {
        return Err(Unread::Ipv4HeaderLength);
    }
    walk.cursor.skip(header - HEADER).ok_or(Unread::Ipv4Truncated)?;
    let room = walk.length - start;
    let mut total = u32::from(ip.total_length.get());
    if total == FROM_FRAME {
        total = room;
    }
    if total < header || total > room {
        return Err(Unread::Ipv4TotalLength);
    }
    headers.end = start + total;

    field::copy(&ip.source, &mut headers.key.source);
    field::copy(&ip.destination, &mut headers.key.destination);
    headers.ttl = ip.ttl;
    headers.traffic_class = ip.traffic_class;
    let (offset, more) = (ip.flags_offset.get() & 0x1fff, ip.flags_offset.get() & 0x2000 != 0);
    if offset != 0 || more {
        headers.datagram = u32::from(ip.identification.get());
        headers.datagram_protocol = ip.protocol;
        headers.fragment = if offset == 0 { Fragment::First } else { Fragment::Later };
    }
    let mut rest = Rest { protocol: ip.protocol, payload: total - header };
    if rest.protocol == next::AUTHENTICATION && headers.fragment != Fragment::Later {
        rest.step(walk)?;
    }
    headers.key.protocol = rest.protocol;
    transport::read(walk, rest.payload, headers)
}

#[inline(always)]
pub(super) fn read_v6(walk: &mut Walk<'_>, headers: &mut Headers) -> Result<(), Unread> {
    const VERSION: u16 = 6;
    let ip = walk.cursor.take::<Ipv6>().ok_or(Unread::Ipv6Truncated)?;
    let version_class = ip.version_class.get();
    if version_class >> 12 != VERSION {
        return Err(Unread::Ipv6Version);
    }
    let room = walk.length - walk.cursor.offset();
    let mut payload = u32::from(ip.payload_length.get());
    if payload == FROM_FRAME {
        payload = room;
    }
    if payload > room {
        return Err(Unread::Ipv6PayloadLength);
    }
    headers.end = walk.cursor.offset() + payload;

    headers.key.kind |= IPV6;
    field::copy(&ip.source, &mut headers.key.source);
    field::copy(&ip.destination, &mut headers.key.destination);
    headers.ttl = ip.hop_limit;
    headers.traffic_class = (version_class >> 4) as u8;
    let mut rest = Rest { protocol: ip.next_header, payload };
    for _ in 0..EXTENSIONS_MAX {
        match rest.protocol {
            next::HOP_BY_HOP | next::ROUTING | next::DESTINATION | next::AUTHENTICATION => {
                rest.step(walk)?;
            }
            next::FRAGMENT => {
                rest.fragment(walk, headers)?;
                if matches!(headers.fragment, Fragment::Later) {
                    break;
                }
            }
            _ => break,
        }
        rest.payload = forget(rest.payload, &mut headers.length);
        walk.cursor.settle(&mut headers.length);
    }
    if headers.fragment != Fragment::Later && is_extension(rest.protocol) {
        return Err(Unread::ExtensionDepth);
    }
    headers.key.protocol = rest.protocol;
    transport::read(walk, rest.payload, headers)
}

#[inline(always)]
const fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        next::HOP_BY_HOP
            | next::ROUTING
            | next::FRAGMENT
            | next::AUTHENTICATION
            | next::DESTINATION
    )
}

/// What is left of the packet by its own length fields.
struct Rest {
    /// The header that comes next.
    protocol: u8,
    /// Bytes of it and everything after it.
    payload: u32,
}

impl Rest {
    /// Over an extension header or AH; both begin with the next header and their own length.
    #[inline(always)]
    fn step(&mut self, walk: &mut Walk<'_>) -> Result<(), Unread> {
        let extension = walk.cursor.peek::<Extension>().ok_or(Unread::ExtensionTruncated)?;
        let bytes = if self.protocol == next::AUTHENTICATION {
            // RFC 4302 section 2.2: in 32-bit words, minus 2.
            (u32::from(extension.length) + 2) * 4
        } else {
            // RFC 8200 section 4.3: in 64-bit words, not counting the first.
            (u32::from(extension.length) + 1) * 8
        };
        let next_header = extension.next_header;
        self.consume(bytes)?;
        walk.cursor.skip(bytes).ok_or(Unread::ExtensionTruncated)?;
        self.protocol = next_header;
        Ok(())
    }

    #[inline(always)]
    fn fragment(&mut self, walk: &mut Walk<'_>, headers: &mut Headers) -> Result<(), Unread> {
        self.consume(size_of::<FragmentHeader>() as u32)?;
        let header = walk.cursor.take::<FragmentHeader>().ok_or(Unread::ExtensionTruncated)?;
        let offset_more = header.offset_more.get();
        let (offset, more) = (offset_more >> 3, offset_more & 1 != 0);
        if offset != 0 || more {
            headers.datagram = u32::from(header.identification_high.get()) << 16
                | u32::from(header.identification_low.get());
            headers.fragment = if offset == 0 { Fragment::First } else { Fragment::Later };
        }
        self.protocol = header.next_header;
        Ok(())
    }

    #[inline(always)]
    fn consume(&mut self, bytes: u32) -> Result<(), Unread> {
        if bytes > self.payload {
            return Err(Unread::ExtensionTruncated);
        }
        self.payload -= bytes;
        Ok(())
    }
}
