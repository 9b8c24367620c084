//! DCCP (RFC 4340): the generic header.

use super::{
    Description, Fault, Layer, Protocol,
    field::Spec,
    sink::emit_one,
    walk::{Next, Span, Step, Walk},
};

pub(super) const HEADER: usize = 12;

pub(super) const SOURCE: Spec = Spec::uint("source_port", "Source port", 0, 2);
pub(super) const DESTINATION: Spec = Spec::uint("destination_port", "Destination port", 2, 2);
pub(super) const HEADER_LENGTH: Spec = Spec::uint("header_length", "Header length", 4, 1).times(4);
pub(super) const CCVAL: Spec = Spec::uint("ccval", "CCVal", 5, 1).bits(0xf0);
pub(super) const COVERAGE: Spec = Spec::uint("coverage", "Checksum coverage", 5, 1).bits(0x0f);
pub(super) const CHECKSUM: Spec = Spec::hex("checksum", "Checksum", 6, 2);
pub(super) const TYPE: Spec = Spec::uint("type", "Type", 8, 1).bits(0x1e).named(type_name);
pub(super) const EXTENDED: Spec = Spec::flag("extended", "Extended sequence", 8, 1, 0x01);

/// Then `sequence`, of 3 or 6 bytes; `acknowledgment`, `service` and `reset_code` where the type has them.
pub(super) const DCCP: Description = Description::new(
    "dccp",
    "Datagram Congestion Control Protocol",
    &[SOURCE, DESTINATION, HEADER_LENGTH, CCVAL, COVERAGE, CHECKSUM, TYPE, EXTENDED],
)
.with(|layer, sink| {
    emit_one(&sequence(layer), layer.area(), sink)?;
    for spec in [acknowledgment(layer), service(layer), reset_code(layer)].into_iter().flatten() {
        emit_one(&spec, layer.area(), sink)?;
    }
    Ok(())
});

/// DCCP packet types that have fields of their own (RFC 4340 section 5).
mod kind {
    pub(super) const REQUEST: u64 = 0;
    pub(super) const RESPONSE: u64 = 1;
    pub(super) const DATA: u64 = 2;
    pub(super) const RESET: u64 = 7;
}

/// RFC 4340 section 5.1: 48 bits behind a reserved byte when extended, else 24.
pub(super) fn sequence(layer: &Layer<'_>) -> Spec {
    const NAME: (&str, &str) = ("sequence", "Sequence number");
    match EXTENDED.is_set(layer.bytes) {
        true => Spec::uint(NAME.0, NAME.1, 10, 6),
        false => Spec::uint(NAME.0, NAME.1, 9, 3),
    }
}

/// The acknowledgment number, that all types but request and data have.
pub(super) fn acknowledgment(layer: &Layer<'_>) -> Option<Spec> {
    const NAME: (&str, &str) = ("acknowledgment", "Acknowledgment number");
    if matches!(layer.of(&TYPE), kind::REQUEST | kind::DATA) {
        return None;
    }
    Some(match EXTENDED.is_set(layer.bytes) {
        true => Spec::uint(NAME.0, NAME.1, 18, 6),
        false => Spec::uint(NAME.0, NAME.1, 13, 3),
    })
}

/// Where the fields begin that only one type has.
fn own_fields(layer: &Layer<'_>) -> usize {
    let number = if EXTENDED.is_set(layer.bytes) { (16, 8) } else { (HEADER, 4) };
    match acknowledgment(layer) {
        Some(_) => number.0 + number.1,
        None => number.0,
    }
}

/// The service code of requests and responses (RFC 4340 section 5.1, 5.3).
pub(super) fn service(layer: &Layer<'_>) -> Option<Spec> {
    matches!(layer.of(&TYPE), kind::REQUEST | kind::RESPONSE)
        .then(|| Spec::uint("service", "Service code", own_fields(layer), 4))
}

/// RFC 4340 section 5.6.
fn reset_code(layer: &Layer<'_>) -> Option<Spec> {
    (layer.of(&TYPE) == kind::RESET)
        .then(|| Spec::uint("reset_code", "Reset code", own_fields(layer), 1))
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
        walk.worst(Fault::short("header length", claimed, "minimum", HEADER));
        return None;
    }
    Some((Next::Payload, span.behind(claimed)))
}
