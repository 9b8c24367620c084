//! Header fields: network byte order at any address.
//!
//! Bytes on the host. In the kernel one load each: BPF loads need no alignment on the machines Linux's JITs for it serve
//! (the verifier allows it where the CPU does), but the compiler takes the target for one that does and would go byte
//! by byte.

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// 16 bits.
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(transparent)]
pub(super) struct Be16([u8; 2]);

/// 32 bits.
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(transparent)]
pub(super) struct Be32([u8; 4]);

impl Be16 {
    /// In host order.
    #[inline(always)]
    pub(super) fn get(&self) -> u16 {
        u16::from_be(machine::load16(&self.0))
    }
}

impl Be32 {
    /// In host order.
    #[inline(always)]
    pub(super) fn get(&self) -> u32 {
        u32::from_be(self.raw())
    }

    /// As it stands in memory.
    #[inline(always)]
    fn raw(&self) -> u32 {
        machine::load32(&self.0)
    }
}

/// Copies an address into a key, whose own words are aligned.
#[inline(always)]
pub(super) fn copy<const WORDS: usize>(from: &[Be32; WORDS], to: &mut [u8; 16]) {
    let mut i = 0;
    while i < WORDS {
        to[4 * i..4 * i + 4].copy_from_slice(&from[i].raw().to_ne_bytes());
        i += 1;
    }
}

#[cfg(not(target_arch = "bpf"))]
mod machine {
    pub(super) fn load16(bytes: &[u8; 2]) -> u16 {
        u16::from_ne_bytes(*bytes)
    }

    pub(super) fn load32(bytes: &[u8; 4]) -> u32 {
        u32::from_ne_bytes(*bytes)
    }
}

#[cfg(target_arch = "bpf")]
mod machine {
    use core::arch::asm;

    #[inline(always)]
    pub(super) fn load16(bytes: &[u8; 2]) -> u16 {
        let value: u64;
        // SAFETY: two readable bytes; the instruction has no alignment of its own.
        unsafe {
            asm!("{value} = *(u16 *)({from} + 0)", value = out(reg) value, from = in(reg) bytes,
                options(pure, readonly, nostack, preserves_flags));
        }
        value as u16
    }

    #[inline(always)]
    pub(super) fn load32(bytes: &[u8; 4]) -> u32 {
        let value: u64;
        // SAFETY: four readable bytes; the instruction has no alignment of its own.
        unsafe {
            asm!("{value} = *(u32 *)({from} + 0)", value = out(reg) value, from = in(reg) bytes,
                options(pure, readonly, nostack, preserves_flags));
        }
        value as u32
    }
}
