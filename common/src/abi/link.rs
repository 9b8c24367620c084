//! What a frame begins with.

/// The header in front of the network layer.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Link {
    /// Ethernet (IEEE 802.3).
    #[default]
    Ethernet,
    /// None: the packet begins with its IPv4 or IPv6 header.
    Raw,
    /// Linux "cooked" capture, version 1 (LINKTYPE_LINUX_SLL).
    Sll,
    /// Linux "cooked" capture, version 2 (LINKTYPE_LINUX_SLL2).
    Sll2,
    /// BSD loopback: an address family of four bytes, in the byte order of the machine that captured (LINKTYPE_NULL) or
    /// of the network (LINKTYPE_LOOP).
    Null,
}

impl Link {
    /// Every link in index order.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Ethernet, Self::Raw, Self::Sll, Self::Sll2, Self::Null];
    /// How many links there are.
    pub const COUNT: usize = 5;

    /// The link of a LINKTYPE number, as capture files have it (tcpdump.org's registry of link-layer header types);
    /// `None` for those that nobody reads here.
    #[must_use]
    pub const fn of_linktype(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Ethernet),
            // 12 and 14 are the DLT_RAW of some systems; 228 and 229 promise IPv4 or IPv6.
            12 | 14 | 101 | 228 | 229 => Some(Self::Raw),
            113 => Some(Self::Sll),
            276 => Some(Self::Sll2),
            0 | 108 => Some(Self::Null),
            _ => None,
        }
    }

    /// The link with this index, as it crosses the boundary.
    #[inline(always)]
    #[must_use]
    pub const fn of_index(index: u32) -> Option<Self> {
        match index {
            0 => Some(Self::Ethernet),
            1 => Some(Self::Raw),
            2 => Some(Self::Sll),
            3 => Some(Self::Sll2),
            4 => Some(Self::Null),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_stands_at_its_own_index() {
        for (index, link) in Link::ALL.into_iter().enumerate() {
            assert_eq!(link as usize, index);
            assert_eq!(Link::of_index(index as u32), Some(link));
        }
        assert_eq!(Link::of_index(Link::COUNT as u32), None);
    }
}
