//! Interfaces at which answers are not seen, and handshakes that nobody follows.

use super::*;

#[test]
fn where_one_direction_is_watched_crowds_are_told_by_their_other_segments() {
    let mut scene = Scene::one_way();
    for n in 0..3000 {
        scene.flow(key(TCP, (anyone(n), 1000), (HERE, 443)), 6, 200, SYN, true);
    }
    scene.quiet(3);
    scene.assert_silent();
    for n in 0..3000 {
        scene.syn(anyone(n), 1000, (HERE, 443));
    }
    scene.quiet(2);
    assert_eq!(scene.flood(Kind::SynFlood).confidence, Confidence::Possible);
}

/// A second of a mirror port, where all is ingress: as many connections, questions at a name server and datagrams of a download.
fn mirrored(scene: &mut Scene, connections: u32) {
    for n in 0..connections {
        let there = key(TCP, (anyone(n), n as u16), (HERE, 443));
        scene.flow(there, 6, 200, SYN, true);
        scene.flow(FlowKey { kind: 0, ..back(&there) }, 6, LONG, SYN | ACK, true);
        let asked = key(UDP, (anyone(n), n as u16), (HERE, 53));
        scene.flow(asked, 1, 80, 0, true);
        scene.flow(FlowKey { kind: 0, ..back(&asked) }, 1, 200, 0, true);
    }
    let download = key(UDP, (CLIENT, 443), (HERE + 1, 40_000));
    scene.flow(download, 50_000, LONG, 0, false);
    // Connections that are refused, and pings that are answered.
    for n in 0..connections {
        let there = key(TCP, (HERE + 1, n as u16), (CLIENT, 1 + n as u16));
        scene.flow(there, 1, BARE, SYN, true);
        scene.flow(FlowKey { kind: 0, ..back(&there) }, 1, BARE, RST | ACK, true);
    }
    scene.icmp(CLIENT, HERE, 8, 900);
    scene.icmp(HERE, CLIENT, 0, 900);
    scene.second();
}

#[test]
fn at_a_mirror_port_nothing_is_one_sided_from_the_first_second_on() {
    let mut scene = Scene::new();
    assert!(scene.detector.sees_answers(ETH0));
    for _ in 0..100 {
        mirrored(&mut scene, 3000);
        assert!(!scene.detector.sees_answers(ETH0));
    }
    scene.assert_silent();
}

#[test]
fn at_a_mirror_port_a_flood_may_be_one() {
    let mut scene = Scene::new();
    (0..70).for_each(|_| mirrored(&mut scene, 100));
    for _ in 0..3 {
        for n in 0..5000 {
            scene.syn(anyone(n), 1000, (HERE, 443));
        }
        mirrored(&mut scene, 100);
    }
    let flood = scene.flood(Kind::SynFlood);
    assert_eq!(flood.confidence, Confidence::Possible);
    assert_says(flood, "answers are not seen");
}

#[test]
fn a_slave_of_a_bond_sees_one_of_so_many_answers_and_a_router_those_of_others() {
    for slaves in [2, 4, 8, u32::MAX] {
        let mut scene = Scene::new();
        for _ in 0..100 {
            for n in 0..4000 {
                let there = key(TCP, (anyone(n), n as u16), (HERE, 443));
                scene.flow(there, 6, 200, SYN, true);
                // Another's answer instead.
                let other = key(TCP, (anyone(n + 5000), n as u16), (HERE, 443));
                let (own, other) = (back(&there), back(&other));
                let is_own = n % slaves == 1;
                scene.flow(if is_own { own } else { other }, 6, LONG, SYN | ACK, true);
                scene.completed(u64::from(is_own));
            }
            scene.second();
        }
        assert!(!scene.detector.sees_answers(ETH0));
        scene.assert_silent();
    }
}

#[test]
fn a_mirror_port_of_udp_alone_is_known_by_the_other_direction() {
    let mut scene = Scene::new();
    for _ in 0..200 {
        for n in 0..50 {
            scene.flow(key(UDP, (CLIENT + n, 5000), (HERE + n, 6000)), 1000, LONG, 0, false);
        }
        scene.second();
    }
    assert!(!scene.detector.sees_answers(ETH0));
    // A download at ten times the rate.
    for _ in 0..10 {
        scene.flow(key(UDP, (CLIENT, 5000), (HERE, 6000)), 500_000, LONG, 0, false);
        scene.second();
    }
    scene.assert_silent();
    for n in 0..300_000 {
        scene.udp(anyone(n), 5000, (HERE, 53), 1, 60);
    }
    scene.quiet(2);
    assert_eq!(scene.flood(Kind::UdpFlood).confidence, Confidence::Possible);
}

#[test]
fn a_flood_from_the_first_second_on_hides_no_answers() {
    // At a host that answers nobody, at one that still serves some, and at one that answers all.
    for (served, answered, confidence) in
        [(0, 0, Confidence::Likely), (100, 0, Confidence::Certain), (0, 5000, Confidence::Certain)]
    {
        let mut scene = Scene::new();
        for _ in 0..5 {
            for n in 0..5000 {
                scene.syn(anyone(n), 1000, (HERE, 443));
            }
            scene.handshakes(|told| told.answered += answered);
            scene.serve(1, served);
        }
        assert!(scene.detector.sees_answers(ETH0));
        let flood = scene.flood(Kind::SynFlood);
        assert_eq!(flood.confidence, confidence, "{served} served, {answered} answered");
    }
}

#[test]
fn a_server_whose_handshakes_are_not_followed_for_a_flood_elsewhere_is_not_flooded() {
    for followed in [0, 5, 60, 150] {
        let mut scene = Scene::new();
        scene.serve(70, 3000);
        for _ in 0..30 {
            for n in 0..3000 {
                let there = key(TCP, (anyone(n), n as u16), (HERE, 443));
                scene.flow(there, 6, 200, SYN, true);
                scene.flow(back(&there), 6, LONG, SYN | ACK, true);
            }
            scene.handshakes(|told| {
                // Room comes free at the end of a second.
                (told.begun, told.untracked) = (followed, 3000 - followed);
                (told.answered, told.completed) = (followed, followed);
            });
            scene.second();
        }
        assert!(scene.detector.sees_answers(ETH0), "{followed}");
        scene.assert_silent();
    }
}

#[test]
fn a_flood_of_which_few_handshakes_are_followed_is_told_by_them() {
    for (followed, confidence) in
        [(8000, Confidence::Likely), (200, Confidence::Possible), (0, Confidence::Possible)]
    {
        let mut scene = Scene::new();
        scene.serve(70, 100);
        for n in 0..50_000 {
            scene.syn(anyone(n), 1000, (HERE, 443));
        }
        scene.handshakes(|told| (told.begun, told.untracked) = (followed, 50_000 - followed));
        scene.quiet(2);
        let flood = scene.flood(Kind::SynFlood);
        assert_eq!(flood.confidence, confidence, "{followed}");
        if confidence == Confidence::Possible {
            assert_says(flood, "had no room");
        }
    }
}

#[test]
fn a_flood_on_a_busy_server_goes_on_when_there_is_no_room_for_handshakes_any_more() {
    let mut scene = Scene::new();
    scene.serve(70, 3000);
    for second in 0..60 {
        for n in 0..5000 {
            scene.syn(anyone(n), 1000, (HERE, 443));
        }
        (0..3000).for_each(|n| scene.connection(anyone(n), n as u16, (HERE, 443)));
        scene.handshakes(|told| {
            if second < 3 {
                told.begun = 8000;
            } else {
                // As many as are given up, and as complete.
                (told.begun, told.untracked, told.completed) = (2600, 5400, 970);
            }
        });
        scene.second();
    }
    scene.flood(Kind::SynFlood);
    assert_eq!(scene.detector.counters().under_way[Kind::SynFlood as usize], 1);
    let flood = scene.detector.floods().next().expect("it goes on");
    assert_eq!((flood.confidence, flood.rate), (Confidence::Likely, 5016.0));
}
