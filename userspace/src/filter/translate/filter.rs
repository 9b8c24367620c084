//! One filter in both paths: everything but its loads from the frame.

use super::{
    Assembler, Hook, Label, Operation,
    direct::Direct,
    flow::{FAR, Flow},
    helped,
    machine::{A, CONTEXT, LENGTH, SPARE, VLAN_PRESENT, X, stack},
    put_frame,
};
use crate::filter::{
    Classic,
    classic::{Arithmetic, Condition, Operand},
    ebpf::{self, Alu, Bits, Compare, Register, Width},
};

/// A filter to be put into the program.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    pub(super) hook: Hook,
    pub(super) operations: &'a [Operation],
    pub(super) accept: Label,
    pub(super) reject: Label,
    /// Where the path through the helper begins.
    helped: Label,
    direct: Label,
    /// Which instructions make that path necessary.
    reads_frame: bool,
    reads_length: bool,
}

/// One of the two paths.
pub(super) struct Path<'a> {
    pub(super) flow: Flow,
    /// Of each instruction.
    labels: Vec<Label>,
    direct: Option<&'a Direct>,
}

impl<'a> Filter<'a> {
    pub(super) fn new(
        assembler: &mut Assembler,
        hook: Hook,
        program: &'a Classic,
        accept: Label,
        reject: Label,
    ) -> Self {
        let operations = program.operations();
        let reads_frame = reachable(operations).any(|operation| operation.end().is_some());
        Self {
            hook,
            operations,
            accept,
            reject,
            helped: assembler.label(),
            direct: assembler.label(),
            reads_frame,
            reads_length: uses_length(operations),
        }
    }

    /// Where its code begins; the answer's label when it needs none.
    pub(super) fn entry(&self) -> Label {
        self.answer(0).unwrap_or(self.direct)
    }

    /// The direct path's label, when there is one.
    pub(super) fn first(&self) -> Option<Label> {
        self.answer(0).is_none().then_some(self.direct)
    }

    /// Whether anything of it may accept.
    pub(super) fn accepts(&self) -> bool {
        let flow = self.helped_flow();
        self.operations.iter().enumerate().any(|(at, operation)| {
            let accepts =
                matches!(operation, Operation::Return(operand) if *operand != Operand::Constant(0));
            accepts && flow.is_reached(at)
        })
    }

    /// Of the path through the helper, which reaches whatever the direct one does.
    fn helped_flow(&self) -> Flow {
        Flow::new(self.operations, |at| helped::is_out_of_reach(self.hook, self.operations[at]))
    }

    pub(super) fn has_helped(&self) -> bool {
        self.first().is_some() && (self.reads_frame || self.reads_tag())
    }

    /// A tag beside the frame makes a difference.
    fn reads_tag(&self) -> bool {
        self.hook == Hook::Tc && (self.reads_frame || self.reads_length)
    }

    /// Puts the direct path; `behind` is what is put next.
    pub(super) fn put_direct(&self, assembler: &mut Assembler, behind: Label) {
        assembler.bind(self.direct);
        let (flow, stops) = Flow::direct(self.operations);
        if self.reads_tag() {
            assembler.put(ebpf::load(Width::Word, SPARE, CONTEXT, VLAN_PRESENT));
            assembler.branch_constant(Bits::B32, Compare::NotEqual, SPARE, 0, self.helped);
        }
        let direct = Direct { helped: self.helped, stops };
        let reads = (0..self.operations.len()).any(|at| {
            flow.is_reached(at) && self.operations[at].end().is_some_and(|end| end <= FAR)
        });
        if reads {
            // Behind pointers that are read anew the verifier need not remember the filter before.
            put_frame(assembler, self.hook);
        }
        self.put_path(assembler, flow, Some(&direct), behind);
    }

    /// Puts the path through the helper.
    pub(super) fn put_helped(&self, assembler: &mut Assembler) {
        if !self.has_helped() {
            return;
        }
        assembler.bind(self.helped);
        if self.hook == Hook::Tc {
            helped::put_shift(assembler);
        }
        let nothing = assembler.label();
        self.put_path(assembler, self.helped_flow(), None, nothing);
    }

    fn put_path(
        &self,
        assembler: &mut Assembler,
        flow: Flow,
        direct: Option<&Direct>,
        behind: Label,
    ) {
        let labels = self.operations.iter().map(|_| assembler.label()).collect();
        let path = Path { flow, labels, direct };
        put_zeroes(assembler, &path.flow);
        let places: Vec<_> = (0..self.operations.len())
            .filter(|at| path.flow.is_reached(*at) && self.has_code(*at))
            .collect();
        let following = places.iter().skip(1).map(|at| path.labels[*at]).chain([behind]);
        if let Some(first) = places.first() {
            self.go(assembler, self.label(&path, 0), path.labels[*first]);
        }
        for (at, following) in places.iter().zip(following) {
            assembler.bind(path.labels[*at]);
            self.put(assembler, &path, *at, following);
        }
    }

    /// One instruction, and the way on from it.
    fn put(&self, assembler: &mut Assembler, path: &Path<'_>, at: usize, following: Label) {
        let operation = self.operations[at];
        let goes_on = match path.direct {
            Some(direct) => direct.put(assembler, self, path, at),
            None => helped::put(assembler, self, operation),
        };
        if !goes_on {
            return;
        }
        match operation {
            Operation::Branch(condition, operand, jt, jf) => {
                let held = self.label(path, at + 1 + usize::from(jt));
                let not = self.label(path, at + 1 + usize::from(jf));
                self.put_branch(assembler, (condition, operand), (held, not), following);
            }
            Operation::Return(_) => {
                assembler.branch_constant(Bits::B32, Compare::NotEqual, A, 0, self.accept);
                self.go(assembler, self.reject, following);
            }
            _ => {
                self.put_plain(assembler, operation);
                self.go(assembler, self.label(path, at + 1), following);
            }
        }
    }

    /// What neither reads the frame nor jumps.
    fn put_plain(&self, assembler: &mut Assembler, operation: Operation) {
        let fp = Register::R10;
        let set = |register, k: u32| ebpf::alu_constant(Bits::B32, Alu::Move, register, k as i32);
        assembler.put(match operation {
            Operation::LoadConstant(k) => set(A, k),
            Operation::LoadIndexConstant(k) => set(X, k),
            Operation::LoadScratch(word) => ebpf::load(Width::Double, A, fp, stack::scratch(word)),
            Operation::LoadIndexScratch(word) => {
                ebpf::load(Width::Double, X, fp, stack::scratch(word))
            }
            Operation::Store(word) => ebpf::store(Width::Double, fp, stack::scratch(word), A),
            Operation::StoreIndex(word) => ebpf::store(Width::Double, fp, stack::scratch(word), X),
            Operation::Negate => ebpf::alu_constant(Bits::B32, Alu::Negate, A, 0),
            Operation::ToIndex => ebpf::alu(Bits::B32, Alu::Move, X, A),
            Operation::FromIndex => ebpf::alu(Bits::B32, Alu::Move, A, X),
            Operation::Compute(arithmetic, operand) => {
                return self.put_arithmetic(assembler, arithmetic, operand);
            }
            _ => return,
        });
    }

    fn put_arithmetic(&self, assembler: &mut Assembler, arithmetic: Arithmetic, operand: Operand) {
        let shifts = matches!(arithmetic, Arithmetic::ShiftLeft | Arithmetic::ShiftRight);
        match operand {
            Operand::Constant(k) => {
                assembler.put(ebpf::alu_constant(Bits::B32, alu(arithmetic), A, k as i32));
            }
            Operand::Register if shifts => {
                let (shift, done) = (assembler.label(), assembler.label());
                assembler.branch_constant(Bits::B32, Compare::Less, X, 32, shift);
                assembler.put(ebpf::alu_constant(Bits::B32, Alu::Move, A, 0));
                assembler.goto(done);
                assembler.bind(shift);
                assembler.put(ebpf::alu(Bits::B32, alu(arithmetic), A, X));
                assembler.bind(done);
            }
            Operand::Register => {
                if matches!(arithmetic, Arithmetic::Divide | Arithmetic::Modulo) {
                    assembler.branch_constant(Bits::B32, Compare::Equal, X, 0, self.reject);
                }
                assembler.put(ebpf::alu(Bits::B32, alu(arithmetic), A, X));
            }
        }
    }

    fn put_branch(
        &self,
        assembler: &mut Assembler,
        (condition, operand): (Condition, Operand),
        (held, not): (Label, Label),
        following: Label,
    ) {
        if held == not {
            return self.go(assembler, held, following);
        }
        let (compare, opposite) = compare(condition);
        // Jumps where the other way is what comes next.
        let (compare, target, otherwise) = match opposite {
            Some(opposite) if held == following => (opposite, not, held),
            _ => (compare, held, not),
        };
        match operand {
            Operand::Constant(k) => {
                assembler.branch_constant(Bits::B32, compare, A, k as i32, target);
            }
            Operand::Register => {
                // A copy that the verifier does not take for X, whose bounds stay as they are.
                assembler.put(ebpf::alu_constant(Bits::B32, Alu::Move, SPARE, 0));
                assembler.put(ebpf::alu(Bits::B32, Alu::Or, SPARE, X));
                assembler.branch(Bits::B32, compare, A, SPARE, target);
            }
        }
        self.go(assembler, otherwise, following);
    }

    fn go(&self, assembler: &mut Assembler, to: Label, following: Label) {
        if to != following {
            assembler.goto(to);
        }
    }

    /// Where the way goes on at an instruction: constant answers and jumps have no code of their own.
    fn label(&self, path: &Path<'_>, at: usize) -> Label {
        let target = self.target(at);
        self.answer(target).unwrap_or(path.labels[target])
    }

    fn target(&self, mut at: usize) -> usize {
        while let Operation::Jump(distance) = self.operations[at] {
            at += 1 + distance as usize;
        }
        at
    }

    /// The answer, when nothing is left to do for it.
    fn answer(&self, at: usize) -> Option<Label> {
        match self.operations[self.target(at)] {
            Operation::Return(Operand::Constant(0)) => Some(self.reject),
            Operation::Return(Operand::Constant(_)) => Some(self.accept),
            _ => None,
        }
    }

    fn has_code(&self, at: usize) -> bool {
        !matches!(self.operations[at], Operation::Jump(_) | Operation::Return(Operand::Constant(_)))
    }

    /// `register = length of the frame`, as in its linear form and without a tag beside it.
    pub(super) fn put_length(&self, assembler: &mut Assembler, register: Register) {
        assembler.put(match self.hook {
            Hook::Xdp => ebpf::load(Width::Word, register, Register::R10, stack::LENGTH),
            Hook::Tc => ebpf::load(Width::Word, register, CONTEXT, LENGTH),
        });
    }
}

/// Of a byte in X: the length of the IPv4 header that it begins.
pub(super) fn put_header_length(assembler: &mut Assembler) {
    assembler.put(ebpf::alu_constant(Bits::B32, Alu::And, X, 0xf));
    assembler.put(ebpf::alu_constant(Bits::B32, Alu::ShiftLeft, X, 2));
}

fn put_zeroes(assembler: &mut Assembler, flow: &Flow) {
    if flow.zeroes_a() {
        assembler.put(ebpf::alu_constant(Bits::B32, Alu::Move, A, 0));
    }
    if flow.zeroes_x() {
        assembler.put(ebpf::alu_constant(Bits::B32, Alu::Move, X, 0));
    }
    for word in flow.zeroed_words() {
        let at = stack::scratch(word);
        assembler.put(ebpf::store_constant(Width::Double, Register::R10, at, 0));
    }
}

pub(super) fn uses_length(operations: &[Operation]) -> bool {
    reachable(operations)
        .any(|operation| matches!(operation, Operation::LoadLength | Operation::LoadIndexLength))
}

fn reachable(operations: &[Operation]) -> impl Iterator<Item = Operation> {
    let flow = Flow::new(operations, |_| false);
    operations.iter().enumerate().filter_map(move |(at, one)| flow.is_reached(at).then_some(*one))
}

const fn alu(arithmetic: Arithmetic) -> Alu {
    match arithmetic {
        Arithmetic::Add => Alu::Add,
        Arithmetic::Subtract => Alu::Subtract,
        Arithmetic::Multiply => Alu::Multiply,
        Arithmetic::Divide => Alu::Divide,
        Arithmetic::Or => Alu::Or,
        Arithmetic::And => Alu::And,
        Arithmetic::ShiftLeft => Alu::ShiftLeft,
        Arithmetic::ShiftRight => Alu::ShiftRight,
        Arithmetic::Modulo => Alu::Modulo,
        Arithmetic::Xor => Alu::Xor,
    }
}

/// The comparison, and its opposite if eBPF has one.
const fn compare(condition: Condition) -> (Compare, Option<Compare>) {
    match condition {
        Condition::Equal => (Compare::Equal, Some(Compare::NotEqual)),
        Condition::Greater => (Compare::Greater, Some(Compare::LessOrEqual)),
        Condition::GreaterOrEqual => (Compare::GreaterOrEqual, Some(Compare::Less)),
        Condition::BitsSet => (Compare::BitsSet, None),
    }
}
