//! Memory is bounded, and whatever begins ends.

use proptest::prelude::*;

use super::*;

#[test]
fn memory_is_bounded_whatever_comes_and_is_given_back() {
    let mut scene = Scene::new();
    let empty = scene.detector.counters().bytes;
    scene.second();
    let one = scene.detector.counters().bytes;
    for second in 0..5 {
        for n in 0..200_000 {
            scene.syn(anyone(n + second), n as u16, (anyone(n), 80));
            scene.udp(anyone(n), n as u16, (anyone(n + 1), n as u16), 1, 60);
            // Answers that leave are counted, not noted.
            let leaves = FlowKey { kind: EGRESS, ..key(TCP, (HERE, 80), (anyone(n), n as u16)) };
            scene.flow(leaves, 1, BARE, SYN | ACK, true);
        }
        scene.second();
        let bytes = scene.detector.counters().bytes;
        assert!(bytes <= one + 2 * who::Who::BYTES + 4 * Counts::BYTES, "{bytes}");
    }
    scene.quiet(40);
    assert_eq!(scene.detector.counters().bytes, one);
    for index in 0..5000 {
        let key = FlowKey { interface: 100 + index, ..key(UDP, (CLIENT, 1), (HERE, 2)) };
        scene.detector.note(&key, &News { packets: 1, bytes: 60, ..News::default() });
    }
    let counters = scene.detector.counters();
    assert_eq!(counters.left_out, 5000 - (INTERFACES as u64 - 1));
    assert!(counters.bytes <= empty + INTERFACES * (one - empty + Counts::BYTES));
}

#[test]
fn interfaces_that_came_and_went_take_nobodys_place() {
    let mut scene = Scene::new();
    let note = |scene: &mut Scene, interface| {
        let key = FlowKey { interface, ..key(UDP, (CLIENT, 1), (HERE, 2)) };
        scene.detector.note(&key, &News { packets: 1, bytes: 60, ..News::default() });
    };
    scene.icmp(CLIENT, HERE, 8, 50_000);
    scene.quiet(2);
    (0..5000).for_each(|index| note(&mut scene, 100 + index));
    let left_out = scene.detector.counters().left_out;
    assert_eq!(left_out, 5000 - (INTERFACES as u64 - 1));
    let Scene { detector, heard, .. } = &mut scene;
    detector.retain(|index| index == ETH0, |flood, stage| heard.push((stage, flood.clone())));
    assert_eq!(scene.stages(), [Stage::Begun]);
    note(&mut scene, 9000);
    assert_eq!(scene.detector.counters().left_out, left_out);
    let Scene { detector, heard, .. } = &mut scene;
    detector.retain(|_| false, |flood, stage| heard.push((stage, flood.clone())));
    assert_eq!(scene.stages(), [Stage::Begun, Stage::Ended]);
}

/// A monitor that is allowed.
fn allowing() -> Scene {
    let allow = vec!["10.1.0.1".parse().expect("an address")];
    Scene::with(Settings { allow, ..Settings::default() })
}

#[test]
fn what_allowed_sources_send_is_no_flood() {
    let mut scene = allowing();
    for _ in 0..3 {
        for n in 0..3000 {
            scene.syn(CLIENT, n, (HERE, 80));
            scene.udp(CLIENT, n, (HERE, 9), 1, 60);
            scene.flow(key(TCP, (CLIENT, 80), (HERE, n)), 1, BARE, RST, true);
        }
        scene.icmp(CLIENT, HERE, 8, 50_000);
        scene.second();
    }
    scene.assert_silent();
    assert_eq!(scene.detector.counters().allowed, 3 * (3 * 3000 + 50_000));
}

#[test]
fn a_flood_beside_an_allowed_one_is_told_without_it() {
    let mut scene = allowing();
    for n in 0..3000 {
        scene.syn(CLIENT, n as u16, (HERE, 80));
        // The allowed source's connections complete, which hides nobody's.
        scene.connection(CLIENT, n as u16, (HERE, 443));
        scene.syn(anyone(n), 1000, (HERE, 80));
    }
    scene.quiet(2);
    let flood = scene.flood(Kind::SynFlood);
    assert_eq!((flood.peak, flood.packets), (3000.0, 3000));
    assert!(flood.sources.scattered);
}

#[test]
fn answers_to_an_allowed_source_were_asked_for() {
    let allow = vec!["10.0.0.2".parse().expect("an address")];
    let mut scene = Scene::with(Settings { allow, ..Settings::default() });
    for _ in 0..3 {
        for n in 0..3000_u32 {
            let asks = FlowKey { kind: EGRESS, ..key(TCP, (HERE, n as u16), (anyone(n), 22)) };
            scene.flow(asks, 1, BARE, SYN, true);
            scene.flow(back(&asks), 1, BARE, RST | ACK, true);
        }
        scene.icmp_back(HERE, CLIENT, 8, 3000);
        scene.icmp(CLIENT, HERE, 0, 3000);
        scene.second();
    }
    scene.assert_silent();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Seconds of any traffic: whatever begins also ends, in its turn, within the quiet time after the last packet or the longest
    /// time that one lasts; and no more is kept than was said.
    #[test]
    fn whatever_begins_ends(
        seconds in prop::collection::vec((0_u32..4, 0_u32..6000, 0_u32..3, 0_u64..40), 1..60),
        kept in 0_usize..4,
    ) {
        let mut scene = Scene::with(Settings { kept, ..Settings::default() });
        for (what, packets, spread, pause) in seconds {
            for n in 0..packets {
                let source = if spread == 0 { CLIENT } else { anyone(n) };
                let to = if spread == 2 { anyone(n) } else { HERE };
                match what {
                    0 => scene.syn(source, n as u16, (to, 80)),
                    1 => scene.udp(source, n as u16, (to, 53), 1, 60),
                    2 => scene.icmp(source, to, (n % 12) as u16, 1),
                    _ => scene.flow(key(TCP, (source, 80), (to, n as u16)), 1, BARE, RST, true),
                }
            }
            scene.second();
            scene.quiet(pause);
            prop_assert!(scene.detector.floods().count() <= Kind::COUNT + kept);
        }
        scene.quiet(QUIET / SECOND + 2);
        let mut open = std::collections::BTreeSet::new();
        for (stage, flood) in &scene.heard {
            match stage {
                Stage::Begun => prop_assert!(open.insert(flood.number)),
                Stage::Grown => prop_assert!(open.contains(&flood.number)),
                Stage::Ended => prop_assert!(open.remove(&flood.number)),
            }
            prop_assert!(flood.first_seen < flood.last_seen && flood.last_seen <= scene.now);
            prop_assert!(!flood.reasons.is_empty() && !flood.targets.is_empty());
        }
        prop_assert!(open.is_empty());
        let counters = scene.detector.counters();
        let begun: u64 = counters.begun.iter().sum();
        prop_assert_eq!(counters.under_way, [0; Kind::COUNT]);
        prop_assert_eq!(begun, counters.forgotten + scene.detector.floods().count() as u64);
    }
}
