//! The rungs of the cost ladder: the probe's work, cut off at one step after another.
//!
//! Every rung first writes a random flow number into the source address, so that one system call
//! (BPF_PROG_TEST_RUN with a repeat count) visits as many flows as asked for. Random, not in turn: a map that
//! hands out its elements in the order of insertion would be walked as an array otherwise, which no traffic does.

#![no_std]
#![no_main]

use aya_ebpf::{
    Global,
    bindings::xdp_action::XDP_PASS,
    helpers::bpf_ktime_get_ns,
    macros::{map, xdp},
    maps::{LruPerCpuHashMap, PerCpuArray},
    programs::XdpContext,
};
use probe::{
    capture::{AtDriver, deliver},
    count::Maps,
    frame::Frame,
    maps,
    observe::{account, link, observe, packet},
};
use wireledger_common::{
    abi::{
        flow::{FlowKey, KEY_WORDS},
        fragment::{Datagram, FirstFragment},
        handshake::Attempt,
        totals::Totals,
    },
    observe::{Books, Sight},
    table::{Now, Sighting, Slot, hash::words, track::Segment},
    wire,
};

/// The peer: the map that other agents count flows in.
#[map]
static LRU: LruPerCpuHashMap<FlowKey, Slot> = LruPerCpuHashMap::with_max_entries(1024, 0);

/// A new entry on its way into the map: too large for the stack.
#[map]
static ENTRY: PerCpuArray<Slot> = PerCpuArray::with_max_entries(1, 0);

/// The next flow number, and a sink that keeps the parser's result alive.
#[map]
static STATE: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(1, 0);

/// Flows to walk through; a power of two.
#[unsafe(no_mangle)]
static FLOW_COUNT: Global<u32> = Global::new(1);

/// Nothing but the flow number: what all rungs stand on.
#[xdp(frags)]
pub fn empty(ctx: XdpContext) -> u32 {
    next_flow(&ctx);
    XDP_PASS
}

/// And the headers read.
#[xdp(frags)]
pub fn parse(ctx: XdpContext) -> u32 {
    let Some(state) = next_flow(&ctx) else { return XDP_PASS };
    let frame = Frame::at_driver(&ctx);
    let Some(packet) = packet(0) else { return XDP_PASS };
    let headers = &mut packet.headers;
    if wire::read(frame.cursor, frame.length, link(&frame), frame.tag, headers).is_ok() {
        let words = words(&headers.key);
        let mut i = 0;
        while i < KEY_WORDS {
            state[1] ^= words[i];
            i += 1;
        }
        state[1] ^= u64::from(headers.tcp_flags) ^ u64::from(headers.ttl);
        state[1] ^= u64::from(headers.traffic_class);
    }
    XDP_PASS
}

/// And counted: the whole of the probe.
#[xdp(frags)]
pub fn table(ctx: XdpContext) -> u32 {
    next_flow(&ctx);
    observe(&ctx, &Frame::at_driver(&ctx), &maps::XDP_INNER, 0);
    XDP_PASS
}

/// And then what is armed: the probe as it runs.
#[xdp(frags)]
pub fn armed(ctx: XdpContext) -> u32 {
    next_flow(&ctx);
    observe(&ctx, &Frame::at_driver(&ctx), &maps::XDP_INNER, 0);
    // SAFETY: the map holds programs of this type.
    unsafe { maps::XDP_ARMED.tail_call(&ctx, 0) };
    XDP_PASS
}

/// Where the armed filter goes on.
#[xdp(frags)]
pub fn delivers(ctx: XdpContext) -> u32 {
    deliver(&AtDriver(&ctx), &maps::XDP_DELIVER, 0);
    XDP_PASS
}

/// The same with the flows in a kernel LRU per-CPU hash map.
#[xdp(frags)]
pub fn lru(ctx: XdpContext) -> u32 {
    next_flow(&ctx);
    let frame = Frame::at_driver(&ctx);
    let Some(packet) = packet(0) else { return XDP_PASS };
    let headers = &mut packet.headers;
    let read = wire::read(frame.cursor, frame.length, link(&frame), frame.tag, headers);
    let books = &mut Peer(Maps { nanoseconds: 0 });
    account(&ctx, &frame, read, headers, &mut packet.scratch, books);
    XDP_PASS
}

/// The probe's books, but for the flows.
struct Peer(Maps);

impl Books for Peer {
    #[inline(always)]
    fn flow(&mut self, key: &FlowKey, seen: &Sighting, now: Now, _: &mut u32) -> Option<u64> {
        if let Some(slot) = LRU.get_ptr_mut(key) {
            // SAFETY: this CPU's copy of a live entry.
            let slot = unsafe { &mut *slot };
            let before = slot.packets;
            slot.count(seen, now.stamp);
            return Some(before);
        }
        let entry = ENTRY.get_ptr_mut(0)?;
        // SAFETY: this CPU's copy, which nobody else uses while the program runs.
        let entry = unsafe { &mut *entry };
        // SAFETY: no arguments, no effects.
        entry.begin(seen, unsafe { bpf_ktime_get_ns() }, now.stamp);
        let entry: &Slot = entry;
        LRU.insert(key, entry, 0).ok().map(|()| 0)
    }

    /// The peer would have to find its entry again, so it is spared the tracking, and the handshakes with it.
    #[inline(always)]
    fn track(&mut self, _: u32, segment: &mut Segment, _: Now) {
        segment.expected = true;
    }

    #[inline(always)]
    fn remember(&mut self, datagram: &Datagram, first: &FirstFragment) {
        self.0.remember(datagram, first);
    }

    #[inline(always)]
    fn recall(&mut self, datagram: &Datagram) -> Option<&FirstFragment> {
        self.0.recall(datagram)
    }

    #[inline(always)]
    fn fragment_life(&self) -> u64 {
        self.0.fragment_life()
    }

    #[inline(always)]
    fn attempt(&mut self, key: &FlowKey) -> Option<&mut Attempt> {
        self.0.attempt(key)
    }

    #[inline(always)]
    fn begin_attempt(&mut self, key: &FlowKey, attempt: &Attempt) -> bool {
        self.0.begin_attempt(key, attempt)
    }

    #[inline(always)]
    fn end_attempt(&mut self, key: &FlowKey) -> bool {
        self.0.end_attempt(key)
    }

    #[inline(always)]
    fn opposite(&mut self, sight: &Sight<'_>) -> Option<&mut Totals> {
        self.0.opposite(sight)
    }

    #[inline(always)]
    fn nanoseconds(&self) -> u64 {
        self.0.nanoseconds()
    }
}

/// Writes the next flow number into the last three bytes of the IPv4 source address. The generator is Knuth's MMIX.
#[inline(always)]
fn next_flow(ctx: &XdpContext) -> Option<&'static mut [u64; 2]> {
    const SOURCE: usize = 14 + 12;
    let state = STATE.get_ptr_mut(0)?;
    // SAFETY: this CPU's copy, which nobody else writes while the program runs.
    let state = unsafe { &mut *state };
    state[0] =
        state[0].wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let number = (state[0] >> 40) as u32 & (FLOW_COUNT.load() - 1);
    let start = ctx.data() as *mut u8;
    if start.wrapping_add(SOURCE + 4) as usize <= ctx.data_end() {
        // SAFETY: within the packet by the comparison above.
        unsafe {
            *start.add(SOURCE + 1) = (number >> 16) as u8;
            *start.add(SOURCE + 2) = (number >> 8) as u8;
            *start.add(SOURCE + 3) = number as u8;
        }
    }
    Some(state)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier proves that this is never reached.
    loop {}
}

/// GPL-only helpers need a GPL-compatible licence.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
