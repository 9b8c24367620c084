//! Hand-made frames: each protocol right, with right lengths.

use wireledger_common::abi::link::Link;

const A: [u8; 6] = [2, 0, 0, 0, 0, 1];
const B: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// 10.0.0.1 and 10.0.0.2.
const HOSTS: [u8; 8] = [10, 0, 0, 1, 10, 0, 0, 2];

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub(super) fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&B, &A, &ether_type.to_be_bytes(), payload])
}

pub(super) fn ip4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ip4_piece(protocol, 0, &[], payload)
}

/// `flags_offset` as on the wire; options a multiple of four.
pub(super) fn ip4_piece(
    protocol: u8,
    flags_offset: u16,
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let header = 20 + options.len();
    let total = (header + payload.len()) as u16;
    let mut packet = vec![0x40 | (header / 4) as u8, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0, 1]);
    packet.extend(flags_offset.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(HOSTS);
    packet.extend(options);
    packet.extend(payload);
    packet
}

pub(super) fn ip6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next, 64]);
    for host in [1, 2] {
        packet.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
    }
    packet.extend(payload);
    packet
}

pub(super) fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let length = 8 + payload.len() as u16;
    let head = [source, destination, length, 0].map(u16::to_be_bytes).concat();
    join(&[&head, payload])
}

pub(super) fn tcp(flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut segment = [443_u16, 51000].map(u16::to_be_bytes).concat();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 2]);
    segment.extend([((20 + options.len()) * 4) as u8, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(options);
    segment.extend(payload);
    segment
}

pub(super) fn arp(operation: u8) -> Vec<u8> {
    join(&[&[0, 1, 8, 0, 6, 4, 0, operation], &A, &HOSTS[..4], &[0; 6], &HOSTS[4..]])
}

/// MSS, SACK permitted, timestamps, no operation, window scale.
pub(super) const SYN_OPTIONS: [u8; 20] =
    [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 7];

pub(super) fn syn() -> Vec<u8> {
    ip4(6, &tcp(2, &SYN_OPTIONS, &[]))
}

/// Frames of every protocol, none of them malformed.
pub(super) fn all() -> Vec<(Link, Vec<u8>)> {
    let mut frames: Vec<_> = [links(), networks(), transports(), icmps(), tunnels()]
        .concat()
        .into_iter()
        .map(|frame| (Link::Ethernet, frame))
        .collect();
    let cooked = join(&[&[0, 4, 0, 1, 0, 6], &A, &[0, 0, 8, 0], &syn()]);
    let cooked2 = join(&[&[8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6], &A, &[0, 0], &syn()]);
    frames.extend([
        (Link::Raw, syn()),
        (Link::Raw, ip6(59, &[])),
        (Link::Sll, cooked),
        (Link::Sll2, cooked2),
        (Link::Null, join(&[&[2, 0, 0, 0], &syn()])),
        (Link::Null, join(&[&[0, 0, 0, 30], &ip6(17, &udp(1, 2, b"x"))])),
    ]);
    frames
}

fn links() -> Vec<Vec<u8>> {
    let plain = ip4(17, &udp(5000, 7777, b"payload"));
    let tagged = join(&[&[0x00, 0x05, 0x81, 0x00, 0x60, 0x64, 0x08, 0x00], &plain]);
    let labels = join(&[&[0, 1, 0, 64, 0, 2, 1, 64], &plain]);
    let session_length = (plain.len() as u16 + 2).to_be_bytes();
    let session = join(&[&[0x11, 0, 0x12, 0x34], &session_length, &[0, 0x21], &plain]);
    let stp = join(&[&[0x42, 0x42, 3], &[0; 35]]);
    let snap = join(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &plain]);
    vec![
        ethernet(0x0800, &plain),
        ethernet(0x88a8, &tagged),
        ethernet(0x8847, &labels),
        ethernet(0x8864, &session),
        ethernet(0x8863, &[0x11, 9, 0, 0, 0, 8, 1, 1, 0, 0, 1, 3, 0, 0]),
        ethernet(stp.len() as u16, &stp),
        ethernet(snap.len() as u16, &snap),
        ethernet(0x0806, &arp(1)),
        ethernet(0x0806, &join(&[&arp(2), &[0; 18]])),
        ethernet(0x8035, &arp(3)),
        ethernet(0x88cc, &[2, 2, 7, b'a', 0, 0]),
        ethernet(0x888e, &[2, 1, 0, 0]),
        ethernet(0x88e5, &[0x2c; 20]),
        ethernet(0x88f7, &[0; 44]),
        ethernet(0x88b5, b"payload"),
    ]
}

fn networks() -> Vec<Vec<u8>> {
    let datagram = udp(5000, 7777, b"payload");
    let options = [148, 4, 0, 0, 7, 7, 4, 1, 2, 3, 4, 1, 68, 8, 5, 0, 0, 0, 0, 9, 131, 3, 4, 0];
    let chain = join(&[
        &[60, 0, 5, 2, 0, 0, 1, 0],
        &[43, 0, 1, 4, 0, 0, 0, 0],
        &[44, 2, 4, 0, 0, 0, 0, 0],
        &[0x20; 16],
        &[51, 0, 0, 1, 0, 0, 0, 9],
        &[17, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
        &[0xaa; 12],
        &datagram,
    ]);
    let jumbo = join(&[&[17, 0, 0xc2, 4, 0, 0, 0, 23], &datagram]);
    let mut jumbo = ip6(0, &jumbo);
    jumbo[4..6].fill(0);
    vec![
        ethernet(0x0800, &ip4_piece(17, 0x4000, &options, &datagram)),
        ethernet(0x0800, &ip4_piece(17, 0x2000, &[], &datagram)),
        ethernet(0x0800, &ip4_piece(17, 0x0003, &[], b"the rest")),
        ethernet(0x0800, &join(&[&ip4(17, &datagram), &[0; 11]])),
        ethernet(0x86dd, &ip6(0, &chain)),
        ethernet(0x86dd, &ip6(44, &join(&[&[17, 0, 0, 24, 0, 0, 0, 9], b"the rest"]))),
        ethernet(0x86dd, &ip6(135, &[59, 0, 0, 0, 0, 0, 0, 0])),
        ethernet(0x86dd, &jumbo),
        ethernet(0x0800, &ip4(50, &[7; 24])),
        ethernet(0x0800, &ip4(89, &[2, 1, 0, 8, 0, 0, 0, 0])),
        ethernet(0x0800, &ip4(112, &[0x31, 1, 100, 0, 0, 0, 0, 0])),
        ethernet(0x0800, &ip4(103, &[0x20, 0, 0, 0])),
        ethernet(0x0800, &ip4(88, &[2, 5, 0, 0])),
        ethernet(0x0800, &ip4(253, b"payload")),
    ]
}

fn transports() -> Vec<Vec<u8>> {
    let init = [&[1, 0, 0, 20][..], &[0; 16]].concat();
    let data = [&[0, 3, 0, 18, 0, 0, 0, 1, 0, 1, 0, 2, 0, 0, 0, 3][..], b"xx\0\0"].concat();
    let sctp = join(&[&[0x0b, 0x59, 0x0b, 0x5a, 0, 0, 0, 0, 0, 0, 0, 0], &init, &data]);
    let dccp = [0x0b, 0x59, 0x0b, 0x5a, 5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0];
    let rare = [
        5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 30, 4, 0x01, 0x81, 34, 6, 1, 2, 3, 4, 253, 4, 0xf9, 0x89,
        77, 3, 1, 0,
    ];
    vec![
        ethernet(0x0800, &syn()),
        ethernet(0x0800, &ip4(6, &tcp(0x18, &rare, b"payload"))),
        ethernet(0x86dd, &ip6(6, &tcp(0x12, &SYN_OPTIONS, &[]))),
        ethernet(0x86dd, &ip6(136, &udp(5000, 7777, b"payload"))),
        ethernet(0x0800, &ip4(132, &sctp)),
        ethernet(0x0800, &ip4(33, &dccp)),
    ]
}

fn icmps() -> Vec<Vec<u8>> {
    let quoted = ip4(17, &udp(5000, 7777, &[0; 32]));
    let quoted6 = ip6(17, &udp(5000, 7777, b"payload"));
    let link_address = join(&[&[1, 1], &A]);
    let prefix = join(&[&[3, 4, 64, 0xc0, 0, 0, 0, 9, 0, 0, 0, 8, 0, 0, 0, 0], &[0x20; 16]]);
    let advertisement = join(&[
        &[134, 0, 0, 0, 64, 0xc0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0],
        &link_address,
        &prefix,
        &[5, 1, 0, 0, 0, 0, 5, 220],
    ]);
    let records = join(&[&[143, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 1], &[0xff; 16], &[0x20; 16]]);
    vec![
        ethernet(0x0800, &ip4(1, &[8, 0, 0, 0, 0, 7, 0, 9, 1, 2, 3, 4])),
        ethernet(0x0800, &ip4(1, &join(&[&[3, 3, 0, 0, 0, 0, 0, 0], &quoted]))),
        ethernet(0x0800, &ip4(1, &[14; 20])),
        ethernet(0x86dd, &ip6(58, &join(&[&[1, 4, 0, 0, 0, 0, 0, 0], &quoted6]))),
        ethernet(
            0x86dd,
            &ip6(58, &join(&[&[135, 0, 0, 0, 0, 0, 0, 0], &[0x20; 16], &link_address])),
        ),
        ethernet(0x86dd, &ip6(58, &advertisement)),
        ethernet(0x86dd, &ip6(58, &records)),
        ethernet(0x0800, &ip4(2, &[0x16, 0, 0, 0, 224, 0, 0, 251])),
        ethernet(0x0800, &ip4(2, &[0x22, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 224, 0, 0, 251])),
    ]
}

fn tunnels() -> Vec<Vec<u8>> {
    let inner = ip4(17, &udp(5000, 7777, b"payload"));
    let frame = ethernet(0x0800, &inner);
    let gre = |head: &[u8], inner: &[u8]| ethernet(0x0800, &ip4(47, &join(&[head, inner])));
    let over_udp = |port, head: &[u8], inner: &[u8]| {
        ethernet(0x0800, &ip4(17, &udp(50_000, port, &join(&[head, inner]))))
    };
    let gtp_length = (inner.len() as u16 + 4).to_be_bytes();
    let gtp = join(&[&[0x32, 255], &gtp_length, &[0, 0, 0, 1, 0, 7, 0, 0]]);
    let pptp_length = (inner.len() as u16 + 4).to_be_bytes();
    let pptp =
        join(&[&[0x30, 0x01, 0x88, 0x0b], &pptp_length, &[0, 1, 0, 0, 0, 1, 0xff, 3, 0, 0x21]]);
    vec![
        gre(&[0xb0, 0, 8, 0, 1, 2, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1], &inner),
        gre(&[0, 0, 0x65, 0x58], &frame),
        gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0], &frame),
        gre(&pptp, &inner),
        over_udp(4789, &[8, 0, 0, 0, 0, 0, 5, 0], &frame),
        over_udp(6081, &[1, 0, 0x65, 0x58, 0, 0, 5, 0, 1, 2, 3, 0], &frame),
        over_udp(2152, &gtp, &inner),
        ethernet(0x0800, &ip4(4, &inner)),
        ethernet(0x0800, &ip4(41, &ip6(17, &udp(1, 2, b"x")))),
        ethernet(0x86dd, &ip6(4, &inner)),
    ]
}
