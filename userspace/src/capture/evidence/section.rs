//! A section of a pcapng file, which is a whole one if it stands alone.

use std::collections::BTreeMap;

use wireledger_common::abi::sample::Sample;

use super::Labels;
use crate::{
    capfile::{Interface, Writer},
    capture::{APPLICATION, recorder::describe, stream::record},
};

/// More than a section has besides its packets: its header, and an interface's description.
const SECTION: u64 = 1 << 10;
/// More than a packet's block has besides its bytes.
const BLOCK: u64 = 128;

/// Packets of a case in memory, the first of them in as many bytes as there may be.
pub(super) struct Section {
    /// None where memory cannot be written to, which does not happen.
    writer: Option<Writer<Vec<u8>>>,
    described: BTreeMap<u32, Interface>,
    room: u64,
    /// Nanoseconds since 1970 at nanosecond 0 of the packets' clock.
    epoch: i128,
    pub(super) packets: u64,
    pub(super) left_out: u64,
}

impl Section {
    pub(super) fn new(room: u64, epoch: i128) -> Self {
        let writer = Writer::new(Vec::new(), APPLICATION).ok();
        Self { writer, described: BTreeMap::new(), room, epoch, packets: 0, left_out: 0 }
    }

    /// Bytes so far.
    pub(super) fn size(&self) -> u64 {
        self.writer.as_ref().map_or(0, Writer::size)
    }

    pub(super) fn add(&mut self, sample: &Sample, bytes: &[u8], labels: &Labels) {
        let need = SECTION + BLOCK + bytes.len() as u64;
        let fits = self.left_out == 0 && self.size() + need <= self.room;
        let Some(writer) = self.writer.as_mut().filter(|_| fits) else {
            self.left_out += 1;
            return;
        };
        let index = sample.interface;
        let describe = || describe(&labels.interfaces, labels.snap, sample);
        let interface = self.described.entry(index).or_insert_with(describe);
        let time = u64::try_from(self.epoch + i128::from(sample.time)).unwrap_or_default();
        // Into memory, which does not fail.
        let _ = writer.packet(interface, index, &record(sample, bytes, time));
        self.packets += 1;
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.writer.and_then(|writer| writer.finish().ok()).unwrap_or_default()
    }
}
