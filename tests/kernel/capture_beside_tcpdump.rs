//! Beside tcpdump: on the same interface with the same filter the same packets, byte for byte, in the same order.
//!
//! One difference is meant. The kernel takes an outermost VLAN tag out of a received frame and keeps it beside; tcpdump's filter,
//! live, then sees what stood behind the tag (`udp` also takes tagged datagrams, `not ip` leaves them out), and puts the tag back only
//! into its file. Here an expression is about the frame as it is on the wire, as tcpdump itself decides when it reads a file. So
//! tagged frames are compared with what tcpdump makes of its own unfiltered file, and all others also with what it filters live.

use std::{collections::BTreeMap, path::Path, process::Command};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;
use wireledger_tests::{
    captured::{Captured, Packet},
    daemon::Daemon,
    netns::{INTERFACE, NetNs, Pair, RIGHT_V4, RIGHT_V6, Setup, output},
    packets::{
        every_kind,
        ip::{Ipv4, Ipv6},
        link::{ether_type, tagged},
        protocol,
        transport::{flags, tcp, udp},
    },
    send::{Share, send, send_once},
    session::{Capture, Tcpdump},
    tcp::transfer,
};

type Result = anyhow::Result<()>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };
const TALKING: Setup = Setup { mtu: 1500, ipv4: true, ipv6: true, offloads: false };
const OFFLOADS: Setup = Setup { offloads: true, ..TALKING };

/// The first takes everything.
const FILTERS: [&str; 10] = [
    "",
    "tcp port 443",
    "udp",
    "icmp or icmp6",
    "vlan",
    "vlan and udp port 7777",
    "ip6",
    "not ip",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "greater 200",
];

/// Where captures look, and how.
struct View<'a> {
    end: &'a NetNs,
    /// `in`, `out` or `inout`.
    way: &'a str,
    mode: &'a str,
    /// Bytes of each packet; more than headers only where the daemon allows it.
    snap: u32,
}

/// What both have of the same traffic, by filter.
struct Both {
    folder: TempDir,
    /// With the snap length that both had.
    snap: usize,
    ours: Vec<Captured>,
    theirs: Vec<Captured>,
}

/// Captures what `traffic` makes with every filter at once; again, where tcpdump says that it missed something.
fn both(view: &View<'_>, filters: &[&str], traffic: impl Fn() -> Result) -> anyhow::Result<Both> {
    const TRIES: usize = 3;
    for _ in 0..TRIES {
        if let Some(both) = once(view, filters, &traffic)? {
            return Ok(both);
        }
        eprintln!("once more: tcpdump dropped packets");
    }
    bail!("tcpdump dropped packets {TRIES} times");
}

/// `None` when tcpdump dropped some.
fn once(
    view: &View<'_>,
    filters: &[&str],
    traffic: impl Fn() -> Result,
) -> anyhow::Result<Option<Both>> {
    const HEADERS: u32 = 128;
    let folder = tempfile::tempdir()?;
    let payload = if view.snap > HEADERS { &["--allow-payload"][..] } else { &[] };
    let memory = ["--sample-memory", "32MiB"];
    let run = [&["-i", INTERFACE, "--mode", view.mode][..], &memory, payload].concat();
    let daemon = Daemon::start(view.end, &run)?;
    let socket = daemon.socket();
    let snap = view.snap.to_string();
    let file = |who: &str, n: usize| folder.path().join(format!("{who}-{n}"));
    let mut started = Vec::new();
    for (n, filter) in filters.iter().enumerate() {
        let (mine, yours) = (file("ours", n), file("theirs", n));
        let mine = mine.to_str().context("a path that is not UTF-8")?;
        let common = ["-i", INTERFACE, "-s", &snap, "-Q", view.way];
        let expression = [*filter];
        let expression = if filter.is_empty() { &[][..] } else { &expression };
        let ours =
            Capture::by(&socket, view.end, &[&common[..], &["-w", mine], expression].concat())?;
        let theirs = Tcpdump::start(view.end, &yours, &[&common[..], expression].concat())?;
        started.push((ours, theirs));
    }
    traffic()?;
    let mut both = Both { folder, snap: view.snap as usize, ours: Vec::new(), theirs: Vec::new() };
    let mut dropped = false;
    for (n, (ours, theirs)) in started.into_iter().enumerate() {
        let (ended, summary) = ours.stop()?;
        let ours = Captured::open(&both.folder.path().join(format!("ours-{n}")))?;
        ensure!(ours.cut.is_none() && ended.code == Some(0), "{:?} {ended:?}", ours.cut);
        let told = (summary.captured, summary.received, summary.dropped, summary.unread);
        assert_eq!(told, (ours.len(), ours.len(), 0, 0), "{ended:?}");
        match theirs.stop(ours.len())? {
            Some(theirs) => both.theirs.push(theirs),
            None => dropped = true,
        }
        both.ours.push(ours);
    }
    daemon.ledger()?.assert_balanced();
    Ok((!dropped).then_some(both))
}

/// Lengths and bytes of packets by what names their flow, which keeps its order whatever CPUs do.
type Flows<'a> = BTreeMap<Vec<u8>, Vec<(u32, &'a [u8])>>;

fn flows<'a>(
    packets: Vec<&'a Packet>,
    snap: usize,
    flow: impl Fn(&Packet) -> Vec<u8>,
) -> Flows<'a> {
    let mut flows: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for packet in packets {
        flows.entry(flow(packet)).or_default().push(packet.cut(snap));
    }
    flows
}

/// Panics at the first packet that is not the same.
fn assert_equal(ours: &Flows<'_>, theirs: &Flows<'_>, filter: &str) {
    let count = |flows: &Flows<'_>| flows.values().map(Vec::len).sum::<usize>();
    for (flow, theirs) in theirs {
        let ours = ours.get(flow).map_or(&[][..], Vec::as_slice);
        for (n, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
            assert_eq!(ours, theirs, "`{filter}`: packet {n} of flow {flow:02x?}");
        }
        assert_eq!(ours.len(), theirs.len(), "`{filter}`: flow {flow:02x?}");
    }
    assert_eq!(count(ours), count(theirs), "`{filter}`: flows that tcpdump has not");
}

fn is_tagged(packet: &Packet) -> bool {
    matches!(packet.bytes[12..14], [0x81, 0] | [0x88, 0xa8] | [0x91, 0])
}

impl Both {
    /// Panics unless both have the same of every flow. Returns how many packets that was.
    fn assert_same(
        &self,
        filters: &[&str],
        flow: impl Fn(&Packet) -> Vec<u8>,
    ) -> anyhow::Result<usize> {
        let mut packets = 0;
        for (n, filter) in filters.iter().enumerate() {
            let (ours, wire) = (&self.ours[n].packets, &self.on_the_wire(filter)?.packets);
            let by_flow = |packets| flows(packets, self.snap, &flow);
            assert_equal(&by_flow(ours.iter().collect()), &by_flow(wire.iter().collect()), filter);
            let plain = |packets: &'_ [Packet]| -> Vec<Packet> {
                packets.iter().filter(|packet| !is_tagged(packet)).cloned().collect()
            };
            let (ours_plain, theirs_plain) = (plain(ours), plain(&self.theirs[n].packets));
            let (ours_plain, theirs_plain) =
                (by_flow(ours_plain.iter().collect()), by_flow(theirs_plain.iter().collect()));
            assert_equal(&ours_plain, &theirs_plain, &format!("{filter}, live"));
            for packet in ours {
                assert_eq!(packet.bytes.len(), self.snap.min(packet.length as usize), "`{filter}`");
            }
            packets += ours.len();
        }
        Ok(packets)
    }

    /// What tcpdump takes out of the file that it wrote without a filter.
    fn on_the_wire(&self, filter: &str) -> anyhow::Result<Captured> {
        let (all, some) = (self.folder.path().join("theirs-0"), self.folder.path().join("some"));
        let mut command = Command::new("tcpdump");
        command.arg("-r").arg(all).args(["-Z", "root", "-w"]).arg(&some).arg(filter);
        output(&mut command)?;
        Captured::open(&some)
    }
}

/// Every kind of frame, some of them long.
fn crafted(without: &[&str]) -> Vec<Vec<u8>> {
    let kinds = every_kind().into_iter().filter(|(name, _)| !without.contains(name));
    let mut frames: Vec<_> = kinds.map(|(_, frame)| frame).collect();
    for n in 0..40_u16 {
        let payload: Vec<_> = (0..n * 36).map(|at| (at ^ n) as u8).collect();
        frames.push(Ipv4::of(protocol::UDP).frame(&udp(n, 7777, &payload)));
        frames.push(Ipv6::of(protocol::TCP).frame(&tcp(443, n, flags::ACK, &payload)));
        let packet = Ipv6::of(protocol::UDP).packet(&udp(n, 7777, &payload));
        let tags = [(ether_type::PROVIDER_VLAN, 5 << 13 | n), (ether_type::VLAN, 100)];
        frames.push(tagged(&tags, ether_type::IPV6, &packet));
        frames.push(tagged(&tags[1..], ether_type::IPV6, &packet));
    }
    frames
}

/// The crafted frames, all from one CPU, so that their order is that of the list.
fn crafted_frames(way: &str, mode: &str, snap: u32) -> Result {
    let pair = Pair::new(QUIET)?;
    let end = if way == "in" { &pair.right } else { &pair.left };
    // The host drops a frame that ends inside its VLAN tag before tcpdump sees it (`skb_vlan_untag`).
    let frames = crafted(if way == "in" { &["vlan_cut"] } else { &[] });
    let sent = frames.len();
    let view = View { end, way, mode, snap };
    let both =
        both(&view, &FILTERS, || send_once(&pair.left, &pair.right, frames.clone()).map(drop))?;
    let packets = both.assert_same(&FILTERS, |_| Vec::new())?;
    assert_eq!(both.ours[0].packets.len(), sent);
    assert!(packets > 2 * sent, "{packets}");
    for (captured, filter) in both.ours.iter().zip(FILTERS) {
        assert!(!captured.is_empty(), "nothing matched `{filter}`");
    }
    Ok(())
}

#[test]
fn frames_received_at_native_xdp_are_those_that_tcpdump_has() -> Result {
    crafted_frames("in", "native", 65535)
}

#[test]
fn headers_received_at_native_xdp_are_those_that_tcpdump_has() -> Result {
    crafted_frames("in", "native", 128)
}

#[test]
fn frames_received_at_generic_xdp_are_those_that_tcpdump_has() -> Result {
    crafted_frames("in", "generic", 65535)
}

#[test]
fn frames_received_at_tc_are_those_that_tcpdump_has() -> Result {
    crafted_frames("in", "tc", 65535)
}

#[test]
fn headers_received_at_tc_are_those_that_tcpdump_has() -> Result {
    crafted_frames("in", "tc", 128)
}

#[test]
fn snap_lengths_inside_headers_and_tags_are_those_that_tcpdump_has() -> Result {
    // At TC the tag of such a frame is beside it.
    for snap in [13, 14, 17, 40] {
        let pair = Pair::new(QUIET)?;
        let frames = crafted(&["vlan_cut"]);
        let view = View { end: &pair.right, way: "in", mode: "tc", snap };
        let both =
            both(&view, &[""], || send_once(&pair.left, &pair.right, frames.clone()).map(drop))?;
        let (ours, theirs) = (&both.ours[0], &both.theirs[0]);
        assert_eq!(ours.cut(both.snap), theirs.cut(both.snap), "snap length {snap}");
        assert_eq!(ours.len(), frames.len() as u64);
    }
    Ok(())
}

#[test]
fn frames_sent_are_those_that_tcpdump_has() -> Result {
    crafted_frames("out", "auto", 65535)
}

#[test]
fn headers_sent_are_those_that_tcpdump_has() -> Result {
    crafted_frames("out", "auto", 128)
}

/// Source address.
fn source(packet: &Packet) -> &[u8] {
    match packet.bytes[12..14] {
        [0x08, 0] => &packet.bytes[26..30],
        [0x86, 0xdd] => &packet.bytes[22..38],
        _ => &[],
    }
}

/// Source address and the ports, or the like, of what has no options.
fn flow(packet: &Packet) -> Vec<u8> {
    let ports = match packet.bytes[12..14] {
        [0x08, 0] => &packet.bytes[34..38],
        [0x86, 0xdd] => &packet.bytes[54..58],
        _ => &[],
    };
    [source(packet), ports].concat()
}

#[test]
fn flows_of_two_cpus_keep_their_order_as_tcpdump_has_it() -> Result {
    let pair = Pair::new(QUIET)?;
    let share =
        |cpu: u8| {
            let frame =
                |n: u16| {
                    let payload = [&n.to_be_bytes()[..], &vec![cpu; usize::from(n % 500)]].concat();
                    let port = if n.is_multiple_of(3) { 53 } else { 5000 };
                    match n % 2 {
                        0 => Ipv4 { source: [10, 1, 0, cpu].into(), ..Ipv4::default() }
                            .frame(&udp(n % 50, port, &payload)),
                        _ => Ipv6 {
                            source: [0x2001, 0xdb8, 0, 0, 0, 0, 0, cpu.into()].into(),
                            ..Ipv6::default()
                        }
                        .frame(&udp(n % 50, port, &payload)),
                    }
                };
            Share { frames: (0..4000).map(frame).collect(), rounds: 1 }
        };
    let filters = ["", "udp port 53", "ip6"];
    for (end, way) in [(&pair.right, "in"), (&pair.left, "out")] {
        let view = View { end, way, mode: "auto", snap: 128 };
        let both = both(&view, &filters, || {
            send(&pair.left, &pair.right, &[share(1), share(2)]).map(drop)
        })?;
        assert_eq!(both.ours[0].len(), 8000);
        both.assert_same(&filters, flow)?;
    }
    Ok(())
}

#[test]
fn both_directions_of_a_host_that_answers_are_those_that_tcpdump_has() -> Result {
    let pair = Pair::new(TALKING)?;
    let filters = ["", "icmp", "icmp6", "src host 10.9.0.1"];
    for mode in ["native", "tc"] {
        let view = View { end: &pair.right, way: "inout", mode, snap: 65535 };
        let both = both(&view, &filters, || {
            pair.left.run(&format!("ping -4 -q -c 20 -i 0.01 -s 1000 {RIGHT_V4}"))?;
            pair.left.run(&format!("ping -6 -q -c 20 -i 0.01 -s 300 {RIGHT_V6}"))?;
            Ok(())
        })?;
        both.assert_same(&filters, flow)?;
        assert_eq!(both.ours.iter().map(Captured::len).collect::<Vec<_>>(), [80, 40, 40, 20]);
        let (inside, outside): (Vec<_>, Vec<_>) =
            both.ours[0].packets.iter().partition(|packet| packet.outgoing == Some(false));
        assert_eq!((inside.len(), outside.len()), (40, 40));
        for packet in outside {
            assert!(source(packet) == [10, 9, 0, 2] || source(packet).starts_with(&[0xfd, 9]));
        }
    }
    Ok(())
}

/// What both see of TCP with offloads are super-packets.
fn super_packets(pair: &Pair, end: &NetNs, way: &str) -> Result {
    const LENGTH: usize = 1_000_000;
    let filters = ["", "tcp port 8000", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0"];
    let view = View { end, way, mode: "tc", snap: 65535 };
    for to in [RIGHT_V4, RIGHT_V6] {
        let both = both(&view, &filters, || transfer(pair, to, LENGTH).map(drop))?;
        both.assert_same(&filters, flow)?;
        let long = both.ours[1].packets.iter().filter(|packet| packet.length > 1514).count();
        assert!(long > 10, "{long} super-packets");
        let data: usize = both.ours[1].packets.iter().map(|packet| packet.bytes.len()).sum();
        assert!(data > LENGTH, "{data}");
        // `tcp[…]` is about IPv4 alone (pcap-filter(7)).
        assert_eq!(both.ours[2].len(), if to == RIGHT_V4 { 2 } else { 0 });
    }
    Ok(())
}

#[test]
fn tcp_super_packets_sent_are_those_that_tcpdump_has() -> Result {
    let pair = Pair::new(OFFLOADS)?;
    super_packets(&pair, &pair.left, "out")
}

#[test]
fn tcp_super_packets_received_are_those_that_tcpdump_has() -> Result {
    let pair = Pair::new(OFFLOADS)?;
    super_packets(&pair, &pair.right, "in")
}

/// What a tool prints of a file; nothing on stderr.
fn tool(program: &str, arguments: &[&str], file: &Path) -> anyhow::Result<String> {
    let ran = Command::new(program).args(arguments).arg(file).output()?;
    let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
    // Programs warn of being root, and tcpdump says what it reads.
    let complaints: Vec<_> = stderr
        .lines()
        .filter(|line| {
            !line.starts_with("Running as user") && !line.starts_with("reading from file")
        })
        .collect();
    ensure!(ran.status.success() && complaints.is_empty(), "{program}: {}: {stderr}", ran.status);
    Ok(String::from_utf8(ran.stdout)?)
}

#[test]
fn other_tools_read_the_file_and_count_what_the_command_says() -> Result {
    let (pair, folder) = (Pair::new(QUIET)?, tempfile::tempdir()?);
    let file = folder.path().join("file.pcapng");
    let name = file.to_str().context("a path that is not UTF-8")?;
    // A ring that is too small: drops to be told of.
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE, "--sample-memory", "4KiB"])?;
    let capture = Capture::by(&daemon.socket(), &pair.right, &["-w", name, "udp"])?;
    let frames = (1..=1000).map(|n| Ipv4::default().frame(&udp(n, 53, &[7; 200]))).collect();
    send(&pair.left, &pair.right, &[Share { frames, rounds: 20 }])?;
    let (ended, summary) = capture.stop()?;
    assert_eq!((ended.code, summary.received, summary.seen), (Some(0), 20_000, 20_000));
    assert!(summary.dropped > 0 && summary.captured > 0, "{ended:?}");
    assert_eq!(summary.captured + summary.dropped + summary.unread, 20_000);

    let info = tool("capinfos", &["-M", "-c", "-d"], &file)?;
    let count = info.lines().find_map(|line| line.strip_prefix("Number of packets:"));
    assert_eq!(count.map(|count| count.trim().parse()), Some(Ok(summary.captured)), "{info}");
    let lines = tool("tcpdump", &["-n", "-r"], &file)?;
    assert_eq!(lines.lines().count() as u64, summary.captured);

    let blocks = tool("tshark", &["-X", "read_format:MIME Files Format", "-V", "-r"], &file)?;
    let last = |option: &str| -> anyhow::Result<u64> {
        let heading = format!("Option: {option} = ");
        let value = blocks.rsplit_once(&heading).with_context(|| format!("no {option}"))?.1;
        Ok(value.lines().next().unwrap_or_default().parse()?)
    };
    assert_eq!(last("Number of Received Packets")?, summary.seen);
    assert_eq!(last("Number of Dropped Packets")?, summary.dropped + summary.unread);
    assert_eq!(last("Number of Accepted Packets")?, summary.received);
    assert_eq!(last("Number of Packets Dropped by OS")?, summary.dropped);
    assert_eq!(last("Number of Packets Delivered to the User")?, summary.captured);
    Ok(())
}
