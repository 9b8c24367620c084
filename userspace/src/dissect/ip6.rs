//! IPv6 (RFC 8200) and its chain of extension headers.

use std::io;

use super::{
    Description, Fault, Layer, Protocol,
    field::Spec,
    names::{self, protocol},
    sink::{Area, Sink, emit},
    tlv::{self, Known, Rule, Tlvs},
    walk::{Next, Span, Step, Walk},
};

pub(super) const HEADER: usize = 40;

pub(super) const VERSION: Spec = Spec::uint("version", "Version", 0, 1).bits(0xf0);
pub(super) const TRAFFIC_CLASS: Spec =
    Spec::hex("traffic_class", "Traffic class", 0, 2).bits(0x0ff0);
const DSCP: Spec = Spec::uint("dscp", "DSCP", 0, 2).bits(0x0fc0).named(names::dscp);
const ECN: Spec = Spec::uint("ecn", "ECN", 0, 2).bits(0x0030).named(names::ecn);
pub(super) const FLOW_LABEL: Spec = Spec::hex("flow_label", "Flow label", 0, 4).bits(0x000f_ffff);
pub(super) const PAYLOAD_LENGTH: Spec = Spec::uint("payload_length", "Payload length", 4, 2);
pub(super) const NEXT_HEADER: Spec =
    Spec::uint("next_header", "Next header", 6, 1).named(names::next_protocol);
pub(super) const HOP_LIMIT: Spec = Spec::uint("hop_limit", "Hop limit", 7, 1);
pub(super) const SOURCE: Spec = Spec::ipv6("source", "Source", 8);
pub(super) const DESTINATION_ADDRESS: Spec = Spec::ipv6("destination", "Destination", 24);

pub(super) const IPV6: Description = Description::new(
    "ipv6",
    "Internet Protocol Version 6",
    &[
        VERSION,
        TRAFFIC_CLASS,
        DSCP,
        ECN,
        FLOW_LABEL,
        PAYLOAD_LENGTH,
        NEXT_HEADER,
        HOP_LIMIT,
        SOURCE,
        DESTINATION_ADDRESS,
    ],
);

/// What every extension header begins with.
pub(super) const NEXT: Spec =
    Spec::uint("next_header", "Next header", 0, 1).named(names::next_protocol);
/// In units of 8 bytes, the first 8 not counted.
pub(super) const LENGTH: Spec = Spec::uint("length", "Length", 1, 1);

pub(super) const HOP_BY_HOP: Description =
    Description::new("hop_by_hop", "IPv6 hop-by-hop options", &[NEXT, LENGTH]).with(emit_options);
pub(super) const DESTINATION: Description =
    Description::new("destination_options", "IPv6 destination options", &[NEXT, LENGTH])
        .with(emit_options);

const KIND: Spec = Spec::hex("kind", "Kind", 0, 1);
const OPTION_LENGTH: Spec = Spec::uint("length", "Length", 1, 1);

/// RFC 8200 section 4.2: Pad1 is a single byte, the others do not count their first two.
static RULE: Rule = Rule {
    head: &[KIND, OPTION_LENGTH],
    singles: 1,
    end: None,
    kind: KIND,
    length: |bytes| OPTION_LENGTH.get(bytes).map(|length| length as usize + 2),
    least: 2,
    align: 1,
    called: "option with its head",
};

/// IPv6 option types (IANA).
pub(super) mod kind {
    pub(in crate::dissect) const PAD_1: u64 = 0x00;
    pub(in crate::dissect) const PAD_N: u64 = 0x01;
    pub(in crate::dissect) const ROUTER_ALERT: u64 = 0x05;
    pub(in crate::dissect) const JUMBO: u64 = 0xc2;
    pub(in crate::dissect) const HOME_ADDRESS: u64 = 0xc9;
}

pub(super) const ALERT: Spec = Spec::uint("value", "Value", 2, 2);
/// RFC 2675 section 2.
pub(super) const JUMBO_LENGTH: Spec = Spec::uint("payload_length", "Payload length", 2, 4);
pub(super) const HOME_ADDRESS: Spec = Spec::ipv6("address", "Address", 2);

const DATA: &[Spec] = &[Spec::bytes("data", "Data", 2, 0)];

const OPTIONS: &[Known] = &[
    Known { number: kind::PAD_1, name: "pad1", label: "Pad1", fields: &[] },
    Known { number: kind::PAD_N, name: "padn", label: "PadN", fields: &[] },
    Known {
        number: 0x04,
        name: "tunnel_limit",
        label: "Tunnel encapsulation limit",
        fields: &[Spec::uint("limit", "Limit", 2, 1)],
    },
    Known {
        number: kind::ROUTER_ALERT,
        name: "router_alert",
        label: "Router alert",
        fields: &[ALERT],
    },
    Known { number: 0x07, name: "calipso", label: "CALIPSO", fields: DATA },
    Known { number: 0x26, name: "quick_start", label: "Quick start", fields: DATA },
    Known { number: 0x31, name: "ioam", label: "In situ OAM", fields: DATA },
    Known { number: 0x63, name: "rpl", label: "RPL", fields: DATA },
    Known { number: kind::JUMBO, name: "jumbo", label: "Jumbo payload", fields: &[JUMBO_LENGTH] },
    Known {
        number: kind::HOME_ADDRESS,
        name: "home_address",
        label: "Home address",
        fields: &[HOME_ADDRESS],
    },
];

/// The options of a hop-by-hop or destination header.
pub(super) fn options(bytes: &[u8], length: usize) -> Tlvs<'_> {
    const HEAD: usize = 2;
    Tlvs::over(&RULE, bytes.get(HEAD..).unwrap_or_default(), length.saturating_sub(HEAD))
}

fn emit_options(layer: &Layer<'_>, sink: &mut dyn Sink) -> io::Result<()> {
    let options = options(layer.bytes, layer.length);
    tlv::emit_all(("options", "Options"), options, OPTIONS, layer.offset + 2, sink)
}

pub(super) const ROUTING_TYPE: Spec = Spec::uint("type", "Type", 2, 1).named(routing_name);
pub(super) const SEGMENTS_LEFT: Spec = Spec::uint("segments_left", "Segments left", 3, 1);
pub(super) const LAST_ENTRY: Spec = Spec::uint("last_entry", "Last entry", 4, 1);
pub(super) const ROUTING_FLAGS: Spec = Spec::hex("flags", "Flags", 5, 1);
pub(super) const TAG: Spec = Spec::hex("tag", "Tag", 6, 2);
pub(super) const SEGMENTS_AT: usize = 8;

/// Behind the fixed fields, by type: `addresses` (0, 2), `segments` (4), compressed `addresses` as bytes (3).
pub(super) const ROUTING: Description = Description::new(
    "routing",
    "IPv6 routing header",
    &[NEXT, LENGTH, ROUTING_TYPE, SEGMENTS_LEFT],
)
.with(emit_routing);

fn routing_name(number: u64) -> Option<&'static str> {
    match number {
        0 => Some("Source route, deprecated"),
        2 => Some("Mobile IPv6"),
        3 => Some("RPL source route"),
        4 => Some("Segment routing"),
        _ => None,
    }
}

fn emit_routing(layer: &Layer<'_>, sink: &mut dyn Sink) -> io::Result<()> {
    const ADDRESSES: &[Spec] =
        &[Spec::hex("reserved", "Reserved", 4, 4), Spec::ipv6("addresses", "Address", 8).list()];
    /// RFC 6554 section 3.
    const RPL: &[Spec] = &[
        Spec::uint("compressed", "Prefix not sent", 4, 1).bits(0xf0),
        Spec::uint("compressed_last", "Prefix of the last not sent", 4, 1).bits(0x0f),
        Spec::uint("pad", "Padding", 5, 1).bits(0xf0),
        Spec::bytes("addresses", "Addresses", SEGMENTS_AT, 0),
    ];
    const SEGMENTS: &[Spec] =
        &[LAST_ENTRY, ROUTING_FLAGS, TAG, Spec::ipv6("segments", "Segment", SEGMENTS_AT).list()];
    const TLVS: &[Spec] = &[Spec::bytes("tlvs", "TLVs", 0, 0)];
    const DATA: &[Spec] = &[Spec::bytes("data", "Data", 4, 0)];
    match layer.of(&ROUTING_TYPE) {
        0 | 2 => emit(ADDRESSES, layer.area(), sink),
        3 => emit(RPL, layer.area(), sink),
        4 => {
            let end = segments_end(layer);
            let bytes = layer.bytes.get(..end).unwrap_or(layer.bytes);
            emit(SEGMENTS, Area { bytes, offset: layer.offset }, sink)?;
            emit(TLVS, rest(layer, end), sink)
        }
        _ => emit(DATA, layer.area(), sink),
    }
}

/// The segments fill up to the last entry (RFC 8754 section 2), and never more than the header.
fn segments_end(layer: &Layer<'_>) -> usize {
    (SEGMENTS_AT + 16 * (layer.of(&LAST_ENTRY) as usize + 1)).min(layer.length)
}

fn rest<'a>(layer: &Layer<'a>, at: usize) -> Area<'a> {
    Area { bytes: layer.bytes.get(at..).unwrap_or_default(), offset: layer.offset + at }
}

/// The addresses of a routing header that holds whole ones.
pub(super) fn segments<'a>(layer: &Layer<'a>) -> std::slice::ChunksExact<'a, u8> {
    let end = match layer.of(&ROUTING_TYPE) {
        0 | 2 => layer.bytes.len(),
        4 => segments_end(layer),
        _ => 0,
    };
    layer.bytes.get(SEGMENTS_AT..end.min(layer.bytes.len())).unwrap_or_default().chunks_exact(16)
}

/// In bytes.
pub(super) const FRAGMENT_OFFSET: Spec =
    Spec::uint("fragment_offset", "Fragment offset", 2, 2).bits(0xfff8).times(8);
const FRAGMENT_RESERVED: Spec = Spec::hex("reserved", "Reserved", 1, 1);
const FRAGMENT_BITS: Spec = Spec::uint("reserved_bits", "Reserved bits", 2, 2).bits(0x0006);
pub(super) const MORE_FRAGMENTS: Spec = Spec::flag("mf", "More fragments", 2, 2, 0x0001);
pub(super) const FRAGMENT_ID: Spec = Spec::hex("id", "Identification", 4, 4);

/// RFC 8200 section 4.5.
pub(super) const FRAGMENT: Description = Description::new(
    "fragment",
    "IPv6 fragment header",
    &[NEXT, FRAGMENT_RESERVED, FRAGMENT_OFFSET, FRAGMENT_BITS, MORE_FRAGMENTS, FRAGMENT_ID],
);

pub(super) const MOBILITY_TYPE: Spec = Spec::uint("type", "Type", 2, 1).named(mobility_name);

/// RFC 6275 section 6.1.
pub(super) const MOBILITY: Description = Description::new(
    "mobility",
    "IPv6 mobility header",
    &[
        NEXT,
        LENGTH,
        MOBILITY_TYPE,
        Spec::hex("checksum", "Checksum", 4, 2),
        Spec::bytes("data", "Data", 6, 0),
    ],
);

pub(super) fn mobility_name(number: u64) -> Option<&'static str> {
    const NAMES: [&str; 8] = ["BRR", "HoTI", "CoTI", "HoT", "CoT", "BU", "BA", "BE"];
    NAMES.get(number as usize).copied()
}

pub(super) fn walk(walk: &mut Walk<'_>, span: Span) -> Step {
    walk.six = true;
    let bytes = walk.push(Protocol::Ipv6, span, HEADER);
    if VERSION.get(bytes).is_some_and(|version| version != 6) {
        walk.worst(Fault::Wrong("version", VERSION.of(bytes)));
        return None;
    }
    if !walk.is_whole() {
        return None;
    }
    let rest = span.behind(HEADER);
    let next = NEXT_HEADER.of(bytes) as u8;
    let length = payload_length(walk, bytes, rest);
    let rest = walk.ends_as_said(rest, length, "payload length");
    Some((Next::Protocol(next), rest))
}

/// Bytes behind the header. 0 in the field is what a jumbo payload option says (RFC 2675), nothing where no header
/// follows, and else "the frame's": Linux BIG TCP.
fn payload_length(walk: &Walk<'_>, bytes: &[u8], rest: Span) -> usize {
    let length = PAYLOAD_LENGTH.of(bytes) as usize;
    match (length, NEXT_HEADER.of(bytes) as u8) {
        (0, protocol::NO_NEXT) => 0,
        (0, protocol::HOP_BY_HOP) => jumbo(walk.captured(rest)).unwrap_or(rest.room()),
        (0, _) => rest.room(),
        (length, _) => length,
    }
}

fn jumbo(bytes: &[u8]) -> Option<usize> {
    let header = extension_length(bytes)?;
    options(bytes.get(..header).unwrap_or(bytes), header)
        .find(|option| option.kind == kind::JUMBO && option.fault.is_none())
        .and_then(|option| JUMBO_LENGTH.get(option.bytes))
        .map(|length| length as usize)
}

fn extension_length(bytes: &[u8]) -> Option<usize> {
    Some((LENGTH.get(bytes)? as usize + 1) * 8)
}

/// The extension headers; `None` for a number that is none.
pub(super) fn extension(walk: &mut Walk<'_>, number: u8, span: Span) -> Option<Step> {
    let protocol = match number {
        protocol::HOP_BY_HOP => Protocol::HopByHop,
        protocol::DESTINATION => Protocol::DestinationOptions,
        protocol::ROUTING => Protocol::Routing,
        protocol::MOBILITY => Protocol::Mobility,
        protocol::FRAGMENT => return Some(fragment(walk, span)),
        _ => return None,
    };
    let header = extension_length(walk.captured(span)).unwrap_or(8);
    let bytes = walk.push(protocol, span, header);
    let next = NEXT.of(bytes) as u8;
    if !walk.is_whole() || (protocol == Protocol::Mobility && next == protocol::NO_NEXT) {
        return Some(None);
    }
    Some(Some((Next::Protocol(next), span.behind(header))))
}

fn fragment(walk: &mut Walk<'_>, span: Span) -> Step {
    const HEADER: usize = 8;
    let bytes = walk.push(Protocol::Fragment, span, HEADER);
    if !walk.is_whole() {
        return None;
    }
    if FRAGMENT_OFFSET.is_set(bytes) {
        return Some((Next::Payload, span.behind(HEADER)));
    }
    walk.fragmented = MORE_FRAGMENTS.is_set(bytes);
    Some((Next::Protocol(NEXT.of(bytes) as u8), span.behind(HEADER)))
}
