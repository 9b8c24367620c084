//! The unit that is judged: a flow that somebody began, and what came back.

use wireledger_common::{
    abi::{
        flow::{EGRESS, FRAGMENT, FlowKey, IPV6, Tunnel, VLAN_PRESENT},
        link::Link,
    },
    wire::tcp_flags::{ACK, SYN},
};

use super::protocol::{ICMP, ICMPV6, TCP};
use crate::flows::Flow;

/// A flow that somebody began, judged once: some two seconds after its first packet, or when it ended.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'f> {
    /// The flow of who began.
    pub key: &'f FlowKey,
    /// What it has had.
    pub asked: &'f Flow,
    /// The answering flow, if there is one: see [`reverse`].
    pub answered: Option<&'f Flow>,
    /// Answers could be seen. Where they could not, only TCP is judged, by what the initiator went on to send.
    pub both_ways: bool,
    /// Bytes in front of the network layer in frames of this interface, VLAN tags not among them: see [`link_header`].
    pub link_header: u32,
}

/// Bytes in front of the network layer, VLAN tags not among them.
#[must_use]
pub const fn link_header(link: Link) -> u32 {
    match link {
        Link::Ethernet => 14,
        Link::Raw => 0,
        Link::Sll => 16,
        Link::Sll2 => 20,
        Link::Null => 4,
    }
}

impl Attempt<'_> {
    /// Bytes behind an IP header without options or extensions in the longest frame of one of its flows.
    pub(super) fn transport_length(&self, flow: &Flow) -> u32 {
        let key = self.key;
        // What came out of a tunnel has at most one tag, and the tunnel's number behind it.
        let tags = if Tunnel::of(key.kind).is_some() { &key.vlans[..1] } else { &key.vlans[..] };
        let tags = tags.iter().filter(|&&tag| tag & VLAN_PRESENT != 0).count() as u32;
        let ip = if key.kind & IPV6 != 0 { 40 } else { 20 };
        flow.length_max.saturating_sub(self.link_header + 4 * tags + ip)
    }
}

/// The flow that would answer; `directed` where keys know directions. `None` for what cannot be answered by one: fragments
/// without ports, ICMP that is no request, tunnels that are numbered by who receives.
#[must_use]
pub fn reverse(key: &FlowKey, directed: bool) -> Option<FlowKey> {
    if key.kind & FRAGMENT != 0 || Tunnel::of(key.kind) == Some(Tunnel::Gtpu) {
        return None;
    }
    let (source_port, destination_port) = match key.protocol {
        ICMP | ICMPV6 => (reply(key.protocol, key.source_port)?, 0),
        _ => (key.destination_port, key.source_port),
    };
    Some(FlowKey {
        source: key.destination,
        destination: key.source,
        source_port,
        destination_port,
        kind: if directed { key.kind ^ EGRESS } else { key.kind },
        ..*key
    })
}

/// The type that answers an ICMP request: RFC 792, RFC 950, RFC 4443.
pub(super) const fn reply(protocol: u8, request: u16) -> Option<u16> {
    match (protocol, request) {
        (ICMP, 8) => Some(0),
        (ICMP, 13) => Some(14),
        (ICMP, 17) => Some(18),
        (ICMPV6, 128) => Some(129),
        _ => None,
    }
}

/// ICMP that says that something is not there: destination unreachable (RFC 792, RFC 4443).
pub(super) const fn is_error(key: &FlowKey) -> bool {
    matches!((key.protocol, key.source_port), (ICMP, 3) | (ICMPV6, 1))
}

/// Whether this side began: it was seen first, or asks for a connection where both were seen at once. ICMP errors begin too;
/// other ICMP that is no request does not.
#[must_use]
pub fn begins(key: &FlowKey, flow: &Flow, answer: Option<&Flow>) -> bool {
    if matches!(key.protocol, ICMP | ICMPV6) {
        return is_error(key) || reply(key.protocol, key.source_port).is_some();
    }
    let Some(answer) = answer else { return true };
    if flow.first_seen != answer.first_seen {
        return flow.first_seen < answer.first_seen;
    }
    let asks = |flow: &Flow| key.protocol == TCP && flow.tcp_flags_first & (SYN | ACK) == SYN;
    match (asks(flow), asks(answer)) {
        (true, false) => true,
        (false, true) => false,
        // Nobody can tell; one of the two, and always the same.
        _ => (key.source_port, key.source) > (key.destination_port, key.destination),
    }
}

#[cfg(test)]
mod tests {
    use wireledger_common::abi::flow::Detail;

    use super::*;

    fn key(protocol: u8, ports: (u16, u16)) -> FlowKey {
        FlowKey {
            source: [1; 16],
            destination: [2; 16],
            source_port: ports.0,
            destination_port: ports.1,
            protocol,
            ..FlowKey::default()
        }
    }

    fn flow(first_seen: u64, tcp_flags_first: u16) -> Flow {
        Flow::new(&Detail { tcp_flags_first, ..Detail::default() }, first_seen)
    }

    #[test]
    fn the_reverse_of_the_reverse_is_the_flow() {
        for directed in [false, true] {
            let there = key(TCP, (40_000, 80));
            let back = reverse(&there, directed).expect("TCP is answered");
            assert_eq!((back.source, back.source_port), (there.destination, 80));
            assert_eq!(back.kind & EGRESS != 0, directed);
            assert_eq!(reverse(&back, directed), Some(there));
        }
    }

    #[test]
    fn icmp_requests_have_replies_and_nothing_else_has() {
        for (protocol, request, reply) in [(1, 8, 0), (1, 13, 14), (1, 17, 18), (58, 128, 129)] {
            let back = reverse(&key(protocol, (request, 0)), false).expect("a request");
            assert_eq!((back.source_port, back.destination_port), (reply, 0));
            assert_eq!(reverse(&back, false), None);
        }
        assert_eq!(reverse(&key(1, (3, 3)), false), None);
        assert_eq!(reverse(&FlowKey { kind: FRAGMENT, ..key(TCP, (0, 0)) }, false), None);
        assert_eq!(reverse(&FlowKey { kind: Tunnel::Gtpu.bits(), ..key(17, (1, 2)) }, true), None);
    }

    #[test]
    fn who_was_seen_first_began_and_of_two_at_once_who_asks() {
        let (there, back) = (key(TCP, (40_000, 80)), key(TCP, (80, 40_000)));
        let (syn, syn_ack) = (flow(5, SYN), flow(5, SYN | ACK));
        assert!(begins(&there, &syn, Some(&syn_ack)));
        assert!(!begins(&back, &syn_ack, Some(&syn)));
        assert!(begins(&back, &flow(4, SYN | ACK), Some(&syn)));
        assert!(begins(&back, &syn_ack, None));
        let (a, b) = (flow(5, 0), flow(5, 0));
        let udp = (key(17, (5353, 53)), key(17, (53, 5353)));
        assert!(begins(&udp.0, &a, Some(&b)) != begins(&udp.1, &b, Some(&a)));
        assert!(begins(&key(1, (8, 0)), &a, None));
        assert!(begins(&key(1, (3, 3)), &a, None));
        assert!(!begins(&key(1, (0, 0)), &a, None));
    }
}
