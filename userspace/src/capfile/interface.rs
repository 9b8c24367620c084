//! What a capture file says about the interfaces its packets came from, and what their clocks count.

use wireledger_common::abi::link::Link;

use super::Statistics;

/// Where packets of a capture file come from. A pcap file has one; a pcapng file any number, each section its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Interface {
    /// LINKTYPE number; [`linktype_name`](super::linktype_name) has the names.
    pub linktype: u32,
    /// What its packets begin with; `None`: nobody reads that here, and the caller decides what to do with them.
    pub link: Option<Link>,
    /// `if_name`, at most 256 bytes, not made printable.
    pub name: Option<String>,
    /// `if_description`, at most 256 bytes, not made printable.
    pub description: Option<String>,
    /// What its packets were selected by (`if_filter`, an expression), at most 4,096 bytes, not made printable.
    pub filter: Option<String>,
    /// Bytes kept of each packet, as the file claims; 0: no limit.
    pub snap_length: u32,
    /// Unit of its timestamps in the file.
    pub resolution: Resolution,
    /// Seconds the file adds to its timestamps (`if_tsoffset`); [`Record::time`](super::Record::time) has them.
    pub offset: i64,
}

impl Interface {
    /// An interface of which the link type is all that is known: nanoseconds, nothing cut.
    #[must_use]
    pub fn of_linktype(linktype: u32) -> Self {
        Self {
            linktype,
            link: Link::of_linktype(linktype),
            name: None,
            description: None,
            filter: None,
            snap_length: 0,
            resolution: Resolution::Decimal(9),
            offset: 0,
        }
    }
}

/// The interfaces of a file, and what was last counted on each; as many of one as of the other.
#[derive(Debug, Default)]
pub(super) struct Described {
    pub(super) interfaces: Vec<Interface>,
    pub(super) statistics: Vec<Option<Statistics>>,
}

impl Described {
    /// Adds an interface, on which nothing was counted so far.
    pub(super) fn push(&mut self, interface: Interface) {
        self.interfaces.push(interface);
        self.statistics.push(None);
    }
}

/// Unit of timestamps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resolution {
    /// 10 to the minus this, in seconds: 6 are microseconds.
    Decimal(u8),
    /// 2 to the minus this, in seconds.
    Binary(u8),
}

impl Resolution {
    /// `if_tsresol`: the most significant bit says binary.
    pub(super) fn of_option(value: u8) -> Self {
        if value & 0x80 == 0 { Self::Decimal(value) } else { Self::Binary(value & 0x7f) }
    }
}

/// Turns timestamps of one interface into nanoseconds since 1970. Saturates at both ends: the years 1970 and 2554.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    scale: Scale,
    offset: i64,
}

#[derive(Clone, Copy, Debug)]
enum Scale {
    Multiply(u64),
    Divide(u64),
    Binary(u8),
    /// So fine that every timestamp of 64 bits is less than a nanosecond.
    Nothing,
}

impl Clock {
    /// The clock of this unit and this offset in seconds.
    pub(super) fn new(resolution: Resolution, offset: i64) -> Self {
        let scale = match resolution {
            Resolution::Decimal(digits @ 0..=9) => {
                Scale::Multiply(10u64.pow(u32::from(9 - digits)))
            }
            Resolution::Decimal(digits) => {
                10u64.checked_pow(u32::from(digits - 9)).map_or(Scale::Nothing, Scale::Divide)
            }
            Resolution::Binary(bits) => Scale::Binary(bits),
        };
        Self { scale, offset: offset.saturating_mul(1_000_000_000) }
    }

    /// Nanoseconds since 1970.
    #[inline]
    pub(super) fn nanoseconds(self, ticks: u64) -> u64 {
        let since = match self.scale {
            Scale::Multiply(by) => ticks.saturating_mul(by),
            Scale::Divide(by) => ticks / by,
            Scale::Binary(bits) => {
                let wide = (u128::from(ticks) * 1_000_000_000).checked_shr(u32::from(bits));
                wide.map_or(0, |wide| u64::try_from(wide).unwrap_or(u64::MAX))
            }
            Scale::Nothing => 0,
        };
        since.saturating_add_signed(self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resolution_gives_nanoseconds() {
        let time = |value, ticks| Clock::new(Resolution::of_option(value), 0).nanoseconds(ticks);
        assert_eq!(time(0, 3), 3_000_000_000);
        assert_eq!(time(3, 1_500), 1_500_000_000);
        assert_eq!(time(6, 1_500_000), 1_500_000_000);
        assert_eq!(time(9, 1_500_000_001), 1_500_000_001);
        assert_eq!(time(12, 1_500_999), 1_500);
        assert_eq!(time(28, u64::MAX), 1);
        assert_eq!(time(0x7f, u64::MAX), 0);
        assert_eq!(time(0x80, 3), 3_000_000_000);
        assert_eq!(time(0x80 | 20, 3 << 19), 1_500_000_000);
        assert_eq!(time(0xff, u64::MAX), 0);
    }

    #[test]
    fn times_saturate_at_both_ends() {
        let time = |value, offset, ticks| {
            Clock::new(Resolution::of_option(value), offset).nanoseconds(ticks)
        };
        assert_eq!(time(0, 0, u64::MAX), u64::MAX);
        assert_eq!(time(0x80, 0, u64::MAX), u64::MAX);
        assert_eq!(time(6, i64::MIN, 1), 0);
        assert_eq!(time(6, i64::MAX, 1), i64::MAX as u64 + 1_000);
        assert_eq!(time(9, i64::MAX, u64::MAX), u64::MAX);
        assert_eq!(time(9, -1, 1_000_000_001), 1);
        assert_eq!(time(9, 2, 1), 2_000_000_001);
    }
}
