//! Capture files: reads pcap and pcapng, plain or compressed with gzip or zstd, and writes pcapng.
//!
//! Records and blocks are framed here, not by a crate: pcap-file refuses files that exist (original < captured length,
//! names that are not UTF-8, any odd option) and pcap-parser has no big-endian modified pcap, and neither tells where
//! an error is or skips a block without holding it. pcap-file writes.
//!
//! Guarantees: no input makes the reader panic, loop, or hold more than a window of 2 MiB, 65,536 interfaces and a
//! decompressor's window (at most 128 MiB, zstd); every packet before an error is delivered; after an error or the end
//! there is nothing more.

mod buffer;
mod error;
mod input;
mod interface;
mod linktype;
mod options;
mod order;
mod pcap;
mod pcapng;
mod record;
mod rotation;
mod statistics;
#[cfg(test)]
mod tests;
mod writer;

use std::{fmt, fs::File, io::Read, path::Path, sync::Arc};

use self::{
    buffer::Buffer,
    error::Fault,
    input::{Input, Source},
    interface::Described,
    pcap::{Magic, Pcap},
    pcapng::PcapNg,
};
pub use self::{
    error::{Error, Part, Position},
    input::Compression,
    interface::{Interface, Resolution},
    linktype::linktype_name,
    record::{Record, Verdict},
    rotation::{Files, Rotation, WriteError, file_size},
    statistics::Statistics,
    writer::Writer,
};

/// Longest packet that is read, in bytes: twice what BIG TCP makes, four times libpcap's MAXIMUM_SNAPLEN.
pub const MAX_PACKET: u32 = 1 << 20;

/// How far a reader has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// Bytes read of the file as it is stored, up to a window ahead of the packets.
    pub read: u64,
    /// Bytes of the file as it was when opened; `None` for a pipe.
    pub size: Option<u64>,
}

/// Reads a capture file from its beginning to its end.
pub struct Reader {
    file: Identity,
    size: Option<u64>,
    buffer: Buffer,
    format: Format,
    described: Described,
    packets: u64,
    done: bool,
}

#[derive(Debug)]
enum Format {
    Pcap(Pcap),
    PcapNg(PcapNg),
}

/// What errors tell of the file.
struct Identity {
    name: Box<str>,
    compression: Option<Compression>,
    source: Arc<Source>,
}

impl Reader {
    /// Opens the file of this path.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let failed = |source| Error::Io { name: printable(&name), source };
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        Self::new(file, name, metadata.is_file().then_some(metadata.len()))
    }

    /// Reads a capture file from `input`, called `name` in messages. `size` is for [`Self::progress`] alone. Waits for
    /// the file's header.
    ///
    /// # Errors
    ///
    /// When the input cannot be read, is not a capture file, or its header is damaged.
    pub fn new(
        input: impl Read + Send + 'static,
        name: String,
        size: Option<u64>,
    ) -> Result<Self, Error> {
        let name = printable(&name);
        let Input { bytes, compression, source } =
            input::open(input).map_err(|source| Error::Io { name: name.clone(), source })?;
        let file = Identity { name, compression, source };
        let mut buffer = Buffer::new(bytes);
        let mut described = Described::default();
        match Format::begin(&mut buffer, &mut described) {
            Ok(Some(format)) => {
                Ok(Self { file, size, buffer, format, described, packets: 0, done: false })
            }
            Ok(None) => {
                // Enough to tell what else it is; an error says no more than fewer bytes do.
                _ = buffer.fill(16);
                Err(file.not_a_capture(buffer.unread()))
            }
            Err(fault) => Err(file.error(fault, 0)),
        }
    }

    /// The next packet, borrowed until the next call; `None` at the end, and ever after the end or an error.
    ///
    /// # Errors
    ///
    /// Once, when nothing after this place can be read.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "an Iterator cannot lend its items")]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, Error> {
        Ok(self.next_described()?.map(|(record, _)| record))
    }

    /// As [`Self::next`], with [`Self::interfaces`], which nobody can ask for while a record is held.
    ///
    /// # Errors
    ///
    /// As [`Self::next`].
    #[inline]
    pub fn next_described(&mut self) -> Result<Option<(Record<'_>, &[Interface])>, Error> {
        if self.done {
            return Ok(None);
        }
        let result = match &mut self.format {
            Format::Pcap(pcap) => pcap.next(&mut self.buffer),
            Format::PcapNg(pcapng) => pcapng.next(&mut self.buffer, &mut self.described),
        };
        match result {
            Ok(record) => {
                self.packets += u64::from(record.is_some());
                self.done = record.is_none();
                Ok(record.map(|record| (record, &*self.described.interfaces)))
            }
            Err(fault) => {
                self.done = true;
                Err(self.file.error(fault, self.packets))
            }
        }
    }

    /// The interfaces described so far, over all sections: of a pcapng file none before the first packet is read.
    #[must_use]
    pub fn interfaces(&self) -> &[Interface] {
        &self.described.interfaces
    }

    /// What was last counted on each of [`Self::interfaces`], as far as it has read: usually told behind the last packet.
    /// `None` for those of which nothing is told, and in a pcap file.
    #[must_use]
    pub fn statistics(&self) -> &[Option<Statistics>] {
        &self.described.statistics
    }

    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress { read: self.file.source.read(), size: self.size }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (f.debug_struct("Reader").field("name", &self.file.name).field("format", &self.format))
            .field("packets", &self.packets)
            .finish_non_exhaustive()
    }
}

impl Format {
    /// Reads the magic number and the header it belongs to; `None` for other files.
    fn begin(buffer: &mut Buffer, described: &mut Described) -> Result<Option<Self>, Fault> {
        buffer.fill(4)?;
        let Some(head) = buffer.unread().first_chunk::<4>().copied() else { return Ok(None) };
        if head == pcapng::MAGIC {
            return Ok(Some(Self::PcapNg(PcapNg::new(buffer)?)));
        }
        let Some(magic) = Magic::of(head) else { return Ok(None) };
        let (pcap, interface) = Pcap::new(magic, buffer)?;
        described.push(interface);
        Ok(Some(Self::Pcap(pcap)))
    }
}

impl Identity {
    #[cold]
    fn error(&self, fault: Fault, packets: u64) -> Error {
        let name = self.name.clone();
        let position = |offset| Position { offset, decompressed: self.compression.is_some() };
        match fault {
            Fault::Cut { part, offset, wanted, got } => {
                Error::Cut { name, part, at: position(offset), packets, wanted, got }
            }
            Fault::Corrupt { part, offset, what } => {
                Error::Corrupt { name, part, at: position(offset), packets, what }
            }
            Fault::Input { offset, source } => match self.compression {
                Some(compression) if !self.source.failed() => {
                    Error::Compressed { name, compression, at: position(offset), packets, source }
                }
                _ => Error::Io { name, source },
            },
        }
    }

    fn not_a_capture(&self, head: &[u8]) -> Error {
        let first: Vec<_> = head.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let hint = match head {
            [] => "it is empty",
            [0xfd, b'7', b'z', b'X', ..] => "an xz file; give it decompressed, from `xz -dc`",
            [b'B', b'Z', b'h', ..] => "a bzip2 file; give it decompressed, from `bzip2 -dc`",
            [0x04, 0x22, 0x4d, 0x18, ..] => "an lz4 file; give it decompressed, from `lz4 -dc`",
            [b'P', b'K', 3, 4, ..] => "a zip file; unpack it first",
            [b's', b'n', b'o', b'o', b'p', ..] => "a snoop file; `editcap -F pcapng` converts it",
            [b'G', b'M', b'B', b'U', ..] | [b'R', b'T', b'S', b'S', ..] => {
                "a Network Monitor file; `editcap -F pcapng` converts it"
            }
            _ => {
                "pcap and pcapng are read; `capinfos` may know it, and `editcap -F pcapng` convert it"
            }
        };
        let (name, compression) = (self.name.clone(), self.compression);
        Error::NotACapture { name, compression, first: first.join(" ").into(), hint }
    }
}

/// A name without control characters.
fn printable(name: &str) -> Box<str> {
    let escaped = name
        .chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() });
    escaped.collect::<String>().into()
}
