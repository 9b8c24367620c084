//! What a header field is: where it stands, how it reads, how it is called. Declared once, shown by every face.
//!
//! A protocol is a table of [`Spec`]s. The line reads single fields by [`Spec::of`]; tree and JSON are handed every field
//! in order by [`super::sink::emit`]. A field whose bytes were not captured is left out.

/// How a field's bytes read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A number.
    Decimal,
    /// A number that people read in hexadecimal.
    Hex,
    /// One bit.
    Flag,
    /// An IEEE 802 address.
    Mac,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// Bytes without a meaning of their own here.
    Bytes,
}

/// The meaning of a number.
pub type Names = fn(u64) -> Option<&'static str>;

/// One field of a header or of an option.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Key in JSON.
    pub name: &'static str,
    /// Label in the tree.
    pub label: &'static str,
    /// First byte, from the start of the header or option.
    pub at: usize,
    /// Bytes; 0 is "up to the end" and for [`Kind::Bytes`] alone.
    pub length: usize,
    /// Bits of those bytes that are the field's.
    pub mask: u64,
    /// Unit of the number, 1 for itself: a header length counts 4 bytes.
    pub unit: u64,
    /// How the bytes read.
    pub kind: Kind,
    /// What the numbers are called.
    pub names: Option<Names>,
    /// Fields inside this one, or the columns of a row; positions from the same start (of the row).
    pub within: &'static [Spec],
    /// As often as fits.
    pub repeated: bool,
}

impl Spec {
    const fn new(
        kind: Kind,
        name: &'static str,
        label: &'static str,
        at: usize,
        length: usize,
    ) -> Self {
        Self {
            name,
            label,
            at,
            length,
            mask: u64::MAX,
            unit: 1,
            kind,
            names: None,
            within: &[],
            repeated: false,
        }
    }

    /// A number of `length` bytes.
    #[must_use]
    pub const fn uint(name: &'static str, label: &'static str, at: usize, length: usize) -> Self {
        Self::new(Kind::Decimal, name, label, at, length)
    }

    /// A number in hexadecimal.
    #[must_use]
    pub const fn hex(name: &'static str, label: &'static str, at: usize, length: usize) -> Self {
        Self::new(Kind::Hex, name, label, at, length)
    }

    /// One bit of `length` bytes.
    #[must_use]
    pub const fn flag(
        name: &'static str,
        label: &'static str,
        at: usize,
        length: usize,
        mask: u64,
    ) -> Self {
        Self::new(Kind::Flag, name, label, at, length).bits(mask)
    }

    /// An IEEE 802 address.
    #[must_use]
    pub const fn mac(name: &'static str, label: &'static str, at: usize) -> Self {
        Self::new(Kind::Mac, name, label, at, 6)
    }

    /// An IPv4 address.
    #[must_use]
    pub const fn ipv4(name: &'static str, label: &'static str, at: usize) -> Self {
        Self::new(Kind::Ipv4, name, label, at, 4)
    }

    /// An IPv6 address.
    #[must_use]
    pub const fn ipv6(name: &'static str, label: &'static str, at: usize) -> Self {
        Self::new(Kind::Ipv6, name, label, at, 16)
    }

    /// Bytes as they are.
    #[must_use]
    pub const fn bytes(name: &'static str, label: &'static str, at: usize, length: usize) -> Self {
        Self::new(Kind::Bytes, name, label, at, length)
    }

    /// Rows of `length` bytes with `columns` each, from `at` to the end.
    #[must_use]
    pub const fn rows(
        name: &'static str,
        label: &'static str,
        at: usize,
        length: usize,
        columns: &'static [Spec],
    ) -> Self {
        let mut spec = Self::new(Kind::Bytes, name, label, at, length);
        spec.within = columns;
        spec.repeated = true;
        spec
    }

    /// Only these bits.
    #[must_use]
    pub const fn bits(mut self, mask: u64) -> Self {
        self.mask = mask;
        self
    }

    /// Counted in units.
    #[must_use]
    pub const fn times(mut self, unit: u64) -> Self {
        self.unit = unit;
        self
    }

    /// With names for its numbers.
    #[must_use]
    pub const fn named(mut self, names: Names) -> Self {
        self.names = Some(names);
        self
    }

    /// With flags inside.
    #[must_use]
    pub const fn flags(mut self, within: &'static [Spec]) -> Self {
        self.within = within;
        self
    }

    /// As often as fits, up to the end.
    #[must_use]
    pub const fn list(mut self) -> Self {
        self.repeated = true;
        self
    }

    /// The same field elsewhere.
    #[must_use]
    pub const fn moved(mut self, at: usize) -> Self {
        self.at = at;
        self
    }

    /// The number, or `None` when its bytes were not captured.
    #[must_use]
    pub fn get(&self, bytes: &[u8]) -> Option<u64> {
        let raw = be(bytes.get(self.at..self.at.checked_add(self.length)?)?);
        if self.mask == u64::MAX {
            return Some(raw.wrapping_mul(self.unit));
        }
        Some((raw & self.mask).checked_shr(self.mask.trailing_zeros())?.wrapping_mul(self.unit))
    }

    /// The number, or 0 when its bytes were not captured.
    #[must_use]
    pub fn of(&self, bytes: &[u8]) -> u64 {
        self.get(bytes).unwrap_or_default()
    }

    /// The bit is set.
    #[must_use]
    pub fn is_set(&self, bytes: &[u8]) -> bool {
        self.of(bytes) != 0
    }

    /// The field's own bytes, as far as captured.
    #[must_use]
    pub fn slice<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let rest = bytes.get(self.at..).unwrap_or_default();
        match self.length {
            0 => rest,
            length => rest.get(..length).unwrap_or_default(),
        }
    }
}

/// The number that up to eight bytes make, most significant first.
#[must_use]
pub fn be(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_masked_shifted_and_scaled() {
        let spec = Spec::uint("header_length", "Header length", 0, 1).bits(0x0f).times(4);
        assert_eq!(spec.get(&[0x45]), Some(20));
        assert_eq!(Spec::uint("version", "Version", 0, 1).bits(0xf0).get(&[0x45]), Some(4));
    }

    #[test]
    fn a_field_that_was_not_captured_is_none() {
        assert_eq!(Spec::uint("port", "Port", 1, 2).get(&[1, 2]), None);
        assert_eq!(Spec::uint("port", "Port", usize::MAX, 2).get(&[1, 2]), None);
    }
}
