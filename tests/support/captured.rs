//! What a capture file holds, in memory: packets in their order, and what was counted.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use wireledger::capfile::{Interface, Reader, Statistics, Verdict};

/// A packet of a capture file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Packet {
    /// Nanoseconds since 1970.
    pub time: u64,
    /// Name of its interface; empty where the file has none.
    pub interface: String,
    /// It left the host.
    pub outgoing: Option<bool>,
    /// Bytes it had on the wire.
    pub length: u32,
    /// What was captured of it.
    pub bytes: Vec<u8>,
    /// Queue it came by.
    pub queue: Option<u32>,
    /// What a program decided about it.
    pub verdict: Option<Verdict>,
}

impl Packet {
    /// What two captures of the same packet have in common, up to a snap length.
    #[must_use]
    pub fn cut(&self, snap: usize) -> (u32, &[u8]) {
        (self.length, &self.bytes[..self.bytes.len().min(snap)])
    }
}

/// A capture file.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    /// In the file's order.
    pub packets: Vec<Packet>,
    /// The interfaces it names.
    pub interfaces: Vec<Interface>,
    /// What was last counted on each of them.
    pub statistics: Vec<Option<Statistics>>,
    /// Why it ends before its time, in the reader's words.
    pub cut: Option<String>,
}

impl Captured {
    /// Reads a whole file.
    ///
    /// # Errors
    /// When it cannot be opened, or is no capture file.
    pub fn open(path: &Path) -> Result<Self> {
        Self::read(fs::read(path).with_context(|| format!("reading {}", path.display()))?)
    }

    /// The same of bytes.
    ///
    /// # Errors
    /// When they are no capture file.
    pub fn read(bytes: Vec<u8>) -> Result<Self> {
        let mut reader = Reader::new(std::io::Cursor::new(bytes), "a capture".to_owned(), None)?;
        let mut captured = Self::default();
        loop {
            match reader.next_described() {
                Ok(None) => break,
                Ok(Some((record, interfaces))) => captured.packets.push(Packet {
                    time: record.time,
                    interface: interfaces[record.interface as usize]
                        .name
                        .clone()
                        .unwrap_or_default(),
                    outgoing: record.outgoing,
                    length: record.length,
                    bytes: record.bytes.to_vec(),
                    queue: record.queue,
                    verdict: record.verdict,
                }),
                Err(error) => {
                    captured.cut = Some(error.to_string());
                    break;
                }
            }
        }
        captured.interfaces = reader.interfaces().to_vec();
        captured.statistics = reader.statistics().to_vec();
        Ok(captured)
    }

    /// Packets in it.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.packets.len() as u64
    }

    /// It has no packets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// The last statistics of its only interface.
    ///
    /// # Errors
    /// When it has none, or several interfaces.
    pub fn counted(&self) -> Result<Statistics> {
        match self.statistics.as_slice() {
            [Some(statistics)] => Ok(*statistics),
            other => anyhow::bail!("a capture with statistics {other:?}"),
        }
    }

    /// Lengths and bytes, up to a snap length, in order.
    #[must_use]
    pub fn cut(&self, snap: usize) -> Vec<(u32, &[u8])> {
        self.packets.iter().map(|packet| packet.cut(snap)).collect()
    }
}
