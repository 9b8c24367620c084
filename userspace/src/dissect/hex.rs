//! Bytes in hexadecimal, as tcpdump's `-x` and `-X` show them.

use std::fmt;

/// Which bytes, and how.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Hex {
    /// With the link header (`-xx`, `-XX`).
    pub link: bool,
    /// With characters beside (`-X`, `-XX`); `.` for all but visible ASCII, as tcpdump has it: for a space too.
    pub ascii: bool,
}

const LINE: usize = 16;

/// Writes `bytes`, each line begun with a line break and a tab.
pub(super) fn write(out: &mut impl fmt::Write, bytes: &[u8], ascii: bool) -> fmt::Result {
    /// Places of eight pairs.
    const WIDTH: usize = 40;
    for (line, row) in bytes.chunks(LINE).enumerate() {
        write!(out, "\n\t0x{:04x}: ", line * LINE)?;
        let mut width = 0;
        for (index, byte) in row.iter().enumerate() {
            if index % 2 == 0 {
                out.write_char(' ')?;
                width += 1;
            }
            write!(out, "{byte:02x}")?;
            width += 2;
        }
        if ascii {
            write!(out, "{:1$}  ", "", WIDTH - width)?;
            for byte in row {
                out.write_char(if byte.is_ascii_graphic() { *byte as char } else { '.' })?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_but_visible_ascii_is_shown() {
        let mut out = String::new();
        write(&mut out, b"E\x00\x1b\x7f~ \xc3\xa4012345678", true).unwrap();
        assert_eq!(
            out,
            "\n\t0x0000:  4500 1b7f 7e20 c3a4 3031 3233 3435 3637  E...~...01234567\
             \n\t0x0010:  38                                       8"
        );
    }

    #[test]
    fn an_odd_last_byte_stands_alone() {
        let mut out = String::new();
        write(&mut out, &[1, 2, 3], false).unwrap();
        assert_eq!(out, "\n\t0x0000:  0102 03");
    }
}
