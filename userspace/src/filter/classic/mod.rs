//! Classic BPF programs: checked once, when they are made.

mod display;
mod operation;
mod run;
mod text;

use super::{Error, Refusal};

pub(super) use self::operation::{Arithmetic, Condition, Operand, Operation, Size};

/// Longest program, in instructions: Linux's limit (BPF_MAXINSNS), and far above what expressions make.
pub(super) const LONGEST: usize = 4096;
/// Words of scratch memory, M[0] and on (BPF_MEMWORDS).
pub(super) const SCRATCH_WORDS: usize = 16;
/// Offsets from here on are Linux's: SKF_AD_OFF is -0x1000, SKF_NET_OFF and SKF_LL_OFF are below 0, and nothing a
/// frame has is so far out.
const ANCILLARY: u32 = 0xffe0_0000;
/// What `ret` gives for "accept": libpcap's snapshot length.
pub(super) const ACCEPT: u32 = 262_144;

/// An instruction as `struct bpf_insn` has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Instruction {
    /// Class, size or operation, mode.
    pub code: u16,
    /// Instructions to jump over when the condition holds.
    pub jt: u8,
    /// Instructions to jump over when it does not.
    pub jf: u8,
    /// Constant, offset or distance.
    pub k: u32,
}

/// A classic BPF program that ends on every packet and reads nothing but it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Classic {
    instructions: Box<[Instruction]>,
    /// The same, decoded.
    operations: Box<[Operation]>,
}

impl Classic {
    /// Accepts every packet.
    #[must_use]
    pub fn everything() -> Self {
        let accept = Instruction { code: operation::RETURN, jt: 0, jf: 0, k: ACCEPT };
        Self {
            instructions: [accept].into(),
            operations: [Operation::Return(Operand::Constant(ACCEPT))].into(),
        }
    }

    /// Checks a program.
    ///
    /// # Errors
    /// When it has no instruction or more than 4,096; on a code that classic BPF does not have, a jump back or out, an end
    /// without `ret`, a scratch word that is not there, a constant division by 0, a load from what Linux keeps beside
    /// a frame.
    pub fn new(instructions: Vec<Instruction>) -> Result<Self, Error> {
        let length = instructions.len();
        if !(1..=LONGEST).contains(&length) {
            return Err(Error::ProgramLength { instructions: length });
        }
        let check = |(at, one): (usize, &Instruction)| {
            Operation::of(*one)
                .and_then(|operation| operation.check(at, length))
                .map_err(|refusal| Error::Refused { instruction: at, refusal })
        };
        let operations = instructions.iter().enumerate().map(check).collect::<Result<_, _>>()?;
        Ok(Self { instructions: instructions.into(), operations })
    }

    /// Its instructions.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// Whether its first step accepts.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self.operations[0], Operation::Return(Operand::Constant(1..)))
    }

    pub(super) fn operations(&self) -> &[Operation] {
        &self.operations
    }
}
