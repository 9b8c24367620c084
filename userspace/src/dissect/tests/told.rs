//! What the faces must tell of headers that are wrong, cut, or say less than their length suggests.

use serde_json::json as value;

use super::{
    fields,
    frames::{ethernet, ip4, ip4_piece, ip6, syn, tcp, udp},
    json, line, packet, plain, tree,
};
use crate::dissect::{LineStyle, Link, TimeStyle};

fn ipv4(packet: &[u8]) -> Vec<u8> {
    ethernet(0x0800, packet)
}

fn shown(frame: &[u8]) -> serde_json::Value {
    json(&packet(Link::Ethernet, frame))
}

fn verbose(link: Link, bytes: &[u8]) -> String {
    let style = LineStyle {
        link_header: true,
        verbosity: 2,
        time: TimeStyle::None,
        ..LineStyle::default()
    };
    line(&packet(link, bytes), style).trim_end().to_owned()
}

#[test]
fn what_a_checksum_says_stands_behind_it() {
    let tree = tree(&packet(Link::Ethernet, &ipv4(&ip4(6, &tcp(0x10, &[], b"")))));
    let mut lines = tree.lines().skip_while(|line| !line.starts_with("Transmission"));
    assert!(lines.any(|line| line.starts_with("    Checksum: 0x0000")));
    assert_eq!(lines.next(), Some("    Checksum status: bad"));
    assert!(lines.next().is_some_and(|line| line.starts_with("    Checksum should be: ")));
    assert!(lines.next().is_some_and(|line| line.starts_with("    Urgent pointer")));
}

#[test]
fn the_checksum_of_half_a_header_is_not_judged() {
    let options = ip4_piece(17, 0, &[1; 40], &[]);
    let cut = ipv4(&options[..59]);
    assert_eq!(fields(&shown(&cut), "ipv4")["checksum_status"], "unverified");
    assert!(!verbose(Link::Ethernet, &cut).contains("bad cksum"));
    let mut short = syn();
    short[0] = 0x44;
    assert_eq!(fields(&shown(&ipv4(&short)), "ipv4")["checksum_status"], "unverified");
    let echo = ethernet(0x86dd, &ip6(58, &[128, 0, 0]));
    assert!(!verbose(Link::Ethernet, &echo).contains("cksum"));
    let segment = ipv4(&ip4(6, &tcp(0x10, &[], b"")[..19]));
    assert_eq!(fields(&shown(&segment), "tcp")["checksum_status"], "unverified");
}

#[test]
fn a_udp_checksum_that_nobody_computed_is_absent_wherever_it_stands() {
    let whole = udp(5000, 7777, &[0; 64]);
    let first = ipv4(&ip4_piece(17, 0x2000, &[], &whole[..16]));
    assert_eq!(fields(&shown(&first), "udp")["checksum_status"], "absent");
    assert!(!verbose(Link::Ethernet, &first).contains("cksum] UDP"));
    let quoted = ip4(17, &whole);
    let error = ipv4(&ip4(1, &[&[3, 3, 0, 0, 0, 0, 0, 0], &quoted[..28]].concat()));
    assert_eq!(fields(&shown(&error), "udp")["checksum_status"], "absent");
    assert!(verbose(Link::Ethernet, &error).ends_with("[no cksum] UDP, length 64"));
    let six = ethernet(0x86dd, &ip6(17, &udp(1, 2, b"x")));
    assert_eq!(fields(&shown(&six), "udp")["checksum_status"], "bad");
}

#[test]
fn icmp_has_the_fields_and_names_of_its_code() {
    let quoted = ip4(17, &udp(5000, 7777, b"x"));
    let error = |code| {
        let frame = ipv4(&ip4(1, &[&[3, code, 0, 0, 0, 0, 5, 220], &quoted[..]].concat()));
        fields(&shown(&frame), "icmp")
    };
    let (port, large) = (error(3), error(4));
    assert_eq!((&port["code_name"], &port["mtu"]), (&value!("port unreachable"), &value!(null)));
    assert_eq!((&large["code"], &large["mtu"]), (&value!(4), &value!(1500)));
    let echo = fields(&shown(&ipv4(&ip4(1, &[8, 3, 0, 0, 0, 0, 0, 0]))), "icmp");
    assert_eq!(echo["code_name"], value!(null));
    let exceeded = [&[3, 1, 0, 0, 0, 0, 0, 0], &ip6(17, &udp(1, 2, b"x"))[..]].concat();
    let exceeded = fields(&shown(&ethernet(0x86dd, &ip6(58, &exceeded))), "icmpv6");
    assert_eq!(exceeded["code_name"], "reassembly time exceeded");
}

#[test]
fn a_dccp_request_has_its_service_and_a_reset_its_reason() {
    let generic = |kind: u8| [0x0b, 0x59, 0x0b, 0x5a, 7, 0, 0, 0, kind, 0, 0, 0, 0, 0, 0, 9];
    let request = [&generic(0x01)[..], &[0, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    let request = fields(&shown(&ipv4(&ip4(33, &request))), "dccp");
    assert_eq!((&request["service"], &request["acknowledgment"]), (&value!(42), &value!(null)));
    let reset = [&generic(0x0f)[..], &[0, 0, 0, 0, 0, 0, 0, 5, 11, 0, 0, 0]].concat();
    let reset = fields(&shown(&ipv4(&ip4(33, &reset))), "dccp");
    assert_eq!((&reset["acknowledgment"], &reset["reset_code"]), (&value!(5), &value!(11)));
}

#[test]
fn extension_headers_of_gtp_are_shown_and_one_without_length_is_no_way_inside() {
    let gtp = |extensions: &[u8]| {
        let inner = ip4(17, &udp(1, 2, b"x"));
        let length = (4 + extensions.len() + inner.len()) as u16;
        let length = length.to_be_bytes();
        let head = [0x34, 255, length[0], length[1], 0, 0, 0, 1, 0, 0, 0, 0x85];
        ipv4(&ip4(17, &udp(50_000, 2152, &[&head[..], extensions, &inner].concat())))
    };
    let two = shown(&gtp(&[1, 0x11, 0x22, 0x40, 1, 0x08, 0x68, 0]));
    let extensions = fields(&two, "gtp")["extensions"].clone();
    assert_eq!(
        extensions[1],
        value!({
            "type": 0x40, "type_name": "UDP port", "length": 4, "content": "0868",
            "next_extension": 0, "next_extension_name": "none",
        })
    );
    assert_eq!(
        (&extensions[0]["type"], &two["layers"][4]["protocol"]),
        (&value!(0x85), &value!("ipv4"))
    );
    let empty = shown(&gtp(&[0, 0x11, 0x22, 0]));
    assert_eq!(empty["layers"][3]["malformed"], "extension length 0");
    assert_eq!(empty["layers"][4]["protocol"], "payload");
}

#[test]
fn a_pptp_payload_beyond_the_packet_is_malformed() {
    let gre = [&[0x30, 0x01, 0x88, 0x0b, 0x40, 0, 0, 1, 0, 0, 0, 1][..], &[0, 0x21]].concat();
    let shown = shown(&ipv4(&ip4(47, &gre)));
    assert_eq!(shown["layers"][2]["malformed"], "payload length 16384 > available 2");
}

#[test]
fn a_wrong_type_of_pppoe_is_not_called_its_version() {
    let wrong = |first| shown(&ethernet(0x8864, &[first, 0, 0, 1, 0, 2, 0, 0x21]));
    assert_eq!(wrong(0x12)["layers"][1]["malformed"], "type 2");
    assert_eq!(wrong(0x21)["layers"][1]["malformed"], "version 2");
}

#[test]
fn the_loopback_family_is_read_in_the_byte_order_that_it_has() {
    for (bytes, number, name) in
        [([2, 0, 0, 0], 2, "IPv4"), ([0, 0, 0, 30], 30, "IPv6"), ([7, 0, 0, 0], 7, "ISO")]
    {
        let shown = json(&packet(Link::Null, &bytes));
        assert_eq!(fields(&shown, "null"), value!({"family": number, "family_name": name}));
        let line = verbose(Link::Null, &bytes);
        assert!(line.starts_with(&format!("AF {name} ({number}), length 4")), "{line}");
    }
}

#[test]
fn nothing_is_said_of_a_cooked_header_that_is_cut() {
    let sll = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, 8];
    assert_eq!(verbose(Link::Sll, &sll), " [|sll]");
    assert_eq!(verbose(Link::Sll2, &[0; 19]), " [|sll2]");
    assert_eq!(verbose(Link::Raw, &[]), "ip:  [|packet]");
}

#[test]
fn snap_says_whose_number_follows() {
    let snap = |organization: u8| {
        let head = [0xaa, 0xaa, 3, 0, 0, organization, 8, 0];
        let payload = [&head[..], &ip4(17, &udp(1, 2, b"x"))].concat();
        ethernet(payload.len() as u16, &payload)
    };
    let told = verbose(Link::Ethernet, &snap(0));
    let head =
        "802.3, length 37: LLC, dsap SNAP (0xaa) Individual, ssap SNAP (0xaa) Command, ctrl 0x03: ";
    assert!(
        told.contains(&format!(
            "{head}oui Ethernet (0x000000), ethertype IPv4 (0x0800), length 29: "
        ))
    );
    let told = verbose(Link::Ethernet, &snap(0x0c));
    assert!(
        told.ends_with(&format!("{head}oui Cisco (0x00000c), pid Unknown (0x0800), length 29"))
    );
    let own = fields(&shown(&snap(0x0c)), "snap");
    assert_eq!(own, value!({"oui": 12, "oui_name": "Cisco", "protocol_id": 0x0800}));
}

#[test]
fn bad_options_are_named_alike_and_close_their_list() {
    let frame = ipv4(&ip4(6, &tcp(0x10, &[2, 9, 0, 0], b"")));
    assert!(plain(&frame).ends_with("options [[bad opt]]"));
    let option = fields(&shown(&frame), "tcp")["options"][0].clone();
    assert_eq!(option["malformed"], "option length 9 > available 4");
    let padding = ethernet(0x86dd, &ip6(0, &[17, 0, 1, 12, 0, 0, 0, 0]));
    let option = fields(&shown(&padding), "hop_by_hop")["options"][0].clone();
    assert_eq!(option["length"], 12);
    assert_eq!(option["malformed"], "option with its head 14 > available 6");
}

#[test]
fn what_follows_has_a_name_where_it_is_read() {
    let next = |number| {
        fields(&shown(&ethernet(0x86dd, &ip6(number, &[59, 0, 1, 4, 0, 0, 0, 0]))), "ipv6")
    };
    assert_eq!(next(60)["next_header_name"], "Destination options");
    assert_eq!(next(0)["next_header_name"], "Hop-by-hop options");
    assert_eq!(next(136)["next_header_name"], "UDP-Lite");
    assert_eq!(next(253)["next_header_name"], value!(null));
}

#[test]
fn reserved_bytes_are_fields_too() {
    let pieces = [59, 7, 0, 6, 0, 0, 0, 1];
    let fragment = fields(&shown(&ethernet(0x86dd, &ip6(44, &pieces))), "fragment");
    assert_eq!((&fragment["reserved"], &fragment["reserved_bits"]), (&value!(7), &value!(3)));
    let ah = [59, 1, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2];
    let ah = fields(&shown(&ipv4(&ip4(51, &ah))), "ah");
    assert_eq!((&ah["reserved"], &ah["spi"]), (&value!(5), &value!(1)));
}

#[test]
fn the_length_of_a_cut_authentication_header_is_its_own() {
    let ah = [&[17, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1][..], &[0xaa; 11]].concat();
    let told = verbose(Link::Ethernet, &ipv4(&ip4(51, &ah)));
    assert!(told.contains("AH(length=4(24-bytes),spi=0x00000100,seq=0x1,icv=0x"), "{told}");
}

#[test]
fn a_packet_that_goes_on_in_other_fragments_is_not_malformed() {
    let mut inner = ip4(17, &udp(5000, 7777, &[0; 72]));
    inner.truncate(52);
    let first = ipv4(&ip4_piece(4, 0x2000, &[], &inner));
    let told = shown(&first);
    assert_eq!(
        (&told["layers"][2]["continued"], &told["layers"][2]["malformed"]),
        (&value!(true), &value!(null))
    );
    assert!(
        tree(&packet(Link::Ethernet, &first)).contains("[34..54] continued in other fragments")
    );
    assert!(plain(&first).contains("truncated-ip - 48 bytes missing! "));
    let whole = shown(&ipv4(&ip4(4, &inner)));
    assert_eq!(whole["layers"][2]["malformed"], "total length 100 > available 52");
}
