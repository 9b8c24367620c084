//! A record: what the kernel says of a flow when its table entry ends.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::flow::{Detail, FlowKey};

/// The final totals of one incarnation of one slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
pub struct Record {
    /// The flow.
    pub key: FlowKey,
    /// Packets over the incarnation's life.
    pub packets: u64,
    /// Bytes over the incarnation's life.
    pub bytes: u64,
    /// The rest of the entry.
    pub detail: Detail,
    /// Which slot: `(cpu * buckets + bucket) * WAYS + way`.
    pub slot: u32,
    /// Which incarnation of it.
    pub generation: u32,
    /// When the flow was last seen: the lower half of the jiffies.
    pub last_seen: u32,
    /// CPU that owned the entry.
    pub cpu: u32,
}

const _: () = assert!(size_of::<Record>() == 144);
