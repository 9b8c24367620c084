//! What a capture holds: when, how much, which protocols and lengths, what was not read, who talks most.

use std::time::{Duration, SystemTime};

use hashbrown::HashMap;
use serde::Serialize;
use wireledger_common::abi::{
    protocol::Protocol,
    totals::{SIZE_STEP, Totals},
};

use super::{
    Args,
    ledger::{LedgerLine, reasons},
    output,
};
use crate::{
    replay::Outcome,
    report::{Count, Sort, address},
};

#[derive(Debug, Serialize)]
struct Document {
    first_packet: String,
    last_packet: String,
    duration: f64,
    ledger: LedgerLine,
    protocols: Vec<Part>,
    lengths: Vec<Length>,
    unread: Vec<Part>,
    top_talkers: Vec<Part>,
}

#[derive(Debug, Serialize)]
struct Part {
    name: String,
    #[serde(flatten)]
    count: Count,
}

/// Frames of these lengths, bytes; the last step has no end.
#[derive(Debug, Serialize)]
struct Length {
    from: u32,
    to: Option<u32>,
    packets: u64,
}

pub(super) fn print(args: &Args, outcome: &Outcome, top: usize) -> anyhow::Result<()> {
    let document = document(args, outcome, top);
    if args.json {
        return output::json(&document);
    }
    let Document { first_packet, last_packet, duration, ledger, .. } = &document;
    let seen = ledger.seen;
    let rate = |amount: u64| if *duration > 0.0 { amount as f64 / duration } else { 0.0 };
    let facts = [
        ("packets", seen.packets.to_string()),
        ("bytes", seen.bytes.to_string()),
        ("first packet", first_packet.clone()),
        ("last packet", last_packet.clone()),
        ("seconds", format!("{duration:.6}")),
        ("packets per second", format!("{:.1}", rate(seen.packets))),
        ("bits per second", format!("{:.0}", rate(seen.bytes * 8))),
        ("flows", (outcome.listing.len() as u64 + ledger.unlisted_flows).to_string()),
    ];
    let facts = facts.into_iter().map(|(name, fact)| vec![name.to_owned(), fact]);
    output::table(&["CAPTURE", "VALUE"], 1, facts)?;
    for (title, parts) in [
        ("PROTOCOL", &document.protocols),
        ("UNREAD", &document.unread),
        ("ADDRESS", &document.top_talkers),
    ] {
        if !parts.is_empty() {
            output::line("")?;
            output::table(&[title, "PACKETS", "BYTES"], 1, parts.iter().map(row))?;
        }
    }
    output::line("")?;
    let lengths = document.lengths.iter().map(|length| {
        let to = length.to.map_or_else(String::new, |to| to.to_string());
        vec![format!("{}-{to}", length.from), length.packets.to_string()]
    });
    Ok(output::table(&["LENGTH", "PACKETS"], 1, lengths)?)
}

fn row(part: &Part) -> Vec<String> {
    vec![part.name.clone(), part.count.packets.to_string(), part.count.bytes.to_string()]
}

fn document(args: &Args, outcome: &Outcome, top: usize) -> Document {
    let moment = |time| {
        let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(time);
        humantime::format_rfc3339_nanos(time).to_string()
    };
    let unread = reasons(outcome).into_iter();
    Document {
        first_packet: moment(outcome.first),
        last_packet: moment(outcome.last),
        duration: (outcome.last - outcome.first) as f64 / 1e9,
        ledger: LedgerLine::new(outcome),
        protocols: protocols(&outcome.totals),
        lengths: lengths(&outcome.totals),
        unread: unread.map(|(why, count)| Part { name: why.label().to_owned(), count }).collect(),
        top_talkers: talkers(outcome, top, args.sort),
    }
}

fn protocols(totals: &Totals) -> Vec<Part> {
    let mut parts = Vec::new();
    for (version, counts) in ["ipv4", "ipv6"].into_iter().zip(&totals.read) {
        for (class, &count) in Protocol::ALL.into_iter().zip(counts) {
            if count.packets != 0 {
                parts.push(Part {
                    name: format!("{version} {}", class.label()),
                    count: count.into(),
                });
            }
        }
    }
    parts.sort_by_key(|part| std::cmp::Reverse(part.count.packets));
    parts
}

/// Steps that double, from one of the totals' on.
fn lengths(totals: &Totals) -> Vec<Length> {
    let mut lengths: Vec<Length> = Vec::new();
    for (step, &packets) in (0..).zip(&totals.sizes) {
        let (from, to) = (step * SIZE_STEP + 1, (step + 1) * SIZE_STEP);
        match lengths.last_mut() {
            Some(last) if last.to.is_some_and(|end| from <= end) => last.packets += packets,
            _ => lengths.push(Length { from, to: Some(to.next_power_of_two()), packets }),
        }
    }
    if let Some(last) = lengths.last_mut() {
        last.to = None;
    }
    lengths.retain(|length| length.packets != 0);
    lengths
}

/// Addresses by what they sent and got.
fn talkers(outcome: &Outcome, top: usize, sort: Sort) -> Vec<Part> {
    let mut all: HashMap<_, Count> = HashMap::new();
    for (key, flow) in outcome.listing.flows() {
        let count = Count { packets: flow.packets, bytes: flow.bytes };
        let (from, to) = (address(key, key.source), address(key, key.destination));
        for talker in [from, to].into_iter().take(if from == to { 1 } else { 2 }) {
            let sum = all.entry(talker).or_default();
            *sum = *sum + count;
        }
    }
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by_key(|(talker, count)| {
        let weight = if sort == Sort::Packets { count.packets } else { count.bytes };
        (std::cmp::Reverse(weight), *talker)
    });
    all.truncate(top);
    all.into_iter().map(|(talker, count)| Part { name: talker.to_string(), count }).collect()
}
