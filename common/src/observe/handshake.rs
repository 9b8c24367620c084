//! TCP handshakes: from the SYN over the SYN-ACK to the ACK, whichever CPU sees each.
//!
//! Attempts are kept in [`Books`] by the key of the SYN's direction. Guarantees: each that began is open, or ended in one way
//! only: whoever takes it out of the books counts it. A segment of a connection that goes on costs no look-up.

use zerocopy::transmute_mut;

use super::{Books, Scratch, Sight};
use crate::{
    abi::{
        flow::{EGRESS, FlowKey, TUNNEL, Tunnel},
        handshake::{Attempt, Leg, Outcome, Times},
        totals::Totals,
    },
    table::{
        hash::words,
        set::copy_words,
        track::{SYN_SENT, Segment},
    },
    wire::{
        cursor::forget,
        tcp_flags::{ACK, RST, SYN},
    },
};

/// What a segment may be to a handshake.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Step {
    /// A SYN.
    Begin,
    /// A SYN-ACK.
    Answer,
    /// The initiator's first ACK.
    Complete,
    /// A RST of who is asked.
    Refuse,
    /// A RST of who asks.
    Abandon,
}

/// Follows the handshake that a segment is part of, if it is of any.
#[inline(always)]
pub(super) fn follow(
    key: &FlowKey,
    scratch: &mut Scratch,
    sight: &Sight<'_>,
    totals: &mut Totals,
    books: &mut impl Books,
) {
    let Some(step) = step(&scratch.segment) else { return };
    copy_words(words(key), transmute_mut!(&mut scratch.key));
    let from_initiator = matches!(step, Step::Begin | Step::Complete | Step::Abandon);
    name(&mut scratch.key, !from_initiator, sight);
    match step {
        Step::Begin => begin(scratch, totals, books),
        Step::Complete => complete(scratch, totals, books),
        Step::Abandon => {
            if books.attempt(&scratch.key).is_some() && books.end_attempt(&scratch.key) {
                totals.handshakes[Outcome::Abandoned as usize] += 1;
            }
        }
        Step::Answer => answer(scratch, sight, books),
        Step::Refuse => refuse(scratch, sight, books),
    }
}

#[inline(always)]
fn step(segment: &Segment) -> Option<Step> {
    let flags = segment.flags;
    if flags & (SYN | RST) == 0 {
        return (flags & ACK != 0 && !segment.expected).then_some(Step::Complete);
    }
    if flags & RST != 0 {
        let asks = segment.before & SYN_SENT != 0;
        return Some(if asks { Step::Abandon } else { Step::Refuse });
    }
    Some(if flags & ACK == 0 { Step::Begin } else { Step::Answer })
}

/// Makes a flow's key the handshake's, given whose flow it is.
#[inline(always)]
fn name(key: &mut FlowKey, is_answer: bool, sight: &Sight<'_>) {
    // A tag may be seen one way only: cards take it out of what they receive.
    key.vlans[0] = 0;
    let tunnel = key.kind & TUNNEL;
    // Without a tunnel these are tags too; a GTP-U tunnel is one way, numbered by who receives.
    if tunnel == 0 || tunnel == Tunnel::Gtpu.bits() {
        key.vlans[1] = 0;
        key.vlans[2] = 0;
    }
    if is_answer {
        let ports = (key.source_port, key.destination_port);
        (key.destination_port, key.source_port) = ports;
        key.kind = key.kind & !EGRESS | sight.opposite;
        let words: &mut [u64; 6] = transmute_mut!(key);
        words.swap(0, 2);
        words.swap(1, 3);
    }
}

#[inline(always)]
fn begin(scratch: &mut Scratch, totals: &mut Totals, books: &mut impl Books) {
    let sequence = scratch.segment.sequence;
    scratch.fresh.began = books.nanoseconds();
    scratch.fresh.sequence = sequence;
    match books.attempt(&scratch.key) {
        Some(open) if open.sequence == sequence => {
            if open.marks & Attempt::ANSWERED != 0 {
                open.marks |= Attempt::ANSWERED_AGAIN;
            } else {
                open.marks |= Attempt::BEGAN_AGAIN;
                totals.handshake_resent += 1;
            }
        }
        Some(open) => {
            open.began = scratch.fresh.began;
            open.sequence = sequence;
            open.marks = 0;
            totals.handshakes[Outcome::Abandoned as usize] += 1;
            totals.handshakes_begun += 1;
        }
        None => {
            if books.begin_attempt(&scratch.key, &scratch.fresh) {
                totals.handshakes_begun += 1;
            } else {
                totals.handshakes[Outcome::Untracked as usize] += 1;
            }
        }
    }
}

#[inline(always)]
fn answer(scratch: &mut Scratch, sight: &Sight<'_>, books: &mut impl Books) {
    let now = books.nanoseconds();
    let Some(open) = books.attempt(&scratch.key) else { return };
    if open.marks & Attempt::ANSWERED != 0 {
        open.marks |= Attempt::ANSWERED_AGAIN;
        return;
    }
    open.answered = now;
    open.marks |= Attempt::ANSWERED;
    let (began, clear) = (open.began, open.marks & Attempt::BEGAN_AGAIN == 0);
    if clear && let Some(totals) = books.opposite(sight) {
        took(totals, Leg::SynAck, now.saturating_sub(began), &mut scratch.memory);
    }
}

#[inline(always)]
fn refuse(scratch: &mut Scratch, sight: &Sight<'_>, books: &mut impl Books) {
    let Some(open) = books.attempt(&scratch.key) else { return };
    if open.marks & Attempt::ANSWERED == 0
        && books.end_attempt(&scratch.key)
        && let Some(totals) = books.opposite(sight)
    {
        totals.handshakes[Outcome::Refused as usize] += 1;
    }
}

#[inline(always)]
fn complete(scratch: &mut Scratch, totals: &mut Totals, books: &mut impl Books) {
    let Some(open) = books.attempt(&scratch.key) else { return };
    let (answered, marks) = (open.answered, open.marks);
    if marks & Attempt::ANSWERED == 0 {
        return;
    }
    let now = books.nanoseconds();
    // Userspace may have taken it out meanwhile, as expired.
    if books.end_attempt(&scratch.key) {
        totals.handshakes[Outcome::Completed as usize] += 1;
        if marks & Attempt::ANSWERED_AGAIN == 0 {
            took(totals, Leg::Ack, now.saturating_sub(answered), &mut scratch.memory);
        }
    }
}

#[inline(always)]
fn took(totals: &mut Totals, leg: Leg, nanoseconds: u64, memory: &mut u32) {
    let times = &mut totals.handshake_times[leg as usize];
    times.nanoseconds = times.nanoseconds.wrapping_add(nanoseconds);
    // By way of memory, so that the comparison with the length is the one the verifier sees.
    let bucket = forget(Times::bucket(nanoseconds), memory);
    if let Some(count) = times.buckets.get_mut(bucket as usize) {
        *count += 1;
    }
}

#[cfg(test)]
mod tests;
