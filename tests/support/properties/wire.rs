//! The parser on any bytes: it does not panic, reads only headers, and what it says of a packet stands in the packet.

use wireledger_common::{
    abi::{
        flow::{FRAGMENT, IPV6, VLAN_ID, VLAN_PRESENT},
        link::Link,
        unread::Unread,
    },
    wire::{self, Cursor, Fragment, Headers, tcp_flags},
};

use super::{Frame, input::Input};
use crate::packets::{link::ether_type, protocol};

/// Longest frame: Linux's "BIG TCP" is below it.
const LENGTH_MAX: u32 = (1 << 20) - 1;

/// A frame as a hook hands it over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample<'a> {
    link: Link,
    /// The tag beside the frame, as in the flow key; 0 = none.
    tag: u16,
    /// Length of the whole frame.
    pub(super) length: u32,
    /// Its linear part.
    pub(super) frame: &'a [u8],
}

/// What the parser made of it.
pub(super) type Read = (Result<(), Unread>, Headers);

impl<'a> Sample<'a> {
    /// Tag and, above its 13 bits, link; bytes beyond the linear part; linear part.
    pub(super) fn new(mut input: Input<'a>) -> Self {
        let tag = input.word16();
        let link = Link::ALL[usize::from(tag >> 13) % Link::COUNT];
        let tag = if tag & VLAN_PRESENT != 0 { tag & (VLAN_PRESENT | VLAN_ID) } else { 0 };
        let beyond = input.word32();
        let frame = input.rest();
        let length = frame.len() as u32 + (beyond & LENGTH_MAX);
        Self { link, tag, length, frame }
    }

    /// The bytes that [`Self::new`] makes this of.
    pub(super) fn seed(frame: &Frame, tag: u16) -> Vec<u8> {
        let beyond = frame.length - frame.bytes.len() as u32;
        [&tag.to_le_bytes()[..], &beyond.to_le_bytes(), &frame.bytes].concat()
    }

    pub(super) fn read(&self) -> Read {
        self.read_as(self.frame, self.length)
    }

    /// Other bytes or another length in its place.
    pub(super) fn read_as(&self, frame: &[u8], length: u32) -> Read {
        let mut headers = Headers::default();
        let result = wire::read(Cursor::over(frame), length, self.link, self.tag, &mut headers);
        (result, headers)
    }
}

/// `data` is a [`Sample`].
pub fn check(data: &[u8]) {
    let sample = Sample::new(Input::new(data));
    let read = sample.read();
    let moved = [&[0], sample.frame].concat();
    assert_eq!(sample.read_as(&moved[1..], sample.length), read, "at another address");
    let (result, headers) = read;
    assert_eq!(headers.key.interface, 0, "the caller's to set");
    assert_eq!(headers.tcp_flags & !tcp_flags::ALL, 0);
    assert_ne!(result, Err(Unread::NotLinear), "which only the caller knows");
    if result.is_ok() {
        let mut other = sample.frame.to_vec();
        other.iter_mut().skip(headers.length as usize).for_each(|byte| *byte = !*byte);
        assert_eq!(sample.read_as(&other, sample.length), read, "payload was read");
        let plain = Plain::read(sample.link, sample.frame).expect("a network header");
        assert_eq!(headers.key.vlans, plain.vlans(sample.tag));
        network(&plain, &headers);
        transport(&plain, &headers);
        length(&sample, &plain, &headers);
    }
}

/// The frame as far as its network header, read in the plainest way.
struct Plain<'a> {
    tags: Vec<u16>,
    packet: &'a [u8],
    /// Where the packet begins.
    offset: usize,
}

impl<'a> Plain<'a> {
    fn read(link: Link, frame: &'a [u8]) -> Option<Self> {
        use ether_type::{
            IPV4, IPV6, MPLS, MPLS_UPSTREAM, OLD_PROVIDER_VLAN, PPPOE_SESSION, PROVIDER_VLAN, VLAN,
        };
        /// LLC and SNAP of RFC 1042.
        const SNAP: [u8; 6] = [0xaa, 0xaa, 3, 0, 0, 0];
        let mut tags = Vec::new();
        // Where the EtherType is, and where what it names begins.
        let (kind, mut at) = match link {
            Link::Ethernet => (12, 14),
            Link::Sll => (14, 16),
            Link::Sll2 => (0, 20),
            Link::Raw => return Some(Self { tags, packet: frame, offset: 0 }),
            Link::Null => return Some(Self { tags, packet: frame.get(4..)?, offset: 4 }),
        };
        let mut ether_type = word(frame, kind)?;
        while [VLAN, PROVIDER_VLAN, OLD_PROVIDER_VLAN].contains(&ether_type) {
            tags.push(VLAN_PRESENT | (word(frame, at)? & VLAN_ID));
            ether_type = word(frame, at + 2)?;
            at += 4;
        }
        match ether_type {
            IPV4 | IPV6 => {}
            MPLS | MPLS_UPSTREAM => {
                while frame.get(at + 2)? & 1 == 0 {
                    at += 4;
                }
                at += 4;
            }
            PPPOE_SESSION => at += 8,
            0..0x600 if frame.get(at..at + 6)? == SNAP => at += 8,
            _ => return None,
        }
        Some(Self { tags, packet: frame.get(at..)?, offset: at })
    }

    fn vlans(&self, beside: u16) -> [u16; 3] {
        let mut vlans = [0; 3];
        let all = [beside].into_iter().filter(|tag| *tag != 0).chain(self.tags.iter().copied());
        for (place, tag) in vlans.iter_mut().zip(all) {
            *place = tag;
        }
        vlans
    }

    fn version(&self) -> u8 {
        self.packet[0] >> 4
    }

    /// The transport header behind a header without extensions, and its protocol.
    fn transport(&self) -> Option<(u8, &'a [u8])> {
        use protocol::{AUTHENTICATION, DESTINATION, FRAGMENT, HOP_BY_HOP, ROUTING};
        const CHAIN: [u8; 5] = [AUTHENTICATION, DESTINATION, FRAGMENT, HOP_BY_HOP, ROUTING];
        let (protocol, at, extended) = if self.version() == 6 {
            (self.packet[6], 40, CHAIN.contains(&self.packet[6]))
        } else {
            let header = usize::from(self.packet[0] & 0xf) * 4;
            (self.packet[9], header, self.packet[9] == AUTHENTICATION)
        };
        (!extended).then(|| (protocol, &self.packet[at..]))
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Version, addresses, TTL, DSCP, fragment.
fn network(plain: &Plain<'_>, headers: &Headers) {
    let (packet, key) = (plain.packet, &headers.key);
    let six = key.kind & IPV6 != 0;
    assert_eq!(plain.version(), if six { 6 } else { 4 });
    let (source, ttl) = if six { (8, packet[7]) } else { (12, packet[8]) };
    let length = if six { 16 } else { 4 };
    let (destination, end) = (source + length, source + 2 * length);
    assert_eq!(key.source[..length], packet[source..destination]);
    assert_eq!(key.destination[..length], packet[destination..end]);
    assert_eq!(
        (&key.source[length..], &key.destination[length..]),
        (&[0; 16][length..], &[0; 16][length..])
    );
    assert_eq!(headers.ttl, ttl);
    let class = u16::from_be_bytes([packet[0], packet[1]]) >> if six { 4 } else { 0 };
    assert_eq!(headers.traffic_class, class as u8);
    match headers.fragment {
        Fragment::Whole => assert_eq!((headers.datagram, headers.datagram_protocol), (0, 0)),
        _ if six => assert_eq!(headers.datagram_protocol, 0),
        _ => {
            assert_eq!(headers.datagram, u32::from(u16::from_be_bytes([packet[4], packet[5]])));
            assert_eq!(headers.datagram_protocol, packet[9]);
        }
    }
    if !six {
        let offset_flags = u16::from_be_bytes([packet[6], packet[7]]);
        let (offset, more) = (offset_flags & 0x1fff, offset_flags & 0x2000 != 0);
        assert_eq!(headers.fragment == Fragment::Whole, offset == 0 && !more);
        assert_eq!(headers.fragment == Fragment::Later, offset != 0);
    }
}

/// Protocol, ports, flags, echo identifier.
fn transport(plain: &Plain<'_>, headers: &Headers) {
    use protocol::{DCCP, ICMP, ICMPV6, SCTP, TCP, UDP, UDP_LITE};
    let key = &headers.key;
    let portless = matches!(headers.fragment, Fragment::Tiny | Fragment::Later);
    assert_eq!(key.kind & !IPV6, if portless { FRAGMENT } else { 0 });
    assert!(headers.tcp_flags == 0 || headers.has_tcp_flags, "flags out of nowhere");
    assert!(!headers.has_tcp_flags || key.protocol == TCP);
    let whole_tcp = key.protocol == TCP && headers.fragment == Fragment::Whole;
    assert!(!whole_tcp || headers.has_tcp_flags);
    let echo = match key.protocol {
        ICMP => matches!(key.source_port, 0 | 8),
        ICMPV6 => matches!(key.source_port, 128 | 129),
        _ => false,
    };
    assert!(headers.echo_id == 0 || (echo && !portless));
    let ports = (key.source_port, key.destination_port);
    let Some((protocol, header)) = plain.transport() else { return };
    assert_eq!(key.protocol, protocol);
    let expected = match protocol {
        _ if portless => (0, 0),
        TCP | UDP | UDP_LITE | SCTP | DCCP => {
            let [a, b, c, d] = *header.first_chunk().expect("ports");
            (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
        }
        ICMP | ICMPV6 => (u16::from(header[0]), u16::from(header[1])),
        _ => (0, 0),
    };
    assert_eq!(ports, expected);
    if headers.has_tcp_flags {
        assert_eq!(word(header, 12).map(|word| word & tcp_flags::ALL), Some(headers.tcp_flags));
    }
    let end = match protocol {
        _ if portless => 0,
        TCP if headers.has_tcp_flags => u32::from(header[12] >> 4) * 4,
        UDP | UDP_LITE if headers.fragment == Fragment::Whole => 8,
        SCTP | DCCP => 4,
        // What a first fragment holds of these, and of an echo, its length says.
        TCP | UDP | UDP_LITE | ICMP | ICMPV6 => return,
        _ => 0,
    };
    let start = plain.offset + plain.packet.len() - header.len();
    assert_eq!(headers.length, start as u32 + end);
}

/// Headers end behind the network header and within the frame.
fn length(sample: &Sample<'_>, plain: &Plain<'_>, headers: &Headers) {
    const TCP_OPTIONS_MAX: u32 = 40;
    let least = plain.offset + if headers.key.kind & IPV6 != 0 { 40 } else { 20 };
    assert!(headers.length as usize >= least);
    assert!(headers.end as usize >= least && headers.end <= sample.length);
    // The options of a fragmented header may end in the next fragment.
    let room = if headers.fragment == Fragment::First { TCP_OPTIONS_MAX } else { 0 };
    assert!(headers.length <= headers.end + room, "{} of {}", headers.length, headers.end);
}

/// Every frame, some with a tag beside it, some behind another link.
#[must_use]
pub fn seeds(frames: &[Frame]) -> Vec<Vec<u8>> {
    let tag = |n: usize| if n.is_multiple_of(8) { VLAN_PRESENT | 7 } else { 0 };
    let ethernet = frames.iter().enumerate().map(|(n, frame)| Sample::seed(frame, tag(n)));
    let others = frames.iter().step_by(4).flat_map(relinked);
    ethernet.chain(others).collect()
}

/// The packet of an Ethernet frame behind every other link.
fn relinked(frame: &Frame) -> Vec<Vec<u8>> {
    const ETHERNET: usize = 14;
    let Some((ethernet, packet)) = frame.bytes.split_at_checked(ETHERNET) else {
        return Vec::new();
    };
    let kind = &ethernet[12..];
    let family = if kind == ether_type::IPV6.to_be_bytes() { 10 } else { 2 };
    let link = |link: Link| match link {
        Link::Ethernet => ethernet.to_vec(),
        Link::Raw => Vec::new(),
        Link::Sll => [&[0; 14], kind].concat(),
        Link::Sll2 => [kind, &[0; 18]].concat(),
        Link::Null => vec![family, 0, 0, 0],
    };
    let seed = |of: Link| {
        let bytes = [&link(of)[..], packet].concat();
        let length = bytes.len() as u32 + (frame.length - frame.bytes.len() as u32);
        Sample::seed(&Frame { bytes, length }, (of as u16) << 13)
    };
    Link::ALL.into_iter().skip(1).map(seed).collect()
}
