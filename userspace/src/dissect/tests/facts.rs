//! What single packets must look like.

use serde_json::json as value;

use super::{
    fields,
    frames::{arp, ethernet, ip4, ip4_piece, ip6, syn, tcp, udp},
    json, line, packet, plain, tree,
};
use crate::dissect::{Hex, IPS_MAX, LineStyle, Lines, Link, Packet, Protocol, TimeStyle, dissect};

fn ipv4(packet: &[u8]) -> Vec<u8> {
    ethernet(0x0800, packet)
}

#[test]
fn a_syn_reads_like_tcpdumps() {
    let line = line(&packet(Link::Ethernet, &ipv4(&syn())), LineStyle::default());
    assert_eq!(
        line,
        "22:13:20.000000 IP 10.0.0.1.443 > 10.0.0.2.51000: Flags [S], seq 1, win 65535, \
         options [mss 1460,sackOK,TS val 7 ecr 0,nop,wscale 7], length 0\n"
    );
}

#[test]
fn a_verbose_line_has_the_ip_header_first() {
    let style = LineStyle { verbosity: 1, time: TimeStyle::None, ..LineStyle::default() };
    let shown = line(&packet(Link::Ethernet, &ipv4(&ip4(17, &udp(1, 2, b"x")))), style);
    assert_eq!(
        shown,
        "IP (tos 0x0, ttl 64, id 1, offset 0, flags [none], proto UDP (17), length 29, \
         bad cksum 0 (->66cd)!)\n    10.0.0.1.1 > 10.0.0.2.2: UDP, length 1\n"
    );
}

#[test]
fn a_later_fragment_shows_no_ports() {
    let frame = ipv4(&ip4_piece(17, 3, &[], &udp(5000, 7777, b"x")));
    assert_eq!(plain(&frame), "IP 10.0.0.1 > 10.0.0.2: ip-proto-17");
    let layers = dissect(&packet(Link::Ethernet, &frame)).layers;
    assert!(layers.iter().all(|layer| layer.protocol != Protocol::Udp));
}

#[test]
fn a_first_fragment_shows_ports_and_no_fault() {
    let whole = udp(5000, 7777, &[0; 64]);
    let frame = ipv4(&ip4_piece(17, 0x2000, &[], &whole[..16]));
    assert_eq!(plain(&frame), "IP 10.0.0.1.5000 > 10.0.0.2.7777: UDP, length 64");
    assert!(dissect(&packet(Link::Ethernet, &frame)).layers.iter().all(|l| l.note.is_none()));
}

#[test]
fn ports_are_never_read_from_padding() {
    let frame = ipv4(&[&ip4(17, &[])[..], &[0x13, 0x88, 0x1e, 0x61, 0, 8, 0, 0]].concat());
    assert_eq!(plain(&frame), "IP 10.0.0.1 > 10.0.0.2:  [|udp]");
    let shown = json(&packet(Link::Ethernet, &frame));
    assert_eq!(fields(&shown, "udp"), value!({}));
    assert_eq!(shown["layers"][3]["protocol"], "padding");
    assert_eq!(shown["layers"][3]["length"], 8);
}

#[test]
fn a_total_length_below_the_header_is_named_and_nothing_is_read_behind() {
    let mut packet4 = syn();
    packet4[2..4].copy_from_slice(&12_u16.to_be_bytes());
    let frame = ipv4(&packet4);
    assert_eq!(plain(&frame), "IP bad-len 12");
    let shown = json(&packet(Link::Ethernet, &frame));
    assert_eq!(shown["layers"][1]["malformed"], "total length 12 < header length 20");
    assert_eq!(fields(&shown, "ipv4")["total_length"], 12);
    assert_eq!(shown["layers"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_total_length_of_0_is_the_frames() {
    let mut packet4 = ip4(17, &udp(1, 2, b"payload"));
    packet4[2..4].fill(0);
    assert_eq!(plain(&ipv4(&packet4)), "IP 10.0.0.1.1 > 10.0.0.2.2: UDP, length 7");
}

#[test]
fn a_data_offset_beyond_the_segment_leaves_the_raw_fields() {
    let mut segment = tcp(0x10, &[], b"abc");
    segment[12] = 0xf0;
    let frame = ipv4(&ip4(6, &segment));
    let shown = json(&packet(Link::Ethernet, &frame));
    assert_eq!(shown["layers"][2]["malformed"], "header length 60 > available 23");
    let tcp = fields(&shown, "tcp");
    assert_eq!((&tcp["source_port"], &tcp["header_length"]), (&value!(443), &value!(60)));
    assert!(plain(&frame).ends_with("[bad hdr length 60 - too long, > 23]"));
}

#[test]
fn snapped_headers_are_marked_and_what_is_there_is_shown() {
    let frame = ipv4(&syn());
    let cut =
        Packet { length: frame.len() as u32, ..packet(Link::Ethernet, &frame[..14 + 20 + 6]) };
    assert!(line(&cut, LineStyle::default()).ends_with("443 > 10.0.0.2.51000:  [|tcp]\n"));
    let shown = json(&cut);
    assert_eq!(shown["layers"][2]["truncated"], true);
    let port = value!({"source_port": 443, "source_port_name": "https", "destination_port": 51000});
    assert_eq!(fields(&shown, "tcp"), port);
    assert!(tree(&cut).contains("Transmission Control Protocol  [34..54] truncated"));
}

#[test]
fn raw_values_are_numbers_with_names_beside() {
    let shown = json(&packet(Link::Ethernet, &ipv4(&syn())));
    let (ip, tcp) = (fields(&shown, "ipv4"), fields(&shown, "tcp"));
    assert_eq!(shown["time"], "2023-11-14T22:13:20.000000001Z");
    assert_eq!(shown["time_ns"], 1_700_000_000_000_000_001_u64);
    assert_eq!((&ip["protocol"], &ip["protocol_name"]), (&value!(6), &value!("TCP")));
    assert_eq!(ip["flags"], value!({"value": 0, "reserved": false, "df": false, "mf": false}));
    assert_eq!((&tcp["flags"]["value"], &tcp["flags"]["syn"]), (&value!(2), &value!(true)));
    assert_eq!(tcp["options"][0], value!({"name": "mss", "kind": 2, "length": 4, "mss": 1460}));
}

#[test]
fn the_tree_shows_bytes_and_bits() {
    let tree = tree(&packet(Link::Ethernet, &ipv4(&ip4_piece(17, 0x4000, &[], &udp(1, 2, b"")))));
    assert!(tree.starts_with(
        "Frame 1: 42 bytes on wire, 42 captured, 2023-11-14 22:13:20.000000001 UTC, eth0\n\
         Ethernet  [0..14]\n    Destination: 02:00:00:00:00:02  [0..6]\n"
    ));
    assert!(tree.contains("    Flags: 0x2 (Don't fragment)  [20] 010. ....\n"));
    assert!(tree.contains("        Don't fragment: yes  [20] .1.. ....\n"));
}

#[test]
fn names_from_files_are_escaped_everywhere() {
    let frame = ipv4(&syn());
    let interface = Some("\x1b]0;owned\x07\u{202e}");
    let hostile = Packet { interface, ..packet(Link::Ethernet, &frame) };
    assert!(tree(&hostile).contains(r"UTC, \x1b]0;owned\x07\u{202e}"));
    assert_eq!(json(&hostile)["interface"], r"\x1b]0;owned\x07\u{202e}");
}

#[test]
fn an_icmp_error_quotes_further_layers() {
    let quoted = ip4(17, &udp(5000, 7777, &[0; 100]));
    let frame = ipv4(&ip4(1, &[&[3, 3, 0, 0, 0, 0, 0, 0], &quoted[..28]].concat()));
    let said = "IP 10.0.0.1 > 10.0.0.2: ICMP 10.0.0.2 udp port 7777 unreachable, length 36";
    assert_eq!(plain(&frame), said);
    let shown = json(&packet(Link::Ethernet, &frame));
    let keys: Vec<_> = (1..5).map(|at| shown["layers"][at]["protocol"].clone()).collect();
    assert_eq!(keys, ["ipv4", "icmp", "ipv4", "udp"]);
    assert_eq!(shown["layers"][3]["quoted"], true);
    assert_eq!(shown["layers"][3]["malformed"], value!(null));
}

#[test]
fn inner_packets_follow_and_their_depth_is_bounded() {
    let mut nested = ip4(17, &udp(1, 2, b""));
    for _ in 0..20 {
        nested = ip4(4, &nested);
    }
    let frame = ipv4(&nested);
    let layers = dissect(&packet(Link::Ethernet, &frame)).layers;
    let ips = layers.iter().filter(|layer| layer.protocol == Protocol::Ipv4).count();
    assert_eq!(ips, IPS_MAX);
    assert_eq!(layers.last().map(|layer| layer.protocol), Some(Protocol::Payload));
    assert!(layers.last().is_some_and(|layer| layer.fault().is_some()));
}

#[test]
fn arp_is_a_question_and_an_answer() {
    assert_eq!(
        plain(&ethernet(0x0806, &arp(1))),
        "ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28"
    );
    assert_eq!(
        plain(&ethernet(0x0806, &[&arp(2)[..], &[0; 18]].concat())),
        "ARP, Reply 10.0.0.1 is-at 02:00:00:00:00:01, length 46"
    );
}

#[test]
fn the_link_header_has_every_tag() {
    let inner = ip4(17, &udp(1, 2, b""));
    let tags = [&[0x00, 0x05, 0x81, 0x00, 0x70, 0x64, 0x08, 0x00][..], &inner].concat();
    let frame = ethernet(0x88a8, &tags);
    let style = LineStyle {
        link_header: true,
        time: TimeStyle::None,
        quiet: false,
        ..LineStyle::default()
    };
    assert_eq!(
        line(&packet(Link::Ethernet, &frame), style),
        "02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype 802.1Q-QinQ (0x88a8), length 50: \
         vlan 5, p 0, ethertype 802.1Q (0x8100), vlan 100, p 3, DEI, ethertype IPv4 (0x0800), \
         10.0.0.1.1 > 10.0.0.2.2: UDP, length 0\n"
    );
}

#[test]
fn ipv6_extension_headers_stand_before_the_ports() {
    let frame =
        ethernet(0x86dd, &ip6(0, &[&[17, 0, 5, 2, 0, 0, 1, 0], &udp(1, 2, b"x")[..]].concat()));
    assert_eq!(plain(&frame), "IP6 2001:db8::1 > 2001:db8::2: HBH 1 > 2: UDP, length 1");
}

#[test]
fn without_n_ports_have_names() {
    let frame = ipv4(&syn());
    let style = LineStyle { time: TimeStyle::None, quiet: true, ..LineStyle::default() };
    let mut out = Vec::new();
    Lines::new(style).write(&mut out, &packet(Link::Ethernet, &frame)).unwrap();
    assert_eq!(out, b"IP 10.0.0.1.https > 10.0.0.2.51000: tcp 0\n");
}

#[test]
fn spans_count_from_the_line_before_or_the_first() {
    let frame = ethernet(0x0806, &arp(1));
    let shown = |time| {
        let mut lines = Lines::new(LineStyle { time, ..LineStyle::default() });
        let mut out = Vec::new();
        for at in [5, 7, 8] {
            let packet = Packet { time: at * 1_000_000_000, ..packet(Link::Ethernet, &frame) };
            lines.write(&mut out, &packet).unwrap();
        }
        let out = String::from_utf8(out).unwrap();
        out.lines().map(|line| line[..9].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(shown(TimeStyle::Delta), [" 00:00:00", " 00:00:02", " 00:00:01"]);
    assert_eq!(shown(TimeStyle::FromFirst), [" 00:00:00", " 00:00:02", " 00:00:03"]);
}

#[test]
fn hex_begins_behind_the_link_header_unless_asked() {
    let frame = ethernet(0x0806, &arp(1));
    let shown = |link| {
        let hex = Some(Hex { link, ascii: false });
        line(&packet(Link::Ethernet, &frame), LineStyle { hex, ..LineStyle::default() })
    };
    assert!(shown(false).contains("\n\t0x0000:  0001 0800 0604"));
    assert!(shown(true).contains("\n\t0x0000:  0200 0000 0002"));
}
