//! What the kernel counted by itself on the watched interfaces.

/// All of them, as far as they were asked for.
#[derive(Clone, Debug, Default)]
pub struct KernelCounters {
    /// By name; an interface that is gone is not among them.
    pub interfaces: Vec<KernelInterface>,
    /// Why they could not be read.
    pub failure: Option<String>,
    /// How long reading took, seconds.
    pub took: f64,
}

/// An interface's counters.
#[derive(Clone, Debug)]
pub struct KernelInterface {
    /// Its name.
    pub interface: String,
    /// What it received.
    pub ingress: KernelCount,
    /// What it sent.
    pub egress: KernelCount,
}

/// One direction's counters, since the interface was made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct KernelCount {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// Packets in error.
    pub errors: u64,
    /// Packets dropped.
    pub drops: u64,
    /// Packets lost in a queue of the device.
    pub fifo_errors: u64,
}
