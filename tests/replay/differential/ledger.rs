//! The two ledgers of a capture: the judge's from tshark's rows, and the one that `wireledger read --json` prints.

use std::{collections::BTreeMap, net::IpAddr};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use wireledger_common::wire::tcp_flags;
use wireledger_tests::{
    answers,
    captures::Capture,
    tshark::{Field, Row},
};

use super::judge::{Fragment, Headers, Key, length};

/// A flow's full name.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Name {
    interface: String,
    egress: bool,
    key: Key,
}

/// What a flow came to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Sum {
    packets: u64,
    bytes: u64,
    /// OR of them.
    tcp_flags: u16,
}

pub(crate) type Flows = BTreeMap<Name, Sum>;

/// How long a first fragment speaks for later ones, nanoseconds.
const FRAGMENT_LIFE: u64 = 30_000_000_000;

/// The judge's.
#[derive(Default)]
pub(crate) struct Judged {
    pub(crate) flows: Flows,
    pub(crate) unread: u64,
    /// By addresses, tags, protocol and identification.
    firsts: BTreeMap<(Name, u32), First>,
}

/// What a first fragment told.
#[derive(Clone, Copy)]
struct First {
    /// When it came.
    time: u64,
    ports: (u16, u16),
    protocol: u8,
}

impl Judged {
    /// Puts a packet of the interface `on` on it.
    pub(crate) fn packet(&mut self, row: &Row, on: &str, headers: Option<&Headers>) -> Result<()> {
        let Some(headers) = headers else {
            self.unread += 1;
            return Ok(());
        };
        let mut name =
            Name { interface: on.to_owned(), egress: is_egress(row), key: headers.key.clone() };
        if headers.fragment != Fragment::Whole {
            let time = super::fields::nanoseconds(row.cell(Field::Time)).parse();
            self.join(headers, time.context("reading a time")?, &mut name);
        }
        let sum = self.flows.entry(name).or_default();
        sum.packets += 1;
        sum.bytes += length(row);
        sum.tcp_flags |= headers.tcp_flags;
        Ok(())
    }

    /// Later fragments belong to the flow of their datagram (RFC 791 section 3.2, RFC 8200 section 4.5).
    fn join(&mut self, headers: &Headers, time: u64, name: &mut Name) {
        let (id, protocol) = headers.datagram;
        let mut datagram = name.clone();
        datagram.key = Key { protocol, ports: (0, 0), fragment: false, ..datagram.key };
        match headers.fragment {
            Fragment::First => {
                let Key { ports, protocol, .. } = headers.key;
                self.firsts.insert((datagram, id), First { time, ports, protocol });
            }
            Fragment::Later => {
                if let Some(&First { time: since, ports, protocol }) =
                    self.firsts.get(&(datagram, id))
                    && (since..since + FRAGMENT_LIFE).contains(&time)
                {
                    name.key = Key { ports, protocol, fragment: false, ..name.key.clone() };
                }
            }
            Fragment::Whole | Fragment::Tiny => {}
        }
    }
}

fn is_egress(row: &Row) -> bool {
    const OUTBOUND: u64 = 2;
    const OUTGOING: u64 = 4;
    match row.nth(Field::Direction, 0) {
        Some(direction @ 1..=2) => direction == OUTBOUND,
        _ => row.nth(Field::SllPacketType, 0) == Some(OUTGOING),
    }
}

/// What is read of the printed document.
#[derive(Deserialize)]
struct Document {
    ledger: Ledger,
    flows: Vec<answers::Flow>,
}

#[derive(Deserialize)]
struct Ledger {
    overflow: answers::Count,
    unread: answers::Count,
}

/// The printed flows, and how many packets were not read.
pub(crate) fn printed(capture: &Capture) -> Result<(Flows, u64)> {
    let ended = capture.run(&["--json"])?;
    let document: Document = serde_json::from_str(&ended.stdout)
        .with_context(|| format!("{}: {}", capture.name, ended.stderr))?;
    if document.ledger.overflow.packets != 0 {
        bail!("{}: the table is too small for this test", capture.name);
    }
    let mut flows = Flows::new();
    for flow in document.flows {
        let sum = Sum { packets: flow.packets, bytes: flow.bytes, tcp_flags: bits(&flow) };
        if let Some(other) = flows.insert(name(&flow), sum) {
            bail!("{}: {flow:?} stands there twice: {other:?}", capture.name);
        }
    }
    Ok((flows, document.ledger.unread.packets))
}

fn bits(flow: &answers::Flow) -> u16 {
    let has = |label: &str| flow.tcp_flags.iter().any(|flag| flag == label);
    tcp_flags::LABELS.iter().filter(|(_, label)| has(label)).map(|(bit, _)| bit).sum()
}

fn name(flow: &answers::Flow) -> Name {
    let key = &flow.key;
    let ports = match (key.source_port, key.destination_port, key.icmp_type, key.icmp_code) {
        (Some(source), Some(destination), ..) => (source, destination),
        (.., Some(kind), Some(code)) => (u16::from(kind), u16::from(code)),
        _ => (0, 0),
    };
    Name {
        interface: flow.interface.clone(),
        egress: key.direction == "egress",
        key: Key {
            vlans: key.vlans.clone(),
            source: key.source,
            destination: key.destination,
            protocol: key.protocol_number,
            ports,
            fragment: key.fragment,
        },
    }
}

/// The address in a flow key of the parser.
pub(crate) fn address(bytes: [u8; 16], six: bool) -> IpAddr {
    let [a, b, c, d, ..] = bytes;
    if six { IpAddr::from(bytes) } else { IpAddr::from([a, b, c, d]) }
}
