//! What can be wrong with a filter, each with what to do about it.

use super::{LONGEST_EXPRESSION, classic, ebpf};

/// A filter that is not compiled, read or translated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A NUL character would end the expression early.
    #[error("the filter has a NUL character at byte {at}, which no expression has")]
    Nul {
        /// Where.
        at: usize,
    },
    /// Longer than libpcap can be trusted with.
    #[error(
        "the filter has {bytes} bytes, and at most {LONGEST_EXPRESSION} are compiled: shorten it, or give \
         a classic program as `tcpdump -ddd` prints it"
    )]
    LongExpression {
        /// How many.
        bytes: usize,
    },
    /// libpcap does not understand the expression.
    #[error("filter `{expression}`: {message}")]
    Syntax {
        /// The expression.
        expression: Box<str>,
        /// What libpcap says.
        message: Box<str>,
    },
    /// No libpcap.
    #[error(
        "filter expressions are compiled by libpcap, which is not on this machine ({why}): install it \
         (Debian and Ubuntu: libpcap0.8 or libpcap0.8t64; Fedora, Arch and Alpine: libpcap), or give \
         a classic program as `tcpdump -ddd` prints it elsewhere"
    )]
    NoLibpcap {
        /// What the dynamic linker says of the names tried.
        why: Box<str>,
    },
    /// libpcap has no handle for the link type.
    #[error("libpcap makes no filter for link type {link_type}")]
    LinkType {
        /// As capture files number them.
        link_type: u16,
    },
    /// A classic program in text that cannot be read.
    #[error("classic program, line {line}: {what}")]
    Text {
        /// Line of the text, or of the comma form the place between two commas; from 1.
        line: usize,
        /// What is wrong with it.
        what: Box<str>,
    },
    /// A classic program that must not run.
    #[error("instruction {instruction} {refusal}")]
    Refused {
        /// Its index, as `tcpdump -d` counts: from 0.
        instruction: usize,
        /// Why.
        refusal: Refusal,
    },
    /// A classic program without instructions, or with too many.
    #[error(
        "a classic program has 1 to {} instructions, this one {instructions}",
        classic::LONGEST
    )]
    ProgramLength {
        /// How many.
        instructions: usize,
    },
    /// A session without a bit of its own.
    #[error("session bit {bit} does not fit the 64 bits of the answer")]
    SessionBit {
        /// Which.
        bit: u32,
    },
    /// Too much for one eBPF program.
    #[error(
        "the filters make an eBPF program of {instructions} instructions, and at most {} are loaded: use \
         shorter filters, or fewer at once",
        ebpf::LONGEST
    )]
    Instructions {
        /// How many.
        instructions: usize,
    },
    /// A jump that its 16 bits cannot hold.
    #[error(
        "one filter makes {instructions} eBPF instructions to jump over, and a jump reaches 32767: use a \
         shorter filter"
    )]
    Jump {
        /// How far.
        instructions: usize,
    },
}

/// Why an instruction of a classic program is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not an instruction.
    #[error("has the code {code:#06x}, which classic BPF does not have")]
    Code {
        /// The code.
        code: u16,
    },
    /// A loop.
    #[error(
        "jumps back: a loop, which `protochain` makes, and a filter must end on every packet; name the \
         headers in question one by one"
    )]
    Back,
    /// A jump behind the last instruction.
    #[error("jumps to {target}, behind the last instruction")]
    Outside {
        /// The instruction jumped to.
        target: u64,
    },
    /// Nothing follows, and this is no return.
    #[error("is the last one and does not return (`ret`)")]
    NoReturn,
    /// A scratch word that is not there.
    #[error("uses M[{word}], and a classic program has M[0] to M[15]")]
    Scratch {
        /// Which.
        word: u32,
    },
    /// Division by zero.
    #[error("divides by the constant 0")]
    Zero,
    /// A shift that C leaves undefined, as do libpcap's interpreter and processors; the kernel refuses it too.
    #[error("shifts by {bits} bits, and a word has 32; shift by 31 at most")]
    Shift {
        /// How far.
        bits: u32,
    },
    /// An offset of Linux's own.
    #[error(
        "loads from offset {offset:#x}, which is not in the frame but in what Linux keeps beside it: direction, \
         interface, VLAN tag; for `inbound` and `outbound` use -Q in or -Q out, for `ifname` name the \
         interface with -i"
    )]
    Ancillary {
        /// The offset (SKF_AD_OFF, SKF_NET_OFF, SKF_LL_OFF of linux/filter.h).
        offset: u32,
    },
}
