//! The health of TCP against what was done to it: a program between two ends drops, delays and swaps frames, and the probe at
//! an end, the kernel's sockets and tshark must say the same of it.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use nix::sys::socket::{setsockopt, sockopt::RcvBuf};
use wireledger::kernel::{
    Attachment, Hook, Placed, Probe, Sizes, links::Interface, namespace, stay_on_this_cpu, sum,
};
use wireledger_common::{
    abi::{
        handshake::{Leg, Outcome, Times},
        link::Link,
        totals::Totals,
    },
    wire::{Cursor, Headers, read, tcp_flags},
};
use wireledger_tests::{
    captured::Captured,
    forward::{Ends, Fate, Forwarder},
    netns::{INTERFACE, NetNs, RIGHT_V4, output},
    process::PATIENCE,
    session::Tcpdump,
    tcp::sent_again,
    tools::eventually,
};

const PORT: u16 = 8000;
/// How late frames are: from left to right, from right to left.
const DELAYS: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(20)];
/// Of a handshake seen from an end: the way there and back.
const ROUND: Duration = Duration::from_millis(25);
/// Behind every frame that the kernel sends, so that a test can tell its own.
const HEADERS: usize = 14 + 20 + 32;

/// A probe at both directions of an end's interface.
struct Watch {
    probe: Probe,
    interface: u32,
    _attached: [Attachment; 2],
}

impl Watch {
    fn at(end: &NetNs) -> Result<Self> {
        let index = end.link(INTERFACE)?.index;
        let mut probe = Probe::load(Sizes {
            flow_memory: 1 << 20,
            record_memory: 1 << 16,
            sample_memory: 1 << 12,
            interfaces: 1,
            evict_after: Duration::from_secs(10),
            log_level: 0,
            decap: false,
            replay: None,
        })?;
        let placed = Placed { place: 0, link: Link::Ethernet, mtu: 1500, both_ways: true };
        probe.set_place(index, Some(placed))?;
        let name = INTERFACE.to_owned();
        let interface = Interface { name, index, mtu: 1500, up: true, ..Interface::default() };
        let own = namespace::Namespace::own();
        let attached = end.enter(|| -> Result<_> {
            let ingress = probe.attach_xdp(&own, &interface, Hook::Native)?;
            Ok([ingress, probe.attach_tc(&own, &interface, true)?])
        })??;
        Ok(Self { probe, interface: index, _attached: attached })
    }

    /// What was counted: ingress, egress.
    fn totals(&self) -> Result<[Box<Totals>; 2]> {
        let totals = self.probe.totals(0)?;
        Ok([false, true].map(|egress| Box::new(sum(totals.of(egress)))))
    }

    /// What began in a direction: begun, resent, completed, refused, abandoned, and then expired when everything has, in which
    /// the ledger of handshakes is closed.
    fn closed(&mut self, egress: bool) -> Result<[u64; 6]> {
        let which = (self.interface, egress);
        let found = self.probe.expire_handshakes_at(u64::MAX)?;
        assert!(found.open.is_empty());
        let expired = found.expired.get(&which).copied().unwrap_or_default();
        let totals = &self.totals()?[usize::from(egress)];
        let [completed, refused, abandoned, untracked] = totals.handshakes;
        assert_eq!(totals.handshakes_begun, completed + refused + abandoned + expired);
        assert_eq!(untracked, 0);
        let (begun, resent) = (totals.handshakes_begun, totals.handshake_resent);
        Ok([begun, resent, completed, refused, abandoned, expired])
    }
}

/// A connection from left to right, both ends of it without delays of their own.
fn connect(ends: &Ends, listener: &TcpListener) -> Result<[TcpStream; 2]> {
    let left = ends.left.enter(|| TcpStream::connect((RIGHT_V4, PORT)))??;
    let (right, _) = listener.accept()?;
    for stream in [&left, &right] {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
    }
    Ok([left, right])
}

fn listen(ends: &Ends) -> Result<TcpListener> {
    Ok(ends.right.enter(|| TcpListener::bind((RIGHT_V4, PORT)))??)
}

/// Bytes of TCP payload in a frame whose TCP header has the time stamp option alone.
fn payload(frame: &[u8]) -> usize {
    frame.len().saturating_sub(HEADERS)
}

/// How many packets of a capture tshark's display filter lets through.
fn tshark(capture: &Path, filter: &str) -> Result<u64> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-Y", filter, "-T", "fields", "-e", "frame.number", "-r"]).arg(capture);
    Ok(output(&mut command)?.lines().count() as u64)
}

const RETRANSMISSIONS: &str = "tcp.analysis.retransmission || tcp.analysis.fast_retransmission || \
                               tcp.analysis.spurious_retransmission";

/// Rounds of two writes from the left, each answered by a byte, with the first or second data frame of some rounds judged.
fn rounds(streams: &mut [TcpStream; 2], rounds: usize) -> Result<()> {
    let [left, right] = streams;
    for round in 0..rounds {
        // The length tells the round and the frame to the judge.
        let lengths = [100 + 2 * round, 101 + 2 * round];
        for length in lengths {
            left.write_all(&vec![7; length])?;
        }
        right.read_exact(&mut vec![0; lengths[0] + lengths[1]])?;
        right.write_all(&[1])?;
        left.read_exact(&mut [0])?;
    }
    Ok(())
}

/// A judge that does something to the first sight of some data frames, by the length of their payload.
fn once(fates: &[(usize, Fate)]) -> impl FnMut(bool, &[u8]) -> Fate + Send + 'static {
    let mut left: Vec<_> = fates.to_vec();
    move |from_left, frame| {
        let fits = |&(length, _): &(usize, Fate)| from_left && payload(frame) == length;
        left.iter().position(fits).map_or(Fate::Pass, |found| left.swap_remove(found).1)
    }
}

fn record(end: &NetNs, folder: &tempfile::TempDir) -> Result<(Tcpdump, std::path::PathBuf)> {
    let file = folder.path().join("capture.pcap");
    Ok((
        Tcpdump::start(end, &file, &["-i", INTERFACE, "--time-stamp-precision=nano", "tcp"])?,
        file,
    ))
}

#[test]
fn what_is_lost_behind_the_probe_is_seen_again_and_as_often_as_the_socket_says() -> Result<()> {
    // With the forwarder and the kernel's timers: each CPU follows the segments that it sees.
    stay_on_this_cpu()?;
    let ends = Ends::new()?;
    let watch = Watch::at(&ends.left)?;
    let folder = tempfile::tempdir()?;
    let (dump, file) = record(&ends.left, &folder)?;
    let lost = [(101, Fate::Drop), (107, Fate::Drop), (113, Fate::Drop)];
    let forwarder = ends.forward(DELAYS, once(&lost))?;
    let listener = listen(&ends)?;
    let mut streams = connect(&ends, &listener)?;
    rounds(&mut streams, 10)?;
    let said = sent_again(&streams[0])?;
    dump.stop(u64::MAX)?;
    let [ingress, egress] = watch.totals()?;
    assert!(said >= 3, "{said} sent again");
    assert_eq!((egress.retransmitted, egress.out_of_order), (said, 0));
    assert_eq!((ingress.retransmitted, ingress.out_of_order), (sent_again(&streams[1])?, 0));
    let judged = tshark(&file, &format!("ip.src == 10.9.0.1 && ({RETRANSMISSIONS})"))?;
    assert_eq!(egress.retransmitted, judged);
    forwarder.stop()
}

#[test]
fn what_is_swapped_before_the_probe_is_out_of_order_and_what_is_lost_is_sent_again() -> Result<()> {
    // With the forwarder and the kernel's timers: each CPU follows the segments that it sees.
    stay_on_this_cpu()?;
    let ends = Ends::new()?;
    let watch = Watch::at(&ends.right)?;
    let folder = tempfile::tempdir()?;
    let (dump, file) = record(&ends.right, &folder)?;
    // The first of two: it comes behind the second, or is missed when the second is there.
    let fates = [(102, Fate::Hold), (108, Fate::Hold), (114, Fate::Drop)];
    let forwarder = ends.forward(DELAYS, once(&fates))?;
    let listener = listen(&ends)?;
    let mut streams = connect(&ends, &listener)?;
    rounds(&mut streams, 10)?;
    dump.stop(u64::MAX)?;
    let [ingress, _] = watch.totals()?;
    assert_eq!((ingress.out_of_order, ingress.retransmitted), (2, 1));
    let from_left = |what: &str| tshark(&file, &format!("ip.src == 10.9.0.1 && ({what})"));
    assert_eq!(from_left("tcp.analysis.out_of_order")?, 2);
    assert_eq!(from_left(RETRANSMISSIONS)?, 1);
    forwarder.stop()
}

/// TCP segments of a capture that fit, as the host's parser reads them.
fn count(captured: &Captured, fits: impl Fn(&Headers) -> bool) -> u64 {
    let headers = captured.packets.iter().filter_map(|packet| {
        let mut headers = Headers::default();
        let cursor = Cursor::over(&packet.bytes);
        read(cursor, packet.length, Link::Ethernet, 0, &mut headers).ok()?;
        headers.has_tcp_flags.then_some(headers)
    });
    headers.filter(|headers| fits(headers)).count() as u64
}

#[test]
fn a_reader_that_stops_reading_shows_as_zero_windows_and_its_writer_as_keep_alives() -> Result<()> {
    stay_on_this_cpu()?;
    let ends = Ends::new()?;
    let watch = Watch::at(&ends.left)?;
    let folder = tempfile::tempdir()?;
    let (dump, file) = record(&ends.left, &folder)?;
    let forwarder = ends.forward([Duration::ZERO; 2], |_, _| Fate::Pass)?;
    let listener = listen(&ends)?;
    // Inherited by the connection: full soon.
    setsockopt(&listener, RcvBuf, &(1 << 14))?;
    let [mut left, right] = connect(&ends, &listener)?;
    left.set_nonblocking(true)?;
    let mut quiet = 0;
    while quiet < 20 {
        match left.write(&[7; 1 << 16]) {
            Ok(_) => quiet = 0,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                quiet += 1;
                thread::sleep(Duration::from_millis(100));
            }
            Err(error) => return Err(error.into()),
        }
    }
    // No probe of the window leaves between what tcpdump sees last and what is counted last.
    ends.left.run(&format!("ip route add blackhole {RIGHT_V4}/32"))?;
    forwarder.stop()?;
    let captured = dump.stop(u64::MAX)?.context("tcpdump dropped packets")?;
    let [ingress, egress] = watch.totals()?;
    const NONE_OF: u16 = tcp_flags::SYN | tcp_flags::FIN | tcp_flags::RST;
    let zero = |headers: &Headers| headers.window == 0 && headers.tcp_flags & NONE_OF == 0;
    assert!(ingress.zero_window >= 2 && egress.keep_alive >= 1, "the window never closed");
    assert_eq!(ingress.zero_window + egress.zero_window, count(&captured, zero));
    assert_eq!(ingress.zero_window, tshark(&file, "tcp.analysis.zero_window")?);
    assert_eq!(egress.keep_alive, tshark(&file, "ip.src == 10.9.0.1 && tcp.analysis.keep_alive")?);
    drop(right);
    Ok(())
}

/// The time between the SYN and the SYN-ACK of each connection, as a capture at the same end has it.
fn answered_after(captured: &Captured) -> Vec<Duration> {
    let mut began = std::collections::BTreeMap::new();
    let mut times = Vec::new();
    for packet in &captured.packets {
        let mut headers = Headers::default();
        let cursor = Cursor::over(&packet.bytes);
        if read(cursor, packet.length, Link::Ethernet, 0, &mut headers).is_err() {
            continue;
        }
        match headers.tcp_flags & (tcp_flags::SYN | tcp_flags::ACK) {
            tcp_flags::SYN => {
                began.insert(headers.key.source_port, packet.time);
            }
            both if both == tcp_flags::SYN | tcp_flags::ACK => {
                let began = began.remove(&headers.key.destination_port);
                times.extend(began.map(|began| Duration::from_nanos(packet.time - began)));
            }
            _ => {}
        }
    }
    times
}

fn leg(totals: &Totals, leg: Leg) -> Times {
    totals.handshake_times[leg as usize]
}

/// Between the probe and tcpdump at one end a packet passes a few lines of the kernel, unless the machine is elsewhere.
const BOUND: Duration = Duration::from_millis(2);

#[test]
fn the_legs_of_handshakes_take_as_long_as_a_capture_says_and_as_frames_are_late() -> Result<()> {
    const CONNECTIONS: u64 = 20;
    let ends = Ends::new()?;
    let (mut asking, mut asked) = (Watch::at(&ends.left)?, Watch::at(&ends.right)?);
    let folder = tempfile::tempdir()?;
    let (dump, file) = record(&ends.left, &folder)?;
    let forwarder = ends.forward(DELAYS, |_, _| Fate::Pass)?;
    let listener = listen(&ends)?;
    for _ in 0..CONNECTIONS {
        let streams = connect(&ends, &listener)?;
        drop(streams);
    }
    eventually("every handshake has ended", || {
        let ended = asked.totals()?[0].handshakes[Outcome::Completed as usize];
        Ok((ended == CONNECTIONS).then_some(()))
    })?;
    let captured = dump.stop(u64::MAX)?.context("tcpdump dropped packets")?;
    let [outward, inward] = [asking.totals()?[1].clone(), asked.totals()?[0].clone()];
    let captured = answered_after(&captured);
    assert_eq!(captured.len() as u64, CONNECTIONS);
    let said: Duration = captured.iter().sum();
    let ours = leg(&outward, Leg::SynAck);
    assert_eq!(ours.count(), CONNECTIONS);
    let difference = Duration::from_nanos(ours.nanoseconds).abs_diff(said);
    eprintln!("SYN to SYN-ACK: {ours:?}, capture {said:?}, apart {difference:?}");
    assert!(difference <= BOUND * CONNECTIONS as u32, "{difference:?}");
    for (bucket, &count) in ours.buckets.iter().enumerate() {
        let in_it = |slack: Duration| {
            let least = bucket.checked_sub(1).and_then(Times::upper).unwrap_or_default();
            let most = Times::upper(bucket).unwrap_or(u64::MAX);
            let (least, most) = (Duration::from_nanos(least), Duration::from_nanos(most));
            let fits = |time: &&Duration| **time + slack > least && **time <= most + slack;
            captured.iter().filter(fits).count() as u64
        };
        assert!(count <= in_it(BOUND), "bucket {bucket}: {count}");
    }
    // Seen from the other end the other leg goes there and back.
    let theirs = leg(&inward, Leg::Ack);
    assert_eq!((theirs.count(), leg(&outward, Leg::Ack).count()), (CONNECTIONS, CONNECTIONS));
    for (what, times) in [("left", ours), ("right", theirs)] {
        let mean = Duration::from_nanos(times.nanoseconds / CONNECTIONS);
        assert!((ROUND..ROUND * 3).contains(&mean), "{what}: {mean:?}");
        assert_eq!(times.buckets[..15].iter().sum::<u64>(), 0, "{what}: less than the delay");
    }
    // tshark's own, of the SYN to the ACK.
    let mut command = Command::new("tshark");
    command.args(["-n", "-Y", "tcp.analysis.initial_rtt && tcp.len == 0", "-T", "fields"]);
    command.args(["-e", "tcp.stream", "-e", "tcp.analysis.initial_rtt", "-r"]).arg(&file);
    let rows = output(&mut command)?;
    let each: std::collections::BTreeMap<_, _> =
        rows.lines().filter_map(|line| line.split_once('\t')).collect();
    let seconds = each.values().map(|time| time.parse::<f64>());
    let judged = Duration::from_secs_f64(seconds.sum::<Result<f64, _>>()?);
    let both = Duration::from_nanos(ours.nanoseconds + leg(&outward, Leg::Ack).nanoseconds);
    assert_eq!(each.len() as u64, CONNECTIONS);
    assert!(both.abs_diff(judged) <= BOUND * CONNECTIONS as u32, "{both:?} and {judged:?}");
    for (watch, egress) in [(&mut asking, true), (&mut asked, false)] {
        assert_eq!(watch.closed(egress)?, [CONNECTIONS, 0, CONNECTIONS, 0, 0, 0]);
        assert_eq!(watch.totals()?[usize::from(!egress)].handshakes_begun, 0);
    }
    forwarder.stop()
}

/// What came of connecting once, left to right, with frames judged.
fn attempt(
    judge: impl FnMut(bool, &[u8]) -> Fate + Send + 'static,
    wait: Duration,
) -> Result<[[u64; 6]; 2]> {
    let ends = Ends::new()?;
    let (mut asking, mut asked) = (Watch::at(&ends.left)?, Watch::at(&ends.right)?);
    let forwarder: Forwarder = ends.forward([Duration::ZERO; 2], judge)?;
    let address = format!("{RIGHT_V4}:{PORT}").parse().context("an address")?;
    let connected = ends.left.enter(|| TcpStream::connect_timeout(&address, wait))?;
    assert!(connected.is_err(), "nobody listens");
    forwarder.stop()?;
    Ok([asking.closed(true)?, asked.closed(false)?])
}

#[test]
fn a_port_where_nobody_listens_refuses() -> Result<()> {
    let both = attempt(|_, _| Fate::Pass, PATIENCE)?;
    assert_eq!(both, [[1, 0, 0, 1, 0, 0]; 2]);
    Ok(())
}

#[test]
fn a_syn_that_is_lost_is_sent_again_and_expires_unanswered() -> Result<()> {
    // Linux sends it again after 1 and 3 seconds.
    let [asking, asked] = attempt(
        |from_left, _| if from_left { Fate::Drop } else { Fate::Pass },
        Duration::from_millis(3500),
    )?;
    let [_, resent, ..] = asking;
    assert!(resent >= 1, "{resent} sent again");
    assert_eq!(asking, [1, resent, 0, 0, 0, 1]);
    assert_eq!(asked, [0; 6]);
    Ok(())
}
