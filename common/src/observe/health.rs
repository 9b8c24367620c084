//! Header facts and the health of TCP: traffic classes, fragments, lifetimes, full frames, and what became of segments.

use super::Sight;
use crate::{
    abi::totals::Totals,
    table::{
        Sighting,
        track::{Segment, Verdict},
    },
    wire::{
        Fragment, Headers,
        tcp_flags::{FIN, RST, SYN},
    },
};

/// Counts what the headers of a packet with a flow key say.
#[inline(always)]
pub(super) fn headers(totals: &mut Totals, headers: &Headers, seen: &Sighting, sight: &Sight<'_>) {
    let packets = u64::from(seen.packets);
    totals.traffic_classes[usize::from(seen.traffic_class)] += packets;
    match headers.fragment {
        Fragment::Whole => {}
        Fragment::First | Fragment::Tiny => totals.fragments[0] += packets,
        Fragment::Later => totals.fragments[1] += packets,
    }
    if seen.ttl <= 1 {
        totals.expiring += packets;
    }
    if sight.place.mtu != 0 {
        full_size(totals, headers.link.wrapping_add(sight.place.mtu), seen);
    }
}

/// All segments of a super-packet but the last have the greatest length.
#[inline(always)]
fn full_size(totals: &mut Totals, full: u32, seen: &Sighting) {
    if seen.length_max >= full {
        totals.full_size += u64::from(seen.packets) - 1;
    }
    if seen.length_min >= full {
        totals.full_size += 1;
    }
}

/// Counts what became of a TCP segment.
#[inline(always)]
pub(super) fn segment(totals: &mut Totals, segment: &Segment, window: u16, seen: &Sighting) {
    let packets = u64::from(seen.packets);
    match segment.verdict {
        Verdict::Ordinary => {}
        Verdict::Retransmitted => totals.retransmitted += packets,
        Verdict::OutOfOrder => totals.out_of_order += packets,
        Verdict::KeepAlive => totals.keep_alive += packets,
    }
    if window == 0 && segment.flags & (SYN | FIN | RST) == 0 {
        totals.zero_window += packets;
    }
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros;

    use super::*;
    use crate::{abi::settings::Place, table::Now};

    /// Counts one packet, or super-packet, at an interface of this MTU.
    fn counted(facts: Headers, seen: Sighting, mtu: u32) -> Box<Totals> {
        let place = Place { mtu, ..Place::default() };
        let (cut, now) = (false, Now::default());
        let sight = Sight { place: &place, direction: 0, opposite: 1, cut, now };
        let mut totals = Box::new(Totals::new_zeroed());
        headers(&mut totals, &facts, &seen, &sight);
        totals
    }

    fn packets(packets: u32, length_min: u32, length_max: u32) -> Sighting {
        Sighting { packets, length_min, length_max, ttl: 64, ..Sighting::default() }
    }

    #[test]
    fn a_packet_is_full_with_the_mtu_behind_the_link_header_and_its_tags() {
        let full =
            |link, seen, mtu| counted(Headers { link, ..Headers::default() }, seen, mtu).full_size;
        assert_eq!(full(14, packets(1, 1513, 1513), 1500), 0);
        assert_eq!(full(14, packets(1, 1514, 1514), 1500), 1);
        assert_eq!(full(14, packets(1, 9000, 9000), 1500), 1);
        assert_eq!(full(18, packets(1, 1517, 1517), 1500), 0);
        assert_eq!(full(18, packets(1, 1518, 1518), 1500), 1);
        assert_eq!(full(0, packets(1, 1420, 1420), 1420), 1);
        assert_eq!(full(14, packets(1, 1514, 1514), 0), 0);
        assert_eq!(full(14, packets(10, 200, 1514), 1500), 9);
        assert_eq!(full(14, packets(10, 1514, 1514), 1500), 10);
    }

    #[test]
    fn every_packet_of_a_super_packet_has_its_class_and_lifetime() {
        for (ttl, expiring) in [(0, 3), (1, 3), (2, 0), (255, 0)] {
            let seen = Sighting { ttl, traffic_class: 0xb9, ..packets(3, 60, 60) };
            let totals = counted(Headers::default(), seen, 0);
            assert_eq!((totals.traffic_classes[0xb9], totals.expiring), (3, expiring));
            assert_eq!(totals.traffic_classes.iter().sum::<u64>(), 3);
        }
    }

    #[test]
    fn a_fragment_is_a_first_or_a_later_one() {
        for (fragment, counts) in [
            (Fragment::Whole, [0, 0]),
            (Fragment::First, [1, 0]),
            (Fragment::Tiny, [1, 0]),
            (Fragment::Later, [0, 1]),
        ] {
            let totals = counted(Headers { fragment, ..Headers::default() }, packets(1, 60, 60), 0);
            assert_eq!(totals.fragments, counts);
        }
    }

    #[test]
    fn a_window_of_zero_counts_without_syn_fin_and_rst() {
        let zero = |window, flags| {
            let mut totals = Box::new(Totals::new_zeroed());
            let one = Segment { flags, ..Segment::default() };
            segment(&mut totals, &one, window, &packets(1, 60, 60));
            totals.zero_window
        };
        assert_eq!([zero(0, 0x10), zero(1, 0x10)], [1, 0]);
        assert_eq!([SYN, FIN, RST].map(|flag| zero(0, 0x10 | flag)), [0; 3]);
    }
}
