//! The pcap format (draft-ietf-opsawg-pcap): a file header of 24 bytes, then records of a header and a packet.
//!
//! Both byte orders, micro- and nanoseconds, the lengths swapped by versions before 2.3, and the record header with
//! eight bytes more of Kuznetzov's patched libpcap (magic a1b2cd34, "modified").

use wireledger_common::abi::link::Link;

use super::{
    Interface, MAX_PACKET, Record, Resolution,
    buffer::Buffer,
    error::{Fault, Part},
    interface::Clock,
    linktype::{Cooked, of_packet_type},
    order::{Order, words},
};

/// Bytes of the file header.
const FILE_HEADER: usize = 24;

/// What the magic number says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Magic {
    order: Order,
    resolution: Resolution,
    modified: bool,
}

impl Magic {
    /// The magic number, if `head` begins with one.
    pub(super) fn of(head: [u8; 4]) -> Option<Self> {
        [Order::Little, Order::Big].into_iter().find_map(|order| {
            let (digits, modified) = match order.u32(head) {
                0xa1b2_c3d4 => (6, false),
                0xa1b2_3c4d => (9, false),
                0xa1b2_cd34 => (6, true),
                _ => return None,
            };
            Some(Self { order, resolution: Resolution::Decimal(digits), modified })
        })
    }
}

/// In which order a record header has its two lengths.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Lengths {
    /// Captured, original.
    Straight,
    /// Original, captured: before version 2.3, and the 543.0 of DG/UX tcpdump.
    Swapped,
    /// Version 2.3: either. The smaller is what was captured.
    Either,
}

impl Lengths {
    /// The captured and the original length.
    #[inline]
    fn of(self, first: u32, second: u32) -> (u32, u32) {
        match self {
            Self::Straight => (first, second),
            Self::Swapped => (second, first),
            Self::Either => (first.min(second), first.max(second)),
        }
    }
}

/// The records of a pcap file.
#[derive(Debug)]
pub(super) struct Pcap {
    order: Order,
    lengths: Lengths,
    /// Bytes of a record's header.
    header: usize,
    cooked: Cooked,
    second: Clock,
    fraction: Clock,
}

impl Pcap {
    /// Reads the file header.
    pub(super) fn new(magic: Magic, buffer: &mut Buffer) -> Result<(Self, Interface), Fault> {
        let Magic { order, resolution, modified } = magic;
        let got = buffer.fill(FILE_HEADER)?;
        let [_, version, _, _, snap_length, network, ..] = words(buffer.unread()) else {
            return Err(Fault::cut(Part::FileHeader, 0, FILE_HEADER, got));
        };
        let [a, b, c, d] = *version;
        let lengths = match (order.u16([a, b]), order.u16([c, d])) {
            (2, 0..=2) | (543, 0) => Lengths::Swapped,
            (2, 3) => Lengths::Either,
            (2, _) => Lengths::Straight,
            (major, minor) => {
                let what = format!("pcap version {major}.{minor}; 2.0 to 2.4 are known");
                return Err(Fault::corrupt(Part::FileHeader, 0, what));
            }
        };
        // The upper half has the length of the frame check sequence and reserved bits.
        let linktype = order.u32(*network) & 0xffff;
        let interface = Interface {
            link: Link::of_linktype(linktype),
            snap_length: order.u32(*snap_length),
            resolution,
            ..Interface::of_linktype(linktype)
        };
        buffer.take(FILE_HEADER);
        let pcap = Self {
            order,
            lengths,
            header: if modified { 24 } else { 16 },
            cooked: Cooked::of(linktype),
            second: Clock::new(Resolution::Decimal(0), 0),
            fraction: Clock::new(resolution, 0),
        };
        Ok((pcap, interface))
    }

    /// The next record, `None` where the input ends between two.
    #[inline]
    pub(super) fn next<'b>(&self, buffer: &'b mut Buffer) -> Result<Option<Record<'b>>, Fault> {
        let got = buffer.fill(self.header)?;
        let [seconds, fraction, first, second, rest @ ..] = words(buffer.unread()) else {
            return self.end(buffer, got);
        };
        if got < self.header {
            return self.end(buffer, got);
        }
        // In a modified header: interface, then protocol, packet type and a byte of padding.
        let kind = if self.header == 24 { rest.get(1).map(|word| word[2]) } else { None };
        let time = (self.second.nanoseconds(self.order.u32(*seconds).into()))
            .saturating_add(self.fraction.nanoseconds(self.order.u32(*fraction).into()));
        let (captured, original) = self.lengths.of(self.order.u32(*first), self.order.u32(*second));
        if captured > MAX_PACKET {
            return Err(Fault::too_long(buffer.offset(), captured));
        }
        let wanted = self.header + captured as usize;
        let got = buffer.fill(wanted)?;
        if got < wanted {
            return Err(Fault::cut(Part::Packet, buffer.offset(), wanted, got));
        }
        let bytes = &buffer.take(wanted)[self.header..];
        let outgoing = match kind {
            Some(kind) => of_packet_type(kind),
            None => self.cooked.outgoing(bytes),
        };
        let length = original.max(captured);
        Ok(Some(Record { time, length, bytes, outgoing, ..Record::default() }))
    }

    #[cold]
    fn end<'b>(&self, buffer: &Buffer, got: usize) -> Result<Option<Record<'b>>, Fault> {
        match got {
            0 => Ok(None),
            _ => Err(Fault::cut(Part::Packet, buffer.offset(), self.header, got)),
        }
    }
}
