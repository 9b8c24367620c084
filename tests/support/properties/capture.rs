//! Capture files: any bytes are packets up to the first error, and what is written reads back the same.

use std::io::Cursor;

use wireledger::capfile::{Interface, MAX_PACKET, Reader, Record, Statistics, Verdict, Writer};

use super::Frame;

/// Packets of one input that are looked at.
const MOST: usize = 1000;

/// A packet that owns its bytes; the record's own are empty.
type Packet = (Record<'static>, Vec<u8>);

/// What is read of a file.
#[derive(Default)]
struct Contents {
    packets: Vec<Packet>,
    interfaces: Vec<Interface>,
    statistics: Vec<Option<Statistics>>,
}

/// `data` is a file.
pub fn check(data: &[u8]) {
    let first = read(data.to_vec());
    let mut writer = Writer::new(Vec::new(), "fuzzer").expect("memory");
    for ((index, interface), told) in (0..).zip(&first.interfaces).zip(&first.statistics).take(MOST)
    {
        writer.interface(interface, index).expect("memory");
        if let Some(told) = told {
            writer.statistics(interface, index, 0, told).expect("memory");
        }
    }
    let mut written = Vec::new();
    for (record, bytes) in &first.packets {
        let described = &first.interfaces[record.interface as usize];
        let whole = Record { bytes, ..*record };
        writer.packet(described, record.interface, &whole).expect("memory");
        written.push((told(record, described), bytes));
    }
    let again = read(writer.finish().expect("memory"));
    let packets: Vec<_> = (again.packets.iter())
        .map(|(record, bytes)| (told(record, &again.interfaces[record.interface as usize]), bytes))
        .collect();
    assert_eq!(packets, written, "written and read");
    let declared = first.interfaces.len().min(MOST);
    let both = first.interfaces.iter().zip(&again.interfaces).take(declared);
    for (first, again) in both {
        assert_eq!(texts(first), texts(again), "written and read");
    }
    assert_eq!(first.statistics[..declared], again.statistics[..declared]);
}

/// What a packet tells, but its direction: a cooked header may tell that of one whose block does not.
fn told(
    record: &Record<'_>,
    interface: &Interface,
) -> (u64, u32, Option<u32>, Option<Verdict>, u32) {
    (record.time, record.length, record.queue, record.verdict, interface.linktype)
}

fn texts(interface: &Interface) -> [&Option<String>; 3] {
    [&interface.name, &interface.description, &interface.filter]
}

fn read(data: Vec<u8>) -> Contents {
    let mut contents = Contents::default();
    let Ok(mut reader) = Reader::new(Cursor::new(data), "fuzzer".to_owned(), None) else {
        return contents;
    };
    while contents.packets.len() < MOST {
        assert_eq!(reader.statistics().len(), reader.interfaces().len());
        match reader.next_described() {
            Ok(Some((record, interfaces))) => {
                assert!(record.bytes.len() <= record.length as usize);
                assert!(record.bytes.len() <= MAX_PACKET as usize);
                assert!((record.interface as usize) < interfaces.len());
                contents.packets.push((Record { bytes: &[], ..record }, record.bytes.to_vec()));
            }
            Ok(None) => break,
            Err(error) => {
                let message = error.to_string();
                assert!(!message.is_empty() && !message.contains(char::is_control), "{message:?}");
                break;
            }
        }
    }
    if contents.packets.len() < MOST {
        assert!(matches!(reader.next(), Ok(None)), "nothing after the end");
    }
    contents.interfaces = reader.interfaces().to_vec();
    contents.statistics = reader.statistics().to_vec();
    assert_eq!(contents.statistics.len(), contents.interfaces.len());
    contents
}

/// A few frames as pcap in both byte orders, and as pcapng.
#[must_use]
pub fn seeds(frames: &[Frame]) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for group in frames.chunks(3).take(100) {
        let small: Vec<_> = group.iter().filter(|frame| frame.bytes.len() <= 256).collect();
        let mut writer = Writer::new(Vec::new(), "seed").expect("memory");
        let filter = Some("tcp port 80".to_owned());
        let ethernet = Interface { filter, ..Interface::of_linktype(1) };
        let (mut little, mut big) = (header(u32::to_le_bytes), header(u32::to_be_bytes));
        for frame in small {
            let (length, bytes) = (frame.length, &frame.bytes[..]);
            let record = Record {
                time: 1,
                length,
                bytes,
                outgoing: Some(true),
                queue: Some(3),
                verdict: Some(Verdict::Xdp(2)),
                ..Record::default()
            };
            writer.packet(&ethernet, 0, &record).expect("memory");
            let words = [1, 2, bytes.len() as u32, length];
            little.extend(words.map(u32::to_le_bytes).concat());
            little.extend(bytes);
            big.extend(words.map(u32::to_be_bytes).concat());
            big.extend(bytes);
        }
        let told = Statistics { start: Some(1), received: Some(3), ..Statistics::default() };
        writer.statistics(&ethernet, 0, 2, &told).expect("memory");
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
