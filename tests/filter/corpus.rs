//! What filters are tried on: expressions, classic programs, frames.

use std::collections::HashSet;

use anyhow::{Context as _, Result};
use wireledger::filter::Classic;
use wireledger_common::abi::link::Link;
use wireledger_tests::{captures::captures, packets::every_kind};

/// Frames of the captures, of all files together.
const CAPTURED: usize = 12_000;
/// Of one file.
const OF_ONE_FILE: usize = 300;
/// Longer ones are cut: a test run of TC takes a page less its headroom.
const LONGEST: usize = 3000;
/// Shortest frame of a test run.
pub(crate) const SHORTEST: usize = 14;

/// Lines of a file that are neither blank nor comments.
fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

pub(crate) fn expressions() -> Vec<&'static str> {
    lines(include_str!("expressions.txt")).collect()
}

/// Names and programs.
pub(crate) fn programs() -> Result<Vec<(&'static str, Classic)>> {
    lines(include_str!("programs.txt"))
        .map(|line| {
            let (name, text) = line.split_once(": ").with_context(|| line.to_owned())?;
            Ok((name, Classic::parse(text).with_context(|| name.to_owned())?))
        })
        .collect()
}

/// Every crafted frame, whole and cut, and a spread over all captures; none twice.
pub(crate) fn frames() -> Result<Vec<Vec<u8>>> {
    const CUTS: [usize; 12] = [14, 15, 16, 17, 18, 20, 24, 33, 34, 37, 41, 53];
    let mut known = HashSet::new();
    for (_, frame) in every_kind() {
        for cut in CUTS.into_iter().filter(|cut| *cut < frame.len()) {
            known.insert(frame[..cut].to_vec());
        }
        known.insert(frame);
    }
    let mut captured = HashSet::new();
    for capture in captures()?.unwrap_or_default() {
        let mut taken = 0;
        capture.packets(|_, record, interface| {
            let frame = &record.bytes[..record.bytes.len().min(LONGEST)];
            let wanted = interface.link == Some(Link::Ethernet) && taken < OF_ONE_FILE;
            if wanted && captured.len() < CAPTURED && captured.insert(frame.to_vec()) {
                taken += 1;
            }
            Ok(())
        })?;
    }
    known.extend(captured);
    let mut frames: Vec<_> = known.into_iter().filter(|frame| frame.len() >= SHORTEST).collect();
    frames.sort();
    Ok(frames)
}
