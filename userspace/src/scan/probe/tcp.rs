//! What a TCP flow was for, by the flags of its first packet.

use wireledger_common::wire::tcp_flags::{ACK, FIN, PSH, RST, SYN, URG};

use super::{Attempt, Class, Judged, Outcome, Probe, is_reply_like};

/// Most packets of a connection's end that looks like a FIN, Maimon or ACK scan's probe.
const TINY: u64 = 3;
/// Longest TCP header without data that such a probe has, bytes.
const TINY_HEADER: u32 = 40;
/// Longest TCP header (RFC 9293 section 3.1: the data offset has four bits), bytes.
const HEADER_MOST: u32 = 60;
/// Longest SYN without the options that operating systems send, bytes: a header with a maximum segment size is 24, and what
/// pads a frame to the shortest of Ethernet makes 20 look like 26.
const BARE: u32 = 26;
/// Ports from here on are clients' by default on most systems.
const SHORT_LIVED: u16 = 32_768;

/// What the attempt was for.
pub(super) fn judge(attempt: &Attempt<'_>) -> Judged {
    let (key, asked) = (attempt.key, attempt.asked);
    let first = asked.tcp_flags_first & (FIN | SYN | RST | PSH | ACK | URG);
    let Some(class) = class_of(first, asked.fragments != 0) else { return Judged::Nothing };
    let came = outcome(attempt);
    let is_late = match class {
        Class::Odd => first & SYN == 0 && first & (ACK | RST) != 0,
        _ => class.ends_connections(),
    };
    if is_late && (is_reply_like(attempt) || !is_tiny(attempt, class) || came == Outcome::HalfOpen)
    {
        return Judged::Nothing;
    }
    let refused = attempt.answered.is_some_and(|answer| answer.tcp_flags & RST != 0);
    let came = match class {
        Class::Syn => came,
        _ if refused => Outcome::Refused,
        Class::Fragment => came,
        _ => Outcome::Silent,
    };
    let probe = |class, port, near_port| Probe {
        is_odd: class == Class::Syn && first != SYN,
        is_bare: class == Class::Syn && attempt.transport_length(asked) <= BARE,
        ..Probe::new(attempt, class, came, port, Some(near_port))
    };
    let (from, to) = (key.source_port, key.destination_port);
    if class != Class::SynAck {
        return Judged::Probe(probe(class, to, from));
    }
    // Ours is the port that it went to; theirs, by which such probes differ, the one that it came from.
    let trial = probe(class, from, to);
    if is_no_service(attempt) {
        return Judged::Either(trial, probe(Class::Odd, to, from));
    }
    Judged::Probe(trial)
}

fn class_of(first: u16, in_fragments: bool) -> Option<Class> {
    const XMAS: u16 = FIN | PSH | URG;
    const MAIMON: u16 = FIN | ACK;
    Some(match first {
        0 if in_fragments => Class::Fragment,
        0 => Class::Null,
        FIN => Class::Fin,
        XMAS => Class::Xmas,
        MAIMON => Class::Maimon,
        ACK => Class::Ack,
        _ if first & !(ACK | PSH) == RST => return None,
        _ if first & RST != 0 => Class::Odd,
        _ if first & !PSH == SYN | ACK => Class::SynAck,
        _ if first & (SYN | ACK) == SYN => Class::Syn,
        // A connection that was there before we were.
        _ if first & !(FIN | PSH) == ACK => return None,
        _ => Class::Odd,
    })
}

/// As a handshake goes; of other packets, half open is what was answered other than by a reset.
fn outcome(attempt: &Attempt<'_>) -> Outcome {
    let went_on = attempt.asked.tcp_flags & (SYN | ACK) == SYN | ACK;
    let Some(answer) = attempt.answered else {
        // An answer that took another way: nobody acknowledges what did not come, and sends data then. Where answers are
        // seen, an ACK alone proves nothing.
        let shown = went_on && (!attempt.both_ways || has_data(attempt));
        return if shown { Outcome::Completed } else { Outcome::Silent };
    };
    match answer.tcp_flags {
        flags if flags & SYN != 0 && went_on => Outcome::Completed,
        flags if flags & SYN == 0 && flags & RST != 0 => Outcome::Refused,
        _ => Outcome::HalfOpen,
    }
}

fn has_data(attempt: &Attempt<'_>) -> bool {
    attempt.asked.tcp_flags & PSH != 0 || attempt.transport_length(attempt.asked) > HEADER_MOST
}

/// SYN/ACKs from where no service is, to where no client is: they answer nothing, whether or not all questions are seen.
const fn is_no_service(attempt: &Attempt<'_>) -> bool {
    let (from, to) = (attempt.key.source_port, attempt.key.destination_port);
    attempt.both_ways && from >= SHORT_LIVED && to < SHORT_LIVED
}

/// So short and so few as a probe is. One that says to be an ACK or the end of a connection may have data from where
/// clients ask, which idle connections and their ends have not.
fn is_tiny(attempt: &Attempt<'_>, class: Class) -> bool {
    let asked = attempt.asked;
    let (may_have_data, wrong) = match class {
        Class::Odd => (false, SYN),
        _ => (attempt.key.source_port >= SHORT_LIVED, SYN | PSH),
    };
    let is_short = may_have_data || attempt.transport_length(asked) <= TINY_HEADER;
    asked.packets <= TINY && asked.tcp_flags & wrong == 0 && is_short
}
