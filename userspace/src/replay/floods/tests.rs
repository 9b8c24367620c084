//! Captures made here: floods in them, and clocks, pauses, interfaces and directions that are no flood.

use super::*;
use crate::{
    flows::Sort,
    replay::{Captured, Ledger, Listing, Memory, Settings},
    scan::{Confidence, flood::Kind},
};

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

const START: u64 = 1_000_000 * SECOND;
const SERVER: u32 = 0x0a00_0002;
/// Behind it each source of a flood is another one.
const CROWD: u32 = 0x3000_0000;

/// A capture that is being read.
struct Scene {
    ledger: Ledger,
    outgoing: Option<bool>,
}

impl Scene {
    fn new() -> Self {
        Self::of(Sensitivity::Normal)
    }

    fn of(sensitivity: Sensitivity) -> Self {
        let settings = Settings { flow_memory: 8 << 20, decap: false };
        let memory = Memory::new(settings).expect("memory");
        let mut ledger = Ledger::new(Box::new(memory), Listing::new(1 << 20, Sort::Bytes));
        ledger.watch(Floods::new(sensitivity, &[], false));
        Self { ledger, outgoing: None }
    }

    fn packet(&mut self, name: &str, time: u64, bytes: &[u8]) {
        let interface = self.ledger.interface(name, Link::Raw);
        let (length, outgoing) = (bytes.len() as u32, self.outgoing);
        let packet = Captured { time, interface, link: Link::Raw, outgoing, length, bytes };
        self.ledger.packet(&packet).expect("counted");
    }

    /// SYNs of sources of their own, evenly over a second.
    fn syns(&mut self, name: &str, from: u64, packets: u32) {
        for n in 0..packets {
            let time = from + u64::from(n) * SECOND / u64::from(packets);
            self.packet(name, time, &tcp((CROWD + n, 1024), (SERVER, 80), SYN, n));
        }
    }

    /// Datagrams of one client to a port that never answers, evenly over a second.
    fn datagrams(&mut self, name: &str, from: u64, packets: u32) {
        for n in 0..packets {
            let time = from + u64::from(n) * SECOND / u64::from(packets);
            let port = 1024 + (n % 50_000) as u16;
            self.packet(name, time, &udp((CROWD, port), (SERVER, 9)));
        }
    }

    /// A connection of a client: its handshake, some data, its end.
    fn connection(&mut self, time: u64, client: (u32, u16)) {
        let server = (SERVER, 80);
        let steps = [
            (client, server, SYN, 0),
            (server, client, SYN | ACK, 0),
            (client, server, ACK, 1),
            (server, client, ACK | FIN, 1),
        ];
        for (way, (from, to, flags, sequence)) in steps.into_iter().enumerate() {
            let outgoing = self.outgoing;
            self.outgoing = outgoing.map(|_| way % 2 == 1);
            self.packet("a", time + way as u64 * 1000, &tcp(from, to, flags, sequence));
            self.outgoing = outgoing;
        }
    }

    fn found(self) -> Found {
        let outcome = self.ledger.finish().expect("closed");
        assert!(outcome.balances());
        outcome.floods
    }

    fn floods(self) -> Vec<Flood> {
        let Found { floods, left_out, forgotten } = self.found();
        assert_eq!((left_out, forgotten), (0, 0));
        floods
    }
}

/// An IPv4 packet without a link header.
fn ipv4(protocol: u8, from: u32, to: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((20 + payload.len() as u16).to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
    packet.extend(from.to_be_bytes());
    packet.extend(to.to_be_bytes());
    packet.extend(payload);
    packet
}

fn tcp(from: (u32, u16), to: (u32, u16), flags: u8, sequence: u32) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(from.1.to_be_bytes());
    segment.extend(to.1.to_be_bytes());
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 0, 0x50, flags, 16, 0, 0, 0, 0, 0]);
    ipv4(6, from.0, to.0, &segment)
}

fn udp(from: (u32, u16), to: (u32, u16)) -> Vec<u8> {
    let mut datagram = Vec::new();
    datagram.extend(from.1.to_be_bytes());
    datagram.extend(to.1.to_be_bytes());
    datagram.extend([0, 108, 0, 0]);
    datagram.resize(108, 0);
    ipv4(17, from.0, to.0, &datagram)
}

/// What is told of each: kind, interface, packets, and when in seconds since the start.
fn told(floods: &[Flood]) -> Vec<(Kind, u32, u64, [f64; 2])> {
    let since = |time: u64| (time as f64 - START as f64) / 1e9;
    let seen = |flood: &Flood| [since(flood.first_seen), since(flood.last_seen)];
    floods.iter().map(|flood| (flood.kind, flood.interface, flood.packets, seen(flood))).collect()
}

#[test]
fn a_flood_is_told_from_its_first_packet_to_its_last() {
    let mut scene = Scene::new();
    scene.syns("a", START, 2000);
    let floods = scene.floods();
    assert_eq!(told(&floods), [(Kind::SynFlood, 1, 2000, [0.0, 0.9995])]);
    assert_eq!((floods[0].number, floods[0].peak, floods[0].egress), (1, 2000.0, false));
}

#[test]
fn a_capture_without_packets_has_no_flood() {
    assert_eq!(Scene::new().found(), Found::default());
}

#[test]
fn who_did_not_ask_is_told_of_none() {
    let mut scene = Scene::new();
    scene.ledger.floods = None;
    scene.syns("a", START, 2000);
    assert_eq!(scene.found(), Found::default());
}

#[test]
fn a_pause_divides_what_came_before_from_what_comes_after() {
    for pause in [2, 30, 3600, 400 * 24 * 3600] {
        let mut scene = Scene::new();
        scene.syns("a", START, 700);
        scene.syns("a", START + pause * SECOND, 700);
        assert_eq!(told(&scene.floods()), [], "{pause}");
    }
    let mut scene = Scene::new();
    scene.syns("a", START, 2000);
    scene.syns("a", START + 3600 * SECOND, 2500);
    let floods = scene.floods();
    let (first, second) = ([0.0, 0.9995], [3600.0, 3600.9996]);
    let expected = [(Kind::SynFlood, 1, 2000, first), (Kind::SynFlood, 1, 2500, second)];
    assert_eq!(told(&floods), expected);
    assert!(floods.iter().map(|flood| flood.number).eq([1, 2]));
}

#[test]
fn a_minute_of_silence_is_what_is_usual_and_less_is_not() {
    for (silence, expected) in [(30, 0), (62, 1), (7200, 1)] {
        let mut scene = Scene::new();
        scene.connection(START, (CROWD, 1024));
        scene.datagrams("a", START, 1);
        scene.datagrams("a", START + silence * SECOND, 5000);
        let floods = scene.floods();
        assert_eq!(floods.len(), expected, "{silence}: {floods:#?}");
        let sure = |flood: &Flood| (flood.kind, flood.confidence);
        assert!(floods.iter().map(sure).all(|told| told == (Kind::UdpFlood, Confidence::Possible)));
    }
}

#[test]
fn a_clock_that_goes_back_begins_another_recording() {
    let mut scene = Scene::new();
    for _ in 0..5 {
        scene.syns("a", START, 700);
    }
    assert_eq!(told(&scene.floods()), []);
    let mut scene = Scene::new();
    scene.syns("a", START + 3600 * SECOND, 2500);
    scene.syns("a", START, 2000);
    scene.syns("a", START + 1800 * SECOND, 700);
    let expected =
        [(Kind::SynFlood, 1, 2000, [0.0, 0.9995]), (Kind::SynFlood, 1, 2500, [3600.0, 3600.9996])];
    assert_eq!(told(&scene.floods()), expected);
}

#[test]
fn the_same_recording_twice_has_the_same_flood_twice() {
    let flood = |times: usize| {
        let mut scene = Scene::of(Sensitivity::High);
        for _ in 0..times {
            for n in 0..200 {
                scene.connection(START + u64::from(n) * SECOND / 200, (CROWD + n, 99));
            }
            scene.syns("a", START + SECOND, 2000);
        }
        scene.floods()
    };
    let facts = |flood: &Flood| (flood.targets.clone(), flood.confidence, flood.peak);
    let once = flood(1);
    let first = (Kind::SynFlood, 1, 2000, [1.0, 1.9995]);
    assert_eq!(told(&once), [first]);
    assert_eq!(once[0].confidence, Confidence::Certain);
    let twice = flood(2);
    assert_eq!(told(&twice), [first, first]);
    assert!(twice.iter().map(facts).eq([facts(&once[0]), facts(&once[0])]), "{twice:#?}");
    assert!(twice.iter().map(|flood| flood.number).eq([1, 2]));
}

#[test]
fn packets_that_overtook_one_another_are_in_the_second_under_way() {
    let mut scene = Scene::new();
    for n in 0..2000_u32 {
        let late = if n % 2 == 0 { SECOND / 2 } else { 0 };
        let time = START + SECOND / 2 + u64::from(n) * SECOND / 2000 - late;
        scene.packet("a", time, &tcp((CROWD + n, 1024), (SERVER, 80), SYN, n));
    }
    let floods = scene.floods();
    assert_eq!((floods.len(), floods[0].packets), (1, 2000));
}

#[test]
fn one_packet_of_a_far_future_does_not_make_one_second_of_the_rest() {
    let mut scene = Scene::new();
    scene.datagrams("a", u64::MAX, 1);
    for second in 0..100 {
        scene.syns("a", START + second * SECOND, 100);
        scene.datagrams("a", START + second * SECOND, 100);
    }
    assert_eq!(told(&scene.floods()), []);
}

#[test]
fn each_interface_has_its_own_seconds() {
    let mut scene = Scene::new();
    for n in 0..3 {
        scene.syns(["a", "b", "c"][n], START, 700);
    }
    assert_eq!(told(&scene.floods()), []);
    // Its clock is an hour ahead, and its packets come between those of the flood.
    let mut scene = Scene::new();
    for n in 0..2000_u32 {
        let time = START + u64::from(n) * SECOND / 2000;
        scene.packet("ahead", time + 3600 * SECOND, &udp((CROWD, 9), (SERVER, 53)));
        scene.packet("b", time, &tcp((CROWD + n, 1024), (SERVER, 80), SYN, n));
    }
    scene.packet("ahead", START + 7200 * SECOND, &udp((CROWD, 9), (SERVER, 53)));
    let floods = scene.floods();
    assert_eq!(told(&floods), [(Kind::SynFlood, 2, 2000, [0.0, 0.9995])]);
}

#[test]
fn packets_without_a_time_and_of_too_many_interfaces_are_counted() {
    let mut scene = Scene::new();
    scene.syns("a", 0, 1);
    for _ in 0..3000 {
        scene.packet("a", 0, &tcp((CROWD, 1024), (SERVER, 80), SYN, 1));
    }
    for n in 0..INTERFACES + 10 {
        scene.syns(&n.to_string(), START, 1);
    }
    assert_eq!(scene.found(), Found { left_out: 3012, ..Found::default() });
}

#[test]
fn a_crowd_that_is_served_is_none() {
    for outgoing in [None, Some(false)] {
        let mut scene = Scene::new();
        scene.outgoing = outgoing;
        for n in 0..9000_u32 {
            scene.connection(START + u64::from(n) * SECOND / 3000, (CROWD + n, 1024));
        }
        assert_eq!(told(&scene.floods()), [], "{outgoing:?}");
    }
}

#[test]
fn a_crowd_whose_answers_are_not_in_the_capture_is_none() {
    let mut scene = Scene::new();
    for n in 0..9000_u32 {
        let client = (CROWD + n, 1024);
        for (step, flags) in [SYN, ACK, ACK | FIN].into_iter().enumerate() {
            let time = START + u64::from(n) * SECOND / 3000 + step as u64 * 1000;
            scene.packet("a", time, &tcp(client, (SERVER, 80), flags, step.min(1) as u32));
        }
    }
    assert_eq!(told(&scene.floods()), []);
}

#[test]
fn without_an_answer_in_the_capture_a_flood_of_syns_is_possible_and_with_one_certain() {
    let sure = |answered: bool| {
        let mut scene = Scene::new();
        if answered {
            scene.connection(START, (CROWD, 99));
        }
        scene.syns("a", START, 2000);
        scene.floods().iter().map(|flood| flood.confidence).collect::<Vec<_>>()
    };
    assert_eq!(sure(false), [Confidence::Possible]);
    assert_eq!(sure(true), [Confidence::Certain]);
}

#[test]
fn where_the_capture_tells_directions_so_does_the_verdict() {
    for egress in [false, true] {
        let mut scene = Scene::new();
        scene.outgoing = Some(egress);
        scene.syns("a", START, 2000);
        let floods = scene.floods();
        assert_eq!(told(&floods), [(Kind::SynFlood, 1, 2000, [0.0, 0.9995])]);
        assert_eq!(floods[0].egress, egress);
    }
}

#[test]
fn answers_of_a_flooded_host_are_backscatter_where_they_come_and_not_where_they_leave() {
    for (outgoing, expected) in [(None, 1), (Some(false), 1), (Some(true), 0)] {
        let mut scene = Scene::new();
        scene.outgoing = outgoing;
        for n in 0..2000_u32 {
            let time = START + u64::from(n) * SECOND / 2000;
            let target = (CROWD + n, 1024 + n as u16);
            scene.packet("a", time, &tcp((SERVER, 80), target, RST | ACK, 0));
        }
        let floods = scene.floods();
        assert_eq!(floods.len(), expected, "{outgoing:?}: {floods:#?}");
        assert!(floods.iter().all(|flood| flood.kind == Kind::Backscatter));
    }
}

#[test]
fn refused_and_repeated_syns_are_told_from_those_of_a_flood() {
    let mut scene = Scene::new();
    scene.outgoing = Some(false);
    for n in 0..2000_u32 {
        let (time, client) = (START + u64::from(n) * SECOND / 2000, (CROWD, 1024 + n as u16));
        scene.packet("a", time, &tcp(client, (SERVER, 81), SYN, n));
        scene.outgoing = Some(true);
        scene.packet("a", time + 1000, &tcp((SERVER, 81), client, RST | ACK, 0));
        scene.outgoing = Some(false);
    }
    let floods = scene.floods();
    assert_eq!((floods.len(), floods[0].confidence), (1, Confidence::Possible));
    assert!(floods[0].reasons[1].starts_with("2000 were refused"), "{:?}", floods[0].reasons);
}
