//! IPv4 and IPv6 with its extension headers.

use std::{
    fmt::{self, Write},
    net::{Ipv4Addr, Ipv6Addr},
};

use super::Pen;
use crate::dissect::{
    Fault, Layer, Protocol,
    checksum::{self, Check},
    field::Spec,
    ip4, ip6,
    names::{self, protocol},
};

/// An address, as text.
pub(super) struct Address<'a>(&'a [u8]);

impl<'a> Address<'a> {
    pub(super) fn of(spec: &Spec, layer: &Layer<'a>) -> Self {
        Self(spec.slice(layer.bytes))
    }

    pub(super) const fn over(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Address<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Ok(bytes) = <[u8; 4]>::try_from(self.0) {
            return Ipv4Addr::from(bytes).fmt(out);
        }
        match <[u8; 16]>::try_from(self.0) {
            Ok(bytes) => Ipv6Addr::from(bytes).fmt(out),
            Err(_) => out.write_str("?"),
        }
    }
}

/// Source and destination of an IP header.
pub(super) fn addresses<'a>(layer: &Layer<'a>) -> (Address<'a>, Address<'a>) {
    match layer.protocol {
        Protocol::Ipv6 => {
            (Address::of(&ip6::SOURCE, layer), Address::of(&ip6::DESTINATION_ADDRESS, layer))
        }
        _ => (Address::of(&ip4::SOURCE, layer), Address::of(&ip4::DESTINATION, layer)),
    }
}

/// Transports whose ports stand beside the addresses.
const fn has_ports(number: u64) -> bool {
    matches!(
        number as u8,
        protocol::TCP | protocol::UDP | protocol::SCTP | protocol::DCCP | protocol::UDP_LITE
    )
}

impl<'a> Pen<'_, 'a> {
    pub(super) fn ip4(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if let Some(Fault::Wrong(_, version)) = layer.fault() {
            match version {
                6 => self.out.push_str("IP6, wrong link-layer encapsulation (invalid)"),
                _ => write!(self.out, "IP{version} (invalid)")?,
            }
            return self.stop();
        }
        if !self.style.link_header {
            self.out.push_str("IP ");
        }
        let (claimed, total) = (layer.of(&ip4::HEADER_LENGTH), layer.of(&ip4::TOTAL_LENGTH));
        if layer.bytes.len() < ip4::HEADER {
            if self.all.frame.len() >= layer.offset + ip4::HEADER {
                write!(self.out, "truncated-ip {}", layer.room)?;
                return self.stop();
            }
            return self.cut("ip");
        }
        if (claimed as usize) < ip4::HEADER {
            write!(self.out, "bad-hlen {claimed}")?;
            return self.stop();
        }
        match layer.fault() {
            Some(Fault::Long("total length", total, _, room)) => {
                write!(self.out, "truncated-ip - {} bytes missing! ", total - room)?;
            }
            Some(Fault::Short("available", room, ..)) if total as usize > room => {
                write!(self.out, "truncated-ip - {} bytes missing! ", total as usize - room)?;
            }
            _ => {}
        }
        if total != 0 && total < claimed {
            write!(self.out, "bad-len {total}")?;
            return self.stop();
        }
        if self.is_verbose() {
            self.ip4_details(layer)?;
        }
        self.ip4_payload(layer)
    }

    fn ip4_payload(&mut self, layer: &Layer<'a>) -> fmt::Result {
        let (source, destination) = addresses(layer);
        let number = layer.of(&ip4::PROTOCOL);
        if ip4::FRAGMENT_OFFSET.is_set(layer.bytes) {
            write!(self.out, "{source} > {destination}:")?;
            self.protocol(number)?;
            return self.stop();
        }
        if has_ports(number) {
            self.ip = Some(*layer);
        } else {
            write!(self.out, "{source} > {destination}: ")?;
            self.ip = None;
        }
        let (captured, header) = (layer.bytes.len(), layer.of(&ip4::HEADER_LENGTH) as usize);
        if captured < header {
            write!(self.out, " [remaining caplen({captured}) < header length({header})]")?;
            return self.cut("ip");
        }
        self.undecoded(number, layer.room.saturating_sub(layer.length))
    }

    fn protocol(&mut self, number: u64) -> fmt::Result {
        match names::protocol_name(number).filter(|_| !self.style.no_names) {
            Some(name) => write!(self.out, " {name}"),
            None => write!(self.out, " ip-proto-{number}"),
        }
    }

    /// Where no header follows: the protocol and its length.
    fn undecoded(&mut self, number: u64, length: usize) -> fmt::Result {
        if self.peek().is_some() {
            return Ok(());
        }
        if number == u64::from(protocol::NO_NEXT) {
            return self.out.write_str("no next header");
        }
        self.protocol(number)?;
        write!(self.out, " {length}")
    }

    fn ip4_details(&mut self, layer: &Layer<'a>) -> fmt::Result {
        write!(self.out, "(tos 0x{:x}", layer.of(&ip4::TOS))?;
        match layer.of(&ip4::ECN) {
            0 => {}
            ecn => write!(self.out, ",{}", names::ecn(ecn).unwrap_or_default())?,
        }
        if ip4::TTL.is_set(layer.bytes) {
            write!(self.out, ", ttl {}", layer.of(&ip4::TTL))?;
        }
        let (id, offset) = (layer.of(&ip4::ID), layer.of(&ip4::FRAGMENT_OFFSET));
        write!(self.out, ", id {id}, offset {offset}, flags [")?;
        let flags =
            [(ip4::MORE_FRAGMENTS, "+"), (ip4::DO_NOT_FRAGMENT, "DF"), (ip4::RESERVED, "rsvd")];
        self.flags(layer.bytes, &flags)?;
        let number = layer.of(&ip4::PROTOCOL);
        let name = names::ip_protocol(number).unwrap_or("unknown");
        let total = match layer.of(&ip4::TOTAL_LENGTH) {
            0 => layer.room as u64,
            total => total,
        };
        write!(self.out, "], proto {name} ({number}), length {total}")?;
        if layer.length > ip4::HEADER {
            self.out.push_str(", options (");
            self.ip4_options(layer)?;
            self.out.push(')');
        }
        if let Check::Bad(should) = checksum::of(self.all, self.index()) {
            write!(self.out, ", bad cksum {:x} (->{should:x})!", layer.of(&ip4::CHECKSUM))?;
        }
        self.out.write_str(")\n    ")
    }

    /// The names of the flags that are set, `none` without any.
    pub(super) fn flags(&mut self, bytes: &[u8], flags: &[(Spec, &str)]) -> fmt::Result {
        let mut any = false;
        for (_, name) in flags.iter().filter(|(flag, _)| flag.is_set(bytes)) {
            self.out.push_str(if any { ", " } else { "" });
            self.out.push_str(name);
            any = true;
        }
        self.out.write_str(if any { "" } else { "none" })
    }

    pub(super) fn ip6(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if let Some(Fault::Wrong(_, version)) = layer.fault() {
            self.out.push_str(if self.style.link_header { "" } else { "IP6 " });
            write!(self.out, "version error: {version} != 6")?;
            return self.stop();
        }
        if !self.style.link_header {
            self.out.push_str("IP6 ");
        }
        if layer.bytes.len() < ip6::HEADER {
            if self.all.frame.len() >= layer.offset + ip6::HEADER {
                write!(self.out, "truncated-ip6 {}", layer.room)?;
                return self.stop();
            }
            return self.cut("ip6");
        }
        if let Some(Fault::Long(_, length, _, room)) = layer.fault() {
            write!(self.out, "truncated-ip6 - {} bytes missing!", length - room)?;
        }
        let number = layer.of(&ip6::NEXT_HEADER);
        if self.is_verbose() {
            self.ip6_details(layer, number)?;
        }
        self.ip = Some(*layer);
        if !has_ports(number) {
            let (source, destination) = addresses(layer);
            write!(self.out, "{source} > {destination}: ")?;
            self.ip = None;
        }
        self.undecoded(number, layer.room.saturating_sub(layer.length))
    }

    fn ip6_details(&mut self, layer: &Layer<'a>, number: u64) -> fmt::Result {
        self.out.push('(');
        if ip6::TRAFFIC_CLASS.is_set(layer.bytes) {
            write!(self.out, "class 0x{:02x}, ", layer.of(&ip6::TRAFFIC_CLASS))?;
        }
        if ip6::FLOW_LABEL.is_set(layer.bytes) {
            write!(self.out, "flowlabel 0x{:05x}, ", layer.of(&ip6::FLOW_LABEL))?;
        }
        let (hops, length) = (layer.of(&ip6::HOP_LIMIT), layer.of(&ip6::PAYLOAD_LENGTH));
        let name = names::ip_protocol(number).unwrap_or("unknown");
        write!(self.out, "hlim {hops}, next-header {name} ({number}) payload length: {length}) ")
    }

    pub(super) fn ip6_options(&mut self, layer: &Layer<'a>) -> fmt::Result {
        let is_hop_by_hop = layer.protocol == Protocol::HopByHop;
        self.out.push_str(if is_hop_by_hop { "HBH " } else { "DSTOPT " });
        if layer.note.is_some() {
            return self.cut(if is_hop_by_hop { "hbhopt" } else { "dstopt" });
        }
        if self.is_verbose() {
            for option in ip6::options(layer.bytes, layer.length) {
                let bytes = option.bytes;
                match option.kind {
                    _ if option.fault.is_some() => self.out.push_str("(malformed) "),
                    ip6::kind::PAD_1 => self.out.push_str("(pad1)"),
                    ip6::kind::PAD_N => self.out.push_str("(padn)"),
                    ip6::kind::ROUTER_ALERT => {
                        write!(self.out, "(rtalert: 0x{:04x}) ", ip6::ALERT.of(bytes))?;
                    }
                    ip6::kind::JUMBO => {
                        write!(self.out, "(jumbo: {}) ", ip6::JUMBO_LENGTH.of(bytes))?;
                    }
                    ip6::kind::HOME_ADDRESS => {
                        let home = Address(ip6::HOME_ADDRESS.slice(bytes));
                        write!(self.out, "(homeaddr: {home})")?;
                    }
                    other => write!(self.out, "(opt_type 0x{other:02x}: len={})", bytes.len() - 2)?,
                }
            }
            self.out.push(' ');
        }
        self.behind_extension(layer)
    }

    fn behind_extension(&mut self, layer: &Layer<'a>) -> fmt::Result {
        self.undecoded(layer.of(&ip6::NEXT), layer.room.saturating_sub(layer.length))
    }

    pub(super) fn routing(&mut self, layer: &Layer<'a>) -> fmt::Result {
        let kind = layer.of(&ip6::ROUTING_TYPE);
        let (length, left) = (layer.of(&ip6::LENGTH), layer.of(&ip6::SEGMENTS_LEFT));
        write!(self.out, "RT6 (len={length}, type={kind}")?;
        let deprecated = if kind == 0 { " [Deprecated]" } else { "" };
        write!(self.out, "{deprecated}, segleft={left}")?;
        if layer.note.is_some() {
            return self.cut("rt6");
        }
        if kind == 4 {
            write!(self.out, ", last-entry={}", layer.of(&ip6::LAST_ENTRY))?;
            if self.is_verbose() {
                write!(self.out, ", flags=0x{:x}", layer.of(&ip6::ROUTING_FLAGS))?;
            }
            write!(self.out, ", tag={:x}", layer.of(&ip6::TAG))?;
        }
        for (index, segment) in ip6::segments(layer).enumerate() {
            write!(self.out, ", [{index}]{}", Address(segment))?;
        }
        self.out.push_str(") ");
        self.behind_extension(layer)
    }

    pub(super) fn fragment(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if layer.note.is_some() {
            return self.cut("frag");
        }
        let offset = layer.of(&ip6::FRAGMENT_OFFSET);
        let length = layer.room.saturating_sub(layer.length);
        self.out.push_str("frag (");
        if self.is_verbose() {
            write!(self.out, "0x{:08x}:", layer.of(&ip6::FRAGMENT_ID))?;
        }
        write!(self.out, "{offset}|{length})")?;
        if offset != 0 {
            return self.stop();
        }
        self.out.push(' ');
        self.behind_extension(layer)
    }

    pub(super) fn mobility(&mut self, layer: &Layer<'a>) -> fmt::Result {
        self.out.push_str("mobility:");
        let kind = layer.of(&ip6::MOBILITY_TYPE);
        match ip6::mobility_name(kind) {
            Some(name) => write!(self.out, " {name}")?,
            None => write!(self.out, " type-#{kind}")?,
        }
        write!(self.out, ", length {}", layer.room)
    }
}
