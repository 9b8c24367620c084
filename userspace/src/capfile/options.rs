//! Options of pcapng blocks, and what those of an interface description say.

use super::{
    Interface, Resolution,
    order::{Order, words},
};

/// Bytes kept of a name or description.
const MAX_TEXT: usize = 256;

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

impl<'a> Iterator for Options<'a> {
    /// Code and value, or what is wrong.
    type Item = Result<(u16, &'a [u8]), String>;

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
            return Some(Err(format!(
                "option {code} of {length} bytes, of which {} are there",
                rest.len()
            )));
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
        (2, name) => interface.name = text(name),
        (3, description) => interface.description = text(description),
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

/// A text of the file, without the zero bytes some writers put behind it.
fn text(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_TEXT)]);
    let text = &text[..text.floor_char_boundary(MAX_TEXT)];
    (!text.is_empty()).then(|| text.to_owned())
}
