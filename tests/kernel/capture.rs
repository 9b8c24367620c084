//! How captures end, and what they leave: the slot free, the file whole, the numbers told. And the flight recorder.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use wireledger_tests::{
    captured::Captured,
    daemon::Daemon,
    netns::{INTERFACE, Pair, Setup, output},
    packets::{ip::Ipv4, transport::udp},
    send::send_once,
    session::{Capture, Session, all_ended, session, sessions},
    tools::eventually,
};

type Result = anyhow::Result<()>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };

/// Datagrams with their numbers, from `first` on.
fn frames(first: u16, count: u16) -> Vec<Vec<u8>> {
    let frame = |n: u16| Ipv4::default().frame(&udp(n, 53, &n.to_be_bytes()));
    (first..first + count).map(frame).collect()
}

/// Panics unless it holds the frames `first` and so on, in order.
fn assert_holds(captured: &Captured, first: u16, count: u16) {
    let frames = frames(first, count);
    let expected: Vec<_> = frames.iter().map(|frame| (frame.len() as u32, &frame[..])).collect();
    assert_eq!(captured.cut(usize::MAX), expected);
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}

#[test]
fn a_client_that_is_gone_frees_its_slot() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    let socket = daemon.socket();
    let session = Session::open(&socket, &[])?;
    assert_eq!(sessions(&socket)?.len(), 1);
    // Without traffic nothing is written that could fail; statistics are, every second.
    drop(session);
    all_ended(&socket)?;
    let capture = Capture::by(&socket, &pair.right, &["arp"])?;
    assert_eq!(sessions(&socket)?.len(), 1);
    capture.kill()?;
    all_ended(&socket)
}

#[test]
fn a_session_that_is_ended_from_outside_has_all_its_packets() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    for n in 0..20 {
        let session = Session::open(&daemon.socket(), &[("filter", "udp dst port 53")])?;
        send_once(&pair.left, &pair.right, frames(n, 300))?;
        // At once: the last packets are in the ring still.
        let captured = session.end(&daemon.socket())?;
        assert_holds(&captured, n, 300);
        assert_eq!(captured.counted()?.delivered, Some(300));
    }
    Ok(())
}

#[test]
fn an_interface_that_is_deleted_ends_the_capture_with_what_it_had() -> Result {
    let (pair, folder) = (Pair::new(QUIET)?, tempfile::tempdir()?);
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    let file = folder.path().join("file");
    let arguments = ["-i", INTERFACE, "-w", text(&file)?];
    let capture = Capture::by(&daemon.socket(), &pair.right, &arguments)?;
    send_once(&pair.left, &pair.right, frames(0, 500))?;
    pair.right.run(&format!("ip link del {INTERFACE}"))?;
    let (ended, summary) = capture.ended()?;
    assert_eq!((ended.code, summary.captured), (Some(0), 500), "{ended:?}");
    assert_eq!((summary.received, summary.dropped), (500, 0), "{ended:?}");
    let captured = Captured::open(&file)?;
    assert_eq!(captured.cut, None);
    assert_holds(&captured, 0, 500);
    assert_eq!(captured.counted()?.delivered, Some(500));
    all_ended(&daemon.socket())
}

#[test]
fn a_capture_of_every_interface_goes_on_when_one_goes_and_comes() -> Result {
    let (pair, folder) = (Pair::new(QUIET)?, tempfile::tempdir()?);
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    let file = folder.path().join("file");
    let capture = Capture::by(&daemon.socket(), &pair.right, &["-w", text(&file)?])?;
    send_once(&pair.left, &pair.right, frames(0, 100))?;
    pair.right.run(&format!("ip link del {INTERFACE}"))?;
    eventually("the daemon has seen it go", || {
        Ok((!daemon.interface(INTERFACE)?.present).then_some(()))
    })?;
    assert_eq!(sessions(&daemon.socket())?.len(), 1);
    pair.join(QUIET)?;
    eventually("the daemon has seen it come", || {
        let watched = daemon.interface(INTERFACE)?;
        Ok((watched.present && watched.ingress.mode != "none").then_some(()))
    })?;
    send_once(&pair.left, &pair.right, frames(100, 100))?;
    let (ended, summary) = capture.stop()?;
    let captured = Captured::open(&file)?;
    assert_eq!((ended.code, summary.captured), (Some(0), 200), "{ended:?}");
    assert_holds(&captured, 0, 200);
    Ok(())
}

#[test]
fn a_daemon_that_is_stopped_ends_its_captures_with_their_statistics() -> Result {
    let (pair, folder) = (Pair::new(QUIET)?, tempfile::tempdir()?);
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    let file = folder.path().join("file");
    let capture = Capture::by(&daemon.socket(), &pair.right, &["-w", text(&file)?])?;
    let session = Session::open(&daemon.socket(), &[])?;
    send_once(&pair.left, &pair.right, frames(0, 500))?;
    let stopped = daemon.stop()?;
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
    let captured = session.finish()?;
    assert_eq!(captured.cut, None);
    assert_holds(&captured, 0, 500);
    let counted = captured.counted()?;
    assert_eq!((counted.delivered, counted.end.is_some()), (Some(500), true));
    let (ended, summary) = capture.ended()?;
    assert_eq!((ended.code, summary.captured, summary.received), (Some(0), 500, 500), "{ended:?}");
    assert_holds(&Captured::open(&file)?, 0, 500);
    Ok(())
}

#[test]
fn a_file_of_a_capture_that_was_killed_has_whole_blocks() -> Result {
    let (pair, folder) = (Pair::new(QUIET)?, tempfile::tempdir()?);
    let file = folder.path().join("file");
    let capture = Capture::start(&pair.right, &["-i", INTERFACE, "-U", "-w", text(&file)?])?;
    send_once(&pair.left, &pair.right, frames(0, 500))?;
    eventually("every packet is in the file", || {
        Ok((Captured::open(&file)?.len() == 500).then_some(()))
    })?;
    capture.kill()?;
    let captured = Captured::open(&file)?;
    assert_eq!(captured.cut, None);
    assert_holds(&captured, 0, 500);
    output(Command::new("capinfos").arg(&file))?;
    Ok(())
}

#[test]
fn a_signal_prints_how_things_stand_and_the_capture_goes_on() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    let mut capture = Capture::by(&daemon.socket(), &pair.right, &["udp"])?;
    send_once(&pair.left, &pair.right, frames(0, 3))?;
    eventually("the packets are shown and told of", || {
        capture.signal(libc::SIGUSR1)?;
        Ok(capture.said()?.1.contains("\n3 packets received by filter\n").then_some(()))
    })?;
    send_once(&pair.left, &pair.right, frames(3, 4))?;
    let (ended, _) = capture.stop()?;
    assert_eq!((ended.code, ended.stdout.lines().count()), (Some(0), 7), "{ended:?}");
    assert!(ended.stderr.contains("\n7 packets captured\n"), "{ended:?}");
    Ok(())
}

#[test]
fn packets_say_which_way_which_queue_and_what_xdp_decided() -> Result {
    use wireledger::capfile::Verdict;
    let pair = Pair::new(QUIET)?;
    for (end, mode, outgoing, verdict) in [
        (&pair.right, "native", false, Some(Verdict::Xdp(2))),
        (&pair.right, "generic", false, Some(Verdict::Xdp(2))),
        (&pair.right, "tc", false, None),
        (&pair.left, "auto", true, None),
    ] {
        let daemon = Daemon::start(end, &["-i", INTERFACE, "--mode", mode])?;
        let session = Session::open(&daemon.socket(), &[])?;
        send_once(&pair.left, &pair.right, frames(0, 100))?;
        let captured = session.end(&daemon.socket())?;
        assert_holds(&captured, 0, 100);
        for packet in &captured.packets {
            assert_eq!((packet.outgoing, packet.verdict), (Some(outgoing), verdict), "{mode}");
            assert_eq!(packet.interface, INTERFACE);
            assert!(packet.queue.is_some_and(|queue| queue < 2), "{packet:?}");
        }
    }
    Ok(())
}

#[test]
fn the_recorder_holds_the_last_packets_in_order() -> Result {
    const EACH: usize = 56 + 44;
    let (pair, folder) = (Pair::new(QUIET)?, tempfile::tempdir()?);
    for kib in [4, 64, 1024] {
        let size = format!("{kib}KiB");
        let run = ["-i", INTERFACE, "--sample-every", "1", "--recorder", &size];
        // Egress of one CPU: one order.
        let daemon = Daemon::start(&pair.left, &run)?;
        // Never more on their way than the samples' ring holds.
        for part in 0..10 {
            send_once(&pair.left, &pair.right, frames(part * 1000, 1000))?;
        }
        let held = (kib * 1024 / EACH).min(10_000) as u16;
        let file = folder.path().join("dump");
        let captured = eventually("the recorder has the last packet", || {
            let place = format!("unix:{}", daemon.socket().display());
            let dump = ["recorder", "dump", "-w", text(&file)?, "--connect", &place];
            let mut command = wireledger_tests::daemon::wireledger(&pair.left)?;
            let ended = wireledger_tests::process::Process::run(command.args(dump))?;
            assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
            let captured = Captured::open(&file)?;
            let last = captured.packets.last().map(|packet| packet.bytes[34..36].to_vec());
            Ok((last == Some(9999_u16.to_be_bytes().to_vec())).then_some(captured))
        })?;
        assert_eq!(captured.cut, None);
        assert_holds(&captured, 10_000 - held, held);
        let info = output(Command::new("capinfos").args(["-M", "-c"]).arg(&file))?;
        let count = info.lines().find_map(|line| line.strip_prefix("Number of packets:"));
        assert_eq!(count.map(str::trim), Some(&*held.to_string()), "{info}");
        daemon.ledger()?.assert_balanced();
    }
    Ok(())
}

#[test]
fn the_recorder_takes_a_slot_that_nobody_can_read() -> Result {
    let pair = Pair::new(QUIET)?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE, "--sample-every", "10"])?;
    let socket = daemon.socket();
    let [sampler] = &sessions(&socket)?[..] else { panic!("one session") };
    let other = Session::open(&socket, &[])?;
    send_once(&pair.left, &pair.right, frames(0, 1000))?;
    let tally = session(&socket, sampler.id)?.tally;
    tally.assert_complete();
    assert_eq!((tally.matched, tally.lost), (1000, 0));
    assert!((90..=110).contains(&tally.delivered), "{tally:?}");
    assert_holds(&other.end(&socket)?, 0, 1000);
    Ok(())
}

#[test]
fn a_capture_with_a_probe_of_its_own_leaves_nothing_attached() -> Result {
    use wireledger_tests::bpf::Attached;
    let pair = Pair::new(QUIET)?;
    let since = Instant::now();
    let capture = Capture::start(&pair.right, &["-i", INTERFACE, "-c", "10"])?;
    assert_ne!(Attached::to(&pair.right, INTERFACE)?, Attached::default());
    send_once(&pair.left, &pair.right, frames(0, 100))?;
    let (ended, summary) = capture.ended()?;
    assert_eq!(
        (ended.code, summary.captured, ended.stdout.lines().count()),
        (Some(0), 10, 10),
        "{ended:?}"
    );
    assert_eq!(Attached::to(&pair.right, INTERFACE)?, Attached::default());
    assert!(since.elapsed() < Duration::from_secs(20));
    Ok(())
}
