//! A window over the input that moves forward: parsers see whole records in place, and nothing is copied but the rest
//! of a record when the window moves.
//!
//! It grows to what a parser asks for, never to what a file claims: callers bound their wishes first.

use std::io::{ErrorKind, Read};

use super::error::Fault;

/// Bytes of the window at first: fits the second-level cache, and a system call each is cheap.
const WINDOW: usize = 256 << 10;

/// The window.
pub(super) struct Buffer {
    input: Box<dyn Read + Send>,
    bytes: Vec<u8>,
    /// The unread bytes are `bytes[start..end]`.
    start: usize,
    end: usize,
    /// Where `bytes[0]` stands in the stream.
    base: u64,
}

impl Buffer {
    /// An empty window at the beginning of `input`.
    pub(super) fn new(input: Box<dyn Read + Send>) -> Self {
        Self { input, bytes: vec![0; WINDOW], start: 0, end: 0, base: 0 }
    }

    /// Where the first unread byte stands in the stream.
    #[inline]
    pub(super) fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// The unread bytes in the window.
    #[inline]
    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Sees to it that at least `wanted` bytes are unread in the window, and says how many are: fewer only at the
    /// end of the input. Never waits for more than was wanted.
    #[inline]
    pub(super) fn fill(&mut self, wanted: usize) -> Result<usize, Fault> {
        let unread = self.end - self.start;
        if unread >= wanted { Ok(unread) } else { self.refill(wanted) }
    }

    #[cold]
    fn refill(&mut self, wanted: usize) -> Result<usize, Fault> {
        self.bytes.copy_within(self.start..self.end, 0);
        self.base += self.start as u64;
        self.end -= self.start;
        self.start = 0;
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted.next_power_of_two(), 0);
        }
        while self.end < wanted {
            let room = &mut self.bytes[self.end..];
            match self.input.read(room) {
                Ok(0) => break,
                Ok(read) => self.end += read.min(room.len()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(Fault::Input { offset: self.base + self.end as u64, source });
                }
            }
        }
        Ok(self.end)
    }

    /// Takes `count` bytes that [`Self::fill`] has promised.
    #[inline]
    pub(super) fn take(&mut self, count: usize) -> &[u8] {
        let from = self.start;
        self.start = (from + count).min(self.end);
        &self.bytes[from..self.start]
    }

    /// Leaves out `count` bytes without holding them, and says how many there were: fewer only at the end of the input.
    pub(super) fn skip(&mut self, count: u64) -> Result<u64, Fault> {
        let mut left = count;
        while left > 0 {
            let unread = self.fill(1)?;
            if unread == 0 {
                break;
            }
            let step = usize::try_from(left).map_or(unread, |left| left.min(unread));
            self.take(step);
            left -= step as u64;
        }
        Ok(count - left)
    }

    /// Bytes the window can hold.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.len()
    }
}
