//! Replays in this process: what comes of a capture, however small the table.

use super::*;
use crate::flows::Sort;

const SETTINGS: Settings = Settings { flow_memory: 1 << 20, decap: false };

/// An IPv4 UDP packet without a link header.
fn udp(from: [u8; 4], to: [u8; 4], ports: (u16, u16), payload: usize) -> Vec<u8> {
    let length = 28 + payload as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    packet.extend(from);
    packet.extend(to);
    packet.extend(ports.0.to_be_bytes());
    packet.extend(ports.1.to_be_bytes());
    packet.extend((length - 20).to_be_bytes());
    packet.resize(28 + payload, 0);
    packet
}

fn ledger(settings: Settings, most: usize) -> Ledger {
    let memory = Memory::new(settings).expect("memory");
    let mut ledger = Ledger::new(Box::new(memory), Listing::new(most, Sort::Bytes));
    assert_eq!(ledger.interface("a", Link::Raw), 0);
    ledger
}

fn packet(bytes: &[u8], time: u64) -> Captured<'_> {
    let length = bytes.len() as u32;
    Captured { time, interface: 0, link: Link::Raw, outgoing: None, length, bytes }
}

#[test]
fn two_ways_are_two_flows_and_one_conversation_named_by_who_was_first() {
    let mut ledger = ledger(SETTINGS, 100);
    let (a, b) = ([10, 0, 0, 9], [10, 0, 0, 1]);
    for (n, bytes) in [udp(a, b, (5353, 53), 10), udp(b, a, (53, 5353), 90)].iter().enumerate() {
        ledger.packet(&packet(bytes, 1_000_000_007 * (n as u64 + 1))).expect("counted");
    }
    let outcome = ledger.finish().expect("closed");
    assert!(outcome.balances());
    assert_eq!(outcome.listing.len(), 2);
    let [talk] = conversations(outcome.listing.flows(), 9, Sort::Bytes)[..] else { panic!("one") };
    assert_eq!((talk.a.port, talk.b.port), (5353, 53));
    assert_eq!((talk.a_to_b.bytes, talk.b_to_a.bytes), (38, 118));
    assert_eq!((talk.first_seen, talk.last_seen), (1_000_000_007, 2_000_000_014));
}

#[test]
fn a_full_table_ends_flows_and_loses_no_packet() {
    let mut ledger = ledger(Settings { flow_memory: 4 * 576, decap: false }, 1000);
    for n in 0..200_u8 {
        for _ in 0..2 {
            let bytes = udp([10, 0, 0, n], [10, 0, 1, 1], (1, 2), usize::from(n));
            ledger.packet(&packet(&bytes, u64::from(n))).expect("counted");
        }
    }
    let outcome = ledger.finish().expect("closed");
    assert!(outcome.balances());
    assert!(outcome.listing.records() >= 184, "16 slots: {}", outcome.listing.records());
    assert_eq!(outcome.listing.len(), 200);
    assert!(outcome.listing.flows().all(|(_, flow)| flow.packets == 2));
}

#[test]
fn a_full_list_drops_the_least_and_still_balances() {
    let mut ledger = ledger(Settings { flow_memory: 576, decap: false }, 10);
    for n in 0..100_u8 {
        let bytes = udp([10, 0, 0, n], [10, 0, 1, 1], (1, 2), usize::from(n));
        ledger.packet(&packet(&bytes, u64::from(n))).expect("counted");
    }
    let outcome = ledger.finish().expect("closed");
    assert!(outcome.balances());
    let (listed, unlisted) = (outcome.listing.len() as u64, outcome.listing.unlisted());
    assert_eq!(listed + unlisted.flows, 100);
    let top = outcome.listing.top(10, Sort::Bytes);
    assert!(top.iter().map(|(_, flow)| flow.bytes).eq((118..128).rev()));
}

#[test]
fn times_that_go_back_age_nobody() {
    let mut ledger = ledger(Settings { flow_memory: 576, decap: false }, 100);
    let bytes = udp([1; 4], [2; 4], (1, 2), 0);
    for time in [u64::MAX, 5, 10_000_000_000] {
        ledger.packet(&packet(&bytes, time)).expect("counted");
    }
    let outcome = ledger.finish().expect("closed");
    assert_eq!((outcome.first, outcome.last), (5, i64::MAX.cast_unsigned()));
    assert_eq!(outcome.listing.top(1, Sort::Bytes)[0].1.packets, 3);
}

#[test]
fn what_reaches_beyond_the_window_is_unread_by_that_name() {
    let mut ledger = ledger(SETTINGS, 100);
    // IPv6 with a hop-by-hop header of 2048 bytes and a destination header that begins behind the window.
    let mut bytes = vec![0x60, 0, 0, 0, 0x10, 0, 0, 64];
    bytes.resize(40, 1);
    bytes.extend([60, 255]);
    bytes.resize(40 + 2048, 0);
    bytes.extend([60, 127]);
    bytes.resize(40 + 2048 + 1024, 0);
    bytes.resize(40 + 0x1000, 0);
    ledger.packet(&packet(&bytes, 0)).expect("counted");
    assert_eq!(ledger.unread().expect("known"), Some(Unread::NotLinear));
    assert!(ledger.finish().expect("closed").balances());
}
