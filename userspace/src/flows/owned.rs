//! What belongs to an interface's name: its sums, tables, distinct counts and shapes, whatever index it has.

use hashbrown::DefaultHashBuilder;
use wireledger_common::abi::{
    flow::{EGRESS, FlowKey},
    totals::Count,
};

use super::{
    distinct::{Distinct, Sketches},
    shapes::Shapes,
    talkers::{Sizes, Tables},
};
use crate::naming::Names;

/// One name's.
pub struct Owned {
    /// By CPU: ingress, egress.
    sums: Vec<[Count; 2]>,
    pub(super) talkers: Tables,
    sketches: [Sketches; 2],
    shapes: [Shapes; 2],
}

impl Owned {
    pub(super) fn new(sizes: Sizes, hasher: &DefaultHashBuilder) -> Self {
        Self {
            sums: Vec::new(),
            talkers: Tables::new(sizes, hasher),
            sketches: Default::default(),
            shapes: Default::default(),
        }
    }

    /// Adds what a flow had of late.
    #[inline]
    pub(super) fn add(&mut self, cpu: u32, key: &FlowKey, names: &Names, news: Count) {
        let cpu = cpu as usize;
        if self.sums.len() <= cpu {
            self.sums.resize(cpu + 1, [Count::default(); 2]);
        }
        self.sums[cpu][way(key)].add(news.packets, news.bytes);
        self.talkers.add(key, names, news);
    }

    /// Counts a flow as one of this part of the window.
    pub(super) fn note(&mut self, key: &FlowKey, hasher: &DefaultHashBuilder) {
        self.sketches[way(key)].add(key, hasher);
    }

    /// Begins the next part of the window.
    pub(super) fn turn(&mut self) {
        self.sketches.iter_mut().for_each(Sketches::turn);
    }

    pub(super) fn shapes_mut(&mut self, key: &FlowKey) -> &mut Shapes {
        &mut self.shapes[way(key)]
    }

    /// In flows by one CPU, ended ones included.
    #[must_use]
    pub fn in_flows(&self, egress: bool, cpu: u32) -> Count {
        self.sums.get(cpu as usize).map_or(Count::default(), |ways| ways[usize::from(egress)])
    }

    /// Who talks most.
    #[must_use]
    pub fn talkers(&self) -> &Tables {
        &self.talkers
    }

    /// How many different ones there were of late.
    #[must_use]
    pub fn distinct(&self, egress: bool) -> Distinct {
        self.sketches[usize::from(egress)].estimate()
    }

    /// How flows were.
    #[must_use]
    pub fn shapes(&self, egress: bool) -> &Shapes {
        &self.shapes[usize::from(egress)]
    }
}

const fn way(key: &FlowKey) -> usize {
    (key.kind & EGRESS != 0) as usize
}
