//! Two clocks at one moment, so that userspace can say when a jiffy was.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The table's clock and the monotonic one, read back to back.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
#[repr(C)]
pub struct Clock {
    /// Jiffies.
    pub jiffies: u64,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub monotonic: u64,
}
