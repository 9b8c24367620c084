//! One parser, two worlds: the loaded programs and the same source on the host say the same of every frame, whole and cut
//! at every length.
//!
//! The frames go through the real programs by BPF_PROG_TEST_RUN; what the kernel made of each is read from the flow table
//! and the totals, the way the collector reads them.

use std::{collections::HashMap, time::Duration};

use wireledger::kernel::{Placed, Probe, Sizes, sum};
use wireledger_common::{
    abi::{
        flow::{EGRESS, FRAGMENT, FlowKey, TUNNEL, VLAN_PRESENT},
        link::Link,
        totals::Totals,
        unread::Unread,
    },
    table::read::Reading,
    wire::{self, Cursor, Fragment, Headers},
};
use wireledger_tests::packets::{
    every_kind,
    ip::Ipv4,
    link::{ether_type, ethernet},
    protocol,
    transport::udp,
};

/// BPF_PROG_TEST_RUN plays frames on the loopback interface.
const LOOPBACK: u32 = 1;
/// The least that BPF_PROG_TEST_RUN takes: an Ethernet header.
const SHORTEST: usize = 14;

/// What the loopback interface is to the probe.
const PLACED: Placed = Placed { place: 0, link: Link::Ethernet, mtu: 1500, both_ways: true };

/// The hooks under test.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hook {
    Xdp,
    Ingress,
    Egress,
}

/// What was made of a frame.
#[derive(Debug, PartialEq)]
enum Made {
    Flow(FlowKey, Facts),
    Unread(Unread),
}

/// What the flow's entry says besides its key.
#[derive(Debug, Default, PartialEq)]
struct Facts {
    length: u32,
    tcp_flags: u16,
    echo_id: u16,
    ttl: u8,
    dscp: u8,
    fragments: u32,
}

/// First fragments as the probe keeps them: by addresses, VLANs, protocol and identification.
#[derive(Default)]
struct Datagrams(HashMap<(FlowKey, u32), (u16, u16, u8)>);

impl Datagrams {
    fn join(&mut self, headers: &mut Headers) {
        let mut name = FlowKey {
            source_port: 0,
            destination_port: 0,
            protocol: headers.datagram_protocol,
            ..headers.key
        };
        name.kind &= !FRAGMENT;
        let name = (name, headers.datagram);
        let key = &mut headers.key;
        match headers.fragment {
            Fragment::First => {
                self.0.insert(name, (key.source_port, key.destination_port, key.protocol));
            }
            Fragment::Later => {
                if let Some(&(source, destination, protocol)) = self.0.get(&name) {
                    (key.source_port, key.destination_port) = (source, destination);
                    key.protocol = protocol;
                    key.kind &= !FRAGMENT;
                }
            }
            Fragment::Whole | Fragment::Tiny => {}
        }
    }
}

fn on_the_host(frame: &[u8], hook: Hook, decap: bool, datagrams: &mut Datagrams) -> Made {
    let mut headers = Headers::default();
    let length = frame.len() as u32;
    if let Err(reason) = wire::read(Cursor::over(frame), length, Link::Ethernet, 0, &mut headers) {
        return Made::Unread(reason);
    }
    let mut inner = Headers::default();
    if decap && wire::enter(Cursor::over(frame), &headers, &mut inner).is_ok() {
        headers = inner;
    }
    headers.key.interface = LOOPBACK;
    headers.key.kind |= if hook == Hook::Egress { EGRESS } else { 0 };
    datagrams.join(&mut headers);
    let facts = Facts {
        length,
        tcp_flags: headers.tcp_flags,
        echo_id: headers.echo_id,
        ttl: headers.ttl,
        dscp: headers.traffic_class >> 2,
        fragments: u32::from(headers.fragment != Fragment::Whole),
    };
    Made::Flow(headers.key, facts)
}

fn in_the_kernel(probe: &mut Probe, frame: &[u8], hook: Hook) -> Made {
    probe.clear_table().expect("the table is ours");
    let before = totals(probe, hook);
    match hook {
        Hook::Xdp => assert_eq!(probe.run_xdp(frame).expect("runs"), 2, "XDP_PASS"),
        Hook::Ingress => {
            assert_eq!(probe.run_tc(false, frame).expect("runs"), u32::MAX, "TCX_NEXT")
        }
        Hook::Egress => assert_eq!(probe.run_tc(true, frame).expect("runs"), u32::MAX, "TCX_NEXT"),
    }
    let after = totals(probe, hook);
    assert_eq!(after.seen.packets, before.seen.packets + 1, "seen once");
    assert_eq!(after.seen.bytes, before.seen.bytes + frame.len() as u64, "seen whole");
    let mut flows = Vec::new();
    probe.table().sweep(|_, _, reading| flows.push(*reading));
    let unread: Vec<_> = Unread::ALL
        .into_iter()
        .filter(|&reason| {
            after.unread[reason as usize].packets != before.unread[reason as usize].packets
        })
        .collect();
    match (flows.as_slice(), unread.as_slice()) {
        ([flow], []) => Made::Flow(flow.slot.key, facts(flow)),
        ([], [reason]) => Made::Unread(*reason),
        other => panic!("a packet ends in one place, not in {other:?}"),
    }
}

/// BPF_PROG_TEST_RUN makes a socket buffer for TC programs, and refuses one whose EtherType says IP but which ends inside
/// the IP header, or which ends with the Ethernet header (`bpf_prog_test_run_skb` in net/bpf/test_run.c).
fn playable(frame: &[u8], hook: Hook) -> bool {
    let least = match frame[12..14] {
        [0x08, 0x00] => SHORTEST + 20,
        [0x86, 0xdd] => SHORTEST + 40,
        _ => SHORTEST + 1,
    };
    hook == Hook::Xdp || frame.len() >= least
}

fn totals(probe: &Probe, hook: Hook) -> Totals {
    let totals = probe.totals(0).expect("place 0");
    sum(totals.of(hook == Hook::Egress))
}

fn facts(flow: &Reading) -> Facts {
    let slot = &flow.slot;
    let detail = &slot.detail;
    assert_eq!((slot.packets, detail.ttl_min), (1, detail.ttl_max));
    assert_eq!((slot.bytes, detail.length_min), (u64::from(detail.length_max), detail.length_max));
    assert_eq!(detail.tcp_flags, detail.tcp_flags_first);
    Facts {
        length: detail.length_min,
        tcp_flags: detail.tcp_flags,
        echo_id: detail.echo_id,
        ttl: detail.ttl_min,
        dscp: detail.dscp,
        fragments: detail.fragments,
    }
}

fn probe(decap: bool) -> Probe {
    let mut probe = Probe::load(Sizes {
        flow_memory: 4 << 10,
        record_memory: 1 << 12,
        sample_memory: 1 << 12,
        interfaces: 1,
        evict_after: Duration::from_secs(1),
        log_level: 0,
        decap,
        replay: None,
    })
    .expect("loads");
    probe.set_place(LOOPBACK, Some(PLACED)).expect("placed");
    probe
}

/// Both worlds on every kind of frame, each cut at every length.
fn agree(hook: Hook, decap: bool) {
    let mut probe = probe(decap);
    let mut datagrams = Datagrams::default();
    let (mut frames, mut flows, mut inner) = (0u64, 0u64, 0u64);
    let kinds = every_kind();
    for (name, whole) in &kinds {
        for length in (SHORTEST..=whole.len()).rev() {
            let frame = &whole[..length];
            if !playable(frame, hook) {
                continue;
            }
            let host = on_the_host(frame, hook, decap, &mut datagrams);
            let kernel = in_the_kernel(&mut probe, frame, hook);
            assert_eq!(kernel, host, "{name} cut to {length} bytes, {hook:?}");
            frames += 1;
            flows += u64::from(matches!(host, Made::Flow(..)));
            inner += u64::from(matches!(host, Made::Flow(key, _) if key.kind & TUNNEL != 0));
        }
    }
    let n = kinds.len();
    eprintln!(
        "{hook:?}: {frames} frames of {n} kinds, {flows} with a flow, {inner} with an inner one"
    );
    // A cut frame contradicts the outer lengths, so each tunnel is entered once.
    assert_eq!(inner >= 15, decap);
    assert!(flows > kinds.len() as u64 / 2 && frames > flows);
    assert_eq!(probe.losses().expect("read").unplaced.packets, 0);
}

#[test]
fn the_xdp_program_and_the_host_say_the_same_of_every_frame_at_every_length() {
    agree(Hook::Xdp, false);
}

#[test]
fn all_programs_and_the_host_say_the_same_of_what_is_inside_tunnels() {
    for hook in [Hook::Xdp, Hook::Ingress, Hook::Egress] {
        agree(hook, true);
    }
}

#[test]
fn the_tc_programs_and_the_host_say_the_same_of_every_frame_at_every_length() {
    agree(Hook::Ingress, false);
    agree(Hook::Egress, false);
}

/// Every reason stands for something a frame can do.
#[test]
fn the_crafted_frames_reach_every_unread_reason_but_one() {
    let mut reached = [false; Unread::COUNT];
    for (_, whole) in every_kind() {
        for length in 0..=whole.len() {
            let mut headers = Headers::default();
            let cursor = Cursor::over(&whole[..length]);
            if let Err(reason) = wire::read(cursor, length as u32, Link::Ethernet, 0, &mut headers)
            {
                reached[reason as usize] = true;
            }
        }
    }
    let missing: Vec<_> = Unread::ALL.into_iter().filter(|&one| !reached[one as usize]).collect();
    // Only a frame in several buffers can be it: see below.
    assert_eq!(missing, [Unread::NotLinear]);
}

/// A frame in several buffers is read where its headers are linear, and counted whole where they are not.
#[test]
fn headers_beyond_the_linear_part_are_unread_by_that_name_and_counted_whole() {
    let mut probe = probe(false);
    let frame = ethernet(ether_type::IPV4, &Ipv4::of(protocol::UDP).packet(&udp(5, 6, &[0; 400])));
    let length = frame.len() as u64;
    if let Err(refused) = probe.run_xdp_in_buffers(&frame, 64) {
        // Linux before 6.18 plays no frame in several buffers.
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("Linux says");
        let mut numbers = release.split('.').map_while(|number| number.parse::<u32>().ok());
        let version = (numbers.next().expect("major"), numbers.next().expect("minor"));
        assert!(version < (6, 18), "{refused}");
        eprintln!("skipped: Linux {release} cannot play a frame in several buffers");
        return;
    }
    for (linear, unread) in [(64, 0), (42, 0), (41, 1), (34, 1), (20, 1), (14, 1)] {
        probe.clear_table().expect("the table is ours");
        let before = totals(&probe, Hook::Xdp);
        probe.run_xdp_in_buffers(&frame, linear).expect("runs");
        let after = totals(&probe, Hook::Xdp);
        assert_eq!(after.seen.bytes - before.seen.bytes, length, "linear {linear}");
        let reason = Unread::NotLinear as usize;
        let bytes = after.unread[reason].bytes - before.unread[reason].bytes;
        assert_eq!(bytes, unread * length, "linear {linear}");
        let mut flows = Vec::new();
        probe.table().sweep(|_, _, reading| flows.push(reading.slot.bytes));
        assert_eq!(flows, vec![length; 1 - unread as usize], "linear {linear}");
    }
}

/// A packet of an interface that was never placed is on no ledger, and says so.
#[test]
fn a_packet_without_a_place_is_counted_as_unplaced() {
    let mut probe = probe(false);
    probe.set_place(LOOPBACK, None).expect("freed");
    let (_, frame) = &every_kind()[0];
    probe.run_xdp(frame).expect("runs");
    let losses = probe.losses().expect("read");
    assert_eq!((losses.unplaced.packets, losses.unplaced.bytes), (1, frame.len() as u64));
}

/// The tag that a driver or the stack keeps beside the frame is the outermost.
#[test]
fn a_tag_beside_the_frame_comes_before_those_inside() {
    let kinds = every_kind();
    let mut tagged = 0;
    for (name, whole) in &kinds {
        let (mut plain, mut beside) = (Headers::default(), Headers::default());
        let length = whole.len() as u32;
        let whole = Cursor::over(whole);
        if wire::read(whole, length, Link::Ethernet, 0, &mut plain).is_err()
            || plain.key.vlans[2] != 0
        {
            continue;
        }
        wire::read(whole, length, Link::Ethernet, VLAN_PRESENT | 7, &mut beside)
            .expect("read as well");
        assert_eq!(beside.key.vlans[0], VLAN_PRESENT | 7, "{name}");
        assert_eq!(beside.key.vlans[1..], plain.key.vlans[..2], "{name}");
        tagged += 1;
    }
    assert!(tagged > 10);
}
