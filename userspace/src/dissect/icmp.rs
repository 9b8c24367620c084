//! ICMP (RFC 792), with router discovery (RFC 1256) and address masks (RFC 950).

use std::io;

use super::{
    Description, Layer, Protocol,
    field::Spec,
    sink::{Sink, emit},
    walk::{Next, Span, Step, Walk},
};

pub(super) const TYPE: Spec = Spec::uint("type", "Type", 0, 1).named(type_name);
pub(super) const CODE: Spec = Spec::uint("code", "Code", 1, 1);
pub(super) const CHECKSUM: Spec = Spec::hex("checksum", "Checksum", 2, 2);

/// Then by type: `id` and `sequence` (echo, timestamp, mask), `mtu` (unreachable), `gateway` (redirect), `pointer`
/// (parameter problem), times (timestamp), `mask`, `lifetime` and `routers` (router advertisement).
pub(super) const ICMP: Description =
    Description::new("icmp", "Internet Control Message Protocol", &[TYPE, CODE, CHECKSUM])
        .with(body);

/// ICMP types (IANA).
pub(super) mod kind {
    pub(in crate::dissect) const ECHO_REPLY: u64 = 0;
    pub(in crate::dissect) const UNREACHABLE: u64 = 3;
    pub(in crate::dissect) const QUENCH: u64 = 4;
    pub(in crate::dissect) const REDIRECT: u64 = 5;
    pub(in crate::dissect) const ECHO: u64 = 8;
    pub(in crate::dissect) const ROUTER_ADVERTISEMENT: u64 = 9;
    pub(in crate::dissect) const TIME_EXCEEDED: u64 = 11;
    pub(in crate::dissect) const PARAMETER_PROBLEM: u64 = 12;
    pub(in crate::dissect) const TIMESTAMP: u64 = 13;
    pub(in crate::dissect) const TIMESTAMP_REPLY: u64 = 14;
    pub(in crate::dissect) const MASK: u64 = 17;
    pub(in crate::dissect) const MASK_REPLY: u64 = 18;
    pub(in crate::dissect) const EXTENDED_ECHO: u64 = 42;
    pub(in crate::dissect) const EXTENDED_ECHO_REPLY: u64 = 43;
}

pub(super) const ID: Spec = Spec::uint("id", "Identifier", 4, 2);
pub(super) const SEQUENCE: Spec = Spec::uint("sequence", "Sequence number", 6, 2);
/// RFC 1191 section 4: of this code of "destination unreachable" alone.
pub(super) const NEED_TO_FRAGMENT: u64 = 4;
pub(super) const MTU: Spec = Spec::uint("mtu", "MTU of next hop", 6, 2);
pub(super) const GATEWAY: Spec = Spec::ipv4("gateway", "Gateway", 4);
pub(super) const POINTER: Spec = Spec::uint("pointer", "Pointer", 4, 1);
pub(super) const ORIGINATE: Spec = Spec::uint("originate", "Originated", 8, 4);
pub(super) const RECEIVE: Spec = Spec::uint("receive", "Received", 12, 4);
pub(super) const TRANSMIT: Spec = Spec::uint("transmit", "Transmitted", 16, 4);
pub(super) const MASK: Spec = Spec::ipv4("mask", "Address mask", 8);
pub(super) const ROUTERS: Spec = Spec::uint("count", "Addresses", 4, 1);
pub(super) const ROUTER_WORDS: Spec = Spec::uint("entry_words", "Words of an entry", 5, 1);
pub(super) const LIFETIME: Spec = Spec::uint("lifetime", "Lifetime", 6, 2);
pub(super) const ROUTER_AT: usize = 8;
pub(super) const ROUTER: Spec = Spec::ipv4("address", "Address", 0);
pub(super) const PREFERENCE: Spec = Spec::uint("preference", "Preference", 4, 4);

const ECHOES: &[Spec] = &[ID, SEQUENCE];
const ADVERTISEMENT: &[Spec] = &[
    ROUTERS,
    ROUTER_WORDS,
    LIFETIME,
    Spec::rows("routers", "Router", ROUTER_AT, 8, &[ROUTER, PREFERENCE]),
];

fn body(layer: &Layer<'_>, sink: &mut dyn Sink) -> io::Result<()> {
    let specs: &[Spec] = match layer.of(&TYPE) {
        kind::ECHO | kind::ECHO_REPLY | kind::EXTENDED_ECHO | kind::EXTENDED_ECHO_REPLY => ECHOES,
        kind::UNREACHABLE if layer.of(&CODE) == NEED_TO_FRAGMENT => &[MTU],
        kind::REDIRECT => &[GATEWAY],
        kind::PARAMETER_PROBLEM => &[POINTER],
        kind::TIMESTAMP | kind::TIMESTAMP_REPLY => &[ID, SEQUENCE, ORIGINATE, RECEIVE, TRANSMIT],
        kind::MASK | kind::MASK_REPLY => &[ID, SEQUENCE, MASK],
        kind::ROUTER_ADVERTISEMENT => ADVERTISEMENT,
        _ => &[],
    };
    emit(specs, layer.area(), sink)
}

/// The code, with the names that it has for the type.
pub(super) fn code(layer: &Layer<'_>) -> Spec {
    match layer.of(&TYPE) {
        kind::UNREACHABLE => CODE.named(unreachable),
        kind::REDIRECT => CODE.named(redirect),
        kind::TIME_EXCEEDED => CODE.named(time_exceeded),
        kind::PARAMETER_PROBLEM => CODE.named(problem),
        _ => CODE,
    }
}

/// RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1.
fn unreachable(code: u64) -> Option<&'static str> {
    const NAMES: [&str; 16] = [
        "network unreachable",
        "host unreachable",
        "protocol unreachable",
        "port unreachable",
        "fragmentation needed",
        "source route failed",
        "network unknown",
        "host unknown",
        "source host isolated",
        "network prohibited",
        "host prohibited",
        "network unreachable for the type of service",
        "host unreachable for the type of service",
        "communication prohibited",
        "host precedence violation",
        "precedence cutoff",
    ];
    NAMES.get(code as usize).copied()
}

fn redirect(code: u64) -> Option<&'static str> {
    const NAMES: [&str; 4] =
        ["network", "host", "type of service and network", "type of service and host"];
    NAMES.get(code as usize).copied()
}

fn time_exceeded(code: u64) -> Option<&'static str> {
    ["time to live exceeded in transit", "reassembly time exceeded"].get(code as usize).copied()
}

fn problem(code: u64) -> Option<&'static str> {
    ["pointer is the error", "missing option", "bad length"].get(code as usize).copied()
}

/// What tcpdump calls a type, where the type alone says it.
pub(super) fn type_name(number: u64) -> Option<&'static str> {
    Some(match number {
        kind::ECHO_REPLY => "echo reply",
        kind::UNREACHABLE => "destination unreachable",
        kind::QUENCH => "source quench",
        kind::REDIRECT => "redirect",
        kind::ECHO => "echo request",
        kind::ROUTER_ADVERTISEMENT => "router advertisement",
        10 => "router solicitation",
        kind::TIME_EXCEEDED => "time exceeded",
        kind::PARAMETER_PROBLEM => "parameter problem",
        kind::TIMESTAMP => "time stamp query",
        kind::TIMESTAMP_REPLY => "time stamp reply",
        15 => "information request",
        16 => "information reply",
        kind::MASK => "address mask request",
        kind::MASK_REPLY => "address mask reply",
        kind::EXTENDED_ECHO => "extended echo request",
        kind::EXTENDED_ECHO_REPLY => "extended echo reply",
        _ => return None,
    })
}

/// The message is an error and quotes the packet that it is about.
pub(super) const fn is_error(kind: u64) -> bool {
    matches!(
        kind,
        kind::UNREACHABLE
            | kind::QUENCH
            | kind::REDIRECT
            | kind::TIME_EXCEEDED
            | kind::PARAMETER_PROBLEM
    )
}

pub(super) fn walk(walk: &mut Walk<'_>, span: Span) -> Step {
    const LEAST: usize = 4;
    const HEADER: usize = 8;
    let kind = TYPE.of(walk.captured(span.within(1)));
    let header = match kind {
        kind::TIMESTAMP | kind::TIMESTAMP_REPLY => 20,
        kind::MASK | kind::MASK_REPLY => 12,
        kind::ROUTER_ADVERTISEMENT => span.room().max(HEADER),
        kind if type_name(kind).is_some() => HEADER,
        _ => LEAST,
    };
    walk.push(Protocol::Icmp, span, header);
    if !walk.is_whole() {
        walk.partial();
        return None;
    }
    let rest = span.behind(header);
    if is_error(kind) && rest.room() > 0 {
        walk.quotes(rest);
        return Some((Next::Ip, rest));
    }
    Some((Next::Payload, rest))
}
