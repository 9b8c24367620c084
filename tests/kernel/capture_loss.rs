//! What is lost is counted where it was lost, and everywhere the same: in the kernel's ring, and behind it where a client does not read.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use wireledger_tests::{
    captured::Captured,
    daemon::Daemon,
    netns::{INTERFACE, Pair, Setup},
    packets::{ip::Ipv4, transport::udp},
    send::{Share, send},
    session::{Capture, Fates, Session, all_ended, session, sessions},
    tools::eventually,
};

type Result = anyhow::Result<()>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };

/// 1,000 datagrams, half of them to port 53.
fn share(length: usize, rounds: usize) -> Share {
    let port = |n| if n % 2 == 0 { 53 } else { 5000 };
    let frame = |n| Ipv4::default().frame(&udp(n, port(n), &vec![7; length]));
    Share { frames: (0..1000).map(frame).collect(), rounds }
}

/// The metrics of a slot: matched, then by fate.
fn metrics(daemon: &Daemon<'_>, slot: u64) -> anyhow::Result<Fates> {
    let (metrics, slot) = (daemon.metrics()?, slot.to_string());
    let fate = |fate| -> anyhow::Result<u64> {
        let labels = [("slot", &*slot), ("fate", fate)];
        Ok(metrics.sum("wireledger_capture_packets_total", &labels)? as u64)
    };
    let unread = fate("unread")?;
    Ok(Fates {
        seen: 0,
        matched: metrics.sum("wireledger_capture_matched_packets_total", &[("slot", &slot)])?
            as u64,
        left_out: fate("left_out")?,
        over_budget: fate("over_budget")?,
        lost: fate("lost")?,
        delivered: fate("delivered")? + unread,
        unread,
    })
}

#[test]
fn a_full_ring_costs_packets_that_every_face_counts_the_same() -> Result {
    const SENT: u64 = 200_000;
    let (pair, folder) = (Pair::new(QUIET)?, tempfile::tempdir()?);
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE, "--sample-memory", "16KiB"])?;
    let socket = daemon.socket();
    // Three sessions share the ring; one of them leaves packets out besides.
    let plain = Session::open(&socket, &[])?;
    let thin =
        Session::open(&socket, &[("filter", "udp dst port 53"), ("every", "3"), ("rate", "5000")])?;
    let file = folder.path().join("file");
    let name = file.to_str().context("a path that is not UTF-8")?;
    let command = Capture::by(&socket, &pair.right, &["-w", name, "udp dst port 5000"])?;
    let shares = [share(100, 100), share(100, 100)];
    send(&pair.left, &pair.right, &shares)?;
    daemon.settled(INTERFACE, "ingress", SENT)?.assert_balanced();

    let mut told = Vec::new();
    for held in sessions(&socket)? {
        held.tally.assert_complete();
        assert_eq!(held.tally.seen, SENT);
        assert!(held.tally.lost > 0, "{held:?}");
        assert!(held.tally.delivered > 0, "{held:?}");
        let expected = Fates { seen: 0, ..held.tally };
        eventually("the metrics say the same", || {
            Ok((metrics(&daemon, held.slot)? == expected).then_some(()))
        })?;
        told.push(held);
    }
    let tally =
        |id| told.iter().find(|held| held.id == id).map(|held| held.tally).context("a session");
    let (whole, third) = (tally(plain.id)?, tally(thin.id)?);
    assert_eq!((whole.matched, third.matched), (SENT, SENT / 2));
    assert_eq!((whole.left_out, whole.over_budget), (0, 0));
    assert!(third.left_out > 0 && third.over_budget > 0, "{third:?}");
    for (session, tally) in [(plain, whole), (thin, third)] {
        let captured = session.end(&socket)?;
        let counted = captured.counted()?;
        assert_eq!(captured.len(), tally.delivered - tally.unread);
        assert_eq!(counted.received, Some(SENT));
        assert_eq!(counted.accepted, Some(tally.matched));
        assert_eq!(counted.os_dropped, Some(tally.lost));
        assert_eq!(counted.dropped, Some(tally.lost + tally.unread));
        assert_eq!(counted.delivered, Some(tally.delivered - tally.unread));
    }
    let [rest] = &sessions(&socket)?[..] else { panic!("one session is left") };
    let (ended, summary) = command.stop()?;
    let captured = Captured::open(&file)?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!((summary.received, summary.seen), (SENT / 2, SENT));
    assert_eq!((summary.captured, summary.dropped), (captured.len(), rest.tally.lost));
    assert_eq!(summary.captured + summary.dropped + summary.unread, summary.received);
    assert_eq!(captured.counted()?.os_dropped, Some(summary.dropped));
    all_ended(&socket)?;
    daemon.ledger()?.assert_balanced();
    Ok(())
}

#[test]
fn a_client_that_does_not_read_costs_nobody_but_itself() -> Result {
    // What the one who reads gets fits into its queue, however late it comes.
    const SENT: u64 = 24_000;
    let pair = Pair::new(QUIET)?;
    let run = ["-i", INTERFACE, "--allow-payload", "--sample-memory", "64MiB"];
    let daemon = Daemon::start(&pair.right, &run)?;
    let socket = daemon.socket();
    let asleep = Session::open(&socket, &[])?;
    let awake = Session::open(&socket, &[("filter", "udp dst port 53"), ("snaplen", "60")])?;
    let (id, other) = (asleep.id, awake.id);
    let (captured, held, took) = thread::scope(|scope| -> anyhow::Result<_> {
        let reader = scope.spawn(|| awake.finish());
        let sent = send(&pair.left, &pair.right, &[share(900, 12), share(900, 12)]);
        let since = Instant::now();
        let held = session(&socket, other);
        let took = since.elapsed();
        wireledger_tests::session::end(&socket, other)?;
        let captured = reader.join().expect("it returns its errors")?;
        sent?;
        Ok((captured, held?, took))
    })?;
    daemon.settled(INTERFACE, "ingress", SENT)?.assert_balanced();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!((held.tally.matched, held.tally.lost), (SENT / 2, 0));
    // Everything, in order, for whoever reads.
    assert_eq!(captured.len(), SENT / 2);
    assert_eq!(captured.counted()?.dropped, Some(0));

    // What waits for the other is bounded.
    let tally = eventually("the ring was read", || {
        let tally = session(&socket, id)?.tally;
        Ok((tally.matched == SENT && tally.unread > 0).then_some(tally))
    })?;
    tally.assert_complete();
    assert_eq!(tally.lost, 0, "{tally:?}");
    assert_eq!(metrics(&daemon, id % 16)?, Fates { seen: 0, ..tally });
    // Should it wake up, it finds whole blocks, and in the last of them what it missed.
    let late = asleep.end(&socket)?;
    assert_eq!(late.cut, None);
    assert_eq!(late.len(), tally.delivered - tally.unread);
    let counted = late.counted()?;
    assert_eq!((counted.dropped, counted.delivered), (Some(tally.unread), Some(late.len())));
    assert!(counted.end.is_some());
    all_ended(&socket)?;
    daemon.ledger()?.assert_balanced();
    Ok(())
}

#[test]
fn a_client_that_never_reads_can_be_ended_by_somebody_else() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE, "--allow-payload"])?;
    let socket = daemon.socket();
    let asleep = Session::open(&socket, &[])?;
    send(&pair.left, &pair.right, &[share(900, 10), share(900, 10)])?;
    wireledger_tests::session::end(&socket, asleep.id)?;
    all_ended(&socket)?;
    // The daemon does not wait for it at its own end either.
    let since = Instant::now();
    let ended = daemon.stop()?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    drop(asleep);
    Ok(())
}
