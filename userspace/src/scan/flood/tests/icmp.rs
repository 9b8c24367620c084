//! ICMP floods and backscatter, and what was asked for.

use super::*;

#[test]
fn echo_requests_are_a_flood_and_a_slower_ping_is_none() {
    let mut scene = Scene::new();
    for _ in 0..20 {
        scene.icmp(CLIENT, HERE, 8, 800);
        scene.icmp_back(HERE, CLIENT, 0, 800);
        scene.second();
    }
    scene.assert_silent();
    scene.icmp(CLIENT, HERE, 8, 50_000);
    scene.icmp_back(HERE, CLIENT, 0, 1000);
    scene.quiet(2);
    let flood = scene.flood(Kind::IcmpFlood);
    assert_eq!(flood.confidence, Confidence::Likely);
    assert_eq!((flood.targets[0].address, flood.targets[0].port), (ip(HERE), None));
    assert_eq!(flood.sources.examples[0].address, ip(CLIENT));
}

#[test]
fn a_flooding_ping_is_explained() {
    let mut scene = Scene::new();
    scene.icmp(CLIENT, HERE, 8, 5000);
    scene.icmp_back(HERE, CLIENT, 0, 5000);
    scene.quiet(2);
    let flood = scene.flood(Kind::IcmpFlood);
    assert_eq!(flood.confidence, Confidence::Possible);
    assert!(flood.reasons.iter().any(|reason| reason.contains("ping -f")), "{flood:?}");
}

#[test]
fn a_monitor_that_pings_thousands_is_silent() {
    let mut scene = Scene::new();
    for _ in 0..10 {
        for n in 0..5000 {
            scene.icmp_back(HERE, anyone(n), 8, 1);
            scene.icmp(anyone(n), HERE, 0, 1);
        }
        scene.second();
    }
    scene.assert_silent();
}

#[test]
fn icmp_without_flow_entries_is_taken_to_be_as_the_rest() {
    let mut scene = Scene::new();
    for n in 0..500 {
        scene.icmp(anyone(n), HERE, 8, 1);
    }
    scene.rates[0].icmp = 50_000;
    scene.quiet(2);
    assert_eq!(scene.flood(Kind::IcmpFlood).peak, 50_000.0);
}

#[test]
fn answers_to_what_nobody_sent_are_backscatter_of_the_victim() {
    for flags in [SYN | ACK, RST, RST | ACK] {
        let mut scene = Scene::new();
        for n in 0..2000_u32 {
            scene.flow(key(TCP, (CLIENT, 80), (HERE + n % 200, n as u16)), 1, BARE, flags, true);
        }
        scene.quiet(2);
        let flood = scene.flood(Kind::Backscatter);
        assert_eq!(flood.sources.examples[0].address, ip(CLIENT));
        assert_eq!(flood.confidence, Confidence::Likely);
    }
}

#[test]
fn errors_and_replies_that_nobody_asked_for_are_backscatter() {
    for kind in [0, 3, 11] {
        let mut scene = Scene::new();
        scene.icmp(CLIENT, HERE, kind, 2000);
        scene.quiet(2);
        assert_eq!(scene.flood(Kind::Backscatter).sources.examples[0].address, ip(CLIENT));
    }
}

#[test]
fn many_hosts_that_answer_one_are_reflectors() {
    let mut scene = Scene::new();
    for n in 0..3000 {
        scene.flow(key(TCP, (anyone(n), 443), (HERE, 4000)), 1, BARE, SYN | ACK, true);
    }
    scene.quiet(2);
    let flood = scene.flood(Kind::Backscatter);
    assert_eq!((flood.targets[0].address, flood.targets[0].port), (ip(HERE), Some(4000)));
    assert!(flood.sources.scattered);
}

#[test]
fn answers_to_scans_and_connections_of_ours_are_no_backscatter_and_neither_is_the_last_of_them() {
    let mut scene = Scene::new();
    for _ in 0..3 {
        for n in 0..3000_u32 {
            let asks =
                FlowKey { kind: EGRESS, ..key(TCP, (HERE, n as u16), (CLIENT, 1 + n as u16)) };
            // A FIN scan: no SYN is counted.
            scene.flow(asks, 1, BARE, 1, true);
            if n < 2000 {
                scene.flow(back(&asks), 1, BARE, RST | ACK, true);
            }
        }
        scene.second();
    }
    for n in 0..3000 {
        scene.flow(key(TCP, (CLIENT, n), (HERE, 9)), 1, BARE, RST | ACK, true);
    }
    scene.quiet(3);
    scene.assert_silent();
}

#[test]
fn what_a_flooded_host_answers_is_no_second_flood() {
    let mut scene = Scene::new();
    for _ in 0..3 {
        for n in 0..3000 {
            let syn = key(TCP, (anyone(n), 1000), (HERE, 80));
            scene.flow(syn, 1, BARE, SYN, true);
            scene.flow(back(&syn), 1, BARE, SYN | ACK, true);
        }
        scene.second();
    }
    scene.flood(Kind::SynFlood);
}
