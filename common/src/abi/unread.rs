//! Why a packet has no flow: each reason is a counter, a metric label and a line of docs/METRICS.md.

/// A packet whose headers were not understood far enough for a flow key.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Unread {
    /// The frame ends inside its link header (Ethernet, cooked, loopback), a VLAN tag, MPLS or PPPoE.
    LinkTruncated,
    /// ARP, EtherType 0x0806 (RFC 826) or RARP, 0x8035 (RFC 903).
    Arp,
    /// LLDP, EtherType 0x88cc (IEEE 802.1AB).
    Lldp,
    /// An 802.3 length field instead of an EtherType, and no IP behind LLC and SNAP (RFC 1042): spanning tree, IS-IS.
    Llc,
    /// EAP over LAN, EtherType 0x888e (IEEE 802.1X).
    Eapol,
    /// MACsec, EtherType 0x88e5 (IEEE 802.1AE): encrypted.
    Macsec,
    /// PTP over Ethernet, EtherType 0x88f7 (IEEE 1588).
    Ptp,
    /// PPPoE discovery, EtherType 0x8863 (RFC 2516).
    PppoeDiscovery,
    /// An EtherType with no name here; a loopback family or a first byte that is not IP.
    EtherType,
    /// More than three VLAN tags.
    VlanDepth,
    /// More than eight MPLS labels.
    MplsDepth,
    /// What follows the MPLS label stack is neither IPv4 nor IPv6 (RFC 4928: the first nibble tells).
    MplsPayload,
    /// A PPPoE session header whose version, type, code or length is wrong (RFC 2516 section 4).
    Pppoe,
    /// A PPP protocol other than IPv4 and IPv6: LCP, IPCP, compressed (RFC 1661).
    PppProtocol,
    /// The frame ends inside its IPv4 header.
    Ipv4Truncated,
    /// The version field is not 4.
    Ipv4Version,
    /// The header length is below 20 bytes (RFC 791 section 3.1).
    Ipv4HeaderLength,
    /// The total length is below the header's or beyond the frame's (RFC 791 section 3.1).
    Ipv4TotalLength,
    /// The frame ends inside its IPv6 header.
    Ipv6Truncated,
    /// The version field is not 6.
    Ipv6Version,
    /// The payload length goes beyond the frame (RFC 8200 section 3).
    Ipv6PayloadLength,
    /// An extension header goes beyond the payload (RFC 8200 section 4, RFC 4302 for AH).
    ExtensionTruncated,
    /// More than eight extension headers.
    ExtensionDepth,
    /// The packet ends inside its transport header.
    TransportTruncated,
    /// TCP data offset below 5 or beyond the segment (RFC 9293 section 3.1).
    TcpDataOffset,
    /// UDP length below 8 or beyond the datagram (RFC 768), UDP-Lite coverage likewise (RFC 3828).
    UdpLength,
    /// The headers reach beyond the linear part of a multi-buffer frame.
    NotLinear,
}

impl Unread {
    /// Every reason in index order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::LinkTruncated,
        Self::Arp,
        Self::Lldp,
        Self::Llc,
        Self::Eapol,
        Self::Macsec,
        Self::Ptp,
        Self::PppoeDiscovery,
        Self::EtherType,
        Self::VlanDepth,
        Self::MplsDepth,
        Self::MplsPayload,
        Self::Pppoe,
        Self::PppProtocol,
        Self::Ipv4Truncated,
        Self::Ipv4Version,
        Self::Ipv4HeaderLength,
        Self::Ipv4TotalLength,
        Self::Ipv6Truncated,
        Self::Ipv6Version,
        Self::Ipv6PayloadLength,
        Self::ExtensionTruncated,
        Self::ExtensionDepth,
        Self::TransportTruncated,
        Self::TcpDataOffset,
        Self::UdpLength,
        Self::NotLinear,
    ];
    /// How many reasons there are.
    pub const COUNT: usize = 27;

    /// The label of metrics and tables.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::LinkTruncated => "link_truncated",
            Self::Arp => "arp",
            Self::Lldp => "lldp",
            Self::Llc => "llc",
            Self::Eapol => "eapol",
            Self::Macsec => "macsec",
            Self::Ptp => "ptp",
            Self::PppoeDiscovery => "pppoe_discovery",
            Self::EtherType => "ether_type",
            Self::VlanDepth => "vlan_depth",
            Self::MplsDepth => "mpls_depth",
            Self::MplsPayload => "mpls_payload",
            Self::Pppoe => "pppoe",
            Self::PppProtocol => "ppp_protocol",
            Self::Ipv4Truncated => "ipv4_truncated",
            Self::Ipv4Version => "ipv4_version",
            Self::Ipv4HeaderLength => "ipv4_header_length",
            Self::Ipv4TotalLength => "ipv4_total_length",
            Self::Ipv6Truncated => "ipv6_truncated",
            Self::Ipv6Version => "ipv6_version",
            Self::Ipv6PayloadLength => "ipv6_payload_length",
            Self::ExtensionTruncated => "extension_truncated",
            Self::ExtensionDepth => "extension_depth",
            Self::TransportTruncated => "transport_truncated",
            Self::TcpDataOffset => "tcp_data_offset",
            Self::UdpLength => "udp_length",
            Self::NotLinear => "not_linear",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_at_its_own_index() {
        for (index, reason) in Unread::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
    }

    #[test]
    fn labels_are_distinct() {
        let mut labels: Vec<_> = Unread::ALL.map(Unread::label).into();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), Unread::COUNT);
    }
}
