//! Options of pcapng blocks, and what those of an interface description and of a packet say.

use std::fmt;

use super::{
    Interface, Resolution, Verdict,
    order::{Order, words},
};

/// Bytes kept of a name or description.
const MAX_TEXT: usize = 256;
/// Bytes kept of a filter: one with a hundred addresses is whole.
const MAX_FILTER: usize = 4096;

/// Options: code, length, value, padding to four bytes.
pub(super) struct Options<'a> {
    rest: &'a [u8],
    order: Order,
}

impl<'a> Options<'a> {
    /// The options in `bytes`.
    pub(super) fn new(bytes: &'a [u8], order: Order) -> Self {
        Self { rest: bytes, order }
    }
}

/// An option that is said to be longer than what is left of its block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overlong {
    code: u16,
    length: usize,
    left: usize,
}

impl fmt::Display for Overlong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, length, left } = self;
        write!(f, "option {code} of {length} bytes, of which {left} are there")
    }
}

impl<'a> Iterator for Options<'a> {
    /// Code and value, or what is wrong.
    type Item = Result<(u16, &'a [u8]), Overlong>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let ([[a, b, c, d]], rest) =
            self.rest.split_at_checked(4).map(|(head, rest)| (words(head), rest))?
        else {
            return None;
        };
        let (code, length) = (self.order.u16([*a, *b]), self.order.u16([*c, *d]) as usize);
        if code == 0 {
            return None;
        }
        let Some(value) = rest.get(..length) else {
            self.rest = &[];
            return Some(Err(Overlong { code, length, left: rest.len() }));
        };
        self.rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok((code, value)))
    }
}

/// Adds what an option of an interface description says.
pub(super) fn describe(
    interface: &mut Interface,
    option: (u16, &[u8]),
    order: Order,
) -> Result<(), String> {
    match option {
        (2, name) => interface.name = text(name, MAX_TEXT),
        (3, description) => interface.description = text(description, MAX_TEXT),
        // 0: an expression; 1 would be a program.
        (11, [0, filter @ ..]) => interface.filter = text(filter, MAX_FILTER),
        (9, [resolution]) => interface.resolution = Resolution::of_option(*resolution),
        (14, offset) if offset.len() == 8 => {
            interface.offset = offset.first_chunk().map_or(0, |offset| order.i64(*offset));
        }
        (code @ (9 | 14), value) => {
            return Err(format!(
                "option {code} (the unit or offset of its times) of {} bytes",
                value.len()
            ));
        }
        _ => {}
    }
    Ok(())
}

/// What the options of an enhanced or obsolete packet block tell.
#[derive(Clone, Copy, Default)]
pub(super) struct Told {
    /// Bits 0 and 1 of the flags: 1 = inbound, 2 = outbound.
    pub(super) outgoing: Option<bool>,
    pub(super) queue: Option<u32>,
    pub(super) verdict: Option<Verdict>,
}

impl Told {
    /// Those that make no sense are left out, and all behind one that is cut.
    #[inline]
    pub(super) fn of_options(options: Options<'_>, order: Order) -> Self {
        let mut told = Self::default();
        for option in options.map_while(Result::ok) {
            match option {
                (2, &[a, b, c, d]) => {
                    told.outgoing = match order.u32([a, b, c, d]) & 3 {
                        1 => Some(false),
                        2 => Some(true),
                        _ => None,
                    };
                }
                (6, &[a, b, c, d]) => told.queue = Some(order.u32([a, b, c, d])),
                (7, &[kind, a, b, c, d, e, f, g, h]) => {
                    told.verdict = Verdict::of_option(kind, order.u64([a, b, c, d, e, f, g, h]));
                }
                _ => {}
            }
        }
        told
    }
}

/// A text of the file, without the zero bytes some writers put behind it.
fn text(bytes: &[u8], most: usize) -> Option<String> {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(most)]);
    let text = &text[..text.floor_char_boundary(most)];
    (!text.is_empty()).then(|| text.to_owned())
}
