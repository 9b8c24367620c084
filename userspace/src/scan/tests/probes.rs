//! What a probe is taken for, whatever it looks like on the wire.

use wireledger_common::{
    abi::flow::VLAN_PRESENT,
    wire::tcp_flags::{FIN, PSH, URG},
};

use super::{
    super::{Confidence, Shape, Tag},
    *,
};

const PORTS: std::ops::Range<u16> = 20..60;
/// The first of many who are asked, or answered.
const PEERS: u32 = 0x5000_0000;

/// Who sends packets with these flags to forty ports, from a port of a client's.
fn probes(flags: u16, length: u32) -> impl Iterator<Item = Try> {
    PORTS.map(move |port| Try {
        flags: (flags, flags),
        length,
        ..syn(SCANNER, TARGET, (44_000, port))
    })
}

/// What is made of them.
fn named(all: impl IntoIterator<Item = Try>) -> Option<Kind> {
    let mut scene = Scene::new();
    scene.attempts(MILLISECOND, all);
    let verdicts = scene.verdicts();
    assert!(verdicts.len() <= 1, "{verdicts:#?}");
    verdicts.first().map(|verdict| verdict.kind)
}

#[test]
fn answers_of_dhcp_and_multicast_dns_go_to_who_asked_by_broadcast() {
    for ports in [(67, 68), (547, 546), (5353, 5353)] {
        assert_eq!(named((0..300).map(|n| udp(SCANNER, PEERS + n, ports))), None, "{ports:?}");
    }
    // To where nobody waits for them.
    assert_eq!(named((0..300).map(|n| udp(SCANNER, PEERS + n, (67, 161)))), Some(Kind::Udp));
}

#[test]
fn peers_at_the_same_port_of_whom_most_are_dead() {
    for port in [30_303, 4001, 41_641, 51_820, 53] {
        let peers = (0..500).map(|n| {
            let this = udp(SCANNER, PEERS + n, (port, port));
            if n % 10 == 0 { this.answered() } else { this }
        });
        assert_eq!(named(peers), None, "{port}");
    }
}

#[test]
fn a_udp_scan_from_a_port_lacks_that_port_alone() {
    let mut scene = Scene::new();
    scene.attempts(MILLISECOND, PORTS.map(|port| udp(SCANNER, TARGET, (53, port))));
    let verdict = scene.verdict();
    assert_eq!((verdict.kind, &*verdict.ports.ranges), (Kind::Udp, "20-52,54-59"));
    assert_eq!(verdict.tags, [Tag::FromServicePort]);
}

#[test]
fn flags_that_nothing_ordinary_has_are_odd() {
    for flags in [
        SYN | RST,
        FIN | RST,
        RST | URG,
        RST | ACK | FIN,
        SYN | RST | ACK,
        URG | ACK | PSH | RST | SYN | FIN,
        ACK | URG,
        ACK | URG | PSH,
        FIN | ACK | URG,
        SYN | ACK | FIN,
        SYN | ACK | URG,
        FIN | PSH,
        PSH,
        URG,
    ] {
        assert_eq!(named(probes(flags, 54)), Some(Kind::OddFlags), "{flags:#x}");
    }
    for flags in [SYN | FIN, SYN | PSH, SYN | URG, SYN | FIN | PSH | URG] {
        assert_eq!(named(probes(flags, 54)), Some(Kind::Syn), "{flags:#x}");
    }
}

#[test]
fn resets_and_segments_with_data_are_nothing() {
    for flags in [RST, RST | ACK, RST | PSH, RST | ACK | PSH, ACK | PSH, FIN | ACK | PSH] {
        assert_eq!(named(probes(flags, 54)), None, "{flags:#x}");
    }
    // Urgent data of connections that were there before.
    assert_eq!(named(probes(ACK | URG, 90)), None);
    let answered = |flags| probes(flags, 60).map(|this| Try { answer: Some(ACK), ..this });
    assert_eq!(named(answered(ACK | URG | PSH)), None);
    let served = |flags| {
        let this = move |n: u16| syn(SCANNER, TARGET, (513, 40_000 + n));
        (0..100).map(move |n| Try { flags: (flags, flags), length: 54, ..this(n) })
    };
    for flags in [ACK | URG, RST | ACK | FIN] {
        assert_eq!(named(served(flags)), None, "{flags:#x}");
    }
}

#[test]
fn syn_acks_to_many_ports_are_a_scan_and_from_many_ports_to_one_the_trial_of_a_zombie() {
    let mut scene = Scene::new();
    scene.attempts(MILLISECOND, probes(SYN | ACK, 54).map(Try::refused));
    let verdict = scene.verdict();
    assert_eq!((verdict.kind, verdict.shape), (Kind::OddFlags, Shape::PortScan));
    assert_eq!((verdict.ports.count, &*verdict.ports.ranges), (40, "20-59"));
    assert_eq!((verdict.attempts, verdict.confidence), (40, Confidence::Certain));

    let both = SYN | ACK;
    let trial = |n: u16| Try { flags: (both, both), ..syn(SCANNER, TARGET, (57_553 + n, 80)) };
    let mut scene = Scene::new();
    scene.attempts(MILLISECOND, (0..30).map(|n| trial(n).refused()));
    assert_eq!(scene.verdict().kind, Kind::IdleZombie);
}

#[test]
fn syn_acks_whose_questions_may_not_have_been_seen_are_none() {
    let both = SYN | ACK;
    let answer = |ports| Try { flags: (both, both), ..syn(SCANNER, TARGET, ports) };
    // A service at a high port, and clients' ports.
    assert_eq!(named((0..500).map(|n| answer((49_200, 32_768 + n)))), None);
    assert_eq!(named((0..500).map(|n| answer((8080, 1024 + n)))), None);
    let mut scene = Scene::new();
    scene.both_ways = false;
    scene.attempts(MILLISECOND, (0..500).map(|n| answer((49_200, 2000 + n))));
    scene.assert_silent("one direction");
}

#[test]
fn data_and_ip_options_hide_no_scan_from_a_client_s_port() {
    for length in [54, 79, 94, 1514] {
        for (flags, kind) in [(FIN, Kind::Fin), (FIN | ACK, Kind::Maimon), (ACK, Kind::Ack)] {
            assert_eq!(named(probes(flags, length)), Some(kind), "{kind:?}, {length} bytes");
        }
    }
    // Nothing ends a connection with FIN alone, from whichever port.
    let from_service = PORTS.map(|port| 2000 + port).map(|port| Try {
        flags: (FIN, FIN),
        length: 1514,
        ..syn(SCANNER, TARGET, (53, port))
    });
    assert_eq!(named(from_service), Some(Kind::Fin));
    let sweep = (0..20)
        .map(|n| Try { flags: (FIN, FIN), ..syn(SCANNER, TARGET + n, (40_000 + n as u16, 80)) });
    assert_eq!(named(sweep), Some(Kind::Fin));
}

#[test]
fn transfers_that_go_on_are_none() {
    for packets in [4, 400] {
        let data = probes(ACK, 1514).map(|this| Try { packets, ..this });
        assert_eq!(named(data), None);
    }
    let pushed = probes(ACK, 1514).map(|this| Try { flags: (ACK, ACK | PSH), ..this });
    assert_eq!(named(pushed), None);
    let acknowledged = probes(ACK, 1514).map(|this| Try { answer: Some(ACK), ..this });
    assert_eq!(named(acknowledged), None);
}

#[test]
fn an_ack_after_a_syn_that_nothing_answered_opens_no_port() {
    let after = |flags, port| Try {
        flags: (SYN, SYN | flags),
        packets: 2,
        ..syn(SCANNER, TARGET, (44_000, port))
    };
    let mut scene = Scene::new();
    scene.attempts(MILLISECOND, PORTS.map(|port| after(ACK, port)));
    let verdict = scene.verdict();
    assert_eq!((verdict.kind, verdict.pairs), (Kind::Syn, 40));
    assert_eq!(verdict.open_ports.count, 0);
    // Nor does data, which only shows that the answers may have gone another way.
    let mut scene = Scene::new();
    let pushed = (1..5).map(|port| after(ACK | PSH, port));
    scene.attempts(MILLISECOND, pushed.chain(PORTS.map(|port| after(0, port).refused())));
    let verdict = scene.verdict();
    assert_eq!((verdict.ports.count, verdict.open_ports.count), (44, 0));
    // Where answers are not seen, an ACK is all that can be seen of one.
    let mut scene = Scene::new();
    scene.both_ways = false;
    scene.attempts(MILLISECOND, PORTS.map(|port| after(ACK, port)));
    scene.assert_silent("one direction");
}

/// A SYN as systems send it, and with a maximum segment size alone; an INIT and a COOKIE-ECHO.
const TRANSPORT: [(u8, u32, Kind); 4] = [
    (TCP, 40, Kind::Connect),
    (TCP, 24, Kind::Syn),
    (SCTP, 32, Kind::SctpInit),
    (SCTP, 20, Kind::SctpCookieEcho),
];

#[test]
fn lengths_are_those_behind_the_link_s_header_and_its_tags() {
    let tag = |id| VLAN_PRESENT | id;
    for link_header in [0, 4, 14, 16, 20] {
        for vlans in [[0; 3], [tag(7), 0, 0], [tag(7), tag(0), 0]] {
            for (v6, ip) in [(false, 20), (true, 40)] {
                for (protocol, transport, kind) in TRANSPORT {
                    let tags = vlans.iter().filter(|tag| **tag != 0).count() as u32;
                    let length = link_header + 4 * tags + ip + transport;
                    let mut scene = Scene::new();
                    (scene.v6, scene.link_header, scene.vlans) = (v6, link_header, vlans);
                    let this = |port| match protocol {
                        SCTP => Try { length, ..sctp(TARGET, port, length) },
                        _ => Try { length, ..syn(SCANNER, TARGET, (40_000 + port, port)) },
                    };
                    scene.attempts(MILLISECOND, PORTS.map(this));
                    let what = (link_header, vlans, v6, transport);
                    assert_eq!(scene.verdict().kind, kind, "{what:?}");
                }
            }
        }
    }
}
