//! What the writer writes, the reader reads.

use std::io::{self, Write};

use proptest::{collection::vec, prelude::*};

use super::*;

fn record() -> impl Strategy<Value = Owned> {
    let bytes = vec(any::<u8>(), 0..200);
    (any::<u64>(), 0..3u32, any::<u32>(), bytes, any::<Option<bool>>()).prop_map(
        |(time, interface, length, bytes, outgoing)| Owned {
            time,
            interface,
            length: length.max(bytes.len() as u32),
            bytes,
            outgoing,
        },
    )
}

fn three() -> Vec<Interface> {
    let mut named = Interface::of_linktype(1);
    named.name = Some("eth0".to_owned());
    named.description = Some("the first".to_owned());
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
    let record = Record { time: 1, interface: 0, length: 60, bytes: &[7; 60], outgoing: None };
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
    let record = Record { time: 1, interface: 0, length: 3, bytes: b"abc", outgoing: None };
    let mut disk = Full(Vec::new(), 1 << 20);
    let mut writer = Writer::new(&mut disk, "test").unwrap();
    writer.packet(&Interface::of_linktype(1), 0, &record).unwrap();
    drop(writer);
    assert_eq!(packets(&disk.0).len(), 1);
}

#[test]
fn a_refused_interface_leaves_the_file_whole() {
    let record = Record { time: 1, interface: 0, length: 3, bytes: b"abc", outgoing: None };
    let mut writer = Writer::new(Vec::new(), "test").unwrap();
    let refused = writer.packet(&Interface::of_linktype(1 << 16), 0, &record).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    writer.packet(&Interface::of_linktype(1), 0, &record).unwrap();
    assert_eq!(packets(&writer.finish().unwrap()).len(), 1);
}
