//! The scans and floods of a capture.

use serde::Serialize;

use super::{Args, flows::seconds, ledger::LedgerLine, output};
use crate::{
    cli::verdicts,
    replay::{Outcome, detect},
    report::ScanLine,
    scan::{Detector, Settings, Verdict},
};

#[derive(Debug, Serialize)]
struct Document {
    ledger: LedgerLine,
    scans: Vec<ScanLine>,
}

pub(super) fn print(args: &Args, outcome: &Outcome, top: usize) -> anyhow::Result<()> {
    let mut found = scans(args, outcome)?;
    found.extend(outcome.floods.floods.iter().map(|flood| {
        let seen = seconds(flood.first_seen, flood.last_seen);
        let interface = outcome.name_of(flood.interface);
        (flood.first_seen, ScanLine::of_flood(flood, false, interface, seen))
    }));
    found.sort_by_key(|(first_seen, _)| *first_seen);
    let scans: Vec<_> = found.into_iter().take(top).map(|(_, line)| line).collect();
    tell_of_losses(outcome);
    if args.json {
        return output::json(&Document { ledger: LedgerLine::new(outcome), scans });
    }
    verdicts::print(&scans)
}

/// Scans with the time of their first packets, in order.
fn scans(args: &Args, outcome: &Outcome) -> anyhow::Result<Vec<(u64, ScanLine)>> {
    let settings = Settings {
        sensitivity: args.scan_sensitivity,
        allow: args.scan_allow.clone(),
        ended: usize::MAX,
        ..Settings::default()
    };
    let mut detector = Detector::new(settings)?;
    detect(&outcome.listing, &outcome.links, &mut detector);
    let mut found: Vec<_> = detector.verdicts().collect();
    found.sort_by_key(|verdict| (verdict.first_seen, verdict.id));
    let line = |verdict: Verdict| {
        let seen = seconds(verdict.first_seen, verdict.last_seen);
        let interface = outcome.name_of(verdict.interface);
        (verdict.first_seen, ScanLine::of_scan(&verdict, false, interface, seen))
    };
    Ok(found.into_iter().map(line).collect())
}

/// What could not be judged.
fn tell_of_losses(outcome: &Outcome) {
    let unlisted = outcome.listing.unlisted().flows;
    if unlisted > 0 {
        eprintln!(
            "{unlisted} flows found no room in the list and were not judged: see --flow-memory"
        );
    }
    let (left_out, forgotten) = (outcome.floods.left_out, outcome.floods.forgotten);
    if left_out > 0 {
        eprintln!(
            "{left_out} packets without a time or of too many interfaces were not looked at for floods"
        );
    }
    if forgotten > 0 {
        eprintln!("{forgotten} more floods found no room");
    }
}
