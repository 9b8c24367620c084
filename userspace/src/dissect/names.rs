//! What numbers are called: EtherTypes, IP protocols, ports, types and codes (IANA registries; tcpdump's spelling where
//! the line shows it).

/// EtherTypes (IANA "IEEE 802 Numbers").
pub(super) mod ether_type {
    pub(in crate::dissect) const IPV4: u16 = 0x0800;
    pub(in crate::dissect) const ARP: u16 = 0x0806;
    pub(in crate::dissect) const TEB: u16 = 0x6558;
    pub(in crate::dissect) const RARP: u16 = 0x8035;
    pub(in crate::dissect) const VLAN: u16 = 0x8100;
    pub(in crate::dissect) const IPV6: u16 = 0x86dd;
    pub(in crate::dissect) const PPP: u16 = 0x880b;
    pub(in crate::dissect) const MPLS: u16 = 0x8847;
    pub(in crate::dissect) const MPLS_UPSTREAM: u16 = 0x8848;
    pub(in crate::dissect) const PPPOE_DISCOVERY: u16 = 0x8863;
    pub(in crate::dissect) const PPPOE_SESSION: u16 = 0x8864;
    pub(in crate::dissect) const EAPOL: u16 = 0x888e;
    pub(in crate::dissect) const PROVIDER_VLAN: u16 = 0x88a8;
    pub(in crate::dissect) const ERSPAN: u16 = 0x88be;
    pub(in crate::dissect) const LLDP: u16 = 0x88cc;
    pub(in crate::dissect) const MACSEC: u16 = 0x88e5;
    pub(in crate::dissect) const PTP: u16 = 0x88f7;
    pub(in crate::dissect) const OLD_PROVIDER_VLAN: u16 = 0x9100;
    pub(in crate::dissect) const ERSPAN_3: u16 = 0x22eb;
}

/// IP protocol numbers (IANA).
pub(super) mod protocol {
    pub(in crate::dissect) const HOP_BY_HOP: u8 = 0;
    pub(in crate::dissect) const ICMP: u8 = 1;
    pub(in crate::dissect) const IGMP: u8 = 2;
    pub(in crate::dissect) const IPV4: u8 = 4;
    pub(in crate::dissect) const TCP: u8 = 6;
    pub(in crate::dissect) const UDP: u8 = 17;
    pub(in crate::dissect) const DCCP: u8 = 33;
    pub(in crate::dissect) const IPV6: u8 = 41;
    pub(in crate::dissect) const ROUTING: u8 = 43;
    pub(in crate::dissect) const FRAGMENT: u8 = 44;
    pub(in crate::dissect) const GRE: u8 = 47;
    pub(in crate::dissect) const ESP: u8 = 50;
    pub(in crate::dissect) const AH: u8 = 51;
    pub(in crate::dissect) const ICMPV6: u8 = 58;
    pub(in crate::dissect) const NO_NEXT: u8 = 59;
    pub(in crate::dissect) const DESTINATION: u8 = 60;
    pub(in crate::dissect) const EIGRP: u8 = 88;
    pub(in crate::dissect) const OSPF: u8 = 89;
    pub(in crate::dissect) const PIM: u8 = 103;
    pub(in crate::dissect) const VRRP: u8 = 112;
    pub(in crate::dissect) const SCTP: u8 = 132;
    pub(in crate::dissect) const MOBILITY: u8 = 135;
    pub(in crate::dissect) const UDP_LITE: u8 = 136;
    pub(in crate::dissect) const ETHERNET: u8 = 143;
}

/// Declares a function from numbers to names.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident { $($($number:literal)|+ => $called:literal,)* })*) => {
        $(
            $(#[$doc])*
            pub(super) fn $name(number: u64) -> Option<&'static str> {
                Some(match number {
                    $($($number)|+ => $called,)*
                    _ => return None,
                })
            }
        )*
    };
}

names! {
    /// EtherTypes, as tcpdump has them, and some that it lacks.
    ether_type_of {
        0x0800 => "IPv4", 0x0806 => "ARP", 0x0842 => "Wake-on-LAN", 0x22eb => "ERSPAN III",
        0x22f3 => "TRILL", 0x6558 => "TEB", 0x8035 => "Reverse ARP", 0x809b => "Appletalk",
        0x80f3 => "Appletalk ARP", 0x8100 => "802.1Q", 0x8137 => "IPX", 0x86dd => "IPv6",
        0x8808 => "MPCP", 0x8809 => "Slow Protocols", 0x880b => "PPP", 0x8847 => "MPLS unicast",
        0x8848 => "MPLS multicast", 0x8863 => "PPPoE D", 0x8864 => "PPPoE S", 0x8870 => "Jumbo",
        0x888e => "EAPOL", 0x8892 => "PROFINET", 0x88a2 => "AoE", 0x88a4 => "EtherCAT",
        0x88a8 => "802.1Q-QinQ", 0x88be => "ERSPAN", 0x88ca => "TIPC", 0x88cc => "LLDP",
        0x88e5 => "802.1AE MACsec", 0x88f7 => "PTP", 0x8902 => "CFM", 0x8906 => "FCoE",
        0x894f => "NSH", 0x9000 => "Loopback", 0x9100 => "802.1Q-9100", 0x9200 => "802.1Q-9200",
    }
    /// IP protocols, as tcpdump spells them in `proto TCP (6)`.
    ip_protocol {
        0 => "Options", 1 => "ICMP", 2 => "IGMP", 4 => "IPIP", 6 => "TCP", 8 => "EGP",
        9 => "IGRP", 17 => "UDP", 33 => "DCCP", 41 => "IPv6", 43 => "Routing", 44 => "Fragment",
        46 => "RSVP", 47 => "GRE", 50 => "ESP", 51 => "AH", 55 => "Mobile IP", 58 => "ICMPv6",
        59 => "no next header", 88 => "EIGRP", 89 => "OSPF", 103 => "PIM",
        108 => "Compressed IP", 112 => "VRRP", 113 => "PGM", 132 => "SCTP", 135 => "Mobility",
        143 => "Ethernet",
    }
    /// IP protocols, as `/etc/protocols` calls them: without `-n`, for those that have no line of their own.
    protocol_name {
        0 => "ip", 1 => "icmp", 2 => "igmp", 3 => "ggp", 4 => "ipencap", 5 => "st", 6 => "tcp",
        8 => "egp", 9 => "igp", 12 => "pup", 17 => "udp", 20 => "hmp", 22 => "xns-idp",
        27 => "rdp", 29 => "iso-tp4", 33 => "dccp", 36 => "xtp", 37 => "ddp", 38 => "idpr-cmtp",
        41 => "ipv6", 43 => "ipv6-route", 44 => "ipv6-frag", 45 => "idrp", 46 => "rsvp",
        47 => "gre", 50 => "esp", 51 => "ah", 57 => "skip", 58 => "ipv6-icmp", 59 => "ipv6-nonxt",
        60 => "ipv6-opts", 73 => "rspf", 81 => "vmtp", 88 => "eigrp", 89 => "ospf", 93 => "ax.25",
        94 => "ipip", 97 => "etherip", 98 => "encap", 103 => "pim", 108 => "ipcomp",
        112 => "vrrp", 115 => "l2tp", 124 => "isis", 132 => "sctp", 133 => "fc",
        135 => "mobility-header", 136 => "udplite", 137 => "mpls-in-ip", 139 => "hip",
        140 => "shim6", 141 => "wesp", 142 => "rohc", 143 => "ethernet", 262 => "mptcp",
    }
    /// Services on TCP and UDP alike, as `/etc/services` calls them; the few that people look for.
    service {
        7 => "echo", 9 => "discard", 13 => "daytime", 19 => "chargen", 22 => "ssh", 37 => "time",
        49 => "tacacs", 53 => "domain", 88 => "kerberos", 111 => "sunrpc", 123 => "ntp",
        135 => "epmap", 137 => "netbios-ns", 138 => "netbios-dgm", 139 => "netbios-ssn",
        161 => "snmp", 162 => "snmp-trap", 179 => "bgp", 389 => "ldap", 443 => "https",
        445 => "microsoft-ds", 464 => "kpasswd", 546 => "dhcpv6-client", 547 => "dhcpv6-server",
        853 => "domain-s", 1194 => "openvpn", 1433 => "ms-sql-s", 1812 => "radius",
        1813 => "radius-acct", 2049 => "nfs", 3260 => "iscsi-target", 3306 => "mysql",
        3389 => "ms-wbt-server", 4789 => "vxlan", 5060 => "sip", 5061 => "sip-tls",
        5353 => "mdns", 5432 => "postgresql", 5672 => "amqp", 6081 => "geneve", 6379 => "redis",
        11211 => "memcached",
    }
    /// Services on TCP only.
    tcp_only {
        20 => "ftp-data", 21 => "ftp", 23 => "telnet", 25 => "smtp", 79 => "finger", 80 => "http",
        110 => "pop3", 113 => "auth", 119 => "nntp", 143 => "imap2", 465 => "submissions",
        587 => "submission", 636 => "ldaps", 873 => "rsync", 989 => "ftps-data", 990 => "ftps",
        993 => "imaps", 995 => "pop3s", 1723 => "pptp", 5222 => "xmpp-client",
        5269 => "xmpp-server", 6667 => "ircd", 8080 => "http-alt", 9418 => "git",
    }
    /// Services on UDP only.
    udp_only {
        67 => "bootps", 68 => "bootpc", 69 => "tftp", 443 => "https", 500 => "isakmp",
        514 => "syslog", 520 => "route", 1701 => "l2f", 2152 => "gtp-user", 3544 => "teredo",
        4500 => "ipsec-nat-t", 5349 => "turns", 5355 => "hostmon", 51820 => "wireguard",
    }
    /// Reserved MPLS labels (RFC 3032 section 2.1).
    mpls_label {
        0 => "IPv4 explicit NULL", 1 => "router alert", 2 => "IPv6 explicit NULL",
        3 => "implicit NULL", 7 => "entropy label indicator", 13 => "generic associated channel",
        14 => "OAM alert",
    }
    /// PPPoE codes (RFC 2516 section 5, 6).
    pppoe_code { 0x00 => "Session", 0x07 => "PADO", 0x09 => "PADI", 0x19 => "PADR", 0x65 => "PADS", 0xa7 => "PADT", }
    /// Organizations that SNAP names, as tcpdump calls them.
    organization {
        0x00_0000 => "Ethernet", 0x00_000c => "Cisco", 0x00_005e => "IANA", 0x00_0081 => "Nortel Networks SONMP",
        0x00_00f8 => "Cisco bridged", 0x00_80c2 => "Ethernet bridged", 0x00_a03e => "ATM Forum",
        0x08_0007 => "Appletalk",
    }
    /// Address families of BSD loopback: IPv6's differs by system.
    address_family { 2 => "IPv4", 7 => "ISO", 10 | 24 | 28 | 30 => "IPv6", }
    /// Extension headers of GTP-U (3GPP TS 29.281 figure 5.2.1-3).
    gtp_extension {
        0x00 => "none", 0x03 => "long PDCP PDU number", 0x20 => "service class indicator", 0x40 => "UDP port",
        0x81 => "RAN container", 0x82 => "long PDCP PDU number", 0x83 => "Xw RAN container",
        0x84 => "NR RAN container", 0x85 => "PDU session container", 0xc0 => "PDCP PDU number",
    }
    /// PPP protocols (IANA).
    ppp_protocol {
        0x0021 => "IP", 0x0057 => "IP6", 0x003d => "MLPPP", 0x00fd => "Compressed",
        0x0281 => "MPLS", 0x0283 => "MPLS multicast", 0x8021 => "IPCP", 0x8057 => "IP6CP",
        0x80fd => "CCP", 0x8281 => "MPLSCP", 0xc021 => "LCP", 0xc023 => "PAP", 0xc025 => "LQR",
        0xc223 => "CHAP", 0xc227 => "EAP",
    }
    /// LLC service access points (IEEE 802.2).
    sap {
        0x00 => "Null", 0x06 => "IP", 0x42 => "STP", 0x7e => "X.25", 0x98 => "ARP", 0xaa => "SNAP",
        0xe0 => "IPX", 0xf0 => "NetBeui", 0xfe => "ISO CLNS", 0xff => "Global",
    }
    /// Packet types of Linux cooked captures.
    packet_type { 0 => "to us", 1 => "broadcast", 2 => "multicast", 3 => "to another", 4 => "from us", }
    /// ARPHRD_ values (Linux `if_arp.h`, IANA for the small ones).
    hardware {
        1 => "Ethernet", 6 => "IEEE 802", 15 => "Frame relay", 24 => "IEEE 1394", 32 => "InfiniBand",
        512 => "PPP", 768 => "IPIP tunnel", 769 => "IPv6 tunnel", 772 => "Loopback",
        776 => "SIT tunnel", 778 => "GRE", 801 => "IEEE 802.11", 803 => "IEEE 802.11 radiotap",
        823 => "GRE over IPv6", 824 => "Netlink", 65534 => "none",
    }
    /// ARP operations (RFC 826, 903, 2390).
    arp_operation {
        1 => "Request", 2 => "Reply", 3 => "Reverse Request", 4 => "Reverse Reply",
        8 => "Inverse Request", 9 => "Inverse Reply", 10 => "NACK Reply",
    }
    /// EAPOL packet types (IEEE 802.1X clause 11.3.2).
    eapol { 0 => "EAP packet", 1 => "EAPOL start", 2 => "EAPOL logoff", 3 => "EAPOL key", 4 => "Encap ASF alert", 5 => "MKA", }
    /// Explicit congestion notification (RFC 3168).
    ecn { 0 => "Not-ECT", 1 => "ECT(1)", 2 => "ECT(0)", 3 => "CE", }
    /// Differentiated services (RFC 2474, 2597, 3246, 8622).
    dscp {
        0 => "CS0", 1 => "LE", 8 => "CS1", 10 => "AF11", 12 => "AF12", 14 => "AF13", 16 => "CS2",
        18 => "AF21", 20 => "AF22", 22 => "AF23", 24 => "CS3", 26 => "AF31", 28 => "AF32",
        30 => "AF33", 32 => "CS4", 34 => "AF41", 36 => "AF42", 38 => "AF43", 40 => "CS5",
        44 => "VOICE-ADMIT", 46 => "EF", 48 => "CS6", 56 => "CS7",
    }
}

/// What follows, by IP protocol number: as tcpdump spells it, and what it calls unknown or by half a name.
pub(super) fn next_protocol(number: u64) -> Option<&'static str> {
    match number as u8 {
        protocol::HOP_BY_HOP => Some("Hop-by-hop options"),
        protocol::DESTINATION => Some("Destination options"),
        protocol::UDP_LITE => Some("UDP-Lite"),
        _ => ip_protocol(number),
    }
}

/// A TCP port's service.
pub(super) fn tcp_port(number: u64) -> Option<&'static str> {
    service(number).or_else(|| tcp_only(number))
}

/// A UDP port's service.
pub(super) fn udp_port(number: u64) -> Option<&'static str> {
    service(number).or_else(|| udp_only(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_may_depend_on_the_transport() {
        assert_eq!(tcp_port(514), None);
        assert_eq!(udp_port(514), Some("syslog"));
        assert_eq!((tcp_port(22), udp_port(22)), (Some("ssh"), Some("ssh")));
    }
}
