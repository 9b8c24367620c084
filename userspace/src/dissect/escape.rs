//! Text from packets and files, made safe for a terminal.
//!
//! A capture file may name its interface `\x1b]0;…` or hide a line by a bidirectional override. Everything that is not
//! plainly visible is written as an escape, and the backslash is doubled, so that what is shown can be told from what
//! was escaped.

use std::fmt::{self, Write};

/// `text`, escaped: control characters, bidirectional and invisible ones, invalid UTF-8, backslashes.
pub fn text<T: AsRef<[u8]> + ?Sized>(text: &T) -> impl fmt::Display + '_ {
    Escaped(text.as_ref())
}

struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\\' => out.write_str("\\\\")?,
                    _ if !is_hidden(character) => out.write_char(character)?,
                    '\0'..='\x7f' => write!(out, "\\x{:02x}", character as u32)?,
                    _ => write!(out, "\\u{{{:x}}}", character as u32)?,
                }
            }
            for byte in chunk.invalid() {
                write!(out, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// A terminal would obey it, or show nothing, or show what follows in another order.
const fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        let hostile = "a\x1b[2J\r\n\x07\x7f\u{9b}\u{85}b";
        assert_eq!(text(hostile).to_string(), r"a\x1b[2J\x0d\x0a\x07\x7f\u{9b}\u{85}b");
    }

    #[test]
    fn bidirectional_controls_are_escaped() {
        for control in
            ['\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{200e}', '\u{200f}', '\u{61c}']
        {
            let shown = text(&control.to_string()).to_string();
            assert_eq!(shown, format!("\\u{{{:x}}}", control as u32));
        }
    }

    #[test]
    fn invalid_utf8_is_escaped_byte_by_byte() {
        assert_eq!(text(b"a\xff\xc3(\xf0\x9f").to_string(), r"a\xff\xc3(\xf0\x9f");
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        assert_eq!(text("eth0.100@br-größe").to_string(), "eth0.100@br-größe");
        assert_eq!(text(r"\x1b").to_string(), r"\\x1b");
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(bytes: Vec<u8>) {
            prop_assert!(!text(&bytes).to_string().chars().any(is_hidden));
        }
    }
}
