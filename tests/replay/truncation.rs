//! What is cut off a packet may leave it unread, but never turns it into another one.
//!
//! Every packet of every capture is cut at every length in two ways: by the capture, which keeps the original length, and
//! on the wire, where the frame really ended there.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use anyhow::Result;
use wireledger_common::{
    abi::{flow::FlowKey, link::Link, unread::Unread},
    wire::{self, Cursor, Fragment, Headers},
};
use wireledger_tests::captures::{captures, in_parallel};

/// What must not change. Lengths, flags and echo identifiers lie behind what names the flow, but are read with it.
#[derive(Debug, PartialEq)]
struct Facts {
    key: FlowKey,
    fragment: Fragment,
    datagram: (u32, u8),
    tcp_flags: Option<u16>,
    echo_id: u16,
    ttl: u8,
    dscp: u8,
    end: u32,
}

type Read = Result<Facts, Unread>;

/// Cuts that were made.
#[derive(Default)]
struct Tally {
    packets: u64,
    captured: u64,
    wire: u64,
    inner: u64,
}

/// One packet as it came.
#[derive(Clone, Copy)]
struct Whole<'a> {
    bytes: &'a [u8],
    length: u32,
    link: Link,
}

fn facts(headers: &Headers) -> Facts {
    Facts {
        key: headers.key,
        fragment: headers.fragment,
        datagram: (headers.datagram, headers.datagram_protocol),
        tcp_flags: headers.has_tcp_flags.then_some(headers.tcp_flags),
        echo_id: headers.echo_id,
        ttl: headers.ttl,
        dscp: headers.traffic_class >> 2,
        end: headers.end,
    }
}

impl Whole<'_> {
    /// The first `captured` bytes of a frame of `length` bytes.
    fn outer(&self, captured: usize, length: u32) -> (Read, Headers) {
        let mut headers = Headers::default();
        let frame = Cursor::over(&self.bytes[..captured]);
        let read = wire::read(frame, length, self.link, 0, &mut headers);
        (read.map(|()| facts(&headers)), headers)
    }

    /// What is inside the tunnel; `None` where the outer packet is not read or is no tunnel.
    fn inner(&self, captured: usize, length: u32) -> Option<Read> {
        let (read, outer) = self.outer(captured, length);
        if read.is_err() || !wire::is_tunnel(&outer) {
            return None;
        }
        let mut inner = Headers::default();
        let frame = Cursor::over(&self.bytes[..captured]);
        let read = wire::enter(frame, &outer, &mut inner);
        Some(read.map(|()| facts(&inner)))
    }
}

/// The frame ends in a header, and nothing else is wrong.
const fn is_truncation(reason: Unread) -> bool {
    matches!(
        reason,
        Unread::LinkTruncated
            | Unread::Ipv4Truncated
            | Unread::Ipv6Truncated
            | Unread::ExtensionTruncated
            | Unread::TransportTruncated
    )
}

/// The frame is shorter than a length in it says; LLC has no reason of its own for the frame's end.
const fn is_too_short(reason: Unread) -> bool {
    is_truncation(reason)
        || matches!(
            reason,
            Unread::Ipv4TotalLength | Unread::Ipv6PayloadLength | Unread::Pppoe | Unread::Llc
        )
}

/// The capture kept less: the same, or unread for want of bytes.
fn cut_by_the_capture(whole: &Whole<'_>, tally: &mut Tally) {
    let (uncut, _) = whole.outer(whole.bytes.len(), whole.length);
    let uncut_inner = whole.inner(whole.bytes.len(), whole.length);
    for captured in 0..whole.bytes.len() {
        tally.captured += 1;
        let (read, _) = whole.outer(captured, whole.length);
        match (&uncut, &read) {
            (Ok(uncut), Ok(read)) => assert_eq!(read, uncut, "cut to {captured}"),
            (Ok(_), Err(reason)) => {
                assert!(is_truncation(*reason) || *reason == Unread::Llc, "{captured}: {reason:?}");
            }
            (Err(_), read) => assert!(read.is_err(), "cut to {captured}: {read:?}"),
        }
        let Some(read) = whole.inner(captured, whole.length) else { continue };
        tally.inner += 1;
        match (&uncut_inner, &read) {
            (Some(Ok(uncut)), Ok(read)) => assert_eq!(read, uncut, "inside, cut to {captured}"),
            (Some(Ok(_)), Err(reason)) => {
                let cut = is_truncation(*reason) || *reason == Unread::Llc;
                assert!(cut, "inside, cut to {captured}: {reason:?}");
            }
            (_, read) => assert!(read.is_err(), "inside, cut to {captured}: {read:?}"),
        }
    }
}

/// The frame ended there: what is cut off may be padding, else the packet is unread.
fn cut_on_the_wire(whole: &Whole<'_>, tally: &mut Tally) {
    let (uncut, _) = whole.outer(whole.bytes.len(), whole.length);
    let open = ends_with_its_frame(whole);
    for length in 0..whole.bytes.len() {
        tally.wire += 1;
        let (read, _) = whole.outer(length, length as u32);
        match (&uncut, read) {
            (Ok(uncut), Ok(read)) if open => assert_eq!(read.key, uncut.key, "ended at {length}"),
            // What its headers say of lengths may stop to fit.
            (Ok(_), Err(_)) if open => {}
            (Ok(uncut), Ok(read)) => {
                assert_eq!(read, *uncut, "ended at {length}");
                assert!(length >= uncut.end as usize, "ended at {length} before {}", uncut.end);
            }
            (Ok(uncut), Err(reason)) => {
                assert!(is_too_short(reason), "ended at {length}: {reason:?}");
                assert!(length < uncut.end as usize, "ended at {length} behind {}", uncut.end);
            }
            (Err(_), read) => assert!(read.is_err(), "ended at {length}: {read:?}"),
        }
    }
}

/// Its length is 0, which is the frame's: a shorter frame is a shorter packet then.
fn ends_with_its_frame(whole: &Whole<'_>) -> bool {
    let (_, in_a_longer_frame) = whole.outer(whole.bytes.len(), whole.length + 1);
    in_a_longer_frame.end > whole.length
}

#[test]
fn a_cut_packet_is_the_same_or_unread_but_never_another() -> Result<()> {
    let Some(captures) = captures()? else { return Ok(()) };
    let tallies = in_parallel(&captures, |capture| {
        let mut tally = Tally::default();
        capture.packets(|number, record, interface| {
            let Some(link) = interface.link else { return Ok(()) };
            let whole = Whole { bytes: record.bytes, length: record.length, link };
            let cut = catch_unwind(AssertUnwindSafe(|| {
                cut_by_the_capture(&whole, &mut tally);
                cut_on_the_wire(&whole, &mut tally);
            }));
            if let Err(panic) = cut {
                eprintln!("{} packet {number}: {:02x?}", capture.name, record.bytes);
                resume_unwind(panic);
            }
            tally.packets += 1;
            Ok(())
        })?;
        Ok(tally)
    })?;
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    let captured = sum(|tally| tally.captured);
    eprintln!(
        "{} packets cut {captured} times by the capture ({} times in sight of a tunnel) and {} times on the wire",
        sum(|tally| tally.packets),
        sum(|tally| tally.inner),
        sum(|tally| tally.wire),
    );
    assert!(captured > 1_000_000, "there were captures, but hardly a packet in them");
    Ok(())
}
