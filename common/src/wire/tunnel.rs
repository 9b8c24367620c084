//! Into a tunnel: from the outer headers to the flow inside, for IP in IP, GRE, VXLAN, Geneve and GTP-U.
//!
//! One tunnel deep. A fragmented outer packet is not entered, since its later fragments could not be; neither is what a
//! tunnel carries besides IP, which stays in the outer flow.

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{
    Cursor, Fragment, Headers, Walk,
    field::{Be16, Be32},
    ip,
    link::{self, Network},
};
use crate::abi::{flow::Tunnel, link::Link, unread::Unread};

/// IP protocol numbers (IANA).
mod protocol {
    pub(super) const IPV4: u8 = 4;
    pub(super) const UDP: u8 = 17;
    pub(super) const IPV6: u8 = 41;
    pub(super) const GRE: u8 = 47;
}

/// UDP ports (IANA; 8472 is what Linux and flannel took for VXLAN before it had one).
mod port {
    pub(super) const GTP_U: u16 = 2152;
    pub(super) const VXLAN: u16 = 4789;
    pub(super) const GENEVE: u16 = 6081;
    pub(super) const LINUX_VXLAN: u16 = 8472;
}

/// An Ethernet frame in GRE or Geneve (RFC 1701's list, "transparent Ethernet bridging").
const BRIDGED: u16 = 0x6558;

/// RFC 2784 section 2.1, RFC 2890 section 2.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Gre {
    flags_version: Be16,
    protocol: Be16,
}

/// RFC 7348 section 5.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Vxlan {
    flags: Be32,
    /// VNI in the upper 24 bits.
    vni: Be32,
}

/// RFC 8926 section 3.4.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Geneve {
    /// Version (2 bits), length of the options in words (6).
    version_length: u8,
    flags: u8,
    protocol: Be16,
    /// VNI in the upper 24 bits.
    vni: Be32,
}

/// 3GPP TS 29.281 section 5.1.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Gtpu {
    flags: u8,
    message: u8,
    length: Be16,
    endpoint: Be32,
}

/// What a GTP-U header goes on with when one of its three flags is set.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct GtpuOptions {
    sequence: Be16,
    n_pdu: u8,
    next: u8,
}

/// What is inside.
#[derive(Clone, Copy)]
enum Inside {
    Ethernet,
    Ip(Network),
}

/// Which tunnel the outer headers lead to.
#[inline(always)]
const fn tunnel(outer: &Headers) -> Option<Tunnel> {
    if !matches!(outer.fragment, Fragment::Whole) {
        return None;
    }
    match outer.key.protocol {
        protocol::IPV4 | protocol::IPV6 => Some(Tunnel::Ip),
        protocol::GRE => Some(Tunnel::Gre),
        protocol::UDP => match outer.key.destination_port {
            port::VXLAN | port::LINUX_VXLAN => Some(Tunnel::Vxlan),
            port::GENEVE => Some(Tunnel::Geneve),
            port::GTP_U => Some(Tunnel::Gtpu),
            _ => None,
        },
        _ => None,
    }
}

/// Whether [`enter`] has anything to read.
#[inline(always)]
#[must_use]
pub const fn is_tunnel(outer: &Headers) -> bool {
    tunnel(outer).is_some()
}

/// Reads the headers inside the tunnel that `outer`, read from the same frame, leads to.
///
/// `inner` comes in as [`Headers::default`] and is of no use after an error; the packet then belongs to the outer flow.
///
/// # Errors
/// Why there is no inner flow key; [`Unread::EtherType`] where there is no tunnel.
#[inline(always)]
pub fn enter(frame: Cursor<'_>, outer: &Headers, inner: &mut Headers) -> Result<(), Unread> {
    let mut walk = Walk { cursor: frame, length: outer.end };
    walk.cursor.jump(outer.length);
    let tunnel = tunnel(outer).ok_or(Unread::EtherType)?;
    let mut number = 0;
    let inside = match tunnel {
        Tunnel::Ip if outer.key.protocol == protocol::IPV4 => Inside::Ip(Network::Ipv4),
        Tunnel::Ip => Inside::Ip(Network::Ipv6),
        Tunnel::Gre => gre(&mut walk, &mut number)?,
        Tunnel::Vxlan => vxlan(&mut walk, &mut number)?,
        Tunnel::Geneve => geneve(&mut walk, &mut number)?,
        Tunnel::Gtpu => gtpu(&mut walk, &mut number, &mut inner.length)?,
    };
    walk.cursor.settle(&mut inner.length);
    let network = match inside {
        Inside::Ip(network) => network,
        Inside::Ethernet => {
            let network = link::read(&mut walk, Link::Ethernet, false, inner)?;
            walk.cursor.settle(&mut inner.length);
            network
        }
    };
    inner.key.vlans[1] = (number >> 16) as u16;
    inner.key.vlans[2] = number as u16;
    inner.key.kind = tunnel.bits();
    inner.link = outer.link;
    // What is captured may go on behind the outer packet: padding is no header.
    if walk.cursor.offset() + network.least() > walk.length {
        return Err(Unread::TransportTruncated);
    }
    match network {
        Network::Ipv4 => ip::read_v4(&mut walk, inner),
        Network::Ipv6 => ip::read_v6(&mut walk, inner),
    }
}

#[inline(always)]
fn gre(walk: &mut Walk<'_>, number: &mut u32) -> Result<Inside, Unread> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const VERSION: u16 = 0x0007;
    let gre = walk.cursor.take::<Gre>().ok_or(Unread::TransportTruncated)?;
    let (flags, protocol) = (gre.flags_version.get(), gre.protocol.get());
    // RFC 1701's source routes and PPTP's version 1 are other headers.
    if flags & (ROUTING | VERSION) != 0 {
        return Err(Unread::EtherType);
    }
    if flags & CHECKSUM != 0 {
        walk.cursor.take::<Be32>().ok_or(Unread::TransportTruncated)?;
    }
    if flags & KEY != 0 {
        *number = walk.cursor.take::<Be32>().ok_or(Unread::TransportTruncated)?.get();
    }
    if flags & SEQUENCE != 0 {
        walk.cursor.take::<Be32>().ok_or(Unread::TransportTruncated)?;
    }
    inside(protocol)
}

#[inline(always)]
fn vxlan(walk: &mut Walk<'_>, number: &mut u32) -> Result<Inside, Unread> {
    const VNI_PRESENT: u32 = 1 << 27;
    let vxlan = walk.cursor.take::<Vxlan>().ok_or(Unread::TransportTruncated)?;
    if vxlan.flags.get() & VNI_PRESENT == 0 {
        return Err(Unread::EtherType);
    }
    *number = vxlan.vni.get() >> 8;
    Ok(Inside::Ethernet)
}

#[inline(always)]
fn geneve(walk: &mut Walk<'_>, number: &mut u32) -> Result<Inside, Unread> {
    let geneve = walk.cursor.take::<Geneve>().ok_or(Unread::TransportTruncated)?;
    let (version_length, protocol) = (geneve.version_length, geneve.protocol.get());
    *number = geneve.vni.get() >> 8;
    if version_length >> 6 != 0 {
        return Err(Unread::EtherType);
    }
    let options = u32::from(version_length & 0x3f) * 4;
    walk.cursor.skip(options).ok_or(Unread::TransportTruncated)?;
    inside(protocol)
}

#[inline(always)]
fn gtpu(walk: &mut Walk<'_>, number: &mut u32, memory: &mut u32) -> Result<Inside, Unread> {
    /// Version 1, and GTP rather than GTP'.
    const VERSION_1: u8 = 0b0011;
    const EXTENSION: u8 = 1 << 2;
    const ANY: u8 = 0b111;
    /// A user's packet.
    const G_PDU: u8 = 255;
    /// 5G has one: the PDU session container (3GPP TS 38.415).
    const EXTENSIONS_MAX: usize = 2;
    let gtpu = walk.cursor.take::<Gtpu>().ok_or(Unread::TransportTruncated)?;
    let flags = gtpu.flags;
    if flags >> 4 != VERSION_1 || gtpu.message != G_PDU {
        return Err(Unread::EtherType);
    }
    *number = gtpu.endpoint.get();
    if flags & ANY != 0 {
        let options = walk.cursor.take::<GtpuOptions>().ok_or(Unread::TransportTruncated)?;
        let mut next = if flags & EXTENSION != 0 { options.next } else { 0 };
        for _ in 0..EXTENSIONS_MAX {
            if next == 0 {
                break;
            }
            // In words; the last byte names the next one (section 5.2.1).
            let words = u32::from(*walk.cursor.peek::<u8>().ok_or(Unread::TransportTruncated)?);
            if words == 0 {
                return Err(Unread::EtherType);
            }
            walk.cursor.skip(words * 4 - 1).ok_or(Unread::TransportTruncated)?;
            walk.cursor.settle(memory);
            next = *walk.cursor.take::<u8>().ok_or(Unread::TransportTruncated)?;
        }
        if next != 0 {
            return Err(Unread::ExtensionDepth);
        }
    }
    let first = *walk.cursor.peek::<u8>().ok_or(Unread::TransportTruncated)?;
    let network = link::version(first).and_then(link::network);
    network.map(Inside::Ip).ok_or(Unread::EtherType)
}

#[inline(always)]
fn inside(protocol: u16) -> Result<Inside, Unread> {
    if protocol == BRIDGED {
        return Ok(Inside::Ethernet);
    }
    link::network(protocol).map(Inside::Ip).ok_or(Unread::EtherType)
}

impl Network {
    /// The least that its header takes, bytes.
    #[inline(always)]
    const fn least(self) -> u32 {
        match self {
            Self::Ipv4 => 20,
            Self::Ipv6 => 40,
        }
    }
}
