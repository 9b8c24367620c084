//! The walk from the first byte inwards: which header comes next, where it begins, where it must end.

use wireledger_common::abi::link::Link;

use super::{
    Dissection, Fault, IPS_MAX, LAYERS_MAX, Layer, Note, Packet, Protocol, arp, dccp, icmp, icmp6,
    igmp, ip4, ip6, link, other, sctp, tcp, tunnel, udp,
};

/// Bytes on the wire that a layer may use: from its start to the end the layers around it allow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) at: usize,
    pub(super) end: usize,
}

impl Span {
    pub(super) const fn room(self) -> usize {
        self.end.saturating_sub(self.at)
    }

    /// Behind a header.
    pub(super) const fn behind(self, header: usize) -> Self {
        let at = self.at.saturating_add(header);
        Self { at: if at < self.end { at } else { self.end }, end: self.end }
    }

    /// No longer than `length`.
    pub(super) const fn within(self, length: usize) -> Self {
        let end = self.at.saturating_add(length);
        Self { at: self.at, end: if end < self.end { end } else { self.end } }
    }
}

/// The header that comes next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    Ethernet,
    Sll,
    Sll2,
    Null,
    /// By EtherType.
    Type(u16),
    Llc,
    Ppp,
    PppNumber(u16),
    /// IPv4 or IPv6, as the first nibble says.
    Ip,
    Ipv4,
    Ipv6,
    /// By IP protocol number.
    Protocol(u8),
    Vxlan,
    Geneve,
    Gtp,
    Payload,
}

/// The next header and its bytes; `None` at the end.
pub(super) type Step = Option<(Next, Span)>;

/// The walk.
pub(super) struct Walk<'a> {
    pub(super) frame: &'a [u8],
    /// Nothing is read from here on, whatever a header claims.
    limit: usize,
    /// Bytes of the whole frame on the wire.
    wire: usize,
    layers: Vec<Layer<'a>>,
    ips: usize,
    /// What is read now stands in an ICMP error.
    pub(super) quoted: bool,
    /// The innermost IP header is an IPv6 one.
    pub(super) six: bool,
    /// What is read now is the first fragment of more.
    pub(super) fragmented: bool,
    /// What is read now stands inside a first fragment, whose datagram goes on in others.
    continued: bool,
    /// What the outermost network header leaves of the frame.
    padding: Option<Span>,
}

impl<'a> Walk<'a> {
    pub(super) fn over(packet: &Packet<'a>) -> Self {
        const USUAL: usize = 8;
        Self {
            frame: packet.bytes,
            limit: packet.bytes.len().max(packet.length as usize),
            wire: packet.bytes.len().max(packet.length as usize),
            layers: Vec::with_capacity(USUAL),
            ips: 0,
            quoted: false,
            six: false,
            fragmented: false,
            continued: false,
            padding: None,
        }
    }

    pub(super) fn run(mut self, link: Link) -> Dissection<'a> {
        let first = match link {
            Link::Ethernet => Next::Ethernet,
            Link::Raw => Next::Ip,
            Link::Sll => Next::Sll,
            Link::Sll2 => Next::Sll2,
            Link::Null => Next::Null,
        };
        let mut step = Some((first, Span { at: 0, end: self.wire }));
        while let Some((next, span)) = step {
            if self.layers.len() >= LAYERS_MAX {
                self.payload(span);
                self.malformed(Fault::Depth);
                break;
            }
            step = self.step(next, span);
        }
        if let Some(span) = self.padding.filter(|span| span.room() > 0) {
            self.quoted = false;
            self.fragmented = false;
            self.limit = self.wire;
            self.push(Protocol::Padding, span, span.room());
            self.forgive();
        }
        Dissection { layers: self.layers, frame: self.frame }
    }

    fn step(&mut self, next: Next, span: Span) -> Step {
        match next {
            Next::Ethernet => link::ethernet(self, span),
            Next::Sll => link::sll(self, span),
            Next::Sll2 => link::sll2(self, span),
            Next::Null => link::null(self, span),
            Next::Type(number) => self.by_type(number, span),
            Next::Llc => link::llc(self, span),
            Next::Ppp => link::ppp(self, span),
            Next::PppNumber(number) => link::by_ppp(self, number, span),
            Next::Ip => self.by_version(span),
            Next::Ipv4 => self.ip(span, ip4::walk),
            Next::Ipv6 => self.ip(span, ip6::walk),
            Next::Protocol(number) => self.by_protocol(number, span),
            Next::Vxlan => tunnel::vxlan(self, span),
            Next::Geneve => tunnel::geneve(self, span),
            Next::Gtp => tunnel::gtp(self, span),
            Next::Payload => self.payload(span),
        }
    }

    fn by_type(&mut self, number: u16, span: Span) -> Step {
        use super::names::ether_type as known;
        match number {
            known::IPV4 => Some((Next::Ipv4, span)),
            known::IPV6 => Some((Next::Ipv6, span)),
            known::ARP | known::RARP => arp::walk(self, span),
            known::VLAN | known::PROVIDER_VLAN | known::OLD_PROVIDER_VLAN => link::vlan(self, span),
            known::MPLS | known::MPLS_UPSTREAM => link::mpls(self, span),
            known::PPPOE_DISCOVERY => link::pppoe_discovery(self, span),
            known::PPPOE_SESSION => link::pppoe(self, span),
            known::PPP => Some((Next::Ppp, span)),
            known::TEB => Some((Next::Ethernet, span)),
            known::LLDP => other::named(self, Protocol::Lldp, span),
            known::EAPOL => other::named(self, Protocol::Eapol, span),
            known::MACSEC => other::named(self, Protocol::Macsec, span),
            known::PTP => other::named(self, Protocol::Ptp, span),
            _ => Some((Next::Payload, span)),
        }
    }

    fn by_version(&mut self, span: Span) -> Step {
        match self.frame.get(span.at).map(|byte| byte >> 4).filter(|_| span.room() > 0) {
            Some(6) => Some((Next::Ipv6, span)),
            Some(4) => Some((Next::Ipv4, span)),
            _ => Some((Next::Payload, span)),
        }
    }

    fn ip(&mut self, span: Span, walk: fn(&mut Self, Span) -> Step) -> Step {
        self.ips += 1;
        if self.ips > IPS_MAX {
            self.payload(span);
            self.malformed(Fault::Depth);
            return None;
        }
        self.continued |= self.fragmented;
        self.fragmented = false;
        self.six = false;
        walk(self, span)
    }

    fn by_protocol(&mut self, number: u8, span: Span) -> Step {
        use super::names::protocol as known;
        match number {
            known::TCP => tcp::walk(self, span),
            known::UDP => udp::walk(self, span),
            known::UDP_LITE => udp::walk_lite(self, span),
            known::ICMP => icmp::walk(self, span),
            known::ICMPV6 => icmp6::walk(self, span),
            known::IGMP => igmp::walk(self, span),
            known::SCTP => sctp::walk(self, span),
            known::DCCP => dccp::walk(self, span),
            known::AH => other::ah(self, span),
            known::ESP => other::esp(self, span),
            known::GRE => tunnel::gre(self, span),
            known::IPV4 => Some((Next::Ipv4, span)),
            known::IPV6 => Some((Next::Ipv6, span)),
            known::ETHERNET => Some((Next::Ethernet, span)),
            known::OSPF => other::named(self, Protocol::Ospf, span),
            known::VRRP => other::named(self, Protocol::Vrrp, span),
            known::PIM => other::named(self, Protocol::Pim, span),
            known::EIGRP => other::named(self, Protocol::Eigrp, span),
            known::NO_NEXT if span.room() == 0 => None,
            _ if self.six => {
                ip6::extension(self, number, span).unwrap_or(Some((Next::Payload, span)))
            }
            _ => Some((Next::Payload, span)),
        }
    }

    /// What follows is not a header.
    pub(super) fn payload(&mut self, span: Span) -> Step {
        let span = span.within(self.limit.saturating_sub(span.at));
        if span.room() > 0 {
            self.push(Protocol::Payload, span, span.room());
            self.forgive();
        }
        None
    }

    /// Adds a layer whose header has `length` bytes, and returns what was captured of them. Notes a header that does
    /// not fit, or whose bytes were not captured.
    pub(super) fn push(&mut self, protocol: Protocol, span: Span, length: usize) -> &'a [u8] {
        let fits = length.min(span.room());
        let bytes = self.captured(span.within(fits));
        let note = if length > fits {
            Some(Note::Malformed(Fault::short("available", fits, "header", length)))
        } else if bytes.len() < fits {
            Some(Note::Truncated)
        } else {
            None
        };
        self.layers.push(Layer {
            protocol,
            offset: span.at,
            length: fits,
            bytes,
            room: span.room(),
            quoted: self.quoted,
            fragmented: self.fragmented,
            note,
        });
        bytes
    }

    /// The captured bytes of a span.
    pub(super) fn captured(&self, span: Span) -> &'a [u8] {
        let end = span.end.min(self.limit).min(self.frame.len());
        self.frame.get(span.at..end).unwrap_or_default()
    }

    /// The last layer is whole.
    pub(super) fn is_whole(&self) -> bool {
        self.layers.last().is_some_and(|layer| layer.note.is_none())
    }

    /// Payload may be cut anywhere.
    pub(super) fn forgive(&mut self) {
        if let Some(layer) = self.layers.last_mut() {
            layer.note = None;
        }
    }

    /// Notes a fault of the last layer, if nothing worse is noted.
    pub(super) fn malformed(&mut self, fault: Fault) {
        if let Some(layer) = self.layers.last_mut().filter(|layer| layer.note.is_none()) {
            layer.note = Some(Note::Malformed(fault));
        }
    }

    /// Notes a fault that makes everything behind it doubtful.
    pub(super) fn worst(&mut self, fault: Fault) {
        if let Some(layer) = self.layers.last_mut() {
            layer.note = Some(Note::Malformed(fault));
        }
    }

    /// A first fragment, or what an error quotes, may end inside a transport header: cut, not malformed.
    pub(super) fn partial(&mut self) {
        if let Some(layer) = self.layers.last_mut().filter(|_| self.fragmented || self.quoted) {
            layer.note = Some(Note::Truncated);
        }
    }

    /// The rest of the frame is padding.
    pub(super) fn pads(&mut self, span: Span) {
        if self.padding.is_none() && !self.quoted {
            self.padding = Some(span);
        }
    }

    /// What follows is quoted by an ICMP error, which ends here whatever lengths are quoted.
    pub(super) fn quotes(&mut self, span: Span) {
        self.quoted = true;
        self.limit = self.limit.min(span.end);
    }

    /// The last layer is an IP header that claims `length` bytes behind `rest.at`. Where that is more than there is,
    /// lengths go on from the claim, and nothing is read behind what there is: an error quotes only the beginning of
    /// a packet, and mirrors cut.
    pub(super) fn ends_as_said(&mut self, rest: Span, length: usize, called: &'static str) -> Span {
        let header = self.layers.last().map_or(0, |layer| layer.length);
        if length <= rest.room() {
            self.ends(header + length);
            return rest.within(length);
        }
        let counted = if called == "total length" { header } else { 0 };
        if !self.quoted {
            let room = rest.room() + counted;
            let fault = Fault::long(called, length + counted, "available", room);
            match self.layers.last_mut() {
                Some(layer) if self.continued && layer.note.is_none() => {
                    layer.note = Some(Note::Continued(fault));
                }
                _ => self.malformed(fault),
            }
        }
        self.limit = self.limit.min(rest.end);
        let end = rest.at.saturating_add(length);
        if let Some(layer) = self.layers.last_mut() {
            layer.room = end - layer.offset;
        }
        Span { at: rest.at, end }
    }

    /// The last layer's payload has `length` bytes.
    pub(super) fn ends_behind(&mut self, length: usize) {
        if let Some(header) = self.layers.last().map(|layer| layer.length) {
            self.ends(header + length);
        }
    }

    /// The last layer ends where its own length says; the outermost such end makes the rest of the frame padding.
    pub(super) fn ends(&mut self, room: usize) {
        let Some(layer) = self.layers.last_mut() else { return };
        let (end, outer) = (layer.offset + room, layer.offset + layer.room);
        layer.room = room;
        if end < outer && self.padding.is_none() && !self.quoted {
            self.padding = Some(Span { at: end, end: outer });
        }
    }
}
