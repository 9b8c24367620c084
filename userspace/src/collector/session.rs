//! One capture session: which interfaces it has met, which filter it has for them at which hook, what became of its packets.

use wireledger_common::abi::totals::Totals;

use super::{sampler::slot, watch::Capturable};
use crate::{
    capfile::Statistics,
    capture::{Filters, Request, Tally},
    filter::{Arm, Classic},
    kernel::{Error, Place, Probe, Wall},
    plan::Pattern,
    report::Direction,
};

/// A session that has a slot.
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) request: Request,
    /// The interfaces that are named; none = all.
    pub(super) names: Vec<Pattern>,
    pub(super) filters: Box<Filters>,
    pub(super) snap: u32,
    /// Nanoseconds since 1970.
    pub(super) since: u64,
    /// In the order in which the stream has them.
    met: Vec<Met>,
}

/// An interface it captures from, or did. One that was renamed, or comes back under another index, is another.
struct Met {
    index: u32,
    name: String,
    place: u32,
    /// Counters when it was armed; the kernel's are the slot's and go on from session to session.
    before: Option<[Tally; 2]>,
    /// Packets that the interface had seen when the session was disarmed.
    seen: Option<u64>,
    /// What it came to, once the interface has gone.
    ended: Option<Tally>,
}

/// Interfaces of one kind of link at one hook, and what a session wants of them.
pub(super) struct Group<'a> {
    /// Their indices.
    interfaces: Vec<u32>,
    /// Its filter for them.
    program: &'a Classic,
}

impl Group<'_> {
    /// The interfaces are always named: one that comes is captured from when the stream knows it, not before.
    pub(super) fn arm(&self) -> Arm<'_> {
        Arm { interfaces: Some(&self.interfaces), program: self.program }
    }
}

impl Session {
    pub(super) fn new(
        id: u64,
        request: Request,
        names: Vec<Pattern>,
        filters: Box<Filters>,
        snap: u32,
    ) -> Self {
        let since = Wall::now().unix_nanoseconds_now();
        Self { id, request, names, filters, snap, since, met: Vec::new() }
    }

    /// As others are told of it.
    pub(super) fn described(&self) -> String {
        let or = |text: &'_ str, instead: &'static str| {
            if text.is_empty() { instead.to_owned() } else { text.to_owned() }
        };
        let holder = or(&self.request.holder, "somebody");
        format!("{} {holder} ({})", self.id, or(&self.request.filter, "every packet"))
    }

    /// The interfaces it captures from.
    pub(super) fn wants<'a, 'w>(
        &'a self,
        present: &'a [Capturable<'w>],
    ) -> impl Iterator<Item = &'a Capturable<'w>> {
        present
            .iter()
            .filter(|one| names_it(&self.names, one.name) && self.filters.of(one.link).is_ok())
    }

    /// Its filters for the interfaces at a hook; `None` when it wants nothing there.
    pub(super) fn groups(&self, place: Place, here: &[Capturable<'_>]) -> Option<Vec<Group<'_>>> {
        if !wants_way(&self.request, place) {
            return None;
        }
        let mut groups: Vec<Group<'_>> = Vec::new();
        for one in self.wants(here) {
            let Ok(program) = self.filters.of(one.link) else { continue };
            match groups.iter_mut().find(|group| std::ptr::eq(group.program, program)) {
                Some(group) => group.interfaces.push(one.index),
                None => groups.push(Group { interfaces: vec![one.index], program }),
            }
        }
        (!groups.is_empty()).then_some(groups)
    }

    /// Closes the accounts of interfaces that are not there any more. To be called before anything is armed for those that came.
    pub(super) fn leave(&mut self, probe: &Probe, present: &[Capturable<'_>]) {
        let gone: Vec<_> = (0..self.met.len())
            .filter(|&at| {
                let met = &self.met[at];
                met.ended.is_none() && !present.iter().any(|one| met.is(one))
            })
            .collect();
        for at in gone {
            self.met[at].ended = Some(self.count(probe, &self.met[at]));
        }
    }

    /// Opens accounts for interfaces that came; returns them, in the order of their numbers.
    pub(super) fn meet<'a, 'w>(
        &mut self,
        present: &'a [Capturable<'w>],
    ) -> Vec<&'a Capturable<'w>> {
        let known =
            |one: &Capturable<'_>| self.met.iter().any(|met| met.ended.is_none() && met.is(one));
        let new: Vec<_> = present
            .iter()
            .filter(|one| self.wants(present).any(|wanted| wanted.index == one.index))
            .filter(|one| !known(one))
            .collect();
        self.met.extend(new.iter().map(|one| Met {
            index: one.index,
            name: one.name.to_owned(),
            place: one.place,
            before: None,
            seen: None,
            ended: None,
        }));
        new
    }

    /// Notes where the counters of new interfaces stand. To be called right before they are armed.
    pub(super) fn begin(&mut self, probe: &Probe) -> Result<(), Error> {
        let slot = slot(self.id) as u32;
        for met in self.met.iter_mut().filter(|met| met.before.is_none()) {
            met.before = Some(counters(probe, slot, met.place)?);
        }
        Ok(())
    }

    /// Notes what the interfaces have seen. To be called right after it is disarmed.
    pub(super) fn end(&mut self, probe: &Probe) {
        for at in 0..self.met.len() {
            let seen = self.count(probe, &self.met[at]).seen;
            self.met[at].seen = Some(seen);
        }
    }

    /// What became of its packets, by the stream's number of the interface.
    pub(super) fn tallies(&self, probe: &Probe) -> Vec<(u32, Tally)> {
        let each = self.met.iter().map(|met| match met.ended {
            Some(ended) => ended,
            None => {
                let now = self.count(probe, met);
                Tally { seen: met.seen.unwrap_or(now.seen), ..now }
            }
        });
        (0..).zip(each).collect()
    }

    fn count(&self, probe: &Probe, met: &Met) -> Tally {
        let mut sum = Tally::default();
        let (Some(before), Ok(now)) =
            (&met.before, counters(probe, slot(self.id) as u32, met.place))
        else {
            return sum;
        };
        for (direction, (now, before)) in Direction::ALL.into_iter().zip(now.iter().zip(before)) {
            let place = match direction {
                Direction::Ingress => Place::Ingress,
                Direction::Egress => Place::Egress,
            };
            if wants_way(&self.request, place) {
                sum.add(&now.since(before));
            }
        }
        sum
    }
}

impl Met {
    fn is(&self, one: &Capturable<'_>) -> bool {
        (self.index, self.name.as_str(), self.place) == (one.index, one.name, one.place)
    }
}

/// Tallies as a capture file has them; `unread` is what the reader of an interface's packets did not take.
pub(super) fn statistics(
    tallies: &[(u32, Tally)],
    since: u64,
    end: Option<u64>,
    unread: impl Fn(u32) -> u64,
) -> Vec<(u32, Statistics)> {
    let each = tallies.iter().map(|&(number, tally)| {
        let unread = unread(number);
        let statistics = Statistics {
            start: Some(since),
            end,
            received: Some(tally.seen),
            dropped: Some(tally.lost + unread),
            accepted: Some(tally.matched),
            os_dropped: Some(tally.lost),
            delivered: Some(tally.delivered.saturating_sub(unread)),
        };
        (number, statistics)
    });
    each.collect()
}

/// Whether the names include it.
pub(super) fn names_it(names: &[Pattern], name: &str) -> bool {
    names.is_empty() || names.iter().any(|pattern| pattern.matches(name))
}

/// Whether a request includes what a hook sees.
pub(super) const fn wants_way(request: &Request, place: Place) -> bool {
    match place {
        Place::Xdp | Place::Ingress => request.direction.ingress(),
        Place::Egress => request.direction.egress(),
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
