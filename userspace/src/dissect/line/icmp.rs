//! ICMP messages, and with `-v` the packets that errors quote.

use std::fmt::{self, Write};

use super::{Pen, ip::Address};
use crate::dissect::{
    Layer, Protocol,
    checksum::{self, Check},
    icmp::{self, kind},
    ip4, names,
    names::protocol,
};

impl<'a> Pen<'_, 'a> {
    pub(super) fn icmp(&mut self, layer: &Layer<'a>) -> fmt::Result {
        let kind = layer.of(&icmp::TYPE);
        if layer.bytes.len() < 4 || layer.note.is_some() {
            return self.cut("icmp");
        }
        let start = self.out.len();
        self.out.push_str("ICMP ");
        let quoted = self.all.layers.get(self.at).copied();
        let quoted =
            quoted.filter(|inner| inner.protocol == Protocol::Ipv4 && inner.bytes.len() >= 20);
        match (kind, quoted) {
            (kind::UNREACHABLE, Some(inner)) => {
                self.unreachable(layer, &inner)?;
                if self.at == self.all.layers.len() {
                    self.out.truncate(start);
                    return self.cut("icmp");
                }
            }
            (kind::REDIRECT, Some(inner)) => self.redirect(layer, &inner)?,
            (kind::UNREACHABLE | kind::REDIRECT | kind::TIME_EXCEEDED, None) => {
                self.out.truncate(start);
                return self.cut("icmp");
            }
            _ => self.icmp_message(layer, kind)?,
        }
        write!(self.out, ", length {}", layer.room)?;
        if !self.is_verbose() {
            return self.stop();
        }
        if let Check::Bad(should) = checksum::of(self.all, self.index()) {
            let found = layer.of(&icmp::CHECKSUM);
            write!(self.out, " (wrong icmp cksum {found:x} (->{should:x})!)")?;
        }
        if icmp::is_error(kind) && self.peek().is_some() {
            return self.out.write_str("\n\t");
        }
        self.stop()
    }

    fn icmp_message(&mut self, layer: &Layer<'a>, kind: u64) -> fmt::Result {
        let code = layer.of(&icmp::CODE);
        let (id, sequence) = (layer.of(&icmp::ID), layer.of(&icmp::SEQUENCE));
        let name = icmp::type_name(kind).unwrap_or_default();
        match kind {
            kind::ECHO | kind::ECHO_REPLY => {
                write!(self.out, "{name}, id {id}, seq {sequence}")
            }
            kind::EXTENDED_ECHO | kind::EXTENDED_ECHO_REPLY => {
                write!(self.out, "{name}, id {id}, seq {}", sequence >> 8)
            }
            kind::TIME_EXCEEDED => match code {
                0 => self.out.write_str("time exceeded in-transit"),
                1 => self.out.write_str("ip reassembly time exceeded"),
                _ => write!(self.out, "time exceeded-#{code}"),
            },
            kind::PARAMETER_PROBLEM => match code {
                0 => write!(self.out, "{name} - octet {}", layer.of(&icmp::POINTER)),
                _ => write!(self.out, "{name} - code {code}"),
            },
            kind::MASK_REPLY => {
                let mask = crate::dissect::field::be(icmp::MASK.slice(layer.bytes));
                write!(self.out, "address mask is 0x{mask:08x}")
            }
            kind::TIMESTAMP => write!(self.out, "{name} id {id} seq {sequence}"),
            kind::TIMESTAMP_REPLY => {
                write!(self.out, "{name} id {id} seq {sequence}: org ")?;
                self.milliseconds(layer.of(&icmp::ORIGINATE))?;
                self.out.push_str(", recv ");
                self.milliseconds(layer.of(&icmp::RECEIVE))?;
                self.out.push_str(", xmit ");
                self.milliseconds(layer.of(&icmp::TRANSMIT))
            }
            kind::ROUTER_ADVERTISEMENT => self.advertisement(layer),
            _ if name.is_empty() => write!(self.out, "type-#{kind}"),
            _ => self.out.write_str(name),
        }
    }

    /// Milliseconds since midnight (RFC 792).
    fn milliseconds(&mut self, time: u64) -> fmt::Result {
        let (seconds, rest) = (time / 1000, time % 1000);
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        write!(self.out, "{hours:02}:{minutes:02}:{:02}.{rest:03}", seconds % 60)
    }

    fn advertisement(&mut self, layer: &Layer<'a>) -> fmt::Result {
        let lifetime = layer.of(&icmp::LIFETIME);
        self.out.push_str("router advertisement lifetime ");
        match lifetime {
            0..60 => write!(self.out, "{lifetime}")?,
            60..3600 => write!(self.out, "{}:{:02}", lifetime / 60, lifetime % 60)?,
            _ => {
                let (hours, minutes) = (lifetime / 3600, lifetime / 60 % 60);
                write!(self.out, "{hours}:{minutes:02}:{:02}", lifetime % 60)?;
            }
        }
        let (count, words) = (layer.of(&icmp::ROUTERS), layer.of(&icmp::ROUTER_WORDS));
        write!(self.out, " {count}:")?;
        if words != 2 {
            return write!(self.out, " [size {words}]");
        }
        let entries = layer.bytes.get(icmp::ROUTER_AT..).unwrap_or_default().chunks_exact(8);
        for entry in entries.take(count as usize) {
            let address = Address::over(icmp::ROUTER.slice(entry));
            write!(self.out, " {{{address} {}}}", icmp::PREFERENCE.of(entry))?;
        }
        Ok(())
    }

    fn unreachable(&mut self, layer: &Layer<'a>, inner: &Layer<'a>) -> fmt::Result {
        const PROTOCOL: u64 = 2;
        const PORT: u64 = 3;
        const NEEDS_FRAGMENTATION: u64 = 4;
        let to = Address::of(&ip4::DESTINATION, inner);
        let code = layer.of(&icmp::CODE);
        match code {
            PROTOCOL => {
                write!(self.out, "{to} protocol {} unreachable", inner.of(&ip4::PROTOCOL))
            }
            PORT => self.unreachable_port(inner),
            NEEDS_FRAGMENTATION => {
                write!(self.out, "{to} unreachable - need to frag")?;
                match layer.of(&icmp::MTU) {
                    0 => Ok(()),
                    mtu => write!(self.out, " (mtu {mtu})"),
                }
            }
            _ => {
                let (before, behind) = reason(code);
                match before {
                    "#" => write!(self.out, "#{code} {to} unreachable"),
                    _ => write!(self.out, "{before}{to} unreachable{behind}"),
                }
            }
        }
    }

    fn unreachable_port(&mut self, inner: &Layer<'a>) -> fmt::Result {
        let to = Address::of(&ip4::DESTINATION, inner);
        let number = inner.of(&ip4::PROTOCOL);
        let transport = self.all.layers.get(self.at + 1).copied();
        let Some(port) = transport.and_then(|layer| {
            crate::dissect::udp::DESTINATION.get(self.all.frame.get(layer.offset..)?)
        }) else {
            return self.cut("icmp");
        };
        match number as u8 {
            protocol::TCP => {
                write!(self.out, "{to} tcp port ")?;
                self.port(port, names::tcp_port)?;
            }
            protocol::UDP => {
                write!(self.out, "{to} udp port ")?;
                self.port(port, names::udp_port)?;
            }
            _ => write!(self.out, "{to} protocol {number} port {port}")?,
        }
        self.out.write_str(" unreachable")
    }

    fn redirect(&mut self, layer: &Layer<'a>, inner: &Layer<'a>) -> fmt::Result {
        let (to, gateway) =
            (Address::of(&ip4::DESTINATION, inner), Address::of(&icmp::GATEWAY, layer));
        match layer.of(&icmp::CODE) {
            0 => write!(self.out, "redirect {to} to net {gateway}"),
            1 => write!(self.out, "redirect {to} to host {gateway}"),
            2 => write!(self.out, "redirect-tos {to} to net {gateway}"),
            3 => write!(self.out, "redirect-tos {to} to host {gateway}"),
            code => write!(self.out, "redirect-#{code} {to} to net {gateway}"),
        }
    }
}

/// What stands before and behind "… unreachable" (RFC 1812 section 5.2.7.1).
const fn reason(code: u64) -> (&'static str, &'static str) {
    match code {
        0 => ("net ", ""),
        1 => ("host ", ""),
        5 => ("", " - source route failed"),
        6 => ("net ", " - unknown"),
        7 => ("host ", " - unknown"),
        8 => ("", " - source host isolated"),
        9 => ("net ", " - admin prohibited"),
        10 => ("host ", " - admin prohibited"),
        11 => ("net ", " - tos prohibited"),
        12 => ("host ", " - tos prohibited"),
        13 => ("host ", " - admin prohibited filter"),
        14 => ("host ", " - host precedence violation"),
        15 => ("host ", " - precedence cutoff"),
        _ => ("#", ""),
    }
}
