//! ICMPv6 (RFC 4443): errors, echo, neighbour discovery (RFC 4861), multicast listeners (RFC 2710, 3810).

use std::io;

use super::{
    Description, Layer, Protocol,
    field::Spec,
    sink::{Sink, emit},
    tlv::{self, Known, Rule, Tlvs},
    walk::{Next, Span, Step, Walk},
};

pub(super) const TYPE: Spec = Spec::uint("type", "Type", 0, 1).named(type_name);
pub(super) const CODE: Spec = Spec::uint("code", "Code", 1, 1);
pub(super) const CHECKSUM: Spec = Spec::hex("checksum", "Checksum", 2, 2);

/// The code, with the names that it has for the type (RFC 4443 section 3).
pub(super) fn code(layer: &Layer<'_>) -> Spec {
    match layer.of(&TYPE) {
        kind::UNREACHABLE => CODE.named(unreachable),
        kind::TIME_EXCEEDED => CODE.named(time_exceeded),
        kind::PARAMETER_PROBLEM => CODE.named(problem),
        _ => CODE,
    }
}

fn unreachable(code: u64) -> Option<&'static str> {
    const NAMES: [&str; 7] = [
        "no route",
        "prohibited",
        "beyond the scope of the source",
        "address unreachable",
        "port unreachable",
        "source failed a policy",
        "route rejected",
    ];
    NAMES.get(code as usize).copied()
}

fn time_exceeded(code: u64) -> Option<&'static str> {
    ["hop limit exceeded in transit", "reassembly time exceeded"].get(code as usize).copied()
}

fn problem(code: u64) -> Option<&'static str> {
    ["erroneous header", "unknown next header", "unknown option"].get(code as usize).copied()
}

/// Then by type: `id` and `sequence` (echo), `mtu` (too big), `pointer` (parameter problem), `target`, `destination`,
/// flags and times (neighbour discovery) with `options`, `group`, `sources` and `records` (multicast listeners).
pub(super) const ICMPV6: Description =
    Description::new("icmpv6", "Internet Control Message Protocol v6", &[TYPE, CODE, CHECKSUM])
        .with(body);

/// ICMPv6 types (IANA).
pub(super) mod kind {
    pub(in crate::dissect) const UNREACHABLE: u64 = 1;
    pub(in crate::dissect) const TOO_BIG: u64 = 2;
    pub(in crate::dissect) const TIME_EXCEEDED: u64 = 3;
    pub(in crate::dissect) const PARAMETER_PROBLEM: u64 = 4;
    pub(in crate::dissect) const ECHO: u64 = 128;
    pub(in crate::dissect) const ECHO_REPLY: u64 = 129;
    pub(in crate::dissect) const LISTENER_QUERY: u64 = 130;
    pub(in crate::dissect) const LISTENER_REPORT: u64 = 131;
    pub(in crate::dissect) const LISTENER_DONE: u64 = 132;
    pub(in crate::dissect) const ROUTER_SOLICITATION: u64 = 133;
    pub(in crate::dissect) const ROUTER_ADVERTISEMENT: u64 = 134;
    pub(in crate::dissect) const NEIGHBOUR_SOLICITATION: u64 = 135;
    pub(in crate::dissect) const NEIGHBOUR_ADVERTISEMENT: u64 = 136;
    pub(in crate::dissect) const REDIRECT: u64 = 137;
    pub(in crate::dissect) const LISTENER_REPORT_2: u64 = 143;
}

pub(super) const ID: Spec = Spec::uint("id", "Identifier", 4, 2);
pub(super) const SEQUENCE: Spec = Spec::uint("sequence", "Sequence number", 6, 2);
pub(super) const MTU: Spec = Spec::uint("mtu", "MTU", 4, 4);
pub(super) const POINTER: Spec = Spec::uint("pointer", "Pointer", 4, 4);
/// Of neighbour solicitation and advertisement, and of redirects.
pub(super) const TARGET: Spec = Spec::ipv6("target", "Target", 8);
pub(super) const REDIRECTED: Spec = Spec::ipv6("destination", "Destination", 24);

/// RFC 4861 section 4.4.
pub(super) const NEIGHBOUR_FLAGS: Spec =
    Spec::hex("flags", "Flags", 4, 1).flags(&[IS_ROUTER, IS_SOLICITED, OVERRIDE]);
pub(super) const IS_ROUTER: Spec = Spec::flag("router", "Router", 4, 1, 0x80);
pub(super) const IS_SOLICITED: Spec = Spec::flag("solicited", "Solicited", 4, 1, 0x40);
pub(super) const OVERRIDE: Spec = Spec::flag("override", "Override", 4, 1, 0x20);

/// RFC 4861 section 4.2, RFC 4191 section 2.2.
pub(super) const ROUTER_HOPS: Spec = Spec::uint("hop_limit", "Hop limit", 4, 1);
pub(super) const ROUTER_FLAGS: Spec =
    Spec::hex("flags", "Flags", 5, 1).flags(&[MANAGED, OTHER, HOME_AGENT]);
pub(super) const MANAGED: Spec = Spec::flag("managed", "Managed", 5, 1, 0x80);
pub(super) const OTHER: Spec = Spec::flag("other", "Other", 5, 1, 0x40);
pub(super) const HOME_AGENT: Spec = Spec::flag("home_agent", "Home agent", 5, 1, 0x20);
pub(super) const ROUTER_PREFERENCE: Spec =
    Spec::uint("preference", "Preference", 5, 1).bits(0x18).named(preference);
pub(super) const ROUTER_LIFETIME: Spec = Spec::uint("lifetime", "Router lifetime, s", 6, 2);
pub(super) const REACHABLE: Spec = Spec::uint("reachable", "Reachable time, ms", 8, 4);
pub(super) const RETRANSMIT: Spec = Spec::uint("retransmit", "Retransmission time, ms", 12, 4);

/// RFC 2710 section 3, RFC 3810 section 5.
pub(super) const MAX_DELAY: Spec = Spec::uint("max_delay", "Maximum response code", 4, 2);
pub(super) const GROUP: Spec = Spec::ipv6("group", "Multicast address", 8);
pub(super) const SUPPRESS: Spec = Spec::flag("suppress", "Suppress", 24, 1, 0x08);
pub(super) const ROBUSTNESS: Spec = Spec::uint("robustness", "Robustness", 24, 1).bits(0x07);
pub(super) const INTERVAL: Spec = Spec::uint("interval", "Querier's interval code", 25, 1);
pub(super) const SOURCES: Spec = Spec::uint("source_count", "Sources", 26, 2);
pub(super) const SOURCES_AT: usize = 28;
pub(super) const RECORDS: Spec = Spec::uint("record_count", "Records", 6, 2);
pub(super) const RECORDS_AT: usize = 8;
pub(super) const RECORD_TYPE: Spec =
    Spec::uint("type", "Type", 0, 1).named(super::igmp::record_name);
pub(super) const RECORD_SOURCES: Spec = Spec::uint("source_count", "Sources", 2, 2);
pub(super) const RECORD_GROUP: Spec = Spec::ipv6("group", "Multicast address", 4);
pub(super) const RECORD_HEAD: usize = 20;

static RECORD: Rule = Rule {
    head: &[
        RECORD_TYPE,
        RECORD_SOURCES,
        RECORD_GROUP,
        Spec::ipv6("sources", "Source", RECORD_HEAD).list(),
    ],
    singles: 0,
    end: None,
    kind: RECORD_TYPE,
    length: |bytes| {
        const AUXILIARY: Spec = Spec::uint("auxiliary", "Auxiliary", 1, 1).times(4);
        let sources = RECORD_SOURCES.get(bytes)? as usize;
        Some(RECORD_HEAD + 16 * sources + AUXILIARY.of(bytes) as usize)
    },
    least: RECORD_HEAD,
    align: 1,
    called: "record length",
};

const OPTION_TYPE: Spec = Spec::uint("kind", "Kind", 0, 1);
pub(super) const OPTION_LENGTH: Spec = Spec::uint("length", "Length", 1, 1).times(8);

/// RFC 4861 section 4.6: lengths count 8 bytes.
static OPTION: Rule = Rule {
    head: &[OPTION_TYPE, OPTION_LENGTH],
    singles: 0,
    end: None,
    kind: OPTION_TYPE,
    length: |bytes| OPTION_LENGTH.get(bytes).map(|length| length as usize),
    least: 8,
    align: 1,
    called: "option length",
};

pub(super) const LINK_ADDRESS: Spec = Spec::bytes("address", "Link address", 2, 0);
pub(super) const PREFIX_LENGTH: Spec = Spec::uint("prefix_length", "Prefix length", 2, 1);
pub(super) const PREFIX_FLAGS: Spec = Spec::hex("flags", "Flags", 3, 1).flags(&[
    Spec::flag("on_link", "On link", 3, 1, 0x80),
    Spec::flag("autonomous", "Autonomous", 3, 1, 0x40),
    Spec::flag("router", "Router address", 3, 1, 0x20),
]);
pub(super) const VALID: Spec = Spec::uint("valid", "Valid lifetime, s", 4, 4);
pub(super) const PREFERRED: Spec = Spec::uint("preferred", "Preferred lifetime, s", 8, 4);
pub(super) const PREFIX: Spec = Spec::ipv6("prefix", "Prefix", 16);
pub(super) const OPTION_MTU: Spec = Spec::uint("mtu", "MTU", 4, 4);
pub(super) const OPTION_LIFETIME: Spec = Spec::uint("lifetime", "Lifetime, s", 4, 4);
pub(super) const OPTION_PREFERENCE: Spec =
    Spec::uint("preference", "Preference", 3, 1).bits(0x18).named(preference);
pub(super) const SERVERS_AT: usize = 8;

const MAC: &[Spec] = &[Spec::mac("address", "Link address", 2)];

const OPTIONS: &[Known] = &[
    Known { number: 1, name: "source_link_address", label: "Source link address", fields: MAC },
    Known { number: 2, name: "target_link_address", label: "Target link address", fields: MAC },
    Known {
        number: 3,
        name: "prefix",
        label: "Prefix information",
        fields: &[PREFIX_LENGTH, PREFIX_FLAGS, VALID, PREFERRED, PREFIX],
    },
    Known { number: 4, name: "redirected", label: "Redirected header", fields: &[] },
    Known { number: 5, name: "mtu", label: "MTU", fields: &[OPTION_MTU] },
    Known {
        number: 14,
        name: "nonce",
        label: "Nonce",
        fields: &[Spec::bytes("nonce", "Nonce", 2, 0)],
    },
    Known {
        number: 24,
        name: "route",
        label: "Route information",
        fields: &[
            PREFIX_LENGTH,
            OPTION_PREFERENCE,
            OPTION_LIFETIME,
            Spec::bytes("prefix", "Prefix", 8, 0),
        ],
    },
    Known {
        number: 25,
        name: "rdnss",
        label: "DNS servers",
        fields: &[OPTION_LIFETIME, Spec::ipv6("servers", "Server", SERVERS_AT).list()],
    },
    Known {
        number: 31,
        name: "dnssl",
        label: "DNS search list",
        fields: &[OPTION_LIFETIME, Spec::bytes("domains", "Domains", 8, 0)],
    },
];

/// RFC 3810 section 5.1.
const QUERY_2: &[Spec] = &[
    MAX_DELAY,
    GROUP,
    SUPPRESS,
    ROBUSTNESS,
    INTERVAL,
    SOURCES,
    Spec::ipv6("sources", "Source", SOURCES_AT).list(),
];

fn body(layer: &Layer<'_>, sink: &mut dyn Sink) -> io::Result<()> {
    let kind = layer.of(&TYPE);
    let specs: &[Spec] = match kind {
        kind::ECHO | kind::ECHO_REPLY => &[ID, SEQUENCE],
        kind::TOO_BIG => &[MTU],
        kind::PARAMETER_PROBLEM => &[POINTER],
        kind::NEIGHBOUR_SOLICITATION => &[TARGET],
        kind::NEIGHBOUR_ADVERTISEMENT => &[NEIGHBOUR_FLAGS, TARGET],
        kind::REDIRECT => &[TARGET, REDIRECTED],
        kind::ROUTER_ADVERTISEMENT => {
            &[ROUTER_HOPS, ROUTER_FLAGS, ROUTER_PREFERENCE, ROUTER_LIFETIME, REACHABLE, RETRANSMIT]
        }
        kind::LISTENER_QUERY | kind::LISTENER_REPORT | kind::LISTENER_DONE
            if layer.room < SOURCES_AT =>
        {
            &[MAX_DELAY, GROUP]
        }
        kind::LISTENER_QUERY => QUERY_2,
        kind::LISTENER_REPORT_2 => &[RECORDS],
        _ => &[],
    };
    emit(specs, layer.area(), sink)?;
    if kind == kind::LISTENER_REPORT_2 {
        return tlv::emit_all(
            ("records", "Records"),
            records(layer),
            &[],
            layer.offset + RECORDS_AT,
            sink,
        );
    }
    match fixed(kind) {
        Some(at) => {
            tlv::emit_all(("options", "Options"), options(layer), OPTIONS, layer.offset + at, sink)
        }
        None => Ok(()),
    }
}

/// Where the options of a neighbour discovery message begin (RFC 4861 section 4).
const fn fixed(kind: u64) -> Option<usize> {
    match kind {
        kind::ROUTER_SOLICITATION => Some(8),
        kind::ROUTER_ADVERTISEMENT => Some(16),
        kind::NEIGHBOUR_SOLICITATION | kind::NEIGHBOUR_ADVERTISEMENT => Some(24),
        kind::REDIRECT => Some(40),
        _ => None,
    }
}

/// The options of a neighbour discovery message.
pub(super) fn options<'a>(layer: &Layer<'a>) -> Tlvs<'a> {
    let at = fixed(layer.of(&TYPE)).unwrap_or(layer.length);
    Tlvs::over(&OPTION, layer.bytes.get(at..).unwrap_or_default(), layer.length.saturating_sub(at))
}

/// The records of a listener report.
pub(super) fn records<'a>(layer: &Layer<'a>) -> Tlvs<'a> {
    let bytes = layer.bytes.get(RECORDS_AT..).unwrap_or_default();
    Tlvs::over(&RECORD, bytes, layer.length.saturating_sub(RECORDS_AT))
}

/// RFC 4191 section 2.1.
pub(super) fn preference(number: u64) -> Option<&'static str> {
    ["medium", "high", "*unknown*", "low"].get(number as usize).copied()
}

/// What tcpdump calls a type.
pub(super) fn type_name(number: u64) -> Option<&'static str> {
    Some(match number {
        kind::UNREACHABLE => "destination unreachable",
        kind::TOO_BIG => "packet too big",
        kind::TIME_EXCEEDED => "time exceeded in-transit",
        kind::PARAMETER_PROBLEM => "parameter problem",
        kind::ECHO => "echo request",
        kind::ECHO_REPLY => "echo reply",
        kind::LISTENER_QUERY => "multicast listener query",
        kind::LISTENER_REPORT => "multicast listener report",
        kind::LISTENER_DONE => "multicast listener done",
        kind::ROUTER_SOLICITATION => "router solicitation",
        kind::ROUTER_ADVERTISEMENT => "router advertisement",
        kind::NEIGHBOUR_SOLICITATION => "neighbor solicitation",
        kind::NEIGHBOUR_ADVERTISEMENT => "neighbor advertisement",
        kind::REDIRECT => "redirect",
        138 => "router renumbering",
        139 => "node information query",
        140 => "node information reply",
        141 => "inverse neighbor solicitation",
        142 => "inverse neighbor advertisement",
        kind::LISTENER_REPORT_2 => "multicast listener report v2",
        144 => "dhaad request",
        145 => "dhaad reply",
        146 => "mobile router solicitation",
        147 => "mobile router advertisement",
        _ => return None,
    })
}

pub(super) fn walk(walk: &mut Walk<'_>, span: Span) -> Step {
    const LEAST: usize = 4;
    const HEADER: usize = 8;
    let first = walk.captured(span.within(1));
    let kind = TYPE.of(first);
    let least = match kind {
        kind::LISTENER_QUERY | kind::LISTENER_REPORT | kind::LISTENER_DONE => 24,
        kind::LISTENER_REPORT_2 => RECORDS_AT,
        kind => fixed(kind).unwrap_or(HEADER),
    };
    let is_error =
        !first.is_empty() && (kind::UNREACHABLE..=kind::PARAMETER_PROBLEM).contains(&kind);
    let header = match kind {
        kind::ECHO | kind::ECHO_REPLY => HEADER,
        _ if is_error => HEADER,
        _ if type_name(kind).is_none() => LEAST,
        _ => span.room().max(least),
    };
    walk.push(Protocol::Icmpv6, span, header);
    if !walk.is_whole() {
        walk.partial();
        return None;
    }
    let rest = span.behind(header);
    if is_error && rest.room() > 0 {
        walk.quotes(rest);
        return Some((Next::Ip, rest));
    }
    Some((Next::Payload, rest))
}
