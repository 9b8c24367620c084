//! Puts instructions in a row, with labels for what is not there yet.

use crate::filter::{
    Error,
    ebpf::{self, Bits, Compare, Instruction, Register},
};

/// A place in the program, known when it is bound.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Label(usize);

/// A program in the making.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    program: Vec<Instruction>,
    /// Where each label is.
    places: Vec<Option<usize>>,
    /// Jumps, and where they go.
    jumps: Vec<(usize, Label)>,
}

impl Assembler {
    pub(super) fn label(&mut self) -> Label {
        self.places.push(None);
        Label(self.places.len() - 1)
    }

    /// The label is here.
    pub(super) fn bind(&mut self, label: Label) {
        self.places[label.0] = Some(self.program.len());
    }

    pub(super) fn put(&mut self, instruction: Instruction) {
        self.program.push(instruction);
    }

    pub(super) fn put_all(&mut self, instructions: impl IntoIterator<Item = Instruction>) {
        self.program.extend(instructions);
    }

    pub(super) fn goto(&mut self, label: Label) {
        self.jump(ebpf::goto(0), label);
    }

    pub(super) fn branch(
        &mut self,
        bits: Bits,
        compare: Compare,
        left: Register,
        right: Register,
        label: Label,
    ) {
        self.jump(ebpf::branch(bits, compare, left, right, 0), label);
    }

    pub(super) fn branch_constant(
        &mut self,
        bits: Bits,
        compare: Compare,
        left: Register,
        immediate: i32,
        label: Label,
    ) {
        self.jump(ebpf::branch_constant(bits, compare, left, immediate, 0), label);
    }

    fn jump(&mut self, instruction: Instruction, label: Label) {
        self.jumps.push((self.program.len(), label));
        self.program.push(instruction);
    }

    /// Says soon that it will be too long.
    pub(super) fn check_length(&self) -> Result<(), Error> {
        let instructions = self.program.len();
        if instructions > ebpf::LONGEST {
            Err(Error::Instructions { instructions })
        } else {
            Ok(())
        }
    }

    /// The program, its jumps filled in.
    pub(super) fn finish(mut self) -> Result<Vec<Instruction>, Error> {
        self.check_length()?;
        for (at, label) in self.jumps {
            let target = self.places[label.0].expect("a label that is used is bound");
            let distance = target as i64 - at as i64 - 1;
            self.program[at].offset = i16::try_from(distance)
                .map_err(|_| Error::Jump { instructions: distance.unsigned_abs() as usize })?;
        }
        Ok(self.program)
    }
}
