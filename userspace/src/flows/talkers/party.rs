//! Who talks, in each dimension: the part of a flow's key that a table's entries are told apart by.
//!
//! A party is a flow key with what its dimension does not show set to zero, so that two parties never look alike: what is shown of them
//! ([`crate::report`] has the labels) is all that they have.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use wireledger_common::abi::{
    flow::{EGRESS, FRAGMENT, FlowKey, IPV6},
    protocol::Protocol,
};

use crate::naming::{Name, Names};

/// By what traffic is told apart.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Dimension {
    /// The flow.
    Flow,
    /// The far end's address, or its name.
    Host,
    /// The protocol and the service's port.
    Port,
    /// Both ends, both directions together.
    Conversation,
}

impl Dimension {
    /// Every dimension in index order.
    pub const ALL: [Self; Self::COUNT] = [Self::Flow, Self::Host, Self::Port, Self::Conversation];
    /// How many there are.
    pub const COUNT: usize = 4;

    /// The label of tables.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Host => "host",
            Self::Port => "port",
            Self::Conversation => "conversation",
        }
    }

    /// Tables of an interface: one a direction, or one for both.
    #[must_use]
    pub const fn directions(self) -> usize {
        match self {
            Self::Flow | Self::Host | Self::Port => 2,
            Self::Conversation => 1,
        }
    }

    /// The party of a flow.
    #[inline]
    pub(super) fn party(self, key: &FlowKey, names: &Names) -> FlowKey {
        match self {
            Self::Flow => flow(key),
            Self::Host => host(key, names),
            Self::Port => port(key, names),
            Self::Conversation => conversation(key),
        }
    }
}

/// Set in [`FlowKey::kind`] of a party that is a name, whose number is where the interface's would be.
const NAMED: u8 = 1 << 7;
/// Set in [`FlowKey::kind`] of a port's party that has a port.
const PORT: u8 = 1 << 6;

/// Whether packets of a protocol have ports.
#[must_use]
pub const fn has_ports(protocol: u8) -> bool {
    matches!(
        Protocol::of(protocol),
        Protocol::Tcp | Protocol::Udp | Protocol::Sctp | Protocol::Dccp | Protocol::UdpLite
    )
}

const fn is_icmp(protocol: u8) -> bool {
    matches!(Protocol::of(protocol), Protocol::Icmp | Protocol::Icmpv6)
}

/// One number for those that share a label: IPv4 and IPv6 in IP.
const fn one_protocol(protocol: u8) -> u8 {
    if matches!(Protocol::of(protocol), Protocol::Ipip) { 4 } else { protocol }
}

fn flow(key: &FlowKey) -> FlowKey {
    let mut party = FlowKey { interface: 0, kind: key.kind & !EGRESS, ..*key };
    if !has_ports(key.protocol) && !is_icmp(key.protocol) {
        // Nothing would tell these fragments from whole packets.
        party.kind &= !FRAGMENT;
        party.protocol = one_protocol(key.protocol);
        (party.source_port, party.destination_port) = (0, 0);
    } else if key.kind & FRAGMENT != 0 {
        (party.source_port, party.destination_port) = (0, 0);
    }
    party
}

fn conversation(key: &FlowKey) -> FlowKey {
    let mut party = FlowKey {
        protocol: one_protocol(key.protocol),
        kind: key.kind & (IPV6 | FRAGMENT),
        source: key.source,
        destination: key.destination,
        ..FlowKey::default()
    };
    if !has_ports(key.protocol) {
        party.kind &= !FRAGMENT;
    } else if key.kind & FRAGMENT == 0 {
        party.source_port = key.source_port;
        party.destination_port = key.destination_port;
    }
    // The local end stands in the source's place: the destination of what comes in.
    if key.kind & EGRESS == 0 {
        std::mem::swap(&mut party.source, &mut party.destination);
        std::mem::swap(&mut party.source_port, &mut party.destination_port);
    }
    party
}

fn host(key: &FlowKey, names: &Names) -> FlowKey {
    let far = if key.kind & EGRESS == 0 { key.source } else { key.destination };
    let kind = key.kind & IPV6;
    if !names.is_empty()
        && let Some(name) = names.host(address(kind, far))
    {
        return named(0, name);
    }
    FlowKey { source: far, kind, ..FlowKey::default() }
}

/// The lower of both ports, which is the service's more often than not; the lower of those that have a name, if one has.
fn port(key: &FlowKey, names: &Names) -> FlowKey {
    let protocol = one_protocol(key.protocol);
    let party = FlowKey { protocol, ..FlowKey::default() };
    if !has_ports(key.protocol) || key.kind & FRAGMENT != 0 {
        return party;
    }
    let low = key.source_port.min(key.destination_port);
    let high = key.source_port.max(key.destination_port);
    let name = || names.port(protocol, low).or_else(|| names.port(protocol, high));
    if !names.is_empty()
        && let Some(name) = name()
    {
        return named(protocol, name);
    }
    FlowKey { source_port: low, kind: PORT, ..party }
}

const fn named(protocol: u8, Name(number): Name) -> FlowKey {
    FlowKey {
        source: [0; 16],
        destination: [0; 16],
        source_port: 0,
        destination_port: 0,
        interface: number,
        vlans: [0; 3],
        protocol,
        kind: NAMED,
    }
}

/// An address of a key, by its kind.
#[must_use]
pub fn address(kind: u8, bytes: [u8; 16]) -> IpAddr {
    if kind & IPV6 != 0 {
        Ipv6Addr::from(bytes).into()
    } else {
        Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into()
    }
}

/// The names of a party: of both ends, or its own in the first place.
pub(super) type Called = [Option<Arc<str>>; 2];

/// What names say of a party.
pub(super) fn called(dimension: Dimension, party: &FlowKey, names: &Names) -> Called {
    let text = |name| Arc::clone(names.text(name));
    match dimension {
        Dimension::Flow | Dimension::Conversation => [party.source, party.destination]
            .map(|bytes| names.host(address(party.kind, bytes)).map(text)),
        Dimension::Host | Dimension::Port => {
            [(party.kind & NAMED != 0).then(|| text(Name(party.interface))), None]
        }
    }
}

/// A party under new names: the same as before, or `None` where it is called otherwise now.
pub(super) fn renamed(
    dimension: Dimension,
    party: &FlowKey,
    was: &Called,
    names: &Names,
) -> Option<FlowKey> {
    match (dimension, &was[0]) {
        (Dimension::Flow | Dimension::Conversation, _) => {
            (called(dimension, party, names) == *was).then_some(*party)
        }
        (Dimension::Host | Dimension::Port, Some(name)) => {
            names.find(name).map(|name| named(party.protocol, name))
        }
        (Dimension::Host, None) => {
            names.host(address(party.kind, party.source)).is_none().then_some(*party)
        }
        (Dimension::Port, None) => {
            let name = names.port(party.protocol, party.source_port);
            (party.kind & PORT == 0 || name.is_none()).then_some(*party)
        }
    }
}

/// The port of a port's party: none without, and for one that is a name.
#[must_use]
pub const fn port_of(party: &FlowKey) -> Option<u16> {
    if party.kind & PORT != 0 { Some(party.source_port) } else { None }
}
