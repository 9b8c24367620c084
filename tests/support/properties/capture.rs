//! Capture files: any bytes are packets up to the first error, and what is written reads back the same.

use std::io::Cursor;

use wireledger::capfile::{Interface, MAX_PACKET, Reader, Record, Writer};

use super::Frame;

/// Packets of one input that are looked at.
const MOST: usize = 1000;

type Packet = (u64, u32, Option<bool>, u32, Vec<u8>);

/// `data` is a file.
pub fn check(data: &[u8]) {
    let (packets, interfaces) = read(data.to_vec());
    let mut writer = Writer::new(Vec::new(), "fuzzer").expect("memory");
    let mut written = Vec::new();
    for (time, interface, outgoing, length, bytes) in &packets {
        let described = &interfaces[*interface as usize];
        let (interface, bytes) = (*interface, &bytes[..]);
        let record = Record { time: *time, interface, length: *length, bytes, outgoing: *outgoing };
        writer.packet(described, interface, &record).expect("memory");
        written.push((*time, *length, bytes.to_vec(), described.linktype));
    }
    let file = writer.finish().expect("memory");
    if packets.is_empty() {
        return;
    }
    let (again, described) = read(file);
    let again: Vec<_> = again
        .into_iter()
        .map(|(time, interface, _, length, bytes)| {
            (time, length, bytes, described[interface as usize].linktype)
        })
        .collect();
    assert_eq!(again, written, "written and read");
}

fn read(data: Vec<u8>) -> (Vec<Packet>, Vec<Interface>) {
    let mut packets = Vec::new();
    let Ok(mut reader) = Reader::new(Cursor::new(data), "fuzzer".to_owned(), None) else {
        return (packets, Vec::new());
    };
    while packets.len() < MOST {
        match reader.next_described() {
            Ok(Some((record, interfaces))) => {
                assert!(record.bytes.len() <= record.length as usize);
                assert!(record.bytes.len() <= MAX_PACKET as usize);
                assert!((record.interface as usize) < interfaces.len());
                let Record { time, interface, length, bytes, outgoing } = record;
                packets.push((time, interface, outgoing, length, bytes.to_vec()));
            }
            Ok(None) => break,
            Err(error) => {
                let message = error.to_string();
                assert!(!message.is_empty() && !message.contains(char::is_control), "{message:?}");
                break;
            }
        }
    }
    if packets.len() < MOST {
        assert!(matches!(reader.next(), Ok(None)), "nothing after the end");
    }
    (packets, reader.interfaces().to_vec())
}

/// A few frames as pcap in both byte orders, and as pcapng.
#[must_use]
pub fn seeds(frames: &[Frame]) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for group in frames.chunks(3).take(100) {
        let small: Vec<_> = group.iter().filter(|frame| frame.bytes.len() <= 256).collect();
        let mut writer = Writer::new(Vec::new(), "seed").expect("memory");
        let ethernet = Interface::of_linktype(1);
        let (mut little, mut big) = (header(u32::to_le_bytes), header(u32::to_be_bytes));
        for frame in small {
            let (length, bytes) = (frame.length, &frame.bytes[..]);
            let record = Record { time: 1, interface: 0, length, bytes, outgoing: Some(true) };
            writer.packet(&ethernet, 0, &record).expect("memory");
            let words = [1, 2, bytes.len() as u32, length];
            little.extend(words.map(u32::to_le_bytes).concat());
            little.extend(bytes);
            big.extend(words.map(u32::to_be_bytes).concat());
            big.extend(bytes);
        }
        seeds.extend([writer.finish().expect("memory"), little, big]);
    }
    seeds
}

/// The head of a pcap file with microseconds and Ethernet.
fn header(word: fn(u32) -> [u8; 4]) -> Vec<u8> {
    let version = if word(1) == [1, 0, 0, 0] { [2, 0, 4, 0] } else { [0, 2, 0, 4] };
    let rest = [0, 0, 65_535, 1].map(word).concat();
    [&word(0xa1b2_c3d4)[..], &version, &rest].concat()
}
