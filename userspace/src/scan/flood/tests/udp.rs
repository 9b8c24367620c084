//! UDP floods, and services, tunnels and resolvers that are none.

use super::*;

#[test]
fn udp_at_a_closed_port_is_a_flood_though_few_refusals_come() {
    for (flows, confidence) in [(5000, Confidence::Likely), (1, Confidence::Possible)] {
        let mut scene = Scene::new();
        for n in 0..flows {
            scene.udp(CLIENT, n, (HERE, 9), 5000 / u64::from(flows), 100);
        }
        scene.icmp_back(HERE, CLIENT, 3, 6);
        scene.quiet(2);
        let flood = scene.flood(Kind::UdpFlood);
        assert_eq!(flood.confidence, confidence, "{flows} flows");
        assert_eq!((flood.targets[0].address, flood.targets[0].port), (ip(HERE), Some(9)));
        assert_eq!(flood.sources.examples[0].address, ip(CLIENT));
    }
}

/// Linux refuses six datagrams at once and then one a second.
#[test]
fn refusals_count_that_came_before_there_was_enough_to_be_suspected() {
    let sudden = [(1900, 6), (6000, 1), (6000, 1)];
    // The six are long gone.
    let slow = [(1500, 1); 10].into_iter().chain([(9000, 1); 2]);
    for seconds in [sudden.to_vec(), slow.collect()] {
        let mut scene = Scene::new();
        for (datagrams, refusals) in seconds {
            for n in 0..datagrams {
                scene.udp(CLIENT, n, (HERE, 9), 1, 100);
            }
            scene.icmp_back(HERE, CLIENT, 3, refusals);
            scene.serve(1, 10);
        }
        let flood = scene.flood(Kind::UdpFlood);
        assert_eq!(flood.confidence, Confidence::Likely, "{flood:#?}");
        assert_eq!((flood.targets[0].address, flood.targets[0].port), (ip(HERE), Some(9)));
    }
}

#[test]
fn udp_of_random_sources_is_a_flood_without_any_refusal() {
    let mut scene = Scene::new();
    for n in 0..5000 {
        scene.udp(anyone(n), 5000, (HERE, 53), 1, 60);
    }
    scene.quiet(2);
    let flood = scene.flood(Kind::UdpFlood);
    assert!(flood.sources.scattered);
    assert_eq!(flood.confidence, Confidence::Likely);
}

#[test]
fn empty_datagrams_from_a_port_each_are_a_flood_also_when_they_are_answered() {
    for directed in [true, false] {
        let mut scene = Scene::with(Settings { directed, ..Settings::default() });
        for n in 0..3000 {
            let there = key(UDP, (CLIENT, 2000 + n), (HERE, 53));
            let back = if directed { back(&there) } else { FlowKey { kind: 0, ..back(&there) } };
            scene.flow(there, 1, 42, 0, true);
            scene.flow(back, 1, 42, 0, true);
        }
        scene.icmp(CLIENT, HERE, 3, 6);
        scene.quiet(2);
        let flood = scene.flood(Kind::UdpFlood);
        let targets: Vec<_> =
            flood.targets.iter().map(|target| (target.address, target.port)).collect();
        assert_eq!(targets, [(ip(HERE), Some(53))], "directed: {directed}");
        let sources: Vec<_> = flood.sources.examples.iter().map(|source| source.address).collect();
        assert_eq!(sources, [ip(CLIENT)], "directed: {directed}");
        assert!(flood.reasons.iter().any(|reason| reason.contains("refuses")), "{flood:?}");
    }
}

#[test]
fn a_receiver_of_syslog_is_silent_from_the_first_second_on_and_in_bursts() {
    let mut scene = Scene::new();
    for second in 0..300 {
        for n in 0..50 {
            let rate = if second % 60 < 5 { 300 } else { 100 };
            let key = key(UDP, (CLIENT + n, 5140), (HERE, 514));
            scene.flow(key, rate, 300, 0, second == 0);
        }
        scene.second();
    }
    scene.assert_silent();
}

#[test]
fn statsd_with_a_socket_for_each_datagram_is_silent_once_it_is_usual() {
    let mut scene = Scene::new();
    for _ in 0..300 {
        for n in 0..5000_u32 {
            scene.udp(CLIENT + n % 40, n as u16, (HERE, 8125), 1, 90);
        }
        scene.second();
    }
    scene.assert_silent();
}

#[test]
fn what_only_receives_and_begins_suddenly_is_explained() {
    let mut scene = Scene::new();
    scene.quiet(100);
    for _ in 0..3 {
        for n in 0..5000_u32 {
            scene.udp(CLIENT + n % 40, n as u16, (HERE, 9125), 1, 90);
        }
        scene.second();
    }
    let flood = scene.flood(Kind::UdpFlood);
    assert_eq!(flood.confidence, Confidence::Possible);
    assert!(flood.reasons.iter().any(|reason| reason.contains("statsd")), "{flood:?}");
}

#[test]
fn tunnels_and_downloads_over_udp_are_silent() {
    // WireGuard acknowledges every other packet, QUIC one of ten.
    for acknowledged in [2, 10, 90] {
        let mut scene = Scene::new();
        scene.quiet(70);
        for second in 0..10 {
            let there = key(UDP, (CLIENT, 51_820), (HERE, 40_000));
            scene.flow(there, 100_000, LONG, 0, second == 0);
            scene.flow(back(&there), 100_000 / acknowledged, 120, 0, second == 0);
            scene.second();
        }
        scene.assert_silent();
    }
}

#[test]
fn a_resolver_with_many_clients_and_many_servers_is_silent() {
    let mut scene = Scene::new();
    for _ in 0..10 {
        for n in 0..5000 {
            let asked = key(UDP, (CLIENT + n % 700, n as u16), (HERE, 53));
            scene.flow(asked, 1, 80, 0, true);
            scene.flow(back(&asked), 1, 200, 0, true);
            let asks =
                FlowKey { kind: EGRESS, ..key(UDP, (HERE, n as u16), (anyone(n % 300), 53)) };
            scene.flow(asks, 1, 80, 0, true);
            // Some servers do not answer, and some answer too late.
            if n % 10 != 0 {
                scene.flow(back(&asks), 1, 300, 0, true);
            }
            if n % 50 == 0 {
                scene.icmp_back(HERE, anyone(n % 300), 3, 1);
            }
        }
        scene.second();
    }
    scene.assert_silent();
}

#[test]
fn silence_says_nothing_at_ports_that_never_answer() {
    for port in [514, 6343, 2055, 9995, 4739, 8125, 162, 3784, 4789, 8472, 6081, 2152] {
        let mut scene = Scene::new();
        scene.quiet(100);
        for _ in 0..3 {
            for n in 0..30_000_u32 {
                scene.udp(CLIENT + n % 40, n as u16, (HERE, port), 1, 90);
            }
            scene.second();
        }
        scene.assert_silent();
        for n in 0..300_000 {
            scene.udp(anyone(n), 5000, (HERE, port), 1, 60);
        }
        scene.quiet(2);
        assert!(scene.flood(Kind::UdpFlood).sources.scattered, "{port}");
    }
}

#[test]
fn answers_of_ports_that_need_none_say_nothing_of_their_host() {
    let mut scene = Scene::new();
    scene.quiet(100);
    for _ in 0..5 {
        for n in 0..30_000_u32 {
            let port = [514, 6343, 8125][n as usize % 3];
            scene.udp(CLIENT + n % 40, n as u16, (HERE, port), 1, 90);
            // Enough for two of them to be answered, and too little for their host.
            if n % 180 < 2 {
                let there = key(UDP, (CLIENT + n % 40, 40_000), (HERE, port));
                scene.flow(back(&there), 1, 90, 0, true);
            }
        }
        scene.second();
    }
    scene.assert_silent();
}

#[test]
fn overlays_answer_to_the_same_port_from_ports_that_nobody_asked() {
    let mut scene = Scene::new();
    scene.quiet(100);
    for _ in 0..5 {
        for n in 0..5000 {
            scene.flow(key(UDP, (CLIENT, 1000 + n), (HERE, 4789)), 10, LONG, 0, true);
            let back = key(UDP, (HERE, 9000 + n), (CLIENT, 4789));
            scene.flow(FlowKey { kind: EGRESS, ..back }, 1, 120, 0, true);
        }
        // Refusals of something else.
        scene.icmp_back(HERE, CLIENT, 3, 6);
        scene.second();
    }
    scene.assert_silent();
}

#[test]
fn random_ports_of_one_host_are_flooded_when_no_scan_is_as_fast() {
    for (rate, floods) in [(10_000, 0), (40_000, 1)] {
        let mut scene = Scene::new();
        for second in 0..8 {
            for n in 0..rate {
                scene.udp(CLIENT, n as u16, (HERE, (n + second) as u16), 1, 60);
            }
            scene.second();
        }
        assert_eq!(scene.begun().len(), floods, "{rate}");
    }
}

#[test]
fn random_ports_are_likely_flooded_once_there_came_more_than_a_host_has() {
    let mut scene = Scene::new();
    let mut confidences = Vec::new();
    for _ in 0..10 {
        for n in 0..40_000 {
            scene.udp(CLIENT, n as u16, (HERE, n as u16), 1, 60);
        }
        scene.second();
        confidences.extend(scene.detector.floods().map(|flood| flood.confidence));
    }
    assert_eq!(confidences.first(), Some(&Confidence::Possible));
    assert_eq!(confidences.last(), Some(&Confidence::Likely));
    assert_says(scene.flood(Kind::UdpFlood), "a scan as fast");
}

#[test]
fn a_heavy_flood_at_one_port_is_told_also_where_it_was_there_first() {
    let mut scene = Scene::new();
    for _ in 0..5 {
        for n in 0..30_000 {
            scene.udp(CLIENT, n as u16, (HERE, 9999), 1, 60);
        }
        scene.second();
    }
    assert_eq!(scene.flood(Kind::UdpFlood).confidence, Confidence::Possible);
}

#[test]
fn small_datagrams_with_small_answers_are_no_flood() {
    // STUN over IPv4 and IPv6, the shortest question at a name server, and STUN where frames begin with IP.
    for (link, kind, port, length) in [
        (Link::Ethernet, 0, 3478, 62),
        (Link::Ethernet, IPV6, 3478, 82),
        (Link::Ethernet, 0, 53, 59),
        (Link::Ethernet, IPV6, 53, 79),
        (Link::Raw, 0, 3478, 48),
        (Link::Raw, IPV6, 3478, 68),
    ] {
        let mut scene = Scene::new();
        scene.detector.begin(ETH0, link, scene.now);
        for _ in 0..5 {
            for n in 0..5000 {
                let there = FlowKey { kind, ..key(UDP, (anyone(n), n as u16), (HERE, port)) };
                scene.flow(there, 1, length, 0, true);
                scene.flow(back(&there), 1, length + 12, 0, true);
            }
            scene.second();
        }
        scene.assert_silent();
    }
}

#[test]
fn answers_that_nobody_asked_for_are_a_reflection() {
    // To a port of a server that has other clients, and to any port.
    for (to, is_one) in [(27_015, true), (0, false)] {
        let mut scene = Scene::new();
        scene.quiet(70);
        for _ in 0..3 {
            for n in 0..10_000 {
                let port = if is_one { to } else { n as u16 };
                scene.udp(anyone(n % 4000), 123, (HERE, port), 1, 482);
            }
            for n in 0..200 {
                let client = key(UDP, (CLIENT + n, 4000), (HERE, 27_015));
                scene.flow(client, 5, 120, 0, false);
                scene.flow(back(&client), 5, 300, 0, false);
            }
            scene.second();
        }
        let flood = scene.flood(Kind::UdpFlood);
        assert_eq!(flood.confidence, Confidence::Likely);
        assert_says(flood, "answers from port 123");
        let target = flood.targets.first().map(|target| (target.address, target.port));
        assert_eq!(target, Some((ip(HERE), is_one.then_some(to))));
    }
}

#[test]
fn answers_that_somebody_asked_for_are_no_reflection() {
    let mut scene = Scene::new();
    for _ in 0..5 {
        for n in 0..10_000 {
            let asks = key(UDP, (HERE, n as u16), (anyone(n % 4000), 53));
            let asks = FlowKey { kind: EGRESS, ..asks };
            scene.flow(asks, 1, 80, 0, true);
            scene.flow(back(&asks), 1, 300, 0, true);
        }
        scene.second();
    }
    scene.assert_silent();
}

#[test]
fn clients_of_a_name_server_that_has_stopped_are_explained() {
    let mut scene = Scene::new();
    for n in 0..5000 {
        scene.udp(anyone(n % 800), n as u16, (HERE, 53), 1, 80);
    }
    scene.icmp_back(HERE, CLIENT, 3, 1000);
    scene.quiet(2);
    let flood = scene.flood(Kind::UdpFlood);
    assert_eq!(flood.confidence, Confidence::Possible);
    assert_says(flood, "has stopped");
}
