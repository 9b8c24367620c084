//! Budgets: what a session asks for is what it gets, to the packet and to the byte.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant},
};

use wireledger_tests::{
    captured::Captured,
    daemon::Daemon,
    netns::{INTERFACE, Pair, Setup},
    packets::{ip::Ipv4, transport::udp},
    send::{Share, send, send_once},
    session::{self, Session, all_ended},
};

type Result = anyhow::Result<()>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };

/// This many frames of `length` bytes, with their numbers at the end, in so many flows.
fn frames(count: u32, flows: u32, length: usize) -> Vec<Vec<u8>> {
    const HEADERS: usize = 14 + 20 + 8;
    let frame = |n: u32| {
        let mut payload = vec![0xab; length - HEADERS];
        payload[..4].copy_from_slice(&n.to_be_bytes());
        let source = Ipv4Addr::from_bits(0x0a01_0000 + n % flows);
        Ipv4 { source, ..Ipv4::default() }.frame(&udp(1, 2, &payload))
    };
    (0..count).map(frame).collect()
}

/// The number of a frame of [`frames`].
fn number(bytes: &[u8]) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[42..46]);
    u32::from_be_bytes(number)
}

/// What a session with a query gets of some traffic, and what became of the others.
fn capture(
    daemon: &Daemon<'_>,
    query: &[(&str, &str)],
    traffic: impl FnOnce() -> Result,
) -> anyhow::Result<(Captured, session::Fates)> {
    let socket = daemon.socket();
    let session = Session::open(&socket, query)?;
    let id = session.id;
    let (fates, captured) = thread::scope(|scope| {
        // Read while traffic is under way.
        let reader = scope.spawn(|| session.finish());
        let done = traffic().and_then(|()| session::session(&socket, id));
        session::end(&socket, id)?;
        let captured = reader.join().expect("it returns its errors")?;
        anyhow::Ok((done?.tally, captured))
    })?;
    fates.assert_complete();
    assert_eq!(captured.cut, None);
    let counted = captured.counted()?;
    assert_eq!(counted.accepted, Some(fates.matched));
    assert_eq!(counted.delivered, Some(captured.len()));
    // Of what was delivered, the reader missed what it was too late for.
    let missed = counted.dropped.unwrap_or_default() - counted.os_dropped.unwrap_or_default();
    assert_eq!(captured.len() + missed, fates.delivered);
    Ok((captured, fates))
}

#[test]
fn a_count_is_delivered_exactly_from_both_cpus_and_ends_the_session() -> Result {
    const SENT: u32 = 20_000;
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    let share = Share { frames: frames(SENT, 64, 100), rounds: 1 };
    for count in [1, 2, 777, 9999] {
        let session = Session::open(&daemon.socket(), &[("count", &count.to_string())])?;
        send(&pair.left, &pair.right, &[share.clone(), share.clone()])?;
        // By itself.
        let captured = session.finish()?;
        assert_eq!((captured.len(), captured.cut.as_deref()), (count, None));
        let counted = captured.counted()?;
        assert_eq!((counted.delivered, counted.dropped), (Some(count), Some(0)));
        assert!(counted.end.is_some());
        all_ended(&daemon.socket())?;
    }
    daemon.ledger()?.assert_balanced();
    Ok(())
}

#[test]
fn bytes_are_never_more_than_granted() -> Result {
    const LENGTH: usize = 100;
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    let share = Share { frames: frames(5000, 64, LENGTH), rounds: 1 };
    let asked =
        |snap: u32, bytes: usize| [("bytes", bytes.to_string()), ("snaplen", snap.to_string())];
    for (snap, bytes, packets) in [(60, 60, 1), (60, 6000, 100), (0, 12_345, 123)] {
        let query = asked(snap, bytes);
        let query = query.each_ref().map(|(name, value)| (*name, value.as_str()));
        let session = Session::open(&daemon.socket(), &query)?;
        send(&pair.left, &pair.right, &[share.clone(), share.clone()])?;
        // By itself: another packet might be more.
        let captured = session.finish()?;
        assert_eq!((captured.len(), captured.cut.as_deref()), (packets, None));
        let held: usize = captured.packets.iter().map(|packet| packet.bytes.len()).sum();
        assert!(held <= bytes, "{held} of {bytes}");
        all_ended(&daemon.socket())?;
    }
    for (snap, bytes, packets) in [(60, 59, 0), (0, 1 << 30, 10_000)] {
        let query = asked(snap, bytes);
        let query = query.each_ref().map(|(name, value)| (*name, value.as_str()));
        let (captured, fates) = capture(&daemon, &query, || {
            send(&pair.left, &pair.right, &[share.clone(), share.clone()]).map(drop)
        })?;
        assert_eq!(captured.len(), packets);
        assert_eq!((fates.matched, fates.over_budget), (10_000, 10_000 - packets));
    }
    Ok(())
}

#[test]
fn one_of_every_so_many_is_one_of_each_block_on_a_cpu() -> Result {
    const BLOCKS: u32 = 500;
    let pair = Pair::new(QUIET)?;
    // Egress is seen by the CPU that sends.
    let daemon = Daemon::start(&pair.left, &["-i", INTERFACE])?;
    for every in [1, 2, 7, 100] {
        let frames = frames(BLOCKS * every, 10, 60);
        // A session before it that ends inside a block leaves nothing behind.
        let query = [("every", &*every.to_string()), ("direction", "out")];
        capture(&daemon, &query, || {
            send_once(&pair.left, &pair.right, frames[..every as usize / 2].to_vec()).map(drop)
        })?;
        let (captured, fates) = capture(&daemon, &query, || {
            send_once(&pair.left, &pair.right, frames.clone()).map(drop)
        })?;
        let blocks = captured.packets.iter().map(|packet| number(&packet.bytes) / every);
        assert_eq!(blocks.collect::<Vec<_>>(), (0..BLOCKS).collect::<Vec<_>>(), "every {every}");
        let left_out = u64::from(BLOCKS * (every - 1));
        assert_eq!((fates.delivered, fates.left_out), (u64::from(BLOCKS), left_out));
        if every == 100 {
            let places: BTreeMap<_, _> =
                captured.packets.iter().map(|packet| (number(&packet.bytes) % every, ())).collect();
            assert!(places.len() > 50, "they are not at random places: {places:?}");
        }
    }
    Ok(())
}

#[test]
fn the_first_packets_of_each_flow_are_exactly_those() -> Result {
    const FLOWS: u32 = 300;
    const EACH: u32 = 20;
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.left, &["-i", INTERFACE])?;
    for first in [1, 3, 20, 100] {
        // Flows that nobody has seen: each VLAN has its own.
        let frames: Vec<_> = frames(FLOWS * EACH, FLOWS, 60)
            .into_iter()
            .map(|frame| [&frame[..12], &[0x81, 0, 0, first], &frame[12..]].concat())
            .collect();
        let query = [("first", &*first.to_string()), ("direction", "out")];
        let (captured, fates) = capture(&daemon, &query, || {
            send_once(&pair.left, &pair.right, frames.clone()).map(drop)
        })?;
        let each = u32::from(first).min(EACH);
        let numbers: Vec<_> =
            captured.packets.iter().map(|packet| number(&packet.bytes[4..])).collect();
        assert_eq!(numbers, (0..FLOWS * each).collect::<Vec<_>>(), "first {first}");
        assert_eq!(fates.left_out, u64::from(FLOWS * (EACH - each)));
    }
    Ok(())
}

#[test]
fn a_rate_is_not_exceeded_in_a_flood() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    let share = Share { frames: frames(2000, 64, 60), rounds: 100 };
    for rate in [1_u64, 50, 1000, 100_000] {
        let since = Instant::now();
        let (captured, fates) = capture(&daemon, &[("rate", &rate.to_string())], || {
            send(&pair.left, &pair.right, &[share.clone(), share.clone()]).map(drop)
        })?;
        // As many as the time had room for, the first at once, and a tenth of a second's that may come at once.
        let most = (since.elapsed().as_secs_f64() * rate as f64) as u64 + rate / 10 + 1;
        let got = captured.len();
        assert!(got > 0 && got <= most, "{got} packets at {rate} a second, at most {most}");
        let passed = fates.delivered + fates.lost;
        assert_eq!((fates.matched, fates.over_budget), (400_000, 400_000 - passed));
        // Between any two packets the same holds.
        let times: Vec<_> = captured.packets.iter().map(|packet| packet.time).collect();
        let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else { continue };
        let room =
            (last - first) as u128 * u128::from(rate) / 1_000_000_000 + u128::from(rate / 10) + 1;
        assert!(u128::from(got) <= room, "{got} packets in {} ns", last - first);
    }
    daemon.ledger()?.assert_balanced();
    Ok(())
}

#[test]
fn a_duration_ends_the_session_by_itself() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    let since = Instant::now();
    let session = Session::open(&daemon.socket(), &[("duration", "2")])?;
    send_once(&pair.left, &pair.right, frames(10, 1, 60))?;
    let captured = session.finish()?;
    let took = since.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(8), "{took:?}");
    assert_eq!((captured.len(), captured.cut.as_deref()), (10, None));
    assert!(captured.counted()?.end.is_some());
    all_ended(&daemon.socket())
}

#[test]
fn a_snap_length_cuts_the_bytes_and_keeps_the_length() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE, "--allow-payload"])?;
    let lengths = [46, 60, 127, 128, 129, 1000, 1514];
    let frames: Vec<_> = lengths.iter().flat_map(|length| frames(1, 1, *length)).collect();
    for (asked, snap) in
        [(1, 1), (14, 14), (60, 60), (128, 128), (1514, 1514), (0, 65_535), (9_999_999, 65_535)]
    {
        let session = Session::open(&daemon.socket(), &[("snaplen", &asked.to_string())])?;
        assert_eq!(session.snap, snap);
        send_once(&pair.left, &pair.right, frames.clone())?;
        let captured = session.end(&daemon.socket())?;
        let expected: Vec<_> = frames
            .iter()
            .map(|frame| (frame.len() as u32, &frame[..frame.len().min(snap as usize)]))
            .collect();
        assert_eq!(captured.cut(usize::MAX), expected);
        assert_eq!(captured.interfaces[0].snap_length, snap);
    }
    Ok(())
}

#[test]
fn without_payload_allowed_a_snap_length_is_at_most_that_of_headers() -> Result {
    const HEADERS: u32 = 128;
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    for (asked, snap) in [(0, HEADERS), (64, 64), (128, HEADERS), (129, HEADERS), (65_535, HEADERS)]
    {
        let session = Session::open(&daemon.socket(), &[("snaplen", &asked.to_string())])?;
        assert_eq!(session.snap, snap);
        send_once(&pair.left, &pair.right, frames(1, 1, 1000))?;
        let captured = session.end(&daemon.socket())?;
        let packet = &captured.packets[0];
        assert_eq!((packet.length, packet.bytes.len() as u32), (1000, snap));
    }
    for (snap, note) in [("128", false), ("129", true), ("0", true)] {
        let place = format!("unix:{}", daemon.socket().display());
        let ended = daemon_less(&pair, &["--connect", &place, "-s", snap, "--duration", "50ms"])?;
        assert_eq!(
            (ended.code, ended.stderr.contains("--allow-payload")),
            (Some(0), note),
            "{ended:?}"
        );
        assert!(ended.stderr.contains("128 bytes of each packet"), "{ended:?}");
    }
    // Whoever may load a probe of their own may see everything.
    let ended = daemon_less(&pair, &["-i", INTERFACE, "-s", "0", "--duration", "50ms"])?;
    assert_eq!(
        (ended.code, ended.stderr.contains("--allow-payload")),
        (Some(0), false),
        "{ended:?}"
    );
    Ok(())
}

/// `wireledger capture` to its end.
fn daemon_less(
    pair: &Pair,
    arguments: &[&str],
) -> anyhow::Result<wireledger_tests::process::Ended> {
    Ok(session::Capture::start(&pair.right, arguments)?.ended()?.0)
}

#[test]
fn the_command_line_passes_every_budget_on() -> Result {
    let (pair, folder) = (Pair::new(QUIET)?, tempfile::tempdir()?);
    let daemon = Daemon::start(&pair.left, &["-i", INTERFACE])?;
    let file = folder.path().join("file");
    let name = file.display().to_string();
    for (n, (arguments, packets)) in [
        (&["-c", "7"][..], 7),
        (&["--every", "10"], 100),
        (&["--first", "3"], 30),
        (&["--bytes", "600"], 10),
    ]
    .into_iter()
    .enumerate()
    {
        let arguments = [&["-w", &name, "-Q", "out"][..], arguments].concat();
        let capture = session::Capture::by(&daemon.socket(), &pair.left, &arguments)?;
        let tagged = frames(1000, 10, 56)
            .into_iter()
            .map(|frame| [&frame[..12], &[0x81, 0, 0, n as u8], &frame[12..]].concat());
        send_once(&pair.left, &pair.right, tagged.collect())?;
        let (ended, summary) =
            if arguments.contains(&"-c") { capture.ended()? } else { capture.stop()? };
        assert_eq!(
            (ended.code, summary.captured, summary.dropped),
            (Some(0), packets, 0),
            "{ended:?}"
        );
        assert_eq!(Captured::open(&file)?.len(), packets);
        if !arguments.contains(&"-c") {
            assert_eq!((summary.received, summary.left_out), (1000, 1000 - packets), "{ended:?}");
        }
    }
    Ok(())
}
