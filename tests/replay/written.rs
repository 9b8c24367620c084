//! What is written as a capture, the field's tools read: capinfos, tshark, tcpdump.

use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use wireledger::capfile::{Files, Interface, Record, Rotation, Statistics, Verdict, Writer};
use wireledger_tests::{
    netns::output,
    packets::{
        ip::Ipv4,
        link::{ether_type, ethernet},
        protocol,
        transport::udp,
    },
};

type Result<T = ()> = anyhow::Result<T>;

const START: u64 = 1_700_000_000_000_000_000;

/// Two interfaces with all that can be said of one. libpcap wants the same link type and snap length of both.
fn interfaces() -> [Interface; 2] {
    ["eth0", "eth1"].map(|name| Interface {
        name: Some(name.to_owned()),
        description: Some("a wire".to_owned()),
        filter: Some("udp port 68 or host 192.0.2.1".to_owned()),
        snap_length: 262_144,
        ..Interface::of_linktype(1)
    })
}

fn frame() -> Vec<u8> {
    ethernet(ether_type::IPV4, &Ipv4::of(protocol::UDP).packet(&udp(68, 67, b"hello")))
}

fn told() -> [Statistics; 2] {
    [(1_000, 10, 3), (2_000, 0, 0)].map(|(received, dropped, os_dropped)| Statistics {
        start: Some(START),
        end: Some(START + 2_000_000_001),
        received: Some(received),
        dropped: Some(dropped),
        accepted: Some(500),
        os_dropped: Some(os_dropped),
        delivered: Some(497),
    })
}

/// A file with everything that a live capture tells.
fn live() -> Result<(TempDir, PathBuf)> {
    let bytes = frame();
    let mut writer = Writer::new(Vec::new(), "wireledger tests")?;
    for (index, interface) in (0..).zip(interfaces()) {
        writer.interface(&interface, index)?;
    }
    let verdicts = [Verdict::Xdp(2), Verdict::Xdp(1), Verdict::Tc(u64::MAX)];
    for (n, verdict) in (0..).zip(verdicts) {
        let record = Record {
            time: START + u64::from(n) * 1_000_000_001,
            length: bytes.len() as u32 + n,
            bytes: &bytes,
            outgoing: Some(n == 2),
            queue: Some(n + 5),
            verdict: Some(verdict),
            ..Record::default()
        };
        writer.packet(&interfaces()[n as usize % 2], n % 2, &record)?;
    }
    for ((index, interface), told) in (0..).zip(interfaces()).zip(told()) {
        writer.statistics(&interface, index, START + 3_000_000_000, &told)?;
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("live.pcapng");
    fs::write(&path, writer.finish()?)?;
    Ok((folder, path))
}

/// Columns of capinfos, without the file's name.
fn capinfos(path: &Path, columns: &[&str]) -> Result<Vec<String>> {
    let told = output(Command::new("capinfos").args(["-T", "-r", "-M"]).args(columns).arg(path))?;
    Ok(told.trim_end().split('\t').skip(1).map(str::to_owned).collect())
}

#[test]
fn tshark_shows_what_a_live_packet_carries() -> Result {
    let (_folder, path) = live()?;
    let mut tshark = Command::new("tshark");
    tshark.args(["-n", "-T", "fields"]);
    for field in [
        "frame.interface_name",
        "frame.time_epoch",
        "frame.len",
        "frame.packet_flags_direction",
        "frame.interface_queue",
        "frame.verdict.ebpf_xdp",
        "frame.verdict.ebpf_tc",
    ] {
        tshark.args(["-e", field]);
    }
    let rows = output(tshark.arg("-r").arg(&path))?;
    let length = frame().len();
    let expected = format!(
        "eth0\t1700000000.000000000\t{length}\t0x00000001\t5\t2\t\n\
         eth1\t1700000001.000000001\t{}\t0x00000001\t6\t1\t\n\
         eth0\t1700000002.000000002\t{}\t0x00000002\t7\t\t-1\n",
        length + 1,
        length + 2
    );
    assert_eq!(rows, expected);
    Ok(())
}

#[test]
fn capinfos_shows_the_interfaces_and_what_they_dropped() -> Result {
    let (_folder, path) = live()?;
    assert_eq!(capinfos(&path, &["-t", "-E", "-c"])?, ["pcapng", "ether", "3"]);
    let long = output(Command::new("capinfos").arg("-MI").arg(&path))?;
    for line in [
        "Number of interfaces in file: 2",
        "Name = eth0",
        "Description = a wire",
        "Filter string = udp port 68 or host 192.0.2.1",
        "Capture length = 262144",
        "Time precision = nanoseconds (9)",
        "Number of stat entries = 1",
        "Number of packets = 2",
    ] {
        assert!(long.contains(line), "{line} / {long}");
    }
    Ok(())
}

/// capinfos 4.0 counts the statistics without showing them, and tshark dissects them in the file as a document.
#[test]
fn tshark_finds_every_count_in_the_file() -> Result {
    let (_folder, path) = live()?;
    let document = ["-X", "read_format:MIME Files Format", "-V", "-r"];
    let text = output(Command::new("tshark").env("TZ", "UTC").args(document).arg(&path))?;
    let counted: Vec<_> = text.split(" Block: Interface Statistics Block").skip(1).collect();
    assert_eq!(counted.len(), 2, "{text}");
    for (block, dropped) in counted.into_iter().zip([[10, 3], [0, 0]]) {
        for line in [
            "[Timestamp: Nov 14, 2023 22:13:23.000000000 UTC]".to_owned(),
            "Option: Start Time".to_owned(),
            "Option: End Time".to_owned(),
            format!("Number of Dropped Packets: {}", dropped[0]),
            "Number of Accepted by Filter Packets: 500".to_owned(),
            format!("Number of Dropped Packets by OS: {}", dropped[1]),
            "Number of Delivered to the User Packets: 497".to_owned(),
        ] {
            assert!(block.contains(&line), "{line} / {block}");
        }
    }
    Ok(())
}

#[test]
fn tcpdump_reads_it() -> Result {
    let (_folder, path) = live()?;
    let lines = output(Command::new("tcpdump").args(["-n", "-tt", "--nano", "-r"]).arg(&path))?;
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(lines.starts_with("1700000000.000000000 IP "), "{lines}");
    Ok(())
}

#[test]
fn every_file_of_a_rotation_is_whole() -> Result {
    let folder = tempfile::tempdir()?;
    let size = Some(1_000);
    let rotation = Rotation { size, ..Rotation::default() };
    let path = folder.path().join("live.pcapng");
    let mut files = Files::create(&path, rotation, "wireledger tests", START)?;
    for (index, interface) in (0..).zip(interfaces()) {
        files.interface(&interface, index)?;
        files.statistics(&interface, index, START, &told()[index as usize])?;
    }
    let bytes = frame();
    for n in 0..100 {
        let (time, length) = (START + u64::from(n), bytes.len() as u32);
        let record = Record { time, length, bytes: &bytes, ..Record::default() };
        let step = files.packet(&interfaces()[n as usize % 2], n % 2, &record, time)?;
        assert_eq!(step, ControlFlow::Continue(()));
    }
    files.finish()?;
    let mut packets = 0;
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let columns = capinfos(&path, &["-t", "-E", "-c"])?;
        assert_eq!(columns[..2], ["pcapng", "ether"]);
        packets += columns[2].parse::<u64>()?;
        output(Command::new("tcpdump").args(["-n", "-r"]).arg(&path))?;
    }
    assert_eq!(packets, 100);
    Ok(())
}
