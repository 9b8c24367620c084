//! The ledger and what it costs: is every packet accounted for, can the numbers be trusted, what does it take.

use super::panel::{HOST, PLACE, areas, lines, number, rate, ratio, table, unit};
use super::{Dashboard, Row, row};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "cost",
        title: "Wireledger / Ledger and cost",
        description: "Whether every packet is accounted for, what was lost on the way to readers, and what Wireledger itself costs.",
        rows: vec![ledger(), records(), captures(), exposition(), configuration(), cost()],
    }
}

fn ledger() -> Row {
    row(
        "Ledger",
        [
            lines(
                "Balanced",
                unit::YES,
                "1 while seen = flows + overflow + unread on every CPU, packets and bytes; anything else is a bug.",
            )
            .ask("min by (instance, interface, direction) (wireledger_ledger_balanced{PLACE})", PLACE.1)
            .one_is_good(),
            areas("Overflow", unit::PACKETS, "Packets whose flow got no table entry, by protocol.").ask(
                rate("instance, protocol", "wireledger_overflow_packets_total{PLACE}"),
                "{{instance}} {{protocol}}",
            ),
            lines("Unread", unit::PACKETS, "Packets whose headers gave no flow key, by reason.").ask(
                rate("instance, reason", "wireledger_unread_packets_total{PLACE}") + " > 0",
                "{{instance}} {{reason}}",
            ),
            lines("Unplaced", unit::PACKETS, "Packets of interfaces that have no place in the probe: on no interface's ledger.")
                .ask(rate(HOST.0, "wireledger_unplaced_packets_total{HOST}"), HOST.1)
                .zero_is_good(),
        ],
    )
}

fn records() -> Row {
    row(
        "Ended flows on their way to the collector",
        [
            lines("Records", unit::EVENTS, "Records of evicted entries: written by the kernel, read by the collector.")
                .ask(rate(HOST.0, "wireledger_records_written_total{HOST}"), "{{instance}} written")
                .ask(rate(HOST.0, "wireledger_records_read_total{HOST}"), "{{instance}} read"),
            lines(
                "Refused and malformed",
                unit::EVENTS,
                "Refused: the ring was full, so an entry stayed and a packet went to overflow. Malformed: a bug.",
            )
            .ask(rate(HOST.0, "wireledger_records_refused_total{HOST}"), "{{instance}} refused")
            .ask(rate(HOST.0, "wireledger_records_malformed_total{HOST}"), "{{instance}} malformed")
            .zero_is_good(),
            lines("Flows told", unit::EVENTS, "Idle and evicted flows ended; active ones go on.").ask(
                rate("instance, cause", "wireledger_flow_records_total{HOST}"),
                "{{instance}} {{cause}}",
            ),
            lines("Flow table", unit::COUNT, "Capacity, slots in use (idle flows keep theirs until it is wanted), live flows.")
                .ask("sum by (instance) (wireledger_flow_table_capacity{HOST})", "{{instance}} capacity")
                .ask("sum by (instance) (wireledger_flow_table_entries{HOST})", "{{instance}} in use")
                .ask("sum by (instance) (wireledger_flows{HOST})", "{{instance}} live"),
        ],
    )
}

fn captures() -> Row {
    row(
        "Captures",
        [
            lines(
                "Sessions",
                unit::COUNT,
                "Capture sessions that are armed, the always-on sampler among them.",
            )
            .ask("sum by (instance) (wireledger_capture_sessions{HOST})", HOST.1),
            areas(
                "Matched packets",
                unit::PACKETS,
                "What became of packets that sessions matched.",
            )
            .ask(rate("fate", "wireledger_capture_packets_total{HOST}"), "{{fate}}"),
            lines(
                "Lost samples",
                unit::PACKETS,
                "Samples lost in a full ring, or to a reader that is too slow.",
            )
            .ask(
                rate(
                    "instance, fate",
                    r#"wireledger_capture_packets_total{HOST, fate=~"lost|unread"}"#,
                ),
                "{{instance}} {{fate}}",
            )
            .zero_is_good(),
            lines(
                "Flight recorder reaches back",
                unit::SECONDS,
                "Age of the oldest packet in the flight recorder (--sample-every).",
            )
            .ask(
                "time() - max by (instance) (wireledger_recorder_oldest_timestamp_seconds{HOST})",
                HOST.1,
            ),
        ],
    )
}

fn exposition() -> Row {
    row(
        "Exposition",
        [
            lines(
                "Series",
                unit::COUNT,
                "Series of a scrape, and the budget that they keep to (--metrics.max-series).",
            )
            .ask("sum by (instance) (wireledger_series{HOST})", "{{instance}} series")
            .ask("sum by (instance) (wireledger_series_limit{HOST})", "{{instance}} budget"),
            lines(
                "Scrape",
                unit::SECONDS,
                "How long Prometheus waited, and the part of it in which the kernel was read.",
            )
            .ask("max by (instance) (scrape_duration_seconds{HOST})", "{{instance}} scrape")
            .ask(
                "max by (instance) (wireledger_snapshot_duration_seconds{HOST})",
                "{{instance}} snapshot",
            )
            .steps(1.0, 5.0),
            lines("Collectors", unit::SECONDS, "Time of each collector in the last scrape.").ask(
                "max by (instance, collector) (wireledger_scrape_collector_duration_seconds{HOST})",
                "{{instance}} {{collector}}",
            ),
            table(
                "Collectors that work",
                unit::YES,
                "No: what the collector shows is missing from the scrape; the log says why.",
            )
            .ask(
                "min by (instance, collector) (wireledger_scrape_collector_success{HOST})",
                "{{instance}} {{collector}}",
            )
            .one_is_good(),
        ],
    )
}

fn configuration() -> Row {
    row(
        "Build and configuration",
        [
            number(
                "Configuration loaded",
                unit::YES,
                "Whether the last reload was taken; no: the one before it is in force.",
            )
            .ask("min(wireledger_config_last_reload_successful{HOST})", "configuration")
            .one_is_good(),
            number(
                "Web configuration loaded",
                unit::YES,
                "Whether the last reload of --web.config.file was taken.",
            )
            .ask("min(wireledger_web_config_last_reload_successful{HOST})", "web configuration")
            .one_is_good(),
            number(
                "Since the last reload",
                unit::SECONDS,
                "Time since a configuration was last taken, at the start or by a reload.",
            )
            .ask(
                "time() - max(wireledger_config_last_reload_success_timestamp_seconds{HOST})",
                "since",
            ),
            table("Builds", unit::COUNT, "Version and revision of each daemon.").ask(
                "sum by (instance, version, revision, os, arch) (wireledger_build_info{HOST})",
                "{{instance}} {{version}}",
            ),
        ],
    )
}

fn cost() -> Row {
    row(
        "Cost",
        [
            lines(
                "Time a packet in the probe",
                unit::SECONDS,
                "Mean time of a call of each program. Empty unless the kernel counts it: sysctl kernel.bpf_stats_enabled=1.",
            )
            .ask(
                ratio(
                    "instance, program",
                    "wireledger_program_seconds_total{HOST}",
                    "wireledger_program_runs_total{HOST}",
                ),
                "{{instance}} {{program}}",
            ),
            lines("CPUs that the probe takes", unit::SHARE, "Time in the programs a second: 100 % is one CPU. Empty as above.")
                .ask(
                    rate(HOST.0, "wireledger_program_seconds_total{HOST}")
                        + " and on (instance) wireledger_program_statistics_enabled{HOST} == 1",
                    HOST.1,
                ),
            lines("CPUs that the daemon takes", unit::SHARE, "100 % is one CPU.")
                .ask(rate(HOST.0, "process_cpu_seconds_total{HOST}"), HOST.1),
            lines("Memory", unit::MEMORY, "The daemon's resident memory, and its share of the kernel's: flow table and rings.")
                .ask("sum by (instance) (process_resident_memory_bytes{HOST})", "{{instance}} daemon")
                .ask("sum by (instance) (wireledger_flow_table_bytes{HOST})", "{{instance}} flow table")
                .ask("sum by (instance) (wireledger_records_ring_bytes{HOST})", "{{instance}} records")
                .ask("sum by (instance) (wireledger_recorder_bytes{HOST})", "{{instance}} flight recorder"),
            lines("Open files", unit::SHARE, "Open file descriptors as a share of those allowed.")
                .ask("process_open_fds{HOST} / process_max_fds{HOST}", HOST.1)
                .steps(0.5, 0.8)
                .wide(),
        ],
    )
}
