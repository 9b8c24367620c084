//! Options, chunks and records: the same walk for all that have a kind and a length.

use std::io;

use super::{
    Fault,
    field::Spec,
    sink::{Area, Node, Shape, Sink, Value, emit},
};

/// How a protocol writes its options.
#[derive(Debug)]
pub(super) struct Rule {
    /// Fields that every option begins with.
    pub(super) head: &'static [Spec],
    /// Kinds below this are a byte without length.
    pub(super) singles: u64,
    /// The kind after which nothing is an option any more.
    pub(super) end: Option<u64>,
    /// Where the kind stands.
    pub(super) kind: Spec,
    /// Bytes of the option with its head, as its own length says.
    pub(super) length: fn(&[u8]) -> Option<usize>,
    /// Bytes of the head.
    pub(super) least: usize,
    /// Options begin at multiples of this.
    pub(super) align: usize,
    /// What a fault calls the length.
    pub(super) called: &'static str,
}

/// A kind of option.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Its number.
    pub(super) number: u64,
    /// Name in JSON.
    pub(super) name: &'static str,
    /// Label in the tree.
    pub(super) label: &'static str,
    /// Fields, from the start of the option.
    pub(super) fields: &'static [Spec],
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tlv<'a> {
    /// Kind.
    pub(super) kind: u64,
    /// First byte, from the start of the options.
    pub(super) at: usize,
    /// Captured bytes, head included.
    pub(super) bytes: &'a [u8],
    /// Length as the option says it, head included.
    pub(super) length: usize,
    /// Why nothing is read behind it.
    pub(super) fault: Option<Fault>,
}

/// Options one after the other; stops behind the first that is malformed or cut.
#[derive(Clone, Debug)]
pub(super) struct Tlvs<'a> {
    rule: &'static Rule,
    bytes: &'a [u8],
    /// Length of all options on the wire, of which `bytes` may be only the beginning.
    end: usize,
    at: usize,
    /// Read so far, or up to what was not captured.
    cut: bool,
}

impl<'a> Tlvs<'a> {
    /// The options in `bytes`, which on the wire are `length` long.
    #[must_use]
    pub(super) fn over(rule: &'static Rule, bytes: &'a [u8], length: usize) -> Self {
        let bytes = bytes.get(..length).unwrap_or(bytes);
        Self { rule, bytes, end: length, at: 0, cut: false }
    }

    /// The capture ended inside the options.
    #[must_use]
    pub(super) const fn is_cut(&self) -> bool {
        self.cut
    }

    fn stop(&mut self, tlv: Tlv<'a>) -> Tlv<'a> {
        self.at = self.end;
        tlv
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        if self.at >= self.end || self.cut {
            return None;
        }
        let (at, room) = (self.at, self.end - self.at);
        let rest = self.bytes.get(at..).unwrap_or_default();
        let Some(kind) = self.rule.kind.get(rest) else {
            self.cut = self.bytes.len() < self.end;
            let fault = Fault::short(self.rule.called, room, "head", self.rule.least);
            let tlv = Tlv { kind: 0, at, bytes: rest, length: room, fault: Some(fault) };
            return (!self.cut).then(|| self.stop(tlv));
        };
        if kind < self.rule.singles {
            let tlv =
                Tlv { kind, at, bytes: rest.get(..1).unwrap_or_default(), length: 1, fault: None };
            self.at = if self.rule.end == Some(kind) { self.end } else { at + 1 };
            return Some(tlv);
        }
        let length = (self.rule.length)(rest);
        let fault = match length {
            None if self.bytes.len() < self.end => {
                self.cut = true;
                return None;
            }
            None => Some(Fault::short("available", room, self.rule.called, self.rule.least)),
            Some(length) if length < self.rule.least => {
                Some(Fault::short(self.rule.called, length, "minimum", self.rule.least))
            }
            Some(length) if length > room => {
                Some(Fault::long(self.rule.called, length, "available", room))
            }
            Some(_) => None,
        };
        let length = length.unwrap_or(room);
        let bytes = rest.get(..length).unwrap_or(rest);
        let tlv = Tlv { kind, at, bytes, length, fault };
        if fault.is_some() {
            return Some(self.stop(tlv));
        }
        self.cut = bytes.len() < length;
        self.at = at + length.next_multiple_of(self.rule.align);
        Some(tlv)
    }
}

/// Shows options as a list: the head of each, its name and fields, the bytes of unknown kinds.
///
/// # Errors
/// Those of the sink.
pub(super) fn emit_all(
    (name, label): (&'static str, &'static str),
    tlvs: Tlvs<'_>,
    known: &'static [Known],
    offset: usize,
    sink: &mut dyn Sink,
) -> io::Result<()> {
    if tlvs.end == 0 {
        return Ok(());
    }
    let rule = tlvs.rule;
    let length = tlvs.bytes.len();
    sink.open(&Node::of(name, label, offset, length, Value::None), Shape::List)?;
    for tlv in tlvs {
        let area = Area { bytes: tlv.bytes, offset: offset + tlv.at };
        let known = known.iter().find(|known| known.number == tlv.kind);
        let (title, fields) = known.map_or(("Unknown", &[][..]), |k| (k.label, k.fields));
        let node = Node::of(name, title, area.offset, area.bytes.len(), Value::None);
        sink.open(&node, Shape::Item)?;
        let name = Value::Text(known.map_or("unknown", |known| known.name));
        sink.leaf(&Node::of("name", "Name", area.offset, 0, name))?;
        emit(rule.head, area, sink)?;
        if let Some(fault) = tlv.fault {
            sink.leaf(&Node::of("malformed", "Malformed", area.offset, 0, Value::Fault(fault)))?;
        } else if known.is_some() {
            emit(fields, area, sink)?;
        } else if tlv.bytes.len() > rule.least {
            let bytes = Value::Bytes(tlv.bytes.get(rule.least..).unwrap_or_default());
            let (at, length) = (area.offset + rule.least, tlv.bytes.len() - rule.least);
            sink.leaf(&Node::of("bytes", "Bytes", at, length, bytes))?;
        }
        sink.close()?;
    }
    sink.close()
}
