//! What instructions of classic BPF mean: each known code once, and what makes an instruction refused.

use super::{ANCILLARY, Instruction, Refusal, SCRATCH_WORDS};

/// BPF_RET | BPF_K.
pub(super) const RETURN: u16 = 0x06;

/// An instruction, decoded. A is the accumulator, X the index register, M the scratch memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::filter) enum Operation {
    /// A = bytes of the packet at an offset.
    Load(Size, u32),
    /// A = bytes at X + an offset.
    LoadIndirect(Size, u32),
    /// X = 4 * (byte at an offset & 15): the length of an IPv4 header.
    LoadHeaderLength(u32),
    /// A = length of the packet on the wire.
    LoadLength,
    /// X = the same.
    LoadIndexLength,
    LoadConstant(u32),
    LoadIndexConstant(u32),
    LoadScratch(u8),
    LoadIndexScratch(u8),
    Store(u8),
    StoreIndex(u8),
    /// A = A op operand.
    Compute(Arithmetic, Operand),
    /// A = -A.
    Negate,
    /// X = A.
    ToIndex,
    /// A = X.
    FromIndex,
    /// Goes on after so many instructions.
    Jump(u32),
    /// The same by a condition on A: when it holds, when not.
    Branch(Condition, Operand, u8, u8),
    /// 0 rejects.
    Return(Operand),
}

/// Bytes of a load, most significant first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::filter) enum Size {
    Word,
    Half,
    Byte,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::filter) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Or,
    And,
    ShiftLeft,
    ShiftRight,
    Modulo,
    Xor,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::filter) enum Condition {
    Equal,
    Greater,
    GreaterOrEqual,
    /// A & operand is not 0.
    BitsSet,
}

/// Of [`Operation::Compute`] and [`Operation::Branch`] X, of [`Operation::Return`] A.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::filter) enum Operand {
    Constant(u32),
    Register,
}

impl Size {
    /// In bytes.
    pub(in crate::filter) const fn bytes(self) -> u32 {
        match self {
            Self::Word => 4,
            Self::Half => 2,
            Self::Byte => 1,
        }
    }
}

impl Operation {
    /// As `linux/bpf_common.h` and `linux/filter.h` have the codes.
    pub(super) fn of(Instruction { code, jt, jf, k }: Instruction) -> Result<Self, Refusal> {
        Ok(match code {
            0x20 => Self::Load(Size::Word, k),
            0x28 => Self::Load(Size::Half, k),
            0x30 => Self::Load(Size::Byte, k),
            0x40 => Self::LoadIndirect(Size::Word, k),
            0x48 => Self::LoadIndirect(Size::Half, k),
            0x50 => Self::LoadIndirect(Size::Byte, k),
            0xb1 => Self::LoadHeaderLength(k),
            0x80 => Self::LoadLength,
            0x81 => Self::LoadIndexLength,
            0x00 => Self::LoadConstant(k),
            0x01 => Self::LoadIndexConstant(k),
            0x60 => Self::LoadScratch(scratch(k)?),
            0x61 => Self::LoadIndexScratch(scratch(k)?),
            0x02 => Self::Store(scratch(k)?),
            0x03 => Self::StoreIndex(scratch(k)?),
            0x84 => Self::Negate,
            0x07 => Self::ToIndex,
            0x87 => Self::FromIndex,
            RETURN => Self::Return(Operand::Constant(k)),
            0x16 => Self::Return(Operand::Register),
            0x05 => Self::Jump(k),
            _ => {
                let unknown = Refusal::Code { code };
                let operand =
                    if code & 0x08 == 0 { Operand::Constant(k) } else { Operand::Register };
                match code & !0x08 {
                    class if class & 7 == 4 => {
                        Self::Compute(Arithmetic::of(class).ok_or(unknown)?, operand)
                    }
                    class => Self::Branch(Condition::of(class).ok_or(unknown)?, operand, jt, jf),
                }
            }
        })
    }

    /// What can be said of it at its place in a program of `length` instructions.
    pub(super) fn check(self, at: usize, length: usize) -> Result<Self, Refusal> {
        let inside = |distance: u32| {
            let target = at as u64 + 1 + u64::from(distance);
            if target < length as u64 { Ok(self) } else { Err(Refusal::Outside { target }) }
        };
        match self {
            Self::Load(_, offset)
            | Self::LoadIndirect(_, offset)
            | Self::LoadHeaderLength(offset)
                if offset >= ANCILLARY =>
            {
                Err(Refusal::Ancillary { offset })
            }
            Self::Compute(Arithmetic::Divide | Arithmetic::Modulo, Operand::Constant(0)) => {
                Err(Refusal::Zero)
            }
            Self::Compute(
                Arithmetic::ShiftLeft | Arithmetic::ShiftRight,
                Operand::Constant(bits @ 32..),
            ) => Err(Refusal::Shift { bits }),
            // libpcap takes the distance for a signed number.
            Self::Jump(distance) if distance > i32::MAX as u32 => Err(Refusal::Back),
            Self::Jump(distance) => inside(distance),
            Self::Branch(_, _, jt, jf) => inside(jt.max(jf).into()),
            Self::Return(_) => Ok(self),
            _ if at + 1 == length => Err(Refusal::NoReturn),
            _ => Ok(self),
        }
    }

    /// What may come next, by index.
    pub(in crate::filter) fn successors(self, at: usize) -> [Option<usize>; 2] {
        match self {
            Self::Return(_) => [None, None],
            Self::Jump(distance) => [Some(at + 1 + distance as usize), None],
            Self::Branch(_, _, jt, jf) => {
                [Some(at + 1 + usize::from(jt)), Some(at + 1 + usize::from(jf))]
            }
            _ => [Some(at + 1), None],
        }
    }
}

impl Arithmetic {
    fn of(code: u16) -> Option<Self> {
        Some(match code {
            0x04 => Self::Add,
            0x14 => Self::Subtract,
            0x24 => Self::Multiply,
            0x34 => Self::Divide,
            0x44 => Self::Or,
            0x54 => Self::And,
            0x64 => Self::ShiftLeft,
            0x74 => Self::ShiftRight,
            0x94 => Self::Modulo,
            0xa4 => Self::Xor,
            _ => return None,
        })
    }
}

impl Condition {
    fn of(code: u16) -> Option<Self> {
        Some(match code {
            0x15 => Self::Equal,
            0x25 => Self::Greater,
            0x35 => Self::GreaterOrEqual,
            0x45 => Self::BitsSet,
            _ => return None,
        })
    }
}

fn scratch(word: u32) -> Result<u8, Refusal> {
    if (word as usize) < SCRATCH_WORDS { Ok(word as u8) } else { Err(Refusal::Scratch { word }) }
}
