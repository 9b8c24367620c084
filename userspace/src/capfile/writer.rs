//! Writes pcapng: one section, little endian, times in nanoseconds.
//!
//! Whole blocks go out together, so that a file whose writing was given up can be read up to its last whole block.

use std::{
    borrow::Cow,
    collections::HashMap,
    io::{self, Write},
    time::Duration,
};

use pcap_file::{
    DataLink, Endianness,
    pcapng::{
        PcapNgBlock, PcapNgWriteError, PcapNgWriter,
        blocks::{
            enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption},
            interface_description::{
                InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
            },
            section_header::{SectionHeaderBlock, SectionHeaderOption},
        },
    },
};

use super::{Interface, Record};

/// Bytes of whole blocks that are collected before they are written.
const PILE: usize = 64 << 10;

/// Writes packets to a pcapng file. Dropped, it writes what it has collected and tells nobody of errors: call
/// [`Self::finish`].
pub struct Writer<W: Write> {
    blocks: PcapNgWriter<Vec<u8>>,
    /// `None` once finished.
    out: Option<W>,
    /// The file's index of each of the caller's interfaces.
    written: HashMap<u32, u32>,
}

impl<W: Write> Writer<W> {
    /// Writes the section header; `application` is what the file says wrote it.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written to.
    pub fn new(out: W, application: &str) -> io::Result<Self> {
        let section = SectionHeaderBlock {
            endianness: Endianness::Little,
            options: vec![SectionHeaderOption::UserApplication(Cow::Borrowed(application))],
            ..SectionHeaderBlock::default()
        };
        let blocks = PcapNgWriter::with_section_header(Vec::new(), section).map_err(error)?;
        let mut writer = Self { blocks, out: Some(out), written: HashMap::new() };
        writer.flush()?;
        Ok(writer)
    }

    /// Writes a packet, and before the first of each `index` its `interface`: link type, name, description, snap length.
    /// A time that the record does not know is written as 1970.
    ///
    /// # Errors
    ///
    /// When the output cannot be written to, or an interface has a link type of more than 16 bits or a text of more
    /// than 65,535 bytes.
    pub fn packet(
        &mut self,
        interface: &Interface,
        index: u32,
        record: &Record<'_>,
    ) -> io::Result<()> {
        let interface_id = match self.written.get(&index) {
            Some(id) => *id,
            None => self.interface(interface, index)?,
        };
        // Bits 0 and 1: 1 = inbound, 2 = outbound.
        let flags = record
            .outgoing
            .map(|outgoing| EnhancedPacketOption::Flags(if outgoing { 2 } else { 1 }));
        let captured = u32::try_from(record.bytes.len()).unwrap_or(u32::MAX);
        self.block(EnhancedPacketBlock {
            interface_id,
            timestamp: Duration::from_nanos(record.time),
            original_len: record.length.max(captured),
            data: Cow::Borrowed(record.bytes),
            options: flags.into_iter().collect(),
        })
    }

    /// Writes what has been collected: after it, the output is a whole file so far.
    ///
    /// # Errors
    ///
    /// When the output cannot be written to.
    pub fn flush(&mut self) -> io::Result<()> {
        self.pass()?;
        self.out.as_mut().map_or(Ok(()), W::flush)
    }

    /// Writes what is left, and gives the output back.
    ///
    /// # Errors
    ///
    /// When the output cannot be written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.flush()?;
        self.out.take().ok_or_else(|| io::Error::other("the capture file is finished"))
    }

    fn interface(&mut self, interface: &Interface, index: u32) -> io::Result<u32> {
        let text = |text: &Option<String>| text.clone().map(Cow::Owned);
        let options = [
            text(&interface.name).map(InterfaceDescriptionOption::IfName),
            text(&interface.description).map(InterfaceDescriptionOption::IfDescription),
            Some(InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO)),
        ];
        let id = u32::try_from(self.written.len()).map_err(io::Error::other)?;
        self.block(InterfaceDescriptionBlock {
            linktype: DataLink::from(interface.linktype),
            snaplen: interface.snap_length,
            options: options.into_iter().flatten().collect(),
        })?;
        self.written.insert(index, id);
        Ok(id)
    }

    /// Collects a block, or nothing of it.
    fn block<'b>(&mut self, block: impl PcapNgBlock<'b>) -> io::Result<()> {
        let before = self.blocks.get_ref().len();
        if let Err(refused) = self.blocks.write_pcapng_block(block) {
            self.blocks.get_mut().truncate(before);
            return Err(error(refused));
        }
        if self.blocks.get_ref().len() >= PILE { self.pass() } else { Ok(()) }
    }

    fn pass(&mut self) -> io::Result<()> {
        let pile = self.blocks.get_mut();
        let result = self.out.as_mut().map_or(Ok(()), |out| out.write_all(pile));
        // Also after an error: part of it may have been written, and twice would not be readable.
        pile.clear();
        result
    }
}

impl<W: Write> Drop for Writer<W> {
    fn drop(&mut self) {
        _ = self.flush();
    }
}

fn error(error: PcapNgWriteError) -> io::Error {
    match error {
        PcapNgWriteError::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidInput, other),
    }
}
