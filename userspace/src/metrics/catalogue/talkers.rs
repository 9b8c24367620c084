//! The busiest flows, hosts, ports and conversations. The rest of each table is one series whose main label is `other`, so
//! that a family sums to all there was.

use super::{
    super::encode::{Label, Samples},
    Family, counter,
};
use crate::report::{Count, Dimension, Direction, Party, Snapshot, Talker, Talkers};

/// What the rest goes by.
const OTHER: Label<'static> = Label::Text("other");
const NONE: Label<'static> = Label::Text("");

const FLOW: &[&str] = &[
    "interface",
    "direction",
    "protocol",
    "vlan",
    "tunnel",
    "source",
    "source_port",
    "source_name",
    "destination",
    "destination_port",
    "destination_name",
];
const HOST: &[&str] = &["interface", "direction", "host"];
const PORT: &[&str] = &["interface", "direction", "protocol", "port"];
const CONVERSATION: &[&str] = &[
    "interface",
    "protocol",
    "local",
    "local_port",
    "local_name",
    "remote",
    "remote_port",
    "remote_name",
];

pub(in super::super) const FAMILIES: &[Family] = &[
    counter(
        "wireledger_top_flow_packets_total",
        FLOW,
        "Packets of the busiest flows; source is other for the rest.",
        |snapshot, out| flows(snapshot, out, |count| count.packets),
    ),
    counter(
        "wireledger_top_flow_bytes_total",
        FLOW,
        "Bytes of the busiest flows; source is other for the rest.",
        |snapshot, out| flows(snapshot, out, |count| count.bytes),
    ),
    counter(
        "wireledger_top_host_packets_total",
        HOST,
        "Packets of the busiest hosts; host is other for the rest.",
        |snapshot, out| hosts(snapshot, out, |count| count.packets),
    ),
    counter(
        "wireledger_top_host_bytes_total",
        HOST,
        "Bytes of the busiest hosts; host is other for the rest.",
        |snapshot, out| hosts(snapshot, out, |count| count.bytes),
    ),
    counter(
        "wireledger_top_port_packets_total",
        PORT,
        "Packets of the busiest ports; port is other for the rest.",
        |snapshot, out| ports(snapshot, out, |count| count.packets),
    ),
    counter(
        "wireledger_top_port_bytes_total",
        PORT,
        "Bytes of the busiest ports; port is other for the rest.",
        |snapshot, out| ports(snapshot, out, |count| count.bytes),
    ),
    counter(
        "wireledger_top_conversation_packets_total",
        CONVERSATION,
        "Packets of the busiest conversations, both directions; local is other for the rest.",
        |snapshot, out| conversations(snapshot, out, |count| count.packets),
    ),
    counter(
        "wireledger_top_conversation_bytes_total",
        CONVERSATION,
        "Bytes of the busiest conversations, both directions; local is other for the rest.",
        |snapshot, out| conversations(snapshot, out, |count| count.bytes),
    ),
];

type Get = fn(&Count) -> u64;

/// Series of these families, without looking at them.
pub(in super::super) fn series(snapshot: &Snapshot) -> usize {
    snapshot.talkers.iter().map(|talkers| 2 * (talkers.lines.len() + 1)).sum()
}

fn of(snapshot: &Snapshot, dimension: Dimension) -> impl Iterator<Item = &Talkers> {
    snapshot.talkers.iter().filter(move |talkers| talkers.dimension == dimension)
}

fn place(talkers: &Talkers) -> [Label<'_>; 2] {
    let direction = talkers.direction.map(Direction::label);
    [Label::from(&talkers.interface), direction.into()]
}

fn flows(snapshot: &Snapshot, out: &mut Samples<'_>, get: Get) {
    for talkers in of(snapshot, Dimension::Flow) {
        let [interface, direction] = place(talkers);
        for Talker { party, count } in &talkers.lines {
            let Party::Flow {
                protocol,
                vlans,
                tunnel,
                source,
                source_port,
                destination,
                destination_port,
                source_name,
                destination_name,
            } = party
            else {
                continue;
            };
            let labels = [
                interface,
                direction,
                protocol.into(),
                Label::Vlans(vlans),
                tunnel.as_ref().into(),
                (*source).into(),
                (*source_port).into(),
                source_name.as_deref().into(),
                (*destination).into(),
                (*destination_port).into(),
                destination_name.as_deref().into(),
            ];
            out.add(&labels, get(count));
        }
        let mut rest = [NONE; FLOW.len()];
        (rest[0], rest[1], rest[5]) = (interface, direction, OTHER);
        out.add(&rest, get(&talkers.other));
    }
}

fn hosts(snapshot: &Snapshot, out: &mut Samples<'_>, get: Get) {
    for talkers in of(snapshot, Dimension::Host) {
        let [interface, direction] = place(talkers);
        for Talker { party, count } in &talkers.lines {
            let Party::Host { host } = party else { continue };
            out.add(&[interface, direction, host.into()], get(count));
        }
        out.add(&[interface, direction, OTHER], get(&talkers.other));
    }
}

fn ports(snapshot: &Snapshot, out: &mut Samples<'_>, get: Get) {
    for talkers in of(snapshot, Dimension::Port) {
        let [interface, direction] = place(talkers);
        for Talker { party, count } in &talkers.lines {
            let Party::Port { protocol, port } = party else { continue };
            out.add(&[interface, direction, protocol.into(), port.into()], get(count));
        }
        out.add(&[interface, direction, NONE, OTHER], get(&talkers.other));
    }
}

fn conversations(snapshot: &Snapshot, out: &mut Samples<'_>, get: Get) {
    for talkers in of(snapshot, Dimension::Conversation) {
        let [interface, _] = place(talkers);
        for Talker { party, count } in &talkers.lines {
            let Party::Conversation {
                protocol,
                local,
                local_port,
                remote,
                remote_port,
                local_name,
                remote_name,
            } = party
            else {
                continue;
            };
            let labels = [
                interface,
                protocol.into(),
                (*local).into(),
                (*local_port).into(),
                local_name.as_deref().into(),
                (*remote).into(),
                (*remote_port).into(),
                remote_name.as_deref().into(),
            ];
            out.add(&labels, get(count));
        }
        let mut rest = [NONE; CONVERSATION.len()];
        (rest[0], rest[2]) = (interface, OTHER);
        out.add(&rest, get(&talkers.other));
    }
}
