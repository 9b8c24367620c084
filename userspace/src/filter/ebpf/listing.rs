//! Shows eBPF programs as the kernel's verifier and `bpftool prog dump xlated` do.

use std::fmt;

use super::{
    CALL, EXIT, FROM_REGISTER, GOTO, Instruction, LOAD_DOUBLE, MAP_DESCRIPTOR, TO_BIG_ENDIAN,
};

/// A program to be shown, an instruction a line.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a>(&'a [Instruction]);

/// Shows `program`.
#[must_use]
pub const fn listing(program: &[Instruction]) -> Listing<'_> {
    Listing(program)
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut at = 0;
        while let Some(one) = self.0.get(at) {
            if at > 0 {
                writeln!(f)?;
            }
            write!(f, "{at:4}: ({:02x}) ", one.code)?;
            if one.code == LOAD_DOUBLE {
                let upper = self.0.get(at + 1).map_or(0, |second| second.immediate);
                wide(f, one, upper)?;
                at += 2;
            } else {
                write!(f, "{one}")?;
                at += 1;
            }
        }
        Ok(())
    }
}

fn wide(f: &mut fmt::Formatter<'_>, one: &Instruction, upper: i32) -> fmt::Result {
    let destination = one.destination as u8;
    if one.source == MAP_DESCRIPTOR {
        return write!(f, "r{destination} = map[fd:{}]", one.immediate);
    }
    let value = u64::from(upper as u32) << 32 | u64::from(one.immediate as u32);
    write!(f, "r{destination} = {value:#x}")
}

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code & 7 {
            0x1 => {
                let (destination, base) = (self.destination as u8, self.source as u8);
                write!(f, "r{destination} = {}", self.memory(base))
            }
            0x2 => write!(f, "{} = {}", self.memory(self.destination as u8), self.immediate),
            0x3 => {
                let base = self.memory(self.destination as u8);
                write!(f, "{base} = r{}", self.source as u8)
            }
            0x4 | 0x7 => self.arithmetic(f),
            0x5 | 0x6 => self.jump(f),
            _ => write!(f, "(half of a 16-byte instruction)"),
        }
    }
}

impl Instruction {
    fn memory(&self, base: u8) -> String {
        let width = match self.code & 0x18 {
            0x00 => "u32",
            0x08 => "u16",
            0x10 => "u8",
            _ => "u64",
        };
        format!("*({width} *)(r{base} {:+})", self.offset)
    }

    fn arithmetic(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (destination, source) = (self.destination as u8, self.source as u8);
        let name = if self.code & 7 == 0x7 { 'r' } else { 'w' };
        let operator = match self.code & 0xf0 {
            0x00 => "+=",
            0x10 => "-=",
            0x20 => "*=",
            0x30 => "/=",
            0x40 => "|=",
            0x50 => "&=",
            0x60 => "<<=",
            0x70 => ">>=",
            0x80 => return write!(f, "{name}{destination} = -{name}{destination}"),
            0x90 => "%=",
            0xa0 => "^=",
            0xb0 => "=",
            _ => {
                let order = if self.code == TO_BIG_ENDIAN { "be" } else { "le" };
                return write!(f, "r{destination} = {order}{} r{destination}", self.immediate);
            }
        };
        if self.code & FROM_REGISTER != 0 {
            write!(f, "{name}{destination} {operator} {name}{source}")
        } else {
            write!(f, "{name}{destination} {operator} {}", self.immediate)
        }
    }

    fn jump(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            GOTO => return write!(f, "goto pc{:+}", self.offset),
            CALL => return write!(f, "call {}", self.helper()),
            EXIT => return write!(f, "exit"),
            _ => {}
        }
        let name = if self.code & 7 == 0x5 { 'r' } else { 'w' };
        let operator = match self.code & 0xf0 {
            0x10 => "==",
            0x20 => ">",
            0x30 => ">=",
            0x40 => "&",
            0x50 => "!=",
            0xa0 => "<",
            _ => "<=",
        };
        write!(f, "if {name}{} {operator} ", self.destination as u8)?;
        if self.code & FROM_REGISTER != 0 {
            write!(f, "{name}{}", self.source as u8)?;
        } else {
            write!(f, "{:#x}", self.immediate)?;
        }
        write!(f, " goto pc{:+}", self.offset)
    }

    fn helper(&self) -> String {
        let name = match self.immediate {
            1 => "bpf_map_lookup_elem",
            12 => "bpf_tail_call",
            26 => "bpf_skb_load_bytes",
            188 => "bpf_xdp_get_buff_len",
            189 => "bpf_xdp_load_bytes",
            _ => "helper",
        };
        format!("{name}#{}", self.immediate)
    }
}
