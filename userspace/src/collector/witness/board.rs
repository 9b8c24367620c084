//! What the keeper of the ledger and the thread that writes evidence tell each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    net::IpAddr,
    path::PathBuf,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hashbrown::HashSet;

use super::Incident;
use crate::{
    capture::{EvidenceTally, Labels, Written},
    collector::told::Id,
};

/// Verdicts that may wait to be written.
const WAITING: usize = 4096;

/// Between two tries to write what failed, where nothing new is ordered.
const AGAIN: Duration = Duration::from_secs(5);

/// Between two warnings.
const QUIET: Duration = Duration::from_secs(60);

/// The file of a verdict.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::collector) struct File {
    /// Where; none where there is none any more, or never was.
    pub(in crate::collector) path: Option<PathBuf>,
    /// Packets of the verdict are missing.
    pub(in crate::collector) incomplete: bool,
}

/// What is to be done at once.
pub(super) struct Ordered {
    pub(super) incidents: BTreeMap<Id, Incident>,
    pub(super) labels: Labels,
    /// Verdicts of which nothing more comes.
    pub(super) gone: Vec<Id>,
    /// Nothing comes after it.
    pub(super) ends: bool,
}

/// Orders and files.
pub(super) struct Board {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Default)]
struct State {
    incidents: BTreeMap<Id, Incident>,
    labels: Labels,
    /// Those that something was ordered of and that are still shown.
    shown: BTreeSet<Id>,
    /// Those whose end found no room.
    gone: Vec<Id>,
    files: BTreeMap<Id, File>,
    tally: EvidenceTally,
    lost: u64,
    warned: Option<Instant>,
    ends: bool,
}

impl Board {
    pub(super) fn new(tally: EvidenceTally) -> Self {
        let state = State { tally, ..State::default() };
        Self { state: Mutex::new(state), rung: Condvar::new() }
    }

    pub(super) fn order(&self, incidents: Vec<Incident>, labels: Labels) {
        let mut state = self.lock();
        // A name that is gone may be one that packets are still held of.
        state.labels.interfaces.extend(labels.interfaces);
        state.labels.snap = labels.snap;
        let refused = incidents.into_iter().filter_map(|incident| state.add(incident)).count();
        state.lose(refused as u64, "too many wait to be written");
        self.rung.notify_one();
    }

    /// Waits for orders, or where some have failed for a time at the most.
    pub(super) fn take(&self, failed: bool) -> Ordered {
        let waits =
            |state: &mut State| state.incidents.is_empty() && state.gone.is_empty() && !state.ends;
        let state = self.lock();
        let mut state = if failed {
            let waited = self.rung.wait_timeout_while(state, AGAIN, waits);
            waited.unwrap_or_else(PoisonError::into_inner).0
        } else {
            self.rung.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner)
        };
        Ordered {
            incidents: mem::take(&mut state.incidents),
            labels: state.labels.clone(),
            gone: mem::take(&mut state.gone),
            ends: state.ends,
        }
    }

    /// Lets orders wait together, so that reading a large recorder for each takes no whole CPU; not at the end.
    pub(super) fn rest(&self, time: Duration) {
        let waited = self.rung.wait_timeout_while(self.lock(), time, |state| !state.ends);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// What became of orders, and how many were given up.
    pub(super) fn note(&self, written: Written<Id>, tally: EvidenceTally, lost: u64) {
        let mut state = self.lock();
        state.tally = tally;
        for filed in written.filed {
            if state.shown.contains(&filed.id) {
                let file = state.files.entry(filed.id).or_default();
                file.path = filed.path;
                file.incomplete |= filed.incomplete;
            }
        }
        let removed: HashSet<_> = written.removed.into_iter().collect();
        for file in state.files.values_mut() {
            file.path.take_if(|path| removed.contains(path));
        }
        state.lose(lost, "it cannot be written");
    }

    pub(super) fn forget(&self, id: Id) {
        let mut state = self.lock();
        state.shown.remove(&id);
        state.files.remove(&id);
    }

    pub(super) fn file(&self, id: Id) -> File {
        self.lock().files.get(&id).cloned().unwrap_or_default()
    }

    pub(super) fn tally(&self) -> EvidenceTally {
        let state = self.lock();
        EvidenceTally { lost: state.lost, ..state.tally }
    }

    pub(super) fn end(&self) {
        self.lock().ends = true;
        self.rung.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panicked with it left it whole: nothing of it is half done at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets an incident wait, or gives it back.
    fn add(&mut self, incident: Incident) -> Option<Incident> {
        let id = incident.id;
        let before = self.incidents.remove(&id);
        if before.is_none() && self.incidents.len() >= WAITING {
            if self.shown.contains(&id) {
                self.files.entry(id).or_default().incomplete = true;
                self.gone.extend(incident.last.then_some(id));
            }
            return Some(incident);
        }
        let incident = match before {
            Some(before) => join(before, incident),
            None => incident,
        };
        self.incidents.insert(id, incident);
        self.shown.insert(id);
        None
    }

    fn lose(&mut self, count: u64, why: &str) {
        self.lost += count;
        if count > 0 && self.warned.is_none_or(|at| at.elapsed() >= QUIET) {
            self.warned = Some(Instant::now());
            tracing::warn!(count, lost = self.lost, why, "evidence is lost");
        }
    }
}

/// Two orders of a verdict as one: the later one, and whomever the earlier one was about.
pub(super) fn join(earlier: Incident, later: Incident) -> Incident {
    let both = |earlier: Vec<IpAddr>, later: Vec<IpAddr>| {
        if earlier.is_empty() || later.is_empty() {
            // Anybody.
            return Vec::new();
        }
        let mut known: HashSet<_> = earlier.iter().copied().collect();
        let new = later.into_iter().filter(|address| known.insert(*address));
        let new: Vec<_> = new.collect();
        earlier.into_iter().chain(new).collect()
    };
    let last = earlier.last || later.last;
    let sources = both(earlier.sources, later.sources.clone());
    let targets = both(earlier.targets, later.targets.clone());
    if sources.is_empty() && targets.is_empty() {
        return Incident { last, ..later };
    }
    Incident { sources, targets, last, ..later }
}
