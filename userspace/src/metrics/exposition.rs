//! A whole answer: every collector that is on, the exporter's own metrics, and how each collector did.

use std::time::Instant;

use super::{
    Collector, Collectors, Format, Own, budget,
    catalogue::scrape::{self, Done},
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
    let fitting = budget::fitting(snapshot, collectors);
    let mut done = Vec::with_capacity(Collector::ALL.len());
    for collector in collectors.iter() {
        if !fitting.has(collector) {
            done.push(Done { collector, took: 0.0, succeeded: false, series: 0 });
            continue;
        }
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
