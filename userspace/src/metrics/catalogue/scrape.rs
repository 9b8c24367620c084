//! What is there whichever collectors are on: the build, the snapshot, and what each collector took.

use super::{super::Collector, Family, counter, gauge, info};
use crate::report::Dimension;

/// Of every snapshot.
pub(in super::super) const FAMILIES: &[Family] = &[
    gauge(
        "wireledger_series_limit",
        &[],
        "Series that an answer may have (--metrics.max-series); the tables of talkers shrink to keep to it.",
        |snapshot, out| out.single(snapshot.budget.max_series),
    ),
    gauge(
        "wireledger_top_limit",
        &["dimension"],
        "Entries that a table of talkers may have now; 0 when its other alone has room, or not even that.",
        |snapshot, out| {
            let sizes = snapshot.budget.sizes.unwrap_or_default();
            for dimension in Dimension::ALL {
                out.add(&[dimension.label()], sizes.of(dimension));
            }
        },
    ),
    gauge(
        "wireledger_config_last_reload_successful",
        &[],
        "1 when the last reading of the configuration was put in force; 0 when the one before stays.",
        |snapshot, out| out.single(snapshot.server.reloads.config.successful),
    ),
    gauge(
        "wireledger_config_last_reload_success_timestamp_seconds",
        &[],
        "When the configuration was put in force, seconds since 1970.",
        |snapshot, out| out.single(snapshot.server.reloads.config.success_at),
    ),
    gauge(
        "wireledger_web_config_last_reload_successful",
        &[],
        "1 when the last reading of --web.config.file was put in force; 0 when the one before stays.",
        |snapshot, out| out.single(snapshot.server.reloads.web.successful),
    ),
    gauge(
        "wireledger_web_config_last_reload_success_timestamp_seconds",
        &[],
        "When --web.config.file was put in force, seconds since 1970.",
        |snapshot, out| out.single(snapshot.server.reloads.web.success_at),
    ),
    counter(
        "wireledger_web_refused_total",
        &["reason"],
        "Connections and requests that were turned away: connections, too many; silent; handshake, of TLS; plaintext, to a port with TLS; unauthorized; passwords, too many to check; rate_limit.",
        |snapshot, out| {
            for (reason, refused) in &snapshot.server.refused {
                out.add(&[reason.label()], *refused);
            }
        },
    ),
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

/// Of the answer whole: one series each.
pub(in super::super) const OF_ANSWER: &[Family<usize>] = &[gauge(
    "wireledger_series",
    &[],
    "Series of this answer, this one included.",
    |series, out| {
        out.single(*series);
    },
)];

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
        "1 when the collector told all; 0 when it could not read it, or --metrics.max-series has no room for it, and its families are absent.",
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
