//! Who talks most: for each interface name the flows, hosts and ports of either direction and the conversations of both, in tables that
//! add up to the interface's total.

mod budget;
mod candidates;
mod party;
mod table;

#[cfg(test)]
mod tests;

use hashbrown::DefaultHashBuilder;
use wireledger_common::abi::{
    flow::{EGRESS, FlowKey},
    totals::Count,
};

pub use budget::{Sizes, budget};
pub use candidates::{Candidate, Candidates};
pub use party::{Dimension, address, has_ports, port_of};
pub use table::{Member, Table};

use crate::naming::Names;

/// After so many nanoseconds recent bytes count half.
pub const HALF_LIFE: u64 = 30_000_000_000;

/// The tables of one interface name.
pub struct Tables {
    /// By dimension but the conversation: ingress, egress.
    directed: [[Table; 2]; 3],
    conversations: Table,
}

impl Tables {
    /// Empty tables.
    pub(super) fn new(sizes: Sizes, hasher: &DefaultHashBuilder) -> Self {
        let table = |dimension| Table::new(dimension, hasher.clone());
        let directed = [Dimension::Flow, Dimension::Host, Dimension::Port];
        let mut tables = Self {
            directed: directed.map(|dimension| [table(dimension), table(dimension)]),
            conversations: table(Dimension::Conversation),
        };
        tables.resize(sizes);
        tables
    }

    /// Adds what a flow had of late.
    #[inline]
    pub(super) fn add(&mut self, key: &FlowKey, names: &Names, news: Count) {
        let egress = usize::from(key.kind & EGRESS != 0);
        for pair in &mut self.directed {
            pair[egress].add(key, names, news);
        }
        self.conversations.add(key, names, news);
    }

    /// Lets those in that talk more than who is in.
    pub(super) fn admit(&mut self, names: &Names) {
        self.each(|table| table.admit(names));
    }

    /// Halves all recent bytes.
    pub(super) fn halve(&mut self) {
        self.each(Table::halve);
    }

    /// Room for so many entries from now on.
    pub(super) fn resize(&mut self, sizes: Sizes) {
        self.each(|table| table.resize(sizes.of(table.dimension())));
    }

    /// Entries that are called otherwise now leave.
    pub(super) fn rename(&mut self, names: &Names) {
        self.each(|table| table.rename(names));
    }

    /// Every table and its direction: egress or not, neither for conversations.
    pub fn all(&self) -> impl Iterator<Item = (&Table, Option<bool>)> {
        let directed =
            self.directed.iter().flatten().zip([Some(false), Some(true)].into_iter().cycle());
        directed.chain([(&self.conversations, None)])
    }

    fn each(&mut self, mut work: impl FnMut(&mut Table)) {
        self.directed.iter_mut().flatten().for_each(&mut work);
        work(&mut self.conversations);
    }
}
