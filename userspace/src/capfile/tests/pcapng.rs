//! The pcapng format.

use super::*;

#[test]
fn every_packet_block_of_every_section_is_read() {
    for order in ORDERS {
        let (interfaces, packets, end) = read(&small_pcapng(order));
        assert!(end.is_none(), "{end:?}");
        assert_eq!(interfaces.len(), 2);
        assert_eq!(interfaces[0].name.as_deref(), Some("eth0"));
        assert_eq!((interfaces[0].linktype, interfaces[0].snap_length), (1, 4));
        assert_eq!(interfaces[1].resolution, Resolution::Decimal(9));
        let record = |time, interface, length, bytes: &[u8], outgoing| Owned {
            time,
            interface,
            length,
            bytes: bytes.to_vec(),
            outgoing,
        };
        let expected = [
            record(5_000, 0, 9, b"packet", Some(true)),
            record(0, 0, 6, b"simp", None),
            record(8, 1, 3, b"old", None),
        ];
        assert_eq!(packets, expected);
    }
}

#[test]
fn the_unit_and_the_offset_of_an_interface_apply_to_its_packets() {
    for order in ORDERS {
        let mut file = order.section();
        let resolutions = [6, 9, 0x80 | 10, 3];
        for resolution in resolutions {
            let mut options = order.option(9, &[resolution]);
            options.extend(order.option(14, &order.put64(100)));
            options.extend(order.option(0, &[]));
            file.extend(order.interface(1, 0, &options));
        }
        for interface in 0..4 {
            file.extend(order.enhanced(interface, 2048, 0, &[], &[]));
        }
        let times: Vec<_> = packets(&file).iter().map(|p| p.time).collect();
        let base = 100_000_000_000;
        assert_eq!(times, [2_048_000, 2_048, 2_000_000_000, 2_048_000_000].map(|t| base + t));
    }
}

#[test]
fn flags_say_the_direction_before_a_cooked_header_does() {
    let sll = [0, 4, 0, 0];
    let mut file = Little.section();
    file.extend(Little.interface(113, 0, &[]));
    let comment = Little.option(1, b"odd");
    for options in [
        Little.option(2, &Little.put32(1)),
        [comment.clone(), Little.option(2, &Little.put32(2))].concat(),
        Little.option(2, &Little.put32(0)),
        Little.option(2, &[1]),
        // Said to be longer than the block: the packet is there all the same.
        vec![1, 0, 0xff, 0xff],
        comment,
    ] {
        file.extend(Little.enhanced(0, 0, 4, &sll, &options));
    }
    let found: Vec<_> = packets(&file).iter().map(|p| p.outgoing).collect();
    assert_eq!(found, [false, true, true, true, true, true].map(Some));
}

#[test]
fn a_packet_of_an_interface_never_described_is_an_error() {
    let mut file = small_pcapng(Little);
    // The second section has one of its own.
    let offset = file.len();
    file.extend(Big.enhanced(1, 0, 1, b"x", &[]));
    let (before, message) = fault(&file);
    assert_eq!(before, 3);
    let expected = format!(
        "test: packet 4 at byte {offset}: of interface 1, but its section describes 1; 3 packets were read before it"
    );
    assert_eq!(message, expected);
    let simple = [Little.section(), Little.block(3, &Little.put(&[4, 0]))].concat();
    assert!(fault(&simple).1.contains("of interface 0, but its section describes 0"));
}

#[test]
fn damaged_blocks_are_named() {
    let begin = [Little.section(), Little.interface(1, 0, &[])].concat();
    let good = Little.enhanced(0, 0, 4, b"good", &[]);
    let mut trailer = good.clone();
    *trailer.last_mut().unwrap() = 1;
    let mut captured = good.clone();
    captured[20] = 9;
    let mut absurd = good.clone();
    absurd[23] = 0xff;
    let mut kind_only = Little.block(6, &[0; 16]);
    kind_only[4] = 28;
    let mut name = Little.interface(1, 0, &[9, 0, 200, 0]);
    name[18] = 201;
    for (block, expected) in [
        (trailer, "packet 2 at byte 84: length 36 before, 16777252 behind it"),
        (captured, "captured length 9, more than its block of 36 bytes has"),
        (absurd, "captured length 4278190084, more than the 1048576 bytes"),
        (kind_only, "a block of 28 bytes is too short for it"),
        (Little.put(&[6, 30, 0]), "type 0x00000006, length 30, which no block has"),
        (Little.put(&[6, 8, 0]), "length 8, which no block has"),
        (Little.put(&[6, u32::MAX - 3, 0, 0, 0, 4, 4]), "a block of 4294967292 bytes, more than"),
        (Little.put(&[1, u32::MAX - 3, 0, 0, 0, 4, 4]), "a block of 4294967292 bytes, more than"),
        (name, "option 9 of 201 bytes, of which 0 are there"),
        (Little.interface(1, 0, &Little.option(9, &[6, 6])), "option 9 (the unit"),
        (Little.put(&[0x0a0d_0d0a, 28, 77, 1, 0, 0, 28]), "byte-order magic 0x4d000000"),
        (Little.put(&[0x0a0d_0d0a, 28, 0x1a2b_3c4d, 2, 0, 0, 28]), "pcapng version 2.0"),
        (Little.put(&[0x0a0d_0d0a, 16, 0x1a2b_3c4d, 16]), "too short"),
    ] {
        let (before, message) = fault(&[&begin[..], &good, &block].concat());
        assert_eq!(before, 1, "{message}");
        assert!(message.contains(expected), "{message} / {expected}");
        assert!(message.contains("at byte 84"), "{message}");
    }
}

#[test]
fn a_long_block_of_another_kind_is_skipped_without_being_held() {
    let mut file = [Little.section(), Little.interface(1, 0, &[])].concat();
    file.extend(Little.block(4, &vec![1; 10 << 20]));
    file.extend(Little.enhanced(0, 0, 4, b"good", &[]));
    let mut reader = Reader::new(Cursor::new(file), "test".to_owned(), None).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().bytes, b"good");
    assert!(reader.buffer.capacity() < 1 << 20);
}

#[test]
fn texts_are_bounded_and_lose_their_zero_bytes() {
    let long = "ä".repeat(200);
    let mut options = Little.option(2, b"eth0\0\0");
    options.extend(Little.option(3, long.as_bytes()));
    let odd = Little.option(2, &[0xff, b'x']);
    let file = [
        Little.section(),
        Little.interface(1, 0, &options),
        Little.interface(1, 0, &odd),
        Little.interface(1, 0, &Little.option(2, &[])),
    ];
    let (interfaces, ..) = read(&file.concat());
    assert_eq!(interfaces[0].name.as_deref(), Some("eth0"));
    assert_eq!(interfaces[0].description.as_ref().unwrap().len(), 256);
    assert_eq!(interfaces[1].name.as_deref(), Some("\u{fffd}x"));
    assert_eq!(interfaces[2].name, None);
}

#[test]
fn interfaces_are_bounded() {
    let mut file = Little.section();
    for _ in 0..=1 << 16 {
        file.extend(Little.interface(1, 0, &[]));
    }
    let (interfaces, _, end) = read(&file);
    assert_eq!(interfaces.len(), 1 << 16);
    assert!(end.unwrap().to_string().contains("more than 65536 interfaces"));
}

#[test]
fn a_record_comes_with_the_interfaces_known_by_then() {
    let file = Cursor::new(small_pcapng(Little));
    let mut reader = Reader::new(file, "test".to_owned(), None).unwrap();
    let mut known = Vec::new();
    while let Some((record, interfaces)) = reader.next_described().unwrap() {
        known.push((interfaces.len(), interfaces[record.interface as usize].linktype));
    }
    assert_eq!(known, [(1, 1), (1, 1), (2, 101)]);
}
