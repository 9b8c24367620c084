//! Memory that does not grow, and who stays when somebody has to leave.

use proptest::prelude::*;

use super::{
    super::{Confidence, Sensitivity, Tag},
    *,
};

/// A source that never comes again.
fn spoofed(n: u64) -> u32 {
    (n as u32).wrapping_mul(0x9e37_79b1) | 1 << 31
}

#[test]
fn twelve_million_spoofed_sources_do_not_hide_a_slow_scanner() {
    const BETWEEN: u64 = 1_000_000;
    let mut scene = Scene::with(Settings { newcomers: 1 << 18, ..Settings::default() });
    let bytes = scene.detector.counters().bytes;
    for port in 1..=12 {
        scene.attempt(syn(SCANNER, TARGET, (44_000, port)));
        scene.now += 7 * SECOND;
        for n in 0..BETWEEN {
            scene.attempt(syn(spoofed(u64::from(port) * BETWEEN + n), TARGET, (n as u16, 80)));
        }
        scene.now += 8 * SECOND;
        scene.tick();
    }
    let verdict = scene.verdict();
    // The first probe alone is forgotten; that there was one is not.
    assert_eq!((&*verdict.ports.ranges, &verdict.tags[..]), ("2-12", &[Tag::Slow][..]));
    let counters = scene.detector.counters();
    assert!(counters.bytes - bytes < 16 << 10, "{bytes}, then {}", counters.bytes);
    assert!(counters.evicted_newcomers + counters.refused_newcomers > 10_000_000, "{counters:?}");
    assert_eq!(counters.suspects, 1);
}

#[test]
fn spoofed_suspects_do_not_push_out_one_with_more_evidence() {
    let mut scene =
        Scene::with(Settings { newcomers: 1 << 12, suspects: 100, ..Settings::default() });
    for port in 1..=6 {
        scene.attempt(syn(SCANNER, TARGET, (44_000, port)));
    }
    for n in 0..10_000 {
        for port in 1..=4 {
            scene.attempt(syn(spoofed(n), TARGET, (44_000, port)));
        }
    }
    let counters = scene.detector.counters();
    assert_eq!((counters.suspects, counters.evicted_suspects), (100, 9_901), "{counters:?}");
    for port in 7..=10 {
        scene.attempt(syn(SCANNER, TARGET, (44_000, port)));
    }
    scene.tick();
    assert_eq!(scene.verdict().ports.ranges, "1-10");
}

/// Nine ports each: more evidence than who comes with four, and no verdict.
fn fill(scene: &mut Scene, sources: u64) {
    for n in 0..sources {
        for port in 1..=9 {
            scene.attempt(syn(spoofed(n), TARGET, (44_000, port)));
        }
    }
}

#[test]
fn suspects_that_stay_below_the_thresholds_do_not_hide_a_scan() {
    const MOST: usize = 100;
    let settings = Settings { newcomers: 1 << 12, suspects: MOST, ..Settings::default() };
    let mut scene = Scene::with(settings);
    fill(&mut scene, 1000);
    assert_eq!(scene.detector.counters().suspects, MOST as u64 + 256);
    scene.attempts(MILLISECOND, (1..=30).map(|port| syn(SCANNER, TARGET, (44_000, port))));
    let verdict = scene.verdict();
    assert_eq!((&*verdict.ports.ranges, verdict.confidence), ("1-30", Confidence::Certain));
    // And it stays when others come.
    scene.now += 20 * MILLISECOND;
    for n in 2000..3000 {
        for port in 1..=9 {
            scene.attempt(syn(spoofed(n), TARGET, (44_000, port)));
        }
    }
    scene.attempts(MILLISECOND, (31..=40).map(|port| syn(SCANNER, TARGET, (44_000, port))));
    assert_eq!(scene.verdict().ports.ranges, "1-40");
    assert_eq!(scene.detector.counters().suspects, MOST as u64 + 256);
}

#[test]
fn evidence_fades_where_nothing_new_comes() {
    let settings = Settings { newcomers: 1 << 12, suspects: 100, ..Settings::default() };
    let mut scene = Scene::with(settings);
    fill(&mut scene, 100);
    // They repeat what they have done, and are as old as it is.
    for _ in 0..4 {
        scene.now += 8 * 60 * SECOND;
        for n in 0..100 {
            scene.attempt(syn(spoofed(n), TARGET, (44_000, 1)));
        }
        scene.tick();
    }
    scene.attempts(10 * SECOND, (1..=30).map(|port| syn(SCANNER, TARGET, (44_000, port))));
    assert_eq!(scene.verdict().ports.ranges, "1-30");
    assert_eq!(scene.detector.counters().suspects, 100);
}

#[test]
fn three_failures_each_do_not_keep_others_out_for_ever() {
    let mut scene = Scene::with(Settings { newcomers: 1 << 10, ..Settings::default() });
    for n in 0..20_000 {
        for port in 1..=3 {
            scene.attempt(syn(spoofed(n), TARGET, (44_000, port)));
        }
    }
    // Three quarters of the window.
    scene.now += 45 * 60 * SECOND;
    scene.attempts(MILLISECOND, (1..=30).map(|port| syn(SCANNER, TARGET, (44_000, port))));
    assert_eq!(scene.verdicts().len(), 1);
}

#[test]
fn many_suspects_are_looked_at_in_turn() {
    let mut scene = Scene::new();
    for n in 0..1000 {
        for port in 1..=20 {
            scene.attempt(syn(spoofed(n), TARGET + n as u32, (44_000, port)));
        }
    }
    let waiting = [744, 488, 232, 0];
    for (ticks, waiting) in (1..).zip(waiting) {
        scene.tick();
        assert_eq!(scene.detector.counters().waiting, waiting);
        assert_eq!(scene.told.len(), (ticks * 256).min(1000));
    }
}

#[test]
fn a_suspect_that_leaves_ends_its_verdict() {
    let mut scene =
        Scene::with(Settings { newcomers: 1 << 12, suspects: 2, ..Settings::default() });
    for (scanner, ports) in [(SCANNER, 12), (SCANNER + 1, 20)] {
        scene.attempts(MILLISECOND, (1..=ports).map(|port| syn(scanner, TARGET, (44_000, port))));
    }
    assert_eq!(scene.told, [(Kind::Syn, Stage::Begun); 2]);
    // The one with more evidence goes on by other means, and two tracks are all there are.
    scene.attempts(MILLISECOND, (1..=20).map(|port| udp(SCANNER + 1, TARGET, (44_000, port))));
    assert_eq!(scene.told[2..], [(Kind::Syn, Stage::Ended), (Kind::Udp, Stage::Begun)]);
    assert_eq!(scene.detector.counters().evicted_suspects, 1);
    assert_eq!(scene.verdicts().len(), 3);
}

#[test]
fn what_ended_is_told_up_to_a_bound_and_counted_beyond() {
    let mut scene = Scene::with(Settings { newcomers: 1 << 12, ended: 3, ..Settings::default() });
    for n in 0..5 {
        scene.attempts(MILLISECOND, (1..20).map(|port| syn(SCANNER + n, TARGET, (44_000, port))));
        scene.now += 120 * SECOND;
        scene.tick();
    }
    assert_eq!(scene.verdicts().len(), 3);
    assert_eq!(scene.detector.counters().forgotten_verdicts, 2);
    assert_eq!(scene.verdicts()[0].id, 5);
}

#[test]
fn pairs_that_are_no_scan_are_forgotten_when_there_are_too_many() {
    let mut scene = Scene::new();
    scene.attempts(
        MILLISECOND,
        (0..20_000_u32)
            .map(|n| udp(SCANNER, 0x5000_0000 + n, (51_413, 1024 + (n * 31 % 60_000) as u16))),
    );
    scene.assert_silent("peers");
    let counters = scene.detector.counters();
    assert_eq!(counters.begun_anew, 9);
    assert!(counters.bytes < 4 << 20, "{}", counters.bytes);
    // And it is not deaf to what comes then.
    scene.attempts(MILLISECOND, (1..2000).map(|port| udp(SCANNER, TARGET, (44_000, port))));
    assert_eq!(scene.verdict().kind, Kind::Udp);
}

#[test]
fn a_sweep_of_a_whole_network_is_counted_in_bounded_memory() {
    let mut scene = Scene::new();
    scene.attempts(
        MILLISECOND / 10,
        (0..65_536).map(|n| syn(SCANNER, 0x5000_0000 + n, (44_000, 445))),
    );
    let verdict = scene.verdict();
    assert_eq!((verdict.kind, &*verdict.ports.ranges), (Kind::Syn, "445"));
    assert!(verdict.targets.count.abs_diff(65_536) < 65_536 / 6, "{}", verdict.targets.count);
    assert!(scene.detector.counters().bytes < 4 << 20);
}

#[test]
fn newcomers_allocate_nothing() {
    let mut scene = Scene::new();
    let allocated = allocation_counter::measure(|| {
        for n in 0..10_000 {
            scene.attempt(syn(spoofed(n), TARGET, (44_000, 80)));
            scene.attempt(syn(spoofed(n), TARGET, (44_000, 443)).completed());
        }
    });
    assert_eq!(allocated.count_total, 0);
}

#[test]
fn who_is_allowed_is_not_looked_at() {
    let allow = vec!["10.66.0.0/24".parse().expect("a prefix")];
    let mut scene = Scene::with(Settings { newcomers: 1 << 12, allow, ..Settings::default() });
    scene.attempts(MILLISECOND, (1..100).map(|port| syn(SCANNER, TARGET, (44_000, port))));
    scene.assert_silent("allowed");
    assert_eq!(scene.detector.counters().allowed, 99);
}

#[test]
fn sensitivity_moves_the_thresholds() {
    for (sensitivity, ports) in
        [(Sensitivity::High, 6), (Sensitivity::Normal, 10), (Sensitivity::Low, 25)]
    {
        let mut scene =
            Scene::with(Settings { newcomers: 1 << 12, sensitivity, ..Settings::default() });
        scene.attempts(MILLISECOND, (1..ports).map(|port| syn(SCANNER, TARGET, (44_000, port))));
        scene.assert_silent("one less");
        scene.attempts(MILLISECOND, [syn(SCANNER, TARGET, (44_000, ports))]);
        assert_eq!(scene.verdict().pairs, u64::from(ports));
    }
}

fn any_try() -> impl Strategy<Value = Try> {
    let who =
        (0..6_u32, 0..6_u32, prop_oneof![Just(6_u8), Just(17), Just(1), Just(132), any::<u8>()]);
    let how = (any::<u16>(), 0..40_u16, 0..512_u16, 0..512_u16, proptest::option::of(0..512_u16));
    let size = (0..200_u32, 0..3_u64, any::<u8>(), 1..20_u64);
    (who, how, size).prop_map(
        |(
            (from, to, protocol),
            (near, far, first, all, answer),
            (length, fragments, ttl, packets),
        )| Try {
            flags: (first, first | all),
            answer,
            length,
            fragments,
            ttl,
            packets,
            ..attempt(SCANNER + from, TARGET + to, protocol, (near, far))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_is_counted_once_and_every_verdict_ends(
        all in proptest::collection::vec((any_try(), 0..100_u64), 1..800),
        v6 in any::<bool>(),
        suspects in 1..8_usize,
    ) {
        let settings = Settings { newcomers: 64, suspects, sensitivity: Sensitivity::High, ..Settings::default() };
        let mut scene = Scene::with(settings);
        scene.v6 = v6;
        let count = all.len() as u64;
        for (this, wait) in all {
            scene.attempt(this);
            scene.now += wait * 10 * MILLISECOND;
            if wait % 8 == 0 {
                scene.tick();
            }
        }
        let counters = scene.detector.counters();
        prop_assert_eq!(counters.attempts.iter().sum::<u64>() + counters.ignored, count);
        for _ in 0..4 {
            scene.now += 7 * 3600 * SECOND;
            scene.tick();
        }
        let counters = scene.detector.counters();
        prop_assert_eq!((counters.under_way, counters.suspects), (0, 0));
        let stages = |stage| scene.told.iter().filter(|(_, other)| *other == stage).count();
        prop_assert_eq!(stages(Stage::Begun), stages(Stage::Ended));
    }
}
