//! Capture sessions and what became of their packets.

use super::{super::encode::Label, Family, counter, gauge};
use crate::report::{CaptureSlot, Tally};

pub(in super::super) const FAMILIES: &[Family] = &[
    gauge(
        "wireledger_capture_sessions",
        &[],
        "Capture sessions that are armed now, the always-on sampler among them.",
        |snapshot, out| {
            out.single(snapshot.captures.slots.iter().filter(|slot| slot.armed).count());
        },
    ),
    counter(
        "wireledger_capture_sessions_opened_total",
        &[],
        "Capture sessions that were armed.",
        |snapshot, out| out.single(snapshot.captures.opened),
    ),
    counter(
        "wireledger_capture_matched_packets_total",
        &["slot"],
        "Packets that matched the filters of the sessions in a slot.",
        |snapshot, out| {
            for CaptureSlot { slot, tally, .. } in &snapshot.captures.slots {
                out.add(&[Label::Number(*slot as u64)], tally.matched);
            }
        },
    ),
    counter(
        "wireledger_capture_packets_total",
        &["slot", "fate"],
        "What became of matched packets: delivered to the reader; left_out by sampling; over_budget; lost in a full ring; unread by a slow reader. Sums to the matched ones, but for those under way.",
        |snapshot, out| {
            for CaptureSlot { slot, tally, .. } in &snapshot.captures.slots {
                for (fate, packets) in fates(tally) {
                    out.add(&[Label::Number(*slot as u64), fate.into()], packets);
                }
            }
        },
    ),
    counter(
        "wireledger_capture_strays_total",
        &[],
        "Ring entries that were no samples, or of no session; anything but 0 is a bug.",
        |snapshot, out| out.single(snapshot.captures.strays),
    ),
];

/// Where matched packets ended.
const fn fates(tally: &Tally) -> [(&'static str, u64); 5] {
    [
        ("delivered", tally.delivered - tally.unread),
        ("left_out", tally.left_out),
        ("over_budget", tally.over_budget),
        ("lost", tally.lost),
        ("unread", tally.unread),
    ]
}
