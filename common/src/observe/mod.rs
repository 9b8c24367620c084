//! What happens to a packet once its headers were read, from the first counter to the ledger.
//!
//! The same source in the kernel and in a replay; where the counts stand is [`Books`]. Guarantees: every packet ends in
//! exactly one of flow, overflow and unread, and each is counted once.

pub mod count;
mod join;

use crate::{
    abi::{
        flow::FlowKey,
        fragment::{Datagram, FirstFragment},
        totals::Totals,
        unread::Unread,
    },
    table::{Now, Sighting},
    wire::{Fragment, Headers},
};

/// Where flows and first fragments are kept: maps in the kernel, plain memory in a replay.
pub trait Books {
    /// Counts a packet of a flow. Returns how many the flow had before it; `None` when the flow gets no entry.
    fn flow(&mut self, key: &FlowKey, seen: &Sighting, now: Now) -> Option<u64>;

    /// Keeps what a first fragment told. Without room later ones are counted without ports.
    fn remember(&mut self, datagram: &Datagram, first: &FirstFragment);

    /// What the first fragment of this datagram told.
    fn recall(&mut self, datagram: &Datagram) -> Option<&FirstFragment>;

    /// How long it speaks for later ones, by the table's clock ([`Now::stamp`]).
    fn fragment_life(&self) -> u64;
}

/// Where a packet was seen.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// Interface index.
    pub interface: u32,
    /// Direction bit of the flow key.
    pub direction: u8,
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
    sight: &Sight,
    headers: &mut Headers,
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
    headers.key.interface = sight.interface;
    headers.key.kind |= sight.direction;
    if headers.fragment as u8 != Fragment::Whole as u8 {
        join::join(headers, sight.now.stamp, books);
    }
    count::read(totals, headers, seen);
    if let Some(before) = books.flow(&headers.key, seen, sight.now) {
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
