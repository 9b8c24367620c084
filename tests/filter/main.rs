//! Filters decide as libpcap does: in this process, and translated, in the kernel at XDP and at TC.
//!
//! libpcap's `bpf_filter` is the judge. Zero differences are allowed.

mod chance;
mod corpus;
mod cost;
mod decisions;
mod grammar;
mod live;
mod sessions;
mod shown;

use anyhow::Result;
use wireledger::filter::{Classic, Hook, compile};
use wireledger_tests::libpcap::{Judge, Libpcap};

use self::decisions::{Case, Group, Tally, compare};

/// LINKTYPE_ETHERNET.
pub(crate) const ETHERNET: u16 = 1;

/// An expression, by our compiler and by the judge's.
pub(crate) fn expression<'a>(libpcap: &'a Libpcap, text: &str) -> Result<Case<'a>> {
    let judge = libpcap.compile(text)?;
    Ok(Case { name: text.to_owned(), program: compile(text, ETHERNET)?, judge })
}

/// A program as it is.
pub(crate) fn program<'a>(libpcap: &'a Libpcap, name: &str, program: Classic) -> Result<Case<'a>> {
    let judge: Judge<'a> = libpcap.program(program.instructions())?;
    Ok(Case { name: name.to_owned(), program, judge })
}

fn every_case(libpcap: &Libpcap) -> Result<Vec<Case<'_>>> {
    let mut cases = Vec::new();
    for text in corpus::expressions() {
        cases.push(expression(libpcap, text)?);
    }
    for (name, classic) in corpus::programs()? {
        cases.push(program(libpcap, name, classic)?);
    }
    Ok(cases)
}

#[test]
fn every_expression_decides_as_libpcap_does() -> Result<()> {
    let libpcap = Libpcap::open()?;
    let cases = every_case(&libpcap)?;
    let frames = corpus::frames()?;
    let tally = compare(&cases, &frames)?;
    eprintln!("{} filters on {} frames: {tally}", cases.len(), frames.len());
    assert!(cases.len() >= 190, "{} filters", cases.len());
    Ok(())
}

#[test]
fn frames_cut_to_any_length_are_decided_alike_in_this_process() -> Result<()> {
    let libpcap = Libpcap::open()?;
    let cases = every_case(&libpcap)?;
    let mut tally = Tally::default();
    for (_, frame) in wireledger_tests::packets::every_kind() {
        for length in 0..frame.len().min(80) {
            let cut = &frame[..length];
            for case in &cases {
                // As in a capture: the length on the wire is that of the whole frame.
                let wire = frame.len() as u32;
                let judged = case.judge.matches(cut, wire);
                assert_eq!(case.program.matches(cut, wire), judged, "{} {cut:02x?}", case.name);
                tally.process += 1;
            }
        }
    }
    eprintln!("{tally}");
    Ok(())
}

/// Frames over many pages: bytes of every part of them, by constants and by X.
#[test]
fn frames_in_several_buffers_are_decided_whole() -> Result<()> {
    let libpcap = Libpcap::open()?;
    let mut cases = every_case(&libpcap)?;
    for offset in [63, 64, 65, 2000, 3518, 3519, 3520, 4095, 4096, 4097, 8190, 8996, 8999, 9000] {
        for (size, name) in [(1, "byte"), (2, "half"), (4, "word")] {
            cases.push(expression(&libpcap, &format!("ether[{offset}:{size}] & 3 = 1"))?);
            let indirect = format!("ether[{offset} - ether[20] + ether[20]:{size}] & 1 = 1");
            let mut case = expression(&libpcap, &indirect)?;
            case.name = format!("{name} at {offset} by X");
            cases.push(case);
        }
    }
    let groups = Group::all(Hook::Xdp, &cases)?;
    let mut tally = Tally::default();
    let kinds = wireledger_tests::packets::every_kind();
    for (n, (_, kind)) in kinds.iter().enumerate().step_by(5) {
        let mut frame = kind.clone();
        let filler = |at: usize| (at * 7 + n) as u8 ^ (at >> 8) as u8;
        frame.extend((frame.len()..[9000, 5000, 3600][n % 3]).map(filler));
        for linear in [14, 16, 34, 41, 60, 200, 3000] {
            for group in &groups {
                let returned = group.loaded.run_in_buffers(&frame, linear);
                tally.xdp += group.check(&frame, returned?)?;
            }
        }
        for group in &groups {
            tally.xdp += group.check(&frame, group.loaded.run(&frame)?)?;
        }
    }
    eprintln!("{} filters: {tally}", cases.len());
    Ok(())
}
