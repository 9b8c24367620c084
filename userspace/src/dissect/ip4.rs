//! IPv4 (RFC 791) and its options.

use super::{
    Description, Fault, Layer, Protocol,
    field::Spec,
    names,
    tlv::{self, Known, Rule, Tlvs},
    walk::{Next, Span, Step, Walk},
};

pub(super) const HEADER: usize = 20;

pub(super) const VERSION: Spec = Spec::uint("version", "Version", 0, 1).bits(0xf0);
pub(super) const HEADER_LENGTH: Spec =
    Spec::uint("header_length", "Header length", 0, 1).bits(0x0f).times(4);
pub(super) const TOS: Spec = Spec::hex("tos", "Type of service", 1, 1);
const DSCP: Spec = Spec::uint("dscp", "DSCP", 1, 1).bits(0xfc).named(names::dscp);
pub(super) const ECN: Spec = Spec::uint("ecn", "ECN", 1, 1).bits(0x03).named(names::ecn);
pub(super) const TOTAL_LENGTH: Spec = Spec::uint("total_length", "Total length", 2, 2);
pub(super) const ID: Spec = Spec::uint("id", "Identification", 4, 2);
pub(super) const FLAGS: Spec = Spec::hex("flags", "Flags", 6, 1).bits(0xe0).flags(&[
    RESERVED,
    DO_NOT_FRAGMENT,
    MORE_FRAGMENTS,
]);
pub(super) const RESERVED: Spec = Spec::flag("reserved", "Reserved", 6, 1, 0x80);
pub(super) const DO_NOT_FRAGMENT: Spec = Spec::flag("df", "Don't fragment", 6, 1, 0x40);
pub(super) const MORE_FRAGMENTS: Spec = Spec::flag("mf", "More fragments", 6, 1, 0x20);
/// In bytes.
pub(super) const FRAGMENT_OFFSET: Spec =
    Spec::uint("fragment_offset", "Fragment offset", 6, 2).bits(0x1fff).times(8);
pub(super) const TTL: Spec = Spec::uint("ttl", "Time to live", 8, 1);
pub(super) const PROTOCOL: Spec =
    Spec::uint("protocol", "Protocol", 9, 1).named(names::next_protocol);
pub(super) const CHECKSUM: Spec = Spec::hex("checksum", "Header checksum", 10, 2);
pub(super) const SOURCE: Spec = Spec::ipv4("source", "Source", 12);
pub(super) const DESTINATION: Spec = Spec::ipv4("destination", "Destination", 16);

/// Options follow as `options`: `name`, `kind`, `length` and what [`OPTIONS`] has for the kind.
pub(super) const IPV4: Description = Description::new(
    "ipv4",
    "Internet Protocol Version 4",
    &[
        VERSION,
        HEADER_LENGTH,
        TOS,
        DSCP,
        ECN,
        TOTAL_LENGTH,
        ID,
        FLAGS,
        FRAGMENT_OFFSET,
        TTL,
        PROTOCOL,
        CHECKSUM,
        SOURCE,
        DESTINATION,
    ],
)
.with(|layer, sink| {
    tlv::emit_all(("options", "Options"), options(layer), OPTIONS, layer.offset + HEADER, sink)
});

const KIND: Spec = Spec::uint("kind", "Kind", 0, 1);
pub(super) const OPTION_LENGTH: Spec = Spec::uint("length", "Length", 1, 1);

/// RFC 791 section 3.1: two kinds are single bytes, the others count all their bytes.
static RULE: Rule = Rule {
    head: &[KIND, OPTION_LENGTH],
    singles: 2,
    end: Some(kind::END),
    kind: KIND,
    length: |bytes| OPTION_LENGTH.get(bytes).map(|length| length as usize),
    least: 2,
    align: 1,
    called: "option length",
};

/// IPv4 option kinds (IANA).
pub(super) mod kind {
    pub(in crate::dissect) const END: u64 = 0;
    pub(in crate::dissect) const NO_OPERATION: u64 = 1;
    pub(in crate::dissect) const RECORD_ROUTE: u64 = 7;
    pub(in crate::dissect) const TIMESTAMP: u64 = 68;
    pub(in crate::dissect) const SECURITY: u64 = 130;
    pub(in crate::dissect) const LOOSE_ROUTE: u64 = 131;
    pub(in crate::dissect) const STRICT_ROUTE: u64 = 137;
    pub(in crate::dissect) const ROUTER_ALERT: u64 = 148;
}

pub(super) const POINTER: Spec = Spec::uint("pointer", "Pointer", 2, 1);
pub(super) const ROUTE_AT: usize = 3;
const ROUTE: &[Spec] = &[POINTER, Spec::ipv4("addresses", "Address", ROUTE_AT).list()];

/// RFC 791 section 3.1, "Internet Timestamp".
pub(super) const OVERFLOW: Spec = Spec::uint("overflow", "Overflow", 3, 1).bits(0xf0);
pub(super) const TIMESTAMP_FLAG: Spec = Spec::uint("flag", "Flag", 3, 1).bits(0x0f);

/// RFC 2113.
pub(super) const ALERT: Spec = Spec::uint("value", "Value", 2, 2);

pub(super) const OPTIONS: &[Known] = &[
    Known { number: kind::END, name: "eol", label: "End of options", fields: &[] },
    Known { number: kind::NO_OPERATION, name: "nop", label: "No operation", fields: &[] },
    Known { number: kind::RECORD_ROUTE, name: "rr", label: "Record route", fields: ROUTE },
    Known {
        number: kind::TIMESTAMP,
        name: "timestamp",
        label: "Timestamp",
        fields: &[POINTER, OVERFLOW, TIMESTAMP_FLAG, Spec::bytes("data", "Data", 4, 0)],
    },
    Known {
        number: kind::SECURITY,
        name: "security",
        label: "Security",
        fields: &[Spec::bytes("data", "Data", 2, 0)],
    },
    Known { number: kind::LOOSE_ROUTE, name: "lsrr", label: "Loose source route", fields: ROUTE },
    Known {
        number: 134,
        name: "cipso",
        label: "Commercial security",
        fields: &[Spec::bytes("data", "Data", 2, 0)],
    },
    Known {
        number: 136,
        name: "stream_id",
        label: "Stream identifier",
        fields: &[Spec::uint("id", "Id", 2, 2)],
    },
    Known { number: kind::STRICT_ROUTE, name: "ssrr", label: "Strict source route", fields: ROUTE },
    Known {
        number: kind::ROUTER_ALERT,
        name: "router_alert",
        label: "Router alert",
        fields: &[ALERT],
    },
];

/// The options of a header.
pub(super) fn options<'a>(layer: &Layer<'a>) -> Tlvs<'a> {
    let bytes = layer.bytes.get(HEADER..).unwrap_or_default();
    Tlvs::over(&RULE, bytes, layer.length.saturating_sub(HEADER))
}

pub(super) fn walk(walk: &mut Walk<'_>, span: Span) -> Step {
    let first = walk.captured(span.within(HEADER));
    let header = (HEADER_LENGTH.of(first) as usize).max(HEADER);
    // A total length below the header's makes even the options doubtful.
    let bytes = walk.push(Protocol::Ipv4, span, header);
    if VERSION.get(bytes).is_some_and(|version| version != 4) {
        walk.worst(Fault::Wrong("version", VERSION.of(bytes)));
        return None;
    }
    if bytes.len() < HEADER {
        return None;
    }
    let claimed = HEADER_LENGTH.of(bytes) as usize;
    if claimed < HEADER {
        walk.worst(Fault::short("header length", claimed, "minimum", HEADER));
        return None;
    }
    let total = total_length(walk, bytes, header, span)?;
    let rest = walk.ends_as_said(span.behind(header), total - header, "total length");
    if bytes.len() < header {
        return None;
    }
    if FRAGMENT_OFFSET.is_set(bytes) {
        return Some((Next::Payload, rest));
    }
    walk.fragmented = MORE_FRAGMENTS.is_set(bytes);
    Some((Next::Protocol(PROTOCOL.of(bytes) as u8), rest))
}

/// Bytes of the datagram; 0 in the field means "the frame's": segmentation offload not yet filled in, and Linux BIG TCP.
fn total_length(walk: &mut Walk<'_>, bytes: &[u8], header: usize, span: Span) -> Option<usize> {
    let total = TOTAL_LENGTH.of(bytes) as usize;
    if total == 0 {
        return Some(span.room().max(header));
    }
    if total < header {
        walk.worst(Fault::short("total length", total, "header length", header));
        return None;
    }
    Some(total)
}

/// The addresses that a checksum's pseudo header has, and what a routing option leaves to come.
pub(super) fn destination<'a>(layer: &Layer<'a>) -> &'a [u8] {
    for option in options(layer) {
        let routes = matches!(option.kind, kind::LOOSE_ROUTE | kind::STRICT_ROUTE);
        let pointer = POINTER.of(option.bytes) as usize;
        if routes && option.fault.is_none() && pointer > ROUTE_AT && pointer <= option.length {
            let last = option.length.saturating_sub(4);
            if let Some(address) =
                option.bytes.get(last..option.length).filter(|_| last >= ROUTE_AT)
            {
                return address;
            }
        }
    }
    DESTINATION.slice(layer.bytes)
}
