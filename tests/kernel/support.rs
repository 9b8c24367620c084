//! The tests' own ground: what is sent arrives, counted alike by the sender and by both ends; the crafted frames are what
//! they are called.

use std::{collections::BTreeSet, path::Path, process::Command, time::Duration};

use wireledger_common::{
    abi::{link, unread::Unread},
    wire::{Cursor, Headers, read},
};
use wireledger_tests::{
    bpf::{Attached, Foreign},
    netns::{Counters, INTERFACE, Link, Pair, Setup, output},
    packets::{every_kind, ip::Ipv4, transport::udp},
    send::{Share, Tally, send, send_once},
};

type Result = anyhow::Result<()>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };

/// Two threads' worth of UDP flows of several sizes: 200,000 frames.
fn shares() -> Vec<Share> {
    let flow = |thread: u16, n: u16| {
        Ipv4::default().frame(&udp(1000 + thread, n, &vec![0; usize::from(n) % 1400]))
    };
    (0..2)
        .map(|thread| Share { frames: (1..=1000).map(|n| flow(thread, n)).collect(), rounds: 100 })
        .collect()
}

fn sent(tallies: &[Tally]) -> Counters {
    let Tally { packets, bytes } = tallies.iter().copied().sum();
    Counters { packets, bytes, dropped: 0 }
}

#[test]
fn what_is_sent_arrives() -> Result {
    let pair = Pair::new(QUIET)?;
    let expected = sent(&send(&pair.left, &pair.right, &shares())?);
    assert_eq!(expected.packets, 200_000);
    assert_eq!(pair.left_link()?.tx, expected);
    assert_eq!(pair.right_link()?.rx, expected);
    Ok(())
}

#[test]
fn what_is_sent_arrives_at_a_native_xdp_program() -> Result {
    let pair = Pair::new(QUIET)?;
    let foreign = Foreign::attach(&pair.right, INTERFACE)?;
    assert_eq!(pair.right_link()?.xdp, Some(foreign.id()?));
    let expected = sent(&send(&pair.left, &pair.right, &shares())?);
    assert_eq!(expected.packets, 200_000);
    assert_eq!(pair.left_link()?.tx.with_ethernet(), expected);
    assert_eq!(pair.right_link()?.rx.with_ethernet(), expected);
    Ok(())
}

/// A thread of the kernel takes the frames, which falls behind as soon as the sender keeps its CPU.
#[test]
fn a_receiver_that_falls_behind_loses_nothing() -> Result {
    let pair = Pair::new(QUIET)?;
    let _native = Foreign::attach(&pair.right, INTERFACE)?;
    let threaded = format!("echo 1 > /sys/class/net/{INTERFACE}/threaded");
    // Unlike nsenter, `ip netns exec` brings the namespace's own /sys.
    let mut exec = Command::new("ip");
    output(exec.args(["netns", "exec", pair.right.name(), "sh", "-c", &threaded]))?;
    let expected = sent(&send(&pair.left, &pair.right, &shares())?);
    assert_eq!(pair.left_link()?.tx.with_ethernet(), expected);
    assert_eq!(pair.right_link()?.rx.with_ethernet(), expected);
    Ok(())
}

#[test]
fn the_ends_say_nothing_by_themselves() -> Result {
    let pairs = [Pair::new(QUIET)?, Pair::new(Setup { ipv4: true, ipv6: true, ..QUIET })?];
    std::thread::sleep(Duration::from_secs(3));
    let counters = |link: Link| (link.rx, link.tx);
    for pair in pairs {
        assert_eq!(counters(pair.left_link()?), Default::default());
        assert_eq!(counters(pair.right_link()?), Default::default());
    }
    Ok(())
}

#[test]
fn every_kind_of_frame_can_be_sent_and_gets_no_answer() -> Result {
    let pair = Pair::new(QUIET)?;
    let _native = Foreign::attach(&pair.right, INTERFACE)?;
    let frames: Vec<_> = every_kind().into_iter().map(|(_, frame)| frame).collect();
    let bytes = frames.iter().map(Vec::len).sum::<usize>() as u64;
    let packets = frames.len() as u64;
    assert_eq!(send_once(&pair.left, &pair.right, frames)?, Tally { packets, bytes });
    let (left, right) = (pair.left_link()?, pair.right_link()?);
    assert_eq!(left.tx.with_ethernet(), Counters { packets, bytes, dropped: 0 });
    // The host drops kinds that it does not know; `rx.dropped` counts those.
    let received = Counters { dropped: 0, ..right.rx };
    assert_eq!(received.with_ethernet(), Counters { packets, bytes, dropped: 0 });
    assert_eq!(right.tx, Counters::default());
    Ok(())
}

#[test]
fn a_dropped_namespace_is_gone_with_its_interfaces() -> Result {
    let pair = Pair::new(QUIET)?;
    let paths = [&pair.left, &pair.right].map(|end| format!("/run/netns/{}", end.name()));
    assert!(paths.iter().all(|path| Path::new(path).exists()));
    drop(pair);
    assert!(!paths.iter().any(|path| Path::new(path).exists()));
    Ok(())
}

#[test]
fn a_dropped_foreign_program_is_detached() -> Result {
    let pair = Pair::new(QUIET)?;
    let foreign = Foreign::attach(&pair.left, INTERFACE)?;
    let attached = Attached { xdp: vec![foreign.id()?], ..Attached::default() };
    assert_eq!(Attached::to(&pair.left, INTERFACE)?, attached);
    drop(foreign);
    assert_eq!(Attached::to(&pair.left, INTERFACE)?, Attached::default());
    Ok(())
}

#[test]
fn every_kind_of_frame_has_a_name_of_its_own() {
    let kinds = every_kind();
    let names: BTreeSet<_> = kinds.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), kinds.len());
    let frames: BTreeSet<_> = kinds.iter().map(|(_, frame)| frame).collect();
    let twice = kinds.len() - frames.len();
    assert!(twice <= 3, "{twice} kinds are the same bytes as another");
}

#[test]
fn the_kinds_give_every_reason_that_a_frame_can_give() {
    let mut given: Vec<_> = every_kind()
        .iter()
        .filter_map(|(_, frame)| {
            let length = frame.len() as u32;
            read(Cursor::over(frame), length, link::Link::Ethernet, 0, &mut Headers::default())
                .err()
        })
        .map(|reason| reason as usize)
        .collect();
    given.sort_unstable();
    given.dedup();
    let all = Unread::ALL.into_iter().filter(|reason| *reason != Unread::NotLinear);
    assert_eq!(given, all.map(|reason| reason as usize).collect::<Vec<_>>());
}
