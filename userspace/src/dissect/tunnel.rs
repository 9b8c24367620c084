//! Headers with a packet inside: GRE and ERSPAN, VXLAN, Geneve, GTP-U.

use std::io;

use super::{
    Description, Fault, Layer, Protocol,
    field::Spec,
    names::{self, ether_type},
    sink::{Area, Node, Shape, Sink, Value, emit_one},
    tlv::{self, Rule, Tlvs},
    walk::{Next, Span, Step, Walk},
};

pub(super) const GRE_FLAGS: Spec = Spec::hex("flags", "Flags", 0, 2).flags(&[
    GRE_HAS_CHECKSUM,
    GRE_HAS_ROUTING,
    GRE_HAS_KEY,
    GRE_HAS_SEQUENCE,
    GRE_HAS_ACKNOWLEDGMENT,
]);
pub(super) const GRE_HAS_CHECKSUM: Spec = Spec::flag("checksum_present", "Checksum", 0, 2, 0x8000);
pub(super) const GRE_HAS_ROUTING: Spec = Spec::flag("routing_present", "Routing", 0, 2, 0x4000);
pub(super) const GRE_HAS_KEY: Spec = Spec::flag("key_present", "Key", 0, 2, 0x2000);
pub(super) const GRE_HAS_SEQUENCE: Spec = Spec::flag("sequence_present", "Sequence", 0, 2, 0x1000);
pub(super) const GRE_HAS_ACKNOWLEDGMENT: Spec =
    Spec::flag("acknowledgment_present", "Acknowledgment", 0, 2, 0x0080);
pub(super) const GRE_VERSION: Spec = Spec::uint("version", "Version", 0, 2).bits(0x0007);
pub(super) const GRE_PROTOCOL: Spec =
    Spec::hex("protocol", "Protocol", 2, 2).named(names::ether_type_of);

/// Then, where the flags have them: `checksum`, `offset`, `key` (version 1: `payload_length` and `call`), `sequence`,
/// `acknowledgment`.
pub(super) const GRE: Description = Description::new(
    "gre",
    "Generic Routing Encapsulation",
    &[GRE_FLAGS, GRE_VERSION, GRE_PROTOCOL],
)
.with(|layer, sink| {
    for spec in gre_parts(layer.bytes).all().into_iter().flatten() {
        emit_one(&spec, layer.area(), sink)?;
    }
    Ok(())
});

/// The optional fields of a GRE header, each where it stands (RFC 2784 section 2.1, RFC 2890, RFC 2637 section 4.1).
#[derive(Clone, Copy, Default)]
pub(super) struct GreParts {
    pub(super) checksum: Option<Spec>,
    pub(super) offset: Option<Spec>,
    pub(super) key: Option<Spec>,
    pub(super) payload_length: Option<Spec>,
    pub(super) call: Option<Spec>,
    pub(super) sequence: Option<Spec>,
    pub(super) acknowledgment: Option<Spec>,
    pub(super) length: usize,
}

impl GreParts {
    const fn all(self) -> [Option<Spec>; 7] {
        [
            self.checksum,
            self.offset,
            self.key,
            self.payload_length,
            self.call,
            self.sequence,
            self.acknowledgment,
        ]
    }
}

pub(super) fn gre_parts(bytes: &[u8]) -> GreParts {
    const PPTP: u64 = 1;
    let mut parts = GreParts { length: 4, ..GreParts::default() };
    let has = |spec: &Spec| spec.is_set(bytes);
    let is_pptp = GRE_VERSION.of(bytes) == PPTP;
    if !is_pptp && (has(&GRE_HAS_CHECKSUM) || has(&GRE_HAS_ROUTING)) {
        parts.checksum = Some(Spec::hex("checksum", "Checksum", parts.length, 2));
        parts.offset = Some(Spec::uint("offset", "Offset", parts.length + 2, 2));
        parts.length += 4;
    }
    if has(&GRE_HAS_KEY) && is_pptp {
        parts.payload_length =
            Some(Spec::uint("payload_length", "Payload length", parts.length, 2));
        parts.call = Some(Spec::uint("call", "Call id", parts.length + 2, 2));
        parts.length += 4;
    } else if has(&GRE_HAS_KEY) {
        parts.key = Some(Spec::hex("key", "Key", parts.length, 4));
        parts.length += 4;
    }
    if has(&GRE_HAS_SEQUENCE) {
        parts.sequence = Some(Spec::uint("sequence", "Sequence number", parts.length, 4));
        parts.length += 4;
    }
    if is_pptp && has(&GRE_HAS_ACKNOWLEDGMENT) {
        parts.acknowledgment =
            Some(Spec::uint("acknowledgment", "Acknowledgment number", parts.length, 4));
        parts.length += 4;
    }
    parts
}

pub(super) fn gre(walk: &mut Walk<'_>, span: Span) -> Step {
    let parts = gre_parts(walk.captured(span.within(4)));
    let bytes = walk.push(Protocol::Gre, span, parts.length);
    if !walk.is_whole() {
        walk.partial();
        return None;
    }
    let mut rest = span.behind(parts.length);
    let version = GRE_VERSION.of(bytes);
    if version > 1 {
        walk.malformed(Fault::Wrong("version", version));
        return Some((Next::Payload, rest));
    }
    if let Some(length) = parts.payload_length {
        let length = length.of(bytes) as usize;
        if length > rest.room() && !walk.fragmented && !walk.quoted {
            walk.malformed(Fault::long("payload length", length, "available", rest.room()));
        }
        rest = rest.within(length);
    }
    // Source routes (RFC 1701) are as long as they like, and unused.
    if version == 0 && GRE_HAS_ROUTING.is_set(bytes) {
        return Some((Next::Payload, rest));
    }
    let number = GRE_PROTOCOL.of(bytes) as u16;
    match number {
        _ if rest.room() == 0 => None,
        ether_type::ERSPAN if parts.sequence.is_none() => Some((Next::Ethernet, rest)),
        ether_type::ERSPAN => erspan(walk, rest, 8),
        ether_type::ERSPAN_3 => erspan(walk, rest, 12),
        _ => Some((Next::Type(number), rest)),
    }
}

const ERSPAN_FIELDS: &[Spec] = &[
    Spec::uint("version", "Version", 0, 1).bits(0xf0),
    Spec::uint("vlan", "VLAN id", 0, 2).bits(0x0fff),
    Spec::uint("session", "Session", 2, 2).bits(0x03ff),
];

pub(super) const ERSPAN: Description =
    Description::new("erspan", "Encapsulated remote port mirror", ERSPAN_FIELDS);

fn erspan(walk: &mut Walk<'_>, span: Span, header: usize) -> Step {
    walk.push(Protocol::Erspan, span, header);
    walk.is_whole().then(|| (Next::Ethernet, span.behind(header)))
}

pub(super) const VXLAN_FLAGS: Spec =
    Spec::hex("flags", "Flags", 0, 1).flags(&[Spec::flag("vni_valid", "VNI valid", 0, 1, 0x08)]);
pub(super) const VXLAN_VNI: Spec = Spec::uint("vni", "VNI", 4, 3);

pub(super) const VXLAN: Description =
    Description::new("vxlan", "Virtual eXtensible LAN", &[VXLAN_FLAGS, VXLAN_VNI]);

pub(super) fn vxlan(walk: &mut Walk<'_>, span: Span) -> Step {
    const HEADER: usize = 8;
    walk.push(Protocol::Vxlan, span, HEADER);
    walk.is_whole().then(|| (Next::Ethernet, span.behind(HEADER)))
}

const GENEVE_HEADER: usize = 8;
pub(super) const GENEVE_VERSION: Spec = Spec::uint("version", "Version", 0, 1).bits(0xc0);
pub(super) const GENEVE_OPTIONS: Spec =
    Spec::uint("options_length", "Options length", 0, 1).bits(0x3f).times(4);
pub(super) const GENEVE_FLAGS: Spec =
    Spec::hex("flags", "Flags", 1, 1).bits(0xc0).flags(&[GENEVE_CONTROL, GENEVE_CRITICAL]);
pub(super) const GENEVE_CONTROL: Spec = Spec::flag("control", "Control", 1, 1, 0x80);
pub(super) const GENEVE_CRITICAL: Spec = Spec::flag("critical", "Critical options", 1, 1, 0x40);
pub(super) const GENEVE_PROTOCOL: Spec =
    Spec::hex("protocol", "Protocol", 2, 2).named(names::ether_type_of);
pub(super) const GENEVE_VNI: Spec = Spec::uint("vni", "VNI", 4, 3);

/// RFC 8926 section 3.4; then `options`: `class`, `type`, `length`, `bytes`.
pub(super) const GENEVE: Description = Description::new(
    "geneve",
    "Generic Network Virtualization Encapsulation",
    &[GENEVE_VERSION, GENEVE_OPTIONS, GENEVE_FLAGS, GENEVE_PROTOCOL, GENEVE_VNI],
)
.with(geneve_options);

static GENEVE_RULE: Rule = Rule {
    head: &[
        Spec::hex("class", "Class", 0, 2),
        Spec::hex("type", "Type", 2, 1),
        GENEVE_OPTION_LENGTH,
    ],
    singles: 0,
    end: None,
    kind: Spec::hex("kind", "Kind", 0, 3),
    length: |bytes| GENEVE_OPTION_LENGTH.get(bytes).map(|length| length as usize + 4),
    least: 4,
    align: 1,
    called: "option with its head",
};

/// Of the option's data.
const GENEVE_OPTION_LENGTH: Spec = Spec::uint("length", "Length", 3, 1).bits(0x1f).times(4);

fn geneve_options(layer: &Layer<'_>, sink: &mut dyn Sink) -> io::Result<()> {
    let bytes = layer.bytes.get(GENEVE_HEADER..).unwrap_or_default();
    let options = Tlvs::over(&GENEVE_RULE, bytes, layer.length.saturating_sub(GENEVE_HEADER));
    tlv::emit_all(("options", "Options"), options, &[], layer.offset + GENEVE_HEADER, sink)
}

pub(super) fn geneve(walk: &mut Walk<'_>, span: Span) -> Step {
    let header = GENEVE_HEADER + GENEVE_OPTIONS.of(walk.captured(span)) as usize;
    let bytes = walk.push(Protocol::Geneve, span, header);
    if !walk.is_whole() {
        return None;
    }
    let rest = span.behind(header);
    if GENEVE_VERSION.is_set(bytes) {
        walk.malformed(Fault::Wrong("version", GENEVE_VERSION.of(bytes)));
        return Some((Next::Payload, rest));
    }
    Some((Next::Type(GENEVE_PROTOCOL.of(bytes) as u16), rest))
}

pub(super) const GTP_VERSION: Spec = Spec::uint("version", "Version", 0, 1).bits(0xe0);
pub(super) const GTP_FLAGS: Spec = Spec::hex("flags", "Flags", 0, 1).bits(0x1f).flags(&[
    Spec::flag("gtp", "Protocol type", 0, 1, 0x10),
    Spec::flag("extension_present", "Extension header", 0, 1, 0x04),
    Spec::flag("sequence_present", "Sequence number", 0, 1, 0x02),
    Spec::flag("n_pdu_present", "N-PDU number", 0, 1, 0x01),
]);
pub(super) const GTP_TYPE: Spec = Spec::uint("type", "Message type", 1, 1).named(gtp_type);
const GTP_LENGTH: Spec = Spec::uint("length", "Length", 2, 2);
pub(super) const GTP_TEID: Spec = Spec::hex("teid", "TEID", 4, 4);

/// 3GPP TS 29.281 section 5.1.
pub(super) const GTP: Description = Description::new(
    "gtp",
    "GPRS Tunnelling Protocol, user plane",
    &[GTP_VERSION, GTP_FLAGS, GTP_TYPE, GTP_LENGTH, GTP_TEID],
)
.with(|layer, sink| {
    const OPTIONAL: [Spec; 3] = [
        Spec::uint("sequence", "Sequence number", 8, 2),
        Spec::uint("n_pdu", "N-PDU number", 10, 1),
        GTP_NEXT,
    ];
    OPTIONAL.iter().try_for_each(|spec| emit_one(spec, layer.area(), sink))?;
    gtp_extensions(layer, sink)
});

const GTP_NEXT: Spec =
    Spec::hex("next_extension", "Next extension", 11, 1).named(names::gtp_extension);
/// Bytes of a header with its optional fields.
const GTP_OPTIONAL: usize = 12;

/// Extension headers: each has its length in words, its content, and the type of the next; its own type stands before it
/// (3GPP TS 29.281 section 5.2).
fn gtp_extensions(layer: &Layer<'_>, sink: &mut dyn Sink) -> io::Result<()> {
    const WORDS: Spec = Spec::uint("length", "Length", 0, 1).times(4);
    if layer.length <= GTP_OPTIONAL {
        return Ok(());
    }
    let rest = layer.bytes.get(GTP_OPTIONAL..).unwrap_or_default();
    let (mut at, mut kind) = (layer.offset + GTP_OPTIONAL, layer.of(&GTP_NEXT));
    let list = ("extensions", "Extension headers");
    sink.open(&Node::of(list.0, list.1, at, rest.len(), Value::None), Shape::List)?;
    let mut left = rest;
    while let Some(length) = WORDS.get(left).filter(|length| kind != 0 && *length != 0) {
        let bytes = left.get(..length as usize).unwrap_or(left);
        let area = Area { bytes, offset: at };
        let open = Node::of(list.0, "Extension header", at, bytes.len(), Value::None);
        sink.open(&open, Shape::Item)?;
        let meaning = names::gtp_extension(kind);
        let number = Node::of("type", "Type", at, 0, Value::Hex(kind, 2));
        sink.leaf(&Node { meaning, ..number })?;
        emit_one(&WORDS, area, sink)?;
        let last = length as usize - 1;
        emit_one(&Spec::bytes("content", "Content", 1, last - 1), area, sink)?;
        emit_one(&GTP_NEXT.moved(last), area, sink)?;
        sink.close()?;
        kind = GTP_NEXT.moved(last).of(bytes);
        left = left.get(bytes.len()..).unwrap_or_default();
        at += bytes.len();
    }
    sink.close()
}

pub(super) fn gtp_type(number: u64) -> Option<&'static str> {
    Some(match number {
        1 => "Echo request",
        2 => "Echo response",
        26 => "Error indication",
        31 => "Supported extension headers",
        253 => "Tunnel status",
        254 => "End marker",
        255 => "G-PDU",
        _ => return None,
    })
}

pub(super) fn gtp(walk: &mut Walk<'_>, span: Span) -> Step {
    const HEADER: usize = 8;
    const USER_DATA: u64 = 255;
    const VERSION_1_GTP: u64 = 0x30;
    let first = walk.captured(span);
    // The port alone does not make a message: GTP prime and version 0 look otherwise.
    if first.first().is_some_and(|byte| u64::from(byte & 0xf0) != VERSION_1_GTP) {
        return Some((Next::Payload, span));
    }
    let header = gtp_header(first, span.room());
    let bytes = walk.push(Protocol::Gtp, span, header);
    if !walk.is_whole() {
        return None;
    }
    if has_empty_extension(first, header) {
        walk.malformed(Fault::Wrong("extension length", 0));
        return Some((
            Next::Payload,
            span.within(HEADER + GTP_LENGTH.of(bytes) as usize).behind(header),
        ));
    }
    let (length, room) = (GTP_LENGTH.of(bytes) as usize, span.behind(HEADER).room());
    if length > room && !walk.fragmented && !walk.quoted {
        walk.malformed(Fault::long("length", length, "available", room));
    }
    let rest = span.within(HEADER + length).behind(header);
    let next = if GTP_TYPE.of(bytes) == USER_DATA { Next::Ip } else { Next::Payload };
    Some((next, rest))
}

/// Bytes of the header with its extensions, each of which counts words and ends with the type of the next.
fn gtp_header(bytes: &[u8], room: usize) -> usize {
    const OPTIONAL: u8 = 0x07;
    let flags = bytes.first().copied().unwrap_or_default();
    if flags & OPTIONAL == 0 {
        return 8;
    }
    let mut length = GTP_OPTIONAL;
    while length < room && is_extended(bytes, length) {
        match bytes.get(length).copied().unwrap_or_default() {
            0 => break,
            words => length += 4 * usize::from(words),
        }
    }
    length
}

/// What ends at `end` names an extension header behind it.
fn is_extended(bytes: &[u8], end: usize) -> bool {
    const EXTENSION: u8 = 0x04;
    let has = bytes.first().is_some_and(|flags| flags & EXTENSION != 0);
    has && end >= GTP_OPTIONAL && bytes.get(end - 1).is_some_and(|next| *next != 0)
}

/// An extension header of no words is no header, and hides where the packet inside begins.
fn has_empty_extension(bytes: &[u8], end: usize) -> bool {
    is_extended(bytes, end) && bytes.get(end) == Some(&0)
}
