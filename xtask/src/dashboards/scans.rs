//! Scans and floods: what goes on, what was found, and whether the detectors keep up.

use super::panel::{HOST, areas, lines, most, number, rate, table, unit};
use super::{Dashboard, Row, row};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "scans",
        title: "Wireledger / Scans and floods",
        description: "Who is at it is in `wireledger scans` on the host; here is what, how much, and whether the detectors keep up.",
        rows: vec![now(), found(), detector(), evidence()],
    }
}

fn now() -> Row {
    row(
        "Now",
        [
            number("Scans and floods", unit::COUNT, "Scans and floods under way, possible ones among them.")
                .ask("sum(wireledger_scans_under_way{HOST})", "under way"),
            number("Floods", unit::COUNT, "Floods under way, possible ones left out.")
                .ask(
                    r#"sum(wireledger_scans_under_way{HOST, kind=~".*_flood", confidence!="possible"})"#,
                    "floods",
                )
                .zero_is_good(),
            number("From here", unit::COUNT, "Scans and floods under way that leave these hosts, possible ones left out.")
                .ask(
                    r#"sum(wireledger_scans_under_way{HOST, direction="egress", confidence!="possible"})"#,
                    "from here",
                )
                .zero_is_good(),
            number("Suspects", unit::COUNT, "Sources that failed often enough to be looked at.")
                .ask(r#"sum(wireledger_scan_sources{HOST, state="suspect"})"#, "suspects"),
            number("Not judged", unit::EVENTS, "Flows that ended too soon, too many at once to be judged.")
                .ask("sum(rate(wireledger_scan_unjudged_flows_total{HOST}[$__rate_interval]))", "not judged")
                .zero_is_good(),
            number("Evidence failures", unit::EVENTS, "Scans and floods whose evidence could not be written.")
                .ask("sum(rate(wireledger_evidence_failures_total{HOST}[$__rate_interval]))", "failures")
                .zero_is_good(),
        ],
    )
}

fn found() -> Row {
    row(
        "Found",
        [
            areas(
                "Under way",
                unit::COUNT,
                "Scans and floods under way by kind; nothing where there are none.",
            )
            .ask(
                "sum by (instance, kind) (wireledger_scans_under_way{HOST}) > 0",
                "{{instance}} {{kind}}",
            ),
            areas(
                "Begun",
                unit::EVENTS,
                "Scans and floods that began, by kind and direction; egress leaves here.",
            )
            .ask(
                rate("kind, direction", "wireledger_scans_total{HOST}") + " > 0",
                "{{kind}} {{direction}}",
            ),
            table(
                "Begun in the time shown",
                unit::COUNT,
                "By kind, direction and how sure it was at the beginning.",
            )
            .ask(
                most(30, "instance, kind, direction, confidence", "wireledger_scans_total{HOST}"),
                "{{instance}} {{kind}} {{direction}} {{confidence}}",
            )
            .wide(),
        ],
    )
}

fn detector() -> Row {
    row(
        "Detectors",
        [
            areas("Flows judged", unit::EVENTS, "Flows that somebody began, by what came of them: failures make suspects.").ask(
                rate("outcome", "wireledger_scan_attempts_total{HOST}"),
                "{{outcome}}",
            ),
            lines("Flows not judged", unit::EVENTS, "Of allowed sources; without meaning for scans; ended too soon, too many at once.")
                .ask(
                    rate("instance, reason", "wireledger_scan_uncounted_flows_total{HOST}"),
                    "{{instance}} {{reason}}",
                )
                .ask(rate(HOST.0, "wireledger_scan_unjudged_flows_total{HOST}"), "{{instance}} too soon"),
            lines("Sources", unit::COUNT, "Newcomers failed up to three times, suspects more often; suspects that wait to be looked at.")
                .ask("sum by (instance, state) (wireledger_scan_sources{HOST})", "{{instance}} {{state}}")
                .ask("sum by (instance) (wireledger_scan_suspects_waiting{HOST})", "{{instance}} waiting"),
            lines("Forgotten for want of room", unit::EVENTS, "Sources, their failures, what suspects asked, and ended verdicts.")
                .ask(
                    rate("instance, state", "wireledger_scan_sources_evicted_total{HOST}"),
                    "{{instance}} {{state}}",
                )
                .ask(rate(HOST.0, "wireledger_scan_refused_failures_total{HOST}"), "{{instance}} failures")
                .ask(rate(HOST.0, "wireledger_scan_suspects_begun_anew_total{HOST}"), "{{instance}} begun anew")
                .ask(rate(HOST.0, "wireledger_scans_forgotten_total{HOST}"), "{{instance}} verdicts"),
            lines("Packets no flood is looked for in", unit::PACKETS, "Packets of interfaces beyond those in which floods are looked for.")
                .ask(rate(HOST.0, "wireledger_flood_left_out_packets_total{HOST}"), HOST.1)
                .zero_is_good(),
            lines("Memory", unit::MEMORY, "What is remembered of sources and floods.")
                .ask("sum by (instance) (wireledger_scan_memory_bytes{HOST})", HOST.1),
        ],
    )
}

fn evidence() -> Row {
    row(
        "Evidence",
        [
            lines("Files", unit::EVENTS, "Files written or added to, removed for newer ones, and failures (--evidence-dir).")
                .ask(rate(HOST.0, "wireledger_evidence_files_total{HOST}"), "{{instance}} written")
                .ask(rate(HOST.0, "wireledger_evidence_files_removed_total{HOST}"), "{{instance}} removed")
                .ask(rate(HOST.0, "wireledger_evidence_failures_total{HOST}"), "{{instance}} failed"),
            areas("Packets", unit::PACKETS, "Packets of scans and floods that the flight recorder had: written, or left out for want of bytes.")
                .ask(rate("fate", "wireledger_evidence_packets_total{HOST}"), "{{fate}}"),
        ],
    )
}
