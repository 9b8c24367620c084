//! How much it takes to be called a scan, who is left out, and how much is remembered.

use std::{net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;

/// How soon something is called a scan.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Sensitivity {
    /// Only what is large.
    Low,
    /// What nothing ordinary looks like.
    #[default]
    Normal,
    /// Also what is small, at the price of a false alarm now and then.
    High,
}

/// What a scan has to reach.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Thresholds {
    /// SYN, connect, UDP and SCTP: ports of one target without success.
    pub ports: u64,
    /// SYN, connect, UDP and SCTP: targets of one port without success.
    pub targets: u64,
    /// Packets that nothing ordinary begins with (FIN, NULL, Xmas, Maimon, ACK, odd flags, tiny fragments, unasked-for
    /// SYN/ACKs): different pairs of target and port.
    pub stealth: u64,
    /// IP protocols asked of one target.
    pub protocols: u64,
    /// Targets of a ping sweep.
    pub ping: u64,
    /// Ways in which one target was asked whether it is there, within ten seconds.
    pub methods: u32,
    /// Percent of a source's pairs that failed and never succeeded, at least.
    pub failed: u64,
    /// Percent of the failed pairs that belong to such a target or such a port, at least.
    pub concentrated: u64,
    /// Nanoseconds of silence after which a source is forgotten.
    pub window: u64,
}

/// Nanoseconds in which the ways of asking whether a target is there are counted together.
pub(super) const METHODS_WITHIN: u64 = 10 * SECOND;

/// Nanoseconds that a scan is silent before it has ended, at least; at most [`Thresholds::window`], and eight times the
/// distance between its probes where that lies between them.
pub(super) const ENDS_AFTER: u64 = MINUTE;

impl Sensitivity {
    /// The table of docs/SCANS.md.
    #[must_use]
    pub const fn thresholds(self) -> Thresholds {
        match self {
            Self::Low => Thresholds {
                ports: 25,
                targets: 25,
                stealth: 10,
                protocols: 10,
                ping: 16,
                methods: 4,
                failed: 90,
                concentrated: 67,
                window: 15 * MINUTE,
            },
            Self::Normal => Thresholds {
                ports: 10,
                targets: 10,
                stealth: 5,
                protocols: 5,
                ping: 8,
                methods: 3,
                failed: 75,
                concentrated: 50,
                window: 60 * MINUTE,
            },
            Self::High => Thresholds {
                ports: 6,
                targets: 6,
                stealth: 4,
                protocols: 4,
                ping: 5,
                methods: 3,
                failed: 60,
                concentrated: 34,
                window: 360 * MINUTE,
            },
        }
    }
}

/// Addresses that begin alike: `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

/// What is no [`Prefix`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("'{0}' is no address and no prefix: write 192.0.2.0/24, 2001:db8::/32 or one address")]
pub struct BadPrefix(String);

impl FromStr for Prefix {
    type Err = BadPrefix;

    fn from_str(text: &str) -> Result<Self, BadPrefix> {
        let bad = || BadPrefix(text.to_owned());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Ok(most), |length| length.parse().map_err(|_| bad()))?;
        if length > most { Err(bad()) } else { Ok(Self { address, length }) }
    }
}

impl Prefix {
    /// Whether it holds the address that a flow key has.
    #[must_use]
    pub fn holds(&self, address: &[u8; 16], is_v6: bool) -> bool {
        let (own, width) = match self.address {
            IpAddr::V4(own) => (u128::from(own.to_bits()) << 96, 32),
            IpAddr::V6(own) => (own.to_bits(), 128),
        };
        let other = u128::from_be_bytes(*address);
        let rest = 128 - u32::from(self.length);
        is_v6 == (width == 128) && (own ^ other).checked_shr(rest).unwrap_or(0) == 0
    }
}

/// How a detector works.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// How soon something is called a scan.
    pub sensitivity: Sensitivity,
    /// Sources that are never looked at.
    pub allow: Vec<Prefix>,
    /// Sources with few failures that are remembered, 64 bytes each and 16 for those that were pushed out; rounded up to a power
    /// of two.
    pub newcomers: usize,
    /// Sources with more, counted once for each class of probes, at most some 95 KiB each; 256 guests come on top.
    pub suspects: usize,
    /// Verdicts that have ended and are still told.
    pub ended: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sensitivity: Sensitivity::default(),
            allow: Vec::new(),
            newcomers: 1 << 20,
            suspects: 4096,
            ended: 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(bytes: [u8; 4]) -> [u8; 16] {
        let mut address = [0; 16];
        address[..4].copy_from_slice(&bytes);
        address
    }

    #[test]
    fn a_prefix_holds_what_begins_like_it() {
        let prefix: Prefix = "10.66.0.0/15".parse().expect("a prefix");
        assert!(prefix.holds(&v4([10, 67, 255, 255]), false));
        assert!(!prefix.holds(&v4([10, 68, 0, 0]), false));
        assert!(!prefix.holds(&v4([10, 67, 255, 255]), true));
        let one: Prefix = "2001:db8::1".parse().expect("an address");
        let mut address = [0; 16];
        address[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
        assert!(!one.holds(&address, true));
        address[15] = 1;
        assert!(one.holds(&address, true));
        let all: Prefix = "0.0.0.0/0".parse().expect("a prefix");
        assert!(all.holds(&v4([255; 4]), false));
    }

    #[test]
    fn what_is_no_prefix_says_so() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "a/8", "10.0.0.0/"] {
            assert_eq!(text.parse::<Prefix>(), Err(BadPrefix(text.to_owned())));
        }
    }

    #[test]
    fn a_newcomer_is_a_suspect_before_anything_is_a_scan() {
        for sensitivity in [Sensitivity::Low, Sensitivity::Normal, Sensitivity::High] {
            let Thresholds { ports, targets, stealth, protocols, ping, .. } =
                sensitivity.thresholds();
            assert!([ports, targets, stealth, protocols, ping].into_iter().all(|least| least >= 4));
        }
    }
}
