//! Translates classic programs to eBPF: one program that decides for several capture sessions at once.
//!
//! Each filter is there twice. The direct path reads the frame's linear part where it lies, behind one check for each
//! block of the filter. Where a check fails, and at TC where a VLAN tag is kept beside the frame, the other path begins
//! anew and reads through a helper, so that paged data and the tag count as on the wire. Both decide alike; the second
//! takes longer. At XDP bytes from the 65,536th on are out of reach of the helper, and a filter that reads there
//! rejects.
//!
//! Guarantees: the program reads nothing but the frame, its length, the interface's index and the map it is given; it
//! writes only that map; it needs Linux 6.1, CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON.

mod assembler;
mod direct;
mod filter;
mod flow;
mod helped;
mod machine;

use self::{
    assembler::{Assembler, Label},
    filter::Filter,
    machine::{CONTEXT, DATA, END, MATCHED, SPARE, stack},
};
use super::{
    Classic, Error,
    classic::Operation,
    ebpf::{self, Alu, Bits, Compare, Helper, Instruction, Register, Width},
};

/// Where the program is attached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hook {
    /// BPF_PROG_TYPE_XDP, with BPF_F_XDP_HAS_FRAGS or without.
    Xdp,
    /// BPF_PROG_TYPE_SCHED_CLS, ingress or egress.
    Tc,
}

/// One armed session: a bit of the answer, and a filter for each group of interfaces.
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    /// Bit of the answer, 0 to 63.
    pub bit: u32,
    /// The first one whose interfaces include the frame's decides; without any there is no match.
    pub arms: &'a [Arm<'a>],
}

/// A filter for some interfaces.
#[derive(Clone, Copy, Debug)]
pub struct Arm<'a> {
    /// Interface indices; `None` is every interface.
    pub interfaces: Option<&'a [u32]>,
    /// What decides.
    pub program: &'a Classic,
}

/// What becomes of the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// It is returned, the lower 32 bits: for test runs.
    Verdict,
    /// An answer of 0 passes the frame on (XDP_PASS, TCX_NEXT). Any other is stored for the program that the tail call
    /// goes to; when the call fails, the frame is passed on.
    Deliver {
        /// File descriptor of a per-CPU array; its entry 0 takes the answer.
        map: i32,
        /// Byte of the entry where the 64 bits go, a multiple of 8.
        offset: i16,
        /// File descriptor of a program array.
        programs: i32,
        /// Its entry that is called.
        index: u32,
    },
}

/// Makes the program.
///
/// # Errors
/// When a session's bit is above 63, or the filters are too long for one program.
pub fn translate(
    hook: Hook,
    sessions: &[Session<'_>],
    ending: Ending,
) -> Result<Vec<Instruction>, Error> {
    let mut assembler = Assembler::default();
    begin(&mut assembler, hook, sessions);
    for session in sessions {
        if session.bit > 63 {
            return Err(Error::SessionBit { bit: session.bit });
        }
        decide(&mut assembler, hook, session);
        assembler.check_length()?;
    }
    match ending {
        Ending::Verdict => {
            assembler.put(ebpf::alu(Bits::B64, Alu::Move, Register::R0, MATCHED));
            assembler.put(ebpf::exit());
        }
        Ending::Deliver { map, offset, programs, index } => {
            deliver(&mut assembler, hook, (map, offset), (programs, index));
        }
    }
    assembler.finish()
}

fn begin(assembler: &mut Assembler, hook: Hook, sessions: &[Session<'_>]) {
    assembler.put(ebpf::alu(Bits::B64, Alu::Move, CONTEXT, Register::R1));
    assembler.put(ebpf::alu_constant(Bits::B64, Alu::Move, MATCHED, 0));
    let mut programs = sessions.iter().flat_map(|session| session.arms).map(|arm| arm.program);
    // At TC the length is a field of the context.
    if hook == Hook::Xdp && programs.any(|program| filter::uses_length(program.operations())) {
        assembler.put(ebpf::call(Helper::XdpGetBuffLen));
        assembler.put(ebpf::store(Width::Word, Register::R10, stack::LENGTH, Register::R0));
    }
}

/// One session: which filter, the direct paths of all filters, the bit, the other paths.
fn decide(assembler: &mut Assembler, hook: Hook, session: &Session<'_>) {
    let (accept, next) = (assembler.label(), assembler.label());
    // An arm for every interface makes those behind it unreachable.
    let last = session.arms.iter().position(|arm| arm.interfaces.is_none());
    let arms = &session.arms[..last.map_or(session.arms.len(), |last| last + 1)];
    let filters: Vec<_> = arms
        .iter()
        .filter(|arm| arm.interfaces.is_none_or(|interfaces| !interfaces.is_empty()))
        .map(|arm| (arm.interfaces, Filter::new(assembler, hook, arm.program, accept, next)))
        .collect();
    let mut entries: Vec<_> = filters.iter().filter_map(|(_, filter)| filter.first()).collect();
    entries.push(accept);
    select(assembler, hook, &filters, next, entries[0]);
    let mut behind = entries[1..].iter();
    for (_, filter) in filters.iter().filter(|(_, filter)| filter.first().is_some()) {
        filter.put_direct(assembler, *behind.next().unwrap_or(&accept));
    }
    let accepts = filters.iter().any(|(_, filter)| filter.accepts());
    if accepts {
        assembler.bind(accept);
        set(assembler, session.bit);
    }
    if filters.iter().any(|(_, filter)| filter.has_helped()) {
        if accepts {
            assembler.goto(next);
        }
        for (_, filter) in &filters {
            filter.put_helped(assembler);
        }
    }
    assembler.bind(next);
}

/// Goes to the filter of the frame's interface; `behind` is where the program goes on by itself.
fn select(
    assembler: &mut Assembler,
    hook: Hook,
    filters: &[(Option<&[u32]>, Filter<'_>)],
    next: Label,
    behind: Label,
) {
    let mut otherwise = next;
    if filters.iter().any(|(interfaces, _)| interfaces.is_some()) {
        assembler.put(ebpf::load(Width::Word, SPARE, CONTEXT, hook.interface()));
    }
    for (interfaces, filter) in filters {
        match interfaces {
            Some(interfaces) => {
                for index in *interfaces {
                    let index = *index as i32;
                    let entry = filter.entry();
                    assembler.branch_constant(Bits::B32, Compare::Equal, SPARE, index, entry);
                }
            }
            None => otherwise = filter.entry(),
        }
    }
    if otherwise != behind {
        assembler.goto(otherwise);
    }
}

/// Sets the registers for the frame's linear part.
fn put_frame(assembler: &mut Assembler, hook: Hook) {
    let (data, end) = hook.data();
    assembler.put(ebpf::load(Width::Word, DATA, CONTEXT, data));
    assembler.put(ebpf::load(Width::Word, END, CONTEXT, end));
}

fn set(assembler: &mut Assembler, bit: u32) {
    // From bit 31 on the constant's sign would be extended.
    if bit < 31 {
        assembler.put(ebpf::alu_constant(Bits::B64, Alu::Or, MATCHED, 1 << bit));
    } else {
        assembler.put_all(ebpf::load_constant(SPARE, 1 << bit));
        assembler.put(ebpf::alu(Bits::B64, Alu::Or, MATCHED, SPARE));
    }
}

fn deliver(assembler: &mut Assembler, hook: Hook, map: (i32, i16), programs: (i32, u32)) {
    use Register::{R0, R1, R2, R3, R10};
    let pass = assembler.label();
    // Adds 0 that the verifier takes for any 64 bits, as it does a distance of pointers: knowing the answer, it would walk
    // from here back once for each set of sessions.
    put_frame(assembler, hook);
    for operation in [Alu::Add, Alu::Subtract] {
        assembler.put(ebpf::alu(Bits::B64, Alu::Move, SPARE, END));
        assembler.put(ebpf::alu(Bits::B64, Alu::Subtract, SPARE, DATA));
        assembler.put(ebpf::alu(Bits::B64, operation, MATCHED, SPARE));
    }
    assembler.branch_constant(Bits::B64, Compare::Equal, MATCHED, 0, pass);
    assembler.put(ebpf::store_constant(Width::Word, R10, stack::BYTES, 0));
    assembler.put(ebpf::alu(Bits::B64, Alu::Move, R2, R10));
    assembler.put(ebpf::alu_constant(Bits::B64, Alu::Add, R2, stack::BYTES.into()));
    assembler.put_all(ebpf::load_map(R1, map.0));
    assembler.put(ebpf::call(Helper::MapLookupElem));
    assembler.branch_constant(Bits::B64, Compare::Equal, R0, 0, pass);
    assembler.put(ebpf::store(Width::Double, R0, map.1, MATCHED));
    assembler.put(ebpf::alu(Bits::B64, Alu::Move, R1, CONTEXT));
    assembler.put_all(ebpf::load_map(R2, programs.0));
    assembler.put(ebpf::alu_constant(Bits::B32, Alu::Move, R3, programs.1 as i32));
    assembler.put(ebpf::call(Helper::TailCall));
    assembler.bind(pass);
    assembler.put(ebpf::alu_constant(Bits::B64, Alu::Move, R0, hook.pass()));
    assembler.put(ebpf::exit());
}
