//! What is said of a scan.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// How somebody scanned.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// SYN (half-open): `nmap -sS`.
    Syn,
    /// TCP connections that are completed: `nmap -sT`.
    Connect,
    /// FIN alone: `nmap -sF`.
    Fin,
    /// No flag: `nmap -sN`.
    Null,
    /// FIN, PSH and URG: `nmap -sX`.
    Xmas,
    /// FIN and ACK: `nmap -sM`.
    Maimon,
    /// ACK alone; the packets of `nmap -sA` and `nmap -sW` are the same.
    Ack,
    /// Another combination of flags that no connection begins with: `nmap --scanflags`.
    OddFlags,
    /// TCP in fragments too small for its flags: `nmap -f`.
    Fragmented,
    /// SYN/ACKs that nobody asked for: somebody tries out this host as the zombie of `nmap -sI`.
    IdleZombie,
    /// UDP: `nmap -sU`.
    Udp,
    /// SCTP INIT: `nmap -sY`.
    SctpInit,
    /// SCTP COOKIE-ECHO: `nmap -sZ`.
    SctpCookieEcho,
    /// IP protocols: `nmap -sO`.
    IpProtocol,
    /// Which hosts are there: `nmap -sn`.
    PingSweep,
}

impl Kind {
    /// Every kind with its label and its name in a sentence, in the order of the labels' meaning.
    const TABLE: [(Self, &str, &str); 15] = [
        (Self::Syn, "syn", "SYN scan"),
        (Self::Connect, "connect", "connect scan"),
        (Self::Fin, "fin", "FIN scan"),
        (Self::Null, "null", "NULL scan"),
        (Self::Xmas, "xmas", "Xmas scan"),
        (Self::Maimon, "maimon", "Maimon scan"),
        (Self::Ack, "ack", "ACK or window scan"),
        (Self::OddFlags, "odd_flags", "scan with odd TCP flags"),
        (Self::Fragmented, "fragmented", "TCP scan in tiny fragments"),
        (Self::IdleZombie, "idle_zombie", "use as an idle scan's zombie"),
        (Self::Udp, "udp", "UDP scan"),
        (Self::SctpInit, "sctp_init", "SCTP INIT scan"),
        (Self::SctpCookieEcho, "sctp_cookie_echo", "SCTP COOKIE-ECHO scan"),
        (Self::IpProtocol, "ip_protocol", "IP protocol scan"),
        (Self::PingSweep, "ping_sweep", "ping sweep"),
    ];

    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::TABLE.into_iter().map(|(kind, ..)| kind)
    }

    /// The label of metrics, tables and JSON.
    #[must_use]
    pub const fn label(self) -> &'static str {
        Self::TABLE[self as usize].1
    }

    /// As a sentence has it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        Self::TABLE[self as usize].2
    }
}

/// What was gone through.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Ports, or protocols, of one host or a few.
    PortScan,
    /// Hosts, for one port or a few.
    HostSweep,
    /// Many ports of many hosts.
    Both,
}

impl Shape {
    /// The label of tables and JSON.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::PortScan => "port_scan",
            Self::HostSweep => "host_sweep",
            Self::Both => "both",
        }
    }
}

/// What else is to be said of a scan.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tag {
    /// More than a second between new probes on the mean.
    Slow,
    /// The probes came in IP fragments.
    Fragmented,
    /// Several sources ask the same in the same order; at most some of them are real.
    Decoys,
    /// SYN with flags that do not belong to it.
    OddFlags,
    /// From a port below 1024.
    FromServicePort,
    /// The source may be the zombie of somebody else's idle scan.
    MaybeZombie,
}

impl Tag {
    /// The label of tables and JSON.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Fragmented => "fragmented",
            Self::Decoys => "decoys",
            Self::OddFlags => "odd_flags",
            Self::FromServicePort => "from_service_port",
            Self::MaybeZombie => "maybe_zombie",
        }
    }
}

/// How sure it is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Something ordinary may look so.
    Possible,
    /// It was a scan; its kind, or how much it went for, is told by less than it could be.
    Likely,
    /// Nothing ordinary looks so.
    Certain,
}

impl Confidence {
    /// The word.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

/// Where a verdict stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// It is new.
    Begun,
    /// It has grown to twice what was told, or for a minute, or has another source.
    Grown,
    /// Its sources are silent.
    Ended,
}

/// Who was asked.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Targets {
    /// How many; within a few percent from some thousand on.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<IpAddr>,
}

/// What was asked for: ports, or the protocol numbers of an IP protocol scan.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Ports {
    /// How many.
    pub count: u64,
    /// All of them, `1-3,80`; cut after 16 KiB, `1,3,5,…`.
    pub ranges: String,
}

/// A port that answered.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct OpenPort {
    /// Whose.
    pub address: IpAddr,
    /// The port, or the protocol number.
    pub port: u16,
}

/// What the scan found.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct OpenPorts {
    /// How many are known of.
    pub count: u64,
    /// The first of them, by address and port.
    pub examples: Vec<OpenPort>,
}

/// A scan, named, with its reasons. Times are nanoseconds of the clock that the flows came with.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Verdict {
    /// Its number, from 1 on; it keeps it.
    pub id: u64,
    /// How.
    pub kind: Kind,
    /// What was gone through.
    pub shape: Shape,
    /// Index of the interface that it was seen at.
    pub interface: u32,
    /// The probes left by this interface: of somebody here, or of somebody whose packets are forwarded.
    pub egress: bool,
    /// Who; several where some may be decoys.
    pub sources: Vec<IpAddr>,
    /// Who was asked.
    pub targets: Targets,
    /// What was asked for.
    pub ports: Ports,
    /// Who answered.
    pub open_ports: OpenPorts,
    /// Different pairs of target and port.
    pub pairs: u64,
    /// Attempts, repetitions included.
    pub attempts: u64,
    /// Packets of the sources.
    pub packets: u64,
    /// Time of the first packet.
    pub first_seen: u64,
    /// Time of the latest packet.
    pub last_seen: u64,
    /// What else there is to say, in the order of the tags.
    pub tags: Vec<Tag>,
    /// How sure it is.
    pub confidence: Confidence,
    /// Why, a sentence each.
    pub reasons: Vec<String>,
}

impl Verdict {
    /// Bytes on the heap, about.
    pub(super) fn bytes(&self) -> usize {
        let reasons: usize = self.reasons.iter().map(|reason| reason.len()).sum();
        (self.sources.len() + self.targets.examples.len()) * size_of::<IpAddr>()
            + self.ports.ranges.len()
            + self.open_ports.examples.len() * size_of::<OpenPort>()
            + self.reasons.len() * size_of::<String>()
            + reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_stands_at_its_own_index_and_is_called_as_in_json() {
        for (index, kind) in Kind::all().enumerate() {
            assert_eq!(kind as usize, index);
            let json = serde_json::to_string(&kind).expect("a string");
            assert_eq!(json, format!("\"{}\"", kind.label()));
        }
    }

    #[test]
    fn tags_are_called_as_in_json() {
        for tag in [Tag::Slow, Tag::Decoys, Tag::FromServicePort, Tag::MaybeZombie, Tag::OddFlags] {
            assert_eq!(
                serde_json::to_string(&tag).expect("a string"),
                format!("\"{}\"", tag.label())
            );
        }
    }
}
