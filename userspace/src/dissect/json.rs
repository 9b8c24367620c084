//! One JSON object per packet, on one line. The keys are the names in the protocols' tables; see the module above.

use std::{
    fmt,
    io::{self, Write},
    net::{Ipv4Addr, Ipv6Addr},
};

use super::{
    Dissection, Layer, Note, Packet, dissect, escape,
    sink::{Node, Shape, Sink, Value},
    time::Time,
};

/// Writes a packet as one compact object and a line break.
///
/// # Errors
/// Those of the writer.
pub fn write(out: &mut impl Write, packet: &Packet<'_>) -> io::Result<()> {
    const USUAL: usize = 2048;
    let mut json = Json { out: Vec::with_capacity(USUAL), open: Vec::new(), fresh: true };
    json.packet(packet)?;
    json.out.push(b'\n');
    out.write_all(&json.out)
}

/// A writer of JSON that knows where commas belong.
struct Json {
    out: Vec<u8>,
    /// What is open, outermost first.
    open: Vec<Shape>,
    /// Nothing was written since the last bracket.
    fresh: bool,
}

impl Json {
    fn packet(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        let dissection = dissect(packet);
        self.begin(Shape::Object)?;
        self.number("number", packet.number)?;
        self.key("time")?;
        let time = Time { nanoseconds: packet.time, fine: true };
        self.shown(fmt::from_fn(|out| time.date('T', out).and_then(|()| out.write_str("Z"))))?;
        self.number("time_ns", packet.time)?;
        if let Some(interface) = packet.interface {
            self.key("interface")?;
            self.shown(escape::text(interface))?;
        }
        if let Some(outgoing) = packet.outgoing {
            self.truth("outgoing", outgoing)?;
        }
        self.number("length", u64::from(packet.length))?;
        self.number("captured", packet.bytes.len() as u64)?;
        self.key("layers")?;
        self.begin(Shape::List)?;
        for (index, layer) in dissection.layers.iter().enumerate() {
            self.layer(&dissection, index, layer)?;
        }
        self.close()?;
        self.close()
    }

    fn layer(&mut self, all: &Dissection<'_>, index: usize, layer: &Layer<'_>) -> io::Result<()> {
        self.separate()?;
        self.begin(Shape::Object)?;
        self.key("protocol")?;
        self.shown(layer.protocol.key())?;
        self.number("offset", layer.offset as u64)?;
        self.number("length", layer.length as u64)?;
        if layer.quoted {
            self.truth("quoted", true)?;
        }
        match layer.note {
            Some(Note::Truncated) => self.truth("truncated", true)?,
            Some(Note::Continued(_)) => self.truth("continued", true)?,
            Some(Note::Malformed(fault)) => {
                self.key("malformed")?;
                self.shown(fault)?;
            }
            None => {}
        }
        self.key("fields")?;
        self.begin(Shape::Object)?;
        all.emit(index, self)?;
        self.close()?;
        self.close()
    }

    fn begin(&mut self, shape: Shape) -> io::Result<()> {
        self.open.push(shape);
        self.fresh = true;
        self.out.push(if shape == Shape::List { b'[' } else { b'{' });
        Ok(())
    }

    fn separate(&mut self) -> io::Result<()> {
        if !self.fresh {
            self.out.push(b',');
        }
        self.fresh = false;
        Ok(())
    }

    /// A key, where things have keys.
    fn key(&mut self, name: &'static str) -> io::Result<()> {
        self.separate()?;
        if self.open.last() == Some(&Shape::List) {
            return Ok(());
        }
        write!(self.out, "\"{name}\":")
    }

    fn number(&mut self, name: &'static str, value: u64) -> io::Result<()> {
        self.key(name)?;
        write!(self.out, "{value}")
    }

    fn truth(&mut self, name: &'static str, value: bool) -> io::Result<()> {
        self.key(name)?;
        write!(self.out, "{value}")
    }

    fn shown(&mut self, value: impl fmt::Display) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, &format_args!("{value}")).map_err(io::Error::from)
    }

    fn value(&mut self, value: &Value<'_>) -> io::Result<()> {
        match *value {
            Value::None => write!(self.out, "null"),
            Value::Uint(number) | Value::Hex(number, _) => write!(self.out, "{number}"),
            Value::Flag(set) => write!(self.out, "{set}"),
            Value::Mac(bytes) => write!(self.out, "\"{}\"", Mac(bytes)),
            Value::Ipv4(bytes) => write!(self.out, "\"{}\"", Ipv4Addr::from(bytes)),
            Value::Ipv6(bytes) => write!(self.out, "\"{}\"", Ipv6Addr::from(bytes)),
            Value::Bytes(bytes) => {
                self.out.push(b'"');
                bytes.iter().try_for_each(|byte| write!(self.out, "{byte:02x}"))?;
                self.out.push(b'"');
                Ok(())
            }
            Value::Text(text) => self.shown(text),
            Value::Fault(fault) => self.shown(fault),
        }
    }
}

impl Sink for Json {
    fn leaf(&mut self, node: &Node<'_>) -> io::Result<()> {
        self.key(node.name)?;
        self.value(&node.value)?;
        match node.meaning.filter(|_| self.open.last() != Some(&Shape::List)) {
            Some(meaning) => {
                write!(self.out, ",\"{}_name\":", node.name)?;
                self.shown(meaning)
            }
            None => Ok(()),
        }
    }

    fn open(&mut self, node: &Node<'_>, shape: Shape) -> io::Result<()> {
        self.key(node.name)?;
        self.begin(shape)?;
        if matches!(node.value, Value::None) {
            return Ok(());
        }
        self.key("value")?;
        self.value(&node.value)
    }

    fn close(&mut self) -> io::Result<()> {
        let list = self.open.pop() == Some(Shape::List);
        self.out.push(if list { b']' } else { b'}' });
        self.fresh = false;
        Ok(())
    }
}

/// An IEEE 802 address, or any other bytes with colons between.
pub(super) struct Mac<'a>(pub(super) &'a [u8]);

impl fmt::Display for Mac<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for (index, byte) in self.0.iter().enumerate() {
            if index > 0 {
                out.write_str(":")?;
            }
            let digits = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
            digits.iter().try_for_each(|digit| fmt::Write::write_char(out, *digit as char))?;
        }
        Ok(())
    }
}
