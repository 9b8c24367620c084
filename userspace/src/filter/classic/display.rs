//! Shows classic programs in the form of `tcpdump -d`.

use std::fmt;

use super::{Arithmetic, Classic, Condition, Operand, Operation, Size};

impl fmt::Display for Classic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, operation) in self.operations.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            let (name, operand) = (operation.name(), operation.operand(at));
            write!(f, "({at:03}) {name:<8} ")?;
            match operation {
                Operation::Branch(..) => {
                    let [Some(held), Some(not)] = operation.successors(at) else { continue };
                    write!(f, "{operand:<16} jt {held}\tjf {not}")?;
                }
                _ => write!(f, "{operand}")?,
            }
        }
        Ok(())
    }
}

impl Operation {
    const fn name(&self) -> &'static str {
        match self {
            Self::Load(size, _) | Self::LoadIndirect(size, _) => match size {
                Size::Word => "ld",
                Size::Half => "ldh",
                Size::Byte => "ldb",
            },
            Self::LoadHeaderLength(_) => "ldxb",
            Self::LoadLength | Self::LoadConstant(_) | Self::LoadScratch(_) => "ld",
            Self::LoadIndexLength | Self::LoadIndexConstant(_) | Self::LoadIndexScratch(_) => "ldx",
            Self::Store(_) => "st",
            Self::StoreIndex(_) => "stx",
            Self::Compute(arithmetic, _) => arithmetic.name(),
            Self::Negate => "neg",
            Self::ToIndex => "tax",
            Self::FromIndex => "txa",
            Self::Jump(_) => "ja",
            Self::Branch(condition, ..) => condition.name(),
            Self::Return(_) => "ret",
        }
    }

    /// Numbers are signed where tcpdump prints them so.
    fn operand(&self, at: usize) -> String {
        match *self {
            Self::Load(_, k) => format!("[{}]", k as i32),
            Self::LoadIndirect(_, k) => format!("[x + {}]", k as i32),
            Self::LoadHeaderLength(k) => format!("4*([{}]&0xf)", k as i32),
            Self::LoadLength | Self::LoadIndexLength => "#pktlen".to_owned(),
            Self::LoadConstant(k) | Self::LoadIndexConstant(k) => format!("#{k:#x}"),
            Self::LoadScratch(word)
            | Self::LoadIndexScratch(word)
            | Self::Store(word)
            | Self::StoreIndex(word) => format!("M[{word}]"),
            Self::Compute(_, Operand::Register) | Self::Branch(_, Operand::Register, ..) => {
                "x".to_owned()
            }
            Self::Compute(
                Arithmetic::And | Arithmetic::Or | Arithmetic::Xor,
                Operand::Constant(k),
            )
            | Self::Branch(_, Operand::Constant(k), ..) => format!("#{k:#x}"),
            Self::Compute(_, Operand::Constant(k)) | Self::Return(Operand::Constant(k)) => {
                format!("#{}", k as i32)
            }
            Self::Jump(distance) => (at + 1 + distance as usize).to_string(),
            Self::Negate | Self::ToIndex | Self::FromIndex | Self::Return(Operand::Register) => {
                String::new()
            }
        }
    }
}

impl Arithmetic {
    const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Subtract => "sub",
            Self::Multiply => "mul",
            Self::Divide => "div",
            Self::Or => "or",
            Self::And => "and",
            Self::ShiftLeft => "lsh",
            Self::ShiftRight => "rsh",
            Self::Modulo => "mod",
            Self::Xor => "xor",
        }
    }
}

impl Condition {
    const fn name(self) -> &'static str {
        match self {
            Self::Equal => "jeq",
            Self::Greater => "jgt",
            Self::GreaterOrEqual => "jge",
            Self::BitsSet => "jset",
        }
    }
}
