//! `wireledger flows`.

use super::{Outcome, client::Connect, output};
use crate::{
    report::{Direction, FlowLine, Sort, Tunnel},
    web::api,
};

/// Who is talking: the running daemon's flows, most bytes first
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    connect: Connect,
    /// How many flows
    #[arg(long, default_value_t = 20, value_name = "N")]
    top: usize,
    /// Which come first
    #[arg(long, value_enum, default_value_t = Sort::Bytes)]
    sort: Sort,
    /// Print the API's JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let sort = serde_json::to_value(self.sort)?;
        let sort = sort.as_str().unwrap_or_default();
        let flows: api::Flows =
            self.connect.get(&format!("/api/v1/flows?top={}&sort={sort}", self.top))?;
        if self.json {
            output::json(&flows)?;
        } else {
            output::table(&HEAD, 7, flows.flows.iter().map(row))?;
        }
        Ok(Outcome::Done)
    }
}

pub(super) const HEAD: [&str; 11] = [
    "INTERFACE",
    "DIR",
    "VLAN",
    "PROTO",
    "SOURCE",
    "DESTINATION",
    "FLAGS",
    "PACKETS",
    "BYTES",
    "LENGTH",
    "SECONDS",
];

/// One flow as a row under [`HEAD`].
pub(super) fn row(flow: &FlowLine) -> Vec<String> {
    let direction = if flow.direction == Direction::Ingress { "in" } else { "out" };
    let vlans = flow.vlans.iter().map(u16::to_string).collect::<Vec<_>>().join(".");
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let length = if flow.length_min == flow.length_max {
        flow.length_min.to_string()
    } else {
        format!("{}-{}", flow.length_min, flow.length_max)
    };
    vec![
        flow.interface.clone(),
        direction.to_owned(),
        or_dash(vlans),
        protocol(flow),
        flow.from(),
        flow.to(),
        or_dash(letters(&flow.tcp_flags)),
        flow.packets.to_string(),
        flow.bytes.to_string(),
        length,
        format!("{:.1}", flow.last_seen - flow.first_seen),
    ]
}

fn protocol(flow: &FlowLine) -> String {
    let name = match (flow.protocol.as_str(), flow.icmp_type, flow.icmp_code) {
        ("other", ..) => flow.protocol_number.to_string(),
        (name, Some(kind), Some(code)) => format!("{name} {kind}/{code}"),
        (name, ..) => name.to_owned(),
    };
    let name = if flow.fragment { format!("{name} frag") } else { name };
    match &flow.tunnel {
        Some(Tunnel { kind, number: 0 }) => format!("{name} in {kind}"),
        Some(Tunnel { kind, number }) => format!("{name} in {kind} {number}"),
        None => name,
    }
}

/// Flags as tcpdump writes them, with the urgent flag and the three of congestion control.
fn letters(flags: &[String]) -> String {
    const LETTERS: [(&str, char); 9] = [
        ("fin", 'F'),
        ("syn", 'S'),
        ("rst", 'R'),
        ("psh", 'P'),
        ("ack", '.'),
        ("urg", 'U'),
        ("ece", 'E'),
        ("cwr", 'W'),
        ("ae", 'e'),
    ];
    let set = LETTERS.into_iter().filter(|(name, _)| flags.iter().any(|flag| flag == name));
    set.map(|(_, letter)| letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_read_as_in_tcpdump() {
        let flags = ["syn", "ack", "psh"].map(str::to_owned);
        assert_eq!(letters(&flags), "SP.");
        assert_eq!(letters(&[]), "");
    }
}
