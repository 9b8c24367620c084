//! Checksums, where every byte that they cover was captured.

use std::io;

use super::{
    Dissection, Fault, Layer, Protocol, dccp,
    field::Spec,
    icmp, icmp6, ip4, ip6,
    names::protocol,
    sink::{Node, Sink, Value},
    tcp, udp,
};

/// What a checksum says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Check {
    /// The layer has none, or not every covered byte is there.
    Unverified,
    /// The sender computed none (RFC 768).
    Absent,
    /// It is right.
    Good,
    /// It should be this.
    Bad(u16),
}

/// Checks the checksum of a layer.
pub(super) fn of(dissection: &Dissection<'_>, index: usize) -> Check {
    verify(dissection, index).unwrap_or(Check::Unverified)
}

/// Shows what the checksum of a layer says, for layers that have one.
pub(super) fn emit(
    dissection: &Dissection<'_>,
    index: usize,
    sink: &mut dyn Sink,
) -> io::Result<()> {
    let Some(layer) = dissection.layers.get(index) else { return Ok(()) };
    let Some(spec) = field_of(layer.protocol) else { return Ok(()) };
    if spec.get(layer.bytes).is_none() {
        return Ok(());
    }
    let at = layer.offset + spec.at;
    let check = of(dissection, index);
    let status = match check {
        Check::Unverified => "unverified",
        Check::Absent => "absent",
        Check::Good => "good",
        Check::Bad(_) => "bad",
    };
    sink.leaf(&Node::of("checksum_status", "Checksum status", at, 0, Value::Text(status)))?;
    match check {
        Check::Bad(should) => {
            let should = Value::Hex(u64::from(should), 4);
            sink.leaf(&Node::of("checksum_expected", "Checksum should be", at, 0, should))
        }
        _ => Ok(()),
    }
}

const fn field_of(protocol: Protocol) -> Option<Spec> {
    match protocol {
        Protocol::Ipv4 => Some(ip4::CHECKSUM),
        Protocol::Tcp => Some(tcp::CHECKSUM),
        Protocol::Udp | Protocol::UdpLite => Some(udp::CHECKSUM),
        Protocol::Dccp => Some(dccp::CHECKSUM),
        Protocol::Icmp | Protocol::Igmp => Some(icmp::CHECKSUM),
        Protocol::Icmpv6 => Some(icmp6::CHECKSUM),
        _ => None,
    }
}

/// `None` where it cannot be told.
fn verify(dissection: &Dissection<'_>, index: usize) -> Option<Check> {
    let layer = dissection.layers.get(index)?;
    let spec = field_of(layer.protocol)?;
    let found = spec.get(layer.bytes)?;
    if layer.protocol == Protocol::Ipv4 {
        let claimed = layer.of(&ip4::HEADER_LENGTH) as usize;
        let whole =
            layer.bytes.len() == claimed && !matches!(layer.fault(), Some(Fault::Wrong(..)));
        return whole.then(|| check(layer.bytes, &spec, 0));
    }
    // That the sender computed none is said by the field alone.
    if layer.protocol == Protocol::Udp && found == 0 && is_in_ip4(dissection, index) {
        return Some(Check::Absent);
    }
    let short = matches!(layer.fault(), Some(Fault::Short("available", ..)));
    if layer.fragmented || layer.quoted || layer.is_truncated() || short {
        return None;
    }
    let covered = covered(dissection, layer)?;
    if matches!(layer.protocol, Protocol::Icmp | Protocol::Igmp) {
        return Some(check(covered, &spec, 0));
    }
    let ip = enclosing(dissection, index)?;
    Some(check(covered, &spec, pseudo(dissection, index, ip, layer)?))
}

/// The bytes that a checksum covers, when all are there.
fn covered<'a>(dissection: &Dissection<'a>, layer: &Layer<'_>) -> Option<&'a [u8]> {
    let length = match layer.protocol {
        Protocol::Udp => match udp::LENGTH.of(layer.bytes) as usize {
            0 => layer.room,
            length => length,
        },
        Protocol::UdpLite => match udp::COVERAGE.of(layer.bytes) as usize {
            0 => layer.room,
            length => length,
        },
        // RFC 4340 section 9.2: 0 is everything, else the header and so many words less one.
        Protocol::Dccp => match dccp::COVERAGE.of(layer.bytes) as usize {
            0 => layer.room,
            words => layer.length + (words - 1) * 4,
        },
        _ => layer.room,
    };
    let fits = length <= layer.room && length >= layer.bytes.len().min(8);
    let end = layer.offset.checked_add(length).filter(|_| fits)?;
    dissection.frame.get(layer.offset..end)
}

fn is_in_ip4(dissection: &Dissection<'_>, index: usize) -> bool {
    let before = dissection.layers.get(..index).unwrap_or_default();
    let is_ip = |layer: &&Layer<'_>| matches!(layer.protocol, Protocol::Ipv4 | Protocol::Ipv6);
    before.iter().rfind(is_ip).is_some_and(|ip| ip.protocol == Protocol::Ipv4)
}

/// The IP header of a layer, and its place.
fn enclosing<'d, 'a>(
    dissection: &'d Dissection<'a>,
    index: usize,
) -> Option<(&'d Layer<'a>, usize)> {
    let before = dissection.layers.get(..index)?;
    let at = before
        .iter()
        .rposition(|layer| matches!(layer.protocol, Protocol::Ipv4 | Protocol::Ipv6))?;
    let ip = before.get(at)?;
    ip.fault().is_none().then_some((ip, at))
}

/// The sum of the pseudo header (RFC 9293 section 3.1, RFC 8200 section 8.1).
fn pseudo(
    dissection: &Dissection<'_>,
    index: usize,
    (ip, at): (&Layer<'_>, usize),
    layer: &Layer<'_>,
) -> Option<u64> {
    let number = match layer.protocol {
        Protocol::Tcp => protocol::TCP,
        Protocol::Udp => protocol::UDP,
        Protocol::UdpLite => protocol::UDP_LITE,
        Protocol::Dccp => protocol::DCCP,
        _ => protocol::ICMPV6,
    };
    // UDP says its length itself; elsewhere it is what IP leaves.
    let length = match (layer.protocol, udp::LENGTH.of(layer.bytes)) {
        (Protocol::Udp, length) if length != 0 => length,
        _ => layer.room as u64,
    };
    let addresses = if ip.protocol == Protocol::Ipv4 {
        sum(ip4::SOURCE.slice(ip.bytes)) + sum(ip4::destination(ip))
    } else {
        let routing = dissection.layers.get(at..index)?;
        sum(ip6::SOURCE.slice(ip.bytes)) + sum(final_destination(ip, routing)?)
    };
    Some(addresses + u64::from(number) + (length >> 16) + (length & 0xffff))
}

/// The address that a routing header still has to reach; `None` when it does not say.
fn final_destination<'a>(ip: &Layer<'a>, chain: &[Layer<'a>]) -> Option<&'a [u8]> {
    let pending = |layer: &&Layer<'a>| {
        layer.protocol == Protocol::Routing && ip6::SEGMENTS_LEFT.is_set(layer.bytes)
    };
    let Some(routing) = chain.iter().rev().find(pending) else {
        return Some(ip6::DESTINATION_ADDRESS.slice(ip.bytes));
    };
    match routing.of(&ip6::ROUTING_TYPE) {
        0 | 2 => ip6::segments(routing).last(),
        4 => ip6::segments(routing).next(),
        _ => None,
    }
}

/// RFC 1071: the sum with the checksum is all ones.
fn check(bytes: &[u8], spec: &Spec, start: u64) -> Check {
    let found = spec.of(bytes) as u16;
    let total = fold(start + sum(bytes));
    if total == 0xffff {
        return Check::Good;
    }
    let without = fold(u64::from(total) + u64::from(!found));
    Check::Bad(!without)
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The sum of 16-bit words; an odd last byte is the upper half of one.
fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(4);
    let rest = words.remainder();
    let whole: u64 = words.map(super::field::be).sum();
    let tail = rest.chunks(2).fold(0, |sum, pair| {
        let high = pair.first().copied().unwrap_or_default();
        let low = pair.get(1).copied().unwrap_or_default();
        sum + u64::from(u16::from_be_bytes([high, low]))
    });
    u64::from(fold(whole)) + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_checksum_is_told_what_it_should_be() {
        let right = [
            0x45, 0, 0, 0x3c, 0x1c, 0x46, 0x40, 0, 0x40, 6, 0xb1, 0xe6, 172, 16, 10, 99, 172, 16,
            10, 12,
        ];
        assert_eq!(check(&right, &ip4::CHECKSUM, 0), Check::Good);
        let mut wrong = right;
        wrong[10] = 0;
        assert_eq!(check(&wrong, &ip4::CHECKSUM, 0), Check::Bad(0xb1e6));
    }

    #[test]
    fn an_odd_byte_is_the_upper_half_of_a_word() {
        assert_eq!(sum(&[1, 2, 3]), 0x0102 + 0x0300);
        assert_eq!(sum(&[0, 1, 0, 2, 0, 3, 4]), 6 + 0x0400);
    }
}
