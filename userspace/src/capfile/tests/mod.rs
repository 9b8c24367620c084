//! Capture files made byte by byte, and what the reader makes of them.

mod compressed;
mod hostile;
mod pcap;
mod pcapng;
mod rotation;
mod statistics;
mod writer;

use std::io::{Cursor, Read};

use super::{
    order::Order::{self, Big, Little},
    *,
};

const ORDERS: [Order; 2] = [Little, Big];

/// A record that owns its bytes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Owned {
    time: u64,
    interface: u32,
    length: u32,
    bytes: Vec<u8>,
    outgoing: Option<bool>,
    queue: Option<u32>,
    verdict: Option<Verdict>,
}

impl From<Record<'_>> for Owned {
    fn from(record: Record<'_>) -> Self {
        let Record { time, interface, length, bytes, outgoing, queue, verdict } = record;
        Self { time, interface, length, bytes: bytes.to_vec(), outgoing, queue, verdict }
    }
}

impl Owned {
    fn lend(&self) -> Record<'_> {
        let Self { time, interface, length, ref bytes, outgoing, queue, verdict } = *self;
        Record { time, interface, length, bytes, outgoing, queue, verdict }
    }
}

/// What a file gives: interfaces, packets, and what ended it.
type Outcome = (Vec<Interface>, Vec<Owned>, Option<Error>);

fn read_from(input: impl Read + Send + 'static) -> Outcome {
    let mut reader = match Reader::new(input, "test".to_owned(), None) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Vec::new(), Some(error)),
    };
    let mut packets = Vec::new();
    let end = loop {
        match reader.next() {
            Ok(Some(record)) => packets.push(Owned::from(record)),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert!(matches!(reader.next(), Ok(None)), "nothing comes after the end or an error");
    assert_eq!(reader.statistics().len(), reader.interfaces().len());
    (reader.interfaces().to_vec(), packets, end)
}

fn read(file: &[u8]) -> Outcome {
    read_from(Cursor::new(file.to_vec()))
}

/// The packets of a file without a fault.
fn packets(file: &[u8]) -> Vec<Owned> {
    let (_, packets, end) = read(file);
    assert!(end.is_none(), "{end:?}");
    packets
}

/// Packets before the fault of a file, and its message.
fn fault(file: &[u8]) -> (usize, String) {
    let (_, packets, end) = read(file);
    (packets.len(), end.expect("a fault").to_string())
}

impl Order {
    fn put16(self, value: u16) -> [u8; 2] {
        if self == Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    fn put32(self, value: u32) -> [u8; 4] {
        if self == Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    fn put64(self, value: u64) -> [u8; 8] {
        if self == Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    fn put(self, words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| self.put32(*word)).collect()
    }

    fn pcap_header(self, magic: u32, version: (u16, u16), network: u32) -> Vec<u8> {
        let mut file = self.put32(magic).to_vec();
        file.extend(self.put16(version.0));
        file.extend(self.put16(version.1));
        file.extend(self.put(&[0, 0, 65_535, network]));
        file
    }

    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().next_multiple_of(4);
        let length = self.put32(padded as u32 + 12);
        let mut block = self.put32(kind).to_vec();
        block.extend(length);
        block.extend(body);
        block.resize(8 + padded, 0);
        block.extend(length);
        block
    }

    fn section(self) -> Vec<u8> {
        let mut body = self.put32(0x1a2b_3c4d).to_vec();
        body.extend(self.put16(1));
        body.extend(self.put16(0));
        body.extend([0xff; 8]);
        self.block(0x0a0d_0d0a, &body)
    }

    fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let mut option = [self.put16(code), self.put16(value.len() as u16)].concat();
        option.extend(value);
        option.resize(option.len().next_multiple_of(4), 0);
        option
    }

    fn interface(self, linktype: u16, snap_length: u32, options: &[u8]) -> Vec<u8> {
        let mut body = [self.put16(linktype), [0; 2]].concat();
        body.extend(self.put32(snap_length));
        body.extend(options);
        self.block(1, &body)
    }

    fn enhanced(
        self,
        interface: u32,
        ticks: u64,
        original: u32,
        bytes: &[u8],
        options: &[u8],
    ) -> Vec<u8> {
        let (high, low) = ((ticks >> 32) as u32, ticks as u32);
        let mut body = self.put(&[interface, high, low, bytes.len() as u32, original]);
        body.extend(bytes);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend(options);
        self.block(6, &body)
    }
}

/// A small pcap file: packets of 3, 0 and 60 bytes.
fn small_pcap(order: Order, magic: u32) -> Vec<u8> {
    let mut file = order.pcap_header(magic, (2, 4), 1);
    for (second, length) in [(1, 3), (2, 0), (3, 60)] {
        file.extend(order.put(&[second, 7, length, length + 4]));
        if magic == 0xa1b2_cd34 {
            file.extend(order.put32(2));
            file.extend([0, 0, 4, 0]);
        }
        file.extend(vec![0xab; length as usize]);
    }
    file
}

/// A small pcapng file of two sections, with one of each block that is read and some that are not.
fn small_pcapng(order: Order) -> Vec<u8> {
    let mut file = order.section();
    file.extend(order.interface(1, 4, &order.option(2, b"eth0")));
    let verdict = [&[2][..], &order.put64(1)].concat();
    let options = [(2, &order.put32(2)[..]), (6, &order.put32(3)), (7, &verdict)];
    let options = options.map(|(code, value)| order.option(code, value)).concat();
    file.extend(order.enhanced(0, 5, 9, b"packet", &options));
    file.extend(order.block(4, b"names of hosts"));
    file.extend(order.block(3, &[&order.put32(6), b"simp".as_slice()].concat()));
    file.extend(order.block(0x0bad, &[7; 40]));
    file.extend(Big.section());
    file.extend(Big.interface(101, 0, &Big.option(9, &[9])));
    let old = [&Big.put16(0), &Big.put16(1), &Big.put(&[0, 8, 3, 3])[..], b"old"].concat();
    file.extend(Big.block(2, &old));
    let counted = [(2, [0; 8]), (5, Big.put64(9))].map(|(code, value)| Big.option(code, &value));
    file.extend(Big.block(5, &[&[0; 12][..], &counted.concat()].concat()));
    file
}
