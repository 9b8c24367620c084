//! One packet: read → (into the tunnel) → count → maybe tell.

use aya_ebpf::{EbpfContext, maps::ProgramArray};
use aya_log_ebpf::debug;
use wireledger_common::{
    abi::{link::Link, unread::Unread},
    observe::{self, Books, Fate, Scratch, Sight},
    wire::{self, Headers},
};

use crate::{
    count::{self, Maps},
    frame::Frame,
    maps::{self, Packet},
};

/// Entries of [`maps::HEADERS`]: what the frame begins with, and what is inside a tunnel.
const OUTER: u32 = 0;
const INNER: u32 = 1;

/// Puts one packet on the ledger. With inner flows asked for, a packet of a tunnel goes on in the program at `slot` of
/// `inner`: a verifier's budget of its own.
#[inline(always)]
pub fn observe<C: EbpfContext>(ctx: &C, frame: &Frame<'_>, inner: &ProgramArray, slot: u32) {
    let Some(packet) = packet(OUTER) else { return };
    let headers = &mut packet.headers;
    let read = wire::read(frame.cursor, frame.length, link(frame), frame.tag, headers);
    if maps::DECAP.load() != 0 && read.is_ok() && wire::is_tunnel(headers) {
        // Comes back only when the program is not there: then the outer flow is the packet's.
        // SAFETY: the map holds programs of this type.
        unsafe { inner.tail_call(ctx, slot) };
    }
    let books = &mut Maps { nanoseconds: frame.now.stamp };
    packet.before = account(ctx, frame, read, headers, &mut packet.scratch, books);
}

/// Goes on where [`observe`] stopped: into the tunnel, else back to the outer flow.
#[inline(always)]
pub fn observe_inner<C: EbpfContext>(ctx: &C, frame: &Frame<'_>) {
    let Some(inner) = packet(INNER) else { return };
    let Some(outer) = maps::HEADERS.get_ptr_mut(OUTER) else { return };
    // SAFETY: this CPU's copy, filled by the program that called this one.
    let entered =
        wire::enter(frame.cursor, unsafe { &(*outer).headers }, &mut inner.headers).is_ok();
    let Some(chosen) = maps::HEADERS.get_ptr_mut(if entered { INNER } else { OUTER }) else {
        return;
    };
    // SAFETY: as above; the references before are not used any more.
    let Packet { headers, scratch, .. } = unsafe { &mut *chosen };
    let books = &mut Maps { nanoseconds: frame.now.stamp };
    let before = account(ctx, frame, Ok(()), headers, scratch, books);
    // SAFETY: as above.
    unsafe { (*outer).before = before };
}

/// Counts a packet whose headers were read, or not. Returns how many its flow had before it; 0 where it has none.
#[inline(always)]
pub fn account<C: EbpfContext>(
    ctx: &C,
    frame: &Frame<'_>,
    read: Result<(), Unread>,
    headers: &mut Headers,
    scratch: &mut Scratch,
    books: &mut impl Books,
) -> u64 {
    let seen = frame.sighting(headers);
    let place = count::place(frame.interface);
    let placed = place.and_then(|place| Some((place, count::totals(place, frame.direction)?)));
    let Some((place, totals)) = placed else {
        count::unplaced(&seen);
        debug!(ctx, "interface {} has no place", frame.interface);
        return 0;
    };
    let sight = Sight {
        place,
        direction: frame.direction,
        opposite: frame.opposite,
        cut: frame.cut,
        now: frame.now,
    };
    match observe::observe(read, &sight, headers, scratch, &seen, totals, books) {
        Fate::Flow { before } => return before,
        Fate::Overflow => {
            let protocol = headers.key.protocol;
            debug!(ctx, "interface {}: overflow, protocol {}", frame.interface, protocol);
        }
        Fate::Unread(reason) => {
            debug!(ctx, "interface {}: unread, reason {}", frame.interface, reason as u8);
        }
    }
    0
}

/// What the interface's frames begin with.
#[inline(always)]
pub fn link(frame: &Frame<'_>) -> Link {
    let place = count::place(frame.interface);
    place.and_then(|place| Link::of_index(place.link.into())).unwrap_or(Link::Ethernet)
}

/// This CPU's packet, its headers empty. In a map rather than on the stack, since the verifier follows every value on the stack and
/// would walk through the rest of the program once for every combination of header kinds.
#[inline(always)]
pub fn packet(index: u32) -> Option<&'static mut Packet> {
    const WORDS: usize = size_of::<Headers>() / size_of::<u64>();
    const { assert!(size_of::<Headers>().is_multiple_of(size_of::<u64>())) };
    let packet = maps::HEADERS.get_ptr_mut(index)?;
    // SAFETY: this CPU's copy, which nobody else uses while the program runs; all zeros are the empty headers. Volatile,
    // since the compiler would call a byte-wise memset.
    let packet = unsafe {
        let headers = &raw mut (*packet).headers;
        let mut word = 0;
        while word < WORDS {
            headers.cast::<u64>().add(word).write_volatile(0);
            word += 1;
        }
        &mut *packet
    };
    Some(packet)
}
