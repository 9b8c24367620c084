//! One line per packet, that reads like tcpdump's.
//!
//! The layers are shown outermost first, each by a function of its own; [`Pen`] remembers what has to be said later:
//! the addresses that stand before the ports.

mod arp;
mod icmp;
mod icmp6;
mod ip;
mod ip_options;
mod link;
mod other;
mod tcp;
mod transport;
mod tunnel;

use std::{
    fmt::{self, Write as _},
    io,
    time::Duration,
};

use super::{
    Dissection, Layer, Link, Packet, Protocol, TimeStyle, dissect,
    hex::{self, Hex},
    time::Time,
};

/// What a line shows.
#[derive(Clone, Debug, Default)]
pub struct LineStyle {
    /// The link header (`-e`).
    pub link_header: bool,
    /// Ports and protocols as numbers (`-n`). Addresses are never looked up.
    pub no_names: bool,
    /// Less (`-q`).
    pub quiet: bool,
    /// More (`-v`, `-vv`).
    pub verbosity: u8,
    /// The time.
    pub time: TimeStyle,
    /// The bytes (`-x`, `-xx`, `-X`, `-XX`).
    pub hex: Option<Hex>,
    /// Sequence numbers as they are (`-S`). They always are: no state is kept for relative ones.
    pub absolute_sequence: bool,
    /// Nine digits of a second instead of six.
    pub nanoseconds: bool,
    /// The packet's number (`-#`).
    pub number: bool,
}

/// Writes lines, and remembers the times that spans are counted from.
#[derive(Debug)]
pub struct Lines {
    style: LineStyle,
    first: Option<Duration>,
    previous: Option<Duration>,
    line: String,
}

impl Lines {
    /// Lines of this style.
    #[must_use]
    pub const fn new(style: LineStyle) -> Self {
        Self { style, first: None, previous: None, line: String::new() }
    }

    /// Writes the line of a packet, with line breaks inside where verbose.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&mut self, out: &mut impl io::Write, packet: &Packet<'_>) -> io::Result<()> {
        self.line.clear();
        self.compose(packet).map_err(io::Error::other)?;
        out.write_all(self.line.as_bytes())
    }

    fn compose(&mut self, packet: &Packet<'_>) -> fmt::Result {
        if self.style.number {
            write!(self.line, "{:5}  ", packet.number)?;
        }
        self.time(packet.time)?;
        let all = dissect(packet);
        let mut pen = Pen {
            out: &mut self.line,
            style: &self.style,
            all: &all,
            at: 0,
            ip: None,
            interface: packet.interface,
        };
        if self.style.link_header && packet.link == Link::Raw {
            pen.out.push_str("ip: ");
        }
        if all.layers.is_empty() {
            pen.cut("packet")?;
        }
        pen.layers()?;
        if self.line.ends_with(": ") {
            self.line.truncate(self.line.len() - 2);
        }
        if let Some(style) = self.style.hex {
            let start = if style.link { 0 } else { link_length(&all) };
            hex::write(&mut self.line, packet.bytes.get(start..).unwrap_or_default(), style.ascii)?;
        }
        self.line.push('\n');
        Ok(())
    }

    fn time(&mut self, nanoseconds: u64) -> fmt::Result {
        let fine = self.style.nanoseconds;
        let (time, now) = (Time { nanoseconds, fine }, Duration::from_nanos(nanoseconds));
        let out = &mut self.line;
        match self.style.time {
            TimeStyle::None => return Ok(()),
            TimeStyle::Clock => time.clock(out)?,
            TimeStyle::Epoch => time.epoch(out)?,
            TimeStyle::Date => time.date(' ', out)?,
            TimeStyle::Delta => Time::span(self.previous.unwrap_or(now), now, fine, out)?,
            TimeStyle::FromFirst => Time::span(*self.first.get_or_insert(now), now, fine, out)?,
        }
        self.previous = Some(now);
        out.push(' ');
        Ok(())
    }
}

/// Bytes up to the network header.
fn link_length(all: &Dissection<'_>) -> usize {
    let is_link = |protocol| {
        matches!(
            protocol,
            Protocol::Ethernet
                | Protocol::Vlan
                | Protocol::Sll
                | Protocol::Sll2
                | Protocol::Null
                | Protocol::Llc
                | Protocol::Snap
        )
    };
    let link = all.layers.iter().take_while(|layer| is_link(layer.protocol));
    link.map(|layer| layer.length).sum()
}

/// Where the line stands.
struct Pen<'p, 'a> {
    out: &'p mut String,
    style: &'p LineStyle,
    all: &'p Dissection<'a>,
    /// The next layer.
    at: usize,
    interface: Option<&'p str>,
    /// The IP header whose addresses are shown together with ports.
    ip: Option<Layer<'a>>,
}

impl<'a> Pen<'_, 'a> {
    fn layers(&mut self) -> fmt::Result {
        while let Some(layer) = self.all.layers.get(self.at).copied() {
            self.at += 1;
            self.layer(&layer)?;
        }
        Ok(())
    }

    fn layer(&mut self, layer: &Layer<'a>) -> fmt::Result {
        match layer.protocol {
            Protocol::Ethernet => self.ethernet(layer),
            Protocol::Vlan => self.vlan(layer),
            Protocol::Mpls => self.mpls(layer),
            Protocol::Pppoe | Protocol::PppoeDiscovery => self.pppoe(layer),
            Protocol::Ppp => self.ppp(layer),
            Protocol::Llc => self.llc(layer),
            Protocol::Snap => self.snap(layer),
            Protocol::Sll | Protocol::Sll2 => self.cooked(layer),
            Protocol::Null => self.null(layer),
            Protocol::Arp => self.arp(layer),
            Protocol::Ipv4 => self.ip4(layer),
            Protocol::Ipv6 => self.ip6(layer),
            Protocol::HopByHop | Protocol::DestinationOptions => self.ip6_options(layer),
            Protocol::Routing => self.routing(layer),
            Protocol::Fragment => self.fragment(layer),
            Protocol::Mobility => self.mobility(layer),
            Protocol::Ah => self.ah(layer),
            Protocol::Esp => self.esp(layer),
            Protocol::Tcp => self.tcp(layer),
            Protocol::Udp => self.udp(layer),
            Protocol::UdpLite => self.udp_lite(layer),
            Protocol::Sctp => self.sctp(layer),
            Protocol::Dccp => self.dccp(layer),
            Protocol::Icmp => self.icmp(layer),
            Protocol::Icmpv6 => self.icmp6(layer),
            Protocol::Igmp => self.igmp(layer),
            Protocol::Gre => self.gre(layer),
            Protocol::Erspan => self.erspan(layer),
            Protocol::Vxlan => self.vxlan(layer),
            Protocol::Geneve => self.geneve(layer),
            Protocol::Gtp => self.gtp(layer),
            Protocol::Lldp
            | Protocol::Eapol
            | Protocol::Macsec
            | Protocol::Ptp
            | Protocol::Stp
            | Protocol::Ospf
            | Protocol::Vrrp
            | Protocol::Pim
            | Protocol::Eigrp => self.named(layer),
            Protocol::Payload if self.at == 1 => self.unknown(layer),
            Protocol::Payload | Protocol::Padding => Ok(()),
        }
    }

    /// A raw packet that is neither IPv4 nor IPv6.
    fn unknown(&mut self, layer: &Layer<'a>) -> fmt::Result {
        match layer.bytes.first() {
            Some(first) => write!(self.out, "unknown ip {}", first >> 4),
            None => self.cut("ip"),
        }
    }

    /// Nothing more is shown.
    fn stop(&mut self) -> fmt::Result {
        self.at = self.all.layers.len();
        Ok(())
    }

    /// The capture ends inside a header.
    fn cut(&mut self, name: &str) -> fmt::Result {
        write!(self.out, " [|{name}]")?;
        self.stop()
    }

    /// The layer that comes next, unless what comes next has no header.
    fn peek(&self) -> Option<Protocol> {
        let next = self.all.layers.get(self.at)?.protocol;
        (!matches!(next, Protocol::Payload | Protocol::Padding)).then_some(next)
    }

    const fn is_verbose(&self) -> bool {
        self.style.verbosity > 0
    }

    /// Place of the layer that is shown.
    const fn index(&self) -> usize {
        self.at - 1
    }
}
