//! The flows of a capture, in bounded memory.

use hashbrown::HashMap;
use wireledger_common::{
    abi::{
        flow::{Detail, FlowKey},
        record::Record,
        totals::Count,
    },
    table::read::Reading,
};

use crate::flows::{Flow, Progress, Sort, top};

/// Flows by key, each incarnation of a table's entry added to its flow.
pub struct Listing {
    flows: HashMap<FlowKey, Flow>,
    /// Flows to keep when there are twice as many.
    most: usize,
    sort: Sort,
    unlisted: Unlisted,
    records: u64,
}

/// Flows that were dropped from the list, least first, to keep memory bounded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Unlisted {
    /// How many; one that came back counts again.
    pub flows: u64,
    /// Their packets and bytes.
    pub count: Count,
}

impl Listing {
    /// An empty list that keeps at least the first `most` flows in the order of `sort`.
    #[must_use]
    pub fn new(most: usize, sort: Sort) -> Self {
        let most = most.max(1);
        Self { flows: HashMap::new(), most, sort, unlisted: Unlisted::default(), records: 0 }
    }

    /// Takes in the record of an ended entry.
    pub fn record(&mut self, record: &Record) {
        self.records += 1;
        self.add(&record.key, record.into(), &record.detail);
    }

    /// Takes in an entry that is still in the table.
    pub fn entry(&mut self, reading: &Reading) {
        self.add(&reading.slot.key, reading.into(), &reading.slot.detail);
    }

    fn add(&mut self, key: &FlowKey, progress: Progress, detail: &Detail) {
        let flow = self.flows.entry(*key).or_insert_with(|| Flow::new(detail, detail.first_seen));
        flow.add(progress, detail, detail.last_seen.max(detail.first_seen));
        if self.flows.len() >= self.most.saturating_mul(2) {
            self.shed();
        }
    }

    /// Keeps the first `most`.
    fn shed(&mut self) {
        let kept = top(self.flows.iter(), self.most, self.sort);
        let mut flows = std::mem::take(&mut self.flows);
        for (key, flow) in kept {
            flows.remove(&key);
            self.flows.insert(key, flow);
        }
        for flow in flows.values() {
            self.unlisted.flows += 1;
            self.unlisted.count.add(flow.packets, flow.bytes);
        }
    }

    /// The first `n` flows in the order of `sort`, ties by key.
    #[must_use]
    pub fn top(&self, n: usize, sort: Sort) -> Vec<(FlowKey, Flow)> {
        top(self.flows.iter(), n, sort)
    }

    /// Every listed flow, in no order.
    pub fn flows(&self) -> impl Iterator<Item = (&FlowKey, &Flow)> {
        self.flows.iter()
    }

    /// How many are listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// None is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// What is not listed.
    #[must_use]
    pub const fn unlisted(&self) -> Unlisted {
        self.unlisted
    }

    /// Entries that ended before the capture did, for want of room.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.records
    }
}
