//! What one direction of an interface counted in a stretch of time, out of the kernel's counters: they have every packet, also those
//! whose flow got no entry.

use wireledger_common::{
    abi::{
        handshake::{Leg, Outcome},
        protocol::Protocol,
        totals::Totals,
    },
    wire::tcp_flags::{ACK, RST, SYN},
};

/// Handshakes from which on those that are followed tell how the others end.
const SAMPLE: u64 = 100;

/// Packets of one direction.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rates {
    /// TCP.
    pub tcp: u64,
    /// UDP.
    pub udp: u64,
    /// ICMP and ICMPv6.
    pub icmp: u64,
    /// TCP with SYN, without ACK and RST.
    pub syn: u64,
    /// Handshakes that began in this direction; `None` where only one direction is watched, and nobody knows how they end.
    pub handshakes: Option<Handshakes>,
}

/// Handshakes that began in a direction.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Handshakes {
    /// They are followed. Without any here and among [`Self::untracked`] all are taken to be.
    pub begun: u64,
    /// There was no room to follow them.
    pub untracked: u64,
    /// Followed, and a SYN-ACK was seen.
    pub answered: u64,
    /// Followed, and SYN, SYN-ACK and ACK were seen.
    pub completed: u64,
    /// Followed, and a RST answered the SYN.
    pub refused: u64,
    /// SYNs that were seen again before an answer.
    pub resent: u64,
}

impl Handshakes {
    /// Of those that are followed, as many of all.
    pub(super) fn of_all(&self, part: u64) -> u64 {
        let Self { begun, untracked, .. } = *self;
        if untracked == 0 { part } else { scale(part, begun.saturating_add(untracked), begun) }
    }

    /// Fewer than half are followed.
    pub(super) const fn are_mostly_untracked(&self) -> bool {
        self.untracked > self.begun
    }

    /// Enough are followed to know how all of them end.
    pub(super) const fn tell(&self) -> bool {
        !self.are_mostly_untracked() || self.begun >= SAMPLE
    }

    /// Both by the same rule.
    pub(super) fn zip(self, other: Self, rule: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            begun: rule(self.begun, other.begun),
            untracked: rule(self.untracked, other.untracked),
            answered: rule(self.answered, other.answered),
            completed: rule(self.completed, other.completed),
            refused: rule(self.refused, other.refused),
            resent: rule(self.resent, other.resent),
        }
    }
}

impl Rates {
    /// What was counted between two readings.
    #[must_use]
    pub fn between(before: &Totals, after: &Totals, both_ways: bool) -> Self {
        let read = |protocol: Protocol| {
            let packets = |totals: &Totals| {
                totals.read.iter().map(|family| family[protocol as usize].packets).sum::<u64>()
            };
            packets(after).saturating_sub(packets(before))
        };
        let syn = |totals: &Totals| -> u64 {
            let sets = (0_u16..).zip(&totals.flags);
            sets.filter(|(flags, _)| flags & (SYN | ACK | RST) == SYN).map(|(_, count)| count).sum()
        };
        Self {
            tcp: read(Protocol::Tcp),
            udp: read(Protocol::Udp),
            icmp: read(Protocol::Icmp) + read(Protocol::Icmpv6),
            syn: syn(after).saturating_sub(syn(before)),
            handshakes: both_ways.then(|| handshakes(before, after)),
        }
    }

    /// All packets.
    pub(super) const fn packets(&self) -> u64 {
        self.tcp + self.udp + self.icmp
    }

    /// Both by the same rule.
    pub(super) fn zip(self, other: Self, rule: impl Fn(u64, u64) -> u64 + Copy) -> Self {
        let handshakes = match (self.handshakes, other.handshakes) {
            (Some(a), Some(b)) => Some(a.zip(b, rule)),
            // Nothing was counted in the one that does not say.
            (one, other) => one.or(other),
        };
        Self {
            tcp: rule(self.tcp, other.tcp),
            udp: rule(self.udp, other.udp),
            icmp: rule(self.icmp, other.icmp),
            syn: rule(self.syn, other.syn),
            handshakes,
        }
    }
}

fn handshakes(before: &Totals, after: &Totals) -> Handshakes {
    let grown = |count: &dyn Fn(&Totals) -> u64| count(after).saturating_sub(count(before));
    let ended = |outcome: Outcome| grown(&|totals| totals.handshakes[outcome as usize]);
    Handshakes {
        begun: grown(&|totals| totals.handshakes_begun),
        untracked: ended(Outcome::Untracked),
        answered: grown(&|totals| totals.handshake_times[Leg::SynAck as usize].count()),
        completed: ended(Outcome::Completed),
        refused: ended(Outcome::Refused),
        resent: grown(&|totals| totals.handshake_resent),
    }
}

/// `part` of `of`, as part of `all`.
pub(super) fn scale(part: u64, all: u64, of: u64) -> u64 {
    let product = u128::from(part) * u128::from(all) / u128::from(of.max(1));
    u64::try_from(product).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use wireledger_common::wire::tcp_flags::{CWR, ECE, FIN};
    use zerocopy::FromZeros;

    use super::*;

    #[test]
    fn the_difference_of_two_readings_is_what_came_between() {
        let before = Totals::new_zeroed();
        let mut after = before;
        after.read[0][Protocol::Tcp as usize].packets = 9;
        after.read[1][Protocol::Tcp as usize].packets = 1;
        after.read[1][Protocol::Icmpv6 as usize].packets = 3;
        after.read[0][Protocol::Udp as usize].packets = 4;
        for (flags, count) in
            [(SYN, 1), (SYN | ECE | CWR, 2), (SYN | FIN, 4), (SYN | ACK, 8), (RST, 16)]
        {
            after.flags[usize::from(flags)] = count;
        }
        after.handshakes[Outcome::Completed as usize] = 5;
        after.handshakes[Outcome::Refused as usize] = 3;
        after.handshake_resent = 2;
        after.handshakes[Outcome::Untracked as usize] = 7;
        after.handshakes_begun = 11;
        after.handshake_times[Leg::SynAck as usize].buckets[3] = 6;
        let handshakes = Some(Handshakes {
            begun: 11,
            untracked: 7,
            answered: 6,
            completed: 5,
            refused: 3,
            resent: 2,
        });
        let expected = Rates { tcp: 10, udp: 4, icmp: 3, syn: 7, handshakes };
        assert_eq!(Rates::between(&before, &after, true), expected);
        assert_eq!(Rates::between(&after, &after, false), Rates::default());
    }

    #[test]
    fn those_that_are_followed_stand_for_all_once_they_are_enough() {
        let followed = |begun, untracked| Handshakes { begun, untracked, ..Handshakes::default() };
        assert_eq!(followed(0, 0).of_all(7), 7);
        assert_eq!(followed(100, 300).of_all(50), 200);
        let tell = [(0, 0), (1, 1), (99, 100), (100, 10_000)].map(|(a, b)| followed(a, b).tell());
        assert_eq!(tell, [true, true, false, true]);
    }
}
