//! What flow a packet belongs to, or why to none, by tshark's fields alone.
//!
//! The rules are the RFCs', written down again here: nothing of the product's parser is used. Values and the order of
//! headers are tshark's; where a header stands follows from the lengths that it shows.

use std::{fmt, net::IpAddr};

use wireledger_tests::tshark::{Field, Row};

/// Reason for an unread packet, by its label.
pub(crate) type Reason = &'static str;

/// What a packet's headers come to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Headers {
    pub(crate) key: Key,
    pub(crate) fragment: Fragment,
    /// Identification, and for IPv4 the protocol beside it; 0 for what is no fragment.
    pub(crate) datagram: (u32, u8),
    pub(crate) tcp_flags: u16,
    pub(crate) ttl: u8,
    pub(crate) dscp: u8,
}

/// A flow's name without interface and direction.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Key {
    pub(crate) vlans: Vec<u16>,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    /// Ports, or ICMP type and code.
    pub(crate) ports: (u16, u16),
    /// Fragments whose ports nobody knows.
    pub(crate) fragment: bool,
}

/// Where in its datagram a packet stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fragment {
    Whole,
    First,
    Tiny,
    Later,
}

impl fmt::Display for Headers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Key { vlans, source, destination, protocol, ports, fragment } = &self.key;
        write!(out, "{vlans:?} {source} > {destination} {protocol} {ports:?} {fragment}")?;
        write!(out, " {:?} {:?} {:#x}", self.fragment, self.datagram, self.tcp_flags)?;
        write!(out, " ttl {} dscp {}", self.ttl, self.dscp)
    }
}

/// IP protocol numbers (IANA).
mod protocol {
    pub(super) const HOP_BY_HOP: u64 = 0;
    pub(super) const ICMP: u64 = 1;
    pub(super) const TCP: u64 = 6;
    pub(super) const UDP: u64 = 17;
    pub(super) const DCCP: u64 = 33;
    pub(super) const ROUTING: u64 = 43;
    pub(super) const FRAGMENT: u64 = 44;
    pub(super) const AUTHENTICATION: u64 = 51;
    pub(super) const ICMPV6: u64 = 58;
    pub(super) const DESTINATION: u64 = 60;
    pub(super) const SCTP: u64 = 132;
    pub(super) const UDP_LITE: u64 = 136;
}

/// Headers that may be skipped on the way to the transport.
const EXTENSIONS_MAX: u32 = 8;

/// Bytes of the original packet; some files claim fewer than they captured.
pub(crate) fn length(row: &Row) -> u64 {
    let of = |field| row.nth(field, 0).unwrap_or_default();
    of(Field::Length).max(of(Field::Captured))
}

/// The packet's flow, or why it has none.
pub(crate) fn judge(row: &Row) -> Result<Headers, Reason> {
    let (at, six) = link(row)?;
    let vlans: Vec<_> = [Field::ProviderVlanId, Field::VlanId]
        .iter()
        .flat_map(|&field| row.all(field))
        .map(|id| id.parse().expect("a VLAN id is a number"))
        .collect();
    let mut walk = Walk {
        row,
        at,
        payload: 0,
        protocol: 0,
        skipped: [0; 5],
        headers: Headers {
            key: Key {
                vlans,
                source: address(row, if six { Field::Ipv6Source } else { Field::IpSource }),
                destination: address(
                    row,
                    if six { Field::Ipv6Destination } else { Field::IpDestination },
                ),
                protocol: 0,
                ports: (0, 0),
                fragment: false,
            },
            fragment: Fragment::Whole,
            datagram: (0, 0),
            tcp_flags: 0,
            ttl: 0,
            dscp: 0,
        },
    };
    if six {
        walk.ipv6()?
    } else {
        walk.ipv4()?
    }
    walk.headers.key.protocol = walk.protocol as u8;
    walk.transport()?;
    Ok(walk.headers)
}

/// Where a header was cut is no address; nobody asks for it then.
fn address(row: &Row, field: Field) -> IpAddr {
    let text = row.all(field).next();
    text.map_or(IpAddr::from([0; 4]), |text| text.parse().expect("tshark shows addresses"))
}

/// Where the first IP header begins, and whether it is IPv6's.
fn link(row: &Row) -> Result<(u64, bool), Reason> {
    let mut at = 0;
    let mut labels = row.all(Field::MplsLabel).count() as u64;
    let mut last = "";
    for token in row.cell(Field::Protocols).split(':') {
        at += match token {
            "ip" => return Ok((at, false)),
            "ipv6" => return Ok((at, true)),
            "eth" if at == 0 => 14,
            // Only version 2 of the cooked header names the interface.
            "sll" if row.has(Field::SllInterface) => 20,
            "sll" => 16,
            "vlan" | "ieee8021ad" | "null" => 4,
            "mpls" => 4 * std::mem::take(&mut labels),
            "pppoes" => 6,
            "ppp" => 2,
            "llc" => 8,
            "raw" | "ethertype" => 0,
            _ => break,
        };
        last = token;
    }
    Err(other(row, last))
}

/// Why there is no IP packet behind `last`, the last link header.
fn other(row: &Row, last: &str) -> Reason {
    let cut = row.has(Field::Short) || row.has(Field::Malformed);
    let tags = row.all(Field::ProviderVlanId).chain(row.all(Field::VlanId)).count();
    let types = [Field::VlanType, Field::SllType, Field::EthType];
    let number = types.iter().find_map(|&field| row.all(field).last());
    let number = number.and_then(wireledger_tests::tshark::number);
    match (last, number) {
        ("eth" | "sll" | "null", _) if cut && !row.has(Field::EthLength) => "link_truncated",
        (_, _) if tags > 3 => "vlan_depth",
        ("mpls", _) if row.all(Field::MplsLabel).count() > 8 => "mpls_depth",
        ("mpls", _) => "mpls_payload",
        ("pppoes", _) => "pppoe",
        ("ppp", _) => "ppp_protocol",
        ("llc", _) => "llc",
        (_, _) if row.has(Field::EthLength) => "llc",
        (_, Some(0x0806 | 0x8035)) => "arp",
        (_, Some(0x86dd)) if row.has(Field::Ipv6BadVersion) => "ipv6_version",
        (_, Some(0x8863)) => "pppoe_discovery",
        (_, Some(0x888e)) => "eapol",
        (_, Some(0x88cc)) => "lldp",
        (_, Some(0x88e5)) => "macsec",
        (_, Some(0x88f7)) => "ptp",
        (_, Some(_)) => "ether_type",
        _ if cut => "link_truncated",
        _ => "unexplained",
    }
}

/// The way from the IP header to the transport header.
struct Walk<'a> {
    row: &'a Row,
    /// Where the next header begins.
    at: u64,
    /// Bytes from there to the packet's end, by its own lengths.
    payload: u64,
    /// What the next header is.
    protocol: u64,
    /// How many headers of each extension were seen.
    skipped: [usize; 5],
    headers: Headers,
}

impl Walk<'_> {
    fn first(&self, field: Field) -> Option<u64> {
        self.row.nth(field, 0)
    }

    /// The packet is cut at a header; tshark must have noticed.
    fn cut(&self, reason: Reason) -> Reason {
        if self.row.has(Field::Short) || self.row.has(Field::Malformed) { reason } else { "whole" }
    }

    /// The next `bytes` were captured.
    fn is_captured(&self, bytes: u64) -> bool {
        self.first(Field::Captured).is_some_and(|captured| self.at + bytes <= captured)
    }

    fn ipv4(&mut self) -> Result<(), Reason> {
        if self.row.has(Field::IpBadVersion) {
            return Err("ipv4_version");
        }
        let header = self.first(Field::IpHeader).ok_or_else(|| self.cut("ipv4_truncated"))?;
        if header < 20 && self.row.has(Field::IpBadHeader) {
            return Err("ipv4_header_length");
        }
        if !self.is_captured(header) {
            return Err(self.cut("ipv4_truncated"));
        }
        let room = length(self.row) - self.at;
        // 0 is the frame's length to tshark too, which shows that.
        let total = self.first(Field::IpLength).ok_or("no length")?;
        if total < header || total > room {
            let noticed = self.row.has(Field::IpBadLength);
            return Err(if noticed { "ipv4_total_length" } else { "length" });
        }
        self.payload = total - header;
        self.at += header;
        self.protocol = self.first(Field::IpProtocol).ok_or("no protocol")?;
        self.headers.ttl = self.first(Field::IpTtl).ok_or("no TTL")? as u8;
        self.headers.dscp = self.first(Field::IpDscp).ok_or("no DSCP")? as u8;
        let offset = self.first(Field::IpOffset).ok_or("no offset")?;
        self.fragment(offset, self.first(Field::IpMf) == Some(1));
        if self.headers.fragment != Fragment::Whole {
            let id = self.first(Field::IpId).ok_or("no identification")? as u32;
            self.headers.datagram = (id, self.protocol as u8);
        }
        if self.protocol == protocol::AUTHENTICATION && self.headers.fragment != Fragment::Later {
            self.extension()?;
        }
        Ok(())
    }

    fn ipv6(&mut self) -> Result<(), Reason> {
        const HEADER: u64 = 40;
        if !self.is_captured(HEADER) {
            return Err(self.cut("ipv6_truncated"));
        }
        self.at += HEADER;
        let room = length(self.row) - self.at;
        let payload = self.first(Field::Ipv6Length).ok_or("no length")?;
        if payload > room {
            let noticed = self.row.has(Field::Ipv6BadLength);
            return Err(if noticed { "ipv6_payload_length" } else { "length" });
        }
        self.payload = if payload == 0 { room } else { payload };
        self.protocol = self.first(Field::Ipv6Next).ok_or("no next header")?;
        self.headers.ttl = self.first(Field::Ipv6HopLimit).ok_or("no hop limit")? as u8;
        self.headers.dscp = self.first(Field::Ipv6Dscp).ok_or("no DSCP")? as u8;
        let mut seen = 0;
        while self.headers.fragment != Fragment::Later && self.extension()? {
            seen += 1;
            if seen > EXTENSIONS_MAX {
                return Err("extension_depth");
            }
        }
        Ok(())
    }

    fn fragment(&mut self, offset: u64, more: bool) {
        self.headers.fragment = match (offset, more) {
            (0, false) => Fragment::Whole,
            (0, true) => Fragment::First,
            _ => Fragment::Later,
        };
    }

    /// Over the next header, if it is one of those between IP and transport.
    fn extension(&mut self) -> Result<bool, Reason> {
        let (kind, next, length) = match self.protocol {
            protocol::HOP_BY_HOP => (0, Field::HopByHopNext, Some(Field::HopByHopLength)),
            protocol::ROUTING => (1, Field::RoutingNext, Some(Field::RoutingLength)),
            protocol::DESTINATION => (2, Field::DestinationNext, Some(Field::DestinationLength)),
            protocol::FRAGMENT => (3, Field::FragmentNext, None),
            protocol::AUTHENTICATION => (4, Field::AhNext, Some(Field::AhLength)),
            _ => return Ok(false),
        };
        if self.payload < 8 {
            return Err("extension_truncated");
        }
        let nth = self.skipped[kind];
        self.skipped[kind] += 1;
        let value = |field| self.row.nth(field, nth).ok_or_else(|| self.cut("extension_truncated"));
        let bytes = match length {
            None => 8,
            // RFC 4302 section 2.2: words, two not counted. The other lengths are in bytes already.
            Some(Field::AhLength) => (value(Field::AhLength)? + 2) * 4,
            Some(field) => value(field)?,
        };
        if bytes > self.payload || !self.is_captured(bytes) {
            return Err(self.cut("extension_truncated"));
        }
        let next = value(next)?;
        if self.protocol == protocol::FRAGMENT {
            let (offset, more) = (value(Field::FragmentOffset)?, value(Field::FragmentMore)? == 1);
            let id = value(Field::FragmentId)? as u32;
            // An atomic fragment is none (RFC 6946).
            if offset != 0 || more {
                self.fragment(offset, more);
                self.headers.datagram = (id, 0);
            }
        }
        (self.at, self.payload, self.protocol) = (self.at + bytes, self.payload - bytes, next);
        Ok(true)
    }

    fn transport(&mut self) -> Result<(), Reason> {
        const PORTS: u64 = 4;
        let (from, to, header) = match self.protocol {
            _ if self.headers.fragment == Fragment::Later => {
                self.headers.key.fragment = true;
                return Ok(());
            }
            protocol::TCP => (Field::TcpSource, Field::TcpDestination, 20),
            protocol::UDP | protocol::UDP_LITE => (Field::UdpSource, Field::UdpDestination, 8),
            protocol::ICMP => (Field::IcmpType, Field::IcmpCode, PORTS),
            protocol::ICMPV6 => (Field::Icmpv6Type, Field::Icmpv6Code, PORTS),
            protocol::SCTP => (Field::SctpSource, Field::SctpDestination, 12),
            protocol::DCCP => (Field::DccpSource, Field::DccpDestination, 12),
            _ => return Ok(()),
        };
        let is_first = self.headers.fragment == Fragment::First;
        if is_first && self.payload < PORTS {
            self.headers.fragment = Fragment::Tiny;
            self.headers.key.fragment = true;
            return Ok(());
        }
        if self.payload < if is_first { PORTS } else { header } {
            return Err("transport_truncated");
        }
        let value = |field| self.first(field).ok_or_else(|| self.cut("transport_truncated"));
        self.headers.key.ports = (value(from)? as u16, value(to)? as u16);
        if self.payload < header {
            return Ok(());
        }
        match self.protocol {
            protocol::TCP => self.tcp(),
            protocol::UDP => self.udp(Field::UdpLength),
            protocol::UDP_LITE => self.udp(Field::UdpCoverage),
            protocol::ICMP => self.echo(&[0, 8]),
            protocol::ICMPV6 => self.echo(&[128, 129]),
            _ => Ok(()),
        }
    }

    fn tcp(&mut self) -> Result<(), Reason> {
        if !self.is_captured(20) {
            return Err(self.cut("transport_truncated"));
        }
        let header = self.first(Field::TcpHeader).ok_or("no header length")?;
        let too_long = header > self.payload && self.headers.fragment == Fragment::Whole;
        if header < 20 || too_long {
            return Err("tcp_data_offset");
        }
        // Three reserved bits stand before the nine flags.
        self.headers.tcp_flags = (self.first(Field::TcpFlags).ok_or("no flags")? & 0x1ff) as u16;
        Ok(())
    }

    fn udp(&self, field: Field) -> Result<(), Reason> {
        if !self.is_captured(8) {
            return Err(self.cut("transport_truncated"));
        }
        let length = self.first(field).ok_or("no length")?;
        // RFC 3828 section 3.1: a coverage of 0 is everything. RFC 2675 section 4: so is a length of 0, in jumbograms.
        let everything = field == Field::UdpCoverage || self.payload > 0xffff;
        if length == 0 && everything {
            return Ok(());
        }
        let too_long = length > self.payload && self.headers.fragment == Fragment::Whole;
        if length < 8 || too_long { Err("udp_length") } else { Ok(()) }
    }

    /// An echo's identifier belongs to its header.
    fn echo(&self, kinds: &[u16]) -> Result<(), Reason> {
        let is_echo = kinds.contains(&self.headers.key.ports.0);
        if is_echo && self.payload >= 8 && !self.is_captured(8) {
            return Err(self.cut("transport_truncated"));
        }
        Ok(())
    }
}
