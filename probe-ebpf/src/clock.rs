//! Which jiffy is now: read once at load, by userspace's own call.

use aya_ebpf::helpers::{bpf_jiffies64, bpf_ktime_get_ns};
use wireledger_common::abi::clock::Clock;

use crate::maps;

/// Leaves both clocks in [`maps::CLOCK`].
#[inline(always)]
pub fn read() {
    // SAFETY: neither has arguments or effects.
    let clock = unsafe { Clock { jiffies: bpf_jiffies64(), monotonic: bpf_ktime_get_ns() } };
    // An array's entry is always there; userspace finds zeros otherwise and refuses them.
    let _ = maps::CLOCK.set(0, clock, 0);
}
