//! Tunnel headers; the packet inside follows as further layers.

use std::fmt::{self, Write};

use super::Pen;
use crate::dissect::{
    Layer, names,
    tunnel::{self, gre_parts},
};

impl<'a> Pen<'_, 'a> {
    pub(super) fn gre(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if layer.bytes.len() < 4 {
            return self.cut("gre");
        }
        let version = layer.of(&tunnel::GRE_VERSION);
        write!(self.out, "GREv{version}")?;
        if version > 1 {
            self.out.push_str(" (unknown version)");
            return self.stop();
        }
        let number = layer.of(&tunnel::GRE_PROTOCOL);
        if version == 1 {
            return self.pptp(layer, number);
        }
        if self.is_verbose() {
            let flags = [
                (tunnel::GRE_HAS_CHECKSUM, "checksum present"),
                (tunnel::GRE_HAS_ROUTING, "routing present"),
                (tunnel::GRE_HAS_KEY, "key present"),
                (tunnel::GRE_HAS_SEQUENCE, "sequence# present"),
            ];
            self.out.push_str(", Flags [");
            self.flags(layer.bytes, &flags)?;
            self.out.push(']');
        }
        if layer.is_truncated() {
            return self.cut("gre");
        }
        let parts = gre_parts(layer.bytes);
        let of = |spec: Option<crate::dissect::field::Spec>| spec.map(|spec| spec.of(layer.bytes));
        if let Some(sum) = of(parts.checksum).filter(|_| self.is_verbose()) {
            write!(self.out, ", sum 0x{sum:x}, off 0x{:x}", of(parts.offset).unwrap_or(0))?;
        }
        if let Some(key) = of(parts.key) {
            write!(self.out, ", key=0x{key:x}")?;
        }
        if let Some(sequence) = of(parts.sequence) {
            write!(self.out, ", seq {sequence}")?;
        }
        if self.style.link_header {
            let name = names::ether_type_of(number).unwrap_or("unknown");
            write!(self.out, ", proto {name} (0x{number:04x})")?;
        }
        write!(self.out, ", length {}", layer.room)?;
        self.inside(number)
    }

    /// What is inside, or its EtherType.
    fn inside(&mut self, number: u64) -> fmt::Result {
        self.out.push_str(if self.is_verbose() { "\n\t" } else { ": " });
        if self.peek().is_none() {
            write!(self.out, "gre-proto-0x{number:x}")?;
        }
        Ok(())
    }

    fn pptp(&mut self, layer: &Layer<'a>, number: u64) -> fmt::Result {
        if self.is_verbose() {
            let flags = [
                (tunnel::GRE_HAS_KEY, "key present"),
                (tunnel::GRE_HAS_SEQUENCE, "sequence# present"),
                (tunnel::GRE_HAS_ACKNOWLEDGMENT, "ack present"),
            ];
            self.out.push_str(", Flags [");
            self.flags(layer.bytes, &flags)?;
            self.out.push(']');
        }
        if layer.is_truncated() {
            return self.cut("gre");
        }
        let parts = gre_parts(layer.bytes);
        if let Some(call) = parts.call {
            write!(self.out, ", call {}", call.of(layer.bytes))?;
        }
        if let Some(sequence) = parts.sequence {
            write!(self.out, ", seq {}", sequence.of(layer.bytes))?;
        }
        if let Some(acknowledgment) = parts.acknowledgment {
            write!(self.out, ", ack {}", acknowledgment.of(layer.bytes))?;
        }
        if parts.sequence.is_none() {
            self.out.push_str(", no-payload");
        }
        if self.style.link_header {
            let name = names::ether_type_of(number).unwrap_or("unknown");
            write!(self.out, ", proto {name} (0x{number:04x})")?;
        }
        write!(self.out, ", length {}", layer.room)?;
        if parts.sequence.is_some() { self.out.write_str(": ") } else { Ok(()) }
    }

    pub(super) fn erspan(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if layer.note.is_some() {
            return self.cut("erspan");
        }
        write!(self.out, "ERSPAN, length {}: ", layer.room)
    }

    pub(super) fn vxlan(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if layer.note.is_some() {
            return self.cut("vxlan");
        }
        let flags = layer.of(&tunnel::VXLAN_FLAGS);
        let set = if flags & 8 != 0 { "I" } else { "invalid" };
        write!(
            self.out,
            "VXLAN, flags [{set}] (0x{flags:02x}), vni {}",
            layer.of(&tunnel::VXLAN_VNI)
        )?;
        self.out.write_str("\n")
    }

    pub(super) fn geneve(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if layer.note.is_some() {
            return self.cut("geneve");
        }
        let bytes = layer.bytes;
        self.out.push_str("Geneve, Flags [");
        self.out.push_str(if tunnel::GENEVE_CRITICAL.is_set(bytes) { "C" } else { "" });
        self.out.push_str(if tunnel::GENEVE_CONTROL.is_set(bytes) { "O" } else { "" });
        let none = !tunnel::GENEVE_FLAGS.is_set(bytes);
        self.out.push_str(if none { "none]" } else { "]" });
        write!(self.out, ", vni 0x{:x}", layer.of(&tunnel::GENEVE_VNI))?;
        let number = layer.of(&tunnel::GENEVE_PROTOCOL);
        if self.style.link_header {
            let name = names::ether_type_of(number).unwrap_or("unknown");
            write!(self.out, ", proto {name} (0x{number:04x})")?;
        }
        match layer.of(&tunnel::GENEVE_OPTIONS) {
            0 => {}
            length => write!(self.out, ", options [{length} bytes]")?,
        }
        self.out.push_str(if self.is_verbose() { "\n\t" } else { ": " });
        if self.peek().is_none() {
            write!(self.out, "geneve-proto-0x{number:x}")?;
        }
        Ok(())
    }

    pub(super) fn gtp(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if layer.bytes.len() < 8 {
            return self.cut("gtp");
        }
        let kind = layer.of(&tunnel::GTP_TYPE);
        let name = tunnel::gtp_type(kind).unwrap_or("unknown");
        write!(self.out, "GTPv1-U, {name} ({kind}), teid 0x{:x}", layer.of(&tunnel::GTP_TEID))?;
        write!(self.out, ", length {}", layer.room)?;
        self.out.write_str(if self.peek().is_some() { ": " } else { "" })
    }
}
