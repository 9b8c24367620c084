//! Frames out of pcap and pcapng files: as many as a fuzzer wants to begin with, and only from Ethernet.
//!
//! A damaged file gives the frames before the damage. Made for seeds; whoever wants every packet wants another reader.

use std::{fs, path::Path};

use anyhow::Context;

use super::Frame;

/// Of one file: a fuzzer gains nothing from the hundredth packet of a connection.
const FRAMES_MAX: usize = 16;
/// Of one frame: all headers, and some payload.
const BYTES_MAX: usize = 512;
/// LINKTYPE_ETHERNET.
const ETHERNET: u32 = 1;

/// Frames of every capture under `folder`, in the order of names.
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
        } else if path
            .extension()
            .is_some_and(|end| end == "pcap" || end == "pcapng" || end == "cap")
        {
            let file = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            let found = if file.starts_with(&SECTION.to_be_bytes()) {
                blocks(&file)
            } else {
                records(&file)
            };
            all.extend(found);
        }
    }
    Ok(all)
}

/// A file in one of both byte orders.
struct Words<'a> {
    bytes: &'a [u8],
    swapped: bool,
}

impl Words<'_> {
    fn at(&self, offset: usize) -> Option<u32> {
        let word = u32::from_le_bytes(self.bytes.get(offset..offset + 4)?.try_into().ok()?);
        Some(if self.swapped { word.swap_bytes() } else { word })
    }

    fn frame(&self, offset: usize, captured: u32, length: u32) -> Option<Frame> {
        let bytes = self.bytes.get(offset..)?.get(..captured as usize)?;
        let bytes = bytes[..bytes.len().min(BYTES_MAX)].to_vec();
        Some(Frame { bytes, length: length.max(captured) })
    }
}

/// Classic pcap (draft-ietf-opsawg-pcap).
fn records(file: &[u8]) -> Vec<Frame> {
    const MICROSECONDS: u32 = 0xa1b2_c3d4;
    const NANOSECONDS: u32 = 0xa1b2_3c4d;
    let mut frames = Vec::new();
    let mut words = Words { bytes: file, swapped: false };
    let Some(magic) = words.at(0) else { return frames };
    words.swapped = ![MICROSECONDS, NANOSECONDS].contains(&magic);
    let ethernet = words.at(20).is_some_and(|link| link & 0xffff == ETHERNET);
    if !words.at(0).is_some_and(|magic| [MICROSECONDS, NANOSECONDS].contains(&magic)) || !ethernet {
        return frames;
    }
    let mut at = 24;
    while frames.len() < FRAMES_MAX
        && let (Some(captured), Some(length)) = (words.at(at + 8), words.at(at + 12))
        && let Some(frame) = words.frame(at + 16, captured, length)
    {
        frames.push(frame);
        at += 16 + captured as usize;
    }
    frames
}

/// A section header block's type, the same in both byte orders.
const SECTION: u32 = 0x0a0d_0d0a;

/// Pcapng (draft-ietf-opsawg-pcapng), as far as packets go: enhanced blocks only.
fn blocks(file: &[u8]) -> Vec<Frame> {
    const INTERFACE: u32 = 1;
    const ENHANCED: u32 = 6;
    const SAME_ORDER: [u8; 4] = 0x1a2b_3c4d_u32.to_le_bytes();
    let mut words = Words { bytes: file, swapped: false };
    let (mut frames, mut links, mut at) = (Vec::new(), Vec::new(), 0);
    while frames.len() < FRAMES_MAX
        && let Some(kind) = words.at(at)
    {
        if kind == SECTION {
            words.swapped = file.get(at + 8..at + 12) != Some(&SAME_ORDER);
            links.clear();
        }
        let Some(total) = words.at(at + 4).filter(|total| *total >= 12) else { break };
        if kind == INTERFACE {
            links.push(words.at(at + 8).unwrap_or_default() & 0xffff);
        }
        if kind == ENHANCED
            && let (Some(interface), Some(captured), Some(length)) =
                (words.at(at + 8), words.at(at + 20), words.at(at + 24))
            && links.get(interface as usize) == Some(&ETHERNET)
        {
            frames.extend(words.frame(at + 28, captured, length));
        }
        at += total as usize;
    }
    frames
}
