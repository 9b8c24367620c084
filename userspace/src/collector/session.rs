//! One capture session: which interfaces, which filter at which hook, what became of its packets.

use std::collections::BTreeMap;

use wireledger_common::abi::totals::Totals;

use super::{
    sampler::slot,
    watch::{Capturable, Watch},
};
use crate::{
    capfile::Statistics,
    capture::{Filters, Request, Tally},
    filter::{Arm, Classic},
    kernel::{Error, Place, Probe, Wall},
    report::Direction,
};

/// A session that has a slot.
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) request: Request,
    pub(super) filters: Box<Filters>,
    pub(super) snap: u32,
    /// Nanoseconds since 1970.
    pub(super) since: u64,
    /// Counters when it was armed, by place: the kernel's are the slot's and go on from session to session.
    pub(super) before: BTreeMap<u32, [Tally; 2]>,
}

/// Interfaces of one kind of link at one hook, and what a session wants of them.
pub(super) struct Group<'a> {
    /// Their indices; `None` = every one.
    pub(super) interfaces: Option<Vec<u32>>,
    /// Its filter for them.
    pub(super) program: &'a Classic,
}

impl Group<'_> {
    pub(super) fn arm(&self) -> Arm<'_> {
        Arm { interfaces: self.interfaces.as_deref(), program: self.program }
    }
}

impl Session {
    pub(super) fn name(&self) -> String {
        let filter =
            if self.request.filter.is_empty() { "every packet" } else { &self.request.filter };
        let holder = if self.request.holder.is_empty() { "somebody" } else { &self.request.holder };
        format!("{} {holder} ({filter})", self.id)
    }

    /// The interfaces it captures from.
    pub(super) fn wants<'a, 'w>(
        &'a self,
        present: &'a [Capturable<'w>],
    ) -> impl Iterator<Item = &'a Capturable<'w>> {
        present.iter().filter(|one| {
            let mut names = self.request.names().peekable();
            names.peek().is_none() || names.any(|name| name == one.name)
        })
    }

    /// Its filters for the interfaces at a hook; `None` when it wants nothing there.
    pub(super) fn groups(&self, place: Place, here: &[Capturable<'_>]) -> Option<Vec<Group<'_>>> {
        let wanted = match place {
            Place::Xdp | Place::Ingress => self.request.direction.ingress(),
            Place::Egress => self.request.direction.egress(),
        };
        if !wanted {
            return None;
        }
        let mut groups: Vec<Group<'_>> = Vec::new();
        for one in self.wants(here) {
            let Ok(program) = self.filters.of(one.link) else { continue };
            match groups.iter_mut().find(|group| std::ptr::eq(group.program, program)) {
                Some(group) => group.interfaces.get_or_insert_default().push(one.index),
                None => groups.push(Group { interfaces: Some(vec![one.index]), program }),
            }
        }
        let all = self.request.names().next().is_none();
        if let (true, [only]) = (all, &mut groups[..]) {
            only.interfaces = None;
        }
        (!groups.is_empty()).then_some(groups)
    }

    /// Notes where the counters of interfaces stand that it has not met before.
    pub(super) fn remember(
        &mut self,
        probe: &Probe,
        present: &[Capturable<'_>],
    ) -> Result<(), Error> {
        let wanted: Vec<_> = self.wants(present).map(|one| one.place).collect();
        for place in wanted {
            if !self.before.contains_key(&place) {
                let now = counters(probe, slot(self.id) as u32, place)?;
                self.before.insert(place, now);
            }
        }
        Ok(())
    }

    /// What became of its packets, by interface index.
    pub(super) fn tallies(&self, probe: &Probe, watch: &Watch) -> Vec<(u32, Tally)> {
        let each = self.before.iter().filter_map(|(&place, before)| {
            let index = watch.index_at(place)?;
            let now = counters(probe, slot(self.id) as u32, place).ok()?;
            let mut sum = Tally::default();
            for (direction, (now, before)) in Direction::ALL.into_iter().zip(now.iter().zip(before))
            {
                let way = self.request.direction;
                let wanted = match direction {
                    Direction::Ingress => way.ingress(),
                    Direction::Egress => way.egress(),
                };
                if wanted {
                    sum.add(&now.since(before));
                }
            }
            Some((index, sum))
        });
        each.collect()
    }

    /// The same for a capture file; `unread` is what the reader of an interface's packets did not take.
    pub(super) fn statistics(
        &self,
        probe: &Probe,
        watch: &Watch,
        unread: impl Fn(u32) -> u64,
        last: bool,
    ) -> Vec<(u32, Statistics)> {
        let now = Wall::now().unix_nanoseconds_now();
        let each = self.tallies(probe, watch).into_iter().map(|(index, tally)| {
            let unread = unread(index);
            let statistics = Statistics {
                start: Some(self.since),
                end: last.then_some(now),
                received: Some(tally.seen),
                dropped: Some(tally.lost + unread),
                accepted: Some(tally.matched),
                os_dropped: Some(tally.lost),
                delivered: Some(tally.delivered - unread),
            };
            (index, statistics)
        });
        each.collect()
    }
}

/// A slot's counters at a place: ingress, egress.
fn counters(probe: &Probe, slot: u32, place: u32) -> Result<[Tally; 2], Error> {
    let totals = probe.totals(place)?;
    let tallies = probe.tallies(slot, place)?;
    let seen = |cpus: &[Totals]| cpus.iter().map(|totals| totals.seen.packets).sum();
    let [ingress, egress] = tallies.map(|tally| Tally::of(&tally));
    Ok([
        Tally { seen: seen(&totals.ingress), ..ingress },
        Tally { seen: seen(&totals.egress), ..egress },
    ])
}
