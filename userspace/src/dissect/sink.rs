//! Every field of a layer, handed in order to whoever shows it: the tree, or JSON.

use std::io;

use super::{
    Fault,
    field::{Kind, Spec, be},
};

/// What a sink is handed: one field of one packet.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// Key in JSON.
    pub name: &'static str,
    /// Label in the tree.
    pub label: &'static str,
    /// First byte in the frame.
    pub offset: usize,
    /// Bytes; 0 for what was computed.
    pub length: usize,
    /// Bits of those bytes, all when `u64::MAX`.
    pub mask: u64,
    /// Those bytes as a number, for showing the bits.
    pub raw: u64,
    /// The value.
    pub value: Value<'a>,
    /// What the number is called.
    pub meaning: Option<&'static str>,
    /// The flags inside; the set ones are the meaning.
    pub flags: &'static [Spec],
    /// The header's bytes, that the flags refer to.
    pub area: &'a [u8],
}

impl<'a> Node<'a> {
    /// Something said about the bytes, that is not a field.
    #[must_use]
    pub const fn of(
        name: &'static str,
        label: &'static str,
        offset: usize,
        length: usize,
        value: Value<'a>,
    ) -> Self {
        Self {
            name,
            label,
            offset,
            length,
            mask: u64::MAX,
            raw: 0,
            value,
            meaning: None,
            flags: &[],
            area: &[],
        }
    }
}

/// A field's value.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// Nothing of its own: a group or a list.
    None,
    /// A number.
    Uint(u64),
    /// A number in so many hexadecimal digits.
    Hex(u64, usize),
    /// One bit.
    Flag(bool),
    /// An IEEE 802 address.
    Mac(&'a [u8]),
    /// An IPv4 address.
    Ipv4([u8; 4]),
    /// An IPv6 address.
    Ipv6([u8; 16]),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Words of our own.
    Text(&'static str),
    /// A fault.
    Fault(Fault),
}

/// What opens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// Fields with names.
    Object,
    /// Things without names.
    List,
    /// One of those things, with fields.
    Item,
}

/// Shows fields one after the other.
pub trait Sink {
    /// A field.
    ///
    /// # Errors
    /// Those of the writer behind it.
    fn leaf(&mut self, node: &Node<'_>) -> io::Result<()>;
    /// A field with fields inside, which follow up to [`Sink::close`].
    ///
    /// # Errors
    /// Those of the writer behind it.
    fn open(&mut self, node: &Node<'_>, shape: Shape) -> io::Result<()>;
    /// The end of what was opened last.
    ///
    /// # Errors
    /// Those of the writer behind it.
    fn close(&mut self) -> io::Result<()>;
}

/// Captured bytes of a header or option, and where they stand in the frame.
#[derive(Clone, Copy, Debug)]
pub struct Area<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Offset of the first of them in the frame.
    pub offset: usize,
}

/// Hands every captured field of a table to the sink.
///
/// # Errors
/// Those of the sink.
pub fn emit(specs: &'static [Spec], area: Area<'_>, sink: &mut dyn Sink) -> io::Result<()> {
    specs.iter().try_for_each(|spec| emit_one(spec, area, sink))
}

/// Hands one field to the sink, if captured.
///
/// # Errors
/// Those of the sink.
pub fn emit_one(spec: &Spec, area: Area<'_>, sink: &mut dyn Sink) -> io::Result<()> {
    if spec.repeated {
        return emit_rows(spec, area, sink);
    }
    let Some(node) = node(spec, area) else { return Ok(()) };
    if spec.within.is_empty() {
        return sink.leaf(&node);
    }
    sink.open(&node, Shape::Object)?;
    emit(spec.within, area, sink)?;
    sink.close()
}

fn emit_rows(spec: &Spec, area: Area<'_>, sink: &mut dyn Sink) -> io::Result<()> {
    let rest = area.bytes.get(spec.at..).unwrap_or_default();
    let offset = area.offset + spec.at;
    sink.open(&Node::of(spec.name, spec.label, offset, rest.len(), Value::None), Shape::List)?;
    for (index, row) in rest.chunks_exact(spec.length.max(1)).enumerate() {
        let area = Area { bytes: row, offset: offset + index * spec.length };
        if spec.within.is_empty() {
            let column = Spec { at: 0, repeated: false, ..*spec };
            emit_one(&column, area, sink)?;
            continue;
        }
        let node = Node::of(spec.name, spec.label, area.offset, row.len(), Value::None);
        sink.open(&node, Shape::Item)?;
        emit(spec.within, area, sink)?;
        sink.close()?;
    }
    sink.close()
}

fn node<'a>(spec: &Spec, area: Area<'a>) -> Option<Node<'a>> {
    let bytes = spec.slice(area.bytes);
    if bytes.is_empty() {
        return None;
    }
    let number = || spec.get(area.bytes).unwrap_or_default();
    let value = match spec.kind {
        Kind::Decimal => Value::Uint(number()),
        Kind::Hex => Value::Hex(number(), hex_digits(spec)),
        Kind::Flag => Value::Flag(number() != 0),
        Kind::Mac => Value::Mac(bytes),
        Kind::Ipv4 => Value::Ipv4(bytes.try_into().ok()?),
        Kind::Ipv6 => Value::Ipv6(bytes.try_into().ok()?),
        Kind::Bytes => Value::Bytes(bytes),
    };
    Some(Node {
        name: spec.name,
        label: spec.label,
        offset: area.offset + spec.at,
        length: bytes.len(),
        mask: spec.mask,
        raw: be(bytes),
        value,
        meaning: spec.names.and_then(|names| names(number())),
        flags: spec.within,
        area: area.bytes,
    })
}

fn hex_digits(spec: &Spec) -> usize {
    let bits = match spec.mask {
        u64::MAX => spec.length as u32 * 8,
        mask => mask.count_ones(),
    };
    bits.div_ceil(4) as usize
}
