//! Ethernet, VLAN tags, MPLS labels, PPPoE.

/// Destination of every crafted frame: no interface of a test has this address, so the host drops them unanswered.
pub const NOBODY: [u8; 6] = [0x02, 0, 0, 0, 0x99, 0x02];
/// Source of every crafted frame.
pub const SOMEBODY: [u8; 6] = [0x02, 0, 0, 0, 0x99, 0x01];

/// EtherTypes (IANA "IEEE 802 Numbers").
pub mod ether_type {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// RARP.
    pub const RARP: u16 = 0x8035;
    /// 802.1Q.
    pub const VLAN: u16 = 0x8100;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
    /// MPLS.
    pub const MPLS: u16 = 0x8847;
    /// MPLS with an upstream-assigned label.
    pub const MPLS_UPSTREAM: u16 = 0x8848;
    /// PPPoE discovery.
    pub const PPPOE_DISCOVERY: u16 = 0x8863;
    /// PPPoE session.
    pub const PPPOE_SESSION: u16 = 0x8864;
    /// EAP over LAN.
    pub const EAPOL: u16 = 0x888e;
    /// 802.1ad.
    pub const PROVIDER_VLAN: u16 = 0x88a8;
    /// LLDP.
    pub const LLDP: u16 = 0x88cc;
    /// MACsec.
    pub const MACSEC: u16 = 0x88e5;
    /// PTP.
    pub const PTP: u16 = 0x88f7;
    /// Stacked tags before 802.1ad.
    pub const OLD_PROVIDER_VLAN: u16 = 0x9100;
    /// For local experiments (IEEE 802).
    pub const EXPERIMENT: u16 = 0x88b5;
}

/// PPP protocol numbers (IANA).
pub mod ppp {
    /// IPv4.
    pub const IPV4: u16 = 0x0021;
    /// IPv6.
    pub const IPV6: u16 = 0x0057;
    /// Link control.
    pub const LCP: u16 = 0xc021;
}

/// An Ethernet frame.
#[must_use]
pub fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&NOBODY[..], &SOMEBODY, &ether_type.to_be_bytes(), payload].concat()
}

/// An Ethernet frame with VLAN tags, outermost first: each tag's own EtherType, and its id.
#[must_use]
pub fn tagged(tags: &[(u16, u16)], ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = [NOBODY, SOMEBODY].concat();
    for (tag, id) in tags {
        frame.extend(tag.to_be_bytes());
        frame.extend(id.to_be_bytes());
    }
    frame.extend(ether_type.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A stack of MPLS labels, the last with the bottom bit (RFC 3032).
#[must_use]
pub fn mpls(labels: u32, payload: &[u8]) -> Vec<u8> {
    const TTL: u32 = 64;
    let entry = |n: u32| (1000 + n) << 12 | u32::from(n + 1 == labels) << 8 | TTL;
    let mut stack: Vec<_> = (0..labels).flat_map(|n| entry(n).to_be_bytes()).collect();
    stack.extend(payload);
    stack
}

/// A PPPoE session packet (RFC 2516), from its version on.
#[must_use]
pub fn pppoe(protocol: u16, payload: &[u8]) -> Vec<u8> {
    Pppoe { protocol, ..Pppoe::default() }.packet(payload)
}

/// A PPPoE session header and the PPP protocol behind it.
#[derive(Clone, Copy, Debug)]
pub struct Pppoe {
    /// 1 and 1 in one byte, when right.
    pub version_type: u8,
    /// 0 for session data.
    pub code: u8,
    /// Bytes that follow, the protocol's two included; `None` for the truth.
    pub length: Option<u16>,
    /// PPP protocol.
    pub protocol: u16,
}

impl Default for Pppoe {
    fn default() -> Self {
        Self { version_type: 0x11, code: 0, length: None, protocol: ppp::IPV4 }
    }
}

impl Pppoe {
    /// The header before `payload`.
    #[must_use]
    pub fn packet(&self, payload: &[u8]) -> Vec<u8> {
        const SESSION: u16 = 0x1234;
        let length = self.length.unwrap_or(payload.len() as u16 + 2);
        let mut packet = vec![self.version_type, self.code];
        packet.extend(SESSION.to_be_bytes());
        packet.extend(length.to_be_bytes());
        packet.extend(self.protocol.to_be_bytes());
        packet.extend(payload);
        packet
    }
}

/// An ARP or RARP packet for IPv4 over Ethernet (RFC 826).
#[must_use]
pub fn arp(operation: u16) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4];
    packet.extend(operation.to_be_bytes());
    packet.extend(SOMEBODY);
    packet.extend([192, 0, 2, 1]);
    packet.extend([0; 6]);
    packet.extend([192, 0, 2, 2]);
    packet
}
