//! What an attempt was for, and what came of it: one flow's evidence, without memory.

mod tcp;

use wireledger_common::abi::flow::{FRAGMENT, IPV6};

use super::{
    attempt::{Attempt, is_error, reply},
    newcomers::Failure,
    pairs::Target,
    protocol::{ICMP, ICMPV6, SCTP, TCP, UDP},
};

/// What probes are counted by: packets that look alike.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum Class {
    /// SYN, odd flags beside it included.
    Syn,
    /// FIN alone.
    Fin,
    /// No flag, in a whole datagram.
    Null,
    /// FIN, PSH and URG.
    Xmas,
    /// FIN and ACK.
    Maimon,
    /// ACK alone.
    Ack,
    /// Any other flags that begin nothing, RST among them unless it is what resets are.
    Odd,
    /// A first fragment that ends before the flags.
    Fragment,
    /// SYN and ACK.
    SynAck,
    /// UDP.
    Udp,
    /// SCTP, with room for an INIT chunk.
    SctpInit,
    /// SCTP, without.
    SctpCookie,
    /// Any protocol without ports.
    Protocol,
    /// ICMP requests that ask whether a host is there.
    Ping,
}

impl Class {
    /// Every class in index order.
    pub(super) const ALL: [Self; 14] = [
        Self::Syn,
        Self::Fin,
        Self::Null,
        Self::Xmas,
        Self::Maimon,
        Self::Ack,
        Self::Odd,
        Self::Fragment,
        Self::SynAck,
        Self::Udp,
        Self::SctpInit,
        Self::SctpCookie,
        Self::Protocol,
        Self::Ping,
    ];

    /// The probes of this class are ordinary where they succeed.
    pub(super) const fn is_ordinary(self) -> bool {
        matches!(self, Self::Syn | Self::Udp | Self::SctpInit | Self::SctpCookie)
    }

    /// Established connections send such packets too. FIN alone is not among them: whatever follows a handshake has ACK
    /// (RFC 9293 section 3.10.7.4).
    pub(super) const fn ends_connections(self) -> bool {
        matches!(self, Self::Maimon | Self::Ack)
    }
}

/// What came back of an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Outcome {
    /// A handshake was completed, as far as that can be seen, or an answer of the same kind came.
    Completed,
    /// The target was ready, and the source did not go on.
    HalfOpen,
    /// The target said no.
    Refused,
    /// Nothing came, or nobody could see it.
    Silent,
}

impl Outcome {
    /// Every outcome in index order.
    pub const ALL: [Self; 4] = [Self::Completed, Self::HalfOpen, Self::Refused, Self::Silent];

    /// The label of metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::HalfOpen => "half_open",
            Self::Refused => "refused",
            Self::Silent => "silent",
        }
    }
}

/// An attempt as it is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Probe {
    pub(super) class: Class,
    pub(super) outcome: Outcome,
    /// Something came back: what was asked for is there.
    pub(super) answered: bool,
    /// What was asked for: the port, the protocol, the ICMP type; of an unasked-for SYN/ACK the port it came from, since
    /// those differ.
    pub(super) port: u16,
    /// The port on this side: the source's, of a SYN/ACK the one that it went to. None where it is not remembered.
    pub(super) near_port: Option<u16>,
    /// Flags beside a SYN that do not belong there.
    pub(super) is_odd: bool,
    /// It came in fragments.
    pub(super) in_fragments: bool,
    /// A SYN without the options that operating systems send.
    pub(super) is_bare: bool,
    pub(super) packets: u64,
    /// Times of its first and latest packet.
    pub(super) first: u64,
    pub(super) last: u64,
}

/// What an attempt is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Judged {
    /// An attempt that counts, whatever came of it.
    Probe(Probe),
    /// A SYN/ACK that nobody asked for, which is one of the two: the trial of a zombie, by the port that it came from, or a
    /// scan with odd flags, by the port that it went to.
    Either(Probe, Probe),
    /// An ICMP error: its destination was told that something is not there.
    Refusal,
    /// Nothing that tells of scans.
    Nothing,
}

/// A silent UDP flow of more packets is a stream that nobody answers.
const UDP_PROBE: u64 = 16;
/// What traceroute sends to, unless told otherwise, and its highest TTL.
const TRACEROUTE: std::ops::RangeInclusive<u16> = 33_434..=33_534;
const TRACEROUTE_TTL: u8 = 30;
/// Common header of 12 bytes and an INIT chunk of 20 (RFC 9260 sections 3.1 and 3.3.2).
const SCTP_INIT: u32 = 32;

/// What the attempt was for.
pub(super) fn judge(attempt: &Attempt<'_>) -> Judged {
    let key = attempt.key;
    if key.kind & FRAGMENT != 0 || is_group(&key.destination, key.kind & IPV6 != 0) {
        return Judged::Nothing;
    }
    let probe = match key.protocol {
        TCP => return tcp::judge(attempt),
        ICMP | ICMPV6 => return icmp(attempt),
        _ if !attempt.both_ways => None,
        UDP => udp(attempt),
        SCTP => Some(sctp(attempt)),
        number => {
            Some(Probe::new(attempt, Class::Protocol, answered(attempt), u16::from(number), None))
        }
    };
    probe.map_or(Judged::Nothing, Judged::Probe)
}

impl Probe {
    fn new(
        attempt: &Attempt<'_>,
        class: Class,
        outcome: Outcome,
        port: u16,
        near_port: Option<u16>,
    ) -> Self {
        let asked = attempt.asked;
        Self {
            class,
            outcome,
            answered: attempt.answered.is_some(),
            port,
            near_port,
            is_odd: false,
            in_fragments: asked.fragments != 0,
            is_bare: false,
            packets: asked.packets,
            first: asked.first_seen,
            last: asked.last_seen,
        }
    }
}

impl Probe {
    /// Without times, the port on this side, and what is odd about it.
    pub(super) fn pack(&self, target: Target) -> Failure {
        let form = self.class as u8 | (self.outcome as u8) << 4;
        let form = form | u8::from(self.is_bare) << 6 | u8::from(self.answered) << 7;
        Failure::new(target, self.port, form, self.packets)
    }

    /// As it was packed, at this time.
    pub(super) fn unpack(failure: &Failure, time: u64) -> Self {
        let class = Class::ALL[usize::from(failure.what & 15) % Class::ALL.len()];
        Self {
            class,
            outcome: Outcome::ALL[usize::from(failure.what >> 4 & 3)],
            answered: failure.what >> 7 & 1 != 0,
            port: failure.port,
            near_port: None,
            is_odd: false,
            in_fragments: class == Class::Fragment,
            is_bare: failure.what >> 6 & 1 != 0,
            packets: u64::from(failure.packets),
            first: time,
            last: time,
        }
    }
}

/// Multicast and the limited broadcast: nobody answers from such an address.
const fn is_group(address: &[u8; 16], is_v6: bool) -> bool {
    if is_v6 { address[0] == 0xff } else { address[0] >= 224 }
}

fn answered(attempt: &Attempt<'_>) -> Outcome {
    if attempt.answered.is_some() { Outcome::Completed } else { Outcome::Silent }
}

/// From a service to somebody's short-lived port, as answers go whose question was not seen, and the last words of idle
/// connections. Whoever scans from such a port is not seen in what looks like this.
fn is_reply_like(attempt: &Attempt<'_>) -> bool {
    let (from, to) = (attempt.key.source_port, attempt.key.destination_port);
    from < 32_768 && to >= 1024 && to > from
}

/// UDP whose answer does not come the way it went: DHCP's, to who asked by broadcast, and peers that talk from the same port
/// to the same port, most of whom may be gone. Multicast DNS is one of those.
const fn is_unanswerable(from: u16, to: u16) -> bool {
    from == to || matches!((from, to), (67, 68) | (547, 546))
}

fn udp(attempt: &Attempt<'_>) -> Option<Probe> {
    let (key, asked) = (attempt.key, attempt.asked);
    let outcome = answered(attempt);
    if outcome == Outcome::Silent {
        let traceroute =
            TRACEROUTE.contains(&key.destination_port) && asked.ttl_min <= TRACEROUTE_TTL;
        let unanswerable = is_unanswerable(key.source_port, key.destination_port);
        if asked.packets > UDP_PROBE || traceroute || unanswerable || is_reply_like(attempt) {
            return None;
        }
    }
    Some(Probe::new(attempt, Class::Udp, outcome, key.destination_port, Some(key.source_port)))
}

/// Chunks are not read; lengths tell an INIT, and an INIT ACK, from what is shorter.
fn sctp(attempt: &Attempt<'_>) -> Probe {
    let key = attempt.key;
    let class = if attempt.transport_length(attempt.asked) >= SCTP_INIT {
        Class::SctpInit
    } else {
        Class::SctpCookie
    };
    let outcome = match attempt.answered {
        None => Outcome::Silent,
        Some(answer) if attempt.transport_length(answer) < SCTP_INIT => Outcome::Refused,
        // The source went on, or it had what it wanted to know.
        Some(_) if attempt.asked.packets > 1 => Outcome::Completed,
        Some(_) => Outcome::HalfOpen,
    };
    Probe::new(attempt, class, outcome, key.destination_port, Some(key.source_port))
}

fn icmp(attempt: &Attempt<'_>) -> Judged {
    let (protocol, kind) = (attempt.key.protocol, attempt.key.source_port);
    if is_error(attempt.key) {
        return Judged::Refusal;
    }
    if reply(protocol, kind).is_none() || !attempt.both_ways {
        return Judged::Nothing;
    }
    Judged::Probe(Probe::new(attempt, Class::Ping, answered(attempt), kind, None))
}
