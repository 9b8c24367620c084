//! Packet filters: the tcpdump language or a classic BPF program, run here or translated for the kernel.
//!
//! ```text
//! expression ─▶ libpcap ─┐
//! tcpdump -ddd ──────────┴─▶ Classic ─┬─▶ matches: this process
//!                                     └─▶ translate: eBPF for XDP and TC, several sessions in one program
//! ```
//!
//! Guarantees: a [`Classic`] ends on every packet, because it only jumps forward; what it decides is what libpcap's
//! `bpf_filter` decides, and what the translated program decides of the same frame, whole and as on the wire.

mod classic;
pub mod ebpf;
mod error;
mod libpcap;
#[cfg(test)]
mod tests;

mod translate;

pub use self::{
    classic::{Classic, Instruction},
    error::{Error, Refusal},
    libpcap::version as libpcap_version,
    translate::{Arm, Ending, Hook, Session, translate},
};

/// Longest expression that is compiled, bytes. libpcap keeps what it parses in fixed chunks of memory.
pub const LONGEST_EXPRESSION: usize = 64 << 10;

/// Compiles a filter for frames of `link_type`, as capture files number link types (LINKTYPE_).
///
/// Blank text accepts everything. Text of nothing but decimal numbers, at least two of them, between blanks and commas
/// is a classic program as [`Classic::parse`] reads it: no expression of the tcpdump language has that form. Everything
/// else goes to libpcap, opened when it is needed first.
///
/// # Errors
/// When the text is neither, when libpcap is not there, and when the program asks for what a frame does not tell.
pub fn compile(expression: &str, link_type: u16) -> Result<Classic, Error> {
    if expression.trim().is_empty() {
        return Ok(Classic::everything());
    }
    if is_classic(expression) {
        return Classic::parse(expression);
    }
    if expression.len() > LONGEST_EXPRESSION {
        return Err(Error::LongExpression { bytes: expression.len() });
    }
    Classic::new(libpcap::compile(expression, link_type)?)
}

fn is_classic(text: &str) -> bool {
    let only_numbers =
        text.chars().all(|c| c.is_ascii_digit() || c.is_ascii_whitespace() || c == ',');
    only_numbers && text.split(is_separator).filter(|word| !word.is_empty()).nth(1).is_some()
}

const fn is_separator(c: char) -> bool {
    c.is_ascii_whitespace() || c == ','
}
