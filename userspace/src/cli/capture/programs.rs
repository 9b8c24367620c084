//! `wireledger capture -d`: a filter as classic BPF, and as the eBPF that is armed.

use std::fmt::Write as _;

use crate::{
    cli::{Usage, output},
    filter::{self, Arm, Classic, Ending, Hook, Session},
};

/// LINKTYPE_ETHERNET.
const ETHERNET: u16 = 1;

/// Prints the programs that an Ethernet interface's packets would meet. `form`: how many times `-d` was given.
pub(super) fn print(expression: &str, form: u8) -> anyhow::Result<()> {
    let classic = filter::compile(expression, ETHERNET).map_err(Usage::of)?;
    let text = match form {
        1 => both(&classic)?,
        2 => initialiser(&classic),
        _ => numbers(&classic),
    };
    Ok(output::line(&text)?)
}

fn both(classic: &Classic) -> anyhow::Result<String> {
    let mut text = format!("# classic BPF\n{classic}\n");
    for (name, hook) in [("XDP", Hook::Xdp), ("TC", Hook::Tc)] {
        let arms = [Arm { interfaces: None, program: classic }];
        let session = Session { bit: 0, arms: &arms };
        let program = filter::translate(hook, &[session], Ending::Verdict).map_err(Usage::of)?;
        let listing = filter::ebpf::listing(&program);
        write!(text, "\n# eBPF for {name}, which returns 1 for a match\n{listing}\n")?;
    }
    Ok(text.trim_end().to_owned())
}

/// As `tcpdump -dd` does.
fn initialiser(classic: &Classic) -> String {
    let line = |one: &filter::Instruction| {
        format!("{{ 0x{:x}, {}, {}, 0x{:08x} }},", one.code, one.jt, one.jf, one.k)
    };
    classic.instructions().iter().map(line).collect::<Vec<_>>().join("\n")
}

/// As `tcpdump -ddd` does, and as a filter may be given.
fn numbers(classic: &Classic) -> String {
    let line = |one: &filter::Instruction| format!("{} {} {} {}", one.code, one.jt, one.jf, one.k);
    let count = classic.instructions().len().to_string();
    let lines = std::iter::once(count).chain(classic.instructions().iter().map(line));
    lines.collect::<Vec<_>>().join("\n")
}
