//! The ledger balances: what the sender sent, what the interfaces counted and what Wireledger says are equal to the last
//! packet and byte, in every account, for every flow, with a table and a ring large and far too small.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    thread,
};

use wireledger_common::{
    abi::link::Link,
    wire::{Cursor, Headers, read},
};
use wireledger_tests::{
    answers::{Account, Key, Ledger, Metrics},
    daemon::Daemon,
    netns::{Counters, INTERFACE, Pair, Setup},
    packets::{
        every_kind,
        ip::{self, Extension, Ipv4, Ipv6},
        link::{arp, ether_type, ethernet, tagged},
        protocol,
        transport::{flags, tcp, udp},
    },
    send::{Share, Tally, send},
    tools::eventually,
};

type Result = anyhow::Result<()>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };

/// No flow ends while a test looks at it.
const LONG: [&str; 4] = ["--idle-timeout", "10m", "--active-timeout", "1h"];

/// A list of frames, with what each is to the ledger.
#[derive(Clone, Debug, Default)]
struct Traffic {
    frames: Vec<Vec<u8>>,
    /// What one round of the frames is in flows.
    flows: BTreeMap<Key, Tally>,
    /// What one round of the frames is unread.
    unread: Tally,
}

impl Traffic {
    fn flow(&mut self, key: Key, frame: Vec<u8>) {
        self.flows.entry(key).or_default().add(1, frame.len());
        self.frames.push(frame);
    }

    fn unread(&mut self, frame: Vec<u8>) {
        self.unread.add(1, frame.len());
        self.frames.push(frame);
    }

    /// This many rounds of the frames for each of two threads, so that every flow is on both CPUs.
    fn shares(&self, rounds: usize) -> [Share; 2] {
        let share = Share { frames: self.frames.clone(), rounds };
        [share.clone(), share]
    }
}

fn key(source: IpAddr, destination: IpAddr, protocol_number: u8) -> Key {
    Key {
        direction: String::new(),
        vlans: Vec::new(),
        source,
        destination,
        source_port: None,
        destination_port: None,
        icmp_type: None,
        icmp_code: None,
        protocol_number,
        fragment: false,
    }
}

/// An IPv4 flow of its own for each number.
fn v4(n: u16, protocol: u8, ports: (u16, u16)) -> (Ipv4, Key) {
    let [high, low] = n.to_be_bytes();
    let ip = Ipv4 { source: Ipv4Addr::new(10, 1, high, low), ..Ipv4::of(protocol) };
    let key = key(ip.source.into(), ip.destination.into(), protocol);
    (ip, Key { source_port: Some(ports.0), destination_port: Some(ports.1), ..key })
}

/// An IPv6 flow of its own for each number.
fn v6(n: u16, protocol: u8, ports: (u16, u16)) -> (Ipv6, Key) {
    let source = Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, n);
    let ip = Ipv6 { source, ..Ipv6::of(protocol) };
    let key = key(source.into(), ip.destination.into(), protocol);
    (ip, Key { source_port: Some(ports.0), destination_port: Some(ports.1), ..key })
}

/// Payloads from nothing to a full frame.
fn payload(n: u16) -> Vec<u8> {
    vec![0xab; usize::from(n) * 37 % 1400]
}

/// Over 5,000 frames in over 4,700 flows: IPv4, IPv6, VLAN stacks, fragments, ARP, and every frame nobody can read.
fn traffic() -> Traffic {
    traffic_without(&[])
}

/// The same without some of the crafted frames.
fn traffic_without(kinds: &[&str]) -> Traffic {
    let mut traffic = Traffic::default();
    for n in 0..2400 {
        let (ip, key) = v4(n, protocol::UDP, (1000 + n, 53));
        traffic.flow(key, ip.frame(&udp(1000 + n, 53, &payload(n))));
    }
    for n in 0..1000 {
        let (ip, key) = v4(n, protocol::TCP, (443, 20_000 + n));
        traffic.flow(key, ip.frame(&tcp(443, 20_000 + n, flags::ACK | flags::PSH, &payload(n))));
    }
    for n in 0..600 {
        let (ip, key) = v6(n, protocol::UDP, (1000 + n, 4789));
        traffic.flow(key, ip.frame(&udp(1000 + n, 4789, &payload(n))));
    }
    vlans(&mut traffic);
    for n in 0..100 {
        fragments_v4(&mut traffic, n);
        fragments_v6(&mut traffic, n);
    }
    for _ in 0..100 {
        traffic.unread(ethernet(ether_type::ARP, &arp(1)));
    }
    for (name, frame) in every_kind() {
        // Of the crafted frames those that are no flow; the parser is tested elsewhere.
        let mut headers = Headers::default();
        let readable =
            read(Cursor::over(&frame), frame.len() as u32, Link::Ethernet, 0, &mut headers).is_ok();
        if !readable && !kinds.contains(&name) {
            traffic.unread(frame);
        }
    }
    traffic
}

fn vlans(traffic: &mut Traffic) {
    use ether_type::{IPV4, IPV6, OLD_PROVIDER_VLAN, PROVIDER_VLAN, VLAN};
    for n in 0..200 {
        let (ip, key) = v4(0, protocol::UDP, (7, 7));
        let frame = tagged(&[(VLAN, n)], IPV4, &ip.packet(&udp(7, 7, &payload(n))));
        traffic.flow(Key { vlans: vec![n], ..key }, frame);

        let (ip, key) = v6(0, protocol::TCP, (7, 7));
        let tags = [(PROVIDER_VLAN, 4095 - n), (VLAN, n)];
        let frame = tagged(&tags, IPV6, &ip.packet(&tcp(7, 7, flags::SYN, &payload(n))));
        traffic.flow(Key { vlans: vec![4095 - n, n], ..key }, frame);

        let (ip, key) = v4(0, protocol::UDP, (7, 7));
        let tags = [(OLD_PROVIDER_VLAN, 1), (PROVIDER_VLAN, 2), (VLAN, n)];
        let frame = tagged(&tags, IPV4, &ip.packet(&udp(7, 7, &payload(n))));
        traffic.flow(Key { vlans: vec![1, 2, n], ..key }, frame);
    }
}

/// A datagram in three fragments, all of one flow with ports; and a fragment whose first nobody ever saw.
fn fragments_v4(traffic: &mut Traffic, n: u16) {
    let (ip, key) = v4(n, protocol::UDP, (5000, 6000));
    let datagram = udp(5000, 6000, &vec![1; 3000]);
    for offset in (0..datagram.len()).step_by(1480) {
        let end = datagram.len().min(offset + 1480);
        let flags_offset = ip::fragment(offset as u16, end < datagram.len());
        let piece = Ipv4 { id: n, flags_offset, ..ip.clone() };
        traffic.flow(key.clone(), piece.frame(&datagram[offset..end]));
    }
    let orphan = Ipv4 { id: 40_000 + n, flags_offset: ip::fragment(1480, false), ..ip };
    let without_ports = Key { source_port: None, destination_port: None, fragment: true, ..key };
    traffic.flow(without_ports, orphan.frame(&payload(n)));
}

fn fragments_v6(traffic: &mut Traffic, n: u16) {
    let (ip, key) = v6(n, protocol::UDP, (5000, 6000));
    let datagram = udp(5000, 6000, &vec![1; 2000]);
    for offset in (0..datagram.len()).step_by(1448) {
        let end = datagram.len().min(offset + 1448);
        let (id, more) = (0x1_0000 + u32::from(n), end < datagram.len());
        let chain = vec![Extension::Fragment { offset: offset as u16, more, id }];
        let piece = Ipv6 { chain, ..ip.clone() };
        traffic.flow(key.clone(), piece.frame(&datagram[offset..end]));
    }
}

/// What `rounds` of the traffic by both threads are in flows, in a direction.
fn expected_flows(traffic: &Traffic, rounds: usize, direction: &str) -> BTreeMap<Key, Tally> {
    let times = 2 * rounds as u64;
    let flows = traffic.flows.iter().map(|(key, one)| {
        let key = Key { direction: direction.to_owned(), ..key.clone() };
        (key, Tally { packets: times * one.packets, bytes: times * one.bytes })
    });
    flows.collect()
}

fn expected_unread(traffic: &Traffic, rounds: usize) -> Tally {
    let times = 2 * rounds as u64;
    Tally { packets: times * traffic.unread.packets, bytes: times * traffic.unread.bytes }
}

/// Panics unless the daemon lists exactly these flows with exactly these counts.
fn assert_flows(daemon: &Daemon<'_>, expected: &BTreeMap<Key, Tally>) -> Result {
    let listed = daemon.flows()?;
    assert!(listed.iter().all(|flow| flow.interface == INTERFACE));
    let mut found = BTreeMap::new();
    for flow in &listed {
        let before = found.insert(flow.key.clone(), flow.count());
        assert_eq!(before, None, "listed twice: {:?}", flow.key);
    }
    for (key, count) in expected {
        assert_eq!(found.get(key), Some(count), "{key:?}");
    }
    for key in found.keys() {
        assert!(expected.contains_key(key), "nobody sent {key:?}");
    }
    Ok(())
}

fn counters(of: Tally) -> Counters {
    Counters { packets: of.packets, bytes: of.bytes, dropped: 0 }
}

/// What the right end's interface received, as frames on a wire. Its drops are frames that the host has no use for.
fn received(pair: &Pair) -> anyhow::Result<Counters> {
    Ok(Counters { dropped: 0, ..pair.right_link()?.rx })
}

fn overflow(ledger: &Ledger, direction: &str) -> Tally {
    ledger.sum(INTERFACE, direction, |account| account.overflow)
}

fn assert_says_balanced(metrics: &Metrics) -> Result {
    let balanced = metrics.values("wireledger_ledger_balanced", &[])?;
    assert!(balanced.iter().all(|value| *value == 1.0), "{balanced:?}");
    Ok(())
}

fn cpus() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[test]
fn two_million_packets_in_thousands_of_flows_are_all_there_at_both_ends() -> Result {
    const ROUNDS: usize = 100;
    let pair = Pair::new(QUIET)?;
    let at = ["-i", INTERFACE];
    let sender = Daemon::start(&pair.left, &[&at[..], &LONG].concat())?;
    let receiver = Daemon::start(&pair.right, &[&at[..], &LONG, &["--mode", "native"]].concat())?;
    let traffic = traffic();
    assert!(traffic.flows.len() >= 4000);

    let mut all = Tally::default();
    let mut by_thread = [Tally::default(); 2];
    // Quiesced twice: the second half meets a table that is in use.
    for half in 1..=2 {
        let tallies = send(&pair.left, &pair.right, &traffic.shares(ROUNDS))?;
        for (sum, tally) in by_thread.iter_mut().zip(&tallies) {
            *sum = [*sum, *tally].into_iter().sum();
        }
        all = by_thread.into_iter().sum();
        let rounds = half * ROUNDS;

        let ledger = receiver.settled(INTERFACE, "ingress", all.packets)?;
        ledger.assert_balanced();
        assert_eq!(ledger.seen(INTERFACE, "ingress"), all, "seen is what was sent");
        assert_eq!(ledger.seen(INTERFACE, "egress"), Tally::default());
        assert_eq!(overflow(&ledger, "ingress"), Tally::default());
        let unread = ledger.sum(INTERFACE, "ingress", |account| account.unread);
        assert_eq!(unread, expected_unread(&traffic, rounds));
        assert_eq!(received(&pair)?.with_ethernet(), counters(all), "the interface's own");
        assert_flows(&receiver, &expected_flows(&traffic, rounds, "ingress"))?;

        let ledger = sender.settled(INTERFACE, "egress", all.packets)?;
        ledger.assert_balanced();
        assert_eq!(ledger.seen(INTERFACE, "egress"), all, "seen is what was sent");
        assert_eq!(ledger.seen(INTERFACE, "ingress"), Tally::default());
        assert_eq!(pair.left_link()?.tx.with_ethernet(), counters(all), "the interface's own");
        assert_flows(&sender, &expected_flows(&traffic, rounds, "egress"))?;
    }
    assert!(all.packets >= 2_000_000, "{all:?}");

    if cpus() >= 2 {
        // Egress is counted on the CPU that sends.
        let on = |account: &Account| account.direction == "egress";
        let ledger = sender.ledger()?;
        let mut seen: Vec<_> = ledger.accounts.iter().filter(|account| on(account)).collect();
        seen.sort_by_key(|account| account.cpu);
        let seen: Vec<_> = seen.iter().map(|account| account.seen).collect();
        assert_eq!(seen[..2], by_thread);
        assert!(seen[2..].iter().all(|rest| *rest == Tally::default()));
    }
    assert_says_balanced(&receiver.metrics()?)
}

#[test]
fn a_table_far_too_small_costs_detail_and_no_packet() -> Result {
    small("64KiB", "4MiB").map(drop)
}

#[test]
fn a_ring_far_too_small_costs_detail_and_no_packet() -> Result {
    let refused = small("64KiB", "4KiB")?;
    assert!(refused > 0.0, "the ring was never full");
    Ok(())
}

/// Both ends with a table of a few hundred flows; returns how often the receiver's ring had no room.
fn small(flow_memory: &str, record_memory: &str) -> anyhow::Result<f64> {
    const ROUNDS: usize = 100;
    let pair = Pair::new(QUIET)?;
    let sizes = ["--flow-memory", flow_memory, "--record-memory", record_memory];
    let run = [&["-i", INTERFACE, "--evict-after", "10ms"], &sizes[..], &LONG].concat();
    let sender = Daemon::start(&pair.left, &run)?;
    let receiver = Daemon::start(&pair.right, &run)?;
    let traffic = traffic();
    let sent: Tally = send(&pair.left, &pair.right, &traffic.shares(ROUNDS))?.into_iter().sum();
    for (daemon, direction) in [(&receiver, "ingress"), (&sender, "egress")] {
        let ledger = daemon.settled(INTERFACE, direction, sent.packets)?;
        ledger.assert_balanced();
        assert_eq!(ledger.seen(INTERFACE, direction), sent, "{direction}");
        assert!(overflow(&ledger, direction).packets > 0, "{direction}: {ledger:?}");
        let unread = ledger.sum(INTERFACE, direction, |account| account.unread);
        assert_eq!(unread, expected_unread(&traffic, ROUNDS), "{direction}");
    }
    assert_eq!(received(&pair)?.with_ethernet(), counters(sent), "the interface's own");
    assert_eq!(pair.left_link()?.tx.with_ethernet(), counters(sent), "the interface's own");

    let metrics = eventually("every record written was read", || {
        let metrics = receiver.metrics()?;
        let count = |name| metrics.sum(name, &[]);
        let read = count("wireledger_records_read_total")?;
        Ok((read == count("wireledger_records_written_total")?).then_some(metrics))
    })?;
    let evicted = metrics.sum("wireledger_records_written_total", &[])?;
    assert!(evicted > 0.0, "nothing was evicted");
    assert_eq!(metrics.sum("wireledger_records_malformed_total", &[])?, 0.0);
    assert_says_balanced(&metrics)?;
    metrics.sum("wireledger_records_refused_total", &[])
}

/// The same traffic through the other two hooks for ingress.
fn every_hook_sees_the_same(mode: &str, hooks: &[&str], traffic: &Traffic) -> Result {
    const ROUNDS: usize = 10;
    let pair = Pair::new(QUIET)?;
    let run = [&["-i", INTERFACE, "--mode", mode][..], &LONG].concat();
    let receiver = Daemon::start(&pair.right, &run)?;
    let used = receiver.interface(INTERFACE)?.ingress.mode;
    assert!(hooks.contains(&used.as_str()), "attached as {used}");
    let sent: Tally = send(&pair.left, &pair.right, &traffic.shares(ROUNDS))?.into_iter().sum();
    let ledger = receiver.settled(INTERFACE, "ingress", sent.packets)?;
    ledger.assert_balanced();
    assert_eq!(ledger.seen(INTERFACE, "ingress"), sent);
    let unread = ledger.sum(INTERFACE, "ingress", |account| account.unread);
    assert_eq!(unread, expected_unread(traffic, ROUNDS));
    assert_eq!(received(&pair)?, counters(sent), "the interface's own");
    assert_flows(&receiver, &expected_flows(traffic, ROUNDS, "ingress"))
}

#[test]
fn generic_xdp_sees_the_same() -> Result {
    every_hook_sees_the_same("generic", &["generic"], &traffic())
}

#[test]
fn tc_sees_the_same() -> Result {
    // The host drops a frame that ends inside its VLAN tag before TC sees it (`skb_vlan_untag`).
    every_hook_sees_the_same("tc", &["tcx", "clsact"], &traffic_without(&["vlan_cut"]))
}
