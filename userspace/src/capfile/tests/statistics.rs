//! Interface statistics blocks: what is read of them, and how they are written.

use super::*;

const TOLD: Statistics = Statistics {
    start: Some(0x0123_4567_89ab_cdef),
    end: Some(0x0123_4567_89ab_cdf0),
    received: Some(1_000),
    dropped: Some(1 << 40),
    accepted: Some(900),
    os_dropped: Some(7),
    delivered: Some(0),
};

/// What a whole file tells of each interface.
fn statistics(file: &[u8]) -> Vec<Option<Statistics>> {
    let mut reader = Reader::new(Cursor::new(file.to_vec()), "test".to_owned(), None).unwrap();
    while reader.next().unwrap().is_some() {}
    assert_eq!(reader.statistics().len(), reader.interfaces().len());
    reader.statistics().to_vec()
}

/// A block about an interface of its section.
fn block(order: Order, interface: u32, options: &[u8]) -> Vec<u8> {
    order.block(5, &[&order.put(&[interface, 0, 0]), options].concat())
}

/// A time, as it stands in an option: the upper half first.
fn halves(order: Order, ticks: u64) -> Vec<u8> {
    order.put(&[(ticks >> 32) as u32, ticks as u32])
}

#[test]
fn the_last_told_of_each_interface_of_each_section_is_kept() {
    for order in ORDERS {
        let received = |count| order.option(4, &order.put64(count));
        let section = |first: u64| {
            let mut file = order.section();
            file.extend(order.interface(1, 0, &order.option(9, &[9])));
            file.extend(order.interface(1, 0, &order.option(14, &order.put64(10))));
            file.extend(block(order, 0, &received(first)));
            file.extend(order.enhanced(0, 0, 0, b"", &[]));
            file.extend(block(order, 0, &received(first + 1)));
            file
        };
        let mut file = section(1);
        // Microseconds, and ten seconds more; those of the first are nanoseconds.
        let times = [2, 3].map(|code| order.option(code, &halves(order, 1 << 33 | 5)));
        file.extend(block(order, 1, &times.concat()));
        file.extend(section(5));
        file.extend(block(order, 0, &times.concat()));
        let told = |received| Some(Statistics { received, ..Statistics::default() });
        let times = |time| Some(Statistics { start: time, end: time, ..Statistics::default() });
        let microseconds = ((1 << 33) + 5) * 1_000 + 10_000_000_000;
        let expected = [told(Some(2)), times(Some(microseconds)), times(Some((1 << 33) + 5)), None];
        assert_eq!(statistics(&file), expected);
    }
}

#[test]
fn every_option_has_its_count() {
    for order in ORDERS {
        let mut options = order.option(1, b"odd");
        let Statistics { start, end, .. } = TOLD;
        for (code, time) in [(2, start), (3, end)] {
            options.extend(order.option(code, &halves(order, time.unwrap())));
        }
        let counts = [TOLD.received, TOLD.dropped, TOLD.accepted, TOLD.os_dropped, TOLD.delivered];
        for (code, count) in (4..).zip(counts) {
            options.extend(order.option(code, &order.put64(count.unwrap())));
        }
        let interface = order.interface(1, 0, &order.option(9, &[9]));
        let file = [order.section(), interface, block(order, 0, &options)].concat();
        assert_eq!(statistics(&file), [Some(TOLD)]);
    }
}

#[test]
fn statistics_that_make_no_sense_lose_no_packet() {
    let received = Little.option(4, &Little.put64(9));
    let good = Some(Statistics { received: Some(9), ..Statistics::default() });
    let nothing = Some(Statistics::default());
    let cut = [&received[..], &[5, 0, 0xff, 0xff]].concat();
    let odd = [Little.option(5, &[1; 7]), Little.option(6, &[]), received.clone()].concat();
    for (told, expected) in [
        (block(Little, 0, &cut), good),
        (block(Little, 0, &odd), good),
        (block(Little, 0, &[]), nothing),
        (block(Little, 0, &[4]), nothing),
        (block(Little, 1, &received), None),
        (block(Little, u32::MAX, &received), None),
        (Little.block(5, &[]), None),
        (Little.block(5, &[0; 8]), None),
        (block(Little, 0, &received.repeat(200_000)), None),
    ] {
        let packet = Little.enhanced(0, 0, 4, b"good", &[]);
        let file = [Little.section(), Little.interface(1, 0, &[]), told, packet].concat();
        assert_eq!(packets(&file).len(), 1);
        assert_eq!(statistics(&file), [expected]);
    }
}

#[test]
fn a_damaged_block_of_statistics_is_named() {
    let begin = [Little.section(), Little.interface(1, 0, &[])].concat();
    let mut told = block(Little, 0, &Little.option(4, &Little.put64(9)));
    let whole = [&begin[..], &told].concat();
    let message = fault(&whole[..whole.len() - 5]).1;
    assert!(message.contains("ends in the middle of interface statistics at byte 48"), "{message}");
    *told.last_mut().unwrap() = 1;
    let message = fault(&[begin, told].concat()).1;
    assert!(message.contains("interface statistics at byte 48: length 36 before"), "{message}");
}

#[test]
fn a_pcap_file_has_none() {
    assert_eq!(statistics(&small_pcap(Little, 0xa1b2_c3d4)), [None]);
}

#[test]
fn what_is_written_stands_as_the_draft_says() {
    let interface = Interface { name: Some("eth0".to_owned()), ..Interface::of_linktype(1) };
    let mut writer = Writer::new(Vec::new(), "test").unwrap();
    writer.statistics(&interface, 3, 0x1122_3344_5566_7788, &TOLD).unwrap();
    let file = writer.finish().unwrap();
    let halves = |ticks| halves(Little, ticks);
    let mut body = [Little.put32(0).to_vec(), halves(0x1122_3344_5566_7788)].concat();
    body.extend(Little.option(2, &halves(0x0123_4567_89ab_cdef)));
    body.extend(Little.option(3, &halves(0x0123_4567_89ab_cdf0)));
    for (code, count) in (4..).zip([1_000, 1 << 40, 900, 7, 0]) {
        body.extend(Little.option(code, &Little.put64(count)));
    }
    body.extend(Little.option(0, &[]));
    assert!(file.ends_with(&Little.block(5, &body)), "{file:02x?}");
    // Of a session without a packet, the interface is there all the same.
    let (interfaces, packets, end) = read(&file);
    assert_eq!((interfaces, packets.len()), (vec![interface], 0));
    assert!(end.is_none(), "{end:?}");
    assert_eq!(statistics(&file), [Some(TOLD)]);
}

#[test]
fn losses_are_those_of_the_interface_and_of_the_system() {
    assert!(TOLD.tell_of_losses());
    let none = Statistics { dropped: Some(0), os_dropped: None, ..TOLD };
    assert!(!none.tell_of_losses());
    assert!(!Statistics::default().tell_of_losses());
}
