//! The conversations of a capture: both directions, durations, rates.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use serde::Serialize;
use wireledger_common::abi::{flow::FlowKey, protocol::Protocol};

use super::{Args, flows::seconds, ledger::LedgerLine, output};
use crate::{
    replay::{Conversation, Outcome, Side, conversations},
    report::{Count, Tunnel, address, vlans},
};

#[derive(Debug, Serialize)]
struct Document {
    ledger: LedgerLine,
    conversations: Vec<Line>,
}

/// A conversation as it is shown. Rates are bits of frames per second over its duration; none where that is zero.
#[derive(Debug, Serialize)]
struct Line {
    interface: String,
    vlans: Vec<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tunnel: Option<Tunnel>,
    protocol: &'static str,
    protocol_number: u8,
    /// Who was seen first.
    a: IpAddr,
    a_port: Option<u16>,
    b: IpAddr,
    b_port: Option<u16>,
    a_to_b: Count,
    b_to_a: Count,
    first_seen: f64,
    duration: f64,
    a_to_b_bits_per_second: Option<f64>,
    b_to_a_bits_per_second: Option<f64>,
}

const HEAD: [&str; 12] = [
    "PROTO",
    "A",
    "B",
    "PACKETS A>B",
    "BYTES A>B",
    "PACKETS B>A",
    "BYTES B>A",
    "PACKETS",
    "BYTES",
    "SECONDS",
    "BIT/S A>B",
    "BIT/S B>A",
];

pub(super) fn print(args: &Args, outcome: &Outcome, top: usize) -> anyhow::Result<()> {
    let all = conversations(outcome.listing.flows(), top, args.sort);
    let lines = all.iter().map(|talk| line(talk, outcome));
    if args.json {
        let ledger = LedgerLine::new(outcome);
        return output::json(&Document { ledger, conversations: lines.collect() });
    }
    if args.csv {
        let mut out = csv::Writer::from_writer(io::stdout().lock());
        out.write_record(HEAD.map(|name| name.to_lowercase().replace([' ', '>'], "_")))?;
        for line in lines {
            out.write_record(row(&line))?;
        }
        return Ok(out.flush()?);
    }
    Ok(output::table(&HEAD, 3, lines.map(|line| row(&line)))?)
}

fn line(talk: &Conversation, outcome: &Outcome) -> Line {
    let key: &FlowKey = &talk.key;
    let class = Protocol::of(key.protocol);
    let has_ports = !matches!(
        class,
        Protocol::Icmp
            | Protocol::Icmpv6
            | Protocol::Gre
            | Protocol::Esp
            | Protocol::Igmp
            | Protocol::Ipip
            | Protocol::Other
    );
    let port = |side: Side| has_ports.then_some(side.port);
    let nanoseconds = talk.last_seen.saturating_sub(talk.first_seen);
    let rate =
        |count: u64| (nanoseconds != 0).then(|| (count as f64 * 8e9 / nanoseconds as f64).round());
    Line {
        interface: outcome.interface(key),
        vlans: vlans(key),
        tunnel: Tunnel::of(key),
        protocol: class.label(),
        protocol_number: key.protocol,
        a: address(key, talk.a.address),
        a_port: port(talk.a),
        b: address(key, talk.b.address),
        b_port: port(talk.b),
        a_to_b: talk.a_to_b.into(),
        b_to_a: talk.b_to_a.into(),
        first_seen: seconds(talk.first_seen, 0).0,
        duration: nanoseconds as f64 / 1e9,
        a_to_b_bits_per_second: rate(talk.a_to_b.bytes),
        b_to_a_bits_per_second: rate(talk.b_to_a.bytes),
    }
}

fn row(line: &Line) -> Vec<String> {
    let protocol = match line.protocol {
        "other" => line.protocol_number.to_string(),
        name => name.to_owned(),
    };
    let protocol = match &line.tunnel {
        Some(tunnel) => format!("{protocol} in {} {}", tunnel.kind, tunnel.number),
        None => protocol,
    };
    let rate = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}"));
    vec![
        protocol,
        endpoint(line.a, line.a_port),
        endpoint(line.b, line.b_port),
        line.a_to_b.packets.to_string(),
        line.a_to_b.bytes.to_string(),
        line.b_to_a.packets.to_string(),
        line.b_to_a.bytes.to_string(),
        (line.a_to_b.packets + line.b_to_a.packets).to_string(),
        (line.a_to_b.bytes + line.b_to_a.bytes).to_string(),
        format!("{:.6}", line.duration),
        rate(line.a_to_b_bits_per_second),
        rate(line.b_to_a_bits_per_second),
    ]
}

fn endpoint(address: IpAddr, port: Option<u16>) -> String {
    match port {
        Some(port) => SocketAddr::new(address, port).to_string(),
        None => address.to_string(),
    }
}
