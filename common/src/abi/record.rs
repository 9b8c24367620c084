//! A record: what the kernel says of a flow when its table entry ends.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::flow::{Detail, FlowKey};
use crate::table::Slot;

/// Words of a record that are the slot's own, in the slot's order.
pub const SLOT_WORDS: usize = size_of::<Slot>() / 8;

const _: () = {
    use core::mem::offset_of;
    assert!(offset_of!(Record, key) == offset_of!(Slot, key));
    assert!(offset_of!(Record, packets) == offset_of!(Slot, packets));
    assert!(offset_of!(Record, bytes) == offset_of!(Slot, bytes));
    assert!(offset_of!(Record, detail) == offset_of!(Slot, detail));
    assert!(offset_of!(Record, entry) == SLOT_WORDS * 8);
};

/// The final totals of one incarnation of one slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout)]
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
    /// Which entry it was.
    pub entry: Entry,
}

/// One incarnation of one slot.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
#[repr(C)]
pub struct Entry {
    /// Which slot: `(cpu * buckets + bucket) * WAYS + way`.
    pub slot: u32,
    /// Which incarnation of it.
    pub generation: u32,
    /// CPU that owned the entry.
    pub cpu: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<Record>() == 144);
