//! Real tunnels and interfaces without a link header: the flows inside, and what the ledger says of the rest.

use wireledger_tests::{
    answers::{Flow, Tunnel},
    daemon::Daemon,
    netns::{INTERFACE, LEFT_V4, NetNs, Pair, RIGHT_V4, Setup},
    packets::{ip::Ipv4, protocol, transport::udp},
    send::Tally,
    tun::Tun,
};

type Result = anyhow::Result<()>;

/// Outer Ethernet, IPv4, UDP and VXLAN headers.
const ENVELOPE: u64 = 14 + 20 + 8 + 8;

fn pings(flows: &[Flow], direction: &str) -> Flow {
    let kind = if direction == "ingress" { 8 } else { 0 };
    let fits = |flow: &&Flow| flow.key.icmp_type == Some(kind) && flow.key.direction == direction;
    let found: Vec<_> = flows.iter().filter(fits).collect();
    assert_eq!(found.len(), 1, "{direction}: {flows:#?}");
    found[0].clone()
}

fn tunnel(end: &NetNs, from: &str, to: &str, address: &str) -> Result {
    end.run(&format!("ip link add inner type vxlan id 7 local {from} remote {to} dstport 4789"))?;
    end.run(&format!("ip addr add {address}/24 dev inner"))?;
    end.run("ip link set inner up")?;
    Ok(())
}

#[test]
fn pings_through_vxlan_are_inner_flows_and_what_else_it_carries_stays_outside() -> Result {
    let pair = Pair::new(Setup::default())?;
    tunnel(&pair.left, LEFT_V4, RIGHT_V4, "10.77.0.1")?;
    tunnel(&pair.right, RIGHT_V4, LEFT_V4, "10.77.0.2")?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE, "--decap"])?;
    pair.left.run("ping -4 -q -c 5 -i 0.2 10.77.0.2")?;
    let counted = pair.right_link()?;
    for (direction, packets) in [("ingress", counted.rx.packets), ("egress", counted.tx.packets)] {
        daemon.settled(INTERFACE, direction, packets)?.assert_balanced();
        let flows = daemon.flows()?;
        let ping = pings(&flows, direction);
        let vxlan = Tunnel { kind: "vxlan".to_owned(), number: 7 };
        assert_eq!(ping.tunnel, Some(vxlan), "{ping:?}");
        assert_eq!(ping.count(), Tally { packets: 5, bytes: 5 * (98 + ENVELOPE) });
        let ends = [ping.key.source, ping.key.destination].map(|address| address.to_string());
        let mut expected = ["10.77.0.1".to_owned(), "10.77.0.2".to_owned()];
        if direction == "egress" {
            expected.reverse();
        }
        assert_eq!(ends, expected);
        // ARP inside is no flow: its packets are those of the flow outside.
        let outer = flows.iter().find(|flow| {
            flow.key.destination_port == Some(4789) && flow.key.direction == direction
        });
        assert_eq!(outer.and_then(|flow| flow.tunnel.clone()), None);
        assert!(outer.is_some(), "{direction}: {flows:#?}");
    }
    Ok(())
}

#[test]
fn an_interface_without_a_link_header_is_read_from_its_first_byte() -> Result {
    let end = NetNs::new("tun")?;
    end.run("ip tuntap add tun0 mode tun")?;
    end.run("ip addr add 10.88.0.1/24 dev tun0")?;
    let mut tun = Tun::open(&end, "tun0")?;
    end.run("ip link set tun0 up")?;
    let daemon = Daemon::start(&end, &["-i", "tun0"])?;
    let ip = Ipv4 { source: [10, 88, 0, 2].into(), ..Ipv4::of(protocol::UDP) };
    let packet = ip.packet(&udp(5000, 7777, &[0; 56]));
    for _ in 0..5 {
        tun.send(&packet)?;
    }
    // Nobody answers.
    assert!(end.run("ping -4 -q -c 2 -W 1 10.88.0.2").is_err());
    for (direction, protocol, packets) in [("ingress", "udp", 5), ("egress", "icmp", 2)] {
        daemon.settled("tun0", direction, packets)?.assert_balanced();
        let flows = daemon.flows()?;
        let fits = |flow: &&Flow| flow.protocol == protocol && flow.key.direction == direction;
        let found: Vec<_> = flows.iter().filter(fits).collect();
        assert_eq!(found.len(), 1, "{direction}: {flows:#?}");
        assert_eq!(found[0].count(), Tally { packets, bytes: packets * 84 });
    }
    Ok(())
}
