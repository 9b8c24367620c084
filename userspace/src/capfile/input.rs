//! The bytes of a capture file, decompressed on the way where they are compressed.
//!
//! zstd is the C library: the pure Rust decoder took 3.5 times as long and kept a whole window (megabytes) back when the
//! data was cut. Both decompressors stream: what they hold does not depend on how much a file expands to.

use std::{
    fmt,
    io::{self, BufReader, Cursor, ErrorKind, Read},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// Bytes a decompressor is asked for at once. When the data is damaged, what it had made in that one call is lost.
const STEP: usize = 64 << 10;
/// Compressed bytes that are read at once.
const COMPRESSED: usize = 128 << 10;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compression {
    /// RFC 1952, any number of members.
    Gzip,
    /// RFC 8878, any number of frames.
    Zstd,
}

impl Compression {
    /// The compression of what begins with `head`.
    fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            // The second is a frame to be skipped: what several tools put in front.
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The program that knows about it.
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program())
    }
}

/// What has happened below the decompressor.
#[derive(Debug, Default)]
pub(super) struct Source {
    read: AtomicU64,
    failed: AtomicBool,
}

impl Source {
    /// Bytes read of the file itself.
    pub(super) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Whether the file itself could not be read, so that an error is not the decompressor's.
    pub(super) fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

struct Counted<R> {
    inner: R,
    source: Arc<Source>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let result = self.inner.read(into);
        match &result {
            Ok(read) => _ = self.source.read.fetch_add(*read as u64, Ordering::Relaxed),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.source.failed.store(true, Ordering::Relaxed),
        }
        result
    }
}

/// At most [`STEP`] bytes a call.
struct Stepped<R>(R);

impl<R: Read> Read for Stepped<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let step = into.len().min(STEP);
        self.0.read(&mut into[..step])
    }
}

/// An opened input.
pub(super) struct Input {
    /// Its bytes, decompressed.
    pub(super) bytes: Box<dyn Read + Send>,
    /// How it is compressed.
    pub(super) compression: Option<Compression>,
    /// What happens below.
    pub(super) source: Arc<Source>,
}

/// Looks at the first four bytes of `input`.
pub(super) fn open(input: impl Read + Send + 'static) -> io::Result<Input> {
    let source = Arc::new(Source::default());
    let mut counted = Counted { inner: input, source: Arc::clone(&source) };
    let mut head = Vec::with_capacity(4);
    counted.by_ref().take(4).read_to_end(&mut head)?;
    let compression = Compression::of(&head);
    let whole = Cursor::new(head).chain(counted);
    let bytes: Box<dyn Read + Send> = match compression {
        None => Box::new(whole),
        Some(Compression::Gzip) => {
            let whole = BufReader::with_capacity(COMPRESSED, whole);
            Box::new(Stepped(flate2::bufread::MultiGzDecoder::new(whole)))
        }
        Some(Compression::Zstd) => {
            let whole = BufReader::with_capacity(COMPRESSED, whole);
            Box::new(Stepped(zstd::stream::read::Decoder::with_buffer(whole)?))
        }
    };
    Ok(Input { bytes, compression, source })
}
