//! What the writer writes, the reader reads.

use std::io::{self, Write};

use proptest::{collection::vec, prelude::*};

use super::*;

fn record() -> impl Strategy<Value = Owned> {
    let bytes = vec(any::<u8>(), 0..200);
    let verdict = prop_oneof![
        Just(None),
        any::<u64>().prop_map(|action| Some(Verdict::Xdp(action))),
        any::<u64>().prop_map(|action| Some(Verdict::Tc(action))),
    ];
    let told = (any::<Option<bool>>(), any::<Option<u32>>(), verdict);
    (any::<u64>(), 0..3u32, any::<u32>(), bytes, told).prop_map(
        |(time, interface, length, bytes, (outgoing, queue, verdict))| Owned {
            time,
            interface,
            length: length.max(bytes.len() as u32),
            bytes,
            outgoing,
            queue,
            verdict,
        },
    )
}

fn three() -> Vec<Interface> {
    let mut named = Interface::of_linktype(1);
    named.name = Some("eth0".to_owned());
    named.description = Some("the first".to_owned());
    named.filter = Some("tcp port 80".to_owned());
    named.snap_length = 96;
    vec![named, Interface::of_linktype(101), Interface::of_linktype(105)]
}

proptest! {
    #[test]
    fn what_is_written_is_read(records in vec(record(), 0..40)) {
        let interfaces = three();
        let mut writer = Writer::new(Vec::new(), "wireledger test").unwrap();
        let mut order = Vec::new();
        for record in &records {
            let interface = &interfaces[record.interface as usize];
            writer.packet(interface, record.interface, &record.lend()).unwrap();
            if !order.contains(&record.interface) {
                order.push(record.interface);
            }
        }
        let (described, found, end) = read(&writer.finish().unwrap());
        prop_assert!(end.is_none());
        // Described as they are used, and only those.
        let expected: Vec<_> = order.iter().map(|i| interfaces[*i as usize].clone()).collect();
        prop_assert_eq!(described, expected);
        prop_assert_eq!(found.len(), records.len());
        for (mut found, record) in found.into_iter().zip(records) {
            found.interface = order[found.interface as usize];
            prop_assert_eq!(found, record);
        }
    }
}

/// Takes so many bytes, then no more.
struct Full(Vec<u8>, usize);

impl Write for &mut Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let some = bytes.len().min(self.1 - self.0.len());
        if some == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.extend(&bytes[..some]);
        Ok(some)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_leaves_a_readable_beginning() {
    let ethernet = Interface::of_linktype(1);
    let record = Record { time: 1, length: 60, bytes: &[7; 60], ..Record::default() };
    let mut disk = Full(Vec::new(), 200_000);
    let mut writer = Writer::new(&mut disk, "test").unwrap();
    let error = loop {
        if let Err(error) = writer.packet(&ethernet, 0, &record) {
            break error;
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    drop(writer);
    let (_, packets, end) = read(&disk.0);
    assert!(packets.len() > 2_000);
    assert!(matches!(end, Some(Error::Cut { .. })), "{end:?}");
}

#[test]
fn a_writer_given_up_has_written_what_it_was_given() {
    let record = Record { time: 1, length: 3, bytes: b"abc", ..Record::default() };
    let mut disk = Full(Vec::new(), 1 << 20);
    let mut writer = Writer::new(&mut disk, "test").unwrap();
    writer.packet(&Interface::of_linktype(1), 0, &record).unwrap();
    drop(writer);
    assert_eq!(packets(&disk.0).len(), 1);
}

#[test]
fn a_refused_interface_leaves_the_file_whole() {
    let record = Record { time: 1, length: 3, bytes: b"abc", ..Record::default() };
    let mut writer = Writer::new(Vec::new(), "test").unwrap();
    let refused = writer.packet(&Interface::of_linktype(1 << 16), 0, &record).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    writer.packet(&Interface::of_linktype(1), 0, &record).unwrap();
    assert_eq!(packets(&writer.finish().unwrap()).len(), 1);
}

#[test]
fn interfaces_stand_in_the_order_in_which_they_were_declared() {
    let interfaces = three();
    let mut writer = Writer::new(Vec::new(), "test").unwrap();
    let ids =
        [2, 0, 2, 1].map(|index| writer.interface(&interfaces[index as usize], index).unwrap());
    assert_eq!(ids, [0, 1, 0, 2]);
    writer.packet(&interfaces[0], 0, &Record::default()).unwrap();
    let size = writer.size();
    let file = writer.finish().unwrap();
    assert_eq!(size, file.len() as u64);
    let (described, packets, end) = read(&file);
    assert!(end.is_none(), "{end:?}");
    assert_eq!(described, [2, 0, 1].map(|index: usize| interfaces[index].clone()));
    assert_eq!(packets[0].interface, 1);
}

/// Keeps where each write ended.
#[derive(Default)]
struct Writes(Vec<u8>, Vec<usize>);

impl Write for &mut Writes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend(bytes);
        self.1.push(self.0.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where the blocks of a file end.
fn ends(file: &[u8]) -> Vec<usize> {
    let mut ends = vec![0];
    while let Some(length) = file.get(ends[ends.len() - 1] + 4..) {
        let Some(length) = length.first_chunk() else { break };
        ends.push(ends[ends.len() - 1] + u32::from_le_bytes(*length) as usize);
    }
    ends
}

#[test]
fn every_write_is_of_whole_blocks() {
    let mut pipe = Writes::default();
    let mut writer = Writer::new(&mut pipe, "test").unwrap();
    for round in 0..3_000u32 {
        let bytes = vec![7; round as usize % 100];
        let record = Record { length: round, bytes: &bytes, queue: Some(1), ..Record::default() };
        writer.packet(&three()[0], 0, &record).unwrap();
        // Once a packet, then seldom enough for the pile to be full before.
        if round < 50 {
            writer.flush().unwrap();
        }
    }
    writer.finish().unwrap();
    let blocks = ends(&pipe.0);
    assert_eq!(blocks.last(), Some(&pipe.0.len()));
    assert!(pipe.1.len() > 52, "one for the header, one a flush, then whole piles");
    assert!(pipe.1.iter().all(|end| blocks.binary_search(end).is_ok()));
}

#[test]
fn a_file_cut_anywhere_gives_the_packets_of_its_whole_blocks() {
    let mut pipe = Writes::default();
    let mut writer = Writer::new(&mut pipe, "test").unwrap();
    let interfaces = three();
    for packet in 0..6u32 {
        let bytes = vec![7; packet as usize];
        let record = Record { length: packet, bytes: &bytes, queue: Some(1), ..Record::default() };
        writer.packet(&interfaces[packet as usize % 2], packet % 2, &record).unwrap();
        writer.flush().unwrap();
    }
    let told = Statistics { received: Some(6), ..Statistics::default() };
    writer.statistics(&interfaces[0], 0, 1, &told).unwrap();
    writer.finish().unwrap();
    let file = pipe.0;
    let blocks = ends(&file);
    let packets_until = |end: usize| {
        let kind = |at: &&usize| file[**at..].starts_with(&[6, 0, 0, 0]);
        blocks[..blocks.iter().rposition(|at| *at <= end).unwrap()].iter().filter(kind).count()
    };
    for cut in blocks[1]..=file.len() {
        let (_, packets, end) = read(&file[..cut]);
        assert_eq!(packets.len(), packets_until(cut), "cut at {cut}");
        match blocks.binary_search(&cut) {
            Ok(_) => assert!(end.is_none(), "cut at {cut}: {end:?}"),
            Err(_) => assert!(matches!(end, Some(Error::Cut { .. })), "cut at {cut}: {end:?}"),
        }
    }
}
