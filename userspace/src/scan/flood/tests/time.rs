//! Floods over time: what is learned, what is told, and when they end.

use super::*;

#[test]
fn a_flood_that_pauses_is_one_and_tells_of_its_growth() {
    let mut scene = Scene::new();
    for second in 0..60_u32 {
        let rate = if second % 10 < 5 { 2000 << (second / 20) } else { 0 };
        for n in 0..rate {
            scene.syn(anyone(n), 1000, (HERE, 80));
        }
        scene.second();
    }
    assert_eq!(scene.begun().len(), 1);
    let grown = scene.stages().iter().filter(|stage| **stage == Stage::Grown).count();
    assert!((2..=5).contains(&grown), "{grown}");
    scene.quiet(30);
    let (stage, flood) = scene.heard.last().expect("it was heard of");
    assert_eq!((*stage, flood.peak), (Stage::Ended, 8000.0));
    let kept: Vec<_> = scene.detector.floods().collect();
    assert_eq!(kept, [flood]);
}

#[test]
fn a_flood_without_end_is_usual_after_an_hour() {
    let mut scene = Scene::new();
    for _ in 0..4000 {
        scene.icmp(CLIENT, HERE, 8, 50_000);
        scene.second();
    }
    assert_eq!(scene.begun().len(), 1);
    assert_eq!(scene.stages().last(), Some(&Stage::Ended));
}

#[test]
fn a_flood_is_not_learned_while_it_is_on() {
    let mut scene = Scene::new();
    for round in 0..3 {
        for _ in 0..600 {
            scene.icmp(CLIENT, HERE, 8, 20_000);
            scene.second();
        }
        scene.quiet(60);
        assert_eq!(scene.begun().len(), round + 1);
    }
}

#[test]
fn an_interface_that_goes_takes_its_floods_along() {
    let mut scene = Scene::new();
    scene.icmp(CLIENT, HERE, 8, 50_000);
    scene.quiet(2);
    let Scene { detector, heard, .. } = &mut scene;
    assert_eq!(detector.counters().under_way[Kind::IcmpFlood as usize], 1);
    detector.forget(ETH0, |flood, stage| heard.push((stage, flood.clone())));
    assert_eq!(scene.stages(), [Stage::Begun, Stage::Ended]);
    assert_eq!(scene.detector.counters().under_way, [0; Kind::COUNT]);
    assert_eq!(scene.detector.counters().begun[Kind::IcmpFlood as usize], 1);
}

#[test]
fn the_end_of_a_capture_decides_about_its_last_second() {
    let mut scene = Scene::with(Settings { directed: false, ..Settings::default() });
    for n in 0..3000 {
        scene.syn(anyone(n), 1000, (HERE, 80));
    }
    scene.second();
    scene.assert_silent();
    let Scene { detector, heard, now, .. } = &mut scene;
    detector.finish(*now, |flood, stage| heard.push((stage, flood.clone())));
    assert_eq!(scene.stages(), [Stage::Begun, Stage::Ended]);
    assert_eq!(scene.flood(Kind::SynFlood).confidence, Confidence::Certain);
}

#[test]
fn what_was_rejected_teaches_no_rate_that_hides_a_flood() {
    let mut scene = Scene::new();
    scene.serve(70, 200);
    for _ in 0..300 {
        // A sweep of a port, at any speed: every packet is counted, few are noted.
        for n in 0..2000 {
            scene.syn(CLIENT, n as u16, (anyone(n), 22));
        }
        scene.rates[0].syn = 100_000;
        scene.rates[0].tcp = 100_000;
        scene.second();
    }
    scene.assert_silent();
    for _ in 0..3 {
        for n in 0..50_000 {
            scene.syn(anyone(n), 1000, (HERE, 443));
        }
        scene.second();
    }
    scene.flood(Kind::SynFlood);
}

#[test]
fn a_flood_that_rises_by_and_by_is_told() {
    for step in [100, 250] {
        let mut scene = Scene::new();
        scene.serve(70, 20);
        let mut rate = 300.0;
        for _ in 0..5 {
            for _ in 0..step {
                for n in 0..2000 {
                    scene.syn(anyone(n), 1000, (HERE, 443));
                }
                (scene.rates[0].syn, scene.rates[0].tcp) = (rate as u64, rate as u64);
                scene.second();
            }
            rate *= 3.9;
        }
        assert!(!scene.begun().is_empty(), "{step}");
    }
}

#[test]
fn what_is_usual_after_an_hour_is_the_latest_rate() {
    let mut scene = Scene::new();
    for second in 0..3700 {
        scene.icmp(CLIENT, HERE, 8, if second < 10 { 500_000 } else { 20_000 });
        scene.second();
    }
    scene.icmp(CLIENT, HERE, 8, 200_000);
    scene.quiet(2);
    assert_eq!(scene.begun().len(), 2);
}

#[test]
fn a_syn_flood_is_never_usual() {
    let mut scene = Scene::new();
    for _ in 0..3700 {
        for n in 0..2000 {
            scene.syn(anyone(n), 1000, (HERE, 443));
        }
        (scene.rates[0].syn, scene.rates[0].tcp) = (20_000, 20_000);
        scene.second();
    }
    assert_eq!(scene.begun().len(), 2);
    let ended = scene.heard.iter().find(|(stage, _)| *stage == Stage::Ended);
    assert_says(&ended.expect("after an hour").1, "told as another");
}

#[test]
fn a_flood_that_turns_out_to_be_an_overloaded_server_is_told_so() {
    let mut scene = Scene::new();
    scene.serve(70, 500);
    for second in 0..10 {
        for n in 0..3000 {
            scene.syn(anyone(n), 1000, (HERE, 443));
        }
        // Who is not answered asks again, at first after a second.
        scene.handshakes(|told| told.resent += if second > 1 { 2000 } else { 0 });
        scene.second();
    }
    assert_eq!(scene.stages()[..2], [Stage::Begun, Stage::Grown]);
    assert_eq!(scene.flood(Kind::SynFlood).confidence, Confidence::Certain);
    let (_, flood) = scene.heard.last().expect("it was heard of");
    assert_eq!(flood.confidence, Confidence::Possible);
    assert_says(flood, "overloaded");
}

#[test]
fn what_looks_ordinary_after_all_ends() {
    let mut scene = Scene::new();
    scene.quiet(70);
    for second in 0..90 {
        let there = key(UDP, (CLIENT, 1000), (HERE, 2000));
        scene.flow(there, 50_000, LONG, 0, second == 0);
        if second > 3 {
            scene.flow(back(&there), 5000, LONG, 0, false);
        }
        scene.second();
    }
    assert_eq!(scene.stages().first(), Some(&Stage::Begun));
    let (stage, flood) = scene.heard.last().expect("it was heard of");
    assert_eq!((*stage, flood.confidence), (Stage::Ended, Confidence::Possible));
    assert_says(flood, "as ordinary traffic is");
}

#[test]
fn the_first_second_is_as_long_as_it_was() {
    for (seconds, floods) in [(10, 0), (1, 1)] {
        let mut scene = Scene::new();
        // What was noted before is in no counter that is told.
        for n in 0..5000 {
            scene.syn(anyone(n), 1000, (HERE, 443));
        }
        scene.rates[0].syn = 0;
        scene.rates[0].tcp = 0;
        scene.detector.begin(ETH0, Link::Ethernet, scene.now);
        for n in 0..5000 {
            scene.syn(anyone(n), 1000, (HERE, 443));
        }
        scene.now += (seconds - 1) * SECOND;
        scene.quiet(2);
        assert_eq!(scene.begun().len(), floods, "{seconds} seconds");
        if let [flood] = scene.begun()[..] {
            assert_eq!((flood.peak, flood.packets), (5000.0, 5000));
        }
    }
}
