//! From the first byte of the frame to the network header.
//!
//! Ethernet, VLAN tags, MPLS labels, PPPoE and PPP, LLC and SNAP, Linux cooked captures, BSD loopback.

use std::io;

use super::{
    Description, Fault, Layer, Protocol,
    field::Spec,
    names::{self, ether_type},
    sink::{Node, Sink, Value, emit_one},
    tlv::{self, Known, Rule, Tlvs},
    walk::{Next, Span, Step, Walk},
};

/// Longest 802.3 length (IEEE 802.3 clause 3.2.6); above it the field is an EtherType.
pub(super) const LENGTH_MAX: u16 = 1500;

pub(super) const DESTINATION: Spec = Spec::mac("destination", "Destination", 0);
pub(super) const SOURCE: Spec = Spec::mac("source", "Source", 6);
pub(super) const TYPE: Spec = Spec::hex("ether_type", "Type", 12, 2).named(names::ether_type_of);
const LENGTH: Spec = Spec::uint("length", "Length", 12, 2);

pub(super) const ETHERNET: Description =
    Description::new("ethernet", "Ethernet", &[DESTINATION, SOURCE]).with(|layer, sink| {
        let length = layer.of(&TYPE) <= u64::from(LENGTH_MAX);
        emit_one(if length { &LENGTH } else { &TYPE }, layer.area(), sink)
    });

/// IEEE 802.1Q clause 9.6.
pub(super) const PCP: Spec = Spec::uint("pcp", "Priority", 0, 2).bits(0xe000);
pub(super) const DEI: Spec = Spec::flag("dei", "Drop eligible", 0, 2, 0x1000);
pub(super) const VLAN_ID: Spec = Spec::uint("id", "VLAN id", 0, 2).bits(0x0fff);
pub(super) const VLAN_TYPE: Spec =
    Spec::hex("ether_type", "Type", 2, 2).named(names::ether_type_of);

pub(super) const VLAN: Description =
    Description::new("vlan", "VLAN tag", &[PCP, DEI, VLAN_ID, VLAN_TYPE]);

/// RFC 3032 section 2.1.
pub(super) const LABEL: Spec =
    Spec::uint("label", "Label", 0, 4).bits(0xffff_f000).named(names::mpls_label);
pub(super) const MPLS_CLASS: Spec = Spec::uint("tc", "Traffic class", 0, 4).bits(0xe00);
pub(super) const BOTTOM: Spec = Spec::flag("bottom", "Bottom of stack", 0, 4, 0x100);
pub(super) const MPLS_TTL: Spec = Spec::uint("ttl", "Time to live", 0, 4).bits(0xff);

pub(super) const MPLS: Description =
    Description::new("mpls", "MPLS label", &[LABEL, MPLS_CLASS, BOTTOM, MPLS_TTL]);

/// RFC 2516 section 4.
const PPPOE_VERSION: Spec = Spec::uint("version", "Version", 0, 1).bits(0xf0);
const PPPOE_TYPE: Spec = Spec::uint("type", "Type", 0, 1).bits(0x0f);
pub(super) const PPPOE_CODE: Spec = Spec::hex("code", "Code", 1, 1).named(names::pppoe_code);
pub(super) const SESSION: Spec = Spec::hex("session", "Session", 2, 2);
pub(super) const PPPOE_LENGTH: Spec = Spec::uint("length", "Length", 4, 2);
const PPPOE_HEADER: usize = 6;
const PPPOE_FIELDS: &[Spec] = &[PPPOE_VERSION, PPPOE_TYPE, PPPOE_CODE, SESSION, PPPOE_LENGTH];

pub(super) const PPPOE: Description =
    Description::new("pppoe", "PPP over Ethernet session", PPPOE_FIELDS);
pub(super) const PPPOE_DISCOVERY: Description =
    Description::new("pppoe_discovery", "PPP over Ethernet discovery", PPPOE_FIELDS)
        .with(pppoe_tags);

static TAGS: Rule = Rule {
    head: &[Spec::hex("type", "Type", 0, 2), Spec::uint("length", "Length", 2, 2)],
    singles: 0,
    end: None,
    kind: Spec::hex("type", "Type", 0, 2),
    length: |bytes| Some(Spec::uint("length", "Length", 2, 2).get(bytes)? as usize + 4),
    least: 4,
    align: 1,
    called: "tag with its head",
};

const VALUE: &[Spec] = &[Spec::bytes("value", "Value", 4, 0)];

const TAG_NAMES: &[Known] = &[
    Known { number: 0x0101, name: "service_name", label: "Service name", fields: VALUE },
    Known { number: 0x0102, name: "ac_name", label: "Access concentrator", fields: VALUE },
    Known { number: 0x0103, name: "host_uniq", label: "Host unique", fields: VALUE },
    Known { number: 0x0104, name: "ac_cookie", label: "Cookie", fields: VALUE },
    Known { number: 0x0110, name: "relay_session", label: "Relay session", fields: VALUE },
    Known { number: 0x0120, name: "max_payload", label: "Longest payload", fields: VALUE },
];

fn pppoe_tags(layer: &Layer<'_>, sink: &mut dyn Sink) -> io::Result<()> {
    let bytes = layer.bytes.get(PPPOE_HEADER..).unwrap_or_default();
    let tags = Tlvs::over(&TAGS, bytes, layer.length.saturating_sub(PPPOE_HEADER));
    tlv::emit_all(("tags", "Tags"), tags, TAG_NAMES, layer.offset + PPPOE_HEADER, sink)
}

/// RFC 1661 section 2; behind address and control (RFC 1662) where those are there.
pub(super) const PPP_PROTOCOL: Spec =
    Spec::hex("protocol", "Protocol", 0, 2).named(names::ppp_protocol);

pub(super) const PPP: Description = Description::new("ppp", "PPP", &[])
    .with(|layer, sink| emit_one(&ppp_protocol(layer.bytes), layer.area(), sink));

/// The protocol field, which may be one byte and may stand behind address and control.
pub(super) fn ppp_protocol(bytes: &[u8]) -> Spec {
    let at = if bytes.starts_with(&[0xff, 0x03]) { 2 } else { 0 };
    let length = if bytes.get(at).is_some_and(|byte| byte & 1 != 0) { 1 } else { 2 };
    Spec { at, length, ..PPP_PROTOCOL }
}

pub(super) const DSAP: Spec = Spec::hex("dsap", "DSAP", 0, 1).named(names::sap);
pub(super) const SSAP: Spec = Spec::hex("ssap", "SSAP", 1, 1).named(names::sap);
pub(super) const CONTROL: Spec = Spec::hex("control", "Control", 2, 1);

pub(super) const LLC: Description =
    Description::new("llc", "Logical link control", &[DSAP, SSAP, CONTROL]);

pub(super) const OUI: Spec = Spec::hex("oui", "Organization", 0, 3).named(names::organization);
pub(super) const SNAP_TYPE: Spec =
    Spec::hex("ether_type", "Type", 3, 2).named(names::ether_type_of);

/// Of an organization's own.
const PROTOCOL_ID: Spec = Spec::hex("protocol_id", "Protocol id", 3, 2);

pub(super) const SNAP: Description = Description::new("snap", "Subnetwork access protocol", &[OUI])
    .with(|layer, sink| {
        let is_ether_type = layer.of(&OUI) == 0;
        emit_one(if is_ether_type { &SNAP_TYPE } else { &PROTOCOL_ID }, layer.area(), sink)
    });

pub(super) const SLL_KIND: Spec =
    Spec::uint("packet_type", "Packet type", 0, 2).named(names::packet_type);
const SLL_HARDWARE: Spec = Spec::uint("hardware", "Hardware", 2, 2).named(names::hardware);
pub(super) const SLL_LENGTH: Spec = Spec::uint("address_length", "Address length", 4, 2);
pub(super) const SLL_TYPE: Spec =
    Spec::hex("ether_type", "Protocol", 14, 2).named(names::ether_type_of);
pub(super) const SLL_ADDRESS: usize = 6;

/// LINKTYPE_LINUX_SLL.
pub(super) const SLL: Description =
    Description::new("sll", "Linux cooked capture", &[SLL_KIND, SLL_HARDWARE, SLL_LENGTH]).with(
        |layer, sink| {
            sll_address(layer, SLL_ADDRESS, layer.of(&SLL_LENGTH), sink)?;
            emit_one(&SLL_TYPE, layer.area(), sink)
        },
    );

pub(super) const SLL2_TYPE: Spec =
    Spec::hex("ether_type", "Protocol", 0, 2).named(names::ether_type_of);
pub(super) const SLL2_INTERFACE: Spec = Spec::uint("interface_index", "Interface index", 4, 4);
const SLL2_HARDWARE: Spec = Spec::uint("hardware", "Hardware", 8, 2).named(names::hardware);
pub(super) const SLL2_KIND: Spec =
    Spec::uint("packet_type", "Packet type", 10, 1).named(names::packet_type);
pub(super) const SLL2_LENGTH: Spec = Spec::uint("address_length", "Address length", 11, 1);
pub(super) const SLL2_ADDRESS: usize = 12;

/// LINKTYPE_LINUX_SLL2.
pub(super) const SLL2: Description = Description::new(
    "sll2",
    "Linux cooked capture v2",
    &[SLL2_TYPE, SLL2_INTERFACE, SLL2_HARDWARE, SLL2_KIND, SLL2_LENGTH],
)
.with(|layer, sink| sll_address(layer, SLL2_ADDRESS, layer.of(&SLL2_LENGTH), sink));

fn sll_address(layer: &Layer<'_>, at: usize, length: u64, sink: &mut dyn Sink) -> io::Result<()> {
    const ROOM: u64 = 8;
    let spec = match length {
        0 => return Ok(()),
        6 => Spec::mac("address", "Address", at),
        _ => Spec::bytes("address", "Address", at, length.min(ROOM) as usize),
    };
    emit_one(&spec, layer.area(), sink)
}

const FAMILY: Spec = Spec::uint("family", "Address family", 0, 4);

/// LINKTYPE_NULL and LINKTYPE_LOOP.
pub(super) const NULL: Description =
    Description::new("null", "BSD loopback", &[]).with(|layer, sink| {
        let Some(number) = family(layer.bytes) else { return Ok(()) };
        let value = Value::Uint(number);
        let node = Node::of(FAMILY.name, FAMILY.label, layer.offset, FAMILY.length, value);
        sink.leaf(&Node { meaning: names::address_family(number), ..node })
    });

/// The family is in the byte order of the machine that captured, and a small number.
pub(super) fn family(bytes: &[u8]) -> Option<u64> {
    let number = FAMILY.get(bytes)? as u32;
    Some(u64::from(if number > 0xffff { number.swap_bytes() } else { number }))
}

pub(super) fn ethernet(walk: &mut Walk<'_>, span: Span) -> Step {
    const HEADER: usize = 14;
    let bytes = walk.push(Protocol::Ethernet, span, HEADER);
    if !walk.is_whole() {
        return None;
    }
    by_type_or_length(walk, TYPE.of(bytes) as u16, span.behind(HEADER))
}

fn by_type_or_length(walk: &mut Walk<'_>, number: u16, span: Span) -> Step {
    if number > LENGTH_MAX {
        return Some((Next::Type(number), span));
    }
    let length = usize::from(number);
    if length > span.room() {
        walk.malformed(Fault::long("length", length, "available", span.room()));
        return Some((Next::Llc, span));
    }
    walk.ends_behind(length);
    Some((Next::Llc, span.within(length)))
}

pub(super) fn vlan(walk: &mut Walk<'_>, span: Span) -> Step {
    const HEADER: usize = 4;
    let bytes = walk.push(Protocol::Vlan, span, HEADER);
    if !walk.is_whole() {
        return None;
    }
    by_type_or_length(walk, VLAN_TYPE.of(bytes) as u16, span.behind(HEADER))
}

/// What follows the stack is told by its first nibble (RFC 4928).
pub(super) fn mpls(walk: &mut Walk<'_>, span: Span) -> Step {
    const HEADER: usize = 4;
    let bytes = walk.push(Protocol::Mpls, span, HEADER);
    if !walk.is_whole() {
        return None;
    }
    let next = if BOTTOM.is_set(bytes) { Next::Ip } else { Next::Type(ether_type::MPLS) };
    Some((next, span.behind(HEADER)))
}

pub(super) fn pppoe(walk: &mut Walk<'_>, span: Span) -> Step {
    const VERSION_1_TYPE_1: u8 = 0x11;
    let bytes = walk.push(Protocol::Pppoe, span, PPPOE_HEADER);
    if !walk.is_whole() {
        return None;
    }
    if bytes.first() != Some(&VERSION_1_TYPE_1) {
        let (version, kind) = (PPPOE_VERSION.of(bytes), PPPOE_TYPE.of(bytes));
        let wrong = if version == 1 { ("type", kind) } else { ("version", version) };
        walk.malformed(Fault::Wrong(wrong.0, wrong.1));
        return Some((Next::Payload, span.behind(PPPOE_HEADER)));
    }
    if PPPOE_CODE.is_set(bytes) {
        walk.malformed(Fault::Wrong("code", PPPOE_CODE.of(bytes)));
        return Some((Next::Payload, span.behind(PPPOE_HEADER)));
    }
    let length = pppoe_length(walk, bytes, span);
    Some((Next::Ppp, span.behind(PPPOE_HEADER).within(length)))
}

pub(super) fn pppoe_discovery(walk: &mut Walk<'_>, span: Span) -> Step {
    let length = PPPOE_LENGTH.of(walk.captured(span)) as usize;
    let all = (PPPOE_HEADER + length).min(span.room().max(PPPOE_HEADER));
    let bytes = walk.push(Protocol::PppoeDiscovery, span, all);
    if bytes.len() >= PPPOE_HEADER {
        pppoe_length(walk, bytes, span);
    }
    None
}

fn pppoe_length(walk: &mut Walk<'_>, bytes: &[u8], span: Span) -> usize {
    let length = PPPOE_LENGTH.of(bytes) as usize;
    let room = span.behind(PPPOE_HEADER).room();
    if length > room {
        walk.malformed(Fault::long("length", length, "available", room));
        return room;
    }
    walk.ends(PPPOE_HEADER + length);
    length
}

pub(super) fn ppp(walk: &mut Walk<'_>, span: Span) -> Step {
    let spec = ppp_protocol(walk.captured(span));
    let bytes = walk.push(Protocol::Ppp, span, spec.at + spec.length);
    if !walk.is_whole() {
        return None;
    }
    Some((Next::PppNumber(spec.of(bytes) as u16), span.behind(spec.at + spec.length)))
}

/// PPP protocol numbers (RFC 1332, RFC 5072, RFC 3032).
pub(super) fn by_ppp(_: &mut Walk<'_>, number: u16, span: Span) -> Step {
    let next = match number {
        0x0021 => Next::Ipv4,
        0x0057 => Next::Ipv6,
        0x0281 | 0x0283 => Next::Type(ether_type::MPLS),
        _ => Next::Payload,
    };
    Some((next, span))
}

pub(super) fn llc(walk: &mut Walk<'_>, span: Span) -> Step {
    const HEADER: usize = 3;
    const SNAP_HEADER: usize = 5;
    const UNNUMBERED: u64 = 3;
    let wide = CONTROL.of(walk.captured(span)) & 3 != UNNUMBERED;
    let header = if wide { HEADER + 1 } else { HEADER };
    let bytes = walk.push(Protocol::Llc, span, header);
    if !walk.is_whole() {
        return None;
    }
    let span = span.behind(header);
    match (DSAP.of(bytes), SSAP.of(bytes)) {
        (0xaa, 0xaa) if !wide => {
            let bytes = walk.push(Protocol::Snap, span, SNAP_HEADER);
            if !walk.is_whole() {
                return None;
            }
            let number = SNAP_TYPE.of(bytes) as u16;
            let known = OUI.of(bytes) == 0 && number > LENGTH_MAX;
            let next = if known { Next::Type(number) } else { Next::Payload };
            Some((next, span.behind(SNAP_HEADER)))
        }
        (0x42, 0x42) => super::other::named(walk, Protocol::Stp, span),
        _ => Some((Next::Payload, span)),
    }
}

pub(super) fn sll(walk: &mut Walk<'_>, span: Span) -> Step {
    const HEADER: usize = 16;
    let bytes = walk.push(Protocol::Sll, span, HEADER);
    if !walk.is_whole() {
        return None;
    }
    cooked(SLL_TYPE.of(bytes), SLL_HARDWARE.of(bytes), span.behind(HEADER))
}

pub(super) fn sll2(walk: &mut Walk<'_>, span: Span) -> Step {
    const HEADER: usize = 20;
    let bytes = walk.push(Protocol::Sll2, span, HEADER);
    if !walk.is_whole() {
        return None;
    }
    cooked(SLL2_TYPE.of(bytes), SLL2_HARDWARE.of(bytes), span.behind(HEADER))
}

/// Below the EtherTypes stand Linux's own numbers: 4 is LLC. Netlink has none of either.
fn cooked(number: u64, hardware: u64, span: Span) -> Step {
    const LLC: u64 = 4;
    const NETLINK: u64 = 824;
    let next = match number {
        LLC if hardware != NETLINK => Next::Llc,
        number if hardware != NETLINK && number > u64::from(LENGTH_MAX) => {
            Next::Type(number as u16)
        }
        _ => Next::Payload,
    };
    Some((next, span))
}

pub(super) fn null(walk: &mut Walk<'_>, span: Span) -> Step {
    const HEADER: usize = 4;
    let bytes = walk.push(Protocol::Null, span, HEADER);
    if !walk.is_whole() {
        return None;
    }
    let next = match family(bytes).and_then(names::address_family) {
        Some("IPv4") => Next::Ipv4,
        Some("IPv6") => Next::Ipv6,
        _ => Next::Payload,
    };
    Some((next, span.behind(HEADER)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressed_ppp_protocol_is_one_byte() {
        assert_eq!(ppp_protocol(&[0x21, 0x45]).of(&[0x21, 0x45]), 0x21);
        assert_eq!(ppp_protocol(&[0xff, 3, 0, 0x57]).of(&[0xff, 3, 0, 0x57]), 0x57);
    }
}
