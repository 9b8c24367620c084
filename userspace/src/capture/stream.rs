//! A session's samples as a pcapng file that is written while somebody reads it.
//!
//! Guarantees: never waits for the reader; the reader gets whole blocks, first every interface, last the statistics; what it does not read in
//! time is counted.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use bytes::Bytes;
use tokio::sync::mpsc;
use wireledger_common::abi::sample::Sample;

use crate::capfile::{Interface, Record, Statistics, Verdict, Writer};

/// Pieces of a stream that may wait for its reader, of up to 64 KiB each but for longer packets.
pub const QUEUE: usize = 64;

/// Bytes after which a piece is passed on, below what the writer itself collects.
const PIECE: usize = 48 << 10;

/// Of them kept for the last packets and the last statistics: 4,096 interfaces' take 8.
const LAST: usize = 10;

/// More than a block has besides its packet's bytes.
const BLOCK: usize = 128;

/// XDP_PASS: what the probe says of every packet at XDP.
const PASS: u64 = 2;

/// One session's file in the making.
pub struct Stream {
    writer: Writer<Outlet>,
    queue: mpsc::Sender<Bytes>,
    /// By interface index.
    interfaces: BTreeMap<u32, Listed>,
    /// Bytes in the piece that is being written.
    bytes: usize,
    read: u64,
    /// Of interfaces that are not listed.
    unlisted: u64,
}

/// An interface of the file.
struct Listed {
    interface: Interface,
    /// Packets in the piece that is being written.
    pending: u64,
    /// Packets that the reader never got.
    unread: u64,
}

/// Where pieces go.
struct Outlet(mpsc::Sender<Bytes>);

impl Write for Outlet {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if !piece.is_empty() {
            let piece = Bytes::copy_from_slice(piece);
            self.0.try_send(piece).map_err(|_| io::ErrorKind::WouldBlock)?;
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream {
    /// A stream whose file begins with these interfaces, and its reader's end.
    ///
    /// # Errors
    /// When an interface's filter is too long for a pcapng option.
    pub fn open(interfaces: BTreeMap<u32, Interface>) -> io::Result<(Self, mpsc::Receiver<Bytes>)> {
        let (queue, reader) = mpsc::channel(QUEUE);
        let mut writer = Writer::new(Outlet(queue.clone()), super::APPLICATION)?;
        for (index, interface) in &interfaces {
            writer.interface(interface, *index)?;
        }
        writer.flush()?;
        let listed = |(index, interface)| (index, Listed { interface, pending: 0, unread: 0 });
        let interfaces = interfaces.into_iter().map(listed).collect();
        Ok((Self { writer, queue, interfaces, bytes: 0, read: 0, unlisted: 0 }, reader))
    }

    /// Adds an interface that came later; `false` when the reader is too far behind to be told, and then its packets count as unread.
    pub fn add(&mut self, index: u32, interface: Interface) -> bool {
        if self.interfaces.contains_key(&index) {
            return true;
        }
        self.pass();
        let told = self.has_room()
            && self.writer.interface(&interface, index).and_then(|_| self.writer.flush()).is_ok();
        if told {
            self.interfaces.insert(index, Listed { interface, pending: 0, unread: 0 });
        }
        told
    }

    /// Writes a packet, seen at `time`, nanoseconds since 1970.
    pub fn packet(&mut self, sample: &Sample, bytes: &[u8], time: u64) {
        self.read += 1;
        let need = BLOCK + bytes.len();
        if self.bytes + need > PIECE {
            self.pass();
        }
        let has_room = self.has_room();
        let Some(listed) = self.interfaces.get_mut(&sample.interface) else {
            self.unlisted += 1;
            return;
        };
        if !has_room {
            listed.unread += 1;
            return;
        }
        listed.pending += 1;
        self.bytes += need;
        let record = record(sample, bytes, time);
        let written = self.writer.packet(&listed.interface, sample.interface, &record);
        if written.is_err() {
            self.settle(false);
        }
    }

    /// Passes on what was written.
    pub fn pass(&mut self) {
        let passed = self.writer.flush().is_ok();
        self.settle(passed);
    }

    /// A piece was passed on, or not: then its packets are gone.
    fn settle(&mut self, passed: bool) {
        self.bytes = 0;
        for listed in self.interfaces.values_mut() {
            let pending = std::mem::take(&mut listed.pending);
            listed.unread += if passed { 0 } else { pending };
        }
    }

    /// Writes statistics, if the reader keeps up; `time` in nanoseconds since 1970.
    pub fn statistics(&mut self, time: u64, statistics: &[(u32, Statistics)]) {
        self.pass();
        if self.has_room() {
            self.write_statistics(time, statistics);
        }
    }

    /// Writes the last statistics and ends the file. Places in the queue are kept for them.
    pub fn finish(mut self, time: u64, statistics: &[(u32, Statistics)]) {
        self.pass();
        self.write_statistics(time, statistics);
    }

    fn write_statistics(&mut self, time: u64, statistics: &[(u32, Statistics)]) {
        for (index, statistics) in statistics {
            if let Some(Listed { interface, .. }) = self.interfaces.get(index) {
                // Into memory; passing it on is what may fail, and then the reader has gone.
                let _ = self.writer.statistics(interface, *index, time, statistics);
            }
        }
        let _ = self.writer.flush();
    }

    /// Packets that came to it.
    #[must_use]
    pub const fn read(&self) -> u64 {
        self.read
    }

    /// Those of them that the reader never got.
    #[must_use]
    pub fn unread(&self) -> u64 {
        self.unlisted + self.interfaces.values().map(|listed| listed.unread).sum::<u64>()
    }

    /// Those of one interface.
    #[must_use]
    pub fn unread_of(&self, index: u32) -> u64 {
        self.interfaces.get(&index).map_or(0, |listed| listed.unread)
    }

    /// Nobody reads it.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.queue.is_closed()
    }

    /// Room for another piece besides the last ones.
    fn has_room(&self) -> bool {
        self.queue.capacity() > LAST
    }
}

/// A sample as a capture file has it.
#[must_use]
pub fn record<'a>(sample: &Sample, bytes: &'a [u8], time: u64) -> Record<'a> {
    let at_driver = sample.driver != 0;
    Record {
        time,
        interface: sample.interface,
        length: sample.length,
        bytes,
        outgoing: Some(sample.direction != 0),
        queue: Some(sample.queue),
        verdict: at_driver.then_some(Verdict::Xdp(PASS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capfile::Reader;

    const ETH0: u32 = 2;

    fn open() -> (Stream, mpsc::Receiver<Bytes>) {
        let mut eth0 = Interface::of_linktype(1);
        eth0.name = Some("eth0".to_owned());
        Stream::open(BTreeMap::from([(ETH0, eth0)])).expect("an interface can be described")
    }

    fn packet(stream: &mut Stream, time: u64, bytes: &[u8]) {
        let sample = Sample {
            interface: ETH0,
            length: bytes.len() as u32,
            captured: bytes.len() as u32,
            ..Sample::default()
        };
        stream.packet(&sample, bytes, time);
    }

    /// What is in the queue now, which is a whole file up to there.
    fn read(reader: &mut mpsc::Receiver<Bytes>) -> (Vec<u64>, Vec<Option<Statistics>>) {
        let mut file = Vec::new();
        while let Ok(piece) = reader.try_recv() {
            file.extend(piece);
        }
        let mut capture =
            Reader::new(io::Cursor::new(file), "test".to_owned(), None).expect("a capture file");
        let mut times = Vec::new();
        while let Some(record) = capture.next().expect("whole blocks") {
            times.push(record.time);
        }
        (times, capture.statistics().to_vec())
    }

    fn counted(delivered: u64) -> Statistics {
        Statistics { delivered: Some(delivered), ..Statistics::default() }
    }

    #[test]
    fn a_reader_that_keeps_up_gets_everything_and_the_statistics() {
        let (mut stream, mut reader) = open();
        for time in 0..1000 {
            packet(&mut stream, time, &[0; 100]);
        }
        assert_eq!((stream.read(), stream.unread()), (1000, 0));
        stream.statistics(5, &[(ETH0, counted(1000))]);
        packet(&mut stream, 1000, &[0; 60_000]);
        stream.finish(6, &[(ETH0, counted(1001))]);
        let (times, statistics) = read(&mut reader);
        assert_eq!(times, (0..=1000).collect::<Vec<_>>());
        assert_eq!(statistics, [Some(counted(1001))]);
    }

    #[test]
    fn what_is_not_read_in_time_is_counted_and_the_end_still_comes() {
        let (mut stream, mut reader) = open();
        for time in 0..200_000 {
            packet(&mut stream, time, &[0; 100]);
        }
        stream.pass();
        assert_eq!(stream.unread(), stream.unread_of(ETH0));
        let unread = stream.unread();
        assert!((1..200_000).contains(&unread), "{unread}");
        stream.statistics(5, &[(ETH0, counted(1))]);
        stream.finish(6, &[(ETH0, counted(200_000 - unread))]);
        let (times, statistics) = read(&mut reader);
        assert_eq!(times.len() as u64, 200_000 - unread);
        assert!(times.is_sorted());
        assert_eq!(statistics, [Some(counted(200_000 - unread))]);
    }

    #[test]
    fn a_reader_that_has_gone_is_noticed_and_nothing_is_told_as_read() {
        let (mut stream, reader) = open();
        drop(reader);
        assert!(stream.is_abandoned());
        packet(&mut stream, 1, &[0; 100]);
        stream.pass();
        assert_eq!((stream.read(), stream.unread()), (1, 1));
    }

    #[test]
    fn an_interface_that_comes_later_is_described_first() {
        let (mut stream, mut reader) = open();
        let sample = Sample { interface: 9, length: 4, captured: 4, ..Sample::default() };
        stream.packet(&sample, &[1, 2, 3, 4], 1);
        assert_eq!(stream.unread(), 1);
        assert!(stream.add(9, Interface::of_linktype(101)));
        stream.packet(&sample, &[1, 2, 3, 4], 2);
        stream.finish(3, &[]);
        assert_eq!(read(&mut reader).0, [2]);
    }
}
