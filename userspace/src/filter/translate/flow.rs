//! What is known of a classic program before it runs: which instructions are reached, what must be zero at the start, how
//! much of the frame each block needs and how much its predecessors have checked.
//!
//! A classic program only jumps forward, so that one pass forward or back over its instructions is exact.

use crate::filter::classic::{Operand, Operation, SCRATCH_WORDS};

/// Bit of A in [`Flow::zeroed`]; those of M are below.
const LIVE_A: u32 = 1 << SCRATCH_WORDS;
const LIVE_X: u32 = 1 << (SCRATCH_WORDS + 1);
/// Ethernet and IPv4 header: nearly every frame has as much, so the first check may be for all of it.
const HEADERS: u32 = 34;
/// Checks this much further on ahead are made at once: a second port, an address's next word.
const AHEAD: u32 = 4;
/// X up to here and an offset up to [`FAR`] stay within what the verifier lets a packet's pointer be moved.
pub(super) const LARGEST_INDEX: u32 = 0x8000;
/// The furthest end of a direct load, bytes: what a 16-bit offset reaches.
pub(super) const FAR: u32 = 0x7fff;

/// One program's analysis.
#[derive(Debug)]
pub(super) struct Flow {
    reached: Vec<bool>,
    /// Begins a block: jumped to, or behind a jump.
    leads: Vec<bool>,
    /// Bytes of the frame to check at the beginning of a block.
    guards: Vec<u32>,
    /// Bytes behind X to check at an indirect load.
    index_guards: Vec<u32>,
    /// Before each instruction.
    facts: Vec<Facts>,
    zeroed: u32,
}

/// What holds before an instruction, by whichever way it is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Facts {
    /// The frame's linear part has as many bytes.
    pub(super) checked: u32,
    /// The register for data + X is set, and as many bytes behind it are there.
    pub(super) indexed: Option<u32>,
    /// X is at most this, and never compared: the verifier of Linux 6.1 walks on behind comparisons that cannot hold, so
    /// that what a comparison or A says of X is worth nothing to it.
    pub(super) x_most: u32,
}

impl Facts {
    /// X is zero, or unread until written.
    const START: Self = Self { checked: 0, indexed: None, x_most: 0 };

    fn meet(self, other: Self) -> Self {
        Self {
            checked: self.checked.min(other.checked),
            indexed: self.indexed.zip(other.indexed).map(|(one, two)| one.min(two)),
            x_most: self.x_most.max(other.x_most),
        }
    }

    /// Behind `operation`.
    fn behind(mut self, operation: Operation, index_guard: u32) -> Self {
        match operation {
            Operation::LoadIndirect(..) => {
                self.indexed = Some(self.indexed.unwrap_or(0).max(index_guard));
                self.x_most = self.x_most.min(LARGEST_INDEX);
            }
            _ if writes(operation) & LIVE_X != 0 => {
                self.indexed = None;
                self.x_most = match operation {
                    Operation::LoadHeaderLength(_) => 60,
                    Operation::LoadIndexConstant(k) => k,
                    _ => u32::MAX,
                };
            }
            _ => {}
        }
        self
    }
}

impl Flow {
    /// Of a program whose way ends before the instructions that `stops` names.
    pub(super) fn new(operations: &[Operation], stops: impl Fn(usize) -> bool) -> Self {
        let (reached, leads) = reach(operations, &stops);
        let mut flow = Self {
            guards: vec![0; operations.len()],
            index_guards: vec![0; operations.len()],
            facts: vec![Facts::START; operations.len()],
            zeroed: zeroed(operations, &reached, &stops),
            reached,
            leads,
        };
        flow.guard_frame(operations, &stops);
        flow.guard_index(operations, &stops);
        flow.follow(operations, &stops);
        flow
    }

    /// Direct access: a block with a load that direct access cannot reach is not entered.
    pub(super) fn direct(operations: &[Operation]) -> (Self, Vec<bool>) {
        let (reached, leads) = reach(operations, &|_| false);
        let mut far = vec![false; operations.len()];
        for at in (0..operations.len()).rev().filter(|at| reached[*at]) {
            let next = operations[at].is_straight() && !leads[at + 1] && far[at + 1];
            far[at] = next || operations[at].end().is_some_and(|end| end > FAR);
        }
        let stops: Vec<_> = far.iter().zip(&leads).map(|(far, leads)| *far && *leads).collect();
        (Self::new(operations, |at| stops[at]), stops)
    }

    pub(super) fn is_reached(&self, at: usize) -> bool {
        self.reached[at]
    }

    pub(super) fn facts(&self, at: usize) -> Facts {
        self.facts[at]
    }

    /// Bytes of the frame to check before this instruction; 0 for none.
    pub(super) fn guard(&self, at: usize) -> u32 {
        let wanted = if self.leads[at] { self.guards[at] } else { 0 };
        if wanted > self.facts[at].checked { wanted } else { 0 }
    }

    /// Bytes behind X that an indirect load has to have checked.
    pub(super) fn index_guard(&self, at: usize) -> u32 {
        self.index_guards[at]
    }

    pub(super) const fn zeroes_a(&self) -> bool {
        self.zeroed & LIVE_A != 0
    }

    pub(super) const fn zeroes_x(&self) -> bool {
        self.zeroed & LIVE_X != 0
    }

    /// Scratch words that may be loaded before they are stored.
    pub(super) fn zeroed_words(&self) -> impl Iterator<Item = u8> {
        let words = self.zeroed;
        (0..SCRATCH_WORDS as u8).filter(move |word| words & 1 << word != 0)
    }

    /// From the end to the beginning: what each block should check of the frame.
    fn guard_frame(&mut self, operations: &[Operation], stops: &impl Fn(usize) -> bool) {
        // Of the block from here on, of the blocks behind it, and of both what is worth checking at once.
        let [mut own, mut behind, mut ahead] = [(); 3].map(|()| vec![0; operations.len()]);
        for at in (0..operations.len()).rev().filter(|at| self.reached[*at] && !stops(*at)) {
            let operation = operations[at];
            for next in operation.successors(at).into_iter().flatten() {
                if operation.is_straight() && !self.leads[next] {
                    (own[at], behind[at]) = (own[next], behind[next]);
                } else {
                    behind[at] = behind[at].max(ahead[next]);
                }
            }
            if !matches!(operation, Operation::LoadIndirect(..)) {
                own[at] = own[at].max(operation.end().unwrap_or(0));
            }
            let near = own[at] == 0 || behind[at] <= HEADERS.max(own[at] + AHEAD);
            ahead[at] = if near { own[at].max(behind[at]) } else { own[at] };
            // A block without loads checks nothing; those before it may for those behind.
            if own[at] > 0 {
                self.guards[at] = ahead[at];
            }
        }
    }

    /// The same for what is behind X, as long as X stays.
    fn guard_index(&mut self, operations: &[Operation], stops: &impl Fn(usize) -> bool) {
        let mut ahead = vec![0; operations.len()];
        for at in (0..operations.len()).rev().filter(|at| self.reached[*at] && !stops(*at)) {
            let operation = operations[at];
            let next = operation.successors(at).into_iter().flatten();
            let behind = next.map(|next| ahead[next]).max().unwrap_or(0);
            ahead[at] = match operation {
                Operation::LoadIndirect(..) => {
                    let own = operation.end().unwrap_or(0);
                    self.index_guards[at] =
                        if behind <= own + AHEAD { own.max(behind) } else { own };
                    self.index_guards[at]
                }
                _ if writes(operation) & LIVE_X != 0 => 0,
                _ => behind,
            };
        }
    }

    /// From the beginning to the end: what holds before each instruction.
    fn follow(&mut self, operations: &[Operation], stops: &impl Fn(usize) -> bool) {
        let mut known: Vec<Option<Facts>> = vec![None; operations.len()];
        known[0] = Some(Facts::START);
        for at in 0..operations.len() {
            let Some(facts) = known[at].filter(|_| !stops(at)) else { continue };
            self.facts[at] = facts;
            let checked = facts.checked.max(self.guard(at));
            let after = Facts { checked, ..facts }.behind(operations[at], self.index_guards[at]);
            for next in operations[at].successors(at).into_iter().flatten() {
                known[next] = Some(known[next].map_or(after, |known| known.meet(after)));
            }
        }
    }
}

/// Which instructions are reached, and which of them begin a block.
fn reach(operations: &[Operation], stops: &impl Fn(usize) -> bool) -> (Vec<bool>, Vec<bool>) {
    let mut reached = vec![false; operations.len()];
    let mut leads = vec![false; operations.len()];
    (reached[0], leads[0]) = (true, true);
    for at in 0..operations.len() {
        if !reached[at] || stops(at) {
            continue;
        }
        for next in operations[at].successors(at).into_iter().flatten() {
            reached[next] = true;
            leads[next] |= !operations[at].is_straight();
        }
    }
    (reached, leads)
}

/// What may be read before it is written.
fn zeroed(operations: &[Operation], reached: &[bool], stops: &impl Fn(usize) -> bool) -> u32 {
    let mut live = vec![0_u32; operations.len()];
    for at in (0..operations.len()).rev().filter(|at| reached[*at] && !stops(*at)) {
        let next = operations[at].successors(at).into_iter().flatten();
        let after = next.fold(0, |live_after, next| live_after | live[next]);
        live[at] = after & !writes(operations[at]) | reads(operations[at]);
    }
    live[0]
}

const fn reads(operation: Operation) -> u32 {
    match operation {
        Operation::LoadIndirect(..) | Operation::FromIndex => LIVE_X,
        Operation::LoadScratch(word) | Operation::LoadIndexScratch(word) => 1 << word,
        Operation::Store(_) | Operation::Negate | Operation::ToIndex => LIVE_A,
        Operation::StoreIndex(_) => LIVE_X,
        Operation::Compute(_, Operand::Register) | Operation::Branch(_, Operand::Register, ..) => {
            LIVE_A | LIVE_X
        }
        Operation::Compute(..) | Operation::Branch(..) | Operation::Return(Operand::Register) => {
            LIVE_A
        }
        _ => 0,
    }
}

const fn writes(operation: Operation) -> u32 {
    match operation {
        Operation::Load(..)
        | Operation::LoadIndirect(..)
        | Operation::LoadLength
        | Operation::LoadConstant(_)
        | Operation::LoadScratch(_)
        | Operation::Compute(..)
        | Operation::Negate
        | Operation::FromIndex => LIVE_A,
        Operation::LoadHeaderLength(_)
        | Operation::LoadIndexLength
        | Operation::LoadIndexConstant(_)
        | Operation::LoadIndexScratch(_)
        | Operation::ToIndex => LIVE_X,
        Operation::Store(word) | Operation::StoreIndex(word) => 1 << word,
        Operation::Jump(_) | Operation::Branch(..) | Operation::Return(_) => 0,
    }
}

impl Operation {
    /// Goes on with the next instruction and no other.
    const fn is_straight(self) -> bool {
        !matches!(self, Self::Jump(_) | Self::Branch(..) | Self::Return(_))
    }

    /// Bytes that a load needs: of the frame, or behind X.
    pub(super) fn end(self) -> Option<u32> {
        match self {
            Self::Load(size, offset) | Self::LoadIndirect(size, offset) => {
                Some(offset.saturating_add(size.bytes()))
            }
            Self::LoadHeaderLength(offset) => Some(offset.saturating_add(1)),
            _ => None,
        }
    }
}
