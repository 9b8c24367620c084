//! The pcapng format (draft-ietf-opsawg-pcapng): blocks, each with its type, its length before and behind it.
//!
//! Several sections, both byte orders; section headers, interface descriptions and statistics and the three packet
//! blocks are read, all others skipped without being held. Options of a packet or of statistics that make no sense do
//! not lose a packet.

use wireledger_common::abi::link::Link;

use super::{
    Interface, MAX_PACKET, Record, Resolution, Statistics,
    buffer::Buffer,
    error::{Fault, Part},
    interface::{Clock, Described},
    linktype::Cooked,
    options::{self, Options, Told},
    order::{Order, words},
};

/// The first bytes of a pcapng file, the same in both byte orders.
pub(super) const MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

const SECTION: u32 = u32::from_be_bytes(MAGIC);
const INTERFACE: u32 = 1;
/// Obsolete, as old dumpcap wrote it.
const PACKET: u32 = 2;
const SIMPLE: u32 = 3;
const STATISTICS: u32 = 5;
const ENHANCED: u32 = 6;

/// Bytes of the smallest block: type, length, length.
const SMALLEST: usize = 12;
/// Longest block that is held: a packet with as much again of options.
const MAX_BLOCK: u32 = 2 * MAX_PACKET;
/// Interfaces over all sections, so that a file of nothing else cannot exhaust the memory.
const MAX_INTERFACES: usize = 1 << 16;

/// The blocks of a pcapng file.
#[derive(Debug)]
pub(super) struct PcapNg {
    order: Order,
    /// Interfaces of the sections before this one.
    before: usize,
    /// How to read the packets of this section's interfaces.
    origins: Vec<Origin>,
}

#[derive(Debug)]
struct Origin {
    clock: Clock,
    cooked: Cooked,
    snap_length: u32,
}

/// A block's header, not yet taken from the window.
#[derive(Clone, Copy)]
struct Block {
    kind: u32,
    /// Bytes of the whole block.
    length: u32,
    order: Order,
    offset: u64,
}

impl PcapNg {
    /// Reads the first section header.
    pub(super) fn new(buffer: &mut Buffer) -> Result<Self, Fault> {
        let mut file = Self { order: Order::Little, before: 0, origins: Vec::new() };
        if let Some(block) = Block::next(buffer, file.order)? {
            file.section(buffer, block, 0)?;
        }
        Ok(file)
    }

    /// The next packet, `None` where the input ends between two blocks. Adds what is described on the way.
    #[inline]
    pub(super) fn next<'b>(
        &mut self,
        buffer: &'b mut Buffer,
        described: &mut Described,
    ) -> Result<Option<Record<'b>>, Fault> {
        let block = loop {
            let Some(block) = Block::next(buffer, self.order)? else { return Ok(None) };
            match block.kind {
                ENHANCED | SIMPLE | PACKET => break block,
                SECTION => self.section(buffer, block, described.interfaces.len())?,
                INTERFACE => self.interface(buffer, block, described)?,
                STATISTICS => self.statistics(buffer, block, described)?,
                other => block.skip(buffer, Part::Other(other))?,
            }
        };
        self.packet(buffer, block).map(Some)
    }

    fn section(&mut self, buffer: &mut Buffer, block: Block, before: usize) -> Result<(), Fault> {
        const FIXED: usize = 24;
        block.check_length(Part::Section, FIXED + 4)?;
        let got = buffer.fill(FIXED)?;
        let [_, _, _, version, _, _, ..] = words(buffer.unread()) else {
            return Err(block.cut(Part::Section, got));
        };
        let [a, b, c, d] = *version;
        let (major, minor) = (block.order.u16([a, b]), block.order.u16([c, d]));
        if major != 1 {
            let what = format!("pcapng version {major}.{minor}; 1.0 is known");
            return Err(block.corrupt(Part::Section, what));
        }
        self.order = block.order;
        self.before = before;
        self.origins.clear();
        block.skip(buffer, Part::Section)
    }

    fn interface(
        &mut self,
        buffer: &mut Buffer,
        block: Block,
        described: &mut Described,
    ) -> Result<(), Fault> {
        const FIXED: usize = 16;
        block.check_length(Part::Interface, FIXED + 4)?;
        block.hold(buffer, Part::Interface)?;
        if described.interfaces.len() >= MAX_INTERFACES {
            let what = format!("more than {MAX_INTERFACES} interfaces");
            return Err(block.corrupt(Part::Interface, what));
        }
        let bytes = buffer.take(block.length as usize);
        let [_, _, [a, b, ..], snap_length, ..] = words(bytes) else { return Ok(()) };
        let linktype = u32::from(block.order.u16([*a, *b]));
        let mut interface = Interface {
            link: Link::of_linktype(linktype),
            snap_length: block.order.u32(*snap_length),
            resolution: Resolution::Decimal(6),
            ..Interface::of_linktype(linktype)
        };
        for option in block.options(bytes, FIXED) {
            let fault = |what| block.corrupt(Part::Interface, what);
            let option = option.map_err(|overlong| fault(overlong.to_string()))?;
            options::describe(&mut interface, option, block.order).map_err(fault)?;
        }
        self.origins.push(Origin {
            clock: Clock::new(interface.resolution, interface.offset),
            cooked: Cooked::of(linktype),
            snap_length: interface.snap_length,
        });
        described.push(interface);
        Ok(())
    }

    /// Those of an interface that is not described, or too long to be held, are left out.
    fn statistics(
        &self,
        buffer: &mut Buffer,
        block: Block,
        described: &mut Described,
    ) -> Result<(), Fault> {
        const FIXED: usize = 20;
        if (block.length as usize) < FIXED + 4 || block.length > MAX_BLOCK {
            return block.skip(buffer, Part::Statistics);
        }
        block.hold(buffer, Part::Statistics)?;
        let bytes = buffer.take(block.length as usize);
        let [_, _, interface, ..] = words(bytes) else { return Ok(()) };
        let interface = block.order.u32(*interface) as usize;
        let place = described.statistics.get_mut(self.before..).unwrap_or_default();
        if let (Some(origin), Some(place)) = (self.origins.get(interface), place.get_mut(interface))
        {
            let options = block.options(bytes, FIXED);
            *place = Some(Statistics::of_options(options, block.order, origin.clock));
        }
        Ok(())
    }

    #[inline]
    fn packet<'b>(&self, buffer: &'b mut Buffer, block: Block) -> Result<Record<'b>, Fault> {
        // Type and length, then for a simple packet its length, else interface, time and both lengths.
        let fixed = if block.kind == SIMPLE { 12 } else { 28 };
        block.check_length(Part::Packet, fixed + 4)?;
        let got = buffer.fill(fixed)?;
        if got < fixed {
            return Err(block.cut(Part::Packet, got));
        }
        let head = Head::of(block, buffer.unread());
        let Some(origin) = self.origins.get(head.interface as usize) else {
            return Err(self.no_interface(block, head.interface));
        };
        let captured = head.captured(origin, block, fixed)?;
        block.hold(buffer, Part::Packet)?;
        let whole = buffer.take(block.length as usize);
        let end = fixed + captured as usize;
        let bytes = whole.get(fixed..end).unwrap_or_default();
        let options = end.next_multiple_of(4);
        let told = if fixed == 28 && options + 4 < whole.len() {
            Told::of_options(block.options(whole, options), block.order)
        } else {
            Told::default()
        };
        Ok(Record {
            time: head.ticks.map_or(0, |ticks| origin.clock.nanoseconds(ticks)),
            interface: (self.before + head.interface as usize) as u32,
            length: head.original.max(captured),
            bytes,
            outgoing: told.outgoing.or_else(|| origin.cooked.outgoing(bytes)),
            queue: told.queue,
            verdict: told.verdict,
        })
    }

    #[cold]
    fn no_interface(&self, block: Block, interface: u32) -> Fault {
        let what =
            format!("of interface {interface}, but its section describes {}", self.origins.len());
        block.corrupt(Part::Packet, what)
    }
}

/// What stands in front of a packet.
struct Head {
    /// Index within the section.
    interface: u32,
    ticks: Option<u64>,
    captured: Option<u32>,
    original: u32,
}

impl Head {
    /// Of a block's first bytes; the caller has seen to it that they are there.
    #[inline]
    fn of(block: Block, bytes: &[u8]) -> Self {
        let order = block.order;
        match (block.kind, words(bytes)) {
            (ENHANCED | PACKET, [_, _, interface, high, low, captured, original, ..]) => {
                let interface = match block.kind {
                    ENHANCED => order.u32(*interface),
                    // The obsolete block has 16 bits, then a count of drops.
                    _ => order.u16([interface[0], interface[1]]).into(),
                };
                let ticks = order.ticks(*high, *low);
                let captured = Some(order.u32(*captured));
                Self { interface, ticks: Some(ticks), captured, original: order.u32(*original) }
            }
            (_, [_, _, original, ..]) => {
                Self { interface: 0, ticks: None, captured: None, original: order.u32(*original) }
            }
            _ => Self { interface: 0, ticks: None, captured: None, original: 0 },
        }
    }

    /// Captured bytes, which the block has.
    #[inline]
    fn captured(&self, origin: &Origin, block: Block, fixed: usize) -> Result<u32, Fault> {
        let captured = match (self.captured, origin.snap_length) {
            (Some(captured), _) => captured,
            (None, 0) => self.original,
            (None, snap_length) => self.original.min(snap_length),
        };
        if captured > MAX_PACKET {
            return Err(Fault::too_long(block.offset, captured));
        }
        if captured as usize > (block.length as usize).saturating_sub(fixed + 4) {
            let length = block.length;
            let what =
                format!("captured length {captured}, more than its block of {length} bytes has");
            return Err(block.corrupt(Part::Packet, what));
        }
        Ok(captured)
    }
}

impl Block {
    /// The header of the next block, `None` at the end of the input.
    #[inline]
    fn next(buffer: &mut Buffer, order: Order) -> Result<Option<Self>, Fault> {
        let got = buffer.fill(SMALLEST)?;
        let offset = buffer.offset();
        let [kind, length, third, ..] = words(buffer.unread()) else {
            return match got {
                0 => Ok(None),
                _ => Err(Fault::cut(Part::Block, offset, SMALLEST, got)),
            };
        };
        let order = if *kind == MAGIC { byte_order(*third, offset)? } else { order };
        let (kind, length) = (order.u32(*kind), order.u32(*length));
        if length % 4 != 0 || length < SMALLEST as u32 {
            let what = format!("type 0x{kind:08x}, length {length}, which no block has");
            return Err(Fault::corrupt(Part::Block, offset, what));
        }
        Ok(Some(Self { kind, length, order, offset }))
    }

    #[inline]
    fn check_length(self, part: Part, least: usize) -> Result<(), Fault> {
        if (self.length as usize) < least {
            let what = format!("a block of {} bytes is too short for it", self.length);
            return Err(self.corrupt(part, what));
        }
        Ok(())
    }

    /// Sees to it that the whole block is in the window, and that it ends as it begins.
    #[inline]
    fn hold(self, buffer: &mut Buffer, part: Part) -> Result<(), Fault> {
        if self.length > MAX_BLOCK {
            let what = format!(
                "a block of {} bytes, more than the {MAX_BLOCK} that are read",
                self.length
            );
            return Err(self.corrupt(part, what));
        }
        let length = self.length as usize;
        let got = buffer.fill(length)?;
        match buffer.unread().get(length - 4..length) {
            Some(trailer) => self.check_trailer(part, trailer),
            None => Err(self.cut(part, got)),
        }
    }

    /// Leaves the block out, however long.
    fn skip(self, buffer: &mut Buffer, part: Part) -> Result<(), Fault> {
        let wanted = u64::from(self.length) - 4;
        let skipped = buffer.skip(wanted)?;
        let got = if skipped < wanted { 0 } else { buffer.fill(4)? };
        if got < 4 {
            return Err(self.cut(part, skipped as usize + got));
        }
        self.check_trailer(part, buffer.take(4))
    }

    #[inline]
    fn check_trailer(self, part: Part, trailer: &[u8]) -> Result<(), Fault> {
        match words(trailer) {
            [behind, ..] if self.order.u32(*behind) != self.length => {
                let behind = self.order.u32(*behind);
                let what = format!("length {} before, {behind} behind it", self.length);
                Err(self.corrupt(part, what))
            }
            _ => Ok(()),
        }
    }

    /// The options of this block, `whole` being its bytes.
    fn options(self, whole: &[u8], from: usize) -> Options<'_> {
        let end = (self.length as usize).saturating_sub(4);
        Options::new(whole.get(from..end).unwrap_or_default(), self.order)
    }

    #[cold]
    fn corrupt(self, part: Part, what: impl Into<Box<str>>) -> Fault {
        Fault::corrupt(part, self.offset, what)
    }

    #[cold]
    fn cut(self, part: Part, got: usize) -> Fault {
        Fault::cut(part, self.offset, self.length as usize, got)
    }
}

/// The byte order of a section, from its byte-order magic.
fn byte_order(magic: [u8; 4], offset: u64) -> Result<Order, Fault> {
    match u32::from_le_bytes(magic) {
        0x1a2b_3c4d => Ok(Order::Little),
        0x4d3c_2b1a => Ok(Order::Big),
        other => {
            let what = format!("byte-order magic 0x{:08x}, not 0x1a2b3c4d", other.swap_bytes());
            Err(Fault::corrupt(Part::Section, offset, what))
        }
    }
}
