//! Armed sessions: filter → choice → budget → sample.
//!
//! Once a packet is counted, its hook tail-calls the armed filter, a program that userspace made of every session's
//! expression; with nothing armed the entry is empty and the packet is done. The filter leaves the sessions that want
//! the packet in [`maps::HANDOVER`] and tail-calls the program here, which delivers to one session and calls itself for
//! the next: no loop for the verifier to walk, and all of it only for packets that somebody wants.

use core::{cmp, slice};

use aya_ebpf::{
    EbpfContext,
    bindings::{__sk_buff, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::{
        bpf_get_prandom_u32, bpf_get_smp_processor_id, bpf_ktime_get_ns, bpf_skb_load_bytes,
        bpf_xdp_get_buff_len, bpf_xdp_load_bytes,
    },
    maps::ProgramArray,
    programs::{TcContext, XdpContext},
};
use wireledger_common::{
    abi::sample::{
        Block, Handover, MOST_SNAP, ROOM, Room, SESSIONS, Sample, Session, Spent, Tally,
    },
    wire::cursor::forget,
};

use crate::{atomic, count, maps, tell};

/// Bytes of samples between two wake-ups of their reader, who polls on a timer besides.
const WAKE_EVERY: u64 = 128 << 10;

/// Attempts to take a turn by the rate while other CPUs take theirs; after that the packet counts as over it.
const TURNS: u32 = 4;

/// Length of a VLAN tag, and where in a frame it belongs.
const TAG: u32 = 4;
const TAG_AT: u32 = 12;

/// A packet's bytes in a [`Room`].
type Bytes = [u8; ROOM];

/// A packet at a hook, as samples need it.
pub trait Capture: EbpfContext {
    /// Interface index.
    fn interface(&self) -> u32;

    /// Direction bit of the flow key.
    fn direction(&self) -> u32;

    /// Everything else that the hook knows.
    fn describe(&self) -> Sample;

    /// Copies the first `length` bytes; `false` when the packet does not have them. What the verifier is to forget passes through `memory`.
    fn load(&self, bytes: &mut Bytes, length: u32, memory: &mut u32) -> bool;
}

/// At XDP.
pub struct AtDriver<'a>(pub &'a XdpContext);

/// At TC.
pub struct BehindDriver<'a> {
    /// The packet.
    pub ctx: &'a TcContext,
    /// Direction bit of the flow key.
    pub direction: u8,
}

impl EbpfContext for AtDriver<'_> {
    fn as_ptr(&self) -> *mut core::ffi::c_void {
        self.0.as_ptr()
    }
}

impl Capture for AtDriver<'_> {
    #[inline(always)]
    fn interface(&self) -> u32 {
        self.0.ingress_ifindex() as u32
    }

    #[inline(always)]
    fn direction(&self) -> u32 {
        0
    }

    #[inline(always)]
    fn describe(&self) -> Sample {
        // SAFETY: the context is the one the kernel passed in.
        let (length, queue) =
            unsafe { (bpf_xdp_get_buff_len(self.0.ctx) as u32, (*self.0.ctx).rx_queue_index) };
        Sample { length, queue, driver: 1, ..Sample::default() }
    }

    #[inline(always)]
    fn load(&self, bytes: &mut Bytes, length: u32, _: &mut u32) -> bool {
        // SAFETY: the memory has more bytes than `length` can be.
        unsafe { bpf_xdp_load_bytes(self.0.ctx, 0, bytes.as_mut_ptr().cast(), length) == 0 }
    }
}

impl BehindDriver<'_> {
    #[inline(always)]
    fn buffer(&self) -> *const __sk_buff {
        self.ctx.as_ptr().cast_const().cast()
    }

    #[inline(always)]
    fn part(&self, from: u32, bytes: *mut u8, length: u32) -> bool {
        // SAFETY: the context is the kernel's, and the caller's memory has `length` bytes.
        unsafe { bpf_skb_load_bytes(self.ctx.as_ptr().cast(), from, bytes.cast(), length) == 0 }
    }
}

impl EbpfContext for BehindDriver<'_> {
    fn as_ptr(&self) -> *mut core::ffi::c_void {
        self.ctx.as_ptr()
    }
}

impl Capture for BehindDriver<'_> {
    #[inline(always)]
    fn interface(&self) -> u32 {
        // SAFETY: a field of the context the kernel passed in.
        unsafe { (*self.buffer()).ifindex }
    }

    #[inline(always)]
    fn direction(&self) -> u32 {
        u32::from(self.direction)
    }

    #[inline(always)]
    fn describe(&self) -> Sample {
        let skb = self.buffer();
        // SAFETY: as in `interface`.
        let (length, queue, tagged) =
            unsafe { ((*skb).len, (*skb).queue_mapping, (*skb).vlan_present) };
        let tag = if tagged != 0 { TAG } else { 0 };
        Sample { length: length + tag, queue, ..Sample::default() }
    }

    /// A tag kept beside the frame goes back where it was on the wire, or will be.
    #[inline(always)]
    fn load(&self, bytes: &mut Bytes, length: u32, memory: &mut u32) -> bool {
        let skb = self.buffer();
        // SAFETY: as in `describe`.
        if unsafe { (*skb).vlan_present } == 0 {
            return self.part(0, bytes.as_mut_ptr(), length);
        }
        if length <= TAG_AT {
            return self.part(0, bytes.as_mut_ptr(), length);
        }
        // SAFETY: as in `describe`. The protocol is in network byte order, the tag's control information is not.
        let (protocol, control) = unsafe { ((*skb).vlan_proto as u16, (*skb).vlan_tci as u16) };
        let ([a, b], [c, d]) = (protocol.to_ne_bytes(), control.to_be_bytes());
        (bytes[12], bytes[13], bytes[14], bytes[15]) = (a, b, c, d);
        if !self.part(0, bytes.as_mut_ptr(), TAG_AT) {
            return false;
        }
        if length <= TAG_AT + TAG {
            return true;
        }
        let rest = at_least_one(length - TAG_AT - TAG, memory);
        let behind = bytes.as_mut_ptr().wrapping_add((TAG_AT + TAG) as usize);
        self.part(TAG_AT, behind, rest)
    }
}

/// Delivers to the next session that wants the packet, then goes on through `again`.
#[inline(always)]
pub fn deliver(packet: &impl Capture, again: &ProgramArray, index: u32) {
    let Some(handover) = maps::HANDOVER.get_ptr_mut(0) else { return };
    // SAFETY: this CPU's copy, which nobody else uses while its programs run.
    let handover = unsafe { &mut *handover };
    let (slot, rest) = next(handover.sessions);
    if handover.sessions & Handover::UNDER_WAY == 0 {
        (handover.time, handover.loaded) = (0, 0);
    }
    handover.sessions = rest | Handover::UNDER_WAY;
    session(packet, slot, handover);
    if rest != 0 {
        // SAFETY: the map holds programs of this type.
        unsafe { again.tail_call(packet, index) };
    }
}

/// The lowest session of a set, and the others. A set's own search loop would need one of the verifier's, or a table.
#[inline(always)]
const fn next(sessions: u64) -> (u32, u64) {
    let set = sessions as u32 & ((1 << SESSIONS) - 1);
    let mut left = set;
    let mut slot = 0;
    if left & 0xff == 0 {
        (slot, left) = (slot + 8, left >> 8);
    }
    if left & 0xf == 0 {
        (slot, left) = (slot + 4, left >> 4);
    }
    if left & 3 == 0 {
        (slot, left) = (slot + 2, left >> 2);
    }
    if left & 1 == 0 {
        slot += 1;
    }
    (slot & (SESSIONS as u32 - 1), (set & set.wrapping_sub(1)) as u64)
}

#[inline(always)]
fn session(packet: &impl Capture, slot: u32, handover: &mut Handover) {
    let Some(session) = maps::SESSIONS.get(slot) else { return };
    let (interface, direction) = (packet.interface(), packet.direction());
    let Some(tally) = tally(slot, interface, direction) else { return };
    tally.matched += 1;
    let before = maps::HEADERS.get(0).map_or(0, |outer| outer.before);
    if before >= session.first || !chosen(slot, session.every) {
        tally.left_out += 1;
        return;
    }
    let mut sample = packet.describe();
    (sample.interface, sample.direction, sample.before) = (interface, direction, before);
    if handover.time == 0 {
        // SAFETY: no arguments, no effects. The precise clock: several packets would share a jiffy.
        handover.time = unsafe { bpf_ktime_get_ns() };
    }
    sample.time = handover.time;
    sample.session = session.id;
    sample.every = session.every;
    sample.captured = cmp::min(cmp::min(sample.length, session.snap), MOST_SNAP);
    if !within_budget(slot, session, &sample) {
        tally.over_budget += 1;
        return;
    }
    if write(packet, &mut sample, handover) {
        tally.delivered += 1;
    } else {
        tally.lost += 1;
        refund(slot, &sample);
    }
}

/// This CPU's tally of a slot, at the packet's place.
#[inline(always)]
fn tally(slot: u32, interface: u32, direction: u32) -> Option<&'static mut Tally> {
    let place = count::place(interface)?;
    let index = (slot * maps::PLACE_COUNT.load() + place.place) * 2 + (direction & 1);
    let tally = maps::TALLIES.get_ptr_mut(index)?;
    // SAFETY: this CPU's copy, which nobody else writes while the program runs.
    Some(unsafe { &mut *tally })
}

/// One of every so many, at a random place among them: as many as a count in turn would take, and no traffic can keep step with it.
#[inline(always)]
fn chosen(slot: u32, every: u32) -> bool {
    if every <= 1 {
        return true;
    }
    let Some(block) = maps::BLOCKS.get_ptr_mut(slot) else { return false };
    // SAFETY: this CPU's copy, as above.
    let block: &mut Block = unsafe { &mut *block };
    if block.left == 0 {
        // SAFETY: no arguments, no effects.
        let random = unsafe { bpf_get_prandom_u32() };
        *block = Block { left: every, taken: 1 + random % every };
    }
    let taken = block.left == block.taken;
    block.left -= 1;
    taken
}

/// Takes the packet out of the session's budgets; `false` when one of them has no room for it.
#[inline(always)]
fn within_budget(slot: u32, session: &Session, sample: &Sample) -> bool {
    let Some(spent) = maps::SPENT.get_ptr_mut(slot) else { return false };
    if session.interval != 0 && !in_turn(spent, session, sample.time) {
        return false;
    }
    let captured = u64::from(sample.captured);
    // SAFETY: fields of a map's value, which every program changes by these instructions.
    unsafe {
        let (packets, bytes) = (&raw mut (*spent).packets, &raw mut (*spent).bytes);
        if session.packets != u64::MAX && atomic::fetch_add(packets, 1) >= session.packets {
            atomic::fetch_add(packets, 1_u64.wrapping_neg());
            return false;
        }
        if session.bytes != u64::MAX
            && atomic::fetch_add(bytes, captured) + captured > session.bytes
        {
            atomic::fetch_add(bytes, captured.wrapping_neg());
            atomic::fetch_add(packets, 1_u64.wrapping_neg());
            return false;
        }
    }
    true
}

/// The generic cell rate algorithm: a packet may come `burst` ahead of its time, and moves the next one's on.
#[inline(always)]
fn in_turn(spent: *mut Spent, session: &Session, now: u64) -> bool {
    // SAFETY: as in `within_budget`.
    let due = unsafe { &raw mut (*spent).due };
    // SAFETY: as above.
    let mut seen = unsafe { due.read_volatile() };
    let mut turn = 0;
    while turn < TURNS {
        let time = if seen > now { seen } else { now };
        if time - now > session.burst {
            return false;
        }
        // SAFETY: as above.
        let found = unsafe { atomic::compare_exchange(due, seen, time + session.interval) };
        if found == seen {
            return true;
        }
        seen = found;
        turn += 1;
    }
    false
}

/// What was taken for a packet that the ring had no room for.
#[inline(always)]
fn refund(slot: u32, sample: &Sample) {
    let Some(spent) = maps::SPENT.get_ptr_mut(slot) else { return };
    // SAFETY: as in `within_budget`. Of a budget that is not asked for nothing is taken, and nobody reads it.
    unsafe {
        atomic::fetch_add(&raw mut (*spent).packets, 1_u64.wrapping_neg());
        atomic::fetch_add(&raw mut (*spent).bytes, u64::from(sample.captured).wrapping_neg());
    }
}

/// A length that the verifier knows to be from 1 to one more than [`MOST_SNAP`]: before Linux 6.8 it learns nothing from a comparison with 0, and
/// never anything from what a spilled register was compared with.
#[inline(always)]
fn at_least_one(length: u32, memory: &mut u32) -> u32 {
    (forget(length.wrapping_sub(1), memory) & MOST_SNAP) + 1
}

/// Puts the sample into the ring; `false` when there was no room.
#[inline(always)]
fn write(packet: &impl Capture, sample: &mut Sample, handover: &mut Handover) -> bool {
    // SAFETY: no arguments, no effects.
    sample.cpu = unsafe { bpf_get_smp_processor_id() };
    let Some(room) = maps::ROOMS.get_ptr_mut(sample.cpu) else { return false };
    let Some(losses) = tell::losses() else { return false };
    let length = at_least_one(sample.captured, &mut handover.memory);
    // SAFETY: this CPU's room, which nobody else uses while its programs run.
    let bytes: &mut Bytes = unsafe { &mut (*room).bytes };
    if length > handover.loaded {
        if !packet.load(bytes, length, &mut handover.memory) {
            return false;
        }
        handover.loaded = length;
    }
    let size = size_of::<Sample>() as u32 + length;
    losses.samples_unannounced += u64::from(size);
    let announce = losses.samples_unannounced >= WAKE_EVERY;
    let flags = if announce { BPF_RB_FORCE_WAKEUP } else { BPF_RB_NO_WAKEUP };
    if announce {
        losses.samples_unannounced = 0;
    }
    // SAFETY: the room is a sample and more bytes than `length` can be.
    let whole = unsafe {
        (&raw mut (*room).sample).write_volatile(*sample);
        slice::from_raw_parts(room.cast::<u8>(), size as usize)
    };
    const { assert!(core::mem::offset_of!(Room, bytes) == size_of::<Sample>()) };
    maps::SAMPLES.output::<[u8]>(whole, u64::from(flags)).is_ok()
}
