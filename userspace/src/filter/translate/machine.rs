//! What stands where while a translated program runs: registers, stack, the fields of a frame's context.

use super::Hook;
use crate::filter::ebpf::{Helper, Register};

/// The context: `struct xdp_md` or `struct __sk_buff`.
pub(super) const CONTEXT: Register = Register::R6;
/// The classic machine's A; the upper 32 bits are 0.
pub(super) const A: Register = Register::R7;
/// The classic machine's X; the upper 32 bits are 0.
pub(super) const X: Register = Register::R8;
/// Sessions that matched so far, a bit each.
pub(super) const MATCHED: Register = Register::R9;
/// The frame's first byte; direct path only.
pub(super) const DATA: Register = Register::R2;
/// The end of the frame's linear part; direct path only.
pub(super) const END: Register = Register::R3;
/// [`DATA`] + X where [`super::flow`] says so; direct path only.
pub(super) const INDEXED: Register = Register::R4;
/// For a few instructions.
pub(super) const SPARE: Register = Register::R5;

/// The stack by offset from R10, in bytes.
pub(super) mod stack {
    /// What a helper reads; the key of a map.
    pub(in super::super) const BYTES: i16 = -8;
    /// XDP: length of the frame. u32.
    pub(in super::super) const LENGTH: i16 = -16;
    /// TC: bytes by which the frame is shorter than on the wire, 4 with a tag beside it, else 0. u32, and not at a
    /// multiple of 8: the verifier keeps no value for it, and so walks once through what both lengths have in common.
    pub(in super::super) const SHIFT: i16 = -12;
    /// TC: the tag beside the frame, as on the wire.
    pub(in super::super) const TAG: i16 = -24;
    /// TC: the offset of a load that goes byte by byte. u64.
    pub(in super::super) const OFFSET: i16 = -32;

    /// M[word]. u64 each, so that the verifier keeps what it knows of the value.
    pub(in super::super) const fn scratch(word: u8) -> i16 {
        -40 - 8 * word as i16
    }
}

/// Offsets of context fields from linux/bpf.h.
impl Hook {
    /// The frame's first byte, and the end of its linear part.
    pub(super) const fn data(self) -> (i16, i16) {
        match self {
            Self::Xdp => (0, 4),
            Self::Tc => (76, 80),
        }
    }

    /// The interface's index.
    pub(super) const fn interface(self) -> i16 {
        match self {
            Self::Xdp => 12,
            Self::Tc => 40,
        }
    }

    /// XDP_PASS, TCX_NEXT.
    pub(super) const fn pass(self) -> i32 {
        match self {
            Self::Xdp => 2,
            Self::Tc => -1,
        }
    }

    pub(super) const fn load_bytes(self) -> Helper {
        match self {
            Self::Xdp => Helper::XdpLoadBytes,
            Self::Tc => Helper::SkbLoadBytes,
        }
    }

    /// The last offset that the helper takes.
    pub(super) const fn last_offset(self) -> u32 {
        match self {
            Self::Xdp => 0xffff,
            Self::Tc => i32::MAX as u32,
        }
    }
}

/// `__sk_buff.len`.
pub(super) const LENGTH: i16 = 0;
/// `__sk_buff.vlan_present`.
pub(super) const VLAN_PRESENT: i16 = 20;
/// `__sk_buff.vlan_tci`, in the machine's order.
pub(super) const VLAN_TCI: i16 = 24;
/// `__sk_buff.vlan_proto`, in wire order.
pub(super) const VLAN_PROTO: i16 = 28;

/// Where a VLAN tag stands on the wire, bytes.
pub(super) const TAG_START: u32 = 12;
/// Where it ends.
pub(super) const TAG_END: u32 = 16;
