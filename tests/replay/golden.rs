//! What `wireledger read` prints of captures that this project made itself, byte for byte.
//!
//! `tests/golden/kinds.pcapng` holds every crafted kind of frame, `links.pcapng` a packet of every link type; `*.tsv` name
//! them by packet number. With WIRELEDGER_BLESS=1 the files are written anew: review what changed as you would code.

use std::{env, fs, path::PathBuf, process::Command};

use wireledger::capfile::{Interface, Record, Writer};
use wireledger_tests::{
    packets::{
        every_kind,
        ip::{Ipv4, Ipv6},
        link::{self, ether_type, ethernet},
        protocol,
        transport::{echo, tcp, udp},
    },
    process::binary,
};

/// How each golden file is made: its ending, and the options.
const FACES: [(&str, &[&str]); 10] = [
    ("lines.txt", &["--packets", "-n"]),
    ("verbose.txt", &["--packets", "-n", "-e", "-vv", "-tttt", "--number"]),
    ("hex.txt", &["--packets", "-n", "-q", "-XX", "-c", "40"]),
    ("tree.txt", &["-V"]),
    ("packets.json", &["--packets", "--json"]),
    ("flows.tsv", &["--flows"]),
    ("flows.json", &["--flows", "--json"]),
    ("decap.tsv", &["--flows", "--decap"]),
    ("conversations.tsv", &["--conversations", "--decap"]),
    ("summary.txt", &["--summary"]),
];

/// 2026-01-01 00:00:00 UTC, nanoseconds since 1970.
const START: u64 = 1_767_225_600_000_000_000;
const ETHERNET: u32 = 1;

type Named = (String, u32, Vec<u8>);

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn kinds() -> Vec<Named> {
    every_kind().into_iter().map(|(name, frame)| (name.to_owned(), ETHERNET, frame)).collect()
}

/// A packet of every link type, whole and cut inside its link header.
fn links() -> Vec<Named> {
    let v4 = Ipv4::of(protocol::TCP).packet(&tcp(40_000, 443, 0x02, &[]));
    let v6 = Ipv6::of(protocol::ICMPV6).packet(&echo(128, 7, b"ping"));
    let sll = |packet_type: u8, ether_type: u16, payload: &[u8]| {
        let head = [0, packet_type, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0];
        [&head[..], &ether_type.to_be_bytes(), payload].concat()
    };
    let sll2 = |packet_type: u8, ether_type: u16, payload: &[u8]| {
        let head = [0, 0, 0, 0, 0, 3, 0, 1, packet_type, 6, 2, 0, 0, 0, 0, 9, 0, 0];
        [&ether_type.to_be_bytes(), &head[..], payload].concat()
    };
    let null = |family: [u8; 4], payload: &[u8]| [&family[..], payload].concat();
    let udp4 = Ipv4::of(protocol::UDP).packet(&udp(68, 67, b"hello"));
    let list: [(&str, u32, Vec<u8>); 19] = [
        ("ethernet", ETHERNET, ethernet(ether_type::IPV4, &v4)),
        ("raw_ipv4", 101, v4.clone()),
        ("raw_ipv6", 101, v6.clone()),
        ("raw_neither", 101, vec![0x30; 40]),
        ("raw_empty", 101, Vec::new()),
        ("linktype_ipv4", 228, v4.clone()),
        ("linktype_ipv6", 229, v6.clone()),
        ("sll_in", 113, sll(0, ether_type::IPV4, &v4)),
        ("sll_out", 113, sll(4, ether_type::IPV6, &v6)),
        ("sll_arp", 113, sll(1, ether_type::ARP, &link::arp(1))),
        ("sll_llc", 113, sll(2, 4, &[0x42, 0x42, 3, 0, 0])),
        ("sll_cut", 113, sll(0, ether_type::IPV4, &[])[..15].to_vec()),
        ("sll2_in", 276, sll2(0, ether_type::IPV4, &udp4)),
        ("sll2_out", 276, sll2(4, ether_type::IPV6, &v6)),
        ("sll2_cut", 276, sll2(0, ether_type::IPV4, &[])[..19].to_vec()),
        ("null_little", 0, null([2, 0, 0, 0], &v4)),
        ("null_big_ipv6", 0, null([0, 0, 0, 30], &v6)),
        ("loop_ipv6", 108, null([0, 0, 0, 24], &v6)),
        ("null_unknown", 0, null([7, 0, 0, 0], &v4)),
    ];
    list.into_iter().map(|(name, linktype, frame)| (name.to_owned(), linktype, frame)).collect()
}

/// The capture, a packet a millisecond, with an interface for each link type.
fn capture(packets: &[Named]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), "wireledger tests").expect("begun");
    let mut linktypes: Vec<u32> = Vec::new();
    for (n, (_, linktype, frame)) in packets.iter().enumerate() {
        let index = linktypes.iter().position(|known| known == linktype).unwrap_or_else(|| {
            linktypes.push(*linktype);
            linktypes.len() - 1
        });
        let mut interface = Interface::of_linktype(*linktype);
        interface.name = Some(format!("link{linktype}"));
        let record = Record {
            time: START + n as u64 * 1_000_000,
            interface: index as u32,
            length: frame.len() as u32,
            bytes: frame,
            ..Record::default()
        };
        writer.packet(&interface, index as u32, &record).expect("written");
    }
    writer.finish().expect("closed")
}

fn blessing() -> bool {
    env::var_os("WIRELEDGER_BLESS").is_some()
}

/// Compares with the golden file, or writes it.
fn golden(name: &str, bytes: &[u8]) {
    let path = folder().join(name);
    if blessing() {
        fs::write(&path, bytes).expect("written");
        return;
    }
    let expected = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if expected == bytes {
        return;
    }
    let (expected, found) = (String::from_utf8_lossy(&expected), String::from_utf8_lossy(bytes));
    let differs = expected.lines().zip(found.lines()).enumerate().find(|(_, (a, b))| a != b);
    let (line, (was, is)) = differs.unwrap_or((0, ("", "the number of lines differs")));
    panic!("{name}, line {}:\n-{was}\n+{is}\nWIRELEDGER_BLESS=1 writes it anew", line + 1);
}

fn every_face_of(name: &str, packets: &[Named]) {
    let file = format!("{name}.pcapng");
    golden(&file, &capture(packets));
    let names: String =
        packets.iter().enumerate().map(|(n, (name, ..))| format!("{}\t{name}\n", n + 1)).collect();
    golden(&format!("{name}.tsv"), names.as_bytes());
    for (face, options) in FACES {
        let output = Command::new(binary().expect("built"))
            .current_dir(folder())
            .args(["read", &file])
            .args(options)
            .output()
            .expect("starts");
        assert!(output.status.success(), "{face}: {}", String::from_utf8_lossy(&output.stderr));
        golden(&format!("{name}.{face}"), &output.stdout);
    }
}

#[test]
fn every_kind_of_frame_is_printed_as_it_was_reviewed() {
    every_face_of("kinds", &kinds());
}

#[test]
fn every_link_type_is_printed_as_it_was_reviewed() {
    every_face_of("links", &links());
}
