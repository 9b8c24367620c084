//! UDP (RFC 768) and UDP-Lite (RFC 3828).

use super::{
    Description, Fault, Protocol,
    field::Spec,
    names,
    walk::{Next, Span, Step, Walk},
};

pub(super) const HEADER: usize = 8;

pub(super) const SOURCE: Spec =
    Spec::uint("source_port", "Source port", 0, 2).named(names::udp_port);
pub(super) const DESTINATION: Spec =
    Spec::uint("destination_port", "Destination port", 2, 2).named(names::udp_port);
pub(super) const LENGTH: Spec = Spec::uint("length", "Length", 4, 2);
pub(super) const CHECKSUM: Spec = Spec::hex("checksum", "Checksum", 6, 2);
/// RFC 3828 section 3.1: 0 covers everything.
pub(super) const COVERAGE: Spec = Spec::uint("coverage", "Checksum coverage", 4, 2);

pub(super) const UDP: Description =
    Description::new("udp", "User Datagram Protocol", &[SOURCE, DESTINATION, LENGTH, CHECKSUM]);
pub(super) const UDP_LITE: Description = Description::new(
    "udp_lite",
    "Lightweight User Datagram Protocol",
    &[SOURCE, DESTINATION, COVERAGE, CHECKSUM],
);

/// Ports behind which a tunnel begins.
mod port {
    pub(super) const GTP: u64 = 2152;
    pub(super) const VXLAN: u64 = 4789;
    pub(super) const GENEVE: u64 = 6081;
    pub(super) const OLD_VXLAN: u64 = 8472;
}

pub(super) fn walk(walk: &mut Walk<'_>, span: Span) -> Step {
    let bytes = walk.push(Protocol::Udp, span, HEADER);
    if !walk.is_whole() {
        walk.partial();
        return None;
    }
    let (length, room) = (LENGTH.of(bytes) as usize, span.room());
    // RFC 2675 section 4: a length that the field cannot say is 0.
    let jumbo = length == 0 && room > usize::from(u16::MAX);
    if length < HEADER && !jumbo {
        walk.malformed(Fault::short("length", length, "header", HEADER));
        return Some((Next::Payload, span.behind(HEADER)));
    }
    if length > room && !walk.fragmented && !walk.quoted {
        walk.malformed(Fault::long("length", length, "available", room));
    }
    let rest = span.within(if jumbo { room } else { length }).behind(HEADER);
    let (source, destination) = (SOURCE.of(bytes), DESTINATION.of(bytes));
    let next = match destination {
        port::VXLAN | port::OLD_VXLAN => Next::Vxlan,
        port::GENEVE => Next::Geneve,
        port::GTP => Next::Gtp,
        _ if source == port::GTP => Next::Gtp,
        _ => Next::Payload,
    };
    Some((next, rest))
}

pub(super) fn walk_lite(walk: &mut Walk<'_>, span: Span) -> Step {
    let bytes = walk.push(Protocol::UdpLite, span, HEADER);
    if !walk.is_whole() {
        walk.partial();
        return None;
    }
    let (coverage, room) = (COVERAGE.of(bytes) as usize, span.room());
    if coverage != 0 && coverage < HEADER {
        walk.malformed(Fault::short("coverage", coverage, "header", HEADER));
    } else if coverage > room && !walk.fragmented && !walk.quoted {
        walk.malformed(Fault::long("coverage", coverage, "available", room));
    }
    Some((Next::Payload, span.behind(HEADER)))
}
