//! The pcap format.

use super::*;

#[test]
fn both_byte_orders_and_both_units_are_read() {
    for order in ORDERS {
        for (magic, fraction) in [(0xa1b2_c3d4, 7_000), (0xa1b2_3c4d, 7)] {
            let (interfaces, packets, end) = read(&small_pcap(order, magic));
            assert!(end.is_none(), "{end:?}");
            assert_eq!((interfaces.len(), interfaces[0].linktype), (1, 1));
            assert_eq!(interfaces[0].snap_length, 65_535);
            let found: Vec<_> = packets.iter().map(|p| (p.time, p.length, p.bytes.len())).collect();
            let second = 1_000_000_000;
            let expected = [(1, 7, 3), (2, 4, 0), (3, 64, 60)];
            assert_eq!(found, expected.map(|(s, l, c)| (s * second + fraction, l, c)));
            assert!(packets.iter().all(|p| p.bytes.iter().all(|byte| *byte == 0xab)));
        }
    }
}

#[test]
fn the_modified_format_has_eight_bytes_more_and_a_direction() {
    for order in ORDERS {
        let packets = packets(&small_pcap(order, 0xa1b2_cd34));
        let found: Vec<_> = packets.iter().map(|p| (p.bytes.len(), p.outgoing)).collect();
        assert_eq!(found, [(3, Some(true)), (0, Some(true)), (60, Some(true))]);
    }
}

#[test]
fn the_upper_half_of_the_link_type_is_another_matter() {
    let file = Little.pcap_header(0xa1b2_c3d4, (2, 4), 0x2400_0071);
    let (interfaces, ..) = read(&file);
    assert_eq!(interfaces[0].linktype, 113);
}

#[test]
fn a_link_type_nobody_reads_is_left_to_the_caller() {
    let mut file = Little.pcap_header(0xa1b2_c3d4, (2, 4), 105);
    file.extend(Little.put(&[0, 0, 0, 0]));
    let (interfaces, packets, _) = read(&file);
    assert_eq!((interfaces[0].link, packets.len()), (None, 1));
    assert_eq!(linktype_name(105), "LINKTYPE_IEEE802_11 (105)");
    assert_eq!(linktype_name(1), "LINKTYPE_ETHERNET (1)");
    assert_eq!(linktype_name(276), "LINKTYPE_LINUX_SLL2 (276)");
    assert_eq!(linktype_name(127), "LINKTYPE_IEEE802_11_RADIOTAP (127)");
    assert_eq!(linktype_name(4711), "link type 4711");
}

#[test]
fn old_versions_have_their_lengths_swapped() {
    for (version, lengths) in
        [((2, 2), [9, 5]), ((543, 0), [9, 5]), ((2, 3), [9, 5]), ((2, 3), [5, 9])]
    {
        let mut file = Little.pcap_header(0xa1b2_c3d4, version, 1);
        file.extend(Little.put(&[0, 0, lengths[0], lengths[1]]));
        file.extend([1; 5]);
        let packets = packets(&file);
        assert_eq!((packets[0].bytes.len(), packets[0].length), (5, 9));
    }
    let (_, message) = fault(&Little.pcap_header(0xa1b2_c3d4, (3, 0), 1));
    assert!(message.contains("pcap version 3.0"), "{message}");
}

#[test]
fn the_length_is_never_less_than_what_was_captured() {
    let mut file = Little.pcap_header(0xa1b2_c3d4, (2, 4), 1);
    file.extend(Little.put(&[0, 0, 4, 1, 0]));
    assert_eq!(packets(&file)[0].length, 4);
}

#[test]
fn a_fraction_of_more_than_a_second_is_added() {
    let mut file = Little.pcap_header(0xa1b2_c3d4, (2, 4), 1);
    file.extend(Little.put(&[u32::MAX, u32::MAX, 0, 0]));
    let most = u64::from(u32::MAX);
    assert_eq!(packets(&file)[0].time, most * 1_000_000_000 + most * 1_000);
}

#[test]
fn cooked_packets_tell_their_direction() {
    let sll = |kind: u8| [&[0, kind][..], &[0; 14]].concat();
    let sll2 = |kind: u8| [&[0; 10][..], &[kind], &[0; 9]].concat();
    for (network, kinds) in [(113, [sll(0), sll(4), sll(9)]), (276, [sll2(3), sll2(4), sll2(9)])] {
        let mut file = Little.pcap_header(0xa1b2_c3d4, (2, 4), network);
        for bytes in kinds.iter().chain([&Vec::new()]) {
            let length = bytes.len() as u32;
            file.extend(Little.put(&[0, 0, length, length]));
            file.extend(bytes);
        }
        let found: Vec<_> = packets(&file).iter().map(|p| p.outgoing).collect();
        assert_eq!(found, [Some(false), Some(true), None, None]);
    }
}

#[test]
fn an_absurd_length_ends_the_file_after_what_was_good() {
    for (captured, big) in [(u32::MAX, true), (MAX_PACKET + 1, true), (MAX_PACKET, false)] {
        let mut file = small_pcap(Little, 0xa1b2_c3d4);
        let offset = file.len();
        file.extend(Little.put(&[0, 0, captured, captured]));
        let (before, message) = fault(&file);
        assert_eq!(before, 3);
        assert!(message.contains(&format!("packet 4 at byte {offset}:")), "{message}");
        assert_eq!(message.contains(&format!("captured length {captured}, more than")), big);
    }
}

#[test]
fn the_longest_packet_is_read() {
    let mut file = small_pcap(Little, 0xa1b2_c3d4);
    file.extend(Little.put(&[9, 0, MAX_PACKET, MAX_PACKET]));
    file.extend(vec![5; MAX_PACKET as usize]);
    file.extend(Little.put(&[10, 0, 1, 1]));
    file.push(6);
    let packets = packets(&file);
    assert_eq!((packets.len(), packets[3].bytes.len()), (5, MAX_PACKET as usize));
    assert_eq!(packets[4].bytes, [6]);
}
