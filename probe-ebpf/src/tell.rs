//! Reserve → fill → submit, with the lost counter in the `else`.

use aya_ebpf::bindings::{BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use wireledger_common::{
    abi::{
        record::{Entry, Record, SLOT_WORDS},
        totals::Losses,
    },
    table::{Bucket, WAYS, set::copy_words},
};
use zerocopy::transmute_ref;

use crate::maps;

/// Records between two wake-ups of the reader, who polls on a timer besides: a wake-up each would cost more than the
/// packet (about 600 ns).
const WAKE_EVERY: u64 = 256;

/// Writes the record of the flow in `way`; `false` when there was no room, and then the flow must stay.
#[inline(always)]
pub fn ended(bucket: &Bucket, way: usize, slot: u32, cpu: u32) -> bool {
    let Some(losses) = losses() else { return false };
    let Some(mut entry) = maps::RECORDS.reserve::<Record>(0) else {
        losses.records_refused += 1;
        return false;
    };
    let way = way & (WAYS - 1);
    let which = Entry { slot, generation: bucket.generations[way], cpu, reserved: 0 };
    let from: &[u64; SLOT_WORDS] = transmute_ref!(&bucket.slots[way]);
    // SAFETY: the reserved memory is a record's and 8-aligned, all of it is written here, and any bytes are one.
    unsafe {
        copy_words(from, &mut *entry.as_mut_ptr().cast());
        (&raw mut (*entry.as_mut_ptr()).entry).write(which);
    }
    losses.records += 1;
    losses.unannounced += 1;
    let flags = if losses.unannounced >= WAKE_EVERY {
        losses.unannounced = 0;
        BPF_RB_FORCE_WAKEUP
    } else {
        BPF_RB_NO_WAKEUP
    };
    entry.submit(u64::from(flags));
    true
}

/// This CPU's losses.
#[inline(always)]
pub fn losses() -> Option<&'static mut Losses> {
    let losses = maps::LOSSES.get_ptr_mut(0)?;
    // SAFETY: this CPU's copy, which nobody else writes while the program runs.
    Some(unsafe { &mut *losses })
}
