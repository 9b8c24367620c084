//! Capture sessions and the flight recorder, as metrics tell of them.

use crate::capture::Tally;

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Captures {
    /// Slots that have or had a session.
    pub slots: Vec<CaptureSlot>,
    /// Sessions that were armed since the start, the always-on sampler's among them.
    pub opened: u64,
    /// What came through the ring for nobody.
    pub strays: u64,
    /// The flight recorder.
    pub recorder: Option<Recorder>,
}

/// A slot's packets over all its sessions.
#[derive(Clone, Copy, Debug)]
pub struct CaptureSlot {
    /// Which one.
    pub slot: usize,
    /// A session has it now.
    pub armed: bool,
    /// What became of them; `seen` is not counted here.
    pub tally: Tally,
}

/// The flight recorder.
#[derive(Clone, Copy, Debug)]
pub struct Recorder {
    /// Packets in it.
    pub packets: u64,
    /// Packets that made room.
    pub forgotten: u64,
    /// Bytes in use.
    pub bytes: u64,
    /// Bytes it may use.
    pub capacity: u64,
    /// When its oldest packet was seen, seconds since 1970.
    pub oldest: Option<f64>,
}
