//! A flow as a face shows it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use wireledger_common::{
    abi::{
        flow::{self, EGRESS, FRAGMENT, FlowKey, VLAN_ID, VLAN_PRESENT},
        protocol::Protocol,
    },
    wire::tcp_flags,
};

use super::Direction;
use crate::flows::{Flow, talkers};

/// A flow with its interface's name and its times told.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct FlowLine {
    /// Interface name; its index where the name is forgotten.
    pub interface: String,
    /// Direction.
    pub direction: Direction,
    /// VLAN ids, outermost first; of an inner flow its own outermost one.
    pub vlans: Vec<u16>,
    /// The tunnel that an inner flow came out of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<Tunnel>,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Source port; none for protocols and fragments without.
    pub source_port: Option<u16>,
    /// Destination port.
    pub destination_port: Option<u16>,
    /// ICMP or ICMPv6 type.
    pub icmp_type: Option<u16>,
    /// ICMP or ICMPv6 code.
    pub icmp_code: Option<u16>,
    /// Protocol class, as in metrics.
    pub protocol: String,
    /// IP protocol number.
    pub protocol_number: u8,
    /// Fragments whose ports are not known.
    pub fragment: bool,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// Time of the first packet.
    pub first_seen: f64,
    /// Time of the latest packet.
    pub last_seen: f64,
    /// Every TCP flag that was seen.
    pub tcp_flags: Vec<String>,
    /// TCP flags of the first packet.
    pub tcp_flags_first: Vec<String>,
    /// Packets with SYN.
    pub syn: u64,
    /// Packets with FIN.
    pub fin: u64,
    /// Packets with RST.
    pub rst: u64,
    /// Fragments.
    pub fragments: u64,
    /// Lowest TTL or hop limit.
    pub ttl_min: u8,
    /// Highest TTL or hop limit.
    pub ttl_max: u8,
    /// DSCP of the latest packet.
    pub dscp: u8,
    /// Shortest frame, bytes.
    pub length_min: u32,
    /// Longest frame, bytes.
    pub length_max: u32,
    /// Identifier of the first ICMP echo packet.
    pub echo_id: Option<u16>,
}

/// The tunnel that an inner flow came out of.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Tunnel {
    /// `ip`, `gre`, `vxlan`, `geneve` or `gtpu`.
    pub kind: String,
    /// Its number: VNI, GRE key or TEID; 0 where there is none.
    pub number: u32,
}

impl Tunnel {
    /// The tunnel of an inner flow.
    #[must_use]
    pub fn of(key: &FlowKey) -> Option<Self> {
        let tunnel = flow::Tunnel::of(key.kind)?;
        Some(Self { kind: tunnel.label().to_owned(), number: flow::Tunnel::number(key) })
    }
}

impl FlowLine {
    /// A flow with its interface's name and its times told.
    #[must_use]
    pub fn new(key: &FlowKey, flow: &Flow, interface: String, seen: (f64, f64)) -> Self {
        let class = Protocol::of(key.protocol);
        let icmp = matches!(class, Protocol::Icmp | Protocol::Icmpv6);
        let fragment = key.kind & FRAGMENT != 0;
        let has_ports = talkers::has_ports(key.protocol);
        let port = |port: u16| (has_ports && !fragment).then_some(port);
        let kind = |field: u16| (icmp && !fragment).then_some(field);
        Self {
            interface,
            direction: Direction::of(key.kind & EGRESS != 0),
            vlans: vlans(key),
            tunnel: Tunnel::of(key),
            source: address(key, key.source),
            destination: address(key, key.destination),
            source_port: port(key.source_port),
            destination_port: port(key.destination_port),
            icmp_type: kind(key.source_port),
            icmp_code: kind(key.destination_port),
            protocol: class.label().to_owned(),
            protocol_number: key.protocol,
            fragment,
            packets: flow.packets,
            bytes: flow.bytes,
            first_seen: seen.0,
            last_seen: seen.1,
            tcp_flags: flag_names(flow.tcp_flags),
            tcp_flags_first: flag_names(flow.tcp_flags_first),
            syn: flow.syn,
            fin: flow.fin,
            rst: flow.rst,
            fragments: flow.fragments,
            ttl_min: flow.ttl_min,
            ttl_max: flow.ttl_max,
            dscp: flow.dscp,
            length_min: flow.length_min,
            length_max: flow.length_max,
            echo_id: (icmp && flow.echo_id != 0).then_some(flow.echo_id),
        }
    }

    /// Where it comes from: `10.0.0.1:443`, `[2001:db8::1]:443`, or the address alone.
    #[must_use]
    pub fn from(&self) -> String {
        endpoint(self.source, self.source_port)
    }

    /// Where it goes.
    #[must_use]
    pub fn to(&self) -> String {
        endpoint(self.destination, self.destination_port)
    }
}

fn endpoint(address: IpAddr, port: Option<u16>) -> String {
    match port {
        Some(port) => std::net::SocketAddr::new(address, port).to_string(),
        None => address.to_string(),
    }
}

/// An address of a flow's key.
#[must_use]
pub fn address(key: &FlowKey, bytes: [u8; 16]) -> IpAddr {
    talkers::address(key.kind, bytes)
}

/// A key's VLAN ids, outermost first.
#[must_use]
pub fn vlans(key: &FlowKey) -> Vec<u16> {
    let tags = if key.kind & flow::TUNNEL == 0 { &key.vlans[..] } else { &key.vlans[..1] };
    let tags = tags.iter().filter(|&tag| tag & VLAN_PRESENT != 0);
    tags.map(|tag| tag & VLAN_ID).collect()
}

fn flag_names(flags: u16) -> Vec<String> {
    let set = tcp_flags::LABELS.into_iter().filter(|(flag, _)| flags & flag != 0);
    set.map(|(_, label)| label.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use wireledger_common::abi::flow::IPV6;

    use super::*;

    #[test]
    fn a_line_has_ports_only_where_the_protocol_does() {
        let mut key = FlowKey {
            source_port: 8,
            protocol: 1,
            vlans: [VLAN_PRESENT, VLAN_PRESENT | 7, 0],
            ..FlowKey::default()
        };
        let flow = Flow::new(&wireledger_common::abi::flow::Detail::default(), 0);
        let line = |key: &FlowKey| FlowLine::new(key, &flow, "eth0".to_owned(), (0.0, 0.0));
        let echo = line(&key);
        assert_eq!((echo.icmp_type, echo.icmp_code, echo.source_port), (Some(8), Some(0), None));
        assert_eq!(echo.vlans, [0, 7]);
        key.protocol = 17;
        assert_eq!(line(&key).from(), "0.0.0.0:8");
        key.kind = IPV6;
        assert_eq!(line(&key).to(), "[::]:0");
        key.kind = FRAGMENT;
        assert_eq!(line(&key).from(), "0.0.0.0");
    }
}
