//! What is known at one moment: plain data, the only thing faces see.
//!
//! Serialised as the HTTP API shows it. Packets and bytes are wire packets and wire bytes; times are seconds since 1970.

use serde::{Deserialize, Serialize};
use wireledger_common::abi::totals::{self, Totals};

mod capture;
mod flow;
mod kernel;
mod scan;
mod server;
mod shapes;
mod talkers;

pub use capture::{CaptureSlot, Captures, Recorder};
pub use flow::{FlowLine, Tunnel, address, vlans};
pub use kernel::{KernelCount, KernelCounters, KernelInterface};
pub use scan::{FloodRate, ScanKind, ScanLabels, ScanLine, ScanTally, Telling, TellingStage};
pub use server::{Refused, Reload, Reloads, Server};
pub use shapes::{Distinct, FlowShapes, Histogram, STANDARD_ERROR};
pub use talkers::{Budget, Dimension, Party, Sizes, Talker, Talkers};

pub use crate::{
    capture::{EvidenceTally, Tally},
    flows::{Cause, Sort},
};

/// Everything at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// When it was taken.
    pub at: f64,
    /// Watched interfaces, by name.
    pub interfaces: Vec<Interface>,
    /// The ledger's accounts, by interface, direction and CPU.
    pub accounts: Vec<Account>,
    /// Counters by interface and direction, over all CPUs.
    pub totals: Vec<InterfaceTotals>,
    /// TCP handshakes that ended nowhere yet, or too late, by interface and direction of the SYN.
    pub handshakes: Vec<Handshakes>,
    /// The flow table.
    pub table: Table,
    /// The ring of ended flows.
    pub records: Records,
    /// Packets of interfaces without a place.
    pub unplaced: Count,
    /// Flows that are not idle.
    pub live_flows: u64,
    /// The flows that were asked for, sorted.
    pub flows: Vec<FlowLine>,
    /// How many flows were told, by cause.
    pub told: Vec<(Cause, u64)>,
    /// Who talks most, by interface; none when the budget of series has no room for any table.
    pub talkers: Vec<Talkers>,
    /// How many series there may be, and how many entries that leaves to each table of talkers.
    pub budget: Budget,
    /// How many there are, by interface and direction.
    pub distinct: Vec<Distinct>,
    /// How flows were, by interface and direction.
    pub shapes: Vec<FlowShapes>,
    /// Sweeps that read everything because an account did not balance after one that read what was new.
    pub sweeps_repeated: u64,
    /// Capture sessions.
    pub captures: Captures,
    /// What there is to count of looking for scans and floods; none where nobody looks.
    pub scan_tally: Option<ScanTally>,
    /// What the kernel counted by itself.
    pub kernel: KernelCounters,
    /// What the programs have cost.
    pub programs: Vec<ProgramLine>,
    /// The kernel counts what programs cost (`kernel.bpf_stats_enabled`).
    pub program_statistics: bool,
    /// What became of the configuration, and whom the web refused.
    pub server: Server,
    /// How long taking it took, seconds.
    pub took: f64,
}

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl From<totals::Count> for Count {
    fn from(count: totals::Count) -> Self {
        Self { packets: count.packets, bytes: count.bytes }
    }
}

impl std::ops::Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { packets: self.packets + other.packets, bytes: self.bytes + other.bytes }
    }
}

impl std::ops::Sub for Count {
    type Output = Self;

    /// What was added since; counters only grow.
    fn sub(self, before: Self) -> Self {
        Self { packets: self.packets - before.packets, bytes: self.bytes - before.bytes }
    }
}

impl std::iter::Sum for Count {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, count| sum + count)
    }
}

/// Into or out of the host, as the interface sees it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Into the host.
    Ingress,
    /// Out of the host.
    Egress,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    /// The label of metrics and tables.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    /// From the kernel's flag.
    #[must_use]
    pub const fn of(egress: bool) -> Self {
        if egress { Self::Egress } else { Self::Ingress }
    }
}

/// A watched interface.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its index; the last one, if it is gone.
    pub index: u32,
    /// It is there.
    pub present: bool,
    /// It should be watched: named, or there and matched by a pattern.
    #[serde(default)]
    pub wanted: bool,
    /// How ingress is attached.
    pub ingress: Attached,
    /// How egress is attached.
    pub egress: Attached,
}

/// How a direction is attached.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Attached {
    /// `native`, `generic`, `tcx`, `clsact` or `none`.
    pub mode: String,
    /// Why not a better one, or why not at all.
    pub why: Option<String>,
}

/// One account of the ledger: `seen = flows + overflow + unread`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Account {
    /// Interface name.
    pub interface: String,
    /// Direction.
    pub direction: Direction,
    /// CPU that counted.
    pub cpu: u32,
    /// Everything the program was called for.
    pub seen: Count,
    /// In flows, ended ones included.
    pub flows: Count,
    /// Read, but without an entry.
    pub overflow: Count,
    /// Not read.
    pub unread: Count,
    /// `seen - flows - overflow - unread`; traffic that moved during the reading shows here.
    pub difference: Difference,
    /// The difference is explained by what moved during the reading; zero is demanded when nothing did.
    pub balanced: bool,
}

/// A difference of counts.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Difference {
    /// Packets.
    pub packets: i64,
    /// Bytes.
    pub bytes: i64,
}

/// What an account's counters said at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sides {
    /// Everything seen.
    pub seen: Count,
    /// Overflow of all protocols.
    pub overflow: Count,
    /// Unread for all reasons.
    pub unread: Count,
}

impl From<&Totals> for Sides {
    fn from(totals: &Totals) -> Self {
        Self {
            seen: totals.seen.into(),
            overflow: totals.overflow.iter().map(|&count| Count::from(count)).sum(),
            unread: totals.unread.iter().map(|&count| Count::from(count)).sum(),
        }
    }
}

impl Account {
    /// Closes an account whose counters were read `before` and `after` its flows.
    ///
    /// Counters only grow, so with `f` read in between: `seen_before ≤ f + rest_after` and `f + rest_before ≤
    /// seen_after`. With nothing moving both sides meet, and the account must balance to the last packet.
    #[must_use]
    pub fn close(
        interface: &str,
        direction: Direction,
        cpu: u32,
        before: Sides,
        flows: Count,
        after: Sides,
    ) -> Self {
        let rest = |sides: Sides| flows + sides.overflow + sides.unread;
        let (least, most) = (rest(before), rest(after));
        let holds =
            |get: fn(Count) -> u64| get(before.seen) <= get(most) && get(least) <= get(after.seen);
        let less = |seen: u64, parts: u64| seen.wrapping_sub(parts).cast_signed();
        Self {
            interface: interface.to_owned(),
            direction,
            cpu,
            seen: after.seen,
            flows,
            overflow: after.overflow,
            unread: after.unread,
            difference: Difference {
                packets: less(after.seen.packets, most.packets),
                bytes: less(after.seen.bytes, most.bytes),
            },
            balanced: holds(|count| count.packets) && holds(|count| count.bytes),
        }
    }
}

/// Counters of one interface and direction, over all CPUs.
#[derive(Clone, Debug)]
pub struct InterfaceTotals {
    /// Interface name.
    pub interface: String,
    /// Direction.
    pub direction: Direction,
    /// The counters.
    pub totals: Box<Totals>,
    /// What is on the ledger: in flows as swept, overflow and unread. While traffic moves it may be a little behind `totals.seen`, and it is
    /// what the tables of [`Talkers`] add up to.
    pub ledger: Count,
}

/// TCP handshakes of one interface and direction of the SYN, beside those that [`Totals`] has: with them,
/// `begun = completed + refused + abandoned + expired + open`.
#[derive(Clone, Debug, PartialEq)]
pub struct Handshakes {
    /// Interface name.
    pub interface: String,
    /// Direction of the SYN.
    pub direction: Direction,
    /// Given up by Wireledger: unfinished for longer than [`wireledger_common::abi::handshake::LIFE`].
    pub expired: u64,
    /// Under way at the last look, some seconds ago at most.
    pub open: u64,
}

/// The flow table.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Table {
    /// Flows it holds.
    pub capacity: u64,
    /// Slots in use, those of idle flows included.
    pub entries: u64,
    /// Its memory, bytes.
    pub bytes: u64,
}

/// The ring of ended flows.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Records {
    /// Written by the kernel.
    pub written: u64,
    /// Evictions that did not happen for want of room.
    pub refused: u64,
    /// Read by the collector.
    pub read: u64,
    /// Read, but no record.
    pub malformed: u64,
    /// The ring's memory, bytes.
    pub bytes: u64,
}

/// What a program has cost.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct ProgramLine {
    /// Its name.
    #[serde(skip_deserializing)]
    pub name: &'static str,
    /// Calls.
    pub runs: u64,
    /// Time in it, seconds.
    pub seconds: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(packets: u64) -> Count {
        Count { packets, bytes: packets * 100 }
    }

    fn sides(seen: u64, overflow: u64, unread: u64) -> Sides {
        Sides { seen: count(seen), overflow: count(overflow), unread: count(unread) }
    }

    fn close(before: Sides, flows: u64, after: Sides) -> Account {
        Account::close("eth0", Direction::Ingress, 0, before, count(flows), after)
    }

    #[test]
    fn a_quiet_account_balances_to_the_last_packet() {
        let quiet = sides(100, 10, 5);
        assert!(close(quiet, 85, quiet).balanced);
        assert_eq!(close(quiet, 85, quiet).difference, Difference::default());
        for flows in [84, 86] {
            assert!(!close(quiet, flows, quiet).balanced, "{flows}");
        }
    }

    #[test]
    fn bytes_must_balance_as_well() {
        let mut after = sides(100, 10, 5);
        after.seen.bytes += 1;
        assert!(!close(after, 85, after).balanced);
    }

    #[test]
    fn traffic_during_the_reading_is_no_fault_and_no_excuse() {
        let (before, after) = (sides(100, 10, 5), sides(130, 12, 6));
        for flows in [85, 100, 112] {
            assert!(close(before, flows, after).balanced, "{flows}");
        }
        // 82 + 12 + 6 is what was seen before at the least; 115 + 10 + 5 what was seen after at the most.
        assert!(!close(before, 81, after).balanced);
        assert!(!close(before, 116, after).balanced);
    }
}
