//! Between whom a packet went, read by the parser that counts; of an ICMP error also between whom the packet that it is about.

use std::net::IpAddr;

use wireledger_common::{
    abi::{
        flow::{FlowKey, IPV6},
        link::Link,
        protocol::Protocol,
    },
    wire::{Cursor, Headers, read},
};

/// Source and destination.
pub(super) type Pair = (IpAddr, IpAddr);

/// The ends of a packet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Ends {
    outer: Option<Pair>,
    quoted: Option<Pair>,
}

impl Ends {
    /// Of the first bytes of a frame of this length.
    pub(super) fn of(bytes: &[u8], length: u32, link: Link) -> Self {
        let mut headers = Headers::default();
        // Addresses may have been read of what is unread further on.
        let whole = read(Cursor::over(bytes), length, link, 0, &mut headers).is_ok();
        let outer = pair(&headers.key);
        let quoted = if whole && is_error(&headers.key) { quoted(bytes, &headers) } else { None };
        Self { outer, quoted }
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = Pair> {
        self.outer.into_iter().chain(self.quoted)
    }
}

/// RFC 792; RFC 4443 section 2.1: errors are below 128.
fn is_error(key: &FlowKey) -> bool {
    match Protocol::of(key.protocol) {
        Protocol::Icmp => matches!(key.source_port, 3 | 4 | 5 | 11 | 12),
        Protocol::Icmpv6 => key.source_port < 128,
        _ => false,
    }
}

fn quoted(bytes: &[u8], headers: &Headers) -> Option<Pair> {
    /// Behind type, code and checksum.
    const REST: usize = 4;
    let quote = bytes.get(headers.length as usize + REST..)?;
    // A quote is cut; the parser wants to know how long the packet was.
    let field = |at: usize| {
        quote.get(at..at + 2).map_or(0, |two| u32::from(u16::from_be_bytes([two[0], two[1]])))
    };
    let length = match quote.first()? >> 4 {
        4 => field(2),
        _ => 40 + field(4),
    };
    let length = length.max(u32::try_from(quote.len()).ok()?);
    let mut headers = Headers::default();
    let _ = read(Cursor::over(quote), length, Link::Raw, 0, &mut headers);
    pair(&headers.key)
}

fn pair(key: &FlowKey) -> Option<Pair> {
    let none = [0; 16];
    let address = |bytes: [u8; 16]| -> IpAddr {
        if key.kind & IPV6 != 0 {
            bytes.into()
        } else {
            [bytes[0], bytes[1], bytes[2], bytes[3]].into()
        }
    };
    let known = key.source != none || key.destination != none;
    known.then(|| (address(key.source), address(key.destination)))
}
