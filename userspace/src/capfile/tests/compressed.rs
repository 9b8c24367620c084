//! gzip and zstd around a capture file.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::write::GzEncoder;

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 1).unwrap()
}

fn many_packets() -> Vec<u8> {
    let mut file = small_pcap(Little, 0xa1b2_c3d4);
    for number in 0..20_000u32 {
        file.extend(Little.put(&[number, 0, 60, 60]));
        let noise = (0..60).map(|byte| (number.wrapping_mul(2_654_435_761) >> (byte % 24)) as u8);
        file.extend(noise);
    }
    file
}

#[test]
fn members_and_frames_are_read_one_after_the_other() {
    for file in [small_pcap(Big, 0xa1b2_3c4d), small_pcapng(Little), many_packets()] {
        let plain = packets(&file);
        for compress in [gzip, zstd] {
            assert_eq!(packets(&compress(&file)), plain);
            let (first, second) = file.split_at(file.len() / 3);
            let nothing: &[u8] = &[];
            let members = [compress(first), compress(nothing), compress(second)].concat();
            assert_eq!(packets(&members), plain);
        }
        let mut skipped = vec![0x5e, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        skipped.extend(zstd(&file));
        assert_eq!(packets(&skipped), plain);
    }
}

#[test]
fn data_cut_or_damaged_gives_the_packets_before_it() {
    let file = many_packets();
    let all = packets(&file);
    for (compress, program) in [(gzip as fn(&[u8]) -> Vec<u8>, "gzip"), (zstd, "zstd")] {
        let whole = compress(&file);
        let half = whole[..whole.len() / 2].to_vec();
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle..].fill(0xff);
        let (_, packets, end) = read(&half);
        assert!(packets.len() > 9_000, "{program}: {}", packets.len());
        assert_eq!(packets[..], all[..packets.len()]);
        let end = end.unwrap();
        assert!(matches!(end, Error::Compressed { packets: 9_000.., .. }), "{end:?}");
        let message = end.to_string();
        assert!(message.contains(&format!("the {program} data")), "{message}");
        assert!(message.contains("of the decompressed data"), "{message}");

        // Damaged deflate data may go on for a while as something else.
        let (_, packets, end) = read(&damaged);
        assert!(packets.len() > 8_000, "{program}: {}", packets.len());
        assert_eq!(packets[..8_000], all[..8_000]);
        assert!(matches!(end, Some(Error::Compressed { .. } | Error::Corrupt { .. })), "{end:?}");
    }
}

#[test]
fn offsets_are_those_of_the_decompressed_data() {
    let mut file = small_pcap(Little, 0xa1b2_c3d4);
    file.extend(Little.put(&[0, 0, u32::MAX, 0]));
    for compress in [gzip, zstd] {
        let (before, message) = fault(&compress(&file));
        assert_eq!(before, 3);
        assert!(message.contains("packet 4 at byte 135 of the decompressed data:"), "{message}");
    }
}

#[test]
fn something_else_inside_is_named_as_such() {
    let (_, message) = fault(&gzip(b"hello\x1b[31m"));
    assert!(message.starts_with("test, decompressed, is not a capture file: it begins with 68 65"));
    assert!(!message.contains('\x1b'));
}

/// Counts what is read of a stream without end.
struct Endless {
    unit: Vec<u8>,
    at: usize,
    read: Arc<AtomicU64>,
}

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let rest = &self.unit[self.at..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.at = (self.at + count) % self.unit.len();
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[test]
fn a_bomb_is_read_no_further_than_asked() {
    let packets = Little.put(&[0, 0, 0, 0]).repeat(4 << 20);
    for compress in [gzip, zstd] {
        let unit = compress(&packets);
        assert!(unit.len() < packets.len() / 100);
        let read = Arc::new(AtomicU64::new(0));
        let bomb = Endless { unit, at: 0, read: Arc::clone(&read) };
        let header = Cursor::new(compress(&Little.pcap_header(0xa1b2_c3d4, (2, 4), 1)));
        let mut reader = Reader::new(header.chain(bomb), "bomb".to_owned(), None).unwrap();
        for _ in 0..100_000 {
            assert!(reader.next().unwrap().is_some());
        }
        assert!(read.load(Ordering::Relaxed) < 1 << 20);
        assert!(reader.buffer.capacity() < 1 << 20);
        assert!(reader.progress().read < 1 << 20);
    }
}
