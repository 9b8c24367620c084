//! What was told of each verdict that is shown, and by which clock.

use std::collections::{BTreeMap, VecDeque};

use super::told::Id;
use crate::{
    kernel::Wall,
    report::{ScanLabels, Telling, TellingStage},
    scan::Stage,
};

/// All of them: those under way, and as many that have ended as are shown.
pub(super) struct Tellings {
    known: BTreeMap<Id, Known>,
    /// Scans and floods that have ended, oldest first, and how many of each are shown.
    ended: [(VecDeque<Id>, usize); 2],
    begun: BTreeMap<ScanLabels, u64>,
}

/// A verdict that was told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    labels: ScanLabels,
    pub(super) telling: Telling,
    /// From the flows' clock to the wall's, as it was when the verdict was told first: so times of one verdict do not tremble.
    pub(super) wall: Wall,
}

impl Known {
    pub(super) fn goes_on(&self) -> bool {
        self.telling.stage != TellingStage::Ended
    }
}

impl Tellings {
    /// With as many ended scans and floods as the detectors show.
    pub(super) fn new(scans: usize, floods: usize) -> Self {
        let ended = [scans, floods].map(|most| (VecDeque::new(), most));
        Self { known: BTreeMap::new(), ended, begun: BTreeMap::new() }
    }

    /// Notes that a verdict is told. Returns what is known of it, and which one is not shown any more.
    pub(super) fn tell(
        &mut self,
        id: Id,
        labels: ScanLabels,
        stage: Stage,
        wall: Wall,
    ) -> (Known, Option<Id>) {
        if stage == Stage::Begun {
            *self.begun.entry(labels).or_default() += 1;
        }
        let stage = stage.into();
        let known = self.known.entry(id).or_insert_with(|| {
            let telling = Telling { stage, revision: 0, first_told: wall.unix_seconds_now() };
            Known { labels, telling, wall }
        });
        known.labels = labels;
        known.telling = Telling { stage, revision: known.telling.revision + 1, ..known.telling };
        let known = *known;
        (known, if known.goes_on() { None } else { self.end(id) })
    }

    fn end(&mut self, id: Id) -> Option<Id> {
        let (ended, most) = &mut self.ended[usize::from(matches!(id, Id::Flood(_)))];
        ended.push_back(id);
        let forgotten = if ended.len() > *most { ended.pop_front() } else { None };
        if let Some(id) = forgotten {
            self.known.remove(&id);
        }
        forgotten
    }

    pub(super) fn of(&self, id: Id) -> Option<&Known> {
        self.known.get(&id)
    }

    /// Verdicts that began, by what each was called then.
    pub(super) fn begun(&self) -> Vec<(ScanLabels, u64)> {
        all(&self.begun)
    }

    /// Those under way, by what each is called now.
    pub(super) fn under_way(&self) -> Vec<(ScanLabels, u64)> {
        let mut under_way: BTreeMap<_, u64> = BTreeMap::new();
        for known in self.known.values().filter(|known| known.goes_on()) {
            *under_way.entry(known.labels).or_default() += 1;
        }
        all(&under_way)
    }
}

/// All that there may be: a counter that is not there before its first event has no increase.
fn all(counts: &BTreeMap<ScanLabels, u64>) -> Vec<(ScanLabels, u64)> {
    let count = |labels| (labels, counts.get(&labels).copied().unwrap_or_default());
    ScanLabels::all().map(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::{Direction, ScanKind},
        scan::{Confidence, Kind},
    };

    const fn labels(kind: Kind) -> ScanLabels {
        let (kind, direction) = (ScanKind::Scan(kind), Direction::Ingress);
        ScanLabels { kind, direction, confidence: Confidence::Likely }
    }

    const SYN: ScanLabels = labels(Kind::Syn);
    const CONNECT: ScanLabels = labels(Kind::Connect);

    #[test]
    fn each_telling_is_a_revision_and_the_clock_is_that_of_the_first() {
        let mut tellings = Tellings::new(2, 2);
        let id = Id::Scan(1);
        let (first, _) = tellings.tell(id, SYN, Stage::Begun, Wall::now());
        let expected =
            [(TellingStage::Grown, 2), (TellingStage::Grown, 3), (TellingStage::Ended, 4)];
        for (stage, (told, revision)) in
            [Stage::Grown, Stage::Grown, Stage::Ended].into_iter().zip(expected)
        {
            let (known, _) = tellings.tell(id, CONNECT, stage, Wall::now());
            let telling = Telling { stage: told, revision, ..first.telling };
            assert_eq!(known.telling, telling);
            assert_eq!(known.wall.epoch(), first.wall.epoch());
            assert_eq!(tellings.of(id).map(|known| known.telling), Some(telling));
        }
    }

    #[test]
    fn a_verdict_is_counted_by_what_it_is_called_now_and_begins_once() {
        let mut tellings = Tellings::new(2, 2);
        let under_way = |tellings: &Tellings, kind| {
            tellings.under_way().into_iter().find(|(other, _)| *other == kind).map(|(_, n)| n)
        };
        tellings.tell(Id::Scan(1), SYN, Stage::Begun, Wall::now());
        assert_eq!(under_way(&tellings, SYN), Some(1));
        tellings.tell(Id::Scan(1), CONNECT, Stage::Grown, Wall::now());
        assert_eq!((under_way(&tellings, SYN), under_way(&tellings, CONNECT)), (Some(0), Some(1)));
        tellings.tell(Id::Scan(1), CONNECT, Stage::Ended, Wall::now());
        assert_eq!(under_way(&tellings, CONNECT), Some(0));
        assert_eq!(tellings.begun().iter().map(|(_, n)| n).sum::<u64>(), 1);
    }

    #[test]
    fn what_ended_is_known_for_as_long_as_it_is_shown() {
        let mut tellings = Tellings::new(2, 1);
        let mut end = |id| {
            tellings.tell(id, SYN, Stage::Begun, Wall::now());
            tellings.tell(id, SYN, Stage::Ended, Wall::now()).1
        };
        let forgotten =
            [Id::Scan(1), Id::Flood(1), Id::Scan(2), Id::Scan(3), Id::Flood(2)].map(&mut end);
        assert_eq!(forgotten, [None, None, None, Some(Id::Scan(1)), Some(Id::Flood(1))]);
        assert_eq!(tellings.known.len(), 3);
    }
}
