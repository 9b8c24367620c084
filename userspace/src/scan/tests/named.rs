//! Every scan by its name.

use std::{collections::BTreeSet, net::IpAddr};

use wireledger_common::wire::tcp_flags::{FIN, PSH, URG};

use super::{super::*, *};

const PORTS: std::ops::Range<u16> = 20..60;

fn from_one_port(each: impl Fn(Try, u16) -> Try) -> impl Iterator<Item = Try> {
    PORTS.map(move |port| each(syn(SCANNER, TARGET, (44_000, port)), port))
}

/// As nmap sends them: 58 bytes of Ethernet frame.
fn probes(flags: u16) -> impl Iterator<Item = Try> {
    from_one_port(move |this, _| Try { flags: (flags, flags), length: 54, ..this })
}

#[test]
fn tcp_scans_are_named_by_their_flags() {
    for (flags, kind) in [
        (0, Kind::Null),
        (FIN, Kind::Fin),
        (FIN | PSH | URG, Kind::Xmas),
        (FIN | ACK, Kind::Maimon),
        (ACK, Kind::Ack),
        (URG, Kind::OddFlags),
    ] {
        for answer in [None, Some(RST)] {
            let mut scene = Scene::new();
            scene.attempts(MILLISECOND, probes(flags).map(|this| Try { answer, ..this }));
            let verdict = scene.verdict();
            assert_eq!((verdict.kind, verdict.shape), (kind, Shape::PortScan));
            assert_eq!(verdict.sources, ["10.66.0.1".parse::<std::net::IpAddr>().expect("one")]);
            assert_eq!(
                verdict.targets.examples,
                ["10.66.0.2".parse::<std::net::IpAddr>().expect("one")]
            );
            assert_eq!((verdict.ports.count, &*verdict.ports.ranges), (40, "20-59"));
            assert_eq!((verdict.pairs, verdict.packets), (40, 40));
            assert_eq!(verdict.confidence, Confidence::Certain);
            assert_eq!(scene.told, [(kind, Stage::Begun)]);
        }
    }
}

#[test]
fn half_open_is_a_syn_scan_and_completed_a_connect_scan() {
    let open = |this: Try, port: u16| match port {
        22 | 53 => this,
        _ => this.refused(),
    };
    let mut scene = Scene::new();
    scene.attempts(
        MILLISECOND,
        from_one_port(|this, port| match port {
            22 | 53 => this.half_open(),
            _ => open(this, port),
        }),
    );
    let verdict = scene.verdict();
    assert_eq!((verdict.kind, verdict.confidence), (Kind::Syn, Confidence::Certain));
    assert_eq!(verdict.open_ports.count, 2);
    let ports: Vec<_> = verdict.open_ports.examples.iter().map(|open| open.port).collect();
    assert_eq!(ports, [22, 53]);

    let mut scene = Scene::new();
    scene.attempts(
        MILLISECOND,
        PORTS.map(|port| {
            let this = syn(SCANNER, TARGET, (40_000 + port, port));
            if matches!(port, 20 | 22 | 53) { this.completed() } else { this.refused() }
        }),
    );
    let verdict = scene.verdict();
    assert_eq!((verdict.kind, verdict.confidence), (Kind::Connect, Confidence::Certain));
    // The first was open before anything had failed.
    assert_eq!((verdict.open_ports.count, &*verdict.ports.ranges), (3, "20-59"));
}

#[test]
fn without_an_open_port_source_ports_and_options_tell() {
    for (from, length, kind, confidence) in [
        (44_000, 58, Kind::Syn, Confidence::Certain),
        (0, 54, Kind::Syn, Confidence::Likely),
        (0, 74, Kind::Connect, Confidence::Likely),
    ] {
        let mut scene = Scene::new();
        scene.attempts(
            MILLISECOND,
            PORTS.map(|port| {
                let near = if from == 0 { 40_000 + port } else { from };
                Try { length, ..syn(SCANNER, TARGET, (near, port)).refused() }
            }),
        );
        let verdict = scene.verdict();
        assert_eq!((verdict.kind, verdict.confidence), (kind, confidence), "{verdict:#?}");
    }
}

#[test]
fn one_port_of_many_hosts_is_a_sweep_and_many_of_many_both() {
    let mut scene = Scene::new();
    scene.attempts(MILLISECOND, (0..32).map(|n| syn(SCANNER, TARGET + n, (44_000, 22)).refused()));
    let verdict = scene.verdict();
    assert_eq!((verdict.shape, verdict.targets.count), (Shape::HostSweep, 32));
    assert_eq!(verdict.ports.ranges, "22");
    let mut scene = Scene::new();
    let all = (0..32).flat_map(|n| PORTS.map(move |port| (n, port)));
    scene.attempts(MILLISECOND, all.map(|(n, port)| syn(SCANNER, TARGET + n, (44_000, port))));
    let verdict = scene.verdict();
    assert_eq!((verdict.shape, verdict.pairs), (Shape::Both, 32 * 40));
}

#[test]
fn all_ports_of_a_host_are_counted_exactly() {
    let mut scene = Scene::new();
    scene.attempts(
        MILLISECOND / 10,
        (0..=u16::MAX).map(|port| syn(SCANNER, TARGET, (44_000, port))),
    );
    let verdict = scene.verdict();
    assert_eq!((verdict.pairs, &*verdict.ports.ranges), (65_536, "0-65535"));
    let [(_, Stage::Begun), grown @ ..] = &scene.told[..] else { panic!("{:?}", scene.told) };
    assert_eq!(grown, [(Kind::Syn, Stage::Grown); 2]);
}

#[test]
fn udp_sctp_and_protocols_are_scanned_too() {
    let mut scene = Scene::new();
    scene.attempts(
        MILLISECOND,
        PORTS.map(|port| {
            let this = udp(SCANNER, TARGET, (44_000, port));
            if port == 53 { this.answered() } else { this }
        }),
    );
    let verdict = scene.verdict();
    assert_eq!((verdict.kind, verdict.open_ports.count), (Kind::Udp, 1));
    for (length, kind) in [(SCTP_INIT, Kind::SctpInit), (SCTP_COOKIE, Kind::SctpCookieEcho)] {
        let mut scene = Scene::new();
        scene.attempts(MILLISECOND, PORTS.map(|port| sctp(TARGET, port, length)));
        let verdict = scene.verdict();
        assert_eq!((verdict.kind, verdict.confidence), (kind, Confidence::Likely));
    }
    let mut scene = Scene::new();
    let others = (100..120).map(|number| attempt(SCANNER, TARGET, number, (0, 0)));
    scene.attempts(MILLISECOND, others.chain([syn(SCANNER, TARGET, (44_000, 80)).refused()]));
    let verdict = scene.verdict();
    assert_eq!((verdict.kind, &*verdict.ports.ranges), (Kind::IpProtocol, "6,100-119"));
}

#[test]
fn pings_of_many_hosts_or_in_many_ways_are_a_sweep() {
    for kind in [8, 13, 17] {
        let mut scene = Scene::new();
        scene.attempts(
            MILLISECOND,
            (0..16).map(|n| {
                let this = ping(SCANNER, TARGET + n, kind);
                if kind == 8 { this.answered() } else { this }
            }),
        );
        let verdict = scene.verdict();
        assert_eq!((verdict.kind, verdict.targets.count), (Kind::PingSweep, 16));
    }
    let mut scene = Scene::new();
    let this = |port| syn(SCANNER, TARGET, (44_000, port)).half_open();
    scene.attempts(
        MILLISECOND,
        [
            this(22),
            this(80),
            this(443),
            ping(SCANNER, TARGET, 13).answered(),
            udp(SCANNER, TARGET, (44_000, 40_125)),
            ping(SCANNER, TARGET, 17),
        ],
    );
    let verdict = scene.verdict();
    assert_eq!((verdict.kind, verdict.targets.count), (Kind::PingSweep, 1));
    assert_eq!(verdict.ports.ranges, "22,80,443,40125");
}

#[test]
fn a_ping_sweep_explains_its_tcp_probes() {
    let mut scene = Scene::new();
    scene.attempts(
        MILLISECOND,
        (0..20).flat_map(|n| {
            let ack =
                Try { flags: (ACK, ACK), length: 54, ..syn(SCANNER, TARGET + n, (44_000, 80)) };
            [ping(SCANNER, TARGET + n, 8), syn(SCANNER, TARGET + n, (44_000, 443)), ack.refused()]
        }),
    );
    let verdict = scene.verdict();
    assert_eq!((verdict.kind, verdict.targets.count), (Kind::PingSweep, 20));
    assert_eq!(verdict.ports.ranges, "80,443");
}

#[test]
fn fragments_are_named_by_what_they_are_answered_with() {
    for (open, kind) in [(true, Kind::Syn), (false, Kind::Fragmented)] {
        let mut scene = Scene::new();
        scene.attempts(
            MILLISECOND,
            PORTS.map(|port| {
                let this = Try {
                    fragments: 3,
                    packets: 3,
                    length: 42,
                    flags: (0, 0),
                    ..syn(SCANNER, TARGET, (44_000, port))
                };
                if open && port == 22 { this.half_open() } else { this.refused() }
            }),
        );
        let verdict = scene.verdict();
        assert_eq!((verdict.kind, &verdict.tags[..]), (kind, &[Tag::Fragmented][..]));
    }
}

#[test]
fn an_idle_scan_is_told_from_both_ends() {
    const ZOMBIE: u32 = TARGET + 1;
    let mut scene = Scene::new();
    let both = SYN | ACK;
    let tries_out = (0..30)
        .map(|n| Try { flags: (both, both), ..syn(SCANNER, ZOMBIE, (57_553 + n, 80)) }.refused());
    scene.attempts(MILLISECOND, tries_out);
    let verdict = scene.verdict();
    assert_eq!((verdict.kind, &*verdict.ports.ranges), (Kind::IdleZombie, "80"));
    scene.attempts(
        MILLISECOND,
        PORTS.map(|port| {
            let this = syn(ZOMBIE, TARGET, (80, port));
            if port == 22 { this.half_open() } else { this.refused() }
        }),
    );
    let verdicts = scene.verdicts();
    let syn = verdicts.iter().find(|verdict| verdict.kind == Kind::Syn).expect("a SYN scan");
    assert_eq!(syn.tags, [Tag::FromServicePort, Tag::MaybeZombie]);
    assert!(syn.reasons.iter().any(|reason| reason.contains("likely the zombie")), "{syn:#?}");
}

#[test]
fn sources_that_ask_the_same_in_the_same_order_are_one_verdict() {
    let mut scene = Scene::new();
    scene.attempts(
        MILLISECOND,
        (0..40_u32).flat_map(|n| {
            // Not rising, and now and then one overtakes another.
            let port = move |decoy: u32| 1 + ((n ^ (decoy & 1)) * 7919 % 4000) as u16;
            [0, 1, 2].map(|decoy| syn(SCANNER + 100 + decoy, TARGET, (53_327, port(decoy))))
        }),
    );
    scene.attempts(MILLISECOND, PORTS.map(|port| syn(SCANNER + 7, TARGET, (53_327, port))));
    let verdicts = scene.verdicts();
    assert_eq!(verdicts.len(), 2, "{verdicts:#?}");
    assert_eq!((verdicts[0].sources.len(), &verdicts[0].tags[..]), (3, &[Tag::Decoys][..]));
    assert_eq!((verdicts[0].pairs, verdicts[0].packets), (40, 120));
    assert!(verdicts[0].reasons.iter().any(|reason| reason.contains("one of them may be real")));
    assert_eq!(verdicts[1].sources.len(), 1);
}

#[test]
fn slow_scans_add_up() {
    for (seconds, template) in [(2, "-T2"), (15, "-T1"), (300, "-T0")] {
        let mut scene = Scene::new();
        scene.attempts(
            seconds * SECOND,
            PORTS.take(12).map(|port| syn(SCANNER, TARGET, (44_000, port))),
        );
        let verdict = scene.verdict();
        assert_eq!(verdict.tags, [Tag::Slow]);
        assert!(verdict.reasons.iter().any(|reason| reason.contains(template)), "{verdict:#?}");
    }
}

#[test]
fn ipv6_is_scanned_alike_and_every_target_has_its_address() {
    let mut scene = Scene::new();
    scene.v6 = true;
    scene.attempts(MILLISECOND, (0..12).map(|n| syn(SCANNER, TARGET + n, (44_000, 22)).refused()));
    let verdict = scene.verdict();
    let examples: Vec<_> = verdict.targets.examples.iter().map(ToString::to_string).collect();
    assert_eq!(verdict.targets.count, 12);
    assert_eq!(examples[..4], ["fd66::a42:2", "fd66::a42:3", "fd66::a42:4", "fd66::a42:5"]);
}

#[test]
fn odd_flags_beside_syn_and_a_service_port_are_tagged() {
    let mut scene = Scene::new();
    scene.attempts(
        MILLISECOND,
        PORTS.map(|port| {
            Try { flags: (SYN | FIN, SYN | FIN), ..syn(SCANNER, TARGET, (53, port)) }.refused()
        }),
    );
    let verdict = scene.verdict();
    assert_eq!(verdict.kind, Kind::Syn);
    assert_eq!(verdict.tags, [Tag::OddFlags, Tag::FromServicePort]);
}

#[test]
fn one_way_tcp_is_judged_by_what_the_initiator_goes_on_to_send() {
    let mut scene = Scene::new();
    scene.both_ways = false;
    let completed = |port| Try {
        flags: (SYN, SYN | ACK),
        packets: 5,
        ..syn(SCANNER, TARGET, (40_000 + port, port))
    };
    scene.attempts(MILLISECOND, PORTS.map(completed));
    scene.attempts(MILLISECOND, PORTS.map(|port| udp(SCANNER, TARGET, (44_000, port))));
    scene.attempts(MILLISECOND, PORTS.map(|port| ping(SCANNER, TARGET + u32::from(port), 8)));
    scene.assert_silent("completed, or not to be judged");
    scene.attempts(MILLISECOND, PORTS.map(|port| syn(SCANNER + 1, TARGET, (44_000, port))));
    assert_eq!(scene.verdict().kind, Kind::Syn);
}

#[test]
fn a_verdict_begins_once_and_ends_when_its_source_is_silent() {
    let mut scene = Scene::new();
    scene.attempts(MILLISECOND, PORTS.map(|port| syn(SCANNER, TARGET, (44_000, port))));
    scene.now += 59 * SECOND;
    scene.tick();
    assert_eq!(scene.told, [(Kind::Syn, Stage::Begun)]);
    scene.now += SECOND;
    scene.tick();
    assert_eq!(scene.told, [(Kind::Syn, Stage::Begun), (Kind::Syn, Stage::Ended)]);
    assert_eq!(scene.verdict().ports.ranges, "20-59");
    let counters = scene.detector.counters();
    assert_eq!((counters.under_way, counters.suspects), (0, 0));
}

/// A hundred sites that answer, and one in thirty that does not; the first few of all do not either.
fn browsing(from: u32, first: u32) -> impl Iterator<Item = Try> {
    (first..first + 100).map(move |n| {
        let this = syn(from, 0x5000_0000 + n, (32_768 + n as u16, 443));
        if n % 30 == 0 || n < 4 { this } else { this.completed() }
    })
}

#[test]
fn a_scan_by_who_does_much_else_is_of_its_target_alone() {
    let mut scene = Scene::new();
    scene.attempts(SECOND, browsing(SCANNER, 0));
    let began = scene.now;
    let bare = |port: u16| Try { length: 58, ..syn(SCANNER, TARGET, (44_000, port)) };
    let probes = (100..200).map(|port| match port {
        122 => bare(port).half_open(),
        _ => bare(port).refused(),
    });
    let among = probes.zip(browsing(SCANNER, 100)).flat_map(|(probe, page)| [probe, page]);
    scene.attempts(10 * MILLISECOND, among);
    scene.attempts(SECOND, browsing(SCANNER, 200));
    let verdict = scene.verdict();
    assert_eq!((verdict.kind, verdict.shape), (Kind::Syn, Shape::PortScan));
    assert_eq!(verdict.confidence, Confidence::Certain);
    assert_eq!(verdict.targets.count, 1);
    assert_eq!(verdict.targets.examples, ["10.66.0.2".parse::<IpAddr>().expect("an address")]);
    assert_eq!((verdict.ports.count, &*verdict.ports.ranges), (100, "100-199"));
    assert_eq!((verdict.pairs, verdict.attempts, verdict.packets), (100, 100, 101));
    let open: Vec<_> = verdict.open_ports.examples.iter().map(|open| open.port).collect();
    assert_eq!((verdict.open_ports.count, &*open), (1, &[122][..]));
    assert_eq!((verdict.first_seen, verdict.last_seen), (began, began + 198 * 10 * MILLISECOND));
    // It ends although the source goes on with all else.
    let told = scene.told.iter().map(|(_, stage)| *stage);
    assert_eq!(told.collect::<Vec<_>>(), [Stage::Begun, Stage::Grown, Stage::Ended]);
}

#[test]
fn several_scans_by_who_does_very_much_else_are_one() {
    let mut scene = Scene::new();
    scene.v6 = true;
    for round in 0..30 {
        scene.attempts(10 * MILLISECOND, browsing(SCANNER, round * 100));
    }
    let ports = |target| (1..=40).map(move |port| syn(SCANNER, target, (44_000, port)).refused());
    scene.attempts(MILLISECOND, ports(TARGET));
    scene.attempts(MILLISECOND, ports(TARGET + 1));
    for round in 30..60 {
        scene.attempts(10 * MILLISECOND, browsing(SCANNER, round * 100));
    }
    let verdict = scene.verdict();
    assert_eq!((verdict.targets.count, &*verdict.ports.ranges), (2, "1-40"));
    let targets = [1, 2].map(|n| IpAddr::from(address(TARGET - 1 + n, true)));
    assert_eq!(verdict.targets.examples.iter().collect::<BTreeSet<_>>(), targets.iter().collect());
    assert_eq!((verdict.pairs, verdict.attempts), (80, 80));
}

/// What it did with success is remembered as one of a few bits, which must not excuse what comes after.
#[test]
fn some_success_before_hides_no_scan() {
    let missed = |sites: u32, probes: fn() -> Vec<Try>| {
        let missed = (0..100).filter(|_| {
            let mut scene = Scene::with(Settings { newcomers: 1 << 8, ..Settings::default() });
            let page = |n| syn(SCANNER, 0x5000_0000 + n, (32_768 + n as u16, 443)).completed();
            scene.attempts(MILLISECOND, (0..sites).map(page));
            scene.attempts(MILLISECOND, probes());
            scene.verdicts().is_empty()
        });
        missed.count()
    };
    for sites in [4, 8, 12, 16] {
        let scan = || (1..101).map(|port| syn(SCANNER, TARGET, (44_000, port)).refused()).collect();
        assert!(missed(sites, scan) <= 5, "scans behind {sites} successes");
        let sweep =
            || (1..101).map(|n| syn(SCANNER, TARGET + n, (44_000, 445)).refused()).collect();
        assert!(missed(sites, sweep) <= 5, "sweeps behind {sites} successes");
    }
}

/// A permutation of so many words, a power of two.
fn mixed(n: u32, words: u32) -> u32 {
    n.wrapping_mul(0x9e37_79b1).wrapping_add(0x7f4a) % words
}

#[test]
fn random_ports_of_random_hosts_are_a_scan() {
    for hosts in [1 << 8, 1 << 10, 1 << 20] {
        let mut scene = Scene::new();
        let probes = (0..6000).map(|n| {
            let (host, port) = (mixed(n, hosts), 1 + (mixed(n, 1 << 22) >> 7) as u16);
            Try { length: 58, ..syn(SCANNER, TARGET + host, (61_000, port)) }
        });
        scene.attempts(MILLISECOND, probes);
        let verdict = scene.verdict();
        assert_eq!((verdict.kind, verdict.shape), (Kind::Syn, Shape::Both), "{hosts} hosts");
    }
}

#[test]
fn the_shape_is_that_of_all_that_was_seen() {
    let ports = |host, ports: std::ops::Range<u16>| {
        ports.map(move |port| syn(SCANNER, TARGET + host, (44_000, port)).refused())
    };
    let mut scene = Scene::new();
    scene.attempts(MILLISECOND, ports(0, 1..100));
    assert_eq!(scene.verdict().shape, Shape::PortScan);
    scene.attempts(MILLISECOND, (1..30).flat_map(|host| ports(host, 1..30)));
    assert_eq!(scene.verdict().shape, Shape::Both);
}

#[test]
fn a_few_ports_of_hosts_that_were_pinged_first_are_a_scan_beside_it() {
    let mut scene = Scene::new();
    let ack = |n| Try { flags: (ACK, ACK), length: 54, ..syn(SCANNER, TARGET + n, (44_000, 80)) };
    let probe = |n, port| syn(SCANNER, TARGET + n, (44_000, port));
    let found = (0..20).flat_map(|n| [ping(SCANNER, TARGET + n, 8), probe(n, 443), ack(n)]);
    scene.attempts(MILLISECOND, found);
    scene.attempts(MILLISECOND, (0..20).flat_map(|n| [22, 80, 445].map(|port| probe(n, port))));
    let mut kinds: Vec<_> = scene.verdicts().iter().map(|verdict| verdict.kind).collect();
    kinds.sort_unstable_by_key(|&kind| kind as usize);
    let mut expected = [Kind::Syn, Kind::PingSweep];
    expected.sort_unstable_by_key(|&kind| kind as usize);
    assert_eq!(kinds, expected);
}

#[test]
fn who_asks_the_same_at_another_time_or_in_another_order_is_no_decoy() {
    let ports: Vec<u16> = (0..12).map(|n| 1 + (n * 7919 % 4000) as u16).collect();
    let scan = |from, ports: Vec<u16>| {
        ports.into_iter().map(move |port| syn(from, TARGET, (53_327, port)).refused())
    };
    let mut scene = Scene::new();
    scene.attempts(MILLISECOND, scan(SCANNER, ports.clone()));
    scene.now += 20 * SECOND;
    scene.attempts(MILLISECOND, scan(SCANNER + 1, ports.clone()));
    let mut others = ports.clone();
    others.rotate_left(5);
    scene.attempts(MILLISECOND, scan(SCANNER + 2, others));
    let sources: Vec<_> = scene.verdicts().iter().map(|verdict| verdict.sources.len()).collect();
    assert_eq!(sources, [1, 1, 1]);
}
