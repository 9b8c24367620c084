//! What a direction had in one second or in two: the kernel's counters, and of what only flows tell the rest.

use std::ops::Add;

use wireledger_common::{
    abi::{
        flow::{FRAGMENT, FlowKey},
        protocol::Protocol,
    },
    wire::tcp_flags::{ACK, RST, SYN},
};

use super::{
    Kind, News, Rates,
    rates::{Handshakes, scale},
};

/// What a packet or a flow is to those who look for floods.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Matter {
    /// A SYN.
    Syn,
    /// A flow of TCP that begins with SYN-ACK or RST: it answers something.
    Answer,
    /// UDP.
    Udp,
    /// An ICMP or ICMPv6 message that asks for an answer, or is none that is known.
    Request,
    /// An answer to one.
    Reply,
    /// An ICMP or ICMPv6 error.
    Error,
    /// Nothing.
    Nothing,
}

impl Matter {
    pub(super) fn of(key: &FlowKey, news: &News) -> Self {
        let kind = key.source_port;
        match Protocol::of(key.protocol) {
            Protocol::Tcp if news.first_flags & (SYN | ACK | RST) == SYN => Self::Syn,
            // What goes on was asked for, though perhaps out of sight.
            Protocol::Tcp
                if news.begins
                    && is_answer(news.first_flags)
                    && news.packets <= news.syn.max(1) =>
            {
                Self::Answer
            }
            Protocol::Udp => Self::Udp,
            // Without its beginning nobody knows the type.
            Protocol::Icmp | Protocol::Icmpv6 if key.kind & FRAGMENT != 0 => Self::Request,
            // IANA "ICMP Type Numbers": unreachable, quench, redirect, time exceeded, parameter problem; replies.
            Protocol::Icmp => match kind {
                3 | 4 | 5 | 11 | 12 => Self::Error,
                0 | 14 | 16 | 18 => Self::Reply,
                _ => Self::Request,
            },
            // IANA "ICMPv6 Parameters": errors are below 128; 130 to 137 and 143 are the link's own affairs (MLD, neighbours).
            Protocol::Icmpv6 => match kind {
                0..=127 => Self::Error,
                129 => Self::Reply,
                130..=137 | 143 => Self::Nothing,
                _ => Self::Request,
            },
            _ => Self::Nothing,
        }
    }
}

impl Matter {
    /// The kind of flood that it would be part of, and how many packets of it there are.
    pub(super) const fn counts(self, news: &News) -> Option<(Kind, u64)> {
        match self {
            Self::Syn => Some((Kind::SynFlood, news.syn)),
            Self::Udp => Some((Kind::UdpFlood, news.packets)),
            Self::Request => Some((Kind::IcmpFlood, news.packets)),
            Self::Answer => Some((Kind::Backscatter, 1)),
            Self::Reply | Self::Error => Some((Kind::Backscatter, news.packets)),
            Self::Nothing => None,
        }
    }
}

const fn is_answer(flags: u16) -> bool {
    flags & RST != 0 || flags & (SYN | ACK) == SYN | ACK
}

/// What only flows tell of a second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Flows of TCP that begin with something else than an answer.
    pub(super) asked: u64,
    /// Flows that begin with SYN and have more than SYNs at once.
    pub(super) went_on: u64,
    /// [`Matter::Answer`], flows.
    pub(super) answers: u64,
    /// [`Matter::Request`], packets.
    pub(super) requests: u64,
    /// [`Matter::Reply`], packets.
    pub(super) replies: u64,
    /// [`Matter::Error`], packets.
    pub(super) errors: u64,
    /// Of UDP that is counted in one with what it answers, packets.
    pub(super) udp_answers: u64,
}

impl Tally {
    pub(super) fn note(&mut self, matter: Matter, key: &FlowKey, news: &News) {
        match matter {
            Matter::Syn => self.went_on += u64::from(news.begins && news.packets > news.syn),
            Matter::Answer => self.answers += 1,
            Matter::Request => self.requests += news.packets,
            Matter::Reply => self.replies += news.packets,
            Matter::Error => self.errors += news.packets,
            Matter::Udp | Matter::Nothing => {}
        }
        let is_tcp = Protocol::of(key.protocol) == Protocol::Tcp;
        self.asked += u64::from(news.begins && is_tcp && !is_answer(news.first_flags));
    }

    /// Packets of ICMP.
    pub(super) const fn icmp(&self) -> u64 {
        self.requests + self.replies + self.errors
    }

    /// With the share of ICMP that got no flow entry: it is taken to be as the rest of it. `known` packets have one.
    pub(super) fn scaled(self, icmp: u64, known: u64) -> Self {
        if known == 0 || icmp <= known {
            return self;
        }
        let all = |packets| scale(packets, icmp, known);
        let (requests, replies) = (all(self.requests), all(self.replies));
        Self { requests, replies, errors: all(self.errors), ..self }
    }
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            asked: self.asked + other.asked,
            went_on: self.went_on + other.went_on,
            answers: self.answers + other.answers,
            requests: self.requests + other.requests,
            replies: self.replies + other.replies,
            errors: self.errors + other.errors,
            udp_answers: self.udp_answers + other.udp_answers,
        }
    }
}

/// What allowed sources had in a second, as far as flows tell: the kernel's counters have it among the rest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spared {
    rates: Rates,
    pub(super) tally: Tally,
}

impl Spared {
    pub(super) fn note(&mut self, matter: Matter, key: &FlowKey, news: &News) {
        self.tally.note(matter, key, news);
        let rates = &mut self.rates;
        match Protocol::of(key.protocol) {
            Protocol::Tcp => rates.tcp += news.packets,
            Protocol::Udp => rates.udp += news.packets,
            Protocol::Icmp | Protocol::Icmpv6 => rates.icmp += news.packets,
            _ => {}
        }
        rates.syn += if matter == Matter::Syn { news.syn } else { 0 };
    }

    /// What others had. Of the allowed ones' handshakes those are taken to be completed whose flows went on, and the others to be refused.
    pub(super) fn without(&self, all: Rates) -> Rates {
        let completed = self.tally.went_on;
        let refused = self.rates.syn.saturating_sub(completed);
        let spared = Handshakes { completed, refused, ..Handshakes::default() };
        let spared = Rates { handshakes: all.handshakes.map(|_| spared), ..self.rates };
        all.zip(spared, u64::saturating_sub)
    }
}

/// What was sent in the second before and may still be answered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Credit {
    answers: u64,
    replies: u64,
    errors: u64,
}

/// What answers nothing that was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unasked {
    /// Flows of TCP that begin with SYN-ACK or RST.
    pub(super) answers: u64,
    /// Echo replies and their like.
    pub(super) replies: u64,
    /// ICMP errors.
    pub(super) errors: u64,
}

impl Unasked {
    /// Of what came, beside what was sent that it may answer: `rates` and what flows tell of it.
    pub(super) fn of(came: &Tally, sent: &Tally, rates: &Rates, credit: &mut Credit) -> Self {
        let connections = sent.asked.max(rates.syn);
        let all = rates.udp + rates.syn + sent.requests;
        Self {
            answers: beyond(came.answers, connections, &mut credit.answers),
            replies: beyond(came.replies, sent.requests, &mut credit.replies),
            errors: beyond(came.errors, all, &mut credit.errors),
        }
    }

    pub(super) const fn sum(&self) -> u64 {
        self.answers + self.replies + self.errors
    }
}

fn beyond(came: u64, asked: u64, credit: &mut u64) -> u64 {
    let due = asked + *credit;
    *credit = asked.min(due.saturating_sub(came));
    came.saturating_sub(due)
}

/// A second's numbers, or two.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Measure {
    pub(super) rates: Rates,
    pub(super) requests: u64,
    /// Echo replies that went the other way.
    pub(super) answered: u64,
    pub(super) unasked: Unasked,
}

impl Measure {
    /// Packets that a flood of this kind would be made of.
    pub(super) fn of(&self, kind: Kind) -> u64 {
        let Rates { tcp, udp, syn, handshakes, .. } = self.rates;
        match kind {
            Kind::SynFlood => match handshakes.filter(Handshakes::tell) {
                Some(told) => syn.saturating_sub(told.of_all(told.completed)),
                // Whoever is served sends more than SYNs.
                None => syn * u64::from(syn * 2 > tcp),
            },
            Kind::UdpFlood => udp,
            Kind::IcmpFlood => self.requests,
            Kind::Backscatter => self.unasked.sum(),
        }
    }

    /// Half of it.
    pub(super) fn halved(self) -> Self {
        self.zip(self, |count, _| count / 2)
    }

    /// Both by the same rule.
    fn zip(self, other: Self, rule: impl Fn(u64, u64) -> u64 + Copy) -> Self {
        let (one, two) = (self.unasked, other.unasked);
        Self {
            rates: self.rates.zip(other.rates, rule),
            requests: rule(self.requests, other.requests),
            answered: rule(self.answered, other.answered),
            unasked: Unasked {
                answers: rule(one.answers, two.answers),
                replies: rule(one.replies, two.replies),
                errors: rule(one.errors, two.errors),
            },
        }
    }
}

impl Add for Measure {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.zip(other, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use wireledger_common::abi::flow::IPV6;

    use super::*;

    fn icmp(protocol: u8, kind: u16) -> Matter {
        let key = FlowKey { protocol, source_port: kind, ..FlowKey::default() };
        Matter::of(&key, &News::default())
    }

    #[test]
    fn messages_of_icmp_ask_answer_complain_or_are_the_links_own() {
        let (v4, v6) = (1, 58);
        for kind in [8, 13, 15, 17, 42] {
            assert_eq!(icmp(v4, kind), Matter::Request, "{kind}");
        }
        for kind in [0, 14, 16, 18] {
            assert_eq!(icmp(v4, kind), Matter::Reply, "{kind}");
        }
        for kind in [3, 11, 12] {
            assert_eq!((icmp(v4, kind), icmp(v6, kind)), (Matter::Error, Matter::Error), "{kind}");
        }
        assert_eq!((icmp(v6, 128), icmp(v6, 129)), (Matter::Request, Matter::Reply));
        for kind in [130, 133, 134, 135, 136, 143] {
            assert_eq!(icmp(v6, kind), Matter::Nothing, "{kind}");
        }
        let fragment = FlowKey { protocol: v6, kind: FRAGMENT | IPV6, ..FlowKey::default() };
        assert_eq!(Matter::of(&fragment, &News::default()), Matter::Request);
    }

    #[test]
    fn flows_of_tcp_answer_only_when_they_begin() {
        let key = FlowKey { protocol: 6, ..FlowKey::default() };
        let of = |first_flags, begins| {
            Matter::of(&key, &News { first_flags, begins, ..News::default() })
        };
        assert_eq!((of(SYN, true), of(SYN, false)), (Matter::Syn, Matter::Syn));
        for flags in [SYN | ACK, RST, RST | ACK, SYN | RST] {
            assert_eq!((of(flags, true), of(flags, false)), (Matter::Answer, Matter::Nothing));
        }
        assert_eq!((of(ACK, true), of(0, true)), (Matter::Nothing, Matter::Nothing));
        let answered = |packets, syn| {
            let news = News { packets, syn, first_flags: SYN | ACK, begins: true, bytes: 0 };
            Matter::of(&key, &news)
        };
        let all = [(1, 1), (3, 3), (2, 1)].map(|(packets, syn)| answered(packets, syn));
        assert_eq!(all, [Matter::Answer, Matter::Answer, Matter::Nothing]);
    }

    #[test]
    fn what_was_asked_a_second_ago_may_be_answered_now_but_not_later() {
        let mut credit = 0;
        assert_eq!(beyond(0, 100, &mut credit), 0);
        assert_eq!(beyond(150, 80, &mut credit), 0);
        assert_eq!(beyond(30, 0, &mut credit), 0);
        assert_eq!(beyond(10, 0, &mut credit), 10);
        assert_eq!(beyond(0, 100, &mut credit), 0);
        assert_eq!(beyond(0, 0, &mut credit), 0);
        assert_eq!(beyond(100, 0, &mut credit), 100);
    }
}
