//! The ledger at one moment, by interface: accounts, totals, and what adds up to them.

use anyhow::Context;

use super::watch::Watch;
use crate::{
    flows::{Ledger, Owned},
    kernel::{self, Probe},
    report::{Account, Count, Direction, Distinct, FlowShapes, InterfaceTotals, Sides, Talkers},
};

/// All of it.
#[derive(Default)]
pub(super) struct Standing {
    pub(super) accounts: Vec<Account>,
    pub(super) totals: Vec<InterfaceTotals>,
    pub(super) talkers: Vec<Talkers>,
    pub(super) distinct: Vec<Distinct>,
    pub(super) shapes: Vec<FlowShapes>,
}

impl Standing {
    /// Every account's counters, in the order in which [`Self::after`] wants them.
    pub(super) fn before(watch: &Watch, probe: &Probe) -> anyhow::Result<Vec<Sides>> {
        let mut sides = Vec::new();
        for (_, watched) in watch.places() {
            let read = probe.totals(watched.place)?;
            for direction in Direction::ALL {
                sides.extend(read.of(direction == Direction::Egress).iter().map(Sides::from));
            }
        }
        Ok(sides)
    }

    /// Counters, flows, counters again: see [`Account::close`]. The flows were swept since `before`.
    pub(super) fn after(
        watch: &Watch,
        probe: &Probe,
        ledger: &Ledger,
        before: Vec<Sides>,
    ) -> anyhow::Result<Self> {
        let mut standing = Self::default();
        let mut before = before.into_iter();
        for (name, watched) in watch.places() {
            let read = probe.totals(watched.place)?;
            let owned = ledger.owned(watched.place);
            let mut uncounted = [Count::default(); 2];
            for direction in Direction::ALL {
                let egress = direction == Direction::Egress;
                let cpus = read.of(egress);
                let mut flows = Count::default();
                for (cpu, after) in cpus.iter().enumerate() {
                    let cpu = u32::try_from(cpu).context("numbering CPUs")?;
                    let before = before.next().unwrap_or_default();
                    let mine = owned.map(|owned| Count::from(owned.in_flows(egress, cpu)));
                    let mine = mine.unwrap_or_default();
                    let after = Sides::from(after);
                    flows = flows + mine;
                    let rest = &mut uncounted[usize::from(egress)];
                    *rest = *rest + after.overflow + after.unread;
                    standing
                        .accounts
                        .push(Account::close(name, direction, cpu, before, mine, after));
                }
                standing.totals.push(InterfaceTotals {
                    interface: name.to_owned(),
                    direction,
                    totals: Box::new(kernel::sum(cpus)),
                    ledger: flows + uncounted[usize::from(egress)],
                });
            }
            if let Some(owned) = owned {
                standing.add(name, owned, uncounted);
            }
        }
        Ok(standing)
    }

    /// What an interface's flows came to; `uncounted` is in none, by direction.
    fn add(&mut self, name: &str, owned: &Owned, uncounted: [Count; 2]) {
        for (table, egress) in owned.talkers().all() {
            let direction = egress.map(Direction::of);
            let uncounted = match egress {
                Some(egress) => uncounted[usize::from(egress)],
                None => uncounted[0] + uncounted[1],
            };
            self.talkers.push(Talkers::of(table, name, direction, uncounted));
        }
        for direction in Direction::ALL {
            self.distinct.push(Distinct::of(owned, name, direction));
            self.shapes.push(FlowShapes::of(owned, name, direction));
        }
    }

    pub(super) fn is_balanced(&self) -> bool {
        self.accounts.iter().all(|account| account.balanced)
    }
}
