//! Writes pcapng: one section, little endian, times in nanoseconds.
//!
//! Every write to the output is of whole blocks, so that a file whose writing was given up can be read up to its last
//! whole block.

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
            interface_statistics::{InterfaceStatisticsBlock, InterfaceStatisticsOption},
            opt_common::{CommonOption, UnknownOption},
            section_header::{SectionHeaderBlock, SectionHeaderOption},
        },
    },
};

use super::{Interface, Record, Statistics};

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
    /// Bytes given to `out`.
    passed: u64,
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
        let mut writer = Self { blocks, out: Some(out), written: HashMap::new(), passed: 0 };
        writer.flush()?;
        Ok(writer)
    }

    /// Describes an interface: link type, name, description, filter, snap length. The file's interfaces stand in the
    /// order in which each `index` came first, here or with a packet or statistics; what comes later of an index already
    /// described is not written. Returns the file's index.
    ///
    /// # Errors
    ///
    /// When the output cannot be written to, or an interface has a link type of more than 16 bits or a text of more
    /// than 65,534 bytes.
    pub fn interface(&mut self, interface: &Interface, index: u32) -> io::Result<u32> {
        match self.written.get(&index) {
            Some(id) => Ok(*id),
            None => self.describe(interface, index),
        }
    }

    /// Writes what was counted on an interface, as of `time` (nanoseconds since 1970), behind a description of its
    /// `interface` if there is none yet. Of several for one interface, a reader takes the last.
    ///
    /// # Errors
    ///
    /// As [`Self::interface`].
    pub fn statistics(
        &mut self,
        interface: &Interface,
        index: u32,
        time: u64,
        statistics: &Statistics,
    ) -> io::Result<()> {
        use InterfaceStatisticsOption as Told;
        let Statistics { start, end, received, dropped, accepted, os_dropped, delivered } =
            *statistics;
        let interface_id = self.interface(interface, index)?;
        let options = [
            start.map(|time| Told::IsbStartTime(Duration::from_nanos(time))),
            end.map(|time| Told::IsbEndTime(Duration::from_nanos(time))),
            received.map(Told::IsbIfRecv),
            dropped.map(Told::IsbIfDrop),
            accepted.map(Told::IsbFilterAccept),
            os_dropped.map(Told::IsbOsDrop),
            delivered.map(Told::IsbUsrDeliv),
        ];
        self.block(InterfaceStatisticsBlock {
            interface_id,
            timestamp: Duration::from_nanos(time),
            options: options.into_iter().flatten().collect(),
        })
    }

    /// Writes a packet, and before the first of each `index` its `interface`. A time that the record does not know is
    /// written as 1970.
    ///
    /// # Errors
    ///
    /// As [`Self::interface`].
    pub fn packet(
        &mut self,
        interface: &Interface,
        index: u32,
        record: &Record<'_>,
    ) -> io::Result<()> {
        let interface_id = self.interface(interface, index)?;
        // Bits 0 and 1: 1 = inbound, 2 = outbound.
        let flags = record
            .outgoing
            .map(|outgoing| EnhancedPacketOption::Flags(if outgoing { 2 } else { 1 }));
        // These two the library does not know.
        let queue = record.queue.map(u32::to_le_bytes);
        let verdict = record.verdict.map(|verdict| {
            let (kind, action) = verdict.option();
            let [a, b, c, d, e, f, g, h] = action.to_le_bytes();
            [kind, a, b, c, d, e, f, g, h]
        });
        let options = [
            flags,
            queue.as_ref().map(|queue| raw(6, queue)),
            verdict.as_ref().map(|verdict| raw(7, verdict)),
        ];
        let captured = u32::try_from(record.bytes.len()).unwrap_or(u32::MAX);
        self.block(EnhancedPacketBlock {
            interface_id,
            timestamp: Duration::from_nanos(record.time),
            original_len: record.length.max(captured),
            data: Cow::Borrowed(record.bytes),
            options: options.into_iter().flatten().collect(),
        })
    }

    /// Bytes of the file so far, those that are collected among them.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.passed + self.blocks.get_ref().len() as u64
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

    fn describe(&mut self, interface: &Interface, index: u32) -> io::Result<u32> {
        let text = |text: &Option<String>| text.clone().map(Cow::Owned);
        // 0: an expression.
        let filter = interface.filter.as_ref().map(|filter| [&[0], filter.as_bytes()].concat());
        let options = [
            text(&interface.name).map(InterfaceDescriptionOption::IfName),
            text(&interface.description).map(InterfaceDescriptionOption::IfDescription),
            filter.map(|filter| InterfaceDescriptionOption::IfFilter(Cow::Owned(filter))),
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
        let result = match &mut self.out {
            Some(out) if !pile.is_empty() => out.write_all(pile),
            _ => Ok(()),
        };
        self.passed += pile.len() as u64;
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

/// An option that the library does not know.
fn raw(code: u16, value: &[u8]) -> EnhancedPacketOption<'_> {
    EnhancedPacketOption::Common(CommonOption::Unknown(UnknownOption::new(code, value)))
}

fn error(error: PcapNgWriteError) -> io::Error {
    match error {
        PcapNgWriteError::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidInput, other),
    }
}
