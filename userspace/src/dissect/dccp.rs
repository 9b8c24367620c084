//! DCCP (RFC 4340): the generic header.

use super::{
    Description, Fault, Layer, Protocol,
    field::Spec,
    sink::emit_one,
    walk::{Next, Span, Step, Walk},
};

pub(super) const HEADER: usize = 12;

pub(super) const SOURCE: Spec = Spec::uint("source", "Source port", 0, 2);
pub(super) const DESTINATION: Spec = Spec::uint("destination", "Destination port", 2, 2);
pub(super) const HEADER_LENGTH: Spec = Spec::uint("header_length", "Header length", 4, 1).times(4);
pub(super) const CCVAL: Spec = Spec::uint("ccval", "CCVal", 5, 1).bits(0xf0);
pub(super) const COVERAGE: Spec = Spec::uint("coverage", "Checksum coverage", 5, 1).bits(0x0f);
pub(super) const CHECKSUM: Spec = Spec::hex("checksum", "Checksum", 6, 2);
pub(super) const TYPE: Spec = Spec::uint("type", "Type", 8, 1).bits(0x1e).named(type_name);
pub(super) const EXTENDED: Spec = Spec::flag("extended", "Extended sequence", 8, 1, 0x01);

/// Then `sequence`, of 3 or 6 bytes.
pub(super) const DCCP: Description = Description::new(
    "dccp",
    "Datagram Congestion Control Protocol",
    &[SOURCE, DESTINATION, HEADER_LENGTH, CCVAL, COVERAGE, CHECKSUM, TYPE, EXTENDED],
)
.with(|layer, sink| emit_one(&sequence(layer), layer.area(), sink));

/// RFC 4340 section 5.1: 48 bits behind a reserved byte when extended, else 24.
pub(super) fn sequence(layer: &Layer<'_>) -> Spec {
    const NAME: (&str, &str) = ("sequence", "Sequence number");
    match EXTENDED.is_set(layer.bytes) {
        true => Spec::uint(NAME.0, NAME.1, 10, 6),
        false => Spec::uint(NAME.0, NAME.1, 9, 3),
    }
}

/// The acknowledgment number, that all types but request and data have.
pub(super) fn acknowledgment(layer: &Layer<'_>) -> Spec {
    const NAME: (&str, &str) = ("acknowledgment", "Acknowledgment number");
    match EXTENDED.is_set(layer.bytes) {
        true => Spec::uint(NAME.0, NAME.1, 18, 6),
        false => Spec::uint(NAME.0, NAME.1, 13, 3),
    }
}

/// The service code of requests and responses (RFC 4340 section 5.1, 5.3).
pub(super) fn service(layer: &Layer<'_>) -> Option<u64> {
    const RESPONSE: u64 = 1;
    let generic = if EXTENDED.is_set(layer.bytes) { 16 } else { HEADER };
    let acknowledgment = match (layer.of(&TYPE), EXTENDED.is_set(layer.bytes)) {
        (RESPONSE, true) => 8,
        (RESPONSE, false) => 4,
        _ => 0,
    };
    Spec::uint("service", "Service", generic + acknowledgment, 4).get(layer.bytes)
}

/// DCCP packet types (RFC 4340 section 5.1).
pub(super) fn type_name(number: u64) -> Option<&'static str> {
    const NAMES: [&str; 10] = [
        "DCCP-Request",
        "DCCP-Response",
        "DCCP-Data",
        "DCCP-Ack",
        "DCCP-DataAck",
        "DCCP-CloseReq",
        "DCCP-Close",
        "DCCP-Reset",
        "DCCP-Sync",
        "DCCP-SyncAck",
    ];
    NAMES.get(number as usize).copied()
}

pub(super) fn walk(walk: &mut Walk<'_>, span: Span) -> Step {
    let first = walk.captured(span.within(HEADER));
    let claimed = HEADER_LENGTH.get(first).map_or(HEADER, |length| length as usize);
    walk.push(Protocol::Dccp, span, claimed.max(HEADER));
    if !walk.is_whole() {
        walk.partial();
        return None;
    }
    if claimed < HEADER {
        walk.worst(Fault::short("header length", claimed, "least", HEADER));
        return None;
    }
    Some((Next::Payload, span.behind(claimed)))
}
