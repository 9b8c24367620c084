//! What became of a session's packets, as its holder is told.

use serde::{Deserialize, Serialize};
use wireledger_common::abi::sample;

/// What became of the packets that a session's filter matched:
/// `matched = left_out + over_budget + lost + delivered`, and of the delivered ones the client has all but `unread`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Tally {
    /// Packets the interfaces saw while the session was armed, in the directions it asked for.
    pub seen: u64,
    /// Matched the filter.
    pub matched: u64,
    /// Not among the first of their flow, or not the one of every so many.
    pub left_out: u64,
    /// Beyond the session's packets, bytes or rate.
    pub over_budget: u64,
    /// The ring had no room.
    pub lost: u64,
    /// Came through the ring.
    pub delivered: u64,
    /// Delivered, but the client did not read fast enough.
    pub unread: u64,
}

impl Tally {
    /// Of the kernel's counters.
    #[must_use]
    pub const fn of(tally: &sample::Tally) -> Self {
        Self {
            seen: 0,
            matched: tally.matched,
            left_out: tally.left_out,
            over_budget: tally.over_budget,
            lost: tally.lost,
            delivered: tally.delivered,
            unread: 0,
        }
    }

    /// What was added since `before`. Counters only grow, but for `seen`, which begins anew when its place is given to another interface.
    #[must_use]
    pub const fn since(&self, before: &Self) -> Self {
        Self {
            seen: self.seen.saturating_sub(before.seen),
            matched: self.matched.saturating_sub(before.matched),
            left_out: self.left_out.saturating_sub(before.left_out),
            over_budget: self.over_budget.saturating_sub(before.over_budget),
            lost: self.lost.saturating_sub(before.lost),
            delivered: self.delivered.saturating_sub(before.delivered),
            unread: self.unread.saturating_sub(before.unread),
        }
    }

    /// Adds another's.
    pub const fn add(&mut self, other: &Self) {
        self.seen += other.seen;
        self.matched += other.matched;
        self.left_out += other.left_out;
        self.over_budget += other.over_budget;
        self.lost += other.lost;
        self.delivered += other.delivered;
        self.unread += other.unread;
    }
}

/// A session that is armed, as `GET /api/v1/captures` shows it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Held {
    /// Its number, never used twice.
    pub id: u64,
    /// Which slot it has.
    pub slot: u32,
    /// When it was armed, seconds since 1970.
    pub since: f64,
    /// What was asked for.
    pub request: super::Request,
    /// Bytes of each packet that it gets.
    pub snap: u32,
    /// It is the always-on sampler's, which ends with the daemon.
    pub sampler: bool,
    /// What became of its packets so far.
    pub tally: Tally,
}
