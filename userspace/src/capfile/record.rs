//! A packet of a capture file.

/// A packet of a capture file. What a file does not tell stays as [`Self::default`] has it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Record<'a> {
    /// Nanoseconds since 1970, saturating; 0 when the file does not tell (simple packet block).
    pub time: u64,
    /// Index into [`Reader::interfaces`](super::Reader::interfaces).
    pub interface: u32,
    /// Bytes it had on the wire. Never less than `bytes` has, though some files claim so.
    pub length: u32,
    /// What was captured of it, from its link header on.
    pub bytes: &'a [u8],
    /// Whether it left the host that captured: the flags of its block, else the packet type of a Linux "cooked" or
    /// modified header; `None` when nothing tells.
    pub outgoing: Option<bool>,
    /// The interface's queue it came by (`epb_queue`).
    pub queue: Option<u32>,
    /// What an eBPF program decided about it (`epb_verdict`).
    pub verdict: Option<Verdict>,
}

/// The decision of an eBPF program. Verdicts of hardware, which only its maker can read, are none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Of a program at TC: `TC_ACT_*` of `linux/pkt_cls.h`.
    Tc(u64),
    /// Of an XDP program: `XDP_*` of `linux/bpf.h`.
    Xdp(u64),
}

impl Verdict {
    /// By the first byte of the option and the number behind it.
    pub(super) fn of_option(kind: u8, action: u64) -> Option<Self> {
        match kind {
            1 => Some(Self::Tc(action)),
            2 => Some(Self::Xdp(action)),
            _ => None,
        }
    }

    /// The first byte of the option and the number behind it.
    pub(super) fn option(self) -> (u8, u64) {
        match self {
            Self::Tc(action) => (1, action),
            Self::Xdp(action) => (2, action),
        }
    }
}
