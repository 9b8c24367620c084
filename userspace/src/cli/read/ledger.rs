//! The ledger of a capture: one sentence on standard error, one object in every JSON document.

use serde::Serialize;
use wireledger_common::abi::{totals, unread::Unread};

use crate::{replay::Outcome, report::Count};

/// Everything that was read, and where it went.
#[derive(Debug, Serialize)]
pub(super) struct LedgerLine {
    /// Every packet.
    pub(super) seen: Count,
    /// In flows.
    pub(super) flows: Count,
    /// Read, but without an entry.
    pub(super) overflow: Count,
    /// Not read.
    pub(super) unread: Count,
    /// Flows that ended before the capture did, for want of room; those that came back were put together again.
    pub(super) ended_early: u64,
    /// Flows that are not listed, for want of room.
    pub(super) unlisted_flows: u64,
}

impl LedgerLine {
    pub(super) fn new(outcome: &Outcome) -> Self {
        let sum = |counts: &[totals::Count]| counts.iter().map(|&count| Count::from(count)).sum();
        Self {
            seen: outcome.totals.seen.into(),
            flows: outcome.in_flows().into(),
            overflow: sum(&outcome.totals.overflow),
            unread: sum(&outcome.totals.unread),
            ended_early: outcome.listing.records(),
            unlisted_flows: outcome.listing.unlisted().flows,
        }
    }
}

/// Packets that were not read, by reason, most first.
pub(super) fn reasons(outcome: &Outcome) -> Vec<(Unread, Count)> {
    let count = |reason: Unread| Count::from(outcome.totals.unread[reason as usize]);
    let mut reasons: Vec<_> =
        Unread::ALL.into_iter().map(|reason| (reason, count(reason))).collect();
    reasons.retain(|(_, count)| count.packets != 0);
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(count.packets));
    reasons
}

/// The ledger in one line.
pub(super) fn sentence(outcome: &Outcome) -> String {
    let line = LedgerLine::new(outcome);
    let mut text = format!(
        "{} packets, {} bytes = {} in {} flows + {} overflow + {} unread",
        line.seen.packets,
        line.seen.bytes,
        line.flows.packets,
        outcome.listing.len() as u64 + line.unlisted_flows,
        line.overflow.packets,
        line.unread.packets
    );
    let reasons: Vec<_> = reasons(outcome)
        .iter()
        .map(|(reason, count)| format!("{} {}", reason.label(), count.packets))
        .collect();
    if !reasons.is_empty() {
        text += &format!(" ({})", reasons.join(", "));
    }
    if line.ended_early != 0 {
        text += &format!("; {} entries ended early (--flow-memory)", line.ended_early);
    }
    if line.unlisted_flows != 0 {
        text += &format!("; {} flows are not listed (--flow-memory)", line.unlisted_flows);
    }
    text
}
