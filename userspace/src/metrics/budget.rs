//! Which collectors an answer has room for, and how many series it has.

use super::{
    Collector, Collectors,
    catalogue::{scrape, talkers},
    own,
};
use crate::report::Snapshot;

/// In the order in which they are left out where all together have more series than allowed. Totals, the ledger, the flow table and the
/// process stay whatever the budget.
const LEFT_OUT: [Collector; 9] = [
    Collector::Talkers,
    Collector::Tcp,
    Collector::Protocols,
    Collector::Kernel,
    Collector::Distinct,
    Collector::Captures,
    Collector::Scans,
    Collector::Recorder,
    Collector::Program,
];

/// Those of `on` that [`crate::report::Budget::max_series`] has room for.
#[must_use]
pub(super) fn fitting(snapshot: &Snapshot, on: Collectors) -> Collectors {
    let mut kept = on;
    for collector in LEFT_OUT {
        if series(snapshot, on, kept) <= snapshot.budget.max_series {
            break;
        }
        kept = kept.with(collector, false);
    }
    kept
}

/// Series of an answer but for the talkers', at the most: what they have to leave room for.
#[must_use]
pub fn fixed_series(snapshot: &Snapshot, on: Collectors) -> usize {
    series(snapshot, on, fitting(snapshot, on))
}

/// Series of the talkers' tables in an answer.
#[must_use]
pub fn talkers_series(snapshot: &Snapshot, on: Collectors) -> usize {
    if fitting(snapshot, on).has(Collector::Talkers) { talkers::series(snapshot) } else { 0 }
}

/// Series without the talkers' when `kept` of those that are `on` are written.
fn series(snapshot: &Snapshot, on: Collectors, kept: Collectors) -> usize {
    let kept = kept.with(Collector::Talkers, false);
    let families = kept.iter().flat_map(|collector| collector.families());
    let of_snapshot = families.chain(scrape::FAMILIES).map(|family| family.write(snapshot, None));
    // One that is left out is told of.
    let of_collectors = scrape::OF_COLLECTORS.len() * on.iter().count();
    of_snapshot.sum::<usize>() + of_collectors + own::SERIES + scrape::OF_ANSWER.len()
}
