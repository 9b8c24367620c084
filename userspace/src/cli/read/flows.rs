//! The flow table of a capture.

use std::io;

use serde::Serialize;
use wireledger_common::abi::flow::FlowKey;

use super::{Args, ledger::LedgerLine, output};
use crate::{
    cli::flows::{HEAD, row},
    flows::Flow,
    replay::Outcome,
    report::FlowLine,
};

#[derive(Debug, Serialize)]
struct Document {
    ledger: LedgerLine,
    flows: Vec<FlowLine>,
}

pub(super) fn print(args: &Args, outcome: &Outcome, top: usize) -> anyhow::Result<()> {
    let flows = outcome.listing.top(top, args.sort);
    let lines = flows.iter().map(|(key, flow)| line(key, flow, outcome));
    if args.json {
        let ledger = LedgerLine::new(outcome);
        return output::json(&Document { ledger, flows: lines.collect() });
    }
    if args.csv {
        return csv(lines);
    }
    Ok(output::table(&HEAD, 7, lines.map(|line| row(&line)))?)
}

fn line(key: &FlowKey, flow: &Flow, outcome: &Outcome) -> FlowLine {
    FlowLine::new(key, flow, outcome.interface(key), seconds(flow.first_seen, flow.last_seen))
}

/// Nanoseconds since 1970 as seconds.
pub(super) fn seconds(first: u64, last: u64) -> (f64, f64) {
    (first as f64 / 1e9, last as f64 / 1e9)
}

/// As in the JSON document, lists joined by blanks.
fn csv(lines: impl Iterator<Item = FlowLine>) -> anyhow::Result<()> {
    let mut out = csv::Writer::from_writer(io::stdout().lock());
    out.write_record(CSV_HEAD)?;
    for line in lines {
        let or_empty = |number: Option<u16>| number.map_or_else(String::new, |n| n.to_string());
        let vlans: Vec<_> = line.vlans.iter().map(u16::to_string).collect();
        let (tunnel, number) = line
            .tunnel
            .map_or_else(Default::default, |tunnel| (tunnel.kind, tunnel.number.to_string()));
        out.write_record([
            line.interface,
            line.direction.label().to_owned(),
            vlans.join(" "),
            tunnel,
            number,
            line.protocol,
            line.protocol_number.to_string(),
            line.source.to_string(),
            or_empty(line.source_port),
            line.destination.to_string(),
            or_empty(line.destination_port),
            or_empty(line.icmp_type),
            or_empty(line.icmp_code),
            line.fragment.to_string(),
            line.packets.to_string(),
            line.bytes.to_string(),
            format!("{:.9}", line.first_seen),
            format!("{:.9}", line.last_seen),
            line.tcp_flags.join(" "),
            line.length_min.to_string(),
            line.length_max.to_string(),
            line.ttl_min.to_string(),
            line.ttl_max.to_string(),
            line.dscp.to_string(),
        ])?;
    }
    Ok(out.flush()?)
}

const CSV_HEAD: [&str; 24] = [
    "interface",
    "direction",
    "vlans",
    "tunnel",
    "tunnel_number",
    "protocol",
    "protocol_number",
    "source",
    "source_port",
    "destination",
    "destination_port",
    "icmp_type",
    "icmp_code",
    "fragment",
    "packets",
    "bytes",
    "first_seen",
    "last_seen",
    "tcp_flags",
    "length_min",
    "length_max",
    "ttl_min",
    "ttl_max",
    "dscp",
];
