//! Interface totals: seen, read, overflow, unread, each in one place.
//!
//! Plain additions throughout: one writer for each [`Totals`].

use crate::{
    abi::{
        flow::IPV6,
        protocol::Protocol,
        totals::{Count, FLAG_SETS, SIZE_STEP, SIZES, Totals},
        unread::Unread,
    },
    table::Sighting,
    wire::{Headers, tcp_flags},
};

/// Counts what the program was called for.
#[inline(always)]
pub(super) fn seen(totals: &mut Totals, seen: &Sighting) {
    add(&mut totals.seen, seen);
    totals.sizes[size_step(seen.length_max)] += u64::from(seen.packets) - 1;
    totals.sizes[size_step(seen.length_min)] += 1;
}

/// All segments of a super-packet but the last have the greatest length.
#[inline(always)]
fn size_step(length: u32) -> usize {
    let step = length.saturating_sub(1) / SIZE_STEP;
    let last = SIZES as u32 - 1;
    (if step > last { last } else { step }) as usize & (SIZES - 1)
}

/// Counts a packet that has a flow key.
#[inline(always)]
pub(super) fn read(totals: &mut Totals, headers: &Headers, seen: &Sighting) {
    let version = usize::from(headers.key.kind & IPV6 != 0);
    let class = Protocol::of(headers.key.protocol) as usize;
    add(&mut totals.read[version][class], seen);
    if headers.has_tcp_flags {
        if seen.packets == 1 {
            flags(totals, headers.tcp_flags, 1);
        } else {
            segments(totals, headers.tcp_flags, u64::from(seen.packets));
        }
    }
}

/// A super-packet's flags as segmentation deals them out: CWR to the first segment, FIN and PSH to the last.
#[inline(always)]
fn segments(totals: &mut Totals, all: u16, packets: u64) {
    const LAST: u16 = tcp_flags::FIN | tcp_flags::PSH;
    let each = all & !(LAST | tcp_flags::CWR);
    flags(totals, each | (all & tcp_flags::CWR), 1);
    flags(totals, each, packets - 2);
    flags(totals, each | (all & LAST), 1);
}

#[inline(always)]
fn flags(totals: &mut Totals, set: u16, packets: u64) {
    totals.flags[usize::from(set) & (FLAG_SETS - 1)] += packets;
}

/// Counts a packet that has none.
#[inline(always)]
pub(super) fn unread(totals: &mut Totals, reason: Unread, seen: &Sighting) {
    // Always there; an index would bring a panic into the kernel, whose compiler does not see that the reason is in range.
    if let Some(count) = totals.unread.get_mut(reason as usize) {
        add(count, seen);
    }
}

/// Counts a packet whose flow got no entry.
#[inline(always)]
pub(super) fn overflow(totals: &mut Totals, protocol: u8, seen: &Sighting) {
    add(&mut totals.overflow[Protocol::of(protocol) as usize], seen);
}

/// Adds a packet, or an unfolded super-packet.
#[inline(always)]
pub fn add(count: &mut Count, seen: &Sighting) {
    count.add(u64::from(seen.packets), u64::from(seen.bytes));
}
