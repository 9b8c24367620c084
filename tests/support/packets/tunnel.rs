//! Tunnels: each builder wraps a packet or a frame; kinds that show what is inside, and what must not be entered.

use super::{
    ip::{Ipv4, Ipv6, fragment},
    kinds::Kind,
    link::{self, ether_type, ethernet, tagged},
    protocol,
    transport::{self, tcp, udp},
};

/// UDP ports (IANA).
pub mod port {
    /// GTP-U.
    pub const GTP_U: u16 = 2152;
    /// VXLAN.
    pub const VXLAN: u16 = 4789;
    /// Geneve.
    pub const GENEVE: u16 = 6081;
}

/// An Ethernet frame inside GRE or Geneve.
pub const BRIDGED: u16 = 0x6558;

/// A VXLAN header with its VNI (RFC 7348), and a frame.
#[must_use]
pub fn vxlan(vni: u32, frame: &[u8]) -> Vec<u8> {
    [&[0x08, 0, 0, 0], &(vni << 8).to_be_bytes()[..], frame].concat()
}

/// A Geneve header with `words` words of options (RFC 8926).
#[must_use]
pub fn geneve(vni: u32, words: u8, protocol: u16, payload: &[u8]) -> Vec<u8> {
    let options = vec![0x5a; usize::from(words) * 4];
    let head = [words, 0];
    [&head[..], &protocol.to_be_bytes(), &(vni << 8).to_be_bytes(), &options, payload].concat()
}

/// A GRE header with checksum, key and sequence number (RFC 2890).
#[must_use]
pub fn gre_with_all(key: u32, protocol: u16, payload: &[u8]) -> Vec<u8> {
    let words = [[0xab, 0xcd, 0, 0], key.to_be_bytes(), [0, 0, 0, 9]].concat();
    [&[0xb0, 0][..], &protocol.to_be_bytes(), &words, payload].concat()
}

/// A GTP-U header for a user's packet (3GPP TS 29.281), with these extension headers of one word each.
#[must_use]
pub fn gtpu(endpoint: u32, extensions: &[u8], packet: &[u8]) -> Vec<u8> {
    let mut rest = Vec::new();
    if let Some(first) = extensions.first() {
        rest.extend([0, 0, 0, *first]);
        let next = extensions.iter().skip(1).chain(&[0]);
        next.for_each(|next| rest.extend([1, 0x11, 0x22, *next]));
    }
    rest.extend_from_slice(packet);
    let flags = if extensions.is_empty() { 0x30 } else { 0x34 };
    let length = (rest.len() as u16).to_be_bytes();
    [&[flags, 255][..], &length, &endpoint.to_be_bytes(), &rest].concat()
}

fn in_udp(port: u16, payload: &[u8]) -> Vec<u8> {
    Ipv4::of(protocol::UDP).frame(&udp(51_000, port, payload))
}

/// Every tunnel with IPv4 and IPv6 inside, and those that stay closed.
pub(super) fn kinds() -> Vec<Kind> {
    let inner4 = Ipv4 { source: [192, 0, 2, 1].into(), ttl: 9, ..Ipv4::of(protocol::TCP) };
    let plain4 = inner4.packet(&tcp(1234, 443, 0x18, b"inside"));
    let plain6 = Ipv6::of(protocol::UDP).packet(&udp(53, 5353, b"six"));
    let frame4 = ethernet(ether_type::IPV4, &plain4);
    let tagged6 = tagged(&[(ether_type::VLAN, 77)], ether_type::IPV6, &plain6);
    let arp = ethernet(ether_type::ARP, &link::arp(1));
    let of = |protocol, payload: &[u8]| Ipv4::of(protocol).frame(payload);
    let mut kinds = vec![
        ("vxlan_ipv4", in_udp(port::VXLAN, &vxlan(42, &frame4))),
        ("vxlan_vlan_ipv6", in_udp(port::VXLAN, &vxlan(0xff_ffff, &tagged6))),
        ("vxlan_arp", in_udp(port::VXLAN, &vxlan(42, &arp))),
        ("vxlan_without_vni", in_udp(port::VXLAN, &[&[0; 8][..], &frame4].concat())),
        ("vxlan_linux_port", in_udp(8472, &vxlan(7, &frame4))),
        ("geneve_ipv4", in_udp(port::GENEVE, &geneve(5, 0, ether_type::IPV4, &plain4))),
        ("geneve_options_frame", in_udp(port::GENEVE, &geneve(5, 63, BRIDGED, &tagged6))),
        ("geneve_arp", in_udp(port::GENEVE, &geneve(5, 1, ether_type::ARP, &link::arp(1)))),
        ("gre_ipv6", of(protocol::GRE, &transport::gre(ether_type::IPV6, &plain6))),
        ("gre_key", of(protocol::GRE, &gre_with_all(99, ether_type::IPV4, &plain4))),
        ("gre_bridged", of(protocol::GRE, &transport::gre(BRIDGED, &frame4))),
        ("gre_pptp", of(protocol::GRE, &[&[0x30, 0x01, 0x88, 0x0b][..], &plain4].concat())),
        ("gre_routed", of(protocol::GRE, &[&[0x40, 0, 0x08, 0][..], &plain4].concat())),
        ("gtpu_ipv4", in_udp(port::GTP_U, &gtpu(0xdead_beef, &[], &plain4))),
        ("gtpu_extended", in_udp(port::GTP_U, &gtpu(1, &[0x85], &plain6))),
        ("gtpu_extended_twice", in_udp(port::GTP_U, &gtpu(1, &[0x85, 0x40], &plain4))),
        ("gtpu_extended_thrice", in_udp(port::GTP_U, &gtpu(1, &[0x85, 0x40, 0x20], &plain4))),
        ("gtpu_echo", in_udp(port::GTP_U, &[0x32, 1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0])),
        ("ipv4_in_ipv6", Ipv6::of(protocol::IPV4).frame(&plain4)),
    ];
    // Padding behind the outer packet is no inner header.
    kinds.push((
        "ipip_cut_by_outer_length",
        [of(protocol::IPV4, &plain4[..12]), plain4[12..].to_vec()].concat(),
    ));
    // An inner fragment finds the flow of its datagram; an outer one is not entered.
    let more = Ipv4 { flags_offset: fragment(0, true), ..inner4.clone() };
    let last = Ipv4 { flags_offset: fragment(24, false), ..inner4 };
    let first = more.packet(&tcp(1234, 443, 0x10, &[0; 4]));
    kinds.push(("ipip_first_fragment_inside", of(protocol::IPV4, &first)));
    kinds.push(("ipip_later_fragment_inside", of(protocol::IPV4, &last.packet(&[7; 16]))));
    let outer = Ipv4 { flags_offset: fragment(0, true), ..Ipv4::of(protocol::IPV4) };
    kinds.push(("ipip_first_fragment_outside", outer.frame(&plain4)));
    kinds
}
