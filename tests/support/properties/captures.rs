//! Frames out of capture files: as many as a fuzzer wants to begin with, and only from Ethernet.

use std::{fs, path::Path};

use anyhow::Context;
use wireledger::capfile::Reader;
use wireledger_common::abi::link::Link;

use super::Frame;

/// Of one file: a fuzzer gains nothing from the hundredth packet of a connection.
const FRAMES_MAX: usize = 16;
/// Of one frame: all headers, and some payload.
const BYTES_MAX: usize = 512;

/// Frames of every capture under `folder`, in the order of names; of a damaged file those before the damage.
pub(super) fn frames(folder: &Path) -> anyhow::Result<Vec<Frame>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut paths = entries
        .map(|entry| anyhow::Ok(entry.context("reading a folder")?.path()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        if path.is_dir() {
            all.extend(frames(&path)?);
        } else if let Ok(mut reader) = Reader::open(&path) {
            all.extend(first(&mut reader));
        }
    }
    Ok(all)
}

fn first(reader: &mut Reader) -> Vec<Frame> {
    let mut frames = Vec::new();
    while frames.len() < FRAMES_MAX
        && let Ok(Some((record, interfaces))) = reader.next_described()
    {
        if interfaces[record.interface as usize].link == Some(Link::Ethernet) {
            let bytes = record.bytes[..record.bytes.len().min(BYTES_MAX)].to_vec();
            frames.push(Frame { bytes, length: record.length });
        }
    }
    frames
}
