//! A whole answer: every collector that is on, the exporter's own metrics, and how each collector did.

use std::time::Instant;

use super::{
    Collector, Collectors, Format, Own,
    catalogue::{
        scrape::{self, Done},
        talkers,
    },
    own,
};
use crate::report::Snapshot;

/// Writes an answer behind what is in `out`; returns how many series it has.
pub fn encode(
    snapshot: &Snapshot,
    collectors: Collectors,
    own: &Own,
    format: Format,
    out: &mut Vec<u8>,
) -> usize {
    let mut done = Vec::with_capacity(Collector::ALL.len());
    for collector in collectors.iter() {
        let began = Instant::now();
        let (series, succeeded) = write(collector, snapshot, own, format, out);
        let took = began.elapsed().as_secs_f64() + collector.read_in(snapshot);
        done.push(Done { collector, took, succeeded, series });
    }
    let mut series = done.iter().map(|done| done.series).sum();
    for family in scrape::FAMILIES {
        series += family.write(snapshot, Some((&mut *out, format)));
    }
    for family in scrape::OF_COLLECTORS {
        series += family.write(&done, Some((&mut *out, format)));
    }
    series += own::write(&own.http(), format, out);
    for family in scrape::OF_ANSWER {
        series += family.write(&(series + scrape::OF_ANSWER.len()), Some((&mut *out, format)));
    }
    if format == Format::OpenMetrics {
        out.extend_from_slice(b"# EOF\n");
    }
    series
}

/// Writes a collector's families; returns its series and whether it succeeded.
fn write(
    collector: Collector,
    snapshot: &Snapshot,
    own: &Own,
    format: Format,
    out: &mut Vec<u8>,
) -> (usize, bool) {
    if collector == Collector::Process {
        let families = own.process();
        return (own::write(&families, format, out), !families.is_empty());
    }
    if collector.failure(snapshot).is_some() {
        return (0, false);
    }
    let each = collector.families().iter();
    (each.map(|family| family.write(snapshot, Some((&mut *out, format)))).sum(), true)
}

/// Series of an answer but for the talkers', at the most: what a budget has to leave room for.
#[must_use]
pub fn fixed_series(snapshot: &Snapshot, collectors: Collectors) -> usize {
    let others = collectors.with(Collector::Talkers, false);
    let families = others.iter().flat_map(|collector| collector.families());
    let of_snapshot = families.chain(scrape::FAMILIES).map(|family| family.write(snapshot, None));
    let of_collectors = scrape::OF_COLLECTORS.len() * collectors.iter().count();
    of_snapshot.sum::<usize>() + of_collectors + own::SERIES + scrape::OF_ANSWER.len()
}

/// Series of the talkers' tables in an answer.
#[must_use]
pub fn talkers_series(snapshot: &Snapshot, collectors: Collectors) -> usize {
    if collectors.has(Collector::Talkers) { talkers::series(snapshot) } else { 0 }
}
