//! SYN floods, and crowds, outages and scans that are none.

use super::*;

#[test]
fn syns_of_random_sources_to_one_port_are_a_flood_of_spoofed_ones() {
    let mut scene = Scene::new();
    for n in 0..3000 {
        scene.syn(anyone(n), 1000, (HERE, 80));
    }
    // The target answers all of them.
    scene.handshakes(|told| told.answered = 3000);
    scene.second();
    scene.assert_silent();
    scene.second();
    let flood = scene.flood(Kind::SynFlood);
    assert_eq!((flood.interface, flood.egress), (ETH0, false));
    assert_eq!(flood.targets.len(), 1);
    assert_eq!((flood.targets[0].address, flood.targets[0].port), (ip(HERE), Some(80)));
    assert!(flood.sources.scattered && flood.sources.examples.is_empty());
    // Those before anybody asked, and five standard errors.
    assert!((2400..3500).contains(&flood.sources.distinct), "{}", flood.sources.distinct);
    assert_eq!((flood.peak, flood.packets), (3000.0, 3000));
    assert_eq!(flood.confidence, Confidence::Certain);
    // One of them has gone by.
    scene.quiet(QUIET / SECOND - 2);
    assert_eq!(scene.stages(), [Stage::Begun]);
    scene.second();
    assert_eq!(scene.stages(), [Stage::Begun, Stage::Ended]);
}

#[test]
fn a_flood_from_one_source_names_it() {
    let mut scene = Scene::new();
    for n in 0..3000 {
        scene.syn(CLIENT, n, (HERE, 80));
    }
    scene.quiet(2);
    let flood = scene.flood(Kind::SynFlood);
    assert_eq!(flood.sources.distinct, 1);
    assert_eq!(flood.sources.examples[0].address, ip(CLIENT));
    assert!(!flood.sources.scattered);
}

#[test]
fn a_flood_on_a_busy_server_is_found_beside_its_connections() {
    let mut scene = Scene::new();
    for second in 0..90 {
        for n in 0..2000 {
            scene.connection(CLIENT + n % 500, n as u16, (HERE, 443));
        }
        for n in 0..if second < 80 { 0 } else { 5000 } {
            scene.syn(anyone(n), 1000, (HERE, 443));
        }
        scene.second();
    }
    let flood = scene.flood(Kind::SynFlood);
    assert_eq!(flood.targets[0].port, Some(443));
    assert_eq!(flood.confidence, Confidence::Likely);
}

#[test]
fn random_ports_of_one_host_are_flooded_by_many_sources_and_scanned_by_few() {
    for (sources, floods) in [(3000, 1), (1, 0), (20, 0)] {
        let mut scene = Scene::new();
        for n in 0..3000 {
            scene.syn(anyone(n % sources), 1000, (HERE, n as u16));
        }
        scene.quiet(2);
        assert_eq!(scene.begun().len(), floods, "{sources} sources");
    }
}

#[test]
fn a_sweep_of_hosts_beside_a_busy_port_is_no_flood_of_that_port() {
    let mut scene = Scene::new();
    for _ in 0..3 {
        for n in 0..3000 {
            scene.connection(CLIENT + n % 500, n as u16, (HERE, 443));
            scene.syn(CLIENT, n as u16, (HERE + n, 22));
        }
        scene.second();
    }
    scene.assert_silent();
}

#[test]
fn a_crowd_that_is_served_is_no_flood_though_its_last_handshakes_end_a_second_later() {
    let mut scene = Scene::new();
    scene.quiet(70);
    // It begins shortly before a second ends, and each answer takes 200 ms.
    for n in 0..3000 {
        scene.syn(anyone(n), 1000, (HERE, 443));
    }
    scene.completed(1000);
    scene.second();
    for _ in 0..5 {
        for n in 0..10_000 {
            scene.syn(anyone(n), 2000, (HERE, 443));
        }
        scene.completed(10_000);
        scene.second();
    }
    scene.assert_silent();
}

#[test]
fn syns_that_are_sent_again_may_be_an_overloaded_server() {
    let mut scene = Scene::new();
    for n in 0..3000 {
        scene.syn(anyone(n), 1000, (HERE, 443));
    }
    scene.handshakes(|told| (told.completed, told.resent) = (100, 1500));
    scene.quiet(2);
    let flood = scene.flood(Kind::SynFlood);
    assert_eq!(flood.confidence, Confidence::Possible);
    assert!(flood.reasons.iter().any(|reason| reason.contains("overloaded")), "{flood:?}");
}

/// SYNs of many, all of which are refused.
fn refused(scene: &mut Scene, sources: u32, syns: u32, port: u16) {
    for n in 0..syns {
        scene.syn(anyone(n % sources), n as u16, (HERE, port));
    }
    scene.handshakes(|told| told.refused += u64::from(syns));
}

#[test]
fn syns_that_are_refused_may_be_obstinate_clients_or_those_of_a_service_that_has_stopped() {
    for (sources, said) in [(1, "over and over"), (3000, "has stopped")] {
        let mut scene = Scene::new();
        refused(&mut scene, sources, 3000, 8080);
        scene.quiet(2);
        let flood = scene.flood(Kind::SynFlood);
        assert_eq!(flood.confidence, Confidence::Possible, "{sources} sources");
        assert_says(flood, said);
    }
}

#[test]
fn a_service_that_starts_anew_refuses_its_clients_for_seconds_and_is_not_flooded() {
    // Each of them tries once, or twice.
    for tries in [1, 2] {
        let mut scene = Scene::new();
        scene.serve(70, 3000);
        for _ in 0..3 {
            refused(&mut scene, 3000, 3000 * tries, 443);
            scene.second();
        }
        scene.serve(5, 3000);
        scene.assert_silent();
    }
}

#[test]
fn a_flood_at_a_closed_port_of_a_busy_server_is_told() {
    let mut scene = Scene::new();
    scene.serve(70, 3000);
    for _ in 0..3 {
        refused(&mut scene, 8000, 8000, 81);
        scene.serve(1, 3000);
    }
    let flood = scene.flood(Kind::SynFlood);
    assert_eq!(flood.confidence, Confidence::Possible);
    assert_eq!((flood.targets[0].address, flood.targets[0].port), (ip(HERE), Some(81)));
    assert_says(flood, "were refused");
}

#[test]
fn random_ports_of_one_host_from_one_source_are_a_flood_when_no_scan_is_as_fast() {
    let mut scene = Scene::new();
    scene.serve(70, 50);
    for second in 0..10 {
        for n in 0..20_000 {
            scene.syn(CLIENT, 1000, (HERE, n as u16));
        }
        scene.handshakes(|told| told.refused += 1000);
        scene.second();
        if second == 1 {
            let flood = scene.flood(Kind::SynFlood);
            assert_eq!(flood.confidence, Confidence::Possible);
            assert_says(flood, "a scan as fast");
            assert_eq!((flood.targets[0].address, flood.targets[0].port), (ip(HERE), None));
        }
    }
    // More than two for each port there is.
    let (stage, flood) = scene.heard.last().expect("it was heard of");
    assert_eq!(*stage, Stage::Grown);
    assert_says(flood, "more than it has ports");
}
