//! A verdict as the log has it, and as it is ordered from the witness.

use std::net::IpAddr;

use super::watch::Watch;
use crate::{
    capture::Case,
    kernel::Wall,
    report::{Direction, ScanKind, ScanLabels},
    scan::{Stage, Verdict, flood::Flood},
};

/// Addresses of each kind that a line of the log names; how many there are stands beside them.
const NAMED: usize = 8;

/// The number of a scan, or of a flood.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Id {
    Scan(u64),
    Flood(u64),
}

/// What was found.
pub(super) struct Told {
    pub(super) id: Id,
    pub(super) labels: ScanLabels,
    pub(super) stage: Stage,
    interface: u32,
    /// Whose packets are evidence; nobody where they are too many to be known.
    sources: Vec<IpAddr>,
    /// To whom, where not everything that the sources did is evidence.
    targets: Vec<IpAddr>,
    first_seen: u64,
    last_seen: u64,
    packets: u64,
    ports: u64,
    source_count: u64,
    target_count: u64,
    named_targets: Vec<IpAddr>,
    said: String,
}

impl Told {
    pub(super) fn scan(verdict: &Verdict, stage: Stage) -> Self {
        let Verdict { kind, targets, ports, .. } = verdict;
        Self {
            id: Id::Scan(verdict.id),
            labels: ScanLabels {
                kind: ScanKind::Scan(*kind),
                direction: Direction::of(verdict.egress),
                confidence: verdict.confidence,
            },
            stage,
            interface: verdict.interface,
            sources: verdict.sources.clone(),
            // Anybody: what else the source did is evidence as well.
            targets: Vec::new(),
            first_seen: verdict.first_seen,
            last_seen: verdict.last_seen,
            packets: verdict.packets,
            ports: ports.count,
            source_count: verdict.sources.len() as u64,
            target_count: targets.count,
            named_targets: named(&targets.examples),
            said: format!("{} of {} targets, {} ports", kind.title(), targets.count, ports.count),
        }
    }

    pub(super) fn flood(flood: &Flood, stage: Stage) -> Self {
        let examples: Vec<_> = flood.sources.examples.iter().map(|it| it.address).collect();
        let mut targets: Vec<_> = flood.targets.iter().map(|target| target.address).collect();
        targets.dedup();
        let mut ports: Vec<_> = flood.targets.iter().filter_map(|target| target.port).collect();
        ports.sort_unstable();
        ports.dedup();
        Self {
            id: Id::Flood(flood.number),
            labels: ScanLabels {
                kind: ScanKind::Flood(flood.kind),
                direction: Direction::of(flood.egress),
                confidence: flood.confidence,
            },
            stage,
            interface: flood.interface,
            sources: if flood.sources.scattered { Vec::new() } else { examples },
            first_seen: flood.first_seen,
            last_seen: flood.last_seen,
            packets: flood.packets,
            ports: ports.len() as u64,
            source_count: flood.sources.distinct,
            target_count: targets.len() as u64,
            named_targets: named(&targets),
            targets,
            said: format!("{:.0} packets a second, {:.0} are usual", flood.peak, flood.usual),
        }
    }

    /// What of the flight recorder is evidence of it.
    pub(super) fn incident(self, wall: Wall) -> Case<Id> {
        Case {
            id: self.id,
            kind: self.labels.kind.label(),
            sources: self.sources,
            targets: self.targets,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            epoch: wall.epoch(),
            last: self.stage == Stage::Ended,
        }
    }

    pub(super) fn log(&self, watch: &Watch) {
        let interface = watch.name_of(self.interface).unwrap_or_default();
        let [kind, direction, confidence] = self.labels.labels();
        let (Id::Scan(id) | Id::Flood(id)) = self.id;
        let (sources, targets) = (list(&named(&self.sources)), list(&self.named_targets));
        let Self { packets, ports, source_count, target_count, said, .. } = self;
        macro_rules! line {
            ($level:ident, $what:literal) => {
                tracing::$level!(
                    kind,
                    id,
                    direction,
                    confidence,
                    interface,
                    sources,
                    source_count,
                    targets,
                    target_count,
                    ports,
                    packets,
                    said,
                    $what
                )
            };
        }
        match self.stage {
            Stage::Begun => line!(warn, "scan or flood begun"),
            Stage::Grown => line!(info, "scan or flood goes on"),
            Stage::Ended => line!(info, "scan or flood ended"),
        }
    }
}

fn named(all: &[IpAddr]) -> Vec<IpAddr> {
    all.iter().take(NAMED).copied().collect()
}

fn list(all: &[IpAddr]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
