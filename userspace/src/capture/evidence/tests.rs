//! Evidence written into a folder and read back.

mod bounds;
mod growth;

use std::{fs, os::unix::fs::PermissionsExt as _};

use wireledger_common::abi::{link::Link, sample::Sample};

use super::*;
use crate::{capfile::Reader, capture::Recorder};

type Evidence = super::Evidence<u32>;
type Case = super::Case<u32>;

const ETH0: u32 = 2;
const TUN0: u32 = 3;
/// 2026-11-21 17:14:48 UTC, nanoseconds since 1970, is nanosecond 0.
const EPOCH: i128 = 1_795_281_288_000_000_000;
const SCANNER: &str = "10.66.0.1";
const HOST: &str = "10.66.0.2";
const OTHER: &str = "10.66.0.9";

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Ports and a UDP header's length without data.
const DATAGRAM: [u8; 8] = [0x30, 0x39, 0, 53, 0, 8, 0, 0];

fn packet(from: &str, to: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u8;
    let mut packet = match (ip(from), ip(to)) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let head = [0x45, 0, 0, 20 + length, 0, 1, 0, 0, 64, protocol, 0, 0];
            [&head[..], &from.octets(), &to.octets()].concat()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let head = [0x60, 0, 0, 0, 0, length, protocol, 64];
            [&head[..], &from.octets(), &to.octets()].concat()
        }
        mixed => panic!("{mixed:?}"),
    };
    packet.extend(payload);
    packet
}

fn ethernet(tags: &[u8], packet: &[u8]) -> Vec<u8> {
    let kind: u16 = if packet[0] >> 4 == 4 { 0x0800 } else { 0x86dd };
    [&[2; 12][..], tags, &kind.to_be_bytes(), packet].concat()
}

fn udp(from: &str, to: &str) -> Vec<u8> {
    ethernet(&[], &packet(from, to, 17, &DATAGRAM))
}

/// What a recorder holds of these frames, one a nanosecond.
fn recorded(frames: &[Vec<u8>]) -> Recorder {
    let mut recorder = Recorder::new(1 << 20);
    for (time, frame) in (0..).zip(frames) {
        push(&mut recorder, time, ETH0, frame);
    }
    recorder
}

fn labels() -> Labels {
    let interfaces =
        [(ETH0, ("eth0".to_owned(), Link::Ethernet)), (TUN0, ("tun0".to_owned(), Link::Raw))];
    Labels { interfaces: interfaces.into(), snap: 128 }
}

fn push(recorder: &mut Recorder, time: u64, interface: u32, frame: &[u8]) {
    let length = frame.len() as u32;
    recorder.push(&Sample { time, interface, length, every: 1, ..Sample::default() }, frame);
}

fn case(id: u32, sources: &[&str], targets: &[&str]) -> Case {
    let all = |of: &[&str]| of.iter().map(|text| ip(text)).collect();
    let (sources, targets) = (all(sources), all(targets));
    Case {
        id,
        kind: "syn",
        sources,
        targets,
        first_seen: 5,
        last_seen: 9,
        epoch: EPOCH,
        last: false,
    }
}

/// One case's file.
fn write(evidence: &mut Evidence, recorder: &Recorder, case: &Case) -> Filed<u32> {
    let mut written = evidence.write(&mut { recorder }, &labels(), std::slice::from_ref(case));
    written.filed.pop().expect("what became of it")
}

fn path(evidence: &mut Evidence, recorder: &Recorder, case: &Case) -> PathBuf {
    let filed = write(evidence, recorder, case);
    assert!(!filed.failed, "{filed:?}");
    filed.path.expect("a file")
}

/// Times and interface names of a file's packets.
fn read(path: &Path) -> Vec<(u64, String)> {
    let mut reader = Reader::open(path).expect("a capture file");
    let mut packets = Vec::new();
    while let Some((record, interfaces)) = reader.next_described().expect("whole blocks") {
        let name = interfaces[record.interface as usize].name.clone().unwrap_or_default();
        packets.push((record.time - EPOCH as u64, name));
    }
    packets
}

fn times(path: &Path) -> Vec<u64> {
    read(path).into_iter().map(|(time, _)| time).collect()
}

fn evidence(most_files: usize, most_bytes: u64) -> (Evidence, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let inside = folder.path().join("a/b");
    (Evidence::new(&inside, most_files, most_bytes).expect("it can be made"), folder)
}

fn files(folder: &tempfile::TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path().join("a/b")).expect("the folder");
    let names = entries.map(|entry| entry.expect("a name").file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

#[test]
fn the_packets_of_a_source_are_written_and_no_others() {
    let frames = [
        udp(SCANNER, HOST),
        udp(HOST, SCANNER),
        udp(HOST, OTHER),
        udp(SCANNER, OTHER),
        vec![0; 60],
        udp(OTHER, HOST),
    ];
    let (mut evidence, folder) = evidence(10, 1 << 20);
    let filed = write(&mut evidence, &recorded(&frames), &case(1, &[SCANNER], &[]));
    let file = filed.path.clone().expect("a file");
    assert_eq!(filed, Filed { id: 1, path: filed.path.clone(), incomplete: false, failed: false });
    assert_eq!(times(&file), [0, 1, 3]);
    let name = "wireledger-20261121T171448.000000Z-syn-10.66.0.1.pcapng";
    assert_eq!(files(&folder), [name]);
    let mode = fs::metadata(&file).expect("a file").permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
    let tally = EvidenceTally { files: 1, packets: 3, ..EvidenceTally::default() };
    assert_eq!(evidence.tally(), tally);
}

#[test]
fn a_case_with_targets_has_what_went_between_them() {
    let frames = [udp(SCANNER, HOST), udp(OTHER, SCANNER), udp(HOST, SCANNER), udp(OTHER, HOST)];
    let recorder = recorded(&frames);
    let (mut evidence, _folder) = evidence(10, 1 << 20);
    let between = path(&mut evidence, &recorder, &case(1, &[SCANNER], &[HOST]));
    assert_eq!(times(&between), [0, 2]);
    let flood = Case { kind: "udp_flood", ..case(2, &[], &[HOST]) };
    let to = path(&mut evidence, &recorder, &flood);
    assert_eq!(times(&to), [0, 2, 3]);
    assert!(to.ends_with("wireledger-20261121T171448.000000Z-udp_flood-to-10.66.0.2.pcapng"));
    let nobody = Filed { id: 3, path: None, incomplete: false, failed: false };
    assert_eq!(write(&mut evidence, &recorder, &case(3, &[], &[])), nobody);
}

#[test]
fn cases_that_are_written_together_get_what_each_would_alone() {
    let frames: Vec<_> =
        (0..3000).map(|n| udp([SCANNER, HOST, OTHER][n % 3], "192.0.2.1")).collect();
    let recorder = recorded(&frames);
    let (mut evidence, _folder) = evidence(10, 1 << 30);
    let cases = [case(1, &[SCANNER], &[]), case(2, &[HOST, OTHER], &[]), case(3, &[], &[SCANNER])];
    let written = evidence.write(&mut &recorder, &labels(), &cases);
    let of = |rest: &[u64]| (0..3000).filter(|n| rest.contains(&(n % 3))).collect::<Vec<_>>();
    let read: Vec<_> =
        written.filed.iter().map(|filed| times(filed.path.as_ref().expect("a file"))).collect();
    assert_eq!(read, [of(&[0]), of(&[1, 2]), of(&[0])]);
}

#[test]
fn ipv6_tags_links_without_headers_and_quotes_of_icmp_are_read() {
    let (near, far) = ("fd66::1", "fd66::2");
    let v6 = packet(near, far, 17, &DATAGRAM);
    let v4 = packet(SCANNER, HOST, 17, &DATAGRAM);
    // A router says that the datagram did not arrive: the quote has its IP header and eight bytes.
    let error = |quote: &[u8]| [&[3, 1, 0, 0, 0, 0, 0, 0][..], quote].concat();
    let error6 = |quote: &[u8]| [&[1, 4, 0, 0, 0, 0, 0, 0][..], quote].concat();
    // Of a longer packet: the quote is cut, its length is not.
    let mut long = packet(SCANNER, HOST, 6, &[0; 8]);
    long[3] = 200;
    let tag = [0x81, 0, 0, 7];
    let frames = [
        ethernet(&[], &v6),
        ethernet(&tag, &v6),
        ethernet(&[tag, tag].concat(), &v4),
        ethernet(&[], &packet(OTHER, "192.0.2.1", 1, &error(&v4))),
        ethernet(&[], &packet(OTHER, "192.0.2.1", 1, &error(&long))),
        ethernet(&[], &packet("fd66::9", "fd66::8", 58, &error6(&v6))),
        ethernet(&[], &packet(OTHER, "192.0.2.1", 1, &[8, 0, 0, 0, 0, 1, 0, 1])),
    ];
    let mut recorder = recorded(&frames);
    push(&mut recorder, 7, TUN0, &v4);
    push(&mut recorder, 8, 77, &frames[0]);
    let (mut evidence, _folder) = evidence(10, 1 << 20);
    let of_v4 = path(&mut evidence, &recorder, &case(1, &[SCANNER], &[]));
    let named = |times: &[u64], name: &str| -> Vec<_> {
        times.iter().map(|&time| (time, name.to_owned())).collect()
    };
    assert_eq!(read(&of_v4), [named(&[2, 3, 4], "eth0"), named(&[7], "tun0")].concat());
    let of_v6 = path(&mut evidence, &recorder, &case(2, &[near], &[]));
    assert_eq!(read(&of_v6), [named(&[0, 1, 5], "eth0"), named(&[8], "77")].concat());
    assert!(of_v6.ends_with("wireledger-20261121T171448.000000Z-syn-fd66--1.pcapng"));
}

#[test]
fn names_of_several_and_of_nobody_are_safe() {
    let all = [SCANNER, HOST, OTHER];
    let of = |kind: &'static str, sources: &[&str], targets: &[&str]| {
        let name = stem(&Case { kind, first_seen: 0, ..case(1, sources, targets) });
        name.strip_prefix("wireledger-20261121T171448.000000Z-").map(str::to_owned)
    };
    assert_eq!(of("syn", &all, &[]).as_deref(), Some("syn-10.66.0.1-and-2"));
    assert_eq!(of("syn", &[], &all).as_deref(), Some("syn-many"));
    let evil = of("../etc/\u{202e} passwd\n", &all[..1], &[]);
    assert_eq!(evil.as_deref(), Some("..-etc---passwd--10.66.0.1"));
}
