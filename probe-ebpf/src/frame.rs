//! A packet as the hook hands it over, and what it was on the wire.

use aya_ebpf::{
    EbpfContext,
    bindings::__sk_buff,
    helpers::{bpf_jiffies64, bpf_xdp_get_buff_len},
    programs::{TcContext, XdpContext},
};
use wireledger_common::{
    abi::{
        flow::{EGRESS, VLAN_ID, VLAN_PRESENT},
        replay::Replay,
    },
    table::{Now, Sighting},
    wire::{Cursor, Headers},
};

use crate::maps;

/// Length of a VLAN tag that the hook keeps beside the frame.
const TAG: u32 = 4;

/// Headers reach no further than this in all but hostile packets; more is not pulled into the linear part.
const HEADERS: u32 = 192;

/// One packet at one hook.
pub struct Frame<'a> {
    /// Its linear bytes.
    pub cursor: Cursor<'a>,
    /// Bytes of the whole frame in memory.
    pub length: u32,
    /// The linear bytes are not the whole frame.
    pub cut: bool,
    /// Interface index.
    pub interface: u32,
    /// Direction bit of the flow key.
    pub direction: u8,
    /// Direction bit of the other direction's flow keys.
    pub opposite: u8,
    /// VLAN tag kept beside the frame, as in the flow key; 0 = none.
    pub tag: u16,
    /// When it is seen.
    pub now: Now,
    segments: Segments,
}

/// How a super-packet of a segmentation offload unfolds.
#[derive(Clone, Copy)]
struct Segments {
    /// Packets on the wire; 0 or 1 for an ordinary packet.
    count: u32,
    /// Payload bytes of each but the last.
    size: u32,
    /// Bytes that each repeats, where the hook knows; else 0.
    header: u32,
}

impl<'a> Frame<'a> {
    /// At XDP every frame is one packet of the wire.
    #[inline(always)]
    #[must_use]
    pub fn at_driver(ctx: &'a XdpContext) -> Self {
        let (start, end) = (ctx.data(), ctx.data_end());
        if maps::REPLAY.load() != 0 {
            return Self::replayed(start, end);
        }
        // SAFETY: the context is the one the kernel passed in.
        let length = unsafe { bpf_xdp_get_buff_len(ctx.ctx) } as u32;
        Self {
            // SAFETY: the kernel's own bounds of the linear part.
            cursor: unsafe { Cursor::new(start as *const u8, end as *const u8) },
            length,
            cut: (end - start) as u32 != length,
            interface: ctx.ingress_ifindex() as u32,
            direction: 0,
            opposite: EGRESS,
            tag: 0,
            now: now(),
            segments: Segments { count: 1, size: 0, header: 0 },
        }
    }

    /// A packet of a capture, with what its hook knew in front of it; empty when that is missing.
    #[inline(always)]
    fn replayed(start: usize, end: usize) -> Self {
        // SAFETY: the kernel's own bounds of the linear part.
        let mut cursor = unsafe { Cursor::new(start as *const u8, end as *const u8) };
        let replay = cursor.take::<Replay>().copied().unwrap_or_default();
        Self {
            cursor: cursor.rest(),
            length: replay.length,
            cut: replay.cut != 0,
            interface: replay.interface,
            direction: replay.direction,
            opposite: replay.opposite,
            tag: 0,
            now: Now { ticks: replay.ticks, stamp: replay.time },
            segments: Segments { count: 1, size: 0, header: 0 },
        }
    }

    /// At TC ingress GRO may have merged packets; each repeated what [`Headers::length`] says.
    #[inline(always)]
    #[must_use]
    pub fn received(ctx: &'a TcContext) -> Self {
        Self::behind_driver(ctx, 0, 0)
    }

    /// At TC egress segmentation is still to come; the queueing layer knows the bytes, inner headers of tunnels included.
    #[inline(always)]
    #[must_use]
    pub fn sent(ctx: &'a TcContext) -> Self {
        let skb = buffer(ctx);
        // SAFETY: fields of the context the kernel passed in.
        let (length, wire, count) = unsafe { ((*skb).len, (*skb).wire_len, (*skb).gso_segs) };
        let header = if count > 1 && wire > length { (wire - length) / (count - 1) } else { 0 };
        Self::behind_driver(ctx, EGRESS, header)
    }

    #[inline(always)]
    fn behind_driver(ctx: &'a TcContext, direction: u8, header: u32) -> Self {
        let skb = buffer(ctx);
        // SAFETY: as in `sent`.
        let length = unsafe { (*skb).len };
        let linear = (ctx.data_end() - ctx.data()) as u32;
        if linear < length && linear < HEADERS {
            // Makes the headers linear; contents and length stay. On failure the parser says what is missing.
            let _ = ctx.pull_data(if length < HEADERS { length } else { HEADERS });
        }
        let (start, end) = (ctx.data(), ctx.data_end());
        // SAFETY: as in `sent`.
        let (interface, tagged, control, count, size) = unsafe {
            ((*skb).ifindex, (*skb).vlan_present, (*skb).vlan_tci, (*skb).gso_segs, (*skb).gso_size)
        };
        Self {
            // SAFETY: the kernel's own bounds of the linear part, read after the pull.
            cursor: unsafe { Cursor::new(start as *const u8, end as *const u8) },
            length,
            cut: (end - start) as u32 != length,
            interface,
            direction,
            opposite: direction ^ EGRESS,
            now: now(),
            tag: if tagged != 0 { VLAN_PRESENT | (control as u16 & VLAN_ID) } else { 0 },
            segments: Segments { count, size, header },
        }
    }

    /// What the packet was or will be on the wire.
    #[inline(always)]
    #[must_use]
    pub fn sighting(&self, headers: &Headers) -> Sighting {
        let tag = if self.tag != 0 { TAG } else { 0 };
        let length = self.length + tag;
        let mut seen = Sighting::of(headers, length);
        let Segments { count, size, header } = self.segments;
        if size != 0 {
            let header = if header != 0 { header } else { headers.length } + tag;
            // A sender may leave the count open (SKB_GSO_DODGY); then it follows from the payload.
            let count = if count != 0 { count } else { payload_segments(length, header, size) };
            if count > 1 {
                seen.packets = count;
                seen.bytes = length + (count - 1) * header;
                seen.length_max = header + size;
                seen.length_min = length.wrapping_sub((count - 1) * size);
            }
        }
        seen
    }
}

#[inline(always)]
fn now() -> Now {
    // SAFETY: no arguments, no effects.
    Now::jiffies(unsafe { bpf_jiffies64() })
}

#[inline(always)]
const fn payload_segments(length: u32, header: u32, size: u32) -> u32 {
    let payload = length.saturating_sub(header);
    payload.div_ceil(size)
}

#[inline(always)]
fn buffer(ctx: &TcContext) -> *const __sk_buff {
    ctx.as_ptr().cast_const().cast()
}
