//! One packet: read → key → count → maybe tell.

use aya_ebpf::{EbpfContext, helpers::bpf_jiffies64};
use aya_log_ebpf::debug;
use wireledger_common::{
    abi::{
        flow::FlowKey,
        fragment::{Datagram, FirstFragment},
        unread::Unread,
    },
    table::{Sighting, hash::words, set::copy_words},
    wire::{self, Fragment, Headers},
};
use zerocopy::transmute_mut;

use crate::{count, frame::Frame, maps};

/// Puts one packet on the ledger. `flow` counts it in the flow table and says whether there was room.
#[inline(always)]
pub fn observe<C, F>(ctx: &C, frame: Frame<'_>, flow: F)
where
    C: EbpfContext,
    F: FnOnce(&FlowKey, &Sighting, u64) -> bool,
{
    let Some(headers) = headers() else { return };
    let read = wire::read(frame.cursor, frame.length, frame.tag, headers);
    let seen = frame.sighting(headers);
    let Some(totals) = count::totals(frame.interface, frame.direction) else {
        count::unplaced(&seen);
        debug!(ctx, "interface {} has no place", frame.interface);
        return;
    };
    count::seen(totals, &seen);
    if let Err(reason) = read {
        let reason = if frame.fragmented { beyond_linear(reason) } else { reason };
        count::unread(totals, reason, &seen);
        debug!(ctx, "interface {}: unread, reason {}", frame.interface, reason as u8);
        return;
    }
    headers.key.interface = frame.interface;
    headers.key.kind |= frame.direction;
    // SAFETY: no arguments, no effects.
    let now = unsafe { bpf_jiffies64() };
    if headers.fragment as u8 != Fragment::Whole as u8 {
        join(headers, now);
    }
    count::read(totals, headers, &seen);
    if !flow(&headers.key, &seen, now) {
        count::overflow(totals, headers.key.protocol, &seen);
        debug!(ctx, "interface {}: overflow, protocol {}", frame.interface, headers.key.protocol);
    }
}

/// This CPU's headers, empty. In a map rather than on the stack, since the verifier follows every value on the stack and
/// would walk through the rest of the program once for every combination of header kinds.
#[inline(always)]
pub fn headers() -> Option<&'static mut Headers> {
    const WORDS: usize = size_of::<Headers>() / size_of::<u64>();
    const { assert!(size_of::<Headers>().is_multiple_of(size_of::<u64>())) };
    let headers = maps::HEADERS.get_ptr_mut(0)?;
    // SAFETY: this CPU's copy, which nobody else uses while the program runs; all zeros are the empty headers. Volatile,
    // since the compiler would call a byte-wise memset.
    let headers = unsafe {
        let mut word = 0;
        while word < WORDS {
            headers.cast::<u64>().add(word).write_volatile(0);
            word += 1;
        }
        &mut *headers
    };
    Some(headers)
}

/// A header that the linear part cuts is not cut in the frame.
#[inline(always)]
fn beyond_linear(reason: Unread) -> Unread {
    match reason {
        Unread::LinkTruncated
        | Unread::Ipv4Truncated
        | Unread::Ipv6Truncated
        | Unread::ExtensionTruncated
        | Unread::TransportTruncated => Unread::NotLinear,
        other => other,
    }
}

/// Gives later fragments the flow of their datagram, when its first fragment was seen.
#[expect(
    clippy::needless_borrows_for_generic_args,
    reason = "by value they would be copied, and BPF's stack of 512 bytes is full enough"
)]
#[inline(always)]
fn join(headers: &mut Headers, now: u64) {
    let mut datagram = Datagram { id: headers.datagram, ..Datagram::default() };
    copy_words(words(&headers.key), transmute_mut!(&mut datagram.key));
    datagram.key.source_port = 0;
    datagram.key.destination_port = 0;
    datagram.key.protocol = headers.datagram_protocol;
    datagram.key.kind &= !wireledger_common::abi::flow::FRAGMENT;
    match headers.fragment {
        Fragment::First => {
            let first = FirstFragment {
                seen: now,
                source_port: headers.key.source_port,
                destination_port: headers.key.destination_port,
                protocol: headers.key.protocol,
                reserved: [0; 3],
            };
            // Without room later fragments are counted without ports.
            let _ = maps::FRAGMENTS.insert(&datagram, &first, 0);
        }
        Fragment::Later => {
            // SAFETY: the entry is read at once; a racing writer can only put another datagram's ports there, and it
            // would have to reuse the identification within the life of a fragment.
            if let Some(first) = unsafe { maps::FRAGMENTS.get(&datagram) }
                && now.wrapping_sub(first.seen) < u64::from(maps::FRAGMENT_LIFE.load())
            {
                headers.key.source_port = first.source_port;
                headers.key.destination_port = first.destination_port;
                headers.key.protocol = first.protocol;
                headers.key.kind &= !wireledger_common::abi::flow::FRAGMENT;
            }
        }
        Fragment::Whole | Fragment::Tiny => {}
    }
}
