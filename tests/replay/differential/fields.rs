//! The fields that are compared, by both names, and how each side writes them.
//!
//! A field's value is the list of all its values in the packet, outermost first: inner packets and those that ICMP errors
//! quote are compared with the outer ones.

use std::fmt::Write as _;

use serde_json::Value;
use wireledger_tests::tshark::{Field, Row, number};

/// One compared field.
pub(crate) struct Compared {
    /// tshark's name, and the name in the list of disagreements.
    pub(crate) name: &'static str,
    /// The layers that have it, and the key in each.
    layers: &'static [&'static str],
    key: &'static str,
    tshark: &'static [Field],
    /// tshark's unit in ours.
    times: u64,
}

const IPV4: &[&str] = &["ipv4"];
const IPV6: &[&str] = &["ipv6"];
const TCP: &[&str] = &["tcp"];
const UDP: &[&str] = &["udp", "udp_lite"];

const fn field(
    name: &'static str,
    layers: &'static [&'static str],
    key: &'static str,
    tshark: &'static [Field],
) -> Compared {
    Compared { name, layers, key, tshark, times: 1 }
}

const fn scaled(by: u64, compared: Compared) -> Compared {
    Compared { times: by, ..compared }
}

/// Keys that stand beside the layers.
const FRAME: &[&str] = &[];

/// Every compared field.
pub(crate) static ALL: [Compared; 53] = [
    field("frame.interface", FRAME, "interface", &[Field::InterfaceName]),
    field("frame.len", FRAME, "length", &[Field::Length]),
    field("frame.cap_len", FRAME, "captured", &[Field::Captured]),
    field("frame.time", FRAME, "time_ns", &[Field::Time]),
    field("vlan.id", &["vlan"], "id", &[Field::ProviderVlanId, Field::VlanId]),
    field("mpls.label", &["mpls"], "label", &[Field::MplsLabel]),
    field("ip.version", &["ipv4", "ipv6"], "version", &[Field::IpVersion]),
    field("ip.hdr_len", IPV4, "header_length", &[Field::IpHeader]),
    field("ip.dscp", IPV4, "dscp", &[Field::IpDscp]),
    field("ip.len", IPV4, "total_length", &[Field::IpLength]),
    field("ip.id", IPV4, "id", &[Field::IpId]),
    field("ip.flags.df", IPV4, "flags.df", &[Field::IpDf]),
    field("ip.flags.mf", IPV4, "flags.mf", &[Field::IpMf]),
    scaled(8, field("ip.frag_offset", IPV4, "fragment_offset", &[Field::IpOffset])),
    field("ip.ttl", IPV4, "ttl", &[Field::IpTtl]),
    field("ip.proto", IPV4, "protocol", &[Field::IpProtocol]),
    field("ip.src", IPV4, "source", &[Field::IpSource]),
    field("ip.dst", IPV4, "destination", &[Field::IpDestination]),
    field("ipv6.version", IPV6, "version", &[Field::Ipv6Version]),
    field("ipv6.dscp", IPV6, "dscp", &[Field::Ipv6Dscp]),
    field("ipv6.flow", IPV6, "flow_label", &[Field::Ipv6FlowLabel]),
    field("ipv6.plen", IPV6, "payload_length", &[Field::Ipv6Length]),
    field("ipv6.nxt", IPV6, "next_header", &[Field::Ipv6Next]),
    field("ipv6.hlim", IPV6, "hop_limit", &[Field::Ipv6HopLimit]),
    field("ipv6.src", IPV6, "source", &[Field::Ipv6Source]),
    field("ipv6.dst", IPV6, "destination", &[Field::Ipv6Destination]),
    field("ipv6.hopopts.nxt", &["hop_by_hop"], "next_header", &[Field::HopByHopNext]),
    field("ipv6.routing.nxt", &["routing"], "next_header", &[Field::RoutingNext]),
    field("ipv6.dstopts.nxt", &["destination_options"], "next_header", &[Field::DestinationNext]),
    field("ipv6.fraghdr.nxt", &["fragment"], "next_header", &[Field::FragmentNext]),
    scaled(
        8,
        field("ipv6.fraghdr.offset", &["fragment"], "fragment_offset", &[Field::FragmentOffset]),
    ),
    field("ipv6.fraghdr.more", &["fragment"], "mf", &[Field::FragmentMore]),
    field("ipv6.fraghdr.ident", &["fragment"], "id", &[Field::FragmentId]),
    field("ah.next_header", &["ah"], "next_header", &[Field::AhNext]),
    field("tcp.srcport", TCP, "source_port", &[Field::TcpSource]),
    field("tcp.dstport", TCP, "destination_port", &[Field::TcpDestination]),
    field("tcp.seq_raw", TCP, "sequence", &[Field::TcpSequence]),
    field("tcp.ack_raw", TCP, "acknowledgment", &[Field::TcpAcknowledgment]),
    field("tcp.hdr_len", TCP, "header_length", &[Field::TcpHeader]),
    field("tcp.flags", TCP, "flags", &[Field::TcpFlags]),
    field("tcp.window", TCP, "window", &[Field::TcpWindow]),
    field("tcp.urgent_pointer", TCP, "urgent_pointer", &[Field::TcpUrgent]),
    field("udp.srcport", UDP, "source_port", &[Field::UdpSource]),
    field("udp.dstport", UDP, "destination_port", &[Field::UdpDestination]),
    field("udp.length", &["udp"], "length", &[Field::UdpLength]),
    field("sctp.srcport", &["sctp"], "source_port", &[Field::SctpSource]),
    field("sctp.dstport", &["sctp"], "destination_port", &[Field::SctpDestination]),
    field("dccp.srcport", &["dccp"], "source_port", &[Field::DccpSource]),
    field("dccp.dstport", &["dccp"], "destination_port", &[Field::DccpDestination]),
    field("icmp.type", &["icmp"], "type", &[Field::IcmpType]),
    field("icmp.code", &["icmp"], "code", &[Field::IcmpCode]),
    field("icmpv6.type", &["icmpv6"], "type", &[Field::Icmpv6Type]),
    field("icmpv6.code", &["icmpv6"], "code", &[Field::Icmpv6Code]),
];

impl Compared {
    /// Our values in a packet's JSON, separated by commas.
    pub(crate) fn ours(&self, packet: &Value) -> String {
        let mut text = String::new();
        if self.layers.is_empty() {
            push(&mut text, &packet[self.key]);
        }
        for layer in packet["layers"].as_array().into_iter().flatten() {
            if layer["protocol"].as_str().is_some_and(|protocol| self.layers.contains(&protocol)) {
                let fields = &layer["fields"];
                match self.key.split_once('.') {
                    Some((outer, inner)) => push(&mut text, &fields[outer][inner]),
                    None if self.name == "tcp.flags" => push(&mut text, &tcp_flags(fields)),
                    None => push(&mut text, &fields[self.key]),
                }
            }
        }
        text
    }

    /// tshark's values, written like ours.
    pub(crate) fn theirs(&self, row: &Row) -> String {
        if self.name == "frame.time" {
            return nanoseconds(row.cell(Field::Time));
        }
        let mut text = String::new();
        for value in self.tshark.iter().flat_map(|&field| row.all(field)) {
            let separator = if text.is_empty() { "" } else { "," };
            let written = match number(value) {
                Some(number) => write!(text, "{separator}{}", number * self.times),
                // An interface without a name.
                None if value == "unknown" => Ok(()),
                None => write!(text, "{separator}{value}"),
            };
            written.expect("a String takes everything");
        }
        text
    }
}

fn push(text: &mut String, value: &Value) {
    let separator = if text.is_empty() { "" } else { "," };
    let written = match value {
        Value::Null => Ok(()),
        Value::Bool(set) => write!(text, "{separator}{}", u8::from(*set)),
        Value::String(shown) => write!(text, "{separator}{shown}"),
        other => write!(text, "{separator}{other}"),
    };
    written.expect("a String takes everything");
}

/// tshark's twelve bits: the three reserved ones stand before the nine flags (RFC 9293 section 3.1, RFC 9768).
fn tcp_flags(fields: &Value) -> Value {
    match (fields["reserved"].as_u64(), fields["flags"]["value"].as_u64()) {
        (Some(reserved), Some(flags)) => Value::from(reserved << 9 | flags),
        _ => Value::Null,
    }
}

/// Seconds, a point and nanoseconds: nine digits, or ten where the file has more than a second there. Nothing is 0: simple
/// packet blocks have no time.
pub(crate) fn nanoseconds(time: &str) -> String {
    let parse = |part: &str| part.parse().unwrap_or(0_u64);
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, ""));
    (parse(seconds) * 1_000_000_000 + parse(fraction)).to_string()
}
