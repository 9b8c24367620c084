//! A flow's TCP sequence numbers: which segments were sent again, which came late, which only ask whether anybody is there.
//!
//! One direction on one CPU, by what that CPU saw. Kept: the next sequence number, and the latest run of them that was passed
//! over, with the time when. A segment that lies in it soon after came late on its way; later, or anywhere else before the
//! next number, it was sent again. A super-packet has one verdict for all its segments.

use crate::{
    abi::flow::Detail,
    wire::tcp_flags::{ACK, FIN, RST, SYN},
};

/// [`Detail::track`]: the next sequence number is known.
pub const STARTED: u8 = 1 << 0;
/// [`Detail::track`]: a SYN without ACK was seen, and no ACK since.
pub const SYN_SENT: u8 = 1 << 1;

/// Greatest distance of a sequence number from the next one that is believed; beyond it counting starts anew. RFC 7323 has
/// windows of at most this size (section 2.3).
const FARTHEST: u32 = 1 << 30;

/// What a segment is to its flow.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(u8)]
pub enum Verdict {
    /// In order, after a gap, or not tracked.
    #[default]
    Ordinary,
    /// Sent again.
    Retransmitted,
    /// Overtaken on its way.
    OutOfOrder,
    /// At most a byte just before what comes next.
    KeepAlive,
}

/// A TCP segment, and what was made of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Segment {
    /// Its first sequence number.
    pub sequence: u32,
    /// How many it takes: payload, SYN and FIN.
    pub length: u32,
    /// Its flags.
    pub flags: u16,
    /// What it is to its flow.
    pub verdict: Verdict,
    /// [`Detail::track`] before it; 0 also where it has no flow entry.
    pub before: u8,
    /// It is the next one of a flow in which nothing waits for an ACK: it ends no handshake.
    pub expected: bool,
}

impl Segment {
    /// A segment with this many bytes of payload.
    #[inline(always)]
    pub fn begin(&mut self, sequence: u32, payload: u32, flags: u16) {
        let of = |flag: u16| u32::from(flags & flag != 0);
        self.sequence = sequence;
        self.length = payload.wrapping_add(of(SYN)).wrapping_add(of(FIN));
        self.flags = flags;
        self.verdict = Verdict::Ordinary;
        self.before = 0;
        self.expected = false;
    }
}

/// Follows a flow by one segment. `now` is in the table's ticks; a hole is filled late up to `reorder` of them.
#[inline(always)]
pub fn track(detail: &mut Detail, segment: &mut Segment, now: u32, reorder: u32) {
    let before = detail.track;
    segment.before = before;
    segment.expected = before == STARTED && segment.sequence == detail.next;
    if segment.flags & (SYN | RST) != 0 {
        if segment.flags & RST == 0 {
            syn(detail, segment);
        }
        return;
    }
    if segment.flags & ACK != 0 {
        detail.track = STARTED;
    } else {
        detail.track = before | STARTED;
    }
    let end = segment.sequence.wrapping_add(segment.length);
    if before & STARTED == 0 {
        start(detail, end);
    } else if segment.sequence == detail.next {
        detail.next = end;
    } else {
        unexpected(detail, segment, end, now, reorder);
    }
}

/// A SYN is known by its sequence number; any other one begins a connection.
#[inline(always)]
fn syn(detail: &mut Detail, segment: &mut Segment) {
    let end = segment.sequence.wrapping_add(segment.length);
    let again = detail.track & STARTED != 0 && detail.next == end;
    detail.track = if segment.flags & ACK == 0 { STARTED | SYN_SENT } else { STARTED };
    if again {
        segment.verdict = Verdict::Retransmitted;
    } else {
        start(detail, end);
    }
}

#[inline(always)]
fn start(detail: &mut Detail, next: u32) {
    detail.next = next;
    detail.hole_start = next;
    detail.hole_end = next;
}

#[inline(always)]
fn unexpected(detail: &mut Detail, segment: &mut Segment, end: u32, now: u32, reorder: u32) {
    let Segment { sequence, length, flags, .. } = *segment;
    let next = detail.next;
    let ahead = sequence.wrapping_sub(next);
    let behind = next.wrapping_sub(sequence);
    if ahead <= FARTHEST {
        detail.hole_start = next;
        detail.hole_end = sequence;
        detail.hole_ticks = now as u16;
        detail.next = end;
    } else if behind > FARTHEST {
        start(detail, end);
    } else if behind == 1 && length <= 1 && flags & FIN == 0 {
        segment.verdict = Verdict::KeepAlive;
    } else if length == 0 {
        // An acknowledgment that came late has nothing that could be sent again.
    } else if fills(detail, sequence, end) {
        let age = (now as u16).wrapping_sub(detail.hole_ticks);
        segment.verdict =
            if u32::from(age) <= reorder { Verdict::OutOfOrder } else { Verdict::Retransmitted };
        fill(detail, sequence, end);
    } else {
        // A byte that was sent to see whether the window is open is sent once more with those behind it.
        if behind != 1 || length == 1 {
            segment.verdict = Verdict::Retransmitted;
        }
        if end.wrapping_sub(next) <= FARTHEST {
            detail.next = end;
        }
    }
}

/// Whether a segment lies in the hole.
#[inline(always)]
const fn fills(detail: &Detail, sequence: u32, end: u32) -> bool {
    let hole = detail.hole_end.wrapping_sub(detail.hole_start);
    sequence.wrapping_sub(detail.hole_start) < hole && end.wrapping_sub(detail.hole_start) <= hole
}

/// Closes the hole from the segment's side; from its middle it stays as it is.
#[inline(always)]
const fn fill(detail: &mut Detail, sequence: u32, end: u32) {
    if sequence == detail.hole_start {
        detail.hole_start = end;
    } else if end == detail.hole_end {
        detail.hole_end = sequence;
    }
}

#[cfg(test)]
mod tests;
