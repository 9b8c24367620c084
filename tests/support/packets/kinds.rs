//! One frame of every kind that the parser tells apart, right and wrong.

use super::{
    ip::{self, Extension, Ipv4, Ipv6, authentication},
    link::{self, Pppoe, ether_type, ethernet, ppp, tagged},
    protocol,
    transport::{self, Tcp, flags, udp, udp_saying},
    tunnel,
};

pub(super) type Kind = (&'static str, Vec<u8>);

const PAYLOAD: &[u8] = b"a payload that could be taken for ports";

/// Frames of every kind, each with a name of its own: links, IPv4, IPv6, transports, fragments, non-IP, and for every
/// reason not to read a frame one that gives it (except a header beyond the linear part, which no frame has by itself).
#[must_use]
pub fn every_kind() -> Vec<Kind> {
    let kinds = [
        vlans(),
        labels(),
        sessions(),
        not_ip(),
        ipv4(),
        ipv4_fragments(),
        ipv6(),
        ipv6_chains(),
        ipv6_fragments(),
        tcp_flags(),
        tcp_lengths(),
        udp_lengths(),
        icmp(),
        other_transports(),
        tunnel::kinds(),
    ];
    kinds.concat()
}

/// An IPv4 packet that is right in everything.
fn plain4() -> Vec<u8> {
    Ipv4::default().packet(&udp(5000, 7777, PAYLOAD))
}

/// An IPv6 packet that is right in everything.
fn plain6() -> Vec<u8> {
    Ipv6::default().packet(&udp(5000, 7777, PAYLOAD))
}

/// RFC 1042: an 802.3 frame with LLC and SNAP.
fn snap(organisation: [u8; 3], ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let head = [&[0xaa, 0xaa, 3], &organisation[..], &ether_type.to_be_bytes()].concat();
    ethernet((head.len() + payload.len()) as u16, &[&head, payload].concat())
}

fn cut(mut frame: Vec<u8>, length: usize) -> Vec<u8> {
    frame.truncate(length);
    frame
}

fn vlans() -> Vec<Kind> {
    use ether_type::{IPV4, IPV6, OLD_PROVIDER_VLAN, PROVIDER_VLAN, VLAN};
    let customer = (VLAN, 100);
    let provider = (PROVIDER_VLAN, 200);
    let old = (OLD_PROVIDER_VLAN, 300);
    let priority = (VLAN, 5 << 13);
    vec![
        ("vlan_8100", tagged(&[customer], IPV4, &plain4())),
        ("vlan_88a8", tagged(&[provider], IPV4, &plain4())),
        ("vlan_9100", tagged(&[old], IPV6, &plain6())),
        ("vlan_priority_tag", tagged(&[priority], IPV4, &plain4())),
        ("vlan_id_4095", tagged(&[(VLAN, 4095)], IPV4, &plain4())),
        ("vlan_two", tagged(&[provider, customer], IPV6, &plain6())),
        ("vlan_three", tagged(&[old, provider, customer], IPV4, &plain4())),
        ("vlan_four", tagged(&[old, provider, customer, customer], IPV4, &plain4())),
        ("vlan_arp", tagged(&[customer], ether_type::ARP, &link::arp(1))),
        ("vlan_cut", cut(tagged(&[customer], IPV4, &plain4()), 16)),
    ]
}

fn labels() -> Vec<Kind> {
    const RIGHT: [&str; 8] =
        ["mpls_1", "mpls_2", "mpls_3", "mpls_4", "mpls_5", "mpls_6", "mpls_7", "mpls_8"];
    let mpls = |labels, payload: &[u8]| ethernet(ether_type::MPLS, &link::mpls(labels, payload));
    let upstream = link::mpls(1, &plain4());
    let tagged_labels = link::mpls(2, &plain4());
    // RFC 4448: a control word, then an Ethernet frame.
    let pseudowire = [vec![0; 4], ethernet(ether_type::IPV4, &plain4())].concat();
    let mut kinds: Vec<_> = (1..).zip(RIGHT).map(|(n, name)| (name, mpls(n, &plain4()))).collect();
    kinds.extend([
        ("mpls_ipv6", mpls(2, &plain6())),
        ("mpls_upstream", ethernet(ether_type::MPLS_UPSTREAM, &upstream)),
        ("mpls_in_vlan", tagged(&[(ether_type::VLAN, 7)], ether_type::MPLS, &tagged_labels)),
        ("mpls_9", mpls(9, &plain4())),
        ("mpls_pseudowire", mpls(1, &pseudowire)),
        ("mpls_nothing_behind", mpls(1, &[])),
        ("mpls_cut", cut(mpls(2, &plain4()), 20)),
    ]);
    kinds
}

fn sessions() -> Vec<Kind> {
    let session = |packet: Vec<u8>| ethernet(ether_type::PPPOE_SESSION, &packet);
    let wrong = |pppoe: Pppoe| session(pppoe.packet(&plain4()));
    let right = Pppoe::default();
    let beyond = Some(plain4().len() as u16 + 3);
    vec![
        ("pppoe_ipv4", session(link::pppoe(ppp::IPV4, &plain4()))),
        ("pppoe_ipv6", session(link::pppoe(ppp::IPV6, &plain6()))),
        ("pppoe_lcp", session(link::pppoe(ppp::LCP, &[1, 1, 0, 4]))),
        ("pppoe_version", wrong(Pppoe { version_type: 0x21, ..right })),
        ("pppoe_type", wrong(Pppoe { version_type: 0x12, ..right })),
        ("pppoe_code", wrong(Pppoe { code: 9, ..right })),
        ("pppoe_length_beyond", wrong(Pppoe { length: beyond, ..right })),
        ("pppoe_length_1", wrong(Pppoe { length: Some(1), ..right })),
        ("pppoe_cut", cut(session(link::pppoe(ppp::IPV4, &plain4())), 19)),
        // An initiation: no session yet, a service-name tag of length 0.
        (
            "pppoe_discovery",
            ethernet(ether_type::PPPOE_DISCOVERY, &[0x11, 9, 0, 0, 0, 4, 1, 1, 0, 0]),
        ),
    ]
}

fn not_ip() -> Vec<Kind> {
    // Chassis, port and time to live, then the end.
    let lldp = [2, 2, 7, b'a', 4, 2, 7, b'b', 6, 2, 0, 120, 0, 0];
    // Spanning tree by LLC: length 38, SAP 0x42.
    let llc = [&[0x42, 0x42, 0x03][..], &[0; 35]].concat();
    let macsec = [&[0x2c, 0, 0, 0, 0, 1][..], &[0xa5; 48]].concat();
    let ptp = [&[0, 2, 0, 44][..], &[0; 40]].concat();
    vec![
        ("arp_request", ethernet(ether_type::ARP, &link::arp(1))),
        ("arp_reply", ethernet(ether_type::ARP, &link::arp(2))),
        ("rarp_request", ethernet(ether_type::RARP, &link::arp(3))),
        ("lldp", ethernet(ether_type::LLDP, &lldp)),
        ("llc", ethernet(llc.len() as u16, &llc)),
        ("snap_ipv4", snap([0; 3], ether_type::IPV4, &plain4())),
        ("snap_ipv6", snap([0; 3], ether_type::IPV6, &plain6())),
        ("snap_arp", snap([0; 3], ether_type::ARP, &link::arp(1))),
        ("snap_of_another_organisation", snap([0, 0, 0x0c], ether_type::IPV4, &plain4())),
        ("eapol", ethernet(ether_type::EAPOL, &[2, 1, 0, 0])),
        ("macsec", ethernet(ether_type::MACSEC, &macsec)),
        ("ptp", ethernet(ether_type::PTP, &ptp)),
        ("ether_type_unknown", ethernet(ether_type::EXPERIMENT, PAYLOAD)),
        ("ether_type_1535", ethernet(0x05ff, PAYLOAD)),
        ("ether_type_1536", ethernet(0x0600, PAYLOAD)),
    ]
}

fn ipv4() -> Vec<Kind> {
    const WITH_OPTIONS: [&str; 11] = [
        "ipv4_ihl_5",
        "ipv4_ihl_6",
        "ipv4_ihl_7",
        "ipv4_ihl_8",
        "ipv4_ihl_9",
        "ipv4_ihl_10",
        "ipv4_ihl_11",
        "ipv4_ihl_12",
        "ipv4_ihl_13",
        "ipv4_ihl_14",
        "ipv4_ihl_15",
    ];
    const NO_OPERATION: u8 = 1;
    let right = Ipv4::default();
    let datagram = udp(5000, 7777, PAYLOAD);
    let options = |bytes: usize| Ipv4 { options: vec![NO_OPERATION; bytes], ..right.clone() };
    let wrong = |header: Ipv4| header.frame(&datagram);
    let total = |total| wrong(Ipv4 { total_length: Some(total), ..right.clone() });
    let true_total = 20 + datagram.len() as u16;
    let padded = [datagram.clone(), vec![0; 18]].concat();
    let with_ah = [authentication(protocol::UDP), datagram.clone()].concat();
    let ah = Ipv4::of(protocol::AUTHENTICATION);
    let mut kinds: Vec<_> = (0..)
        .zip(WITH_OPTIONS)
        .map(|(words, name)| (name, options(4 * words).frame(&datagram)))
        .collect();
    kinds.extend([
        ("ipv4_dscp_and_ttl", wrong(Ipv4 { dscp: 46, ttl: 1, ..right.clone() })),
        ("ipv4_ihl_0", wrong(Ipv4 { ihl: Some(0), ..right.clone() })),
        ("ipv4_ihl_4", wrong(Ipv4 { ihl: Some(4), ..right.clone() })),
        ("ipv4_version_6", wrong(Ipv4 { version: 6, ..right.clone() })),
        ("ipv4_version_0", wrong(Ipv4 { version: 0, ..right.clone() })),
        ("ipv4_total_length_0", total(0)),
        ("ipv4_total_length_19", total(19)),
        ("ipv4_total_length_20", total(20)),
        ("ipv4_total_length_beyond", total(true_total + 1)),
        ("ipv4_padded", Ipv4 { total_length: Some(true_total), ..right.clone() }.frame(&padded)),
        ("ipv4_cut", cut(wrong(right.clone()), 14 + 19)),
        ("ipv4_cut_in_options", cut(options(40).frame(&[]), 14 + 20 + 39)),
        ("ipv4_ah", ah.frame(&with_ah)),
        ("ipv4_ah_cut", ah.frame(&authentication(protocol::UDP)[..23])),
    ]);
    kinds
}

fn ipv4_fragments() -> Vec<Kind> {
    let piece = |protocol, id, offset, more, payload: &[u8]| {
        let flags_offset = ip::fragment(offset, more);
        Ipv4 { id, flags_offset, ..Ipv4::of(protocol) }.frame(payload)
    };
    let whole = udp_saying(5000, 7777, 8 + 40, &[7; 16]);
    let segment = transport::tcp(40_000, 443, flags::SYN, &[]);
    let ping = transport::echo(8, 77, &[7; 16]);
    vec![
        ("ipv4_fragment_first", piece(protocol::UDP, 10, 0, true, &whole)),
        ("ipv4_fragment_middle", piece(protocol::UDP, 10, 24, true, &[7; 16])),
        ("ipv4_fragment_last", piece(protocol::UDP, 10, 40, false, &[7; 8])),
        ("ipv4_fragment_without_first", piece(protocol::UDP, 11, 24, false, PAYLOAD)),
        ("ipv4_fragment_tcp_8_bytes", piece(protocol::TCP, 12, 0, true, &segment[..8])),
        ("ipv4_fragment_tcp_rest", piece(protocol::TCP, 12, 8, false, &segment[8..])),
        ("ipv4_fragment_tiny", piece(protocol::TCP, 13, 0, true, &segment[..3])),
        ("ipv4_fragment_icmp", piece(protocol::ICMP, 14, 0, true, &ping)),
        ("ipv4_fragment_offset_65528", piece(protocol::UDP, 15, 65_528, false, &[7; 7])),
    ]
}

fn ipv6() -> Vec<Kind> {
    let right = Ipv6::default();
    let datagram = udp(5000, 7777, PAYLOAD);
    let length = |length| Ipv6 { payload_length: Some(length), ..right.clone() }.frame(&datagram);
    let true_length = datagram.len() as u16;
    vec![
        ("ipv6_plain", right.frame(&datagram)),
        (
            "ipv6_dscp_and_hop_limit",
            Ipv6 { dscp: 46, hop_limit: 1, ..right.clone() }.frame(&datagram),
        ),
        ("ipv6_version_4", Ipv6 { version: 4, ..right.clone() }.frame(&datagram)),
        ("ipv6_payload_length_0", length(0)),
        ("ipv6_payload_length_beyond", length(true_length + 1)),
        (
            "ipv6_padded",
            Ipv6 { payload_length: Some(true_length), ..right.clone() }
                .frame(&[&datagram[..], &[0; 18]].concat()),
        ),
        ("ipv6_cut", cut(right.frame(&datagram), 14 + 39)),
    ]
}

fn ipv6_chains() -> Vec<Kind> {
    use Extension::{Authentication, Destination, HopByHop, Routing};
    const EIGHT: [Extension; 8] = [Destination(0); 8];
    const NINE: [Extension; 9] = [Destination(0); 9];
    let datagram = udp(5000, 7777, PAYLOAD);
    let chain = |chain: &[Extension]| Ipv6::with(chain, protocol::UDP).frame(&datagram);
    let short = |chain: &[Extension], bytes| Ipv6 {
        payload_length: Some(bytes),
        ..Ipv6::with(chain, protocol::UDP)
    };
    let fragment = Extension::Fragment { offset: 0, more: false, id: 1 };
    vec![
        ("ipv6_hop_by_hop", chain(&[HopByHop(0)])),
        ("ipv6_routing", chain(&[Routing(2)])),
        ("ipv6_destination", chain(&[Destination(1)])),
        ("ipv6_ah", chain(&[Authentication])),
        ("ipv6_longest_header", chain(&[Destination(30)])),
        (
            "ipv6_full_chain",
            chain(&[
                HopByHop(0),
                Destination(0),
                Routing(2),
                fragment,
                Authentication,
                Destination(0),
            ]),
        ),
        ("ipv6_eight_headers", chain(&EIGHT)),
        ("ipv6_nine_headers", chain(&NINE)),
        ("ipv6_header_beyond_payload", short(&[HopByHop(1)], 8).frame(&datagram)),
        ("ipv6_header_cut", cut(short(&[HopByHop(1)], 15).frame(&datagram), 14 + 40 + 15)),
        ("ipv6_no_next_header", Ipv6::of(protocol::NO_NEXT).frame(&[])),
        ("ipv6_nothing_behind_chain", Ipv6::with(&[HopByHop(0)], protocol::UDP).frame(&[])),
    ]
}

fn ipv6_fragments() -> Vec<Kind> {
    let piece = |protocol, id, offset, more, payload: &[u8]| {
        Ipv6::with(&[Extension::Fragment { offset, more, id }], protocol).frame(payload)
    };
    let whole = udp_saying(5000, 7777, 8 + 40, &[7; 16]);
    let segment = transport::tcp(40_000, 443, flags::SYN, &[]);
    let id = 0x0001_0010;
    vec![
        ("ipv6_fragment_atomic", piece(protocol::UDP, id, 0, false, &udp(5000, 7777, PAYLOAD))),
        ("ipv6_fragment_first", piece(protocol::UDP, id + 1, 0, true, &whole)),
        ("ipv6_fragment_middle", piece(protocol::UDP, id + 1, 24, true, &[7; 16])),
        ("ipv6_fragment_last", piece(protocol::UDP, id + 1, 40, false, &[7; 8])),
        ("ipv6_fragment_without_first", piece(protocol::UDP, id + 2, 24, false, PAYLOAD)),
        ("ipv6_fragment_tiny", piece(protocol::TCP, id + 3, 0, true, &segment[..2])),
        ("ipv6_fragment_tcp_8_bytes", piece(protocol::TCP, id + 4, 0, true, &segment[..8])),
        ("ipv6_fragment_cut", cut(piece(protocol::UDP, id + 5, 0, true, &[]), 14 + 40 + 7)),
    ]
}

fn tcp_flags() -> Vec<Kind> {
    let tcp = |flags| Ipv4::of(protocol::TCP).frame(&transport::tcp(40_000, 443, flags, &[]));
    let all = [
        ("tcp_fin", flags::FIN),
        ("tcp_syn", flags::SYN),
        ("tcp_rst", flags::RST),
        ("tcp_psh", flags::PSH),
        ("tcp_ack", flags::ACK),
        ("tcp_urg", flags::URG),
        ("tcp_ece", flags::ECE),
        ("tcp_cwr", flags::CWR),
        ("tcp_ae", flags::AE),
        ("tcp_no_flags", 0),
        ("tcp_syn_ack", flags::SYN | flags::ACK),
        ("tcp_xmas", flags::FIN | flags::PSH | flags::URG),
        ("tcp_maimon", flags::FIN | flags::ACK),
        ("tcp_all_flags", 0x1ff),
        ("tcp_all_flags_and_reserved", 0xfff),
    ];
    all.map(|(name, flags)| (name, tcp(flags))).into()
}

fn tcp_lengths() -> Vec<Kind> {
    let of = |tcp: Tcp, payload: &[u8]| Ipv4::of(protocol::TCP).frame(&tcp.segment(payload));
    let offset = |offset| Tcp { offset: Some(offset), ..Tcp::default() };
    let options = Tcp { options: vec![1; 40], ..Tcp::default() };
    let segment = Tcp::default().segment(&[]);
    let v6 = Ipv6::of(protocol::TCP);
    vec![
        ("tcp_payload", of(Tcp::default(), PAYLOAD)),
        ("tcp_options_40", of(options, PAYLOAD)),
        ("tcp_offset_0", of(offset(0), PAYLOAD)),
        ("tcp_offset_4", of(offset(4), PAYLOAD)),
        ("tcp_offset_beyond", of(offset(15), &[7; 39])),
        ("tcp_offset_to_the_end", of(offset(15), &[7; 40])),
        ("tcp_1_byte", Ipv4::of(protocol::TCP).frame(&segment[..1])),
        ("tcp_19_bytes", Ipv4::of(protocol::TCP).frame(&segment[..19])),
        ("tcp_ipv6", v6.frame(&segment)),
        ("tcp_ipv6_19_bytes", v6.frame(&segment[..19])),
    ]
}

fn udp_lengths() -> Vec<Kind> {
    let of = |number, length| Ipv4::of(number).frame(&udp_saying(5000, 7777, length, PAYLOAD));
    let true_length = PAYLOAD.len() as u16 + 8;
    let (udp, lite) = (protocol::UDP, protocol::UDP_LITE);
    vec![
        ("udp", of(udp, true_length)),
        ("udp_empty", Ipv4::of(udp).frame(&udp_saying(5000, 7777, 8, &[]))),
        ("udp_length_short_of_payload", of(udp, true_length - 1)),
        ("udp_length_0", of(udp, 0)),
        ("udp_length_7", of(udp, 7)),
        ("udp_length_beyond", of(udp, true_length + 1)),
        ("udp_7_bytes", Ipv4::of(udp).frame(&[0; 7])),
        ("udplite", of(lite, true_length)),
        ("udplite_coverage_0", of(lite, 0)),
        ("udplite_coverage_8", of(lite, 8)),
        ("udplite_coverage_7", of(lite, 7)),
        ("udplite_coverage_beyond", of(lite, true_length + 1)),
    ]
}

fn icmp() -> Vec<Kind> {
    let v4 = |message: &[u8]| Ipv4::of(protocol::ICMP).frame(message);
    let v6 = |message: &[u8]| Ipv6::of(protocol::ICMPV6).frame(message);
    let echo = transport::echo;
    let quoted = &plain4()[..28];
    let target = [0; 16];
    vec![
        ("icmp_echo_request", v4(&echo(8, 0x1234, PAYLOAD))),
        ("icmp_echo_reply", v4(&echo(0, 0x1234, PAYLOAD))),
        ("icmp_port_unreachable", v4(&transport::icmp(3, 3, [0; 4], quoted))),
        ("icmp_time_exceeded", v4(&transport::icmp(11, 0, [0; 4], quoted))),
        ("icmp_echo_4_bytes", v4(&echo(8, 0x1234, &[])[..4])),
        ("icmp_3_bytes", v4(&[8, 0, 0])),
        ("icmpv6_echo_request", v6(&echo(128, 0x1234, PAYLOAD))),
        ("icmpv6_echo_reply", v6(&echo(129, 0x1234, PAYLOAD))),
        ("icmpv6_neighbour_solicitation", v6(&transport::icmp(135, 0, [0; 4], &target))),
        ("icmpv6_packet_too_big", v6(&transport::icmp(2, 0, [0, 0, 5, 0], &plain6()))),
        ("icmpv6_3_bytes", v6(&[128, 0, 0])),
    ]
}

fn other_transports() -> Vec<Kind> {
    let v4 = |number, payload: &[u8]| Ipv4::of(number).frame(payload);
    let v6 = |number, payload: &[u8]| Ipv6::of(number).frame(payload);
    let (sctp, dccp) = (transport::sctp(3000, 2905), transport::dccp(3000, 5001));
    vec![
        ("sctp", v4(protocol::SCTP, &sctp)),
        ("sctp_ipv6", v6(protocol::SCTP, &sctp)),
        ("sctp_11_bytes", v4(protocol::SCTP, &sctp[..11])),
        ("dccp", v4(protocol::DCCP, &dccp)),
        ("dccp_11_bytes", v4(protocol::DCCP, &dccp[..11])),
        ("gre", v4(protocol::GRE, &transport::gre(ether_type::IPV4, &plain4()))),
        ("esp", v4(protocol::ESP, &transport::esp())),
        ("esp_ipv6", v6(protocol::ESP, &transport::esp())),
        ("igmp", v4(protocol::IGMP, &transport::igmp())),
        ("ipip", v4(protocol::IPV4, &plain4())),
        ("ipv6_in_ipv4", v4(protocol::IPV6, &plain6())),
        ("ipv6_in_ipv6", v6(protocol::IPV6, &plain6())),
        ("ospf", v4(protocol::OSPF, &transport::ospf())),
        ("protocol_unknown", v4(protocol::EXPERIMENT, PAYLOAD)),
        ("protocol_unknown_empty", v4(protocol::EXPERIMENT, &[])),
    ]
}
