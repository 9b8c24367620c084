//! Loads where the frame lies: in its linear part, behind checks that the verifier understands.

use super::{
    Assembler, Label, Operation,
    filter::{Filter, Path, put_header_length},
    flow::LARGEST_INDEX,
    machine::{A, DATA, END, INDEXED, SPARE, X},
};
use crate::filter::{
    classic::Size,
    ebpf::{self, Alu, Bits, Compare, Register, Width},
};

/// The direct path's way out of it.
#[derive(Debug)]
pub(super) struct Direct {
    /// The path through the helper.
    pub(super) helped: Label,
    /// Instructions that direct access does not reach.
    pub(super) stops: Vec<bool>,
}

impl Direct {
    /// What an instruction has to do with the frame; false when the way ends here.
    pub(super) fn put(
        &self,
        assembler: &mut Assembler,
        filter: &Filter<'_>,
        path: &Path<'_>,
        at: usize,
    ) -> bool {
        if self.stops[at] {
            assembler.goto(self.helped);
            return false;
        }
        let guard = path.flow.guard(at);
        if guard > 0 {
            self.put_check(assembler, DATA, guard);
        }
        match filter.operations[at] {
            Operation::Load(size, offset) => load(assembler, size, A, DATA, offset),
            Operation::LoadHeaderLength(offset) => {
                load(assembler, Size::Byte, X, DATA, offset);
                put_header_length(assembler);
            }
            Operation::LoadIndirect(size, offset) => {
                self.put_index(assembler, path, at);
                load(assembler, size, A, INDEXED, offset);
            }
            Operation::LoadLength => filter.put_length(assembler, A),
            Operation::LoadIndexLength => filter.put_length(assembler, X),
            _ => {}
        }
        true
    }

    /// Sees that data + X is in its register, and enough behind it in the frame.
    fn put_index(&self, assembler: &mut Assembler, path: &Path<'_>, at: usize) {
        let facts = path.flow.facts(at);
        let wanted = path.flow.index_guard(at);
        if facts.indexed.is_none() {
            if facts.x_most > LARGEST_INDEX {
                let most = LARGEST_INDEX as i32;
                assembler.branch_constant(Bits::B64, Compare::Greater, X, most, self.helped);
            }
            assembler.put(ebpf::alu(Bits::B64, Alu::Move, INDEXED, DATA));
            assembler.put(ebpf::alu(Bits::B64, Alu::Add, INDEXED, X));
        }
        if facts.indexed.is_none_or(|checked| checked < wanted) {
            self.put_check(assembler, INDEXED, wanted);
        }
    }

    /// `bytes` behind `base` are there, or the path ends.
    fn put_check(&self, assembler: &mut Assembler, base: Register, bytes: u32) {
        assembler.put(ebpf::alu(Bits::B64, Alu::Move, SPARE, base));
        assembler.put(ebpf::alu_constant(Bits::B64, Alu::Add, SPARE, bytes as i32));
        assembler.branch(Bits::B64, Compare::Greater, SPARE, END, self.helped);
    }
}

/// Loads from memory in wire order.
fn load(assembler: &mut Assembler, size: Size, register: Register, base: Register, offset: u32) {
    // The offset is below FAR.
    put_load(assembler, size, register, base, offset as i16);
}

pub(super) fn put_load(
    assembler: &mut Assembler,
    size: Size,
    register: Register,
    base: Register,
    offset: i16,
) {
    let (width, bits) = match size {
        Size::Word => (Width::Word, Some(32)),
        Size::Half => (Width::Half, Some(16)),
        Size::Byte => (Width::Byte, None),
    };
    assembler.put(ebpf::load(width, register, base, offset));
    if let Some(bits) = bits {
        assembler.put(ebpf::to_big_endian(bits, register));
    }
}
