//! Recorded scans and floods, named: each scan with the right source and the ports that tshark says were probed. What is neither is silent.
//!
//! `scans/` holds what nmap, hping3 and ordinary clients sent between network namespaces; `scans/manifest.tsv` has the command
//! of each.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use wireledger::{
    report::{Direction, ScanKind, ScanLine},
    scan::Confidence,
};
use wireledger_tests::{
    captures::{captures, in_parallel},
    packets::{protocol, transport::flags},
    process::{Ended, Process, binary},
    tshark::{Field, Row, Tshark, number},
};

/// What a scan's probes have in common.
#[derive(Clone, Copy, Debug)]
enum Probes {
    /// TCP with just these flags in its first packet.
    Tcp(u16),
    /// TCP with SYN and without ACK, whatever else is set.
    Syn,
    /// First fragments of TCP, whose flags are in a later one.
    Fragments,
    /// SYN/ACK: where they go to.
    SynAck,
    Udp,
    Sctp,
    /// Protocol numbers in the place of ports.
    Protocols,
    /// TCP and UDP ports that were asked along with ICMP.
    Pings,
}

use Probes::{Fragments, Pings, Protocols, Sctp, Syn, SynAck, Tcp, Udp};

/// A verdict that a capture must give.
struct Expected {
    file: &'static str,
    kind: &'static str,
    sources: &'static [&'static str],
    probes: Probes,
    tags: &'static [&'static str],
}

const fn expected(
    file: &'static str,
    kind: &'static str,
    sources: &'static [&'static str],
    probes: Probes,
    tags: &'static [&'static str],
) -> Expected {
    Expected { file, kind, sources, probes, tags }
}

const ONE: &[&str] = &["10.66.0.1"];
const XMAS: u16 = flags::FIN | flags::PSH | flags::URG;

/// Protocols that nmap sends without their header, DCCP, AH, ICMPv6 and UDP-Lite: the parser leaves them unread, so they have no
/// flow that could be judged.
const UNREAD: [u16; 4] = [33, 51, 58, 136];

/// Every scan of every capture. Those that are not here have none: sweeps by ARP, which is not IP; connections to four open
/// ports, which are ordinary; floods, which are [`FLOODS`]; and what is benign.
const EXPECTED: [Expected; 28] = [
    expected("sS-syn", "syn", ONE, Syn, &[]),
    expected("sT-connect", "connect", ONE, Syn, &[]),
    expected("sF-fin", "fin", ONE, Tcp(flags::FIN), &[]),
    expected("sN-null", "null", ONE, Tcp(0), &[]),
    expected("sX-xmas", "xmas", ONE, Tcp(XMAS), &[]),
    expected("sA-ack", "ack", ONE, Tcp(flags::ACK), &[]),
    expected("sW-window", "ack", ONE, Tcp(flags::ACK), &[]),
    expected("sM-maimon", "maimon", ONE, Tcp(flags::FIN | flags::ACK), &[]),
    expected("sU-udp", "udp", ONE, Udp, &[]),
    expected("sY-sctp-init", "sctp_init", ONE, Sctp, &[]),
    expected("sO-ipproto", "ip_protocol", ONE, Protocols, &[]),
    expected("PS-PA-PU-ping", "ping_sweep", ONE, Pings, &[]),
    expected("sI-idle", "idle_zombie", ONE, SynAck, &[]),
    expected("sI-idle", "syn", &["10.66.0.3"], Syn, &["from_service_port", "maybe_zombie"]),
    expected("f-fragment", "syn", ONE, Fragments, &["fragmented"]),
    expected("ff-fragment16", "syn", ONE, Syn, &["fragmented"]),
    expected(
        "D-decoys",
        "syn",
        &["10.66.0.1", "10.66.0.50", "10.66.0.51", "10.66.0.52"],
        Syn,
        &["decoys"],
    ),
    expected("O-os-detect", "syn", ONE, Syn, &[]),
    expected("S-slow-syn", "syn", ONE, Syn, &[]),
    expected("g-source-port", "syn", ONE, Syn, &["from_service_port", "maybe_zombie"]),
    expected("scanflags-synfin", "syn", ONE, Syn, &["odd_flags"]),
    expected("badsum", "syn", ONE, Syn, &[]),
    expected("ttl-data", "syn", ONE, Syn, &[]),
    expected("ipopts", "syn", ONE, Syn, &[]),
    expected("v6-syn", "syn", &["fd66::1"], Syn, &[]),
    expected("v6-udp", "udp", &["fd66::1"], Udp, &[]),
    expected("horizontal-22", "syn", ONE, Syn, &[]),
    expected("all-ports", "syn", ONE, Syn, &[]),
];

/// The captures with a flood: its kind, who is flooded where, from how many sources, and packets.
const FLOODS: [(&str, &str, &str, u64, u64); 3] = [
    ("flood-icmp", "icmp_flood", "", 1, 1104),
    ("flood-syn", "syn_flood", "80", 3000, 3000),
    ("flood-udp", "udp_flood", "53", 1, 3000),
];

fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("replay/scans").join(format!("{name}.pcap.gz"))
}

/// Captures that cannot be read whole: the first is cut off, the others have packets of link types that are not read. What can
/// be read of them is told all the same.
const NOT_WHOLE: [&str; 9] = [
    "suricata-verify__http-mime-truncated.pcap",
    "PcapPlusPlus__microsecs_big_endian.pcap",
    "libpcap__filter_brcm-tag-stp.pcap",
    "libpcap__filter_mstp_20140225214217.pcap",
    "libpcap__filter_slip-sliplink_print-oobr.pcap",
    "tcpdump__ipoib.pcap",
    "tcpdump__mlppp-oobr.pcap",
    "tcpdump__vsock-1.pcapng",
    "zeek__ieee80211.15.4.pcap",
];

/// What `wireledger read --scans` says of a capture that is whole.
fn scans(path: &Path, arguments: &[&str]) -> Result<Vec<ScanLine>> {
    told(&[path], arguments, true)
}

/// The same; of one that is not whole it says so, too.
fn told(paths: &[&Path], arguments: &[&str], is_whole: bool) -> Result<Vec<ScanLine>> {
    let mut command = Command::new(binary()?);
    command.arg("read").args(paths).args(["--scans", "--json"]).args(arguments);
    let Ended { code, stdout, stderr } = Process::run(&mut command)?;
    let wanted = if is_whole { (Some(0), false) } else { (Some(1), true) };
    ensure!((code, stderr.contains("error: ")) == wanted, "{paths:?}: {code:?} {stderr}");
    let document: Result<Value, _> = serde_json::from_str(&stdout);
    let mut document = document.with_context(|| format!("reading scans of {paths:?}"))?;
    Ok(serde_json::from_value(document["scans"].take())?)
}

impl Expected {
    /// What tshark says was probed, and of whom.
    fn probed(&self, rows: &[Row]) -> (BTreeSet<u16>, BTreeSet<String>) {
        let (mut ports, mut targets) = (BTreeSet::new(), BTreeSet::new());
        for row in rows {
            let of = |v4, v6| row.all(v4).next().or_else(|| row.all(v6).next());
            let source = of(Field::IpSource, Field::Ipv6Source);
            let port = self.probes.port(row);
            if let (Some(source), Some(port)) = (source, port)
                && self.sources.contains(&source)
            {
                ports.extend(port);
                let target = of(Field::IpDestination, Field::Ipv6Destination);
                targets.extend(target.map(str::to_owned));
            }
        }
        (ports, targets)
    }

    fn assert_is(&self, scan: &ScanLine, rows: &[Row]) {
        let file = self.file;
        let sources: BTreeSet<_> = scan.sources.iter().map(ToString::to_string).collect();
        assert_eq!(sources, self.sources.iter().map(ToString::to_string).collect(), "{file}");
        let (ports, targets) = self.probed(rows);
        assert_eq!(every(&scan.ports.ranges), ports, "{file}");
        assert_eq!(scan.ports.count, ports.len() as u64, "{file}");
        assert_eq!(scan.targets.count, targets.len() as u64, "{file}");
        let examples = scan.targets.examples.iter().map(ToString::to_string);
        assert!(examples.into_iter().all(|target| targets.contains(&target)), "{file}");
        let tags: Vec<_> = scan.tags.iter().map(|tag| tag.label()).collect();
        assert_eq!(tags, self.tags, "{file}");
    }
}

impl Probes {
    /// The port that a packet probes, if it is a probe; `Some(None)` for one without.
    fn port(self, row: &Row) -> Option<Option<u16>> {
        let tcp = row.nth(Field::TcpFlags, 0).map(|flags| flags as u16 & 0x3f);
        let to = |field| row.nth(field, 0).map(|port| port as u16);
        let number = row.nth(Field::IpProtocol, 0).or_else(|| row.nth(Field::Ipv6Next, 0));
        // An ICMP error holds the packet that it is about.
        let quoted = row.all(Field::IpSource).count() + row.all(Field::Ipv6Source).count() > 1;
        let is = |wanted: u8| number == Some(wanted.into()) && !quoted;
        match self {
            Tcp(flags) => (tcp == Some(flags)).then(|| to(Field::TcpDestination)),
            Syn | Fragments if tcp.is_none() => {
                let first = is(protocol::TCP) && row.has(Field::TcpDestination);
                (matches!(self, Fragments) && first).then(|| to(Field::TcpDestination))
            }
            Syn => {
                (tcp? & (flags::SYN | flags::ACK) == flags::SYN).then(|| to(Field::TcpDestination))
            }
            Fragments => None,
            SynAck => (tcp? == flags::SYN | flags::ACK).then(|| to(Field::TcpDestination)),
            Udp => is(protocol::UDP).then(|| to(Field::UdpDestination)),
            Sctp => is(protocol::SCTP).then(|| to(Field::SctpDestination)),
            Protocols => {
                let number = number.filter(|_| !quoted)? as u16;
                (!UNREAD.contains(&number)).then_some(Some(number))
            }
            Pings if is(1) => matches!(row.nth(Field::IcmpType, 0)?, 8 | 13 | 17).then_some(None),
            Pings if is(protocol::UDP) => Some(to(Field::UdpDestination)),
            Pings => (tcp? & flags::RST == 0).then(|| to(Field::TcpDestination)),
        }
    }
}

/// Every port of `1-3,80`.
fn every(ranges: &str) -> BTreeSet<u16> {
    let parse = |text: &str| number(text).unwrap_or_default() as u16;
    let ranges = ranges.split(',').filter(|range| !range.is_empty());
    ranges
        .flat_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            parse(first)..=parse(last)
        })
        .collect()
}

fn manifest() -> Result<Vec<String>> {
    let text = std::fs::read_to_string(recorded("").with_file_name("manifest.tsv"))?;
    let names = text.lines().skip(1).filter_map(|line| line.split_once(".pcap.gz"));
    Ok(names.map(|(name, _)| name.to_owned()).collect())
}

#[test]
fn every_recorded_scan_is_named_with_its_source_and_its_ports() -> Result<()> {
    let tshark = Tshark::new()?;
    let names = manifest()?;
    let known = |expected: &Expected| names.iter().any(|name| name == expected.file);
    ensure!(EXPECTED.iter().all(known), "a capture is missing");
    let found = in_parallel(&names, |name| {
        let path = recorded(name);
        Ok((scans(&path, &[])?, tshark.rows(&path)?))
    })?;
    for (name, (all, rows)) in names.iter().zip(&found) {
        let is_scan = |line: &&ScanLine| matches!(line.kind, ScanKind::Scan(_));
        let scans: Vec<_> = all.iter().filter(is_scan).collect();
        let floods = FLOODS.iter().filter(|(file, ..)| file == name).count();
        assert_eq!(all.len() - scans.len(), floods, "{name}: {all:#?}");
        let expected: BTreeMap<_, _> = EXPECTED
            .iter()
            .filter(|expected| expected.file == name)
            .map(|expected| (expected.kind, expected))
            .collect();
        let kinds: BTreeSet<_> = scans.iter().map(|scan| scan.kind.label()).collect();
        assert_eq!(kinds, expected.keys().copied().collect(), "{name}: {scans:#?}");
        assert_eq!(scans.len(), kinds.len(), "{name}: {scans:#?}");
        for scan in scans {
            expected[scan.kind.label()].assert_is(scan, rows);
        }
    }
    Ok(())
}

#[test]
fn every_recorded_flood_is_told_with_who_is_flooded_and_how_much() -> Result<()> {
    for (name, kind, ports, sources, packets) in FLOODS {
        let lines = scans(&recorded(name), &[])?;
        let [flood] = &lines[..] else { panic!("{name}: {lines:#?}") };
        assert_eq!((flood.id, flood.kind.label(), flood.under_way), (1, kind, false), "{name}");
        assert_eq!((flood.interface.as_str(), flood.direction), ("0", Direction::Ingress));
        let targets: Vec<_> = flood.targets.examples.iter().map(ToString::to_string).collect();
        assert_eq!(targets, ["10.66.0.2"], "{name}");
        assert_eq!(flood.ports.ranges, ports, "{name}");
        let scattered = sources > 1;
        let examples: Vec<_> = flood.sources.iter().map(ToString::to_string).collect();
        assert_eq!(examples, if scattered { vec![] } else { vec!["10.66.0.1"] }, "{name}");
        let near = sources / 10;
        assert!((sources - near..=sources + near).contains(&flood.source_count), "{name}");
        assert_eq!(flood.packets, packets, "{name}");
        assert_eq!(flood.rate.map(|rate| rate.peak), Some(packets as f64), "{name}");
        assert!((0.0..1.5).contains(&(flood.last_seen - flood.first_seen)), "{name}");
        assert_eq!((flood.shape, flood.pairs, flood.evidence.as_deref()), (None, 0, None));
    }
    Ok(())
}

#[test]
fn scans_and_floods_of_several_captures_stand_in_the_order_in_which_they_began() -> Result<()> {
    let paths = ["flood-udp", "sS-syn", "flood-syn"].map(recorded);
    let paths: Vec<_> = paths.iter().map(PathBuf::as_path).collect();
    let kinds = |arguments: &[&str]| -> Result<Vec<_>> {
        let lines = told(&paths, arguments, true)?;
        Ok(lines.iter().map(|line| (line.kind.label(), line.id)).collect())
    };
    assert_eq!(kinds(&[])?, [("syn", 1), ("syn_flood", 1), ("udp_flood", 2)]);
    assert_eq!(kinds(&["--top", "2"])?, [("syn", 1), ("syn_flood", 1)]);
    Ok(())
}

#[test]
fn how_soon_it_is_a_flood_is_the_same_setting_as_for_scans() -> Result<()> {
    let path = recorded("flood-icmp");
    assert!(scans(&path, &["--scan.sensitivity", "low"])?.is_empty());
    let high = scans(&path, &["--scan.sensitivity", "high"])?;
    assert!(high.iter().map(|flood| flood.confidence).eq([Confidence::Possible]), "{high:#?}");
    Ok(())
}

#[test]
fn no_other_capture_is_a_scan_or_a_flood() -> Result<()> {
    let captures = captures()?.unwrap_or_default();
    let others: Vec<_> =
        captures.into_iter().filter(|capture| !capture.name.starts_with("scans/")).collect();
    let found = in_parallel(&others, |capture| {
        told(&[&capture.path], &[], !NOT_WHOLE.contains(&capture.name.as_str()))
    })?;
    for (capture, scans) in others.iter().zip(found) {
        assert!(scans.is_empty(), "{}: {scans:#?}", capture.name);
    }
    Ok(())
}

#[test]
fn the_kernels_engine_gives_the_same_verdicts() -> Result<()> {
    // How many sources a flood has is an estimate with a seed of its own each time, and exact only where they are few.
    for name in ["sS-syn", "sI-idle", "f-fragment", "v6-udp", "flood-icmp", "flood-udp"] {
        let path = recorded(name);
        let (ours, kernels) = (scans(&path, &[])?, scans(&path, &["--engine", "kernel"])?);
        assert_eq!(ours, kernels, "{name}");
    }
    Ok(())
}

#[test]
fn people_read_of_a_flood_what_they_read_of_one_live() -> Result<()> {
    let mut command = Command::new(binary()?);
    command.arg("read").arg(recorded("flood-udp")).arg("--scans");
    let said = Process::run(&mut command)?.stdout;
    for words in [
        "UDP flood by 10.66.0.1 (likely)\n",
        "  targets  10.66.0.2\n",
        "  ports    1: 53\n",
        "  seen     2026-11-21T03:08:45.231Z for 1.0 s, 3000 packets, 0 ingress\n",
        "  rate     3000 packets a second at its worst, 0 in the latest, 0 are usual\n",
        "  because  ",
    ] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    Ok(())
}

#[test]
fn people_read_who_and_why_and_who_is_allowed_is_left_out() -> Result<()> {
    let read = |arguments: &[&str]| {
        let mut command = Command::new(binary()?);
        command.arg("read").arg(recorded("sS-syn")).arg("--scans").args(arguments);
        Process::run(&mut command)
    };
    let said = read(&[])?.stdout;
    for words in [
        "SYN scan by 10.66.0.1 (certain, port scan)\n",
        "  targets  10.66.0.2\n",
        "  open     4: 22,80,443,8080\n",
        "  because  1000 ports of 1 host; of ",
    ] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    assert_eq!(read(&["--scan.allow", "10.66.0.0/24"])?.stdout, "No scan.\n");
    assert_eq!(read(&["--scan.allow", "10.66.0.0/33"])?.code, Some(2));
    Ok(())
}
