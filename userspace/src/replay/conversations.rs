//! Conversations: the two directions of a flow together.

use hashbrown::HashMap;
use wireledger_common::abi::{
    flow::{EGRESS, FlowKey, Tunnel},
    protocol::Protocol,
    totals::Count,
};

use crate::flows::{Flow, Sort};

/// One of two who talk.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Side {
    /// Address in network byte order; IPv4 in the first four bytes.
    pub address: [u8; 16],
    /// Port in host order; 0 for ICMP and for protocols without.
    pub port: u16,
}

/// Two sides' flows together. Times are nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Conversation {
    /// A flow of it, that of the side that was seen first: interface, VLANs, protocol and kind are those of both.
    pub key: FlowKey,
    /// Who was seen first.
    pub a: Side,
    /// The other.
    pub b: Side,
    /// From the first to the other.
    pub a_to_b: Count,
    /// From the other to the first.
    pub b_to_a: Count,
    /// Time of the first packet.
    pub first_seen: u64,
    /// Time of the latest packet.
    pub last_seen: u64,
}

impl Conversation {
    fn new(key: &FlowKey, flow: &Flow) -> Self {
        let (a, b) = sides(key);
        Self {
            key: *key,
            a,
            b,
            a_to_b: Count::default(),
            b_to_a: Count::default(),
            first_seen: flow.first_seen,
            last_seen: flow.last_seen,
        }
    }

    fn add(&mut self, key: &FlowKey, flow: &Flow) {
        let (from, to) = sides(key);
        if flow.first_seen < self.first_seen {
            self.first_seen = flow.first_seen;
            if (from, to) == (self.b, self.a) && from != to {
                (self.a, self.b) = (from, to);
                std::mem::swap(&mut self.a_to_b, &mut self.b_to_a);
                self.key = *key;
            }
        }
        self.last_seen = self.last_seen.max(flow.last_seen);
        let way = if from == self.a { &mut self.a_to_b } else { &mut self.b_to_a };
        way.add(flow.packets, flow.bytes);
    }

    /// Both ways.
    #[must_use]
    pub fn sum(&self) -> Count {
        let mut sum = self.a_to_b;
        sum.add(self.b_to_a.packets, self.b_to_a.bytes);
        sum
    }

    fn weight(&self, sort: Sort) -> u64 {
        match sort {
            Sort::Bytes => self.sum().bytes,
            Sort::Packets => self.sum().packets,
            Sort::Age => u64::MAX - self.first_seen,
            Sort::Recent => self.last_seen,
        }
    }
}

/// ICMP's type and code stand where ports do, and those of an answer are others.
fn sides(key: &FlowKey) -> (Side, Side) {
    let icmp = matches!(Protocol::of(key.protocol), Protocol::Icmp | Protocol::Icmpv6);
    let port = |port| if icmp { 0 } else { port };
    (
        Side { address: key.source, port: port(key.source_port) },
        Side { address: key.destination, port: port(key.destination_port) },
    )
}

/// The same for both ways.
fn name(key: &FlowKey) -> FlowKey {
    let (from, to) = sides(key);
    let (low, high) = if from <= to { (from, to) } else { (to, from) };
    // A GTP-U tunnel is one way, numbered by who receives.
    let one_way = Tunnel::of(key.kind) == Some(Tunnel::Gtpu);
    FlowKey {
        vlans: if one_way { [key.vlans[0], 0, 0] } else { key.vlans },
        source: low.address,
        source_port: low.port,
        destination: high.address,
        destination_port: high.port,
        kind: key.kind & !EGRESS,
        ..*key
    }
}

/// The first `n` conversations of these flows in the order of `sort`, ties by key.
#[must_use]
pub fn conversations<'a>(
    flows: impl Iterator<Item = (&'a FlowKey, &'a Flow)>,
    n: usize,
    sort: Sort,
) -> Vec<Conversation> {
    // Flows come in no order, and who of two was first in the same nanosecond must not depend on it.
    let mut flows: Vec<_> = flows.collect();
    flows.sort_unstable_by_key(|(key, flow)| (flow.first_seen, **key));
    let mut all: HashMap<FlowKey, Conversation> = HashMap::new();
    for (key, flow) in flows {
        all.entry(name(key)).or_insert_with(|| Conversation::new(key, flow)).add(key, flow);
    }
    let mut all: Vec<_> = all.into_values().collect();
    all.sort_unstable_by(|a, b| b.weight(sort).cmp(&a.weight(sort)).then(a.key.cmp(&b.key)));
    all.truncate(n);
    all
}
