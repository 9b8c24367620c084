//! eBPF instructions: how they are made, laid out in memory and shown. What Linux 6.1 knows of them.

mod listing;

pub use self::listing::{Listing, listing};

/// Longest program that is made, in instructions. The kernel takes a million and walks through a million.
pub const LONGEST: usize = 60_000;

/// Registers. R0 has results, R1 to R5 are arguments and lost in a call, R6 to R9 stay, R10 is the stack's end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Register {
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
    R10,
}

/// An instruction of 8 bytes; [`load_map`] and [`load_constant`] take two.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Instruction {
    /// Class, operation or size, source or mode.
    pub code: u8,
    /// What is written, or compared, or the base of what is stored to.
    pub destination: Register,
    /// What is read; of [`load_map`] and calls a kind, by its number.
    pub source: Register,
    /// Bytes from a base, or instructions from the next one.
    pub offset: i16,
    /// A constant.
    pub immediate: i32,
}

/// Width of memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Width {
    /// 4 bytes.
    Word = 0x00,
    /// 2 bytes.
    Half = 0x08,
    /// 1 byte.
    Byte = 0x10,
    /// 8 bytes.
    Double = 0x18,
}

/// Operations of [`alu`] and [`alu_constant`] (BPF_ADD …).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "their names say it")]
#[repr(u8)]
pub enum Alu {
    Add = 0x00,
    Subtract = 0x10,
    Multiply = 0x20,
    Divide = 0x30,
    Or = 0x40,
    And = 0x50,
    ShiftLeft = 0x60,
    ShiftRight = 0x70,
    Negate = 0x80,
    Modulo = 0x90,
    Xor = 0xa0,
    Move = 0xb0,
}

/// Unsigned comparisons (BPF_JEQ …).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "their names say it")]
#[repr(u8)]
pub enum Compare {
    Equal = 0x10,
    Greater = 0x20,
    GreaterOrEqual = 0x30,
    BitsSet = 0x40,
    NotEqual = 0x50,
    Less = 0xa0,
    LessOrEqual = 0xb0,
}

/// Bits that an operation works on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Bits {
    /// The lower 32; of a result the upper ones become 0.
    B32,
    /// All.
    B64,
}

/// Helpers of the kernel, by their number in linux/bpf.h.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "their names say it")]
#[repr(i32)]
pub enum Helper {
    MapLookupElem = 1,
    TailCall = 12,
    SkbLoadBytes = 26,
    XdpGetBuffLen = 188,
    XdpLoadBytes = 189,
}

/// BPF_X: the source is a register.
const FROM_REGISTER: u8 = 0x08;
/// BPF_PSEUDO_MAP_FD.
const MAP_DESCRIPTOR: Register = Register::R1;
const LOAD_DOUBLE: u8 = 0x18;
const CALL: u8 = 0x85;
const GOTO: u8 = 0x05;
const EXIT: u8 = 0x95;
/// BPF_ALU | BPF_END | BPF_TO_BE.
const TO_BIG_ENDIAN: u8 = 0xdc;

impl Instruction {
    const fn new(code: u8, destination: Register, source: Register) -> Self {
        Self { code, destination, source, offset: 0, immediate: 0 }
    }

    /// As `struct bpf_insn` has it on this machine.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        let (destination, source) = (self.destination as u8, self.source as u8);
        // Bit fields begin at the lower end on little-endian machines, and at the upper one on others.
        let registers = if cfg!(target_endian = "little") {
            source << 4 | destination
        } else {
            destination << 4 | source
        };
        let [o0, o1] = self.offset.to_ne_bytes();
        let [i0, i1, i2, i3] = self.immediate.to_ne_bytes();
        [self.code, registers, o0, o1, i0, i1, i2, i3]
    }
}

/// `destination = source`, or an operation on both.
#[must_use]
pub const fn alu(
    bits: Bits,
    operation: Alu,
    destination: Register,
    source: Register,
) -> Instruction {
    Instruction::new(bits.arithmetic() | operation as u8 | FROM_REGISTER, destination, source)
}

/// The same with a constant, whose sign is extended to 64 bits.
#[must_use]
pub const fn alu_constant(
    bits: Bits,
    operation: Alu,
    destination: Register,
    immediate: i32,
) -> Instruction {
    let code = bits.arithmetic() | operation as u8;
    Instruction { immediate, ..Instruction::new(code, destination, Register::R0) }
}

/// Swaps the lower 16 or 32 bits from wire order; the rest becomes 0. On a big-endian machine it only cuts.
#[must_use]
pub const fn to_big_endian(bits: i32, register: Register) -> Instruction {
    Instruction { immediate: bits, ..Instruction::new(TO_BIG_ENDIAN, register, Register::R0) }
}

/// `destination = *(width *)(base + offset)`; the rest becomes 0.
#[must_use]
pub const fn load(width: Width, destination: Register, base: Register, offset: i16) -> Instruction {
    Instruction { offset, ..Instruction::new(0x61 | width as u8, destination, base) }
}

/// `*(width *)(base + offset) = source`.
#[must_use]
pub const fn store(width: Width, base: Register, offset: i16, source: Register) -> Instruction {
    Instruction { offset, ..Instruction::new(0x63 | width as u8, base, source) }
}

/// `*(width *)(base + offset) = immediate`.
#[must_use]
pub const fn store_constant(
    width: Width,
    base: Register,
    offset: i16,
    immediate: i32,
) -> Instruction {
    Instruction { offset, immediate, ..Instruction::new(0x62 | width as u8, base, Register::R0) }
}

/// Goes on `offset` instructions behind the next one, when the registers compare so.
#[must_use]
pub const fn branch(
    bits: Bits,
    compare: Compare,
    left: Register,
    right: Register,
    offset: i16,
) -> Instruction {
    let code = bits.jump() | compare as u8 | FROM_REGISTER;
    Instruction { offset, ..Instruction::new(code, left, right) }
}

/// The same with a constant, whose sign is extended to 64 bits.
#[must_use]
pub const fn branch_constant(
    bits: Bits,
    compare: Compare,
    left: Register,
    immediate: i32,
    offset: i16,
) -> Instruction {
    let code = bits.jump() | compare as u8;
    Instruction { offset, immediate, ..Instruction::new(code, left, Register::R0) }
}

/// Goes on `offset` instructions behind the next one.
#[must_use]
pub const fn goto(offset: i16) -> Instruction {
    Instruction { offset, ..Instruction::new(GOTO, Register::R0, Register::R0) }
}

/// Calls a helper of the kernel.
#[must_use]
pub const fn call(helper: Helper) -> Instruction {
    Instruction { immediate: helper as i32, ..Instruction::new(CALL, Register::R0, Register::R0) }
}

/// Returns R0.
#[must_use]
pub const fn exit() -> Instruction {
    Instruction::new(EXIT, Register::R0, Register::R0)
}

/// Loads 64 bits.
#[must_use]
pub const fn load_constant(destination: Register, value: u64) -> [Instruction; 2] {
    let first = Instruction::new(LOAD_DOUBLE, destination, Register::R0);
    let second = Instruction::new(0, Register::R0, Register::R0);
    [
        Instruction { immediate: value as u32 as i32, ..first },
        Instruction { immediate: (value >> 32) as u32 as i32, ..second },
    ]
}

/// Loads the address of a map by its file descriptor.
#[must_use]
pub const fn load_map(destination: Register, descriptor: i32) -> [Instruction; 2] {
    let first = Instruction::new(LOAD_DOUBLE, destination, MAP_DESCRIPTOR);
    let second = Instruction::new(0, Register::R0, Register::R0);
    [Instruction { immediate: descriptor, ..first }, second]
}

impl Bits {
    /// BPF_ALU, BPF_ALU64.
    const fn arithmetic(self) -> u8 {
        match self {
            Self::B32 => 0x04,
            Self::B64 => 0x07,
        }
    }

    /// BPF_JMP32, BPF_JMP.
    const fn jump(self) -> u8 {
        match self {
            Self::B32 => 0x06,
            Self::B64 => 0x05,
        }
    }
}
