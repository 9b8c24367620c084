//! What is named, with its length, and hardly looked into: AH, ESP, routing protocols, LLDP and the like; and payload.

use super::{
    Description, Protocol,
    field::Spec,
    names,
    walk::{Next, Span, Step, Walk},
};

/// RFC 4302 section 2.
pub(super) const AH_NEXT: Spec =
    Spec::uint("next_header", "Next header", 0, 1).named(names::next_protocol);
pub(super) const AH_LENGTH: Spec = Spec::uint("length", "Length", 1, 1);
const AH_RESERVED: Spec = Spec::hex("reserved", "Reserved", 2, 2);
pub(super) const AH_SPI: Spec = Spec::hex("spi", "SPI", 4, 4);
pub(super) const AH_SEQUENCE: Spec = Spec::uint("sequence", "Sequence number", 8, 4);
pub(super) const AH_ICV: Spec = Spec::bytes("icv", "Integrity check value", 12, 0);

pub(super) const AH: Description = Description::new(
    "ah",
    "Authentication header",
    &[AH_NEXT, AH_LENGTH, AH_RESERVED, AH_SPI, AH_SEQUENCE, AH_ICV],
);

/// RFC 4303 section 2.
pub(super) const ESP_SPI: Spec = Spec::hex("spi", "SPI", 0, 4);
pub(super) const ESP_SEQUENCE: Spec = Spec::uint("sequence", "Sequence number", 4, 4);
const ESP_HEADER: usize = 8;

pub(super) const ESP: Description =
    Description::new("esp", "Encapsulating security payload", &[ESP_SPI, ESP_SEQUENCE]);

pub(super) const OSPF_VERSION: Spec = Spec::uint("version", "Version", 0, 1);
pub(super) const OSPF_TYPE: Spec = Spec::uint("type", "Type", 1, 1).named(ospf_type);
pub(super) const OSPF: Description = Description::new(
    "ospf",
    "Open Shortest Path First",
    &[OSPF_VERSION, OSPF_TYPE, Spec::uint("length", "Length", 2, 2)],
);

pub(super) fn ospf_type(number: u64) -> Option<&'static str> {
    const NAMES: [&str; 6] =
        ["", "Hello", "Database Description", "LS-Request", "LS-Update", "LS-Ack"];
    NAMES.get(number as usize).copied().filter(|name| !name.is_empty())
}

pub(super) const VRRP_VERSION: Spec = Spec::uint("version", "Version", 0, 1).bits(0xf0);
pub(super) const VRRP_ROUTER: Spec = Spec::uint("router", "Virtual router", 1, 1);
pub(super) const VRRP_PRIORITY: Spec = Spec::uint("priority", "Priority", 2, 1);
pub(super) const VRRP: Description = Description::new(
    "vrrp",
    "Virtual Router Redundancy Protocol",
    &[VRRP_VERSION, Spec::uint("type", "Type", 0, 1).bits(0x0f), VRRP_ROUTER, VRRP_PRIORITY],
);

pub(super) const PIM_VERSION: Spec = Spec::uint("version", "Version", 0, 1).bits(0xf0);
pub(super) const PIM_TYPE: Spec = Spec::uint("type", "Type", 0, 1).bits(0x0f).named(pim_type);
pub(super) const PIM: Description =
    Description::new("pim", "Protocol Independent Multicast", &[PIM_VERSION, PIM_TYPE]);

pub(super) fn pim_type(number: u64) -> Option<&'static str> {
    const NAMES: [&str; 9] = [
        "Hello",
        "Register",
        "Register-Stop",
        "Join / Prune",
        "Bootstrap",
        "Assert",
        "Graft",
        "Graft-ACK",
        "Candidate RP Advertisement",
    ];
    NAMES.get(number as usize).copied()
}

pub(super) const EIGRP_VERSION: Spec = Spec::uint("version", "Version", 0, 1);
pub(super) const EIGRP_OPCODE: Spec = Spec::uint("opcode", "Opcode", 1, 1);
pub(super) const EIGRP: Description = Description::new(
    "eigrp",
    "Enhanced Interior Gateway Routing Protocol",
    &[EIGRP_VERSION, EIGRP_OPCODE],
);

pub(super) const EAPOL_VERSION: Spec = Spec::uint("version", "Version", 0, 1);
pub(super) const EAPOL_TYPE: Spec = Spec::uint("type", "Type", 1, 1).named(names::eapol);
pub(super) const EAPOL_LENGTH: Spec = Spec::uint("length", "Length", 2, 2);
pub(super) const EAPOL: Description =
    Description::new("eapol", "EAP over LAN", &[EAPOL_VERSION, EAPOL_TYPE, EAPOL_LENGTH]);

pub(super) const LLDP: Description = Description::new("lldp", "Link Layer Discovery Protocol", &[]);
pub(super) const MACSEC: Description = Description::new("macsec", "MACsec", &[]);
pub(super) const PTP: Description = Description::new("ptp", "Precision Time Protocol", &[]);
pub(super) const STP: Description = Description::new("stp", "Spanning Tree Protocol", &[]);
pub(super) const PAYLOAD: Description = Description::new("payload", "Payload", &[]);
pub(super) const PADDING: Description = Description::new("padding", "Padding", &[]);

/// All that is left is this protocol's.
pub(super) fn named(walk: &mut Walk<'_>, protocol: Protocol, span: Span) -> Step {
    walk.push(protocol, span, span.room());
    None
}

pub(super) fn ah(walk: &mut Walk<'_>, span: Span) -> Step {
    const LEAST: usize = 12;
    let first = walk.captured(span.within(LEAST));
    let header = AH_LENGTH.get(first).map_or(LEAST, |length| (length as usize + 2) * 4);
    let bytes = walk.push(Protocol::Ah, span, header.max(LEAST));
    if !walk.is_whole() {
        walk.partial();
        return None;
    }
    if header < LEAST {
        walk.worst(super::Fault::short("header length", header, "minimum", LEAST));
        return None;
    }
    Some((Next::Protocol(AH_NEXT.of(bytes) as u8), span.behind(header)))
}

pub(super) fn esp(walk: &mut Walk<'_>, span: Span) -> Step {
    walk.push(Protocol::Esp, span, ESP_HEADER);
    if !walk.is_whole() {
        walk.partial();
        return None;
    }
    Some((Next::Payload, span.behind(ESP_HEADER)))
}
