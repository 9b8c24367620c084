//! What can go wrong with a capture file: one line each, where it is, what was read before it, what to do.
//!
//! No byte of a file stands in a message unescaped; numbers and hexadecimal only.

use std::{fmt, io};

use super::{Compression, MAX_PACKET};

/// An error that ends the reading of a capture file. Every packet before it has been delivered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first bytes belong to no format read here.
    #[error("{name}{} is not a capture file: {}{hint}", once(.compression), begins(first))]
    NotACapture {
        /// The file's name, printable.
        name: Box<str>,
        /// The compression around it.
        compression: Option<Compression>,
        /// How it begins, in hexadecimal.
        first: Box<str>,
        /// What it may be, and what to do.
        hint: &'static str,
    },
    /// The input ends inside a record or block: a capture that is still being written, or a copy cut short.
    #[error(
        "{name} ends in the middle of {} at {at}: {got} of {wanted} bytes are there; {} before it",
        part.of(*packets), Read(*packets)
    )]
    Cut {
        /// The file's name, printable.
        name: Box<str>,
        /// What was being read.
        part: Part,
        /// Where it begins.
        at: Position,
        /// Packets delivered before.
        packets: u64,
        /// Bytes it needs, as far as its header told.
        wanted: u64,
        /// Bytes that are there.
        got: u64,
    },
    /// A record or block contradicts the format.
    #[error("{name}: {} at {at}: {what}; {} before it", part.of(*packets), Read(*packets))]
    Corrupt {
        /// The file's name, printable.
        name: Box<str>,
        /// What was being read.
        part: Part,
        /// Where it begins.
        at: Position,
        /// Packets delivered before.
        packets: u64,
        /// The contradiction.
        what: Box<str>,
    },
    /// The compressed data is damaged, or ends early.
    #[error(
        "{name}: the {compression} data cannot be decompressed past {at}; {} before it; `{} -t` tests the file",
        Read(*packets), .compression.program()
    )]
    Compressed {
        /// The file's name, printable.
        name: Box<str>,
        /// How it is compressed.
        compression: Compression,
        /// Where the data ends that could be decompressed.
        at: Position,
        /// Packets delivered before.
        packets: u64,
        /// What the decompressor says.
        source: io::Error,
    },
    /// The system could not open or read the file.
    #[error("cannot read {name}")]
    Io {
        /// The file's name, printable.
        name: Box<str>,
        /// What the system says.
        source: io::Error,
    },
}

/// A place in the stream of the capture file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Position {
    /// Bytes from the beginning, after decompression.
    pub offset: u64,
    /// Whether the file is compressed, so that the offset is not one of the file itself.
    pub decompressed: bool,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}", self.offset)?;
        if self.decompressed { f.write_str(" of the decompressed data") } else { Ok(()) }
    }
}

/// A part of a capture file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// The header of a pcap file.
    FileHeader,
    /// A pcapng section header block.
    Section,
    /// A pcapng interface description block.
    Interface,
    /// A packet: a pcap record, or any of the pcapng packet blocks.
    Packet,
    /// The header of a pcapng block.
    Block,
    /// A pcapng interface statistics block.
    Statistics,
    /// A pcapng block of a type that is skipped.
    Other(u32),
}

impl Part {
    /// The part in words, `packets` packets being before it.
    fn of(self, packets: u64) -> String {
        match self {
            Self::FileHeader => "the file header".to_owned(),
            Self::Section => "a section header".to_owned(),
            Self::Interface => "an interface description".to_owned(),
            Self::Packet => format!("packet {}", packets.saturating_add(1)),
            Self::Block => "a block".to_owned(),
            Self::Statistics => "interface statistics".to_owned(),
            Self::Other(kind) => format!("a block of type 0x{kind:08x}"),
        }
    }
}

/// How many packets were read, in words.
struct Read(u64);

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("no packet was read"),
            1 => f.write_str("1 packet was read"),
            packets => write!(f, "{packets} packets were read"),
        }
    }
}

fn once(compression: &Option<Compression>) -> &'static str {
    match compression {
        Some(_) => ", decompressed,",
        None => "",
    }
}

fn begins(first: &str) -> String {
    if first.is_empty() { String::new() } else { format!("it begins with {first}; ") }
}

/// An error before the reader has added the file's name and the packets read.
#[derive(Debug)]
pub(super) enum Fault {
    /// Reading failed past `offset`.
    Input { offset: u64, source: io::Error },
    /// The input ends inside `part`.
    Cut { part: Part, offset: u64, wanted: u64, got: u64 },
    /// `part` contradicts the format.
    Corrupt { part: Part, offset: u64, what: Box<str> },
}

impl Fault {
    /// A contradiction in `part`.
    #[cold]
    pub(super) fn corrupt(part: Part, offset: u64, what: impl Into<Box<str>>) -> Self {
        Self::Corrupt { part, offset, what: what.into() }
    }

    /// A packet longer than anything that is a packet.
    #[cold]
    pub(super) fn too_long(offset: u64, captured: u32) -> Self {
        let what = format!(
            "captured length {captured}, more than the {MAX_PACKET} bytes that are read of a packet"
        );
        Self::corrupt(Part::Packet, offset, what)
    }

    /// The end of the input inside `part`.
    #[cold]
    pub(super) fn cut(part: Part, offset: u64, wanted: usize, got: usize) -> Self {
        Self::Cut { part, offset, wanted: wanted as u64, got: got as u64 }
    }
}
