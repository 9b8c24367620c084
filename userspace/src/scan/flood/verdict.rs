//! What is said of a flood.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Confidence, Kind};

/// A flood, as long as it lasts and after. Times are nanoseconds of the caller's clock, rates packets a second.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Flood {
    /// Its number, in the order in which floods began.
    pub number: u64,
    /// What comes.
    pub kind: Kind,
    /// Interface index.
    pub interface: u32,
    /// It leaves this host.
    pub egress: bool,
    /// Whom it is meant for, most packets first; of backscatter, who gets it.
    pub targets: Vec<Target>,
    /// Where it comes from; of backscatter, who is flooded in our name.
    pub sources: Sources,
    /// Rate of the latest second.
    pub rate: f64,
    /// Rate that was usual when it began.
    pub usual: f64,
    /// Highest rate of a second.
    pub peak: f64,
    /// Packets, those of ordinary traffic alike among them.
    pub packets: u64,
    /// When the first second of it began.
    pub first_seen: u64,
    /// End of the latest second with so many packets.
    pub last_seen: u64,
    /// How sure it is.
    pub confidence: Confidence,
    /// Why it is called so: sentences.
    pub reasons: Vec<String>,
}

/// Whom a flood is meant for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Target {
    /// Its address.
    pub address: IpAddr,
    /// Its port, where the flood is meant for one.
    pub port: Option<u16>,
    /// Packets that it surely got.
    pub packets: u64,
}

/// Where a flood comes from.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Sources {
    /// How many addresses, as HyperLogLog counts them (3 % standard error; exact while few).
    pub distinct: u64,
    /// Those that sent most.
    pub examples: Vec<Source>,
    /// There are many, and none stands out: spoofed, or very many hosts.
    pub scattered: bool,
}

/// A source of a flood.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Source {
    /// Its address.
    pub address: IpAddr,
    /// Packets that it surely sent.
    pub packets: u64,
}
