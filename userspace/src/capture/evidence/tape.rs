//! Where packets are read from: the flight recorder, or whoever has it behind a lock.

use crate::capture::Recorder;

/// Bytes that are read at once: whoever records waits for as long as copying them takes.
const STRETCH: usize = 256 << 10;

/// What of all that was ever recorded is held. Positions are bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Span {
    /// Where the oldest packet begins.
    pub begin: u64,
    /// Where the newest ends.
    pub end: u64,
    /// When the oldest was seen, nanoseconds of CLOCK_MONOTONIC.
    pub oldest: Option<u64>,
}

/// Recorded packets.
pub trait Tape {
    /// What is held now, everything that was seen until now among it.
    fn span(&mut self) -> Span;

    /// Copies some of what is held from a position on, or from the oldest where that is forgotten; returns where it begins. As
    /// [`Recorder::stretch`].
    fn stretch(&mut self, position: u64, to: &mut Vec<u8>) -> u64;
}

impl Recorder {
    /// What is held.
    #[must_use]
    pub fn span(&self) -> Span {
        Span { begin: self.begin(), end: self.end(), oldest: self.oldest() }
    }
}

impl Tape for &Recorder {
    fn span(&mut self) -> Span {
        Recorder::span(self)
    }

    fn stretch(&mut self, position: u64, to: &mut Vec<u8>) -> u64 {
        Recorder::stretch(self, position, STRETCH, to)
    }
}
