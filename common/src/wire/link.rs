//! From the first byte of the frame to the network header: Ethernet and its peers, VLAN tags, MPLS labels, PPPoE, SNAP.

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{
    Headers, Walk,
    field::{Be16, Be32},
};
use crate::abi::{
    flow::{VLAN_ID, VLAN_PRESENT},
    link::Link,
    unread::Unread,
};

/// The network header that follows.
#[derive(Clone, Copy)]
pub(super) enum Network {
    Ipv4,
    Ipv6,
}

/// EtherTypes (IEEE 802 numbers, IANA registry).
mod ether_type {
    pub(super) const IPV4: u16 = 0x0800;
    pub(super) const ARP: u16 = 0x0806;
    pub(super) const RARP: u16 = 0x8035;
    pub(super) const VLAN: u16 = 0x8100;
    pub(super) const IPV6: u16 = 0x86dd;
    pub(super) const MPLS: u16 = 0x8847;
    pub(super) const MPLS_UPSTREAM: u16 = 0x8848;
    pub(super) const PPPOE_DISCOVERY: u16 = 0x8863;
    pub(super) const PPPOE_SESSION: u16 = 0x8864;
    pub(super) const EAPOL: u16 = 0x888e;
    pub(super) const PROVIDER_VLAN: u16 = 0x88a8;
    pub(super) const LLDP: u16 = 0x88cc;
    pub(super) const MACSEC: u16 = 0x88e5;
    pub(super) const PTP: u16 = 0x88f7;
    /// Stacked tags before IEEE 802.1ad gave them a number of their own.
    pub(super) const OLD_PROVIDER_VLAN: u16 = 0x9100;
    /// Below this the field is an 802.3 length (IEEE 802.3 clause 3.2.6).
    pub(super) const LEAST: u16 = 0x0600;
}

const VLANS_MAX: usize = 3;
/// Length of a VLAN tag.
const TAG: u32 = size_of::<Tag>() as u32;
const LABELS_MAX: usize = 8;

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Ethernet {
    destination: [u8; 6],
    source: [u8; 6],
    ether_type: Be16,
}

/// LINKTYPE_LINUX_SLL (tcpdump.org).
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Sll {
    packet_type: Be16,
    hardware_type: Be16,
    address_length: Be16,
    address: [u8; 8],
    /// An EtherType, or below 0x0600 one of Linux's own numbers.
    protocol: Be16,
}

/// LINKTYPE_LINUX_SLL2 (tcpdump.org).
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Sll2 {
    protocol: Be16,
    reserved: Be16,
    interface: Be32,
    hardware_type: Be16,
    packet_type: u8,
    address_length: u8,
    address: [u8; 8],
}

/// IEEE 802.2 LLC for SNAP, then RFC 1042's organisation code and EtherType.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Snap {
    /// DSAP, SSAP, control, and the first byte of the organisation code: 0xaaaa0300.
    llc: Be32,
    /// The rest of it: 0 for EtherTypes.
    organisation: Be16,
    ether_type: Be16,
}

/// IEEE 802.1Q clause 9.6: what follows the tag's EtherType.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Tag {
    control: Be16,
    ether_type: Be16,
}

/// RFC 2516 section 4, then the PPP protocol field.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Pppoe {
    version_type: u8,
    code: u8,
    session: Be16,
    length: Be16,
    protocol: Be16,
}

#[inline(always)]
pub(super) fn read(
    walk: &mut Walk<'_>,
    link: Link,
    tagged: bool,
    headers: &mut Headers,
) -> Result<Network, Unread> {
    let mut ether_type = first(walk, link)?;
    let mut depth = usize::from(tagged);
    #[expect(
        clippy::explicit_counter_loop,
        reason = "a constant number of rounds unrolls, and Linux 6.1's verifier takes no loop"
    )]
    for _ in 0..=VLANS_MAX {
        if !is_vlan(ether_type) {
            break;
        }
        if depth >= VLANS_MAX {
            return Err(Unread::VlanDepth);
        }
        let tag = walk.cursor.take::<Tag>().ok_or(Unread::LinkTruncated)?;
        headers.key.vlans[depth] = VLAN_PRESENT | (tag.control.get() & VLAN_ID);
        ether_type = tag.ether_type.get();
        depth += 1;
    }
    headers.link = walk.cursor.offset() + if tagged { TAG } else { 0 };
    match ether_type {
        ether_type::IPV4 => Ok(Network::Ipv4),
        ether_type::IPV6 => Ok(Network::Ipv6),
        ether_type::MPLS | ether_type::MPLS_UPSTREAM => labels(walk),
        ether_type::PPPOE_SESSION => pppoe(walk),
        0..ether_type::LEAST => snap(walk),
        _ => Err(other(ether_type)),
    }
}

/// The EtherType that the frame's own header names.
#[inline(always)]
fn first(walk: &mut Walk<'_>, link: Link) -> Result<u16, Unread> {
    let cut = Unread::LinkTruncated;
    match link {
        Link::Ethernet => Ok(walk.cursor.take::<Ethernet>().ok_or(cut)?.ether_type.get()),
        Link::Sll => Ok(walk.cursor.take::<Sll>().ok_or(cut)?.protocol.get()),
        Link::Sll2 => Ok(walk.cursor.take::<Sll2>().ok_or(cut)?.protocol.get()),
        Link::Raw => version(*walk.cursor.peek::<u8>().ok_or(cut)?).ok_or(Unread::EtherType),
        Link::Null => {
            let family = walk.cursor.take::<Be32>().ok_or(cut)?.get();
            family_type(family).ok_or(Unread::EtherType)
        }
    }
}

/// The EtherType of an IP packet that begins with this byte.
#[inline(always)]
pub(super) const fn version(first: u8) -> Option<u16> {
    match first >> 4 {
        4 => Some(ether_type::IPV4),
        6 => Some(ether_type::IPV6),
        _ => None,
    }
}

/// The EtherType of an address family, which stands there in the byte order of the machine that captured.
#[inline(always)]
const fn family_type(family: u32) -> Option<u16> {
    const INET: u32 = 2;
    // Linux; NetBSD and OpenBSD; FreeBSD; Darwin.
    match if family > 0xffff { family.swap_bytes() } else { family } {
        INET => Some(ether_type::IPV4),
        10 | 24 | 28 | 30 => Some(ether_type::IPV6),
        _ => None,
    }
}

/// RFC 1042: IP over IEEE 802 networks has its EtherType behind an LLC and a SNAP header.
#[inline(always)]
fn snap(walk: &mut Walk<'_>) -> Result<Network, Unread> {
    let sap = walk.cursor.peek::<Be16>().ok_or(Unread::LinkTruncated)?;
    if sap.get() != 0xaaaa {
        return Err(Unread::Llc);
    }
    let snap = walk.cursor.take::<Snap>().ok_or(Unread::LinkTruncated)?;
    if snap.llc.get() != 0xaaaa_0300 || snap.organisation.get() != 0 {
        return Err(Unread::Llc);
    }
    let ether_type = snap.ether_type.get();
    network(ether_type).ok_or(other(ether_type))
}

/// The network header behind an EtherType.
#[inline(always)]
pub(super) const fn network(ether_type: u16) -> Option<Network> {
    match ether_type {
        ether_type::IPV4 => Some(Network::Ipv4),
        ether_type::IPV6 => Some(Network::Ipv6),
        _ => None,
    }
}

#[inline(always)]
const fn is_vlan(ether_type: u16) -> bool {
    matches!(
        ether_type,
        ether_type::VLAN | ether_type::PROVIDER_VLAN | ether_type::OLD_PROVIDER_VLAN
    )
}

/// RFC 3032 section 2.1: label, class, bottom-of-stack bit, TTL.
#[inline(always)]
fn labels(walk: &mut Walk<'_>) -> Result<Network, Unread> {
    const BOTTOM: u32 = 1 << 8;
    for _ in 0..LABELS_MAX {
        let entry = walk.cursor.take::<Be32>().ok_or(Unread::LinkTruncated)?.get();
        if entry & BOTTOM != 0 {
            let first = *walk.cursor.peek::<u8>().ok_or(Unread::LinkTruncated)?;
            return version(first).and_then(network).ok_or(Unread::MplsPayload);
        }
    }
    Err(Unread::MplsDepth)
}

#[inline(always)]
fn pppoe(walk: &mut Walk<'_>) -> Result<Network, Unread> {
    const VERSION_1_TYPE_1: u8 = 0x11;
    const SESSION_DATA: u8 = 0;
    /// PPP protocol numbers (RFC 1332, RFC 5072).
    const IPV4: u16 = 0x0021;
    const IPV6: u16 = 0x0057;
    let pppoe = walk.cursor.take::<Pppoe>().ok_or(Unread::LinkTruncated)?;
    if pppoe.version_type != VERSION_1_TYPE_1 || pppoe.code != SESSION_DATA {
        return Err(Unread::Pppoe);
    }
    // The length counts the PPP protocol field (2 bytes), which lies behind the cursor already.
    let length = u32::from(pppoe.length.get());
    if length < 2 || walk.cursor.offset() - 2 + length > walk.length {
        return Err(Unread::Pppoe);
    }
    match pppoe.protocol.get() {
        IPV4 => Ok(Network::Ipv4),
        IPV6 => Ok(Network::Ipv6),
        _ => Err(Unread::PppProtocol),
    }
}

#[inline(always)]
const fn other(ether_type: u16) -> Unread {
    match ether_type {
        ether_type::ARP | ether_type::RARP => Unread::Arp,
        ether_type::LLDP => Unread::Lldp,
        ether_type::EAPOL => Unread::Eapol,
        ether_type::MACSEC => Unread::Macsec,
        ether_type::PTP => Unread::Ptp,
        ether_type::PPPOE_DISCOVERY => Unread::PppoeDiscovery,
        0..ether_type::LEAST => Unread::Llc,
        _ => Unread::EtherType,
    }
}
