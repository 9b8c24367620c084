//! Scans and floods, by kind: addresses are the API's to tell.

use super::{
    super::encode::{Number, Samples},
    Family, counter, gauge,
};
use crate::{
    report::{EvidenceTally, ScanLabels, ScanTally, Snapshot},
    scan::Outcome,
};

pub(in super::super) const FAMILIES: &[Family] = &[
    counter(
        "wireledger_scans_total",
        &["kind", "direction", "confidence"],
        "Scans and floods that began, with the confidence of their beginning; egress is what leaves here.",
        |snapshot, out| verdicts(snapshot, out, |tally| &tally.begun),
    ),
    gauge(
        "wireledger_scans_under_way",
        &["kind", "direction", "confidence"],
        "Scans and floods under way, by what was told of them last.",
        |snapshot, out| verdicts(snapshot, out, |tally| &tally.under_way),
    ),
    counter(
        "wireledger_scan_attempts_total",
        &["outcome"],
        "Flows that somebody began and that were judged, by what came of them.",
        |snapshot, out| {
            let Some(tally) = &snapshot.scan_tally else { return };
            for (outcome, count) in Outcome::ALL.iter().zip(tally.scans.attempts) {
                out.add(&[outcome.label()], count);
            }
        },
    ),
    counter(
        "wireledger_scan_unjudged_flows_total",
        &[],
        "Flows that ended before they had settled, too many at once to be judged.",
        |snapshot, out| of(snapshot, out, |tally| tally.unsettled),
    ),
    counter(
        "wireledger_scan_uncounted_flows_total",
        &["reason"],
        "Flows that do not count for a scan: of sources on the allow-list (--scan.allow), or ignored, as they tell nothing of scans.",
        |snapshot, out| {
            let Some(ScanTally { scans, .. }) = &snapshot.scan_tally else { return };
            out.add(&["allowed"], scans.allowed);
            out.add(&["ignored"], scans.ignored);
        },
    ),
    gauge(
        "wireledger_scan_sources",
        &["state"],
        "Sources that are remembered: newcomers failed a few times, suspects more often.",
        |snapshot, out| {
            let Some(ScanTally { scans, .. }) = &snapshot.scan_tally else { return };
            out.add(&["newcomer"], scans.newcomers);
            out.add(&["suspect"], scans.suspects);
        },
    ),
    counter(
        "wireledger_scan_sources_evicted_total",
        &["state"],
        "Sources that were forgotten because others needed their places.",
        |snapshot, out| {
            let Some(ScanTally { scans, .. }) = &snapshot.scan_tally else { return };
            out.add(&["newcomer"], scans.evicted_newcomers);
            out.add(&["suspect"], scans.evicted_suspects);
        },
    ),
    counter(
        "wireledger_scan_refused_failures_total",
        &[],
        "Failures of sources that found their places taken by sources that had failed more often.",
        |snapshot, out| of(snapshot, out, |tally| tally.scans.refused_newcomers),
    ),
    counter(
        "wireledger_scan_suspects_begun_anew_total",
        &[],
        "Times that what a suspect asked was forgotten, because it was too much and no scan.",
        |snapshot, out| of(snapshot, out, |tally| tally.scans.begun_anew),
    ),
    gauge(
        "wireledger_scan_suspects_waiting",
        &[],
        "Suspects that have changed and are yet to be looked at.",
        |snapshot, out| of(snapshot, out, |tally| tally.scans.waiting),
    ),
    counter(
        "wireledger_flood_left_out_packets_total",
        &[],
        "Packets of interfaces beyond those in which floods are looked for.",
        |snapshot, out| of(snapshot, out, |tally| tally.floods.left_out),
    ),
    counter(
        "wireledger_flood_allowed_packets_total",
        &[],
        "Packets of sources on the allow-list (--scan.allow), which are no part of a flood.",
        |snapshot, out| of(snapshot, out, |tally| tally.floods.allowed),
    ),
    counter(
        "wireledger_scans_forgotten_total",
        &[],
        "Scans and floods that have ended and are not shown any more, newer ones having taken their places.",
        |snapshot, out| {
            of(snapshot, out, |tally| tally.scans.forgotten_verdicts + tally.floods.forgotten);
        },
    ),
    gauge(
        "wireledger_scan_memory_bytes",
        &[],
        "Memory for what is remembered of sources and floods.",
        |snapshot, out| of(snapshot, out, |tally| tally.scans.bytes + tally.floods.bytes as u64),
    ),
    counter(
        "wireledger_evidence_files_total",
        &[],
        "Files of evidence written, those that grew each time (--evidence-dir).",
        |snapshot, out| evidence(snapshot, out, |tally| tally.files),
    ),
    counter(
        "wireledger_evidence_packets_total",
        &["fate"],
        "Packets of scans and floods in the flight recorder: written to files, or left out for want of bytes (--evidence-size).",
        |snapshot, out| {
            let tally = snapshot.scan_tally.as_ref().and_then(|tally| tally.evidence);
            let Some(EvidenceTally { packets, left_out, .. }) = tally else { return };
            out.add(&["written"], packets);
            out.add(&["left_out"], left_out);
        },
    ),
    counter(
        "wireledger_evidence_files_removed_total",
        &[],
        "Files of evidence that made room for newer ones.",
        |snapshot, out| evidence(snapshot, out, |tally| tally.removed),
    ),
    counter(
        "wireledger_evidence_failures_total",
        &[],
        "Times that the evidence of a scan or flood could not be written; the log says why.",
        |snapshot, out| evidence(snapshot, out, |tally| tally.failed),
    ),
    counter(
        "wireledger_evidence_incomplete_total",
        &[],
        "Scans and floods of whose packets some are not in their file: forgotten by the flight recorder (--recorder), or left out.",
        |snapshot, out| evidence(snapshot, out, |tally| tally.incomplete),
    ),
    counter(
        "wireledger_evidence_lost_total",
        &[],
        "Scans and floods whose evidence was given up after it could not be written for a minute.",
        |snapshot, out| evidence(snapshot, out, |tally| tally.lost),
    ),
];

fn verdicts(
    snapshot: &Snapshot,
    out: &mut Samples<'_>,
    get: impl Fn(&ScanTally) -> &[(ScanLabels, u64)],
) {
    let Some(tally) = &snapshot.scan_tally else { return };
    for (labels, count) in get(tally) {
        out.add(&labels.labels(), *count);
    }
}

fn of<N: Into<Number>>(snapshot: &Snapshot, out: &mut Samples<'_>, get: impl Fn(&ScanTally) -> N) {
    if let Some(tally) = &snapshot.scan_tally {
        out.single(get(tally));
    }
}

fn evidence(snapshot: &Snapshot, out: &mut Samples<'_>, get: impl Fn(&EvidenceTally) -> u64) {
    let tally = snapshot.scan_tally.as_ref().and_then(|tally| tally.evidence.as_ref());
    if let Some(tally) = tally {
        out.single(get(tally));
    }
}
