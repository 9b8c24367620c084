//! Atomic instructions on memory that CPUs share: the core library has none for this target.
//!
//! They order nothing but the word itself, which is all that budgets need. Linux 5.12 and newer.

/// Adds and returns what was there.
///
/// # Safety
/// `word` is aligned and in a map's value; every writer uses this module.
#[inline(always)]
pub unsafe fn fetch_add(word: *mut u64, add: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    {
        let mut value = add;
        // SAFETY: the caller's.
        unsafe {
            core::arch::asm!(
                "{v} = atomic_fetch_add((u64 *)({p} + 0), {v})",
                p = in(reg) word, v = inout(reg) value,
            );
        }
        value
    }
    #[cfg(not(target_arch = "bpf"))]
    // SAFETY: the caller's. The host only checks this crate.
    unsafe {
        core::sync::atomic::AtomicU64::from_ptr(word)
            .fetch_add(add, core::sync::atomic::Ordering::Relaxed)
    }
}

/// Stores `new` if `old` is there; returns what was there.
///
/// # Safety
/// As [`fetch_add`].
#[inline(always)]
pub unsafe fn compare_exchange(word: *mut u64, old: u64, new: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    {
        let mut found = old;
        // SAFETY: the caller's.
        unsafe {
            core::arch::asm!(
                "r0 = cmpxchg_64({p} + 0, r0, {n})",
                p = in(reg) word, n = in(reg) new, inout("r0") found,
            );
        }
        found
    }
    #[cfg(not(target_arch = "bpf"))]
    // SAFETY: the caller's. The host only checks this crate.
    unsafe {
        use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
        AtomicU64::from_ptr(word)
            .compare_exchange(old, new, Relaxed, Relaxed)
            .unwrap_or_else(|found| found)
    }
}
