//! Whether answers can be seen at an interface. That both directions are watched does not say so: a mirror port has all of it as
//! ingress, a slave of a bond and a router whose ways differ have halves.
//!
//! Who is answered goes on: its flow has more than SYNs. Where initiators go on without an answer having been seen, answers are not seen;
//! a flood does not go on, however many its SYNs are, so that it hides nothing.

use std::ops::Add;

use super::rates::{Handshakes, Rates};

/// Handshakes from which on there is something to go by.
const ENOUGH: u64 = 30;
/// Packets from which on a direction that has none is one that is not seen,
const MANY: u64 = 10_000;
/// and packets the other way for each of it where it is not quite none: who sends routes and names itself does.
const STRAY: u64 = 1000;
/// Old evidence counts half once there is so much, so that a change is found out.
const HANDSHAKES: u64 = 2000;
const PACKETS: u64 = 1 << 20;

/// What is known of an interface.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sight {
    /// Not yet enough.
    Unknown,
    /// Answers are seen.
    Answers,
    /// Most are not.
    Blind,
}

/// What it is known by.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Evidence {
    /// Flows that began with a SYN and went on.
    went_on: u64,
    /// Handshakes of which an answer was seen.
    answered: u64,
    /// Packets: ingress, egress. None where directions are not told apart.
    packets: [u64; 2],
}

impl Evidence {
    /// Of a second's counters, and the flows of it that went on.
    pub(super) fn of(rates: &[Rates; 2], went_on: u64, directed: bool) -> Self {
        let packets = if directed { rates.map(|way| way.packets()) } else { [0; 2] };
        let told: Vec<_> = rates.iter().filter_map(|way| way.handshakes).collect();
        if told.is_empty() || !told.iter().all(Handshakes::tell) {
            return Self { packets, ..Self::default() };
        }
        let answered = told.iter().map(|told| told.of_all(told.answered.max(told.completed)));
        Self { went_on, answered: answered.sum(), packets }
    }

    /// Without packets.
    pub(super) fn of_handshakes(&self) -> Self {
        Self { packets: [0; 2], ..*self }
    }

    pub(super) fn sight(&self) -> Sight {
        let [ingress, egress] = self.packets;
        let (most, least) = (ingress.max(egress), ingress.min(egress));
        if self.went_on >= ENOUGH && self.answered * 3 < self.went_on * 2 {
            Sight::Blind
        } else if self.answered >= ENOUGH {
            Sight::Answers
        } else if most >= MANY && least.saturating_mul(STRAY) < most {
            Sight::Blind
        } else {
            Sight::Unknown
        }
    }

    /// Takes in another second's.
    pub(super) fn learn(&mut self, other: Self) {
        *self = *self + other;
        if self.went_on.max(self.answered) >= HANDSHAKES {
            (self.went_on, self.answered) = (self.went_on / 2, self.answered / 2);
        }
        if self.packets.into_iter().any(|packets| packets >= PACKETS) {
            self.packets = self.packets.map(|packets| packets / 2);
        }
    }
}

impl Add for Evidence {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let ([a, b], [c, d]) = (self.packets, other.packets);
        Self {
            went_on: self.went_on + other.went_on,
            answered: self.answered + other.answered,
            packets: [a + c, b + d],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(went_on: u64, answered: u64, packets: [u64; 2]) -> Sight {
        Evidence { went_on, answered, packets }.sight()
    }

    #[test]
    fn initiators_that_go_on_unanswered_were_answered_out_of_sight() {
        assert_eq!(sight(29, 0, [0; 2]), Sight::Unknown);
        assert_eq!(sight(30, 0, [0; 2]), Sight::Blind);
        // A bond of two slaves.
        assert_eq!(sight(1000, 500, [0; 2]), Sight::Blind);
        assert_eq!(sight(1000, 950, [0; 2]), Sight::Answers);
        // A flood at an open port.
        assert_eq!(sight(0, 1000, [90_000, 0]), Sight::Answers);
    }

    #[test]
    fn next_to_no_packets_one_way_are_a_direction_that_is_not_seen() {
        assert_eq!(sight(0, 0, [9999, 0]), Sight::Unknown);
        assert_eq!(sight(0, 0, [10_000, 9]), Sight::Blind);
        assert_eq!(sight(0, 0, [9, 10_000]), Sight::Blind);
        assert_eq!(sight(0, 0, [10_000, 10]), Sight::Unknown);
    }

    #[test]
    fn a_change_is_found_out() {
        let mut learned = Evidence::default();
        for _ in 0..100 {
            learned.learn(Evidence { went_on: 100, answered: 100, packets: [0; 2] });
        }
        assert_eq!(learned.sight(), Sight::Answers);
        for _ in 0..15 {
            learned.learn(Evidence { went_on: 100, answered: 0, packets: [0; 2] });
        }
        assert_eq!(learned.sight(), Sight::Blind);
    }
}
