//! Runs a classic program on a packet, as libpcap's `bpf_filter` does.

use super::{Arithmetic, Classic, Condition, Operand, Operation, SCRATCH_WORDS, Size};

impl Classic {
    /// Whether it accepts the packet of which `bytes` were captured, and that had `length` bytes on the wire.
    ///
    /// A load from behind the captured bytes and a division by a zero X reject.
    #[must_use]
    pub fn matches(&self, bytes: &[u8], length: u32) -> bool {
        run(&self.operations, bytes, length).is_some_and(|accepted| accepted != 0)
    }
}

/// What `ret` gives; `None` when a step has no result.
fn run(operations: &[Operation], bytes: &[u8], length: u32) -> Option<u32> {
    let (mut a, mut x) = (0_u32, 0_u32);
    let mut scratch = [0_u32; SCRATCH_WORDS];
    let mut at = 0;
    loop {
        let operation = operations[at];
        at += 1;
        match operation {
            Operation::Load(size, offset) => a = load(bytes, u64::from(offset), size)?,
            Operation::LoadIndirect(size, offset) => {
                a = load(bytes, u64::from(x) + u64::from(offset), size)?;
            }
            Operation::LoadHeaderLength(offset) => {
                x = (load(bytes, u64::from(offset), Size::Byte)? & 0xf) << 2;
            }
            Operation::LoadLength => a = length,
            Operation::LoadIndexLength => x = length,
            Operation::LoadConstant(k) => a = k,
            Operation::LoadIndexConstant(k) => x = k,
            Operation::LoadScratch(word) => a = scratch[usize::from(word)],
            Operation::LoadIndexScratch(word) => x = scratch[usize::from(word)],
            Operation::Store(word) => scratch[usize::from(word)] = a,
            Operation::StoreIndex(word) => scratch[usize::from(word)] = x,
            Operation::Compute(arithmetic, operand) => {
                a = compute(arithmetic, a, value(operand, x))?
            }
            Operation::Negate => a = a.wrapping_neg(),
            Operation::ToIndex => x = a,
            Operation::FromIndex => a = x,
            Operation::Jump(distance) => at += distance as usize,
            Operation::Branch(condition, operand, jt, jf) => {
                let distance = if holds(condition, a, value(operand, x)) { jt } else { jf };
                at += usize::from(distance);
            }
            Operation::Return(operand) => return Some(value(operand, a)),
        }
    }
}

const fn value(operand: Operand, register: u32) -> u32 {
    match operand {
        Operand::Constant(k) => k,
        Operand::Register => register,
    }
}

fn load(bytes: &[u8], offset: u64, size: Size) -> Option<u32> {
    let rest = bytes.get(usize::try_from(offset).ok()?..)?;
    Some(match size {
        Size::Word => u32::from_be_bytes(*rest.first_chunk()?),
        Size::Half => u16::from_be_bytes(*rest.first_chunk()?).into(),
        Size::Byte => (*rest.first()?).into(),
    })
}

fn compute(arithmetic: Arithmetic, a: u32, operand: u32) -> Option<u32> {
    Some(match arithmetic {
        Arithmetic::Add => a.wrapping_add(operand),
        Arithmetic::Subtract => a.wrapping_sub(operand),
        Arithmetic::Multiply => a.wrapping_mul(operand),
        Arithmetic::Divide => a.checked_div(operand)?,
        Arithmetic::Modulo => a.checked_rem(operand)?,
        Arithmetic::And => a & operand,
        Arithmetic::Or => a | operand,
        Arithmetic::Xor => a ^ operand,
        Arithmetic::ShiftLeft => a.checked_shl(operand).unwrap_or(0),
        Arithmetic::ShiftRight => a.checked_shr(operand).unwrap_or(0),
    })
}

const fn holds(condition: Condition, a: u32, operand: u32) -> bool {
    match condition {
        Condition::Equal => a == operand,
        Condition::Greater => a > operand,
        Condition::GreaterOrEqual => a >= operand,
        Condition::BitsSet => a & operand != 0,
    }
}
