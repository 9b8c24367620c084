//! ARP and its relatives.

use std::{
    fmt::{self, Write},
    net::Ipv4Addr,
};

use super::Pen;
use crate::dissect::{
    Layer,
    arp::{self, Addresses},
    field::{Kind, Spec},
    json::Mac,
    names,
};

impl<'a> Pen<'_, 'a> {
    pub(super) fn arp(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if layer.bytes.len() < layer.length.max(8) || layer.note.is_some() {
            return self.cut("arp");
        }
        if !self.style.link_header {
            self.out.push_str("ARP, ");
        }
        let protocol = layer.of(&arp::PROTOCOL);
        let (hardware_length, protocol_length) =
            (layer.of(&arp::HARDWARE_LENGTH), layer.of(&arp::PROTOCOL_LENGTH));
        let is_plain = protocol == u64::from(names::ether_type::IPV4)
            && protocol_length == 4
            && hardware_length != 0;
        if !is_plain || self.is_verbose() {
            let hardware = layer.of(&arp::HARDWARE);
            match names::hardware(hardware) {
                Some(name) => self.out.push_str(name),
                None => write!(self.out, "Unknown Hardware ({hardware})")?,
            }
            write!(self.out, " (len {hardware_length}), ")?;
            match names::ether_type_of(protocol) {
                Some(name) => self.out.push_str(name),
                None => write!(self.out, "Unknown Protocol (0x{protocol:04x})")?,
            }
            write!(self.out, " (len {protocol_length})")?;
        }
        if is_plain || self.is_verbose() {
            self.out.push_str(if self.is_verbose() { ", " } else { "" });
            self.arp_operation(layer)?;
        }
        write!(self.out, ", length {}", layer.room)
    }

    fn arp_operation(&mut self, layer: &Layer<'a>) -> fmt::Result {
        let operation = layer.of(&arp::OPERATION);
        match names::arp_operation(operation) {
            Some(name) => self.out.push_str(name),
            None => write!(self.out, "Unknown ({operation})")?,
        }
        let all = Addresses::of(layer.bytes);
        let (sender, target) = (Protocol(all.sender, layer), Protocol(all.target, layer));
        let from = Mac(all.sender_hardware.slice(layer.bytes));
        let to = Mac(all.target_hardware.slice(layer.bytes));
        match operation {
            1 => {
                write!(self.out, " who-has {target}")?;
                if to.0.iter().any(|byte| *byte != 0) {
                    write!(self.out, " ({to})")?;
                }
                write!(self.out, " tell {sender}")
            }
            2 => write!(self.out, " {sender} is-at {from}"),
            3 | 8 => write!(self.out, " who-is {to} tell {from}"),
            4 => write!(self.out, " {to} at {target}"),
            9 => write!(self.out, " {from} at {sender}"),
            10 => write!(self.out, " for {sender}"),
            _ => Ok(()),
        }
    }
}

/// A protocol address, or why it is none.
struct Protocol<'l, 'a>(Spec, &'l Layer<'a>);

impl fmt::Display for Protocol<'_, '_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(spec, layer) = self;
        match <[u8; 4]>::try_from(spec.slice(layer.bytes)) {
            Ok(address) if spec.kind == Kind::Ipv4 => write!(out, "{}", Ipv4Addr::from(address)),
            Ok(_) => out.write_str("<wrong proto type>"),
            Err(_) => out.write_str("<wrong len>"),
        }
    }
}
