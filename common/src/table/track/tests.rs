//! Lists of segments with their verdicts.

use super::*;
use Verdict::{KeepAlive, Ordinary, OutOfOrder, Retransmitted};

/// Ticks up to which a hole is filled late.
const REORDER: u32 = 3;

/// Time, sequence number, payload, flags, and what is to come of it.
type Step = (u32, u32, u32, u16, Verdict);

/// Plays the steps, whose sequence numbers count from `isn`.
fn play(isn: u32, steps: &[Step]) -> Detail {
    let mut detail = Detail::default();
    for (number, &(now, sequence, payload, flags, verdict)) in steps.iter().enumerate() {
        let mut segment = Segment::default();
        segment.begin(isn.wrapping_add(sequence), payload, flags);
        track(&mut detail, &mut segment, now, REORDER);
        assert_eq!(segment.verdict, verdict, "step {number} from {isn:#x}");
    }
    detail
}

/// The same with sequence numbers that wrap at each step, and with ticks that do.
fn play_everywhere(steps: &[Step]) {
    for isn in [0, 1000, u32::MAX, u32::MAX - 100, u32::MAX - 1500, 1 << 31, (1 << 31) - 1] {
        for start in [0, 0xffff, u32::MAX - 1, 0xffff_fffe] {
            let later = |&(now, a, b, c, d): &Step| (now.wrapping_add(start), a, b, c, d);
            play(isn, &steps.iter().map(later).collect::<Vec<_>>());
        }
    }
}

#[test]
fn what_is_in_order_is_ordinary() {
    play_everywhere(&[
        (0, 0, 0, SYN, Ordinary),
        (0, 1, 0, ACK, Ordinary),
        (0, 1, 100, ACK, Ordinary),
        (9, 101, 1400, ACK, Ordinary),
        (9, 1501, 0, ACK, Ordinary),
        (9, 1501, 10, ACK | FIN, Ordinary),
        (9, 1512, 0, ACK, Ordinary),
    ]);
}

#[test]
fn what_was_seen_before_was_sent_again() {
    play_everywhere(&[
        (0, 0, 0, SYN, Ordinary),
        (0, 0, 0, SYN, Retransmitted),
        (0, 1, 100, ACK, Ordinary),
        (0, 101, 100, ACK, Ordinary),
        (0, 1, 100, ACK, Retransmitted),
        (0, 101, 100, ACK, Retransmitted),
        (0, 150, 100, ACK, Retransmitted),
        (0, 250, 10, ACK, Ordinary),
        (0, 260, 0, ACK | FIN, Ordinary),
        (0, 260, 0, ACK | FIN, Retransmitted),
        (0, 250, 10, ACK | FIN, Retransmitted),
    ]);
}

#[test]
fn a_hole_filled_soon_was_overtaken_and_filled_late_was_sent_again() {
    for (age, verdict) in [(0, OutOfOrder), (3, OutOfOrder), (4, Retransmitted)] {
        play_everywhere(&[
            (0, 0, 100, ACK, Ordinary),
            (1, 200, 100, ACK, Ordinary),
            (1 + age, 100, 100, ACK, verdict),
            (1 + age, 100, 100, ACK, Retransmitted),
            (1 + age, 300, 100, ACK, Ordinary),
        ]);
    }
}

#[test]
fn a_hole_closes_from_both_sides_and_not_beyond() {
    play_everywhere(&[
        (0, 0, 100, ACK, Ordinary),
        (0, 500, 100, ACK, Ordinary),
        (0, 400, 100, ACK, OutOfOrder),
        (0, 100, 100, ACK, OutOfOrder),
        (0, 100, 100, ACK, Retransmitted),
        (0, 400, 100, ACK, Retransmitted),
        (0, 150, 100, ACK, Retransmitted),
        (0, 350, 100, ACK, Retransmitted),
        (0, 200, 200, ACK, OutOfOrder),
        (0, 200, 200, ACK, Retransmitted),
    ]);
}

#[test]
fn the_latest_hole_is_the_one_that_is_known() {
    play_everywhere(&[
        (0, 0, 100, ACK, Ordinary),
        (0, 200, 100, ACK, Ordinary),
        (0, 400, 100, ACK, Ordinary),
        (0, 100, 100, ACK, Retransmitted),
        (0, 300, 100, ACK, OutOfOrder),
    ]);
}

#[test]
fn at_most_a_byte_before_the_next_is_a_keep_alive_unless_it_ends_the_connection() {
    play_everywhere(&[
        (0, 0, 100, ACK, Ordinary),
        (0, 99, 0, ACK, KeepAlive),
        (0, 99, 1, ACK, KeepAlive),
        (0, 99, 50, ACK, Ordinary),
        (0, 149, 0, ACK | FIN, Ordinary),
        (0, 149, 0, ACK | FIN, Retransmitted),
    ]);
}

#[test]
fn a_late_acknowledgment_is_nothing_and_an_early_one_tells_of_a_hole() {
    play_everywhere(&[
        (0, 0, 100, ACK, Ordinary),
        (0, 50, 0, ACK, Ordinary),
        (0, 200, 0, ACK, Ordinary),
        (0, 100, 100, ACK, OutOfOrder),
        (0, 200, 10, ACK, Ordinary),
    ]);
}

#[test]
fn a_syn_with_another_sequence_number_starts_anew() {
    play_everywhere(&[
        (0, 0, 0, SYN, Ordinary),
        (0, 1, 100, ACK, Ordinary),
        (0, 50, 0, SYN, Ordinary),
        (0, 51, 100, ACK, Ordinary),
        (0, 1, 100, ACK, Retransmitted),
        (0, 700, 0, SYN | ACK, Ordinary),
        (0, 700, 0, SYN | ACK, Retransmitted),
        (0, 701, 10, ACK, Ordinary),
    ]);
}

#[test]
fn a_reset_and_what_is_too_far_away_have_no_verdict() {
    play_everywhere(&[
        (0, 0, 100, ACK, Ordinary),
        (0, 0, 100, RST, Ordinary),
        (0, 7, 0, RST | ACK, Ordinary),
        (0, 100, 100, ACK, Ordinary),
        (0, 200 + (1 << 30) + 1, 100, ACK, Ordinary),
        (0, 301 + (1 << 30), 100, ACK, Ordinary),
        (0, 301 + (1 << 30), 100, ACK, Retransmitted),
        (0, 200, 100, ACK, Ordinary),
        (0, 300, 100, ACK, Ordinary),
    ]);
}

#[test]
fn what_may_end_a_handshake_is_not_expected() {
    let mut detail = Detail::default();
    let mut expected = |sequence, payload, flags| {
        let mut segment = Segment::default();
        segment.begin(sequence, payload, flags);
        track(&mut detail, &mut segment, 0, REORDER);
        (segment.before, segment.expected)
    };
    assert_eq!(expected(10, 0, SYN), (0, false));
    assert_eq!(expected(10, 0, SYN), (STARTED | SYN_SENT, false));
    assert_eq!(expected(11, 0, ACK), (STARTED | SYN_SENT, false));
    assert_eq!(expected(11, 5, ACK), (STARTED, true));
    assert_eq!(expected(16, 0, RST), (STARTED, true));
    assert_eq!(expected(11, 5, ACK), (STARTED, false));
    // A connection whose SYN another CPU saw.
    assert_eq!(expected(900, 0, ACK), (STARTED, false));
}
