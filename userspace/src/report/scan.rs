//! Scans and floods as a face shows them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Direction;
use crate::{
    capture::EvidenceTally,
    scan::{
        self, Confidence, Kind, OpenPort, Ports, Shape, Tag, Targets, Verdict,
        flood::{self, Flood},
    },
};

/// What somebody did.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(untagged)]
pub enum ScanKind {
    /// A scan.
    Scan(Kind),
    /// A flood.
    Flood(flood::Kind),
}

impl ScanKind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        Kind::all().map(Self::Scan).chain(flood::Kind::ALL.map(Self::Flood))
    }

    /// The label of metrics, tables and JSON.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Scan(kind) => kind.label(),
            Self::Flood(kind) => kind.label(),
        }
    }

    /// As a sentence has it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Scan(kind) => kind.title(),
            Self::Flood(kind) => kind.title(),
        }
    }
}

/// What scans and floods are counted by.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ScanLabels {
    /// What was done.
    pub kind: ScanKind,
    /// Direction of the probes, or of the flood.
    pub direction: Direction,
    /// How sure it is.
    pub confidence: Confidence,
}

impl ScanLabels {
    /// Every combination: as many series has a family of them, whatever happens.
    pub fn all() -> impl Iterator<Item = Self> {
        let sure = [Confidence::Possible, Confidence::Likely, Confidence::Certain];
        ScanKind::all().flat_map(move |kind| {
            Direction::ALL.into_iter().flat_map(move |direction| {
                sure.map(|confidence| Self { kind, direction, confidence })
            })
        })
    }

    /// As metrics have them.
    #[must_use]
    pub const fn labels(self) -> [&'static str; 3] {
        [self.kind.label(), self.direction.label(), self.confidence.label()]
    }
}

/// A verdict with its interface's name and its times told.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ScanLine {
    /// Its number, among the scans or among the floods.
    pub id: u64,
    /// What was done.
    pub kind: ScanKind,
    /// What was gone through; none of a flood.
    pub shape: Option<Shape>,
    /// It goes on.
    pub under_way: bool,
    /// Interface name; its index where the name is forgotten.
    pub interface: String,
    /// Direction of the probes, or of the flood.
    pub direction: Direction,
    /// Who; several where some may be decoys, examples where a flood has many.
    pub sources: Vec<IpAddr>,
    /// How many they are; of a flood an estimate.
    pub source_count: u64,
    /// Who was asked, or flooded.
    pub targets: Targets,
    /// What was asked for or flooded: ports, or the protocol numbers of an IP protocol scan.
    pub ports: Ports,
    /// Ports that answered, of whichever target.
    pub open_ports: Vec<u16>,
    /// How many ports of targets answered.
    pub open_count: u64,
    /// The first of them.
    pub open_examples: Vec<OpenPort>,
    /// Different pairs of target and port.
    pub pairs: u64,
    /// Attempts, repetitions included.
    pub attempts: u64,
    /// Packets of the sources; of a flood all packets of its kind.
    pub packets: u64,
    /// Packets a second, of a flood.
    pub rate: Option<FloodRate>,
    /// Time of the first packet.
    pub first_seen: f64,
    /// Time of the latest packet.
    pub last_seen: f64,
    /// How sure it is.
    pub confidence: Confidence,
    /// What else there is to say.
    pub tags: Vec<Tag>,
    /// Why, a sentence each.
    pub reasons: Vec<String>,
    /// The file with the packets, where evidence is kept.
    pub evidence: Option<String>,
    /// Some of the packets are not in it: forgotten before they could be written, or left out for want of bytes.
    #[serde(default)]
    pub evidence_incomplete: bool,
    /// How far it has been told; nothing of what comes from a capture file.
    #[serde(flatten)]
    pub telling: Option<Telling>,
}

/// How far a verdict has been told, to the log and whoever follows.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Telling {
    /// What was told last.
    pub stage: TellingStage,
    /// How many times it was told: while this stays, only counts go on.
    pub revision: u64,
    /// When it was told first, seconds since 1970; with its number it names a verdict for good, also where a daemon begins anew.
    pub first_told: f64,
}

/// What was told of a verdict.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TellingStage {
    /// It is new.
    Begun,
    /// There is a lot more to it, or another source.
    Grown,
    /// It is over.
    Ended,
}

impl From<scan::Stage> for TellingStage {
    fn from(stage: scan::Stage) -> Self {
        match stage {
            scan::Stage::Begun => Self::Begun,
            scan::Stage::Grown => Self::Grown,
            scan::Stage::Ended => Self::Ended,
        }
    }
}

/// Packets a second of a flood.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct FloodRate {
    /// In the latest second.
    pub now: f64,
    /// Before it began.
    pub usual: f64,
    /// In the worst second.
    pub peak: f64,
}

impl ScanLine {
    /// A scan with its interface's name and its times told.
    #[must_use]
    pub fn of_scan(
        verdict: &Verdict,
        under_way: bool,
        interface: String,
        seen: (f64, f64),
    ) -> Self {
        let open = &verdict.open_ports;
        let mut open_ports: Vec<_> = open.examples.iter().map(|open| open.port).collect();
        open_ports.sort_unstable();
        open_ports.dedup();
        Self {
            id: verdict.id,
            kind: ScanKind::Scan(verdict.kind),
            shape: Some(verdict.shape),
            under_way,
            interface,
            direction: Direction::of(verdict.egress),
            sources: verdict.sources.clone(),
            source_count: verdict.sources.len() as u64,
            targets: verdict.targets.clone(),
            ports: verdict.ports.clone(),
            open_ports,
            open_count: open.count,
            open_examples: open.examples.clone(),
            pairs: verdict.pairs,
            attempts: verdict.attempts,
            packets: verdict.packets,
            rate: None,
            first_seen: seen.0,
            last_seen: seen.1,
            confidence: verdict.confidence,
            tags: verdict.tags.clone(),
            reasons: verdict.reasons.clone(),
            evidence: None,
            evidence_incomplete: false,
            telling: None,
        }
    }

    /// A flood with its interface's name and its times told.
    #[must_use]
    pub fn of_flood(flood: &Flood, under_way: bool, interface: String, seen: (f64, f64)) -> Self {
        let mut examples: Vec<_> = flood.targets.iter().map(|target| target.address).collect();
        examples.dedup();
        let mut ports: Vec<_> = flood.targets.iter().filter_map(|target| target.port).collect();
        ports.sort_unstable();
        ports.dedup();
        Self {
            id: flood.number,
            kind: ScanKind::Flood(flood.kind),
            shape: None,
            under_way,
            interface,
            direction: Direction::of(flood.egress),
            sources: flood.sources.examples.iter().map(|source| source.address).collect(),
            source_count: flood.sources.distinct,
            targets: Targets { count: examples.len() as u64, examples },
            ports: Ports { count: ports.len() as u64, ranges: scan::ranges(ports.iter().copied()) },
            open_ports: Vec::new(),
            open_count: 0,
            open_examples: Vec::new(),
            pairs: 0,
            attempts: 0,
            packets: flood.packets,
            rate: Some(FloodRate { now: flood.rate, usual: flood.usual, peak: flood.peak }),
            first_seen: seen.0,
            last_seen: seen.1,
            confidence: flood.confidence,
            tags: Vec::new(),
            reasons: flood.reasons.clone(),
            evidence: None,
            evidence_incomplete: false,
            telling: None,
        }
    }
}

/// What there is to count of looking for scans.
#[derive(Clone, Debug, Default)]
pub struct ScanTally {
    /// Scans and floods that began, by what was thought of them then.
    pub begun: Vec<(ScanLabels, u64)>,
    /// Those under way, by what was told of them last.
    pub under_way: Vec<(ScanLabels, u64)>,
    /// The detector of scans.
    pub scans: scan::Counters,
    /// The detector of floods.
    pub floods: flood::Counters,
    /// Flows that ended too soon, and too many at once, to be judged.
    pub unsettled: u64,
    /// What became of evidence, where it is kept.
    pub evidence: Option<EvidenceTally>,
}
