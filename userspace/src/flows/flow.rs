//! One flow over all CPUs and incarnations.

use serde::{Deserialize, Serialize};
use wireledger_common::{
    abi::{flow::Detail, record::Record},
    table::read::Reading,
};

/// The totals of one incarnation of one slot, as far as they were read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Progress {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// Packets with SYN.
    pub syn: u32,
    /// Packets with FIN.
    pub fin: u32,
    /// Packets with RST.
    pub rst: u32,
    /// Fragments.
    pub fragments: u32,
}

impl Progress {
    fn new(packets: u64, bytes: u64, detail: &Detail) -> Self {
        Self {
            packets,
            bytes,
            syn: detail.syn,
            fin: detail.fin,
            rst: detail.rst,
            fragments: detail.fragments,
        }
    }

    /// What is new since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            packets: self.packets.wrapping_sub(before.packets),
            bytes: self.bytes.wrapping_sub(before.bytes),
            syn: self.syn.wrapping_sub(before.syn),
            fin: self.fin.wrapping_sub(before.fin),
            rst: self.rst.wrapping_sub(before.rst),
            fragments: self.fragments.wrapping_sub(before.fragments),
        }
    }
}

impl From<&Reading> for Progress {
    fn from(reading: &Reading) -> Self {
        Self::new(reading.slot.packets, reading.slot.bytes, &reading.slot.detail)
    }
}

impl From<&Record> for Progress {
    fn from(record: &Record) -> Self {
        Self::new(record.packets, record.bytes, &record.detail)
    }
}

/// What is known of a flow. Times are nanoseconds of CLOCK_MONOTONIC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Flow {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// Packets with SYN.
    pub syn: u64,
    /// Packets with FIN.
    pub fin: u64,
    /// Packets with RST.
    pub rst: u64,
    /// Fragments.
    pub fragments: u64,
    /// Time of the first packet.
    pub first_seen: u64,
    /// Time of the latest packet, good to one tick of the kernel.
    pub last_seen: u64,
    /// When it was last told as an active flow, or began.
    pub told: u64,
    /// Shortest frame, bytes.
    pub length_min: u32,
    /// Longest frame, bytes.
    pub length_max: u32,
    /// OR of the TCP flags.
    pub tcp_flags: u16,
    /// TCP flags of the first packet.
    pub tcp_flags_first: u16,
    /// Identifier of the first ICMP echo packet.
    pub echo_id: u16,
    /// Lowest TTL or hop limit.
    pub ttl_min: u8,
    /// Highest TTL or hop limit.
    pub ttl_max: u8,
    /// DSCP of the latest packet.
    pub dscp: u8,
}

impl Flow {
    /// A flow that nothing was added to yet.
    #[must_use]
    pub fn new(detail: &Detail, first_seen: u64) -> Self {
        Self {
            packets: 0,
            bytes: 0,
            syn: 0,
            fin: 0,
            rst: 0,
            fragments: 0,
            first_seen,
            last_seen: first_seen,
            told: first_seen,
            length_min: detail.length_min,
            length_max: detail.length_max,
            tcp_flags: 0,
            tcp_flags_first: detail.tcp_flags_first,
            echo_id: detail.echo_id,
            ttl_min: detail.ttl_min,
            ttl_max: detail.ttl_max,
            dscp: detail.dscp,
        }
    }

    /// Adds what one slot had that was not added before.
    pub fn add(&mut self, news: Progress, detail: &Detail, last_seen: u64) {
        // Differences wrap, and so do the sums: a record of less than was read takes the rest back.
        self.packets = self.packets.wrapping_add(news.packets);
        self.bytes = self.bytes.wrapping_add(news.bytes);
        self.syn += u64::from(news.syn);
        self.fin += u64::from(news.fin);
        self.rst += u64::from(news.rst);
        self.fragments += u64::from(news.fragments);
        self.length_min = self.length_min.min(detail.length_min);
        self.length_max = self.length_max.max(detail.length_max);
        self.tcp_flags |= detail.tcp_flags;
        self.ttl_min = self.ttl_min.min(detail.ttl_min);
        self.ttl_max = self.ttl_max.max(detail.ttl_max);
        if detail.first_seen < self.first_seen {
            self.first_seen = detail.first_seen;
            self.tcp_flags_first = detail.tcp_flags_first;
        }
        if last_seen >= self.last_seen {
            self.last_seen = last_seen;
            self.dscp = detail.dscp;
        }
    }
}

/// Why a flow was told.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Cause {
    /// Silent for the idle timeout.
    Idle,
    /// Alive for the active timeout; it goes on.
    Active,
    /// Its entry was given to another flow.
    Evicted,
}

impl Cause {
    /// Every cause in label order.
    pub const ALL: [Self; 3] = [Self::Active, Self::Evicted, Self::Idle];

    /// The label of metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Active => "active",
            Self::Evicted => "evicted",
        }
    }
}

/// Which flows come first.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// Most bytes.
    #[default]
    Bytes,
    /// Most packets.
    Packets,
    /// Oldest.
    Age,
    /// Seen most recently.
    Recent,
}

impl Sort {
    /// Greater comes first.
    pub(super) fn weight(self, flow: &Flow) -> u64 {
        match self {
            Self::Bytes => flow.bytes,
            Self::Packets => flow.packets,
            Self::Age => u64::MAX - flow.first_seen,
            Self::Recent => flow.last_seen,
        }
    }
}
