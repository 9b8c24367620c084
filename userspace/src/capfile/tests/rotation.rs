//! What a rotation's files are called, and what stands in each.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    num::{NonZeroU32, NonZeroU64},
    ops::ControlFlow,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

use jiff::tz::{Offset, TimeZone};

use super::*;

/// 2023-11-14 22:13:20 UTC.
const START: u64 = 1_700_000_000;

fn rotation(size: Option<u64>, seconds: u64, count: u32) -> Rotation {
    let (seconds, count) = (NonZeroU64::new(seconds), NonZeroU32::new(count));
    Rotation { size, seconds, count, flush: false }
}

fn ethernet() -> Interface {
    Interface { name: Some("eth0".to_owned()), ..Interface::of_linktype(1) }
}

/// Bytes of a file before its first packet.
const HEAD: u64 = 80;

/// Writes a packet for each time, seconds after the start, of 100 bytes that begin with its number; says how many were
/// taken. Each is 132 bytes of a file.
fn write(pattern: &str, rotation: Rotation, seconds: &[u64]) -> (tempfile::TempDir, usize) {
    let folder = tempfile::tempdir().unwrap();
    let zone = TimeZone::fixed(Offset::constant(2));
    let (path, begin) = (folder.path().join(pattern), START * 1_000_000_000);
    let mut files = Files::create_in(zone, &path, rotation, "test", begin).unwrap();
    let mut taken = 0;
    for (number, second) in (0u8..).zip(seconds) {
        let now = begin + second * 1_000_000_000;
        let record = Record { time: now, length: 100, bytes: &[number; 100], ..Record::default() };
        let told = Statistics { received: Some(number.into()), ..Statistics::default() };
        let step = files.packet(&ethernet(), 4, &record, now).unwrap();
        files.statistics(&ethernet(), 4, now, &told).unwrap();
        taken += usize::from(step == ControlFlow::Continue(()));
    }
    files.finish().unwrap();
    (folder, taken)
}

/// The numbers of the packets in each file. Every file is whole, and ends with what was counted by then.
fn contents(folder: &tempfile::TempDir) -> BTreeMap<String, Vec<u8>> {
    let mut contents = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut reader = Reader::open(&path).unwrap();
        let mut numbers = Vec::new();
        while let Some(record) = reader.next().unwrap() {
            numbers.push(record.bytes[0]);
        }
        assert_eq!(reader.interfaces(), [ethernet()]);
        let received = reader.statistics()[0].unwrap().received;
        assert!(numbers.last().is_none_or(|last| received >= Some(u64::from(*last))));
        contents.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), numbers);
    }
    contents
}

fn expect(found: &BTreeMap<String, Vec<u8>>, expected: &[(&str, &[u8])]) {
    let expected = expected.iter().map(|(name, numbers)| ((*name).to_owned(), numbers.to_vec()));
    assert_eq!(*found, expected.collect());
}

#[test]
fn without_a_rotation_there_is_one_file() {
    for count in [0, 3] {
        let (folder, taken) = write("a%H", rotation(None, 0, count), &[0, 100, 100_000]);
        assert_eq!(taken, 3);
        expect(&contents(&folder), &[("a%H", &[0, 1, 2])]);
    }
}

#[test]
fn a_file_larger_than_the_size_takes_no_further_packet() {
    // Two packets are exactly as much as may be: a third follows.
    for (size, expected) in [
        (HEAD + 264, [("a", &[0, 1, 2][..]), ("a1", &[3, 4, 5]), ("a2", &[6])].as_slice()),
        (HEAD + 263, &[("a", &[0, 1]), ("a1", &[2, 3]), ("a2", &[4, 5]), ("a3", &[6])]),
    ] {
        let (folder, taken) = write("a", rotation(Some(size), 0, 0), &[0; 7]);
        assert_eq!(taken, 7);
        expect(&contents(&folder), expected);
    }
}

#[test]
fn a_ring_overwrites_the_oldest() {
    let (folder, taken) = write("a", rotation(Some(100), 0, 3), &[0; 7]);
    assert_eq!(taken, 7);
    expect(&contents(&folder), &[("a0", &[6]), ("a1", &[4]), ("a2", &[5])]);
    let (folder, _) = write("a", rotation(Some(100), 0, 1), &[0; 7]);
    expect(&contents(&folder), &[("a", &[6])]);
}

#[test]
fn the_numbers_of_a_ring_sort() {
    for (count, first, last) in [(10, "a0", "a9"), (11, "a00", "a10"), (101, "a000", "a100")] {
        let (folder, _) = write("a", rotation(Some(100), 0, count), &[0; 101]);
        let contents = contents(&folder);
        assert_eq!(contents.len(), count as usize);
        assert_eq!(contents.keys().next().unwrap(), first);
        assert_eq!(contents.keys().last().unwrap(), last);
    }
}

#[test]
fn a_file_has_the_local_time_at_which_it_begins_for_a_name() {
    let seconds = [0, 9, 10, 25, 26];
    let (folder, taken) = write("a%Y%m%d-%H%M%S%%", rotation(None, 10, 0), &seconds);
    assert_eq!(taken, 5);
    expect(
        &contents(&folder),
        &[
            ("a20231115-001320%", &[0, 1]),
            ("a20231115-001330%", &[2]),
            ("a20231115-001345%", &[3, 4]),
        ],
    );
    let (folder, _) = write("a", rotation(None, 10, 0), &seconds);
    expect(&contents(&folder), &[("a", &[3, 4])]);
}

#[test]
fn so_many_periods_and_no_more() {
    let (folder, taken) = write("%s", rotation(None, 10, 2), &[0, 1, 10, 11, 20, 21, 50]);
    assert_eq!(taken, 4);
    expect(&contents(&folder), &[("1700000000", &[0, 1]), ("1700000010", &[2, 3])]);
}

#[test]
fn size_and_time_together_number_the_files_of_each_period() {
    let seconds = [0, 0, 0, 10, 10, 10, 20];
    let (folder, taken) = write("%s-", rotation(Some(100), 10, 0), &seconds);
    assert_eq!(taken, 7);
    expect(
        &contents(&folder),
        &[
            ("1700000000-", &[0]),
            ("1700000000-1", &[1]),
            ("1700000000-2", &[2]),
            ("1700000010-", &[3]),
            ("1700000010-1", &[4]),
            ("1700000010-2", &[5]),
            ("1700000020-", &[6]),
        ],
    );
    let (folder, taken) = write("%s-", rotation(Some(100), 10, 2), &seconds);
    assert_eq!(taken, 7, "a count ends nothing here");
    expect(
        &contents(&folder),
        &[
            ("1700000000-0", &[2]),
            ("1700000000-1", &[1]),
            ("1700000010-0", &[5]),
            ("1700000010-1", &[4]),
            ("1700000020-0", &[6]),
        ],
    );
}

#[test]
fn a_clock_set_back_begins_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("%s");
    let mut files =
        Files::create(&path, rotation(None, 10, 0), "test", START * 1_000_000_000).unwrap();
    assert!(files.packet(&ethernet(), 0, &Record::default(), 0).unwrap().is_continue());
    files.finish().unwrap();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn interfaces_without_a_packet_are_in_every_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut files =
        Files::create(&folder.path().join("a"), rotation(Some(100), 0, 0), "test", 0).unwrap();
    let idle = Interface { filter: Some("udp".to_owned()), ..Interface::of_linktype(101) };
    files.interface(&idle, 7).unwrap();
    for _ in 0..2 {
        let record = Record { length: 100, bytes: &[0; 100], ..Record::default() };
        assert!(files.packet(&ethernet(), 4, &record, 0).unwrap().is_continue());
    }
    files.finish().unwrap();
    for name in ["a", "a1"] {
        let (interfaces, packets, end) = read(&fs::read(folder.path().join(name)).unwrap());
        assert!(end.is_none(), "{end:?}");
        assert_eq!(interfaces, [idle.clone(), ethernet()]);
        assert_eq!((packets.len(), packets[0].interface), (1, 1));
    }
}

#[test]
fn with_flush_a_packet_is_there_at_once() {
    for flush in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let rotation = Rotation { flush, ..Rotation::default() };
        let mut files = Files::create(&path, rotation, "test", 0).unwrap();
        assert!(files.packet(&ethernet(), 0, &Record::default(), 0).unwrap().is_continue());
        let there = |path: &PathBuf| packets(&fs::read(path).unwrap()).len();
        assert_eq!(there(&path), usize::from(flush));
        files.flush().unwrap();
        assert_eq!(there(&path), 1);
    }
}

#[test]
fn errors_name_the_file() {
    let create = |path: &str, rotation| {
        let error = Files::create(path.as_ref(), rotation, "test", 0).err().unwrap();
        (error.to_string(), std::error::Error::source(&error).unwrap().to_string())
    };
    let (message, cause) = create("/nowhere/at/all", Rotation::default());
    assert_eq!(message, "cannot create /nowhere/at/all");
    assert!(cause.contains("No such file"), "{cause}");
    let (message, cause) = create("100%", rotation(None, 1, 0));
    assert!(message.starts_with("the file name 100% cannot be expanded"), "{message}");
    assert!(!cause.is_empty());
    let odd: &OsStr = OsStr::from_bytes(b"/nowhere/\xff%s");
    let error = Files::create(odd.as_ref(), rotation(None, 1, 0), "test", 0).err().unwrap();
    assert!(error.to_string().contains("/nowhere/"), "{error}");
    let mut full =
        Files::create("/dev/full".as_ref(), Rotation { flush: true, ..Rotation::default() }, "", 0);
    let error = match &mut full {
        Ok(full) => full.packet(&ethernet(), 0, &Record::default(), 0).unwrap_err(),
        Err(_) => full.err().unwrap(),
    };
    assert_eq!(error.to_string(), "cannot write /dev/full");
}

#[test]
fn sizes_are_millions_or_say_otherwise() {
    for (text, bytes) in [("1", 1_000_000), ("7k", 7 << 10), ("2M", 2 << 20), ("3g", 3 << 30)] {
        assert_eq!(file_size(text), Ok(bytes));
    }
    for text in ["", "0", "k", "1.5", "-1", "1t", "1kb", "99999999999999"] {
        assert!(file_size(text).is_err(), "{text}");
    }
}

#[test]
fn a_file_that_goes_on_tells_every_two_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let mut files = Files::create(&path, rotation(None, 0, 0), "test", 0).unwrap();
    let told = |packets| Statistics { received: Some(packets), ..Statistics::default() };
    let mut in_file = Vec::new();
    for second in 0..6 {
        let (time, record) = (second * 1_000_000_000, Record::default());
        assert!(files.packet(&ethernet(), 4, &record, time).unwrap().is_continue());
        files.statistics(&ethernet(), 4, time, &told(second)).unwrap();
        // Nothing is collected behind a statistics block.
        let mut reader = Reader::open(&path).unwrap();
        let mut packets = 0;
        while reader.next().unwrap().is_some() {
            packets += 1;
        }
        let received = reader.statistics().first().copied().flatten();
        in_file.push((packets, received.and_then(|told| told.received)));
    }
    files.finish().unwrap();
    let (second, fourth) = ((3, Some(2)), (5, Some(4)));
    assert_eq!(in_file, [(0, None), (0, None), second, second, fourth, fourth]);
    let mut reader = Reader::open(&path).unwrap();
    while reader.next().unwrap().is_some() {}
    assert_eq!(reader.statistics(), [Some(told(5))]);
}
