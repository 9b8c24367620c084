//! The link header, of which without `-e` nearly nothing is shown.

use std::fmt::{self, Write};

use super::Pen;
use crate::dissect::{
    Fault, Layer, Protocol, escape,
    field::Spec,
    json::Mac,
    link::{self, LENGTH_MAX},
    names,
};

impl<'a> Pen<'_, 'a> {
    pub(super) fn ethernet(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if layer.bytes.len() < 14 {
            return self.cut("ether");
        }
        if self.style.link_header || self.is_unknown() {
            return self.ethernet_header(layer);
        }
        Ok(())
    }

    fn ethernet_header(&mut self, layer: &Layer<'a>) -> fmt::Result {
        let (source, destination) =
            (link::SOURCE.slice(layer.bytes), link::DESTINATION.slice(layer.bytes));
        write!(self.out, "{} > {}", Mac(source), Mac(destination))?;
        let number = layer.of(&link::TYPE);
        let room = self.wire_length(layer);
        if number <= u64::from(LENGTH_MAX) {
            return write!(self.out, ", 802.3, length {number}: ");
        }
        self.out.push_str(", ");
        match (self.style.quiet, names::ether_type_of(number)) {
            (true, Some(name)) => self.out.push_str(name),
            (true, None) => write!(self.out, "Unknown Ethertype (0x{number:04x})")?,
            (false, _) => self.ether_type(number)?,
        }
        write!(self.out, ", length {room}: ")
    }

    /// Of an outermost header, the frame's; a length field has shortened the layer's own.
    fn wire_length(&self, layer: &Layer<'a>) -> usize {
        match self.all.layers.last() {
            Some(last) if last.protocol == Protocol::Padding && self.at == 1 => {
                last.offset + last.length
            }
            _ => layer.room,
        }
    }

    fn ether_type(&mut self, number: u64) -> fmt::Result {
        let name = names::ether_type_of(number).unwrap_or("Unknown");
        write!(self.out, "ethertype {name} (0x{number:04x})")
    }

    /// Behind the link header stands nothing that has a line of its own, so that the header is all there is to show.
    fn is_unknown(&self) -> bool {
        self.all
            .layers
            .iter()
            .skip(self.at)
            .find(|layer| {
                !matches!(layer.protocol, Protocol::Vlan | Protocol::Llc | Protocol::Snap)
            })
            .is_none_or(|layer| matches!(layer.protocol, Protocol::Payload | Protocol::Padding))
    }

    pub(super) fn vlan(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if layer.bytes.len() < 4 {
            return self.cut("vlan");
        }
        if !self.style.link_header {
            return Ok(());
        }
        let (id, priority) = (layer.of(&link::VLAN_ID), layer.of(&link::PCP));
        write!(self.out, "vlan {id}, p {priority}")?;
        if link::DEI.is_set(layer.bytes) {
            self.out.push_str(", DEI");
        }
        self.out.push_str(", ");
        let number = layer.of(&link::VLAN_TYPE);
        if number > u64::from(LENGTH_MAX) {
            self.ether_type(number)?;
            self.out.push_str(", ");
        }
        Ok(())
    }

    /// The whole stack at its first label.
    pub(super) fn mpls(&mut self, layer: &Layer<'a>) -> fmt::Result {
        let before = self.index().checked_sub(1).and_then(|at| self.all.layers.get(at));
        let is_first = before.is_none_or(|layer| layer.protocol != Protocol::Mpls);
        if is_first {
            self.out.push_str("MPLS");
        }
        if layer.bytes.len() < 4 {
            return self.cut("mpls");
        }
        let break_ = if self.is_verbose() && !is_first { "\n\t" } else { " " };
        write!(self.out, "{break_}(label {}", layer.of(&link::LABEL))?;
        if let Some(name) = names::mpls_label(layer.of(&link::LABEL)).filter(|_| self.is_verbose())
        {
            write!(self.out, " ({name})")?;
        }
        write!(self.out, ", tc {}", layer.of(&link::MPLS_CLASS))?;
        if link::BOTTOM.is_set(layer.bytes) {
            self.out.push_str(", [S]");
        }
        write!(self.out, ", ttl {})", layer.of(&link::MPLS_TTL))?;
        if self.peek().is_some_and(|next| next != Protocol::Mpls) {
            self.out.push_str(if self.is_verbose() { "\n\t" } else { " " });
        }
        Ok(())
    }

    pub(super) fn pppoe(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if layer.bytes.len() < 6 {
            return self.cut("pppoe");
        }
        let code = layer.of(&link::PPPOE_CODE);
        match names::pppoe_code(code) {
            Some("Session") => self.out.push_str("PPPoE "),
            Some(name) => write!(self.out, "PPPoE {name}")?,
            None => write!(self.out, "PPPoE PAD-{code:X}")?,
        }
        match layer.fault() {
            Some(Fault::Long(_, length, _, room)) => write!(self.out, " [len {length} > {room}!]")?,
            Some(fault) => write!(self.out, " [{fault}]")?,
            None => {}
        }
        if link::SESSION.is_set(layer.bytes) {
            write!(self.out, " [ses 0x{:x}]", layer.of(&link::SESSION))?;
        }
        match layer.protocol {
            Protocol::Pppoe => self.out.write_char(' '),
            _ => write!(self.out, ", length {}", layer.of(&link::PPPOE_LENGTH)),
        }
    }

    pub(super) fn ppp(&mut self, layer: &Layer<'a>) -> fmt::Result {
        let spec: Spec = link::ppp_protocol(layer.bytes);
        let Some(number) = spec.get(layer.bytes) else { return self.cut("ppp") };
        let name = names::ppp_protocol(number).unwrap_or("unknown PPP protocol");
        let length = layer.room;
        if self.style.link_header || self.peek().is_none() {
            write!(self.out, "{name} (0x{number:04x}), length {length}")?;
            self.out.push_str(if self.peek().is_some() { ": " } else { "" });
        }
        Ok(())
    }

    pub(super) fn llc(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if layer.bytes.len() < 3 {
            return self.cut("llc");
        }
        let goes_on = matches!(self.peek(), Some(Protocol::Snap | Protocol::Stp));
        if goes_on && !self.style.link_header {
            return Ok(());
        }
        let sap = |number| names::sap(number).unwrap_or("Unknown");
        let (dsap, ssap) = (layer.of(&link::DSAP), layer.of(&link::SSAP));
        let (to, from) = (sap(dsap & 0xfe), sap(ssap & 0xfe));
        let answer = if ssap & 1 == 0 { "Command" } else { "Response" };
        let group = if dsap & 1 == 0 { "Individual" } else { "Group" };
        write!(self.out, "LLC, dsap {to} (0x{dsap:02x}) {group}, ")?;
        write!(self.out, "ssap {from} (0x{ssap:02x}) {answer}, ")?;
        write!(self.out, "ctrl 0x{:02x}", layer.of(&link::CONTROL))?;
        if goes_on {
            return self.out.write_str(": ");
        }
        write!(self.out, ", length {}", layer.room)
    }

    pub(super) fn snap(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if layer.bytes.len() < 5 {
            return self.cut("snap");
        }
        if self.peek().is_some() && !self.style.link_header {
            return Ok(());
        }
        let (oui, number) = (layer.of(&link::OUI), layer.of(&link::SNAP_TYPE));
        let name = names::ether_type_of(number).filter(|_| oui == 0).unwrap_or("Unknown");
        let organization = names::organization(oui).unwrap_or("Unknown");
        let kind = if oui == 0 { "ethertype" } else { "pid" };
        let length = layer.room - layer.length;
        write!(self.out, "oui {organization} (0x{oui:06x}), {kind} {name} (0x{number:04x}), ")?;
        write!(self.out, "length {length}")?;
        self.out.push_str(if self.peek().is_some() { ": " } else { "" });
        Ok(())
    }

    pub(super) fn cooked(&mut self, layer: &Layer<'a>) -> fmt::Result {
        let two = layer.protocol == Protocol::Sll2;
        if layer.note.is_some() {
            return self.cut(layer.protocol.key());
        }
        const KINDS: [&str; 5] = ["In", "B", "M", "P", "Out"];
        if two {
            let kind = KINDS.get(layer.of(&link::SLL2_KIND) as usize).unwrap_or(&"?");
            match self.interface {
                Some(name) => write!(self.out, "{:<5} {kind:<3} ", Name(name))?,
                None => write!(self.out, "ifindex {} {kind:<3} ", layer.of(&link::SLL2_INTERFACE))?,
            }
        }
        if !self.style.link_header && !self.is_unknown() {
            return Ok(());
        }
        let (length, at, number) = match two {
            true => (&link::SLL2_LENGTH, link::SLL2_ADDRESS, &link::SLL2_TYPE),
            false => (&link::SLL_LENGTH, link::SLL_ADDRESS, &link::SLL_TYPE),
        };
        if !two {
            let kind = KINDS.get(layer.of(&link::SLL_KIND) as usize).unwrap_or(&"?");
            write!(self.out, "{kind:>3} ")?;
        } else if self.interface.is_some() {
            write!(self.out, "ifindex {} ", layer.of(&link::SLL2_INTERFACE))?;
        }
        if layer.of(length) == 6 {
            write!(self.out, "{} ", Mac(layer.bytes.get(at..at + 6).unwrap_or_default()))?;
        }
        if !self.style.quiet {
            match layer.of(number) {
                1 => self.out.push_str("802.3"),
                4 => self.out.push_str("802.2"),
                number => self.ether_type(number)?,
            }
            write!(self.out, ", length {}: ", layer.room)?;
        }
        Ok(())
    }

    pub(super) fn null(&mut self, layer: &Layer<'a>) -> fmt::Result {
        if layer.bytes.len() < 4 {
            return self.cut("null");
        }
        if !self.style.link_header && self.peek().is_some() {
            return Ok(());
        }
        let number = link::family(layer.bytes).unwrap_or_default();
        let name = names::address_family(number).unwrap_or("unknown");
        write!(self.out, "AF {name} ({number}), length {}: ", layer.room)
    }
}

/// An interface's name, escaped, in a column.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&escape::text(self.0).to_string())
    }
}
