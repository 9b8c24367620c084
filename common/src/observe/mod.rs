//! What happens to a packet once its headers were read, from the first counter to the ledger.
//!
//! The same source in the kernel and in a replay; where the counts stand is [`Books`]. Guarantees: every packet ends in
//! exactly one of flow, overflow and unread, and each is counted once.

pub mod count;
mod handshake;
mod health;
mod join;

use crate::{
    abi::{
        flow::FlowKey,
        fragment::{Datagram, FirstFragment},
        handshake::Attempt,
        settings::Place,
        totals::Totals,
        unread::Unread,
    },
    table::{Now, Sighting, track::Segment},
    wire::{Fragment, Headers},
};

/// Where flows, first fragments and handshakes are kept: maps in the kernel, plain memory in a replay.
pub trait Books {
    /// Counts a packet of a flow, and leaves in `slot` where. Returns how many the flow had before it; `None` when the flow gets
    /// no entry.
    fn flow(&mut self, key: &FlowKey, seen: &Sighting, now: Now, slot: &mut u32) -> Option<u64>;

    /// Follows the flow in `slot`, where the packet was just counted, by a TCP segment.
    fn track(&mut self, slot: u32, segment: &mut Segment, now: Now);

    /// Keeps what a first fragment told. Without room later ones are counted without ports.
    fn remember(&mut self, datagram: &Datagram, first: &FirstFragment);

    /// What the first fragment of this datagram told.
    fn recall(&mut self, datagram: &Datagram) -> Option<&FirstFragment>;

    /// How long it speaks for later ones, by the table's clock ([`Now::stamp`]).
    fn fragment_life(&self) -> u64;

    /// The handshake of this name, while it is under way.
    fn attempt(&mut self, key: &FlowKey) -> Option<&mut Attempt>;

    /// Takes in a handshake that is not under way; `false` when there is no room.
    fn begin_attempt(&mut self, key: &FlowKey, attempt: &Attempt) -> bool;

    /// Takes a handshake out; `false` when it was not there any more.
    fn end_attempt(&mut self, key: &FlowKey) -> bool;

    /// The totals of the other direction at the same place.
    fn opposite(&mut self, sight: &Sight<'_>) -> Option<&mut Totals>;

    /// The precise clock, asked at the steps of handshakes only.
    fn nanoseconds(&self) -> u64;
}

/// Working memory of [`observe`]: a map's in the kernel, whose stack is small. What is in it before does not matter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scratch {
    /// Where the packet's flow is, if it has an entry.
    slot: u32,
    /// The packet's TCP segment, if it has one.
    segment: Segment,
    /// The name of its handshake.
    key: FlowKey,
    /// A handshake that begins; its other fields stay zero.
    fresh: Attempt,
    /// What the verifier is to forget passes through here.
    memory: u32,
}

/// Where a packet was seen.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// The interface, and what is known of it.
    pub place: &'a Place,
    /// Direction bit of the flow key.
    pub direction: u8,
    /// Direction bit of the other direction's flow keys.
    pub opposite: u8,
    /// The bytes that were read are not the whole frame's, which goes on elsewhere.
    pub cut: bool,
    /// When.
    pub now: Now,
}

/// Where a packet ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// In its flow.
    Flow {
        /// The flow's packets before it.
        before: u64,
    },
    /// Without an entry for its flow.
    Overflow,
    /// Without a flow key.
    Unread(Unread),
}

/// Puts one packet on the ledger, given what reading its headers came to.
#[inline(always)]
pub fn observe(
    read: Result<(), Unread>,
    sight: &Sight<'_>,
    headers: &mut Headers,
    scratch: &mut Scratch,
    seen: &Sighting,
    totals: &mut Totals,
    books: &mut impl Books,
) -> Fate {
    count::seen(totals, seen);
    if let Err(reason) = read {
        let reason = if sight.cut { beyond_linear(reason) } else { reason };
        count::unread(totals, reason, seen);
        return Fate::Unread(reason);
    }
    headers.key.interface = sight.place.interface;
    headers.key.kind |= sight.direction;
    if headers.fragment as u8 != Fragment::Whole as u8 {
        join::join(headers, sight.now.stamp, books);
    }
    count::read(totals, headers, seen);
    health::headers(totals, headers, seen, sight);
    let before = books.flow(&headers.key, seen, sight.now, &mut scratch.slot);
    if headers.has_tcp_flags && headers.fragment as u8 == Fragment::Whole as u8 {
        let payload = headers.end.saturating_sub(headers.length);
        scratch.segment.begin(headers.sequence, payload, headers.tcp_flags);
        if before.is_some() {
            books.track(scratch.slot, &mut scratch.segment, sight.now);
        }
        health::segment(totals, &scratch.segment, headers.window, seen);
        if sight.place.both_ways != 0 {
            handshake::follow(&headers.key, scratch, sight, totals, books);
        }
    }
    if let Some(before) = before {
        return Fate::Flow { before };
    }
    count::overflow(totals, headers.key.protocol, seen);
    Fate::Overflow
}

/// A header that the linear part cuts is not cut in the frame.
#[inline(always)]
const fn beyond_linear(reason: Unread) -> Unread {
    match reason {
        Unread::LinkTruncated
        | Unread::Ipv4Truncated
        | Unread::Ipv6Truncated
        | Unread::ExtensionTruncated
        | Unread::TransportTruncated => Unread::NotLinear,
        other => other,
    }
}
