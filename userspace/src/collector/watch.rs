//! Which interfaces are watched, where their totals stand, and what happens when they come and go.

mod revise;

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context;
use wireledger_common::abi::link::Link;

use crate::{
    flows::Ledger,
    kernel::{
        Attachment, Error, Handshakes, Hook, Place, Placed, Probe, chain,
        links::{Change, Interface},
        namespace::Namespace,
    },
    plan::{Directions, Mode, Pattern, Plan},
    report::{self, Attached, Direction},
};

/// The watched interfaces, by name: totals belong to a name, so that they go on when the interface comes back.
pub(super) struct Watch {
    namespace: Arc<Namespace>,
    patterns: Vec<Pattern>,
    mode: Mode,
    directions: Directions,
    places: u32,
    watched: BTreeMap<String, Watched>,
}

/// One of them.
pub(super) struct Watched {
    /// Which totals are its.
    pub(super) place: u32,
    /// The interface as it was attached, or as it was when attaching failed; `None` once it is gone.
    present: Option<Interface>,
    /// What its frames begin with; the last one, once it is gone.
    link: Link,
    /// Every index it had, the latest last, but those that are another's now: flows carry the index.
    indices: Vec<u32>,
    ingress: Outcome,
    egress: Outcome,
    /// Handshakes that began here and expired: ingress, egress.
    expired: [u64; 2],
    /// Those that were under way at the last look.
    open: [u64; 2],
}

/// An interface as capture sessions need it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capturable<'w> {
    /// Its name.
    pub(super) name: &'w str,
    /// Its index.
    pub(super) index: u32,
    /// What its frames begin with.
    pub(super) link: Link,
    /// Where its counters stand.
    pub(super) place: u32,
    /// Where its packets are seen: ingress, egress.
    pub(super) hooks: [Option<Place>; 2],
}

/// How a direction is attached, and why not better.
#[derive(Default)]
struct Outcome {
    attachment: Option<Attachment>,
    why: Option<String>,
}

impl Outcome {
    /// Where its packets are seen; `behind` is where they are behind the driver.
    fn place(&self, behind: Place) -> Option<Place> {
        self.attachment.as_ref().map(|attachment| match attachment.hook() {
            Hook::Native | Hook::Generic => Place::Xdp,
            Hook::Tcx | Hook::Clsact => behind,
        })
    }

    fn report(&self) -> Attached {
        let mode = self.attachment.as_ref().map_or("none", |attachment| attachment.hook().label());
        Attached { mode: mode.to_owned(), why: self.why.clone() }
    }
}

impl Watch {
    pub(super) fn new(plan: &Plan, namespace: Arc<Namespace>) -> Self {
        Self {
            namespace,
            patterns: plan.patterns.clone(),
            mode: plan.mode,
            directions: plan.directions,
            places: plan.max_interfaces,
            watched: BTreeMap::new(),
        }
    }

    /// Attaches to what is there at the start; here a failure is the user's to know, so it ends the run.
    pub(super) fn begin(
        &mut self,
        probe: &mut Probe,
        ledger: &mut Ledger,
        all: Vec<Interface>,
    ) -> anyhow::Result<()> {
        for interface in all {
            if self.wants(&interface.name) {
                self.attach(probe, ledger, interface)?;
            }
        }
        if self.watched.is_empty() {
            tracing::warn!("no interface matches yet; waiting for one");
        }
        Ok(())
    }

    /// First half of following a change: detaches from what is gone or is called otherwise now. `true` when an index that had one name has
    /// another: then what is in the table of its flows belongs to the old one, and has to be on its ledger before the second half.
    pub(super) fn leave(&mut self, probe: &mut Probe, change: &Change) -> bool {
        let (listed, all) = match change {
            Change::Present(interface) => (std::slice::from_ref(interface), false),
            Change::Gone { index } => {
                self.gone(probe, |present| present.index == *index);
                return false;
            }
            Change::All(all) => (all.as_slice(), true),
        };
        let other_name = |old: &Interface| {
            listed.iter().any(|one| one.index == old.index && one.name != old.name)
        };
        let absent = |old: &Interface| all && !listed.iter().any(|one| one.index == old.index);
        self.gone(probe, |old| other_name(old) || absent(old));
        listed.iter().any(|one| self.name_of(one.index).is_some_and(|name| name != one.name))
    }

    /// Second half: attaches to what is there. A failure is logged and shown, and the rest goes on.
    pub(super) fn follow(&mut self, probe: &mut Probe, ledger: &mut Ledger, change: Change) {
        match change {
            Change::Present(interface) => self.present(probe, ledger, interface),
            Change::Gone { .. } => {}
            Change::All(all) => {
                for interface in all {
                    self.present(probe, ledger, interface);
                }
            }
        }
    }

    fn present(&mut self, probe: &mut Probe, ledger: &mut Ledger, interface: Interface) {
        if !self.wants(&interface.name) {
            return;
        }
        if let Some(watched) = self.watched.get(&interface.name) {
            let known = watched.present.as_ref();
            let attached = watched.is_attached();
            if known.is_some_and(|known| {
                known.index == interface.index && (attached || *known == interface)
            }) {
                self.resize(probe, &interface);
                return;
            }
        }
        // Replaced without a word: an index of the same name that is no longer there.
        self.gone(probe, |old| old.name == interface.name);
        let name = interface.name.clone();
        if let Err(error) = self.attach(probe, ledger, interface) {
            tracing::error!(interface = name, "cannot watch: {error:#}");
        }
    }

    /// Follows the MTU of an interface that is watched already.
    fn resize(&mut self, probe: &mut Probe, interface: &Interface) {
        let both_ways = self.both_ways();
        let Some(watched) = self.watched.get_mut(&interface.name) else { return };
        let Some(present) = watched.present.as_mut() else { return };
        // Not every message of the kernel's says it.
        if interface.mtu == 0 || present.mtu == interface.mtu {
            return;
        }
        present.mtu = interface.mtu;
        let placed = placed(watched.place, interface, both_ways);
        if let Err(error) = probe.set_place(interface.index, Some(placed)) {
            tracing::error!(interface = interface.name, "cannot follow its MTU: {error}");
        }
    }

    /// Both directions of what is watched are: an interface of which one cannot be attached is not.
    fn both_ways(&self) -> bool {
        self.directions.ingress() && self.directions.egress()
    }

    /// Takes in what became of handshakes, by the names of their interfaces.
    pub(super) fn count_handshakes(&mut self, found: &Handshakes) {
        for watched in self.watched.values_mut() {
            watched.open = [0; 2];
            for &index in &watched.indices {
                for egress in [false, true] {
                    let of = |counts: &BTreeMap<_, u64>| counts.get(&(index, egress)).copied();
                    let side = usize::from(egress);
                    watched.expired[side] += of(&found.expired).unwrap_or_default();
                    watched.open[side] += of(&found.open).unwrap_or_default();
                }
            }
        }
    }

    fn gone(&mut self, probe: &mut Probe, is: impl Fn(&Interface) -> bool) {
        for (name, watched) in &mut self.watched {
            let Some(present) = watched.present.take_if(|present| is(present)) else { continue };
            watched.ingress = Outcome::default();
            watched.egress = Outcome::default();
            if let Err(error) = probe.set_place(present.index, None) {
                tracing::error!(interface = name, "cannot free its place: {error}");
            }
            tracing::info!(interface = name, index = present.index, "interface gone");
        }
    }

    /// It is named, so that its absence is no matter of course.
    fn is_missed(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_name() && pattern.matches(name))
    }

    fn wants(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(name))
    }

    fn attach(
        &mut self,
        probe: &mut Probe,
        ledger: &mut Ledger,
        interface: Interface,
    ) -> anyhow::Result<()> {
        let place = self.place_for(probe, ledger, &interface)?;
        // Before the programs run, so that not one packet is without a place.
        probe.set_place(interface.index, Some(placed(place, &interface, self.both_ways())))?;
        ledger.assign(interface.index, place);
        let ingress = match self.directions.ingress() {
            true => self.attach_ingress(probe, &interface),
            false => Ok(Outcome { why: Some("not asked for".to_owned()), attachment: None }),
        };
        let egress = match self.directions.egress() {
            true => probe
                .attach_tc(&self.namespace, &interface, true)
                .map(|attachment| Outcome { attachment: Some(attachment), why: None }),
            false => Ok(Outcome { why: Some("not asked for".to_owned()), attachment: None }),
        };
        let failure = match (&ingress, &egress) {
            (Err(error), _) | (_, Err(error)) => Some(chain(error)),
            _ => None,
        };
        let shown = |outcome: Result<Outcome, Error>| {
            outcome.unwrap_or_else(|error| Outcome { attachment: None, why: Some(chain(&error)) })
        };
        let name = interface.name.clone();
        for watched in self.watched.values_mut() {
            watched.indices.retain(|index| *index != interface.index);
        }
        let watched = self.watched.entry(name.clone()).or_insert_with(|| Watched {
            place,
            present: None,
            link: Link::default(),
            indices: Vec::new(),
            ingress: Outcome::default(),
            egress: Outcome::default(),
            expired: [0; 2],
            open: [0; 2],
        });
        watched.indices.push(interface.index);
        (watched.ingress, watched.egress) = (shown(ingress), shown(egress));
        watched.link = interface.link.unwrap_or_default();
        watched.present = Some(interface);
        if let Some(why) = failure {
            // Half a watch would look like a quiet direction.
            watched.ingress.attachment = None;
            watched.egress.attachment = None;
            anyhow::bail!(why);
        }
        log_attached(&name, watched);
        Ok(())
    }

    fn attach_ingress(&self, probe: &mut Probe, interface: &Interface) -> Result<Outcome, Error> {
        let namespace = &self.namespace;
        let (attachment, why) = match self.mode {
            Mode::Native => (probe.attach_xdp(namespace, interface, Hook::Native)?, None),
            Mode::Generic => (
                probe.attach_xdp(namespace, interface, Hook::Generic)?,
                Some("asked for".to_owned()),
            ),
            Mode::Tc => {
                (probe.attach_tc(namespace, interface, false)?, Some("asked for".to_owned()))
            }
            Mode::Auto => match probe.attach_xdp(namespace, interface, Hook::Native) {
                Ok(attachment) => (attachment, None),
                Err(Error::Attach { why, .. }) => (
                    probe.attach_tc(namespace, interface, false)?,
                    Some(format!("native XDP: {why}")),
                ),
                Err(other) => return Err(other),
            },
        };
        Ok(Outcome { attachment: Some(attachment), why })
    }

    /// The name's own place, a free one, or that of the interface that has been gone.
    fn place_for(
        &mut self,
        probe: &mut Probe,
        ledger: &mut Ledger,
        interface: &Interface,
    ) -> anyhow::Result<u32> {
        let name = &interface.name;
        let entry = probe.place_at(interface.index)?;
        if entry.interface != 0 && entry.interface != interface.index {
            let other = self.name_of(entry.interface).unwrap_or("another").to_owned();
            return Err(Error::Collision { interface: name.clone(), other }.into());
        }
        if let Some(watched) = self.watched.get(name) {
            return Ok(watched.place);
        }
        let taken = |place: &u32| self.watched.values().any(|watched| watched.place == *place);
        if let Some(free) = (0..self.places).find(|place| !taken(place)) {
            return Ok(free);
        }
        let Some(gone) = self.dispensable() else {
            return Err(Error::NoPlace { interface: name.clone(), places: self.places }.into());
        };
        let removed = self.watched.remove(&gone);
        if let Some(present) = removed.as_ref().and_then(|watched| watched.present.as_ref()) {
            // It was let go, maybe just now.
            probe.settle();
            probe.set_place(present.index, None)?;
        }
        let place = removed.map(|watched| watched.place).unwrap_or_default();
        probe.clear_totals(place).context("clearing a place")?;
        ledger.forget(place);
        tracing::info!(interface = gone, "forgotten: its place is needed");
        Ok(place)
    }

    /// Whose place may be taken: one that is gone, else one that was let go.
    fn dispensable(&self) -> Option<String> {
        let gone = self.watched.iter().find(|(_, watched)| watched.present.is_none());
        let let_go =
            |(name, watched): &(&String, &Watched)| !watched.is_attached() && !self.wants(name);
        gone.or_else(|| self.watched.iter().find(let_go)).map(|(name, _)| name.clone())
    }

    /// Detaches everything.
    pub(super) fn detach(&mut self) {
        for watched in self.watched.values_mut() {
            watched.ingress.attachment = None;
            watched.egress.attachment = None;
        }
    }

    /// Name and place of each.
    pub(super) fn places(&self) -> impl Iterator<Item = (&str, &Watched)> {
        self.watched.iter().map(|(name, watched)| (name.as_str(), watched))
    }

    /// Whether it watches an interface of this name now.
    pub(super) fn has(&self, name: &str) -> bool {
        self.watched.get(name).is_some_and(|watched| watched.present.is_some())
    }

    /// The name an index belongs to, gone or not.
    pub(super) fn name_of(&self, index: u32) -> Option<&str> {
        self.places().find(|(_, watched)| watched.indices.contains(&index)).map(|(name, _)| name)
    }

    /// Interfaces whose packets can be captured now.
    pub(super) fn capturable(&self) -> impl Iterator<Item = Capturable<'_>> {
        self.places().filter_map(|(name, watched)| {
            let present = watched.present.as_ref()?;
            let link = present.link.unwrap_or_default();
            let hooks =
                [watched.ingress.place(Place::Ingress), watched.egress.place(Place::Egress)];
            let place = watched.place;
            Some(Capturable { name, index: present.index, link, place, hooks })
        })
    }

    /// Name and link of every index there was.
    pub(super) fn described(&self) -> BTreeMap<u32, (String, Link)> {
        let each = self.places().flat_map(|(name, watched)| {
            let link = watched.link;
            watched.indices.iter().map(move |&index| (index, (name.to_owned(), link)))
        });
        each.collect()
    }

    /// What became of the handshakes that took too long, by interface and direction.
    pub(super) fn handshakes(&self) -> Vec<report::Handshakes> {
        let each = self.places().flat_map(|(name, watched)| {
            Direction::ALL.into_iter().map(move |direction| {
                let side = usize::from(direction == Direction::Egress);
                report::Handshakes {
                    interface: name.to_owned(),
                    direction,
                    expired: watched.expired[side],
                    open: watched.open[side],
                }
            })
        });
        each.collect()
    }

    pub(super) fn report(&self) -> Vec<report::Interface> {
        self.places()
            .map(|(name, watched)| report::Interface {
                name: name.to_owned(),
                index: watched.indices.last().copied().unwrap_or_default(),
                present: watched.present.is_some(),
                wanted: self.is_missed(name) || watched.present.is_some() && self.wants(name),
                ingress: watched.ingress.report(),
                egress: watched.egress.report(),
            })
            .collect()
    }
}

fn placed(place: u32, interface: &Interface, both_ways: bool) -> Placed {
    let link = interface.link.unwrap_or_default();
    Placed { place, link, mtu: interface.mtu, both_ways }
}

/// Refuses a name that is not there, before anything is loaded.
pub(super) fn check_names(patterns: &[Pattern], all: &[Interface]) -> Result<(), Error> {
    let there = |name: &str| all.iter().any(|interface| interface.name == name);
    match patterns.iter().find(|pattern| pattern.is_name() && !there(pattern.as_str())) {
        Some(absent) => Err(Error::NoInterface { name: absent.as_str().to_owned() }),
        None => Ok(()),
    }
}

impl Watched {
    fn is_attached(&self) -> bool {
        self.ingress.attachment.is_some() || self.egress.attachment.is_some()
    }
}

fn log_attached(name: &str, watched: &Watched) {
    for (direction, outcome) in [("ingress", &watched.ingress), ("egress", &watched.egress)] {
        let Attached { mode, why } = outcome.report();
        let why = why.unwrap_or_default();
        tracing::info!(interface = name, direction, mode, why, "attached");
    }
}
