//! What is there whichever collectors are on: the build, the snapshot, and what each collector took.

use super::{super::Collector, Family, gauge, info};

/// Of every snapshot.
pub(in super::super) const FAMILIES: &[Family] = &[
    gauge(
        "wireledger_snapshot_duration_seconds",
        &[],
        "Time it took to read the kernel's counters and flow table for this answer.",
        |snapshot, out| out.single(snapshot.took),
    ),
    info(
        "wireledger_build_info",
        &["version", "revision", "os", "arch"],
        "1, with what this build is.",
        |_, out| {
            let build = [
                env!("CARGO_PKG_VERSION"),
                env!("WIRELEDGER_REVISION"),
                std::env::consts::OS,
                std::env::consts::ARCH,
            ];
            out.add(&build, 1_u64);
        },
    ),
];

/// How a collector did.
pub(in super::super) struct Done {
    pub(in super::super) collector: Collector,
    /// Reading for it alone, and writing, seconds.
    pub(in super::super) took: f64,
    pub(in super::super) succeeded: bool,
    pub(in super::super) series: usize,
}

/// Of every scrape.
pub(in super::super) const OF_COLLECTORS: &[Family<[Done]>] = &[
    gauge(
        "wireledger_scrape_collector_duration_seconds",
        &["collector"],
        "Time it took to read for a collector alone and to write its families. What all of them share is in wireledger_snapshot_duration_seconds.",
        |all, out| {
            for done in all {
                out.add(&[done.collector.label()], done.took);
            }
        },
    ),
    gauge(
        "wireledger_scrape_collector_success",
        &["collector"],
        "1 when the collector could read what it tells; 0 when it failed, and its families are absent.",
        |all, out| {
            for done in all {
                out.add(&[done.collector.label()], done.succeeded);
            }
        },
    ),
    gauge(
        "wireledger_scrape_collector_series",
        &["collector"],
        "Series of the collector in this answer.",
        |all, out| {
            for done in all {
                out.add(&[done.collector.label()], done.series);
            }
        },
    ),
];
