//! Verdicts on scans, for people: a block each.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use super::output;
use crate::report::{FloodRate, ScanLine};

/// Longest list of ports that is printed; JSON has all of them.
const PORTS: usize = 160;

pub(super) fn print(scans: &[ScanLine]) -> anyhow::Result<()> {
    if scans.is_empty() {
        return Ok(output::line("No scan.")?);
    }
    let blocks: Vec<_> = scans.iter().map(block).collect();
    Ok(output::line(blocks.join("\n").trim_end())?)
}

fn block(scan: &ScanLine) -> String {
    let mut text = format!(
        "{} by {} ({}{})\n",
        capital(scan.kind.title()),
        match scan.sources.is_empty() {
            true => format!("{} sources", scan.source_count),
            false => joined(&scan.sources, scan.source_count),
        },
        scan.confidence.label(),
        scan.shape
            .map_or_else(String::new, |shape| format!(", {}", shape.label().replace('_', " "))),
    );
    let began = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(scan.first_seen.max(0.0));
    let began = humantime::format_rfc3339_millis(began);
    let lasted = scan.last_seen - scan.first_seen;
    let mut facts = vec![
        ("targets", joined(&scan.targets.examples, scan.targets.count)),
        ("ports", ports(&scan.ports.ranges, scan.ports.count)),
        ("open", open(scan)),
        (
            "seen",
            format!(
                "{began} for {lasted:.1} s, {} packets, {} {}",
                scan.packets,
                scan.interface,
                scan.direction.label()
            ),
        ),
    ];
    let state = |_| if scan.under_way { "goes on" } else { "ended" }.to_owned();
    facts.push(("state", scan.telling.map(state).unwrap_or_default()));
    let rate = scan.rate.map(|rate| {
        let FloodRate { now, usual, peak } = rate;
        format!(
            "{peak:.0} packets a second at its worst, {now:.0} in the latest, {usual:.0} are usual"
        )
    });
    facts.push(("rate", rate.unwrap_or_default()));
    let tags: Vec<_> = scan.tags.iter().map(|tag| tag.label().replace('_', " ")).collect();
    facts.push(("tags", tags.join(", ")));
    facts.push(("evidence", evidence(scan)));
    facts.extend(scan.reasons.iter().map(|reason| ("because", reason.clone())));
    for (name, fact) in facts.into_iter().filter(|(_, fact)| !fact.is_empty()) {
        // Writing to a string does not fail.
        _ = writeln!(text, "  {name:<9}{fact}");
    }
    text
}

fn evidence(scan: &ScanLine) -> String {
    match (&scan.evidence, scan.evidence_incomplete) {
        (Some(file), false) => file.clone(),
        (Some(file), true) => format!("{file}, where some packets are missing"),
        (None, true) => "the flight recorder had forgotten it".to_owned(),
        (None, false) => String::new(),
    }
}

fn capital(title: &str) -> String {
    let mut letters = title.chars();
    letters
        .next()
        .map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}

fn joined(examples: &[impl ToString], count: u64) -> String {
    let known: Vec<_> = examples.iter().map(ToString::to_string).collect();
    let more = count.saturating_sub(known.len() as u64);
    let known = known.join(", ");
    if more == 0 { known } else { format!("{known} and {more} more") }
}

fn ports(ranges: &str, count: u64) -> String {
    if count == 0 {
        return String::new();
    }
    if ranges.len() <= PORTS {
        return format!("{count}: {ranges}");
    }
    let cut = ranges[..PORTS].rfind(',').unwrap_or(PORTS);
    format!("{count}: {},…", &ranges[..cut])
}

fn open(scan: &ScanLine) -> String {
    if scan.open_count == 0 {
        return String::new();
    }
    let ports: Vec<_> = scan.open_ports.iter().map(u16::to_string).collect();
    format!("{}: {}", scan.open_count, ports.join(","))
}
