//! A packet as a tree of layers and fields, as in Wireshark's details: what each field is, its value, its bytes, its
//! bits.
//!
//! ```text
//! Internet Protocol Version 4  [14..34]
//!     Flags: 0x2 (Don't fragment)  [20] 010. ....
//!         Don't fragment: yes  [20] .1.. ....
//! ```

use std::{
    fmt::{self, Write as _},
    io::{self, Write},
    net::{Ipv4Addr, Ipv6Addr},
};

use super::{
    Layer, Note, Packet, Protocol, dissect, escape,
    json::Mac,
    sink::{Node, Shape, Sink, Value},
    time::Time,
};

/// Writes a packet as a tree, and an empty line.
///
/// # Errors
/// Those of the writer.
pub fn write(out: &mut impl Write, packet: &Packet<'_>) -> io::Result<()> {
    const USUAL: usize = 4096;
    let dissection = dissect(packet);
    let mut tree = Tree { out: String::with_capacity(USUAL), depth: 1 };
    tree.frame(packet).map_err(io::Error::other)?;
    for (index, layer) in dissection.layers.iter().enumerate() {
        tree.layer(layer).map_err(io::Error::other)?;
        dissection.emit(index, &mut tree)?;
    }
    tree.out.push('\n');
    out.write_all(tree.out.as_bytes())
}

struct Tree {
    out: String,
    depth: usize,
}

impl Tree {
    fn frame(&mut self, packet: &Packet<'_>) -> fmt::Result {
        let (number, length, captured) = (packet.number, packet.length, packet.bytes.len());
        write!(self.out, "Frame {number}: {length} bytes on wire, {captured} captured, ")?;
        Time { nanoseconds: packet.time, fine: true }.date(' ', &mut self.out)?;
        self.out.push_str(" UTC");
        if let Some(interface) = packet.interface {
            write!(self.out, ", {}", escape::text(interface))?;
        }
        if let Some(outgoing) = packet.outgoing {
            self.out.push_str(if outgoing { ", outgoing" } else { ", incoming" });
        }
        self.out.push('\n');
        Ok(())
    }

    fn layer(&mut self, layer: &Layer<'_>) -> fmt::Result {
        self.out.push_str(layer.protocol.label());
        if matches!(layer.protocol, Protocol::Payload | Protocol::Padding) {
            write!(self.out, ": {} bytes", layer.length)?;
        }
        self.range(layer.offset, layer.length)?;
        if layer.quoted {
            self.out.push_str(" quoted");
        }
        match layer.note {
            Some(Note::Truncated) => self.out.push_str(" truncated"),
            Some(Note::Continued(_)) => self.out.push_str(" continued in other fragments"),
            Some(Note::Malformed(fault)) => write!(self.out, " malformed: {fault}")?,
            None => {}
        }
        self.out.push('\n');
        Ok(())
    }

    fn line(&mut self, node: &Node<'_>) -> fmt::Result {
        const INDENT: usize = 4;
        write!(self.out, "{:1$}", "", self.depth * INDENT)?;
        self.out.push_str(node.label);
        if !matches!(node.value, Value::None) {
            self.out.push_str(": ");
            self.value(&node.value)?;
        }
        if let Some(meaning) = node.meaning {
            write!(self.out, " ({meaning})")?;
        }
        self.flags(node)?;
        if node.length > 0 {
            self.range(node.offset, node.length)?;
        }
        if node.mask != u64::MAX {
            self.bits(node)?;
        }
        self.out.push('\n');
        Ok(())
    }

    fn value(&mut self, value: &Value<'_>) -> fmt::Result {
        match *value {
            Value::None => Ok(()),
            Value::Uint(number) => write!(self.out, "{number}"),
            Value::Hex(number, digits) => write!(self.out, "0x{number:0digits$x}"),
            Value::Flag(set) => self.out.write_str(if set { "yes" } else { "no" }),
            Value::Mac(bytes) => write!(self.out, "{}", Mac(bytes)),
            Value::Ipv4(bytes) => write!(self.out, "{}", Ipv4Addr::from(bytes)),
            Value::Ipv6(bytes) => write!(self.out, "{}", Ipv6Addr::from(bytes)),
            Value::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(self.out, "{byte:02x}")),
            Value::Text(text) => self.out.write_str(text),
            Value::Fault(fault) => write!(self.out, "{fault}"),
        }
    }

    /// The flags that are set.
    fn flags(&mut self, node: &Node<'_>) -> fmt::Result {
        let mut separator = " (";
        for flag in node.flags.iter().filter(|flag| flag.is_set(node.area)) {
            write!(self.out, "{separator}{}", flag.label)?;
            separator = ", ";
        }
        if separator == ", " { self.out.write_char(')') } else { Ok(()) }
    }

    fn range(&mut self, offset: usize, length: usize) -> fmt::Result {
        match length {
            1 => write!(self.out, "  [{offset}]"),
            _ => write!(self.out, "  [{offset}..{}]", offset + length),
        }
    }

    /// The field's bits, dots for those of other fields, in fours.
    fn bits(&mut self, node: &Node<'_>) -> fmt::Result {
        for bit in (0..node.length.min(8) * 8).rev() {
            if bit % 4 == 3 {
                self.out.push(' ');
            }
            self.out.push(match (node.mask >> bit & 1, node.raw >> bit & 1) {
                (0, _) => '.',
                (_, 0) => '0',
                _ => '1',
            });
        }
        Ok(())
    }
}

impl Sink for Tree {
    fn leaf(&mut self, node: &Node<'_>) -> io::Result<()> {
        // The key that JSON has for an option; here its label stands above.
        if node.name == "name" && node.length == 0 {
            return Ok(());
        }
        self.line(node).map_err(io::Error::other)
    }

    fn open(&mut self, node: &Node<'_>, _: Shape) -> io::Result<()> {
        self.line(node).map_err(io::Error::other)?;
        self.depth += 1;
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        self.depth -= 1;
        Ok(())
    }
}
