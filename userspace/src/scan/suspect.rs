//! A source that failed again and again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wireledger_common::abi::flow::{EGRESS, FlowKey, IPV6};

use super::{
    bounded::Filter,
    pairs::Target,
    probe::{Class, Outcome, Probe},
    protocol::{ICMP, ICMPV6, SCTP, TCP, UDP},
    settings::METHODS_WITHIN,
    successes::{Hashes, Successes},
    track::Track,
};

/// Who attempts, and where that is seen.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Source {
    /// As in the flow key.
    pub(super) address: [u8; 16],
    pub(super) interface: u32,
    /// Family and direction bit of the flow key.
    pub(super) kind: u8,
}

impl Source {
    pub(super) const fn of(key: &FlowKey) -> Self {
        Self { address: key.source, interface: key.interface, kind: key.kind & (IPV6 | EGRESS) }
    }

    /// Whether another source is seen in the same place: interface, direction and family.
    pub(super) const fn is_seen_with(&self, other: &Self) -> bool {
        self.interface == other.interface && self.kind == other.kind
    }

    /// Who was told so by an ICMP error with this key.
    pub(super) const fn told(key: &FlowKey, turned: bool) -> Self {
        let kind = if turned { key.kind ^ EGRESS } else { key.kind };
        Self { address: key.destination, interface: key.interface, kind: kind & (IPV6 | EGRESS) }
    }

    pub(super) fn address(&self) -> IpAddr {
        address(self.kind & IPV6 != 0, &self.address)
    }
}

/// An address of a flow key.
pub(super) fn address(is_v6: bool, bytes: &[u8; 16]) -> IpAddr {
    if is_v6 {
        Ipv6Addr::from(*bytes).into()
    } else {
        Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into()
    }
}

/// Targets whose ways of being asked are followed at once.
const ASKED: usize = 8;

/// In which ways a target was asked of late whether it is there.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    target: Target,
    since: u64,
    ways: u8,
}

/// Ways of asking whether a host is there, a bit each.
pub(super) mod way {
    pub(crate) const ECHO: u8 = 1 << 0;
    pub(crate) const TIMESTAMP: u8 = 1 << 1;
    pub(crate) const MASK: u8 = 1 << 2;
    pub(crate) const SYN: u8 = 1 << 3;
    pub(crate) const ACK: u8 = 1 << 4;
    pub(crate) const UDP: u8 = 1 << 5;

    /// In a sentence.
    pub(crate) const NAMES: [(u8, &str); 6] = [
        (ECHO, "ICMP echo"),
        (TIMESTAMP, "ICMP timestamp"),
        (MASK, "ICMP address mask"),
        (SYN, "TCP SYN"),
        (ACK, "TCP ACK"),
        (UDP, "UDP"),
    ];
}

/// A source with all that is known of it.
pub(super) struct Suspect {
    pub(super) source: Source,
    pub(super) tracks: Vec<Track>,
    /// Targets that it talked to with success since it is a suspect, and what it did before.
    talked_to: Filter,
    pub(super) earlier: Successes,
    /// How many of those are not in the tracks.
    pub(super) earlier_count: u64,
    /// IP protocols that it used, a bit each.
    pub(super) protocols: [u64; 4],
    asked: [Asked; ASKED],
    next_asked: usize,
    /// Every way that it ever used.
    pub(super) ways: u8,
    /// ICMP errors told it that something is not there.
    pub(super) was_told: bool,
    /// When it was heard of last.
    pub(super) last: u64,
}

impl Suspect {
    pub(super) fn new(source: Source, earlier: Successes, now: u64) -> Self {
        Self {
            source,
            tracks: Vec::new(),
            talked_to: Filter::default(),
            earlier,
            earlier_count: earlier.estimate(),
            protocols: [0; 4],
            asked: [Asked::default(); ASKED],
            next_asked: 0,
            ways: 0,
            was_told: false,
            last: now,
        }
    }

    pub(super) fn track(&self, class: Class) -> Option<&Track> {
        self.tracks.iter().find(|track| track.class == class)
    }

    pub(super) fn track_mut(&mut self, class: Class) -> Option<&mut Track> {
        self.tracks.iter_mut().find(|track| track.class == class)
    }

    /// Takes in a probe that has a track; returns whether its pair is new.
    pub(super) fn add(
        &mut self,
        probe: &Probe,
        hashes: Hashes,
        target: Target,
        address: Option<IpAddr>,
        now: u64,
    ) -> bool {
        self.last = self.last.max(now);
        let number = protocol(probe, self.source.kind & IPV6 != 0);
        self.protocols[usize::from(number) / 64] |= 1 << (number % 64);
        if probe.outcome == Outcome::Completed && probe.class.is_ordinary() {
            self.talked_to.add(hashes.target);
        }
        self.note_way(probe, target);
        let seems_earlier = self.earlier.has(hashes);
        let Some(track) = self.track_mut(probe.class) else { return false };
        let is_new = track.add(probe, target, address);
        if let (true, true, Some(seems)) =
            (is_new, probe.outcome != Outcome::Completed, seems_earlier)
        {
            track.sampled += 1;
            track.seem_earlier += u64::from(seems);
        }
        is_new
    }

    fn note_way(&mut self, probe: &Probe, target: Target) {
        let way = match (probe.class, probe.port) {
            (Class::Ping, 8 | 128) => way::ECHO,
            (Class::Ping, 13) => way::TIMESTAMP,
            (Class::Ping, _) => way::MASK,
            (Class::Syn, _) if probe.outcome != Outcome::Completed => way::SYN,
            (Class::Ack, _) => way::ACK,
            (Class::Udp, _) if probe.outcome != Outcome::Completed => way::UDP,
            _ => return,
        };
        self.ways |= way;
        let fits = |asked: &Asked| {
            asked.target == target
                && asked.ways != 0
                && probe.first.saturating_sub(asked.since) < METHODS_WITHIN
        };
        if let Some(asked) = self.asked.iter_mut().find(|asked| fits(asked)) {
            asked.ways |= way;
            return;
        }
        let asked = Asked { target, since: probe.first, ways: way };
        self.asked[self.next_asked % ASKED] = asked;
        self.next_asked += 1;
    }

    /// Most ways in which one target was asked within [`METHODS_WITHIN`], one of them by ICMP other than echo.
    pub(super) fn methods(&self) -> u32 {
        let rare = self.asked.iter().filter(|asked| asked.ways & (way::TIMESTAMP | way::MASK) != 0);
        rare.map(|asked| asked.ways.count_ones()).max().unwrap_or(0)
    }

    /// It talked to this target with success, by whatever port, since it is a suspect.
    pub(super) fn talks_to(&self, target_hash: u64) -> bool {
        self.talked_to.has(target_hash)
    }

    /// What this track failed at worked before: it is down, and was not sought.
    pub(super) fn is_down(&self, track: &Track) -> bool {
        track.class.is_ordinary() && self.earlier.explain(track.sampled, track.seem_earlier)
    }

    /// Pairs that failed: what it stays a suspect for.
    pub(super) fn evidence(&self) -> u64 {
        self.tracks.iter().map(Track::failed).sum()
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        let tracks: usize = self.tracks.iter().map(Track::bytes).sum();
        size_of::<Self>()
            + self.tracks.capacity() * size_of::<Track>()
            + tracks
            + self.talked_to.bytes()
    }
}

/// The IP protocol of a probe.
fn protocol(probe: &Probe, is_v6: bool) -> u8 {
    match probe.class {
        Class::Udp => UDP,
        Class::SctpInit | Class::SctpCookie => SCTP,
        Class::Protocol => probe.port as u8,
        Class::Ping if is_v6 => ICMPV6,
        Class::Ping => ICMP,
        _ => TCP,
    }
}
