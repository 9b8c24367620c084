//! Packets for people and programs: a line like tcpdump's, a tree like Wireshark's, JSON.
//!
//! [`dissect`] walks the bytes once, into [`Layer`]s; a layer is a protocol, a range of bytes and what is wrong with
//! it. Its fields are tables of [`field::Spec`], one place for each protocol, from which all three faces read.
//!
//! Guarantees: nothing panics whatever the bytes; the work is bounded (at most [`LAYERS_MAX`] layers, each byte of
//! options read once); nothing is read beyond what the enclosing header's length allows, so trailing Ethernet padding
//! is padding and payload is never taken for a header; every text that comes from a packet or a file is escaped.
//!
//! # JSON
//! One object per packet: `number`, `time` (RFC 3339), `time_ns`, `interface`, `outgoing`, `length`, `captured`,
//! `layers`. Each layer has `protocol` (see [`Protocol`]), `offset`, `length`, where needed `quoted`, `truncated`,
//! `continued` (in other fragments of the packet around it), `malformed`, and `fields`, whose keys are the names in the
//! tables. A number that has a name is followed by `<key>_name`; a field of flags is an object of `value` and one
//! boolean for each flag; an option that contradicts its header has `malformed`.
//!
//! # Where the line differs from tcpdump's (4.99.3), on purpose
//! - Applications are not decoded: `UDP, length 32` where tcpdump shows DNS, NFS or SIP; nothing behind TCP's `length`.
//! - Times are UTC, sequence numbers absolute (tcpdump's `-S`), names of hosts never looked up.
//! - A total length of 0 is the frame's (Linux BIG TCP), where tcpdump gives up with `bad-len 0`; IPv6 likewise.
//! - Routing protocols, LLDP, spanning tree, MACsec, PTP, PPP's control protocols and EAP are named with their length.
//! - Unknown EtherTypes and LLC get one line, without tcpdump's hex dump of the payload; `-x` and `-X` show it.
//! - GTP-U, ERSPAN, UDP-Lite and ARP in GRE are read, which tcpdump does not.
//! - TCP's AE is the flag `e`, as in newer tcpdumps; keys of MD5 are not asked for; MPTCP subtypes but MP_CAPABLE are
//!   named only, as are DCCP's options and IPv6 mobility messages.
//! - Port 8472 is VXLAN as in Linux, not OTV; of Geneve's options the line has the length, tree and JSON all of them.
//! - A TCP option whose length is not its kind's is left by that length, where tcpdump goes on inside it.
//! - A malformed IPv6 option does not hide what follows its header, whose length is known.

mod arp;
mod checksum;
mod dccp;
pub mod escape;
pub mod field;
mod hex;
mod icmp;
mod icmp6;
mod igmp;
mod ip4;
mod ip6;
pub mod json;
mod line;
mod link;
mod names;
mod other;
mod sctp;
pub mod sink;
mod tcp;
mod time;
mod tlv;
pub mod tree;
mod tunnel;
mod udp;
mod walk;

use std::fmt;

pub use wireledger_common::abi::link::Link;

use self::{
    field::Spec,
    sink::{Area, Sink},
};
pub use self::{
    hex::Hex,
    line::{LineStyle, Lines},
    time::TimeStyle,
};

/// Most layers of one packet; what follows is payload.
pub const LAYERS_MAX: usize = 32;

/// Most IP headers of one packet, each in the one before.
pub const IPS_MAX: usize = 4;

/// One captured packet to be shown.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Its place in its file, from 1.
    pub number: u64,
    /// Nanoseconds since 1970, UTC.
    pub time: u64,
    /// Name of the interface; anything may stand in a file, so it is escaped.
    pub interface: Option<&'a str>,
    /// Direction, where the capture says it.
    pub outgoing: Option<bool>,
    /// What the bytes begin with.
    pub link: Link,
    /// Bytes on the wire.
    pub length: u32,
    /// Captured bytes.
    pub bytes: &'a [u8],
}

/// A packet's layers, outermost first.
#[derive(Clone, Debug)]
pub struct Dissection<'a> {
    /// The layers; payload and padding are layers too.
    pub layers: Vec<Layer<'a>>,
    /// The captured bytes.
    pub frame: &'a [u8],
}

/// One protocol's header.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// Whose header it is.
    pub protocol: Protocol,
    /// First byte in the frame.
    pub offset: usize,
    /// Bytes of the header, as its own fields say and the enclosing layer allows.
    pub length: usize,
    /// Captured bytes of the header.
    pub bytes: &'a [u8],
    /// Bytes on the wire from the header's start to the end that the lengths around it and its own allow.
    pub room: usize,
    /// It stands in an ICMP error, that quotes it.
    pub quoted: bool,
    /// The datagram goes on in other fragments.
    pub fragmented: bool,
    /// What is wrong with it.
    pub note: Option<Note>,
}

impl<'a> Layer<'a> {
    /// The captured bytes and their place.
    #[must_use]
    pub const fn area(&self) -> Area<'a> {
        Area { bytes: self.bytes, offset: self.offset }
    }

    /// The number in a field; 0 when not captured.
    #[must_use]
    pub fn of(&self, spec: &Spec) -> u64 {
        spec.of(self.bytes)
    }

    /// The header's own lengths contradict, or those of the layers around it.
    #[must_use]
    pub const fn fault(&self) -> Option<Fault> {
        match self.note {
            Some(Note::Malformed(fault) | Note::Continued(fault)) => Some(fault),
            _ => None,
        }
    }

    /// The capture ended inside the header.
    #[must_use]
    pub const fn is_truncated(&self) -> bool {
        matches!(self.note, Some(Note::Truncated))
    }
}

/// What is wrong with a layer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Note {
    /// The capture ended inside the header (snap length), or an ICMP error quotes no more.
    Truncated,
    /// Lengths contradict.
    Malformed(Fault),
    /// The packet is longer than the first fragment that it begins in, as it may be.
    Continued(Fault),
}

/// A contradiction in a header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// A number below what it must be.
    Short(&'static str, usize, &'static str, usize),
    /// A number above what it may be.
    Long(&'static str, usize, &'static str, usize),
    /// A value that no rule allows here.
    Wrong(&'static str, u64),
    /// More headers in each other than are read.
    Depth,
}

impl Fault {
    const fn short(what: &'static str, value: usize, than: &'static str, limit: usize) -> Self {
        Self::Short(what, value, than, limit)
    }

    const fn long(what: &'static str, value: usize, than: &'static str, limit: usize) -> Self {
        Self::Long(what, value, than, limit)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Short(what, value, than, limit) => write!(out, "{what} {value} < {than} {limit}"),
            Self::Long(what, value, than, limit) => write!(out, "{what} {value} > {than} {limit}"),
            Self::Wrong(what, value) => write!(out, "{what} {value}"),
            Self::Depth => out.write_str("too many headers"),
        }
    }
}

/// Shows the fields of a layer that no fixed table has: options, bodies that depend on a type.
type More = fn(&Layer<'_>, &mut dyn Sink) -> std::io::Result<()>;

/// What a protocol is to every face.
struct Description {
    /// Key in JSON.
    key: &'static str,
    /// Label in the tree.
    label: &'static str,
    /// The fixed part of the header.
    fields: &'static [Spec],
    /// The rest.
    more: More,
}

impl Description {
    const fn new(key: &'static str, label: &'static str, fields: &'static [Spec]) -> Self {
        Self { key, label, fields, more: |_, _| Ok(()) }
    }

    const fn with(mut self, more: More) -> Self {
        self.more = more;
        self
    }
}

macro_rules! protocols {
    ($($(#[$doc:meta])* $name:ident => $description:path,)*) => {
        /// A layer's protocol.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Protocol {
            $($(#[$doc])* $name,)*
        }

        impl Protocol {
            /// Every protocol.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            const fn description(self) -> &'static Description {
                match self {
                    $(Self::$name => &$description,)*
                }
            }
        }
    };
}

protocols! {
    /// Ethernet II, or IEEE 802.3 where the type is a length.
    Ethernet => link::ETHERNET,
    /// IEEE 802.1Q, 802.1ad or 0x9100 tag.
    Vlan => link::VLAN,
    /// One entry of an MPLS label stack (RFC 3032).
    Mpls => link::MPLS,
    /// PPPoE session (RFC 2516).
    Pppoe => link::PPPOE,
    /// PPPoE discovery (RFC 2516).
    PppoeDiscovery => link::PPPOE_DISCOVERY,
    /// PPP (RFC 1661).
    Ppp => link::PPP,
    /// IEEE 802.2 LLC.
    Llc => link::LLC,
    /// IEEE 802 SNAP.
    Snap => link::SNAP,
    /// Linux cooked capture, version 1.
    Sll => link::SLL,
    /// Linux cooked capture, version 2.
    Sll2 => link::SLL2,
    /// BSD loopback.
    Null => link::NULL,
    /// ARP (RFC 826) and RARP (RFC 903).
    Arp => arp::ARP,
    /// LLDP (IEEE 802.1AB).
    Lldp => other::LLDP,
    /// EAP over LAN (IEEE 802.1X).
    Eapol => other::EAPOL,
    /// MACsec (IEEE 802.1AE).
    Macsec => other::MACSEC,
    /// PTP (IEEE 1588).
    Ptp => other::PTP,
    /// Spanning tree (IEEE 802.1D).
    Stp => other::STP,
    /// IPv4 (RFC 791).
    Ipv4 => ip4::IPV4,
    /// IPv6 (RFC 8200).
    Ipv6 => ip6::IPV6,
    /// IPv6 hop-by-hop options.
    HopByHop => ip6::HOP_BY_HOP,
    /// IPv6 destination options.
    DestinationOptions => ip6::DESTINATION,
    /// IPv6 routing header.
    Routing => ip6::ROUTING,
    /// IPv6 fragment header.
    Fragment => ip6::FRAGMENT,
    /// IPv6 mobility header (RFC 6275).
    Mobility => ip6::MOBILITY,
    /// IP authentication header (RFC 4302).
    Ah => other::AH,
    /// IP encapsulating security payload (RFC 4303).
    Esp => other::ESP,
    /// TCP (RFC 9293).
    Tcp => tcp::TCP,
    /// UDP (RFC 768).
    Udp => udp::UDP,
    /// UDP-Lite (RFC 3828).
    UdpLite => udp::UDP_LITE,
    /// SCTP (RFC 9260).
    Sctp => sctp::SCTP,
    /// DCCP (RFC 4340).
    Dccp => dccp::DCCP,
    /// ICMP (RFC 792).
    Icmp => icmp::ICMP,
    /// ICMPv6 (RFC 4443).
    Icmpv6 => icmp6::ICMPV6,
    /// IGMP (RFC 1112, 2236, 3376).
    Igmp => igmp::IGMP,
    /// GRE (RFC 2784, 2890), version 1 for PPTP (RFC 2637).
    Gre => tunnel::GRE,
    /// ERSPAN.
    Erspan => tunnel::ERSPAN,
    /// VXLAN (RFC 7348).
    Vxlan => tunnel::VXLAN,
    /// Geneve (RFC 8926).
    Geneve => tunnel::GENEVE,
    /// GTP-U (3GPP TS 29.281).
    Gtp => tunnel::GTP,
    /// OSPF (RFC 2328, 5340).
    Ospf => other::OSPF,
    /// VRRP (RFC 5798).
    Vrrp => other::VRRP,
    /// PIM (RFC 7761).
    Pim => other::PIM,
    /// EIGRP (RFC 7868).
    Eigrp => other::EIGRP,
    /// What no header here describes.
    Payload => other::PAYLOAD,
    /// Bytes behind the end that the network header gives.
    Padding => other::PADDING,
}

impl Protocol {
    /// Key in JSON.
    #[must_use]
    pub const fn key(self) -> &'static str {
        self.description().key
    }

    /// Label in the tree.
    #[must_use]
    pub const fn label(self) -> &'static str {
        self.description().label
    }

    /// The fixed part of its header.
    #[must_use]
    pub const fn fields(self) -> &'static [Spec] {
        self.description().fields
    }
}

/// Reads a packet's headers. Never fails: what is wrong is a [`Note`] of its layer.
#[must_use]
pub fn dissect<'a>(packet: &Packet<'a>) -> Dissection<'a> {
    walk::Walk::over(packet).run(packet.link)
}

impl Dissection<'_> {
    /// Shows the fields of a layer, and behind its checksum what that says.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn emit(&self, index: usize, sink: &mut dyn Sink) -> std::io::Result<()> {
        let Some(layer) = self.layers.get(index) else { return Ok(()) };
        let description = layer.protocol.description();
        for spec in description.fields {
            let named = match (layer.protocol, spec.name) {
                (Protocol::Icmp, "code") => icmp::code(layer),
                (Protocol::Icmpv6, "code") => icmp6::code(layer),
                _ => *spec,
            };
            sink::emit_one(&named, layer.area(), sink)?;
            if spec.name == "checksum" {
                checksum::emit(self, index, sink)?;
            }
        }
        (description.more)(layer, sink)
    }
}

#[cfg(test)]
mod tests;
