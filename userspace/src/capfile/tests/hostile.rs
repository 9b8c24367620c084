//! Files cut, mutated, random; inputs that stutter or fail.

use std::io;

use proptest::{collection::vec, prelude::*};

use super::*;

fn small_files() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for order in ORDERS {
        for magic in [0xa1b2_c3d4, 0xa1b2_3c4d, 0xa1b2_cd34] {
            files.push(small_pcap(order, magic));
        }
        files.push(small_pcapng(order));
    }
    files
}

/// Gives one byte a call, and says now and then that it was interrupted.
struct Stutter(Cursor<Vec<u8>>, bool);

impl Read for Stutter {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let some = into.len().min(1);
        self.0.read(&mut into[..some])
    }
}

#[test]
fn a_file_cut_anywhere_gives_the_packets_before_and_the_place() {
    for file in small_files() {
        let all = packets(&file);
        let mut clean = 0;
        for length in 0..file.len() {
            let (_, found, end) = read(&file[..length]);
            assert_eq!(found, all[..found.len()]);
            match end {
                None => clean += 1,
                Some(Error::NotACapture { .. }) => assert!(length < 4),
                Some(Error::Cut { at, wanted, got, packets, .. }) => {
                    assert_eq!(packets, found.len() as u64);
                    assert_eq!(at.offset + got, length as u64, "all but whole blocks is counted");
                    assert!(got < wanted && got > 0);
                }
                Some(other) => panic!("{other:?}"),
            }
        }
        // At the borders of records and blocks, and nowhere else.
        let borders = if file.starts_with(&super::super::pcapng::MAGIC) { 9 } else { 3 };
        assert_eq!(clean, borders);
    }
}

#[test]
fn a_stuttering_input_gives_the_same() {
    for file in small_files() {
        let (_, found, end) = read_from(Stutter(Cursor::new(file.clone()), false));
        assert!(end.is_none(), "{end:?}");
        assert_eq!(found, packets(&file));
    }
}

#[test]
fn a_packet_is_delivered_without_waiting_for_the_next() {
    struct Live(Cursor<Vec<u8>>);
    impl Read for Live {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            match self.0.read(into)? {
                0 => panic!("it waits for more than the packet"),
                read => Ok(read),
            }
        }
    }
    for file in small_files() {
        let count = packets(&file).len();
        let mut reader = Reader::new(Live(Cursor::new(file)), "live".to_owned(), None).unwrap();
        for _ in 0..count {
            assert!(reader.next().unwrap().is_some());
        }
    }
}

#[test]
fn a_failing_input_is_told_apart_from_damaged_data() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let file = small_pcap(Little, 0xa1b2_c3d4);
    let zstd = zstd::stream::encode_all(&file[..], 1).unwrap();
    for file in [file, zstd] {
        let half = Cursor::new(file[..file.len() - 9].to_vec());
        let (_, _, end) = read_from(half.chain(Broken));
        let end = end.unwrap();
        assert!(matches!(end, Error::Io { .. }), "{end:?}");
        assert_eq!(std::error::Error::source(&end).unwrap().to_string(), "the disk is gone");
    }
}

#[test]
fn other_files_are_refused_with_what_they_may_be() {
    for (file, expected) in [
        (&b""[..], "test is not a capture file: it is empty"),
        (b"\xd4\xc3\xb2", "it begins with d4 c3 b2; pcap and pcapng are read"),
        (b"\xfd7zXZ\0", "an xz file"),
        (b"BZh9", "a bzip2 file"),
        (b"snoop\0\0\0", "a snoop file; `editcap -F pcapng` converts it"),
        (b"#!/bin/sh\n", "it begins with 23 21 2f 62 69 6e 2f 73 68 0a; "),
    ] {
        let (_, message) = fault(file);
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains(char::is_control), "{message}");
    }
    let error = Reader::new(io::empty(), "a\nb\x1b".to_owned(), None).unwrap_err();
    assert!(error.to_string().starts_with("a\\nb\\u{1b} is not"), "{error}");
}

#[test]
fn a_path_that_cannot_be_read_is_said() {
    let missing = Reader::open(Path::new("/nonexistent/x.pcap")).unwrap_err();
    assert_eq!(missing.to_string(), "cannot read /nonexistent/x.pcap");
    let folder = Reader::open(Path::new("/")).unwrap_err();
    assert!(matches!(folder, Error::Io { .. }), "{folder:?}");
}

#[test]
fn progress_counts_the_bytes_of_the_file() {
    let path = std::env::temp_dir().join(format!("capfile-{}.pcap", std::process::id()));
    let file = small_pcap(Little, 0xa1b2_c3d4);
    std::fs::write(&path, &file).unwrap();
    let mut reader = Reader::open(&path).unwrap();
    while reader.next().unwrap().is_some() {}
    std::fs::remove_file(&path).unwrap();
    let size = file.len() as u64;
    assert_eq!(reader.progress(), Progress { read: size, size: Some(size) });
}

/// Reads whatever it is: no panic, no loop, one line of printable text.
fn survives(file: &[u8]) -> Result<(), TestCaseError> {
    let (interfaces, packets, end) = read(file);
    prop_assert!(packets.len() <= file.len());
    prop_assert!(packets.iter().all(|p| (p.interface as usize) < interfaces.len()));
    prop_assert!(packets.iter().all(|p| p.length as usize >= p.bytes.len()));
    if let Some(end) = end {
        prop_assert!(!end.to_string().contains(char::is_control));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_are_survived(
        head in prop::sample::select(small_files()),
        keep in 0usize..60,
        tail in vec(any::<u8>(), 0..400),
    ) {
        survives(&[&head[..keep.min(head.len())], &tail].concat())?;
    }

    #[test]
    fn mutated_files_are_survived(
        mut file in prop::sample::select(small_files()),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        survives(&file)?;
        let mut noise = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut noise, &file).unwrap();
        survives(&noise.finish().unwrap())?;
    }

    #[test]
    fn mutated_compressed_files_are_survived(
        file in prop::sample::select(small_files()),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut gzip, &file).unwrap();
        for mut compressed in [gzip.finish().unwrap(), zstd::stream::encode_all(&file[..], 1).unwrap()] {
            for (at, value) in &changes {
                let at = at.index(compressed.len());
                compressed[at] = *value;
            }
            compressed.truncate(cut.index(compressed.len() * 2));
            survives(&compressed)?;
        }
    }
}
