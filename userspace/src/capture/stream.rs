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

/// Statistics blocks in a piece, at least.
const STATISTICS: usize = 256;

/// More than a block has besides its packet's bytes.
const BLOCK: usize = 128;

/// XDP_PASS: what the probe says of every packet at XDP.
const PASS: u64 = 2;

/// One session's file in the making.
pub struct Stream {
    writer: Writer<Outlet>,
    queue: mpsc::Sender<Bytes>,
    /// Number `n` of the file is entry `n`.
    interfaces: Vec<Listed>,
    /// The entry that an interface index stands for now.
    current: BTreeMap<u32, usize>,
    /// Bytes in the piece that is being written.
    bytes: usize,
    read: u64,
    captured: u64,
    /// Of interfaces that are not listed; there are none.
    unlisted: u64,
}

/// An interface of the file.
struct Listed {
    interface: Interface,
    /// The reader has its description, or gets it before anything else.
    told: bool,
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
    /// A stream whose file begins with these interfaces, numbered in this order, and its reader's end.
    ///
    /// # Errors
    /// When an interface's filter is too long for a pcapng option.
    pub fn open(interfaces: Vec<(u32, Interface)>) -> io::Result<(Self, mpsc::Receiver<Bytes>)> {
        let (queue, reader) = mpsc::channel(QUEUE);
        let writer = Writer::new(Outlet(queue.clone()), super::APPLICATION)?;
        let mut stream = Self {
            writer,
            queue,
            interfaces: Vec::new(),
            current: BTreeMap::new(),
            bytes: 0,
            read: 0,
            captured: 0,
            unlisted: 0,
        };
        for (index, interface) in interfaces {
            stream.writer.interface(&interface, stream.interfaces.len() as u32)?;
            stream.list(index, interface);
        }
        stream.writer.flush()?;
        Ok((stream, reader))
    }

    fn list(&mut self, index: u32, interface: Interface) {
        self.current.insert(index, self.interfaces.len());
        self.interfaces.push(Listed { interface, told: true, pending: 0, unread: 0 });
    }

    /// Adds an interface that came later, or another that has the index now. A reader that is too far behind is told of it later, and until
    /// then its packets count as unread.
    pub fn add(&mut self, index: u32, interface: Interface) {
        self.list(index, interface);
        if let Some(last) = self.interfaces.last_mut() {
            last.told = false;
        }
        self.tell();
    }

    /// Describes the interfaces that the reader does not know yet.
    fn tell(&mut self) {
        if self.interfaces.iter().all(|listed| listed.told) {
            return;
        }
        self.flush();
        let untold = (0..).zip(&mut self.interfaces).filter(|(_, listed)| !listed.told);
        for (number, listed) in untold {
            listed.told = self.queue.capacity() > LAST
                && self
                    .writer
                    .interface(&listed.interface, number)
                    .and_then(|_| self.writer.flush())
                    .is_ok();
        }
    }

    /// Writes a packet, seen at `time`, nanoseconds since 1970.
    pub fn packet(&mut self, sample: &Sample, bytes: &[u8], time: u64) {
        self.read += 1;
        self.captured += bytes.len() as u64;
        let need = BLOCK + bytes.len();
        if self.bytes + need > PIECE {
            self.flush();
        }
        let has_room = self.has_room();
        let Some(&number) = self.current.get(&sample.interface) else {
            self.unlisted += 1;
            return;
        };
        let listed = &mut self.interfaces[number];
        if !has_room || !listed.told {
            listed.unread += 1;
            return;
        }
        listed.pending += 1;
        self.bytes += need;
        let record = record(sample, bytes, time);
        let written = self.writer.packet(&listed.interface, number as u32, &record);
        if written.is_err() {
            self.settle(false);
        }
    }

    /// Passes on what was written, unless the reader has something to read still: then it waits until there is more of it.
    pub fn pass(&mut self) {
        self.tell();
        if self.queue.capacity() == QUEUE || self.bytes >= PIECE {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let passed = self.writer.flush().is_ok();
        self.settle(passed);
    }

    /// A piece was passed on, or not: then its packets are gone.
    fn settle(&mut self, passed: bool) {
        self.bytes = 0;
        for listed in &mut self.interfaces {
            let pending = std::mem::take(&mut listed.pending);
            listed.unread += if passed { 0 } else { pending };
        }
    }

    /// Writes statistics, if the reader keeps up; `time` in nanoseconds since 1970.
    pub fn statistics(&mut self, time: u64, statistics: &[(u32, Statistics)]) {
        self.flush();
        if self.queue.capacity() > LAST + statistics.len() / STATISTICS {
            self.write_statistics(time, statistics);
        }
    }

    /// Writes the last statistics and ends the file. Places in the queue are kept for them.
    pub fn finish(mut self, time: u64, statistics: &[(u32, Statistics)]) {
        self.flush();
        self.write_statistics(time, statistics);
    }

    fn write_statistics(&mut self, time: u64, statistics: &[(u32, Statistics)]) {
        for (number, statistics) in statistics {
            if let Some(listed) = self.interfaces.get_mut(*number as usize) {
                // Into memory; passing it on is what may fail, and then the reader has gone. Describes what was not told of.
                let _ = self.writer.statistics(&listed.interface, *number, time, statistics);
                listed.told = true;
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
        self.unlisted + self.interfaces.iter().map(|listed| listed.unread).sum::<u64>()
    }

    /// Those of the interface with this number.
    #[must_use]
    pub fn unread_of(&self, number: u32) -> u64 {
        self.interfaces.get(number as usize).map_or(0, |listed| listed.unread)
    }

    /// Bytes of the packets that came to it.
    #[must_use]
    pub const fn captured(&self) -> u64 {
        self.captured
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
pub(super) fn record<'a>(sample: &Sample, bytes: &'a [u8], time: u64) -> Record<'a> {
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
        Stream::open(vec![(ETH0, eth0)]).expect("an interface can be described")
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
        stream.statistics(5, &[(0, counted(1000))]);
        packet(&mut stream, 1000, &[0; 60_000]);
        stream.finish(6, &[(0, counted(1001))]);
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
        assert_eq!(stream.unread(), stream.unread_of(0));
        let unread = stream.unread();
        assert!((1..200_000).contains(&unread), "{unread}");
        stream.statistics(5, &[(0, counted(1))]);
        stream.finish(6, &[(0, counted(200_000 - unread))]);
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
        stream.statistics(2, &[]);
        assert_eq!((stream.read(), stream.unread()), (1, 1));
    }

    #[test]
    fn an_interface_that_comes_later_is_described_first() {
        let (mut stream, mut reader) = open();
        let sample = Sample { interface: 9, length: 4, captured: 4, ..Sample::default() };
        stream.packet(&sample, &[1, 2, 3, 4], 1);
        assert_eq!(stream.unread(), 1);
        stream.add(9, Interface::of_linktype(101));
        stream.packet(&sample, &[1, 2, 3, 4], 2);
        stream.finish(3, &[]);
        assert_eq!(read(&mut reader).0, [2]);
    }
}
