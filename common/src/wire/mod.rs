//! The header parser: frame in, [`Headers`] or a named reason out.
//!
//! The same source runs in the XDP and TC programs and on the host. It reads headers only, never beyond the frame, never
//! payload as ports. [`read`] keys tunnels on their outer header; [`enter`] goes on from there to the inner one.
//!
//! Byte order ends here: everything in [`Headers`] is in host order except addresses.

pub mod cursor;
mod field;
mod ip;
mod link;
pub mod tcp_flags;
mod transport;
mod tunnel;

pub use cursor::Cursor;
pub use tunnel::{enter, is_tunnel};

use crate::abi::{
    flow::{FlowKey, VLAN_PRESENT},
    link::Link,
    unread::Unread,
};

/// Everything the headers say that the ledger keeps.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Headers {
    /// The flow. `interface` and the direction bit are the caller's to set.
    pub key: FlowKey,
    /// Where in its datagram the packet stands.
    pub fragment: Fragment,
    /// IPv4 or IPv6 identification; 0 for what is no fragment.
    pub datagram: u32,
    /// The protocol that names the datagram besides its identification: IPv4's own field (RFC 791 section 3.2),
    /// 0 for IPv6, where addresses and identification suffice (RFC 8200 section 4.5).
    pub datagram_protocol: u8,
    /// Bytes from the start of the frame to the end of the last header read, TCP options included.
    pub length: u32,
    /// Bytes from the start of the frame to the end of the IP packet, by its own length.
    pub end: u32,
    /// Bytes of the outermost link header, its VLAN tags among them and one that the hook keeps beside the frame.
    pub link: u32,
    /// TCP sequence number.
    pub sequence: u32,
    /// TCP window, as it stands in the header: not scaled.
    pub window: u16,
    /// TCP flags, as in [`tcp_flags`].
    pub tcp_flags: u16,
    /// The packet holds a TCP header as far as its flags; a short first fragment does not.
    pub has_tcp_flags: bool,
    /// ICMP or ICMPv6 echo identifier.
    pub echo_id: u16,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Traffic class (IPv4: type of service): DSCP in the upper six bits (RFC 2474), ECN in the lower two (RFC 3168).
    pub traffic_class: u8,
}

/// Where in its datagram a packet stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(u8)]
pub enum Fragment {
    /// A whole datagram; an IPv6 atomic fragment is one (RFC 6946).
    #[default]
    Whole,
    /// The first fragment, and it holds the ports.
    First,
    /// The first fragment, too short for the ports (RFC 1858 calls it a tiny fragment).
    Tiny,
    /// A later fragment.
    Later,
}

/// Reads the headers of a frame that begins with `link`.
///
/// `length` is the whole frame's, of which `frame` may be only the beginning, never more. `tag` is a VLAN tag that the hook keeps
/// beside the frame: `VLAN_PRESENT | id`, or 0.
///
/// # Errors
/// The reason why there is no flow key. `headers` then holds what was read before and must not be counted as a flow.
///
/// `headers` comes in as [`Headers::default`].
#[inline(always)]
pub fn read(
    frame: Cursor<'_>,
    length: u32,
    link: Link,
    tag: u16,
    headers: &mut Headers,
) -> Result<(), Unread> {
    let mut walk = Walk { cursor: frame, length };
    headers.key.vlans[0] = tag;
    let network = link::read(&mut walk, link, tag & VLAN_PRESENT != 0, headers)?;
    walk.cursor.settle(&mut headers.length);
    match network {
        link::Network::Ipv4 => ip::read_v4(&mut walk, headers),
        link::Network::Ipv6 => ip::read_v6(&mut walk, headers),
    }
}

/// A frame on its way through the layers.
struct Walk<'a> {
    cursor: Cursor<'a>,
    /// Bytes of the whole frame.
    length: u32,
}
