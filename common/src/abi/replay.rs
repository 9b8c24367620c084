//! A captured packet on its way through the loaded program by test run: what a hook would have known of it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Stands in front of the packet's bytes while the probe replays. Host byte order.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Eq,
    PartialEq,
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout,
    Unaligned,
)]
#[repr(C, packed)]
pub struct Replay {
    /// When it was captured, nanoseconds since 1970.
    pub time: u64,
    /// The clock by which flows grow old, in ticks of [`TICK_SHIFT`]; unlike `time` it never goes back.
    pub ticks: u32,
    /// Interface index: that of the capture's interface, plus 1.
    pub interface: u32,
    /// Original length, bytes.
    pub length: u32,
    /// Direction bit of the flow key.
    pub direction: u8,
    /// 1 when the capture holds more of the packet than follows here.
    pub cut: u8,
    /// Direction bit of the other direction's flow keys: that of this one where the capture does not tell directions.
    pub opposite: u8,
    /// Zero.
    pub reserved: u8,
}

const _: () = assert!(size_of::<Replay>() == 24);

/// A tick is this power of two in nanoseconds: about a millisecond, so that 32 bits wrap after 52 days.
pub const TICK_SHIFT: u32 = 20;

/// The same as a time.
pub const TICK: core::time::Duration = core::time::Duration::from_nanos(1 << TICK_SHIFT);

/// Bytes of a packet that a replay looks at: what fits into the linear part of a test run, on every kernel. Headers that
/// reach further are [`super::unread::Unread::NotLinear`], as they are at a driver.
pub const WINDOW: usize = 3072;
