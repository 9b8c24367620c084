//! A scan by a source that does much else with success: told by the targets that it scans, and by what it did to those.

use std::borrow::Cow;

use super::{
    pairs::Pairs,
    rows::Row,
    track::{EXAMPLES, OPEN, Track},
    verdict::OpenPort,
};

impl Track {
    /// The scan without what else the source did. Targets that others have pushed out of the rows are counted by their pairs.
    pub(super) fn alone(&self) -> Cow<'_, Self> {
        if self.scanned.is_empty() || self.probed.list().is_none() {
            return Cow::Borrowed(self);
        }
        let mut alone = Self::new(self.class, self.last);
        alone.last = 0;
        alone.probed = self.of_scanned(&self.probed);
        alone.completed = self.of_scanned(&self.completed);
        alone.answered = self.of_scanned(&self.answered);
        (alone.shape, alone.case) = (self.shape, self.case);
        alone.scanned.clone_from(&self.scanned);
        for &(target, address) in &self.scanned {
            alone.examples.extend(address.map(|address| (target, address)));
            match self.rows.of(target) {
                Some(row) => alone.add_row(row),
                None => alone.add_pairs(self.probed.ports_of(target).count() as u64),
            }
            let open = alone.answered.ports_of(target);
            let open = open.filter_map(|port| Some(OpenPort { address: address?, port }));
            alone.open.extend(open);
        }
        alone.examples.truncate(EXAMPLES);
        alone.open.truncate(OPEN);
        if alone.last == 0 {
            (alone.last, alone.last_new) = (self.last, self.last_new);
        }
        Cow::Owned(alone)
    }

    /// Forgets what is not of the scan.
    pub(super) fn keep_scanned(&mut self) {
        if !self.scanned.is_empty() {
            self.probed = self.of_scanned(&self.probed);
            self.completed = self.of_scanned(&self.completed);
            self.answered = self.of_scanned(&self.answered);
        }
    }

    fn of_scanned(&self, pairs: &Pairs) -> Pairs {
        let mut kept = Pairs::default();
        for &(target, _) in &self.scanned {
            for port in pairs.ports_of(target) {
                kept.insert(target, port);
            }
        }
        kept
    }

    fn add_row(&mut self, row: &Row) {
        self.attempts += u64::from(row.attempts);
        self.packets += row.packets;
        self.bare += u64::from(row.bare);
        for (sum, count) in self.outcomes.iter_mut().zip(row.outcomes) {
            *sum += u64::from(count);
        }
        self.first = self.first.min(row.first);
        self.last = self.last.max(row.last);
        self.last_new = self.last_new.max(row.last_new);
    }

    fn add_pairs(&mut self, pairs: u64) {
        self.attempts += pairs;
        self.packets += pairs;
    }
}
