//! Frames that are more than a page, and super-packets that are many: counted as what they are on the wire.

use std::net::UdpSocket;

use anyhow::{Context as _, ensure};
use nix::sys::socket::{setsockopt, sockopt::UdpGsoSegment};
use wireledger_tests::{
    answers::Flow,
    bpf::{Attached, Statistics},
    daemon::Daemon,
    netns::{Counters, INTERFACE, LEFT_V4, LEFT_V6, Pair, RIGHT_V4, RIGHT_V6, Setup},
    packets::{
        ip::{Ipv4, Ipv6},
        link::{ether_type, tagged},
        protocol,
        transport::udp,
    },
    send::{Tally, send_once},
    tcp::{Sent, transfer},
};

type Result = anyhow::Result<()>;

const JUMBO: Setup = Setup { mtu: 9000, ipv4: false, ipv6: false, offloads: false };
const OFFLOADS: Setup = Setup { mtu: 1500, ipv4: true, ipv6: true, offloads: true };

/// Around every boundary: a page less the room before a frame, pages, the MTU.
const LENGTHS: [usize; 14] =
    [60, 1514, 2000, 3500, 3510, 3520, 3840, 4081, 4082, 4097, 8191, 8192, 9013, 9014];

fn jumbo(mode: &str, hook: &str) -> Result {
    const BELOW_PAYLOAD: usize = 14 + 20 + 8;
    let pair = Pair::new(JUMBO)?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE, "--mode", mode])?;
    assert_eq!(daemon.interface(INTERFACE)?.ingress.mode, hook);
    let frame = |length: usize| {
        // The length is also the port: a flow for each.
        Ipv4::default().frame(&udp(1, length as u16, &vec![7; length - BELOW_PAYLOAD]))
    };
    let sent = send_once(&pair.left, &pair.right, LENGTHS.map(frame).into())?;
    assert_eq!(sent.bytes, LENGTHS.iter().sum::<usize>() as u64);
    let ledger = daemon.settled(INTERFACE, "ingress", sent.packets)?;
    ledger.assert_balanced();
    assert_eq!(ledger.seen(INTERFACE, "ingress"), sent);
    let flows = daemon.flows()?;
    assert_eq!(flows.len(), LENGTHS.len());
    for flow in flows {
        let length = u32::from(flow.key.destination_port.context("a flow without ports")?);
        assert_eq!(flow.count(), Tally { packets: 1, bytes: length.into() });
        assert_eq!((flow.length_min, flow.length_max), (length, length));
    }
    Ok(())
}

#[test]
fn jumbo_frames_through_native_xdp_have_their_whole_length() -> Result {
    jumbo("native", "native")
}

#[test]
fn jumbo_frames_through_tc_have_their_whole_length() -> Result {
    let hook = if has_tcx()? { "tcx" } else { "clsact" };
    jumbo("tc", hook)
}

fn has_tcx() -> anyhow::Result<bool> {
    let pair = Pair::new(JUMBO)?;
    let _daemon = Daemon::start(&pair.right, &["-i", INTERFACE, "--mode", "tc"])?;
    Ok(!Attached::to(&pair.right, INTERFACE)?.ingress.is_empty())
}

#[test]
fn a_jumbo_frame_with_headers_behind_three_tags_is_read() -> Result {
    let pair = Pair::new(JUMBO)?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    let tags = [(ether_type::PROVIDER_VLAN, 1), (ether_type::VLAN, 2), (ether_type::VLAN, 3)];
    let packet = Ipv6::of(protocol::UDP).packet(&udp(5, 6, &[0; 8000]));
    let frame = tagged(&tags, ether_type::IPV6, &packet);
    let sent = send_once(&pair.left, &pair.right, vec![frame])?;
    let flows = daemon.flows()?;
    assert_eq!(flows.len(), 1, "{flows:#?}");
    assert_eq!((&flows[0].key.vlans[..], flows[0].count()), (&[1, 2, 3][..], sent));
    Ok(())
}

/// Sends super-packets of eleven datagrams each, and compares with what that is on a wire.
fn udp_super_packets(offload: &str) -> Result {
    const TIMES: u64 = 50;
    const SIZE: u64 = 1000;
    const LAST: u64 = 300;
    const PAYLOAD: u64 = 10 * SIZE + LAST;
    let pair = Pair::new(OFFLOADS)?;
    pair.left.run(&format!("ethtool -K {INTERFACE} {offload}"))?;
    let daemon = Daemon::start(&pair.left, &["-i", INTERFACE])?;
    let program = egress_program(&pair)?;
    let statistics = Statistics::enable()?;
    for (from, to, below) in [(LEFT_V4, RIGHT_V4, 14 + 20 + 8), (LEFT_V6, RIGHT_V6, 14 + 40 + 8)] {
        let runs = program.map(|program| statistics.runs(program)).transpose()?;
        let socket = pair.left.enter(|| UdpSocket::bind((from, 4000)))??;
        // The kernel cuts what is sent into datagrams of this size (udp(7), Linux 4.18).
        setsockopt(&socket, UdpGsoSegment, &(SIZE as i32)).context("setting UDP_SEGMENT")?;
        for _ in 0..TIMES {
            socket.send_to(&[7; PAYLOAD as usize], (to, 9))?;
        }
        let flow = only(&daemon, "udp", from)?;
        let bytes = TIMES * (PAYLOAD + 11 * below);
        assert_eq!(flow.count(), Tally { packets: TIMES * 11, bytes });
        assert_eq!(u64::from(flow.length_max), below + SIZE);
        assert_eq!(u64::from(flow.length_min), below + LAST);
        if let (Some(program), Some(before)) = (program, runs) {
            let after = statistics.runs(program)?;
            assert!(after - before < TIMES * 11, "they were no super-packets");
        }
    }
    daemon.ledger()?.assert_balanced();
    Ok(())
}

#[test]
fn udp_super_packets_that_the_stack_will_cut_are_unfolded() -> Result {
    udp_super_packets("tx-udp-segmentation off")
}

#[test]
fn udp_super_packets_that_the_driver_takes_whole_are_unfolded() -> Result {
    udp_super_packets("tx-udp-segmentation on")
}

/// Id of the egress program at the left end; `None` without TCX.
fn egress_program(pair: &Pair) -> anyhow::Result<Option<u32>> {
    Ok(Attached::to(&pair.left, INTERFACE)?.egress.first().copied())
}

/// The one flow of a protocol that leaves from an address.
fn only(daemon: &Daemon<'_>, protocol: &str, from: &str) -> anyhow::Result<Flow> {
    let flows = daemon.flows()?;
    let fits = |flow: &&Flow| flow.protocol == protocol && flow.key.source.to_string() == from;
    let found: Vec<_> = flows.iter().filter(fits).collect();
    ensure!(found.len() == 1, "{} flows {protocol} from {from}: {flows:#?}", found.len());
    Ok(found[0].clone())
}

/// What the sender's segments are on a wire: headers of `below` bytes, TCP with its time stamp, a longer SYN.
fn on_the_wire(sent: Sent, below: u64) -> Tally {
    const TCP: u64 = 20 + 12;
    const SYN_OPTIONS: u64 = 8;
    let bytes = sent.bytes + sent.segments * (below + TCP) + SYN_OPTIONS;
    Tally { packets: sent.segments, bytes }
}

#[test]
fn tcp_super_packets_are_unfolded_to_what_the_interface_sends() -> Result {
    let pair = Pair::new(OFFLOADS)?;
    // The stack cuts behind the hook, so that the interface counts what is on the wire.
    pair.left.run(&format!("ethtool -K {INTERFACE} tso off gso on"))?;
    pair.right.run(&format!("ethtool -K {INTERFACE} gro off"))?;
    let daemon = Daemon::start(&pair.left, &["-i", INTERFACE, "--direction", "egress"])?;
    let program = egress_program(&pair)?;
    let statistics = Statistics::enable()?;
    for (from, to, below) in [(LEFT_V4, RIGHT_V4, 14 + 20), (LEFT_V6, RIGHT_V6, 14 + 40)] {
        let sent = transfer(&pair, to, 20_000_000)?;
        let flow = only(&daemon, "tcp", from)?;
        assert_eq!(flow.count(), on_the_wire(sent, below), "{flow:?}");
        assert_eq!((flow.syn, flow.fin, flow.length_max), (1, 1, 1514));
    }
    // One for each connection, in the last segment of its last super-packet.
    let fins = [("direction", "egress"), ("flag", "fin")];
    assert_eq!(daemon.metrics()?.sum("wireledger_tcp_flag_packets_total", &fins)?, 2.0);
    let sent = pair.left_link()?.tx;
    let ledger = daemon.settled(INTERFACE, "egress", sent.packets)?;
    ledger.assert_balanced();
    let Tally { packets, bytes } = ledger.seen(INTERFACE, "egress");
    assert_eq!(Counters { packets, bytes, dropped: 0 }, sent);
    if let Some(program) = program {
        assert!(statistics.runs(program)? < packets / 2, "they were no super-packets");
    }
    Ok(())
}

#[test]
fn tcp_super_packets_that_the_driver_takes_whole_are_unfolded() -> Result {
    let pair = Pair::new(OFFLOADS)?;
    let daemon = Daemon::start(&pair.left, &["-i", INTERFACE, "--direction", "egress"])?;
    for (from, to, below) in [(LEFT_V4, RIGHT_V4, 14 + 20), (LEFT_V6, RIGHT_V6, 14 + 40)] {
        let sent = transfer(&pair, to, 20_000_000)?;
        let flow = only(&daemon, "tcp", from)?;
        assert_eq!(flow.count(), on_the_wire(sent, below), "{flow:?}");
        assert_eq!((flow.syn, flow.fin, flow.length_max), (1, 1, 1514));
        // The interface counts super-packets.
        assert!(pair.left_link()?.tx.packets < flow.packets);
    }
    daemon.ledger()?.assert_balanced();
    Ok(())
}

#[test]
fn packets_that_gro_merged_are_unfolded_at_tc_ingress() -> Result {
    let pair = Pair::new(OFFLOADS)?;
    pair.left.run(&format!("ethtool -K {INTERFACE} tso off gso on"))?;
    pair.right.run(&format!("ethtool -K {INTERFACE} gro on"))?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE, "--mode", "tc"])?;
    let program = Attached::to(&pair.right, INTERFACE)?.ingress.first().copied();
    let statistics = Statistics::enable()?;
    for (from, to, below) in [(LEFT_V4, RIGHT_V4, 14 + 20), (LEFT_V6, RIGHT_V6, 14 + 40)] {
        let sent = transfer(&pair, to, 20_000_000)?;
        let flow = only(&daemon, "tcp", from)?;
        assert_eq!(flow.count(), on_the_wire(sent, below), "{flow:?}");
    }
    // veth counts before GRO, and like with XDP without the Ethernet header.
    let received = pair.right_link()?.rx.with_ethernet();
    let ledger = daemon.settled(INTERFACE, "ingress", received.packets)?;
    ledger.assert_balanced();
    let Tally { packets, bytes } = ledger.seen(INTERFACE, "ingress");
    assert_eq!(Counters { packets, bytes, dropped: 0 }, received);
    if let Some(program) = program {
        assert!(statistics.runs(program)? < packets / 2, "nothing was merged");
    }
    Ok(())
}
