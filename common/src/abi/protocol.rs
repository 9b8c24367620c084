//! Protocol classes: what packets are counted by when a counter per protocol number would be too many.

/// Class of an IP protocol number, used as an index and as a metric label.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Protocol {
    /// TCP, 6 (RFC 9293).
    Tcp,
    /// UDP, 17 (RFC 768).
    Udp,
    /// ICMP, 1 (RFC 792).
    Icmp,
    /// ICMPv6, 58 (RFC 4443).
    Icmpv6,
    /// SCTP, 132 (RFC 9260).
    Sctp,
    /// DCCP, 33 (RFC 4340).
    Dccp,
    /// UDP-Lite, 136 (RFC 3828).
    UdpLite,
    /// GRE, 47 (RFC 2784).
    Gre,
    /// ESP, 50 (RFC 4303).
    Esp,
    /// IGMP, 2 (RFC 9776).
    Igmp,
    /// IPv4 or IPv6 in IP, 4 and 41 (RFC 2003, RFC 2473).
    Ipip,
    /// Every other protocol.
    Other,
}

impl Protocol {
    /// Every class in index order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Tcp,
        Self::Udp,
        Self::Icmp,
        Self::Icmpv6,
        Self::Sctp,
        Self::Dccp,
        Self::UdpLite,
        Self::Gre,
        Self::Esp,
        Self::Igmp,
        Self::Ipip,
        Self::Other,
    ];
    /// How many classes there are.
    pub const COUNT: usize = 12;

    /// The class of an IP protocol number.
    #[inline(always)]
    #[must_use]
    pub const fn of(number: u8) -> Self {
        match number {
            6 => Self::Tcp,
            17 => Self::Udp,
            1 => Self::Icmp,
            58 => Self::Icmpv6,
            132 => Self::Sctp,
            33 => Self::Dccp,
            136 => Self::UdpLite,
            47 => Self::Gre,
            50 => Self::Esp,
            2 => Self::Igmp,
            4 | 41 => Self::Ipip,
            _ => Self::Other,
        }
    }

    /// The label of metrics and tables.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Icmpv6 => "icmpv6",
            Self::Sctp => "sctp",
            Self::Dccp => "dccp",
            Self::UdpLite => "udplite",
            Self::Gre => "gre",
            Self::Esp => "esp",
            Self::Igmp => "igmp",
            Self::Ipip => "ipip",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_stands_at_its_own_index() {
        for (index, class) in Protocol::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, index);
        }
    }

    #[test]
    fn labels_are_distinct() {
        let mut labels: Vec<_> = Protocol::ALL.map(Protocol::label).into();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), Protocol::COUNT);
    }
}
