//! IGMP versions 1 to 3 (RFC 1112, 2236, 3376).

use std::io;

use super::{
    Description, Layer, Protocol,
    field::Spec,
    sink::{Sink, emit},
    tlv::{self, Rule, Tlvs},
    walk::{Span, Step, Walk},
};

const HEADER: usize = 8;

pub(super) const TYPE: Spec = Spec::hex("type", "Type", 0, 1).named(type_name);
/// In tenths of a second.
pub(super) const MAX_RESPONSE: Spec = Spec::uint("max_response", "Maximum response code", 1, 1);
const CHECKSUM: Spec = Spec::hex("checksum", "Checksum", 2, 2);
pub(super) const GROUP: Spec = Spec::ipv4("group", "Group", 4);

/// Then `suppress`, `robustness`, `interval`, `sources` (query of version 3) or `records` (report of version 3).
pub(super) const IGMP: Description =
    Description::new("igmp", "Internet Group Management Protocol", &[TYPE, MAX_RESPONSE, CHECKSUM])
        .with(body);

/// IGMP types (IANA).
pub(super) mod kind {
    pub(in crate::dissect) const QUERY: u64 = 0x11;
    pub(in crate::dissect) const REPORT_1: u64 = 0x12;
    pub(in crate::dissect) const REPORT_2: u64 = 0x16;
    pub(in crate::dissect) const LEAVE: u64 = 0x17;
    pub(in crate::dissect) const REPORT_3: u64 = 0x22;
}

/// A query of this length or more is of version 3 (RFC 3376 section 7.1).
pub(super) const QUERY_3: usize = 12;
pub(super) const SOURCES: Spec = Spec::uint("source_count", "Sources", 10, 2);
pub(super) const RECORDS: Spec = Spec::uint("record_count", "Records", 6, 2);
pub(super) const RECORD_TYPE: Spec = Spec::uint("type", "Type", 0, 1).named(record_name);
pub(super) const RECORD_SOURCES: Spec = Spec::uint("source_count", "Sources", 2, 2);
pub(super) const RECORD_GROUP: Spec = Spec::ipv4("group", "Group", 4);
pub(super) const RECORD_HEAD: usize = 8;

static RECORD: Rule = Rule {
    head: &[
        RECORD_TYPE,
        RECORD_SOURCES,
        RECORD_GROUP,
        Spec::ipv4("sources", "Source", RECORD_HEAD).list(),
    ],
    singles: 0,
    end: None,
    kind: RECORD_TYPE,
    length: |bytes| {
        const AUXILIARY: Spec = Spec::uint("auxiliary", "Auxiliary", 1, 1).times(4);
        let sources = RECORD_SOURCES.get(bytes)? as usize;
        Some(RECORD_HEAD + 4 * sources + AUXILIARY.of(bytes) as usize)
    },
    least: RECORD_HEAD,
    align: 1,
    called: "record length",
};

fn body(layer: &Layer<'_>, sink: &mut dyn Sink) -> io::Result<()> {
    const QUERY: &[Spec] = &[
        GROUP,
        Spec::flag("suppress", "Suppress", 8, 1, 0x08),
        Spec::uint("robustness", "Robustness", 8, 1).bits(0x07),
        Spec::uint("interval", "Querier's interval code", 9, 1),
        SOURCES,
        Spec::ipv4("sources", "Source", QUERY_3).list(),
    ];
    match layer.of(&TYPE) {
        kind::QUERY if layer.room >= QUERY_3 => emit(QUERY, layer.area(), sink),
        kind::REPORT_3 => {
            emit(&[RECORDS], layer.area(), sink)?;
            let offset = layer.offset + HEADER;
            tlv::emit_all(("records", "Records"), records(layer), &[], offset, sink)
        }
        _ => emit(&[GROUP], layer.area(), sink),
    }
}

/// The records of a report of version 3.
pub(super) fn records<'a>(layer: &Layer<'a>) -> Tlvs<'a> {
    let bytes = layer.bytes.get(HEADER..).unwrap_or_default();
    Tlvs::over(&RECORD, bytes, layer.length.saturating_sub(HEADER))
}

fn type_name(number: u64) -> Option<&'static str> {
    Some(match number {
        kind::QUERY => "query",
        kind::REPORT_1 => "v1 report",
        0x13 => "dvmrp",
        0x14 => "pimv1",
        kind::REPORT_2 => "v2 report",
        kind::LEAVE => "leave",
        0x1e => "mresp",
        0x1f => "mtrace",
        kind::REPORT_3 => "v3 report",
        _ => return None,
    })
}

/// Types of group records, as tcpdump calls them (RFC 3376 section 4.2.12, RFC 3810 section 5.2.12).
pub(super) fn record_name(number: u64) -> Option<&'static str> {
    const NAMES: [&str; 7] = ["", "is_in", "is_ex", "to_in", "to_ex", "allow", "block"];
    NAMES.get(number as usize).copied().filter(|name| !name.is_empty())
}

pub(super) fn walk(walk: &mut Walk<'_>, span: Span) -> Step {
    walk.push(Protocol::Igmp, span, span.room().max(HEADER));
    None
}
