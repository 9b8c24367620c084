//! Who talks most, as a face shows it.

use std::{net::IpAddr, sync::Arc};

use wireledger_common::abi::{
    flow::{FRAGMENT, FlowKey},
    protocol::Protocol,
};

use super::{Count, Direction, Tunnel, vlans};
use crate::flows::talkers::{Member, Table, address, has_ports, port_of};

pub use crate::flows::talkers::{Dimension, Sizes};

/// One table of an interface. `other` and the counts of all lines are what is on the interface's ledger, in the same snapshot: see
/// [`super::InterfaceTotals::ledger`].
#[derive(Clone, Debug, PartialEq)]
pub struct Talkers {
    /// By what its lines are told apart.
    pub dimension: Dimension,
    /// Interface name.
    pub interface: String,
    /// Direction; none for both together.
    pub direction: Option<Direction>,
    /// Those who talk most, most bytes first.
    pub lines: Vec<Talker>,
    /// Everything else, what is in no flow included.
    pub other: Count,
}

/// One of those who talk most.
#[derive(Clone, Debug, PartialEq)]
pub struct Talker {
    /// Who.
    pub party: Party,
    /// What was counted since it is among them.
    pub count: Count,
}

/// How many series an answer may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Budget {
    /// All of them.
    pub max_series: usize,
    /// Entries of each table; none when not even the rest of each table has room, and there are no tables.
    pub sizes: Option<Sizes>,
}

/// No bound, and no tables.
impl Default for Budget {
    fn default() -> Self {
        Self { max_series: usize::MAX, sizes: None }
    }
}

/// Who talks. No two of a table are alike.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Party {
    /// A flow.
    Flow {
        /// Protocol class, `ip-proto-N` for a number without one.
        protocol: String,
        /// VLAN ids, outermost first.
        vlans: Vec<u16>,
        /// The tunnel that an inner flow came out of.
        tunnel: Option<Tunnel>,
        /// Source address.
        source: IpAddr,
        /// Source port; the type for ICMP and ICMPv6; none for protocols and fragments without.
        source_port: Option<u16>,
        /// Destination address.
        destination: IpAddr,
        /// Destination port; the code for ICMP and ICMPv6.
        destination_port: Option<u16>,
        /// What the source is called.
        source_name: Option<Arc<str>>,
        /// What the destination is called.
        destination_name: Option<Arc<str>>,
    },
    /// The far end: source of what comes in, destination of what goes out.
    Host {
        /// Its address, or what it is called.
        host: String,
    },
    /// A service.
    Port {
        /// As for flows.
        protocol: String,
        /// The lower port's number or name; empty for protocols and fragments without.
        port: String,
    },
    /// Two ends, both directions together, whatever VLAN or tunnel.
    Conversation {
        /// As for flows.
        protocol: String,
        /// The near end: destination of what comes in, source of what goes out.
        local: IpAddr,
        /// Its port.
        local_port: Option<u16>,
        /// The far end.
        remote: IpAddr,
        /// Its port.
        remote_port: Option<u16>,
        /// What the near end is called.
        local_name: Option<Arc<str>>,
        /// What the far end is called.
        remote_name: Option<Arc<str>>,
    },
}

impl Talkers {
    /// A table as it stands; `uncounted` is what is on the interface's ledger and in no flow.
    #[must_use]
    pub fn of(
        table: &Table,
        interface: &str,
        direction: Option<Direction>,
        uncounted: Count,
    ) -> Self {
        let mut members: Vec<_> = table.members().iter().collect();
        members.sort_unstable_by(|a, b| {
            b.count.bytes.cmp(&a.count.bytes).then_with(|| a.key.cmp(&b.key))
        });
        let line = |member: &Member| Talker {
            party: party(table.dimension(), member),
            count: member.count.into(),
        };
        Self {
            dimension: table.dimension(),
            interface: interface.to_owned(),
            direction,
            lines: members.into_iter().map(line).collect(),
            other: Count::from(table.other()) + uncounted,
        }
    }

    /// Everything in it.
    #[must_use]
    pub fn sum(&self) -> Count {
        self.other + self.lines.iter().map(|line| line.count).sum()
    }
}

fn party(dimension: Dimension, Member { key, called, .. }: &Member) -> Party {
    let [first, second] = called.clone();
    let protocol = protocol(key.protocol);
    let (from, to) = (address(key.kind, key.source), address(key.kind, key.destination));
    match dimension {
        Dimension::Flow => Party::Flow {
            protocol,
            vlans: vlans(key),
            tunnel: Tunnel::of(key),
            source: from,
            source_port: port(key, key.source_port),
            destination: to,
            destination_port: port(key, key.destination_port),
            source_name: first,
            destination_name: second,
        },
        Dimension::Host => {
            Party::Host { host: first.map_or_else(|| from.to_string(), |name| name.to_string()) }
        }
        Dimension::Port => {
            let number = || port_of(key).map(|port| port.to_string()).unwrap_or_default();
            Party::Port { protocol, port: first.map_or_else(number, |name| name.to_string()) }
        }
        Dimension::Conversation => {
            let ports = has_ports(key.protocol) && key.kind & FRAGMENT == 0;
            Party::Conversation {
                protocol,
                local: from,
                local_port: ports.then_some(key.source_port),
                remote: to,
                remote_port: ports.then_some(key.destination_port),
                local_name: first,
                remote_name: second,
            }
        }
    }
}

fn port(key: &FlowKey, port: u16) -> Option<u16> {
    let icmp = matches!(Protocol::of(key.protocol), Protocol::Icmp | Protocol::Icmpv6);
    ((has_ports(key.protocol) || icmp) && key.kind & FRAGMENT == 0).then_some(port)
}

fn protocol(number: u8) -> String {
    match Protocol::of(number) {
        Protocol::Other => format!("ip-proto-{number}"),
        class => class.label().to_owned(),
    }
}

#[cfg(test)]
mod tests;
