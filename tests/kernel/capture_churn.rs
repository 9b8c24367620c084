//! Sessions that come and go under full traffic, and many at once: each gets exactly its packets, and the ledger does not notice.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;
use wireledger_tests::{
    daemon::Daemon,
    netns::{INTERFACE, NetNs, Pair, Setup},
    packets::{
        ip::{Ipv4, Ipv6},
        link::{ether_type, tagged},
        protocol,
        transport::{echo, flags, tcp, udp},
    },
    send::{Share, Tally, send},
    session::{Refused, Session, all_ended, now, session, sessions},
};

type Result = anyhow::Result<()>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };

/// Slots of the daemon.
const SLOTS: usize = 16;

/// UDP to this many ports from here on.
const PORTS: u16 = 32;
const FIRST_PORT: u16 = 4000;

/// Destination port of a datagram without options or tags.
fn port(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[36], bytes[37]])
}

fn datagrams() -> Vec<Vec<u8>> {
    let frame = |n: u16| {
        let source = Ipv4Addr::new(10, 1, (n / 7) as u8, n as u8);
        Ipv4 { source, ..Ipv4::default() }.frame(&udp(n, FIRST_PORT + n % PORTS, &[7; 22]))
    };
    (0..1024).map(frame).collect()
}

/// Sends by both CPUs until told to stop, or for too long; returns what was sent.
fn flood(from: &NetNs, to: &NetNs, stop: &AtomicBool, most: Duration) -> anyhow::Result<Tally> {
    let since = Instant::now();
    let share = Share { frames: datagrams(), rounds: 100 };
    let mut sum = Tally::default();
    while !stop.load(Ordering::Relaxed) && since.elapsed() < most {
        let sent = send(from, to, &[share.clone(), share.clone()])?;
        sum = [sum].into_iter().chain(sent).sum();
    }
    Ok(sum)
}

/// One session from end to end; returns its packets.
fn one(daemon: &Daemon<'_>, n: u64) -> anyhow::Result<u64> {
    let wanted = FIRST_PORT + (n % u64::from(PORTS)) as u16;
    let filter = format!("udp dst port {wanted}");
    let count = (n % 5 * 7).to_string();
    // A fifth of them are ended from outside, which can be before their first packet.
    let mut query = vec![("filter", &*filter), ("interface", INTERFACE)];
    if count != "0" {
        query.push(("count", &count));
    }
    let session = Session::open(&daemon.socket(), &query)?;
    let (id, asked) = (session.id, session.asked);
    let captured = if count == "0" { session.end(&daemon.socket())? } else { session.finish()? };
    let until = now();
    ensure!(captured.cut.is_none(), "session {id}: {:?}", captured.cut);
    for packet in &captured.packets {
        ensure!(port(&packet.bytes) == wanted, "session {id} of {filter} has {packet:?}");
        let inside = (asked..=until).contains(&packet.time);
        ensure!(inside, "session {id} was from {asked} to {until} and has {packet:?}");
    }
    let counted = captured.counted()?;
    ensure!(counted.delivered == Some(captured.len()), "session {id}: {counted:?}");
    ensure!(
        count == "0" || count == captured.len().to_string(),
        "session {id} of {count}: {counted:?}"
    );
    Ok(captured.len())
}

#[test]
fn a_thousand_sessions_come_and_go_under_full_traffic_and_each_has_only_its_packets() -> Result {
    const SESSIONS: u64 = 1000;
    const AT_ONCE: usize = 8;
    // Arming and ending each take grace periods of the kernel's RCU, tens of milliseconds, longer where all CPUs are busy.
    const MOST: Duration = Duration::from_secs(240);
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let since = Instant::now();
    let (sent, packets) = thread::scope(|scope| {
        let sender = scope.spawn(|| flood(&pair.left, &pair.right, &stop, MOST));
        let work = || -> anyhow::Result<u64> {
            let mut packets = 0;
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= SESSIONS || since.elapsed() > MOST {
                    return Ok(packets);
                }
                packets += one(&daemon, n)?;
            }
        };
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        let packets: anyhow::Result<u64> =
            workers.into_iter().map(|worker| worker.join().expect("it returns its errors")).sum();
        stop.store(true, Ordering::Relaxed);
        let sent = sender.join().expect("it returns its errors");
        anyhow::Ok((sent?, packets?))
    })?;
    let took = since.elapsed();
    eprintln!("{SESSIONS} sessions in {took:.1?}: {packets} packets of {}", sent.packets);
    assert!(took < MOST, "{took:?}");
    assert!(packets > 10_000, "{packets}");
    all_ended(&daemon.socket())?;
    let ledger = daemon.settled(INTERFACE, "ingress", sent.packets)?;
    ledger.assert_balanced();
    assert_eq!(ledger.seen(INTERFACE, "ingress"), sent);
    let metrics = daemon.metrics()?;
    assert_eq!(metrics.sum("wireledger_capture_sessions_opened_total", &[])?, SESSIONS as f64);
    assert_eq!(metrics.sum("wireledger_capture_strays_total", &[])?, 0.0);
    assert_eq!(metrics.sum("wireledger_capture_sessions", &[])?, 0.0);
    let matched = metrics.sum("wireledger_capture_matched_packets_total", &[])?;
    assert_eq!(metrics.sum("wireledger_capture_packets_total", &[])?, matched);
    Ok(())
}

/// Frames of known composition, each with what it is.
fn mixed() -> Vec<(&'static str, Vec<u8>)> {
    let mut mixed = Vec::new();
    for n in 0..400_u16 {
        let payload = vec![7; usize::from(n % 80)];
        let v4 = |protocol| Ipv4 { source: [10, 1, 0, n as u8].into(), ..Ipv4::of(protocol) };
        let v6 = Ipv6::of;
        mixed.push(("dns", v4(protocol::UDP).frame(&udp(1000 + n, 53, &payload))));
        mixed.push(("https", v4(protocol::TCP).frame(&tcp(2000 + n, 443, flags::ACK, &payload))));
        if n % 2 == 0 {
            mixed.push(("syn", v4(protocol::TCP).frame(&tcp(2000 + n, 80, flags::SYN, &[]))));
            mixed.push(("dns6", v6(protocol::UDP).frame(&udp(1000 + n, 53, &payload))));
        }
        if n % 4 == 0 {
            mixed.push(("ping", v4(protocol::ICMP).frame(&echo(8, n, &payload))));
            let packet = v4(protocol::UDP).packet(&udp(n, 53, &payload));
            mixed.push(("vlan", tagged(&[(ether_type::VLAN, 7)], ether_type::IPV4, &packet)));
        }
    }
    mixed
}

#[test]
fn fifteen_sessions_at_once_get_exactly_the_packets_of_their_filters() -> Result {
    const ROUNDS: u64 = 4;
    let filters: [(&str, &[&str]); 15] = [
        ("", &["dns", "https", "syn", "dns6", "ping", "vlan"]),
        ("udp port 53", &["dns", "dns6"]),
        ("tcp", &["https", "syn"]),
        ("tcp port 443", &["https"]),
        ("tcp[tcpflags] & tcp-syn != 0", &["syn"]),
        ("icmp", &["ping"]),
        ("ip6", &["dns6"]),
        ("vlan", &["vlan"]),
        ("vlan 7 and udp port 53", &["vlan"]),
        ("vlan 8", &[]),
        ("not ip", &["dns6", "vlan"]),
        ("not udp", &["https", "syn", "ping", "vlan"]),
        ("src net 10.1.0.0/16", &["dns", "https", "syn", "ping"]),
        ("arp", &[]),
        ("ip and not tcp", &["dns", "ping"]),
    ];
    let mixed = mixed();
    let share = Share {
        frames: mixed.iter().map(|(_, frame)| frame.clone()).collect(),
        rounds: ROUNDS as usize,
    };
    for (way, direction) in [("in", "ingress"), ("out", "egress")] {
        let pair = Pair::new(QUIET)?;
        let end = if way == "in" { &pair.right } else { &pair.left };
        let daemon = Daemon::start(end, &["-i", INTERFACE, "--sample-memory", "64MiB"])?;
        let socket = daemon.socket();
        let opened = filters
            .iter()
            .map(|(filter, _)| Session::open(&socket, &[("filter", filter), ("direction", way)]))
            .collect::<anyhow::Result<Vec<_>>>()?;
        // Each stream is read while traffic is under way.
        let done = thread::scope(|scope| -> anyhow::Result<_> {
            let readers: Vec<_> =
                opened.into_iter().map(|one| (one.id, scope.spawn(|| one.finish()))).collect();
            let sent: Tally =
                send(&pair.left, &pair.right, &[share.clone(), share.clone()])?.into_iter().sum();
            daemon.settled(INTERFACE, direction, sent.packets)?;
            let mut done = Vec::new();
            for (id, reader) in readers {
                let held = session(&socket, id)?;
                wireledger_tests::session::end(&socket, id)?;
                done.push((held.tally, reader.join().expect("it returns its errors")?));
            }
            Ok(done)
        })?;
        for ((filter, kinds), (tally, captured)) in filters.iter().zip(&done) {
            let mut expected: Vec<_> = mixed
                .iter()
                .filter(|(kind, _)| kinds.contains(kind))
                .flat_map(|(_, frame)| vec![&frame[..frame.len().min(128)]; 2 * ROUNDS as usize])
                .collect();
            let mut got: Vec<_> = captured.packets.iter().map(|packet| &packet.bytes[..]).collect();
            assert_eq!(tally.matched, expected.len() as u64, "`{filter}` {tally:?}");
            assert_eq!((tally.lost, tally.unread), (0, 0), "`{filter}` {tally:?}");
            tally.assert_complete();
            expected.sort_unstable();
            got.sort_unstable();
            assert!(expected == got, "`{filter}`: {} packets of {}", got.len(), expected.len());
        }
        daemon.ledger()?.assert_balanced();
    }
    Ok(())
}

#[test]
fn the_seventeenth_session_is_refused_by_naming_the_holders() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    let socket = daemon.socket();
    let open = |n: usize| {
        let (port, holder) = (format!("udp port {}", n + 1), format!("holder-{n}"));
        Session::open(&socket, &[("filter", &port), ("holder", &holder)])
    };
    let mut opened = (0..SLOTS).map(open).collect::<anyhow::Result<Vec<_>>>()?;
    let mut slots: Vec<_> = opened.iter().map(Session::slot).collect();
    slots.sort_unstable();
    assert_eq!(slots, (0..SLOTS as u64).collect::<Vec<_>>());
    let refused = open(SLOTS).expect_err("every slot is taken");
    let refused = refused.downcast_ref::<Refused>().expect("an answer");
    assert_eq!(refused.status, 409, "{refused}");
    for n in 0..SLOTS {
        assert!(refused.said.contains(&format!("holder-{n} (udp port {})", n + 1)), "{refused}");
    }
    let place = format!("unix:{}", socket.display());
    let ended = wireledger_tests::process::Process::run(
        wireledger_tests::daemon::wireledger(&pair.right)?.args([
            "capture",
            "--connect",
            &place,
            "arp",
        ]),
    )?;
    assert!(ended.code == Some(1) && ended.stderr.contains("holder-3 (udp port 4)"), "{ended:?}");
    // One place is free again, at once for whoever asks behind the end.
    let last = opened.pop().expect("there are some");
    last.end(&socket)?;
    let again = open(SLOTS)?;
    assert_eq!(sessions(&socket)?.len(), SLOTS);
    // Clients that are gone free theirs.
    drop((opened, again));
    all_ended(&socket)
}
