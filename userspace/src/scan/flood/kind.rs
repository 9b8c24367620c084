//! What a flood is called, and from which rate on there may be one.

use serde::{Deserialize, Serialize};

use crate::scan::Sensitivity;

/// What comes in too great a number.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Kind {
    /// SYNs to few ports, of handshakes that nobody completes.
    SynFlood,
    /// UDP that is not answered, or refused, or means nothing.
    UdpFlood,
    /// ICMP and ICMPv6 requests to few hosts.
    IcmpFlood,
    /// SYN-ACKs, RSTs, echo replies and ICMP errors that answer what nobody here sent.
    Backscatter,
}

impl Kind {
    /// Every kind in index order.
    pub const ALL: [Self; Self::COUNT] =
        [Self::SynFlood, Self::UdpFlood, Self::IcmpFlood, Self::Backscatter];
    /// How many there are.
    pub const COUNT: usize = 4;

    /// The label of metrics and tables.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::SynFlood => "syn_flood",
            Self::UdpFlood => "udp_flood",
            Self::IcmpFlood => "icmp_flood",
            Self::Backscatter => "backscatter",
        }
    }

    /// Floors above which no level rises: next to nothing of it is ordinary, however long it goes on.
    pub(super) const fn most(self) -> f64 {
        match self {
            Self::SynFlood | Self::Backscatter => 10.0,
            Self::UdpFlood | Self::IcmpFlood => f64::INFINITY,
        }
    }

    /// As a sentence has it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::SynFlood => "SYN flood",
            Self::UdpFlood => "UDP flood",
            Self::IcmpFlood => "ICMP flood",
            Self::Backscatter => "backscatter",
        }
    }
}

/// What a rate must reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Packets a second below which nothing is a flood, by [`Kind`].
    pub floors: [f64; Kind::COUNT],
    /// Times the usual rate of the interface and direction.
    pub factor: f64,
}

impl Thresholds {
    /// The table of docs/FLOODS.md.
    #[must_use]
    pub const fn of(sensitivity: Sensitivity) -> Self {
        //                           SYN       UDP     ICMP  backscatter
        let (floors, factor) = match sensitivity {
            Sensitivity::Low => ([5_000.0, 10_000.0, 5_000.0, 2_000.0], 8.0),
            Sensitivity::Normal => ([1_000.0, 2_000.0, 1_000.0, 500.0], 4.0),
            Sensitivity::High => ([300.0, 500.0, 200.0, 100.0], 3.0),
        };
        Self { floors, factor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_stands_at_its_own_index_and_has_its_own_label() {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
            let shown = serde_json::to_value(kind).expect("a word");
            assert_eq!(shown, kind.label());
        }
    }

    #[test]
    fn who_is_more_sensitive_has_lower_thresholds() {
        let order = [Sensitivity::High, Sensitivity::Normal, Sensitivity::Low];
        for pair in order.windows(2) {
            let (more, less) = (Thresholds::of(pair[0]), Thresholds::of(pair[1]));
            assert!(more.factor < less.factor);
            assert!(more.floors.iter().zip(less.floors).all(|(more, less)| *more < less));
        }
    }
}
