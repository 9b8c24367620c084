//! Ports, flags and kinds: the transport header of a packet, never of a later fragment.

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{
    Fragment, Headers, Walk,
    field::{Be16, Be32},
    tcp_flags,
};
use crate::abi::{flow, unread::Unread};

/// IP protocol numbers that have a header read here (IANA).
mod protocol {
    pub(super) const ICMP: u8 = 1;
    pub(super) const TCP: u8 = 6;
    pub(super) const UDP: u8 = 17;
    pub(super) const DCCP: u8 = 33;
    pub(super) const ICMPV6: u8 = 58;
    pub(super) const SCTP: u8 = 132;
    pub(super) const UDP_LITE: u8 = 136;
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Ports {
    source: Be16,
    destination: Be16,
}

/// RFC 9293 section 3.1, after the ports.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Tcp {
    sequence: Be32,
    acknowledgment: Be32,
    /// Data offset (4 bits), reserved (3), flags (9).
    offset_flags: Be16,
    window: Be16,
    checksum: Be16,
    urgent: Be16,
}

/// RFC 768 after the ports; for UDP-Lite the length is the checksum's coverage (RFC 3828 section 3.1).
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Udp {
    length: Be16,
    checksum: Be16,
}

/// RFC 792, RFC 4443 section 2.1.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Icmp {
    kind: u8,
    code: u8,
    checksum: Be16,
}

/// RFC 792, RFC 4443 section 4.1.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Echo {
    identifier: Be16,
    sequence: Be16,
}

/// Reads the transport header; `payload` is what IP's length leaves for it.
#[inline(always)]
pub(super) fn read(walk: &mut Walk<'_>, payload: u32, headers: &mut Headers) -> Result<(), Unread> {
    if headers.fragment == Fragment::Later {
        headers.length = walk.cursor.offset();
        headers.key.kind |= flow::FRAGMENT;
        return Ok(());
    }
    headers.length = 0;
    let result = match headers.key.protocol {
        protocol::TCP => tcp(walk, payload, headers),
        protocol::UDP => udp(walk, payload, headers, true),
        protocol::UDP_LITE => udp(walk, payload, headers, false),
        protocol::ICMP => icmp(walk, payload, headers, is_echo_v4),
        protocol::ICMPV6 => icmp(walk, payload, headers, is_echo_v6),
        // Both common headers are 12 bytes: RFC 9260 section 3.1, RFC 4340 section 5.1.
        protocol::SCTP | protocol::DCCP => ports(walk, payload, 12, headers),
        _ => Ok(()),
    };
    if headers.length == 0 {
        headers.length = walk.cursor.offset();
    }
    match result {
        // A first fragment may be cut anywhere; what it lacks is in the next one.
        Err(Unread::TransportTruncated)
            if headers.fragment == Fragment::First && payload < size_of::<Ports>() as u32 =>
        {
            headers.fragment = Fragment::Tiny;
            headers.key.source_port = 0;
            headers.key.destination_port = 0;
            headers.key.kind |= flow::FRAGMENT;
            Ok(())
        }
        other => other,
    }
}

/// The ports of a header of at least `least` bytes, of which a first fragment may hold just these four.
#[inline(always)]
fn ports(
    walk: &mut Walk<'_>,
    payload: u32,
    least: u32,
    headers: &mut Headers,
) -> Result<(), Unread> {
    let least = if headers.fragment == Fragment::First { size_of::<Ports>() as u32 } else { least };
    if payload < least {
        return Err(Unread::TransportTruncated);
    }
    let ports = walk.cursor.take::<Ports>().ok_or(Unread::TransportTruncated)?;
    headers.key.source_port = ports.source.get();
    headers.key.destination_port = ports.destination.get();
    Ok(())
}

#[inline(always)]
fn tcp(walk: &mut Walk<'_>, payload: u32, headers: &mut Headers) -> Result<(), Unread> {
    const HEADER: u32 = 20;
    ports(walk, payload, HEADER, headers)?;
    if payload < HEADER {
        return Ok(());
    }
    let tcp = walk.cursor.take::<Tcp>().ok_or(Unread::TransportTruncated)?;
    let offset_flags = tcp.offset_flags.get();
    let header = u32::from(offset_flags >> 12) * 4;
    if header < HEADER || (header > payload && headers.fragment == Fragment::Whole) {
        return Err(Unread::TcpDataOffset);
    }
    headers.tcp_flags = offset_flags & tcp_flags::ALL;
    headers.has_tcp_flags = true;
    headers.sequence = tcp.sequence.get();
    headers.window = tcp.window.get();
    // Options are not read, so the linear part may end inside them.
    headers.length = walk.cursor.offset() + (header - HEADER);
    Ok(())
}

#[inline(always)]
fn udp(
    walk: &mut Walk<'_>,
    payload: u32,
    headers: &mut Headers,
    whole_length: bool,
) -> Result<(), Unread> {
    const HEADER: u32 = 8;
    /// Longest payload whose length the field can say; beyond it the field is 0 (RFC 2675 section 4).
    const FIELD_MAX: u32 = 0xffff;
    ports(walk, payload, HEADER, headers)?;
    if payload < HEADER {
        return Ok(());
    }
    let udp = walk.cursor.take::<Udp>().ok_or(Unread::TransportTruncated)?;
    let length = u32::from(udp.length.get());
    let from_frame = length == 0 && (!whole_length || payload > FIELD_MAX);
    let too_long = length > payload && headers.fragment == Fragment::Whole;
    if !from_frame && (length < HEADER || too_long) {
        return Err(Unread::UdpLength);
    }
    Ok(())
}

#[inline(always)]
fn icmp(
    walk: &mut Walk<'_>,
    payload: u32,
    headers: &mut Headers,
    is_echo: fn(u8) -> bool,
) -> Result<(), Unread> {
    const HEADER: u32 = 4;
    const ECHO: u32 = 8;
    if payload < HEADER {
        return Err(Unread::TransportTruncated);
    }
    let icmp = walk.cursor.take::<Icmp>().ok_or(Unread::TransportTruncated)?;
    headers.key.source_port = u16::from(icmp.kind);
    headers.key.destination_port = u16::from(icmp.code);
    if is_echo(icmp.kind) && payload >= ECHO {
        let echo = walk.cursor.take::<Echo>().ok_or(Unread::TransportTruncated)?;
        headers.echo_id = echo.identifier.get();
    }
    Ok(())
}

/// Echo reply and request (RFC 792).
#[inline(always)]
const fn is_echo_v4(kind: u8) -> bool {
    matches!(kind, 0 | 8)
}

/// Echo request and reply (RFC 4443 section 4).
#[inline(always)]
const fn is_echo_v6(kind: u8) -> bool {
    matches!(kind, 128 | 129)
}
