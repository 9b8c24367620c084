//! Loads through a helper: frames that are not linear, and at TC frames with a VLAN tag beside them.
//!
//! The helper refuses what is not in the frame, and so rejects as a load out of bounds does.

use super::{
    Assembler, Hook, Label, Operation,
    direct::put_load,
    filter::{Filter, put_header_length},
    machine::{
        A, CONTEXT, SPARE, TAG_END, TAG_START, VLAN_PRESENT, VLAN_PROTO, VLAN_TCI, X, stack,
    },
};
use crate::filter::{
    classic::Size,
    ebpf::{self, Alu, Bits, Compare, Register, Width},
};

const FP: Register = Register::R10;
const OFFSET: Register = Register::R2;

/// TC: sets on the stack what a tag beside the frame changes.
pub(super) fn put_shift(assembler: &mut Assembler) {
    assembler.put(ebpf::load(Width::Word, SPARE, CONTEXT, VLAN_PRESENT));
    // 0 or 1, times the 4 bytes of a tag.
    assembler.put(ebpf::alu_constant(Bits::B32, Alu::ShiftLeft, SPARE, 2));
    assembler.put(ebpf::store(Width::Word, FP, stack::SHIFT, SPARE));
    assembler.put(ebpf::load(Width::Word, SPARE, CONTEXT, VLAN_PROTO));
    assembler.put(ebpf::store(Width::Half, FP, stack::TAG, SPARE));
    assembler.put(ebpf::load(Width::Word, SPARE, CONTEXT, VLAN_TCI));
    assembler.put(ebpf::to_big_endian(16, SPARE));
    assembler.put(ebpf::store(Width::Half, FP, stack::TAG + 2, SPARE));
}

/// A load that the helper refuses on every frame.
pub(super) fn is_out_of_reach(hook: Hook, operation: Operation) -> bool {
    match operation {
        Operation::Load(_, offset)
        | Operation::LoadIndirect(_, offset)
        | Operation::LoadHeaderLength(offset) => offset > hook.last_offset(),
        _ => false,
    }
}

/// What an instruction has to do with the frame; false when the way ends here.
pub(super) fn put(assembler: &mut Assembler, filter: &Filter<'_>, operation: Operation) -> bool {
    if is_out_of_reach(filter.hook, operation) {
        assembler.goto(filter.reject);
        return false;
    }
    let loads = Loads { hook: filter.hook, reject: filter.reject };
    match operation {
        Operation::Load(size, offset) => {
            loads.put_constant(assembler, size, offset);
            put_load(assembler, size, A, FP, stack::BYTES);
        }
        Operation::LoadHeaderLength(offset) => {
            loads.put_constant(assembler, Size::Byte, offset);
            put_load(assembler, Size::Byte, X, FP, stack::BYTES);
            put_header_length(assembler);
        }
        Operation::LoadIndirect(size, offset) => {
            loads.put_indirect(assembler, size, offset);
            put_load(assembler, size, A, FP, stack::BYTES);
        }
        Operation::LoadLength => put_length(assembler, filter, A),
        Operation::LoadIndexLength => put_length(assembler, filter, X),
        _ => {}
    }
    true
}

fn put_length(assembler: &mut Assembler, filter: &Filter<'_>, register: Register) {
    filter.put_length(assembler, register);
    if filter.hook == Hook::Tc {
        assembler.put(ebpf::load(Width::Word, SPARE, FP, stack::SHIFT));
        assembler.put(ebpf::alu(Bits::B32, Alu::Add, register, SPARE));
    }
}

/// Gets bytes of the frame, as on the wire, to [`stack::BYTES`].
struct Loads {
    hook: Hook,
    reject: Label,
}

impl Loads {
    fn put_constant(&self, assembler: &mut Assembler, size: Size, offset: u32) {
        let end = offset + size.bytes();
        let set = |to: u32| ebpf::alu_constant(Bits::B32, Alu::Move, OFFSET, to as i32);
        if self.hook == Hook::Xdp || end <= TAG_START {
            assembler.put(set(offset));
            return self.put_call(assembler, size.bytes(), 0);
        }
        assembler.put(ebpf::load(Width::Word, SPARE, FP, stack::SHIFT));
        if offset >= TAG_END {
            assembler.put(set(offset));
            assembler.put(ebpf::alu(Bits::B64, Alu::Subtract, OFFSET, SPARE));
            return self.put_call(assembler, size.bytes(), 0);
        }
        let (tagged, done) = (assembler.label(), assembler.label());
        assembler.branch_constant(Bits::B32, Compare::NotEqual, SPARE, 0, tagged);
        assembler.put(set(offset));
        self.put_call(assembler, size.bytes(), 0);
        assembler.goto(done);
        assembler.bind(tagged);
        self.put_around_tag(assembler, offset, end);
        assembler.bind(done);
    }

    /// Bytes of which some are in the tag: those before it, its own, those behind it.
    fn put_around_tag(&self, assembler: &mut Assembler, offset: u32, end: u32) {
        let set = |to: u32| ebpf::alu_constant(Bits::B32, Alu::Move, OFFSET, to as i32);
        if offset < TAG_START {
            assembler.put(set(offset));
            self.put_call(assembler, TAG_START - offset, 0);
        }
        for byte in offset.max(TAG_START)..end.min(TAG_END) {
            let from = stack::TAG + (byte - TAG_START) as i16;
            let to = stack::BYTES + (byte - offset) as i16;
            assembler.put(ebpf::load(Width::Byte, SPARE, FP, from));
            assembler.put(ebpf::store(Width::Byte, FP, to, SPARE));
        }
        if end > TAG_END {
            assembler.put(set(TAG_START));
            self.put_call(assembler, end - TAG_END, (TAG_END - offset) as i16);
        }
    }

    fn put_indirect(&self, assembler: &mut Assembler, size: Size, offset: u32) {
        assembler.put(ebpf::alu(Bits::B64, Alu::Move, OFFSET, X));
        assembler.put(ebpf::alu_constant(Bits::B64, Alu::Add, OFFSET, offset as i32));
        let last = self.hook.last_offset() as i32;
        assembler.branch_constant(Bits::B64, Compare::Greater, OFFSET, last, self.reject);
        if self.hook == Hook::Xdp {
            return self.put_call(assembler, size.bytes(), 0);
        }
        assembler.put(ebpf::load(Width::Word, SPARE, FP, stack::SHIFT));
        let (plain, done) = (assembler.label(), assembler.label());
        if offset < TAG_END {
            let shifted = assembler.label();
            assembler.branch_constant(Bits::B32, Compare::Equal, SPARE, 0, plain);
            let last = TAG_END as i32 - 1;
            assembler.branch_constant(Bits::B64, Compare::Greater, OFFSET, last, shifted);
            let before = (TAG_START - size.bytes()) as i32;
            assembler.branch_constant(Bits::B64, Compare::LessOrEqual, OFFSET, before, plain);
            assembler.put(ebpf::store(Width::Double, FP, stack::OFFSET, OFFSET));
            for byte in 0..size.bytes() as i16 {
                self.put_byte(assembler, byte);
            }
            assembler.goto(done);
            assembler.bind(shifted);
        }
        assembler.put(ebpf::alu(Bits::B64, Alu::Subtract, OFFSET, SPARE));
        assembler.bind(plain);
        self.put_call(assembler, size.bytes(), 0);
        assembler.bind(done);
    }

    /// One byte of a load around the tag: before it, behind it, or of it.
    fn put_byte(&self, assembler: &mut Assembler, byte: i16) {
        let (plain, shifted, done) = (assembler.label(), assembler.label(), assembler.label());
        let (tag, left) = (Register::R0, Register::R4);
        assembler.put(ebpf::load(Width::Double, OFFSET, FP, stack::OFFSET));
        assembler.put(ebpf::alu_constant(Bits::B64, Alu::Add, OFFSET, byte.into()));
        let (start, last) = (TAG_START as i32, TAG_END as i32 - 1);
        assembler.branch_constant(Bits::B64, Compare::Less, OFFSET, start, plain);
        assembler.branch_constant(Bits::B64, Compare::Greater, OFFSET, last, shifted);
        put_load(assembler, Size::Word, tag, FP, stack::TAG);
        assembler.put(ebpf::alu_constant(Bits::B64, Alu::Move, left, last));
        assembler.put(ebpf::alu(Bits::B64, Alu::Subtract, left, OFFSET));
        assembler.put(ebpf::alu_constant(Bits::B64, Alu::ShiftLeft, left, 3));
        assembler.put(ebpf::alu(Bits::B64, Alu::ShiftRight, tag, left));
        assembler.put(ebpf::store(Width::Byte, FP, stack::BYTES + byte, tag));
        assembler.goto(done);
        assembler.bind(shifted);
        assembler.put(ebpf::alu_constant(Bits::B64, Alu::Subtract, OFFSET, 4));
        assembler.bind(plain);
        self.put_call(assembler, 1, byte);
        assembler.bind(done);
    }

    /// `length` bytes from [`OFFSET`] on, to the place `to` of the bytes.
    fn put_call(&self, assembler: &mut Assembler, length: u32, to: i16) {
        use Register::{R0, R1, R3, R4};
        assembler.put(ebpf::alu(Bits::B64, Alu::Move, R1, CONTEXT));
        assembler.put(ebpf::alu(Bits::B64, Alu::Move, R3, FP));
        assembler.put(ebpf::alu_constant(Bits::B64, Alu::Add, R3, (stack::BYTES + to).into()));
        assembler.put(ebpf::alu_constant(Bits::B64, Alu::Move, R4, length as i32));
        assembler.put(ebpf::call(self.hook.load_bytes()));
        assembler.branch_constant(Bits::B64, Compare::NotEqual, R0, 0, self.reject);
    }
}
