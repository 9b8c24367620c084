//! ARP (RFC 826), RARP (RFC 903), inverse ARP (RFC 2390).

use std::io;

use super::{
    Description, Layer, Protocol,
    field::{Kind, Spec},
    names,
    sink::{Sink, emit_one},
    walk::{Span, Step, Walk},
};

pub(super) const HARDWARE: Spec =
    Spec::uint("hardware", "Hardware type", 0, 2).named(names::hardware);
pub(super) const PROTOCOL: Spec =
    Spec::hex("protocol", "Protocol type", 2, 2).named(names::ether_type_of);
pub(super) const HARDWARE_LENGTH: Spec = Spec::uint("hardware_length", "Hardware length", 4, 1);
pub(super) const PROTOCOL_LENGTH: Spec = Spec::uint("protocol_length", "Protocol length", 5, 1);
pub(super) const OPERATION: Spec =
    Spec::uint("operation", "Operation", 6, 2).named(names::arp_operation);

const FIXED: usize = 8;

/// Behind the fixed fields: `sender_hardware`, `sender_protocol`, `target_hardware`, `target_protocol`.
pub(super) const ARP: Description = Description::new(
    "arp",
    "Address Resolution Protocol",
    &[HARDWARE, PROTOCOL, HARDWARE_LENGTH, PROTOCOL_LENGTH, OPERATION],
)
.with(addresses);

/// The four addresses, whose places depend on their lengths.
#[derive(Clone, Copy)]
pub(super) struct Addresses {
    pub(super) sender_hardware: Spec,
    pub(super) sender: Spec,
    pub(super) target_hardware: Spec,
    pub(super) target: Spec,
}

impl Addresses {
    pub(super) fn of(bytes: &[u8]) -> Self {
        const ETHERNET: usize = 6;
        const IPV4: usize = 4;
        let (hardware, protocol) =
            (HARDWARE_LENGTH.of(bytes) as usize, PROTOCOL_LENGTH.of(bytes) as usize);
        let is_ip = PROTOCOL.of(bytes) == u64::from(names::ether_type::IPV4);
        let mac = if hardware == ETHERNET { Kind::Mac } else { Kind::Bytes };
        let ip = if protocol == IPV4 && is_ip { Kind::Ipv4 } else { Kind::Bytes };
        let place = |spec: Spec, at, length, kind| Spec { at, length, kind, ..spec };
        let second = FIXED + hardware + protocol;
        let bytes = |name, label| Spec::bytes(name, label, 0, 0);
        Self {
            sender_hardware: place(
                bytes("sender_hardware", "Sender hardware address"),
                FIXED,
                hardware,
                mac,
            ),
            sender: place(
                bytes("sender_protocol", "Sender protocol address"),
                FIXED + hardware,
                protocol,
                ip,
            ),
            target_hardware: place(
                bytes("target_hardware", "Target hardware address"),
                second,
                hardware,
                mac,
            ),
            target: place(
                bytes("target_protocol", "Target protocol address"),
                second + hardware,
                protocol,
                ip,
            ),
        }
    }
}

fn addresses(layer: &Layer<'_>, sink: &mut dyn Sink) -> io::Result<()> {
    let all = Addresses::of(layer.bytes);
    for spec in [all.sender_hardware, all.sender, all.target_hardware, all.target] {
        if spec.length > 0 {
            emit_one(&spec, layer.area(), sink)?;
        }
    }
    Ok(())
}

pub(super) fn walk(walk: &mut Walk<'_>, span: Span) -> Step {
    let fixed = walk.captured(span.within(FIXED));
    let addresses = 2 * (HARDWARE_LENGTH.of(fixed) + PROTOCOL_LENGTH.of(fixed)) as usize;
    let outer = span.room();
    walk.push(Protocol::Arp, span, FIXED + addresses);
    if walk.is_whole() && outer > FIXED + addresses {
        walk.pads(span.behind(FIXED + addresses));
    }
    None
}
