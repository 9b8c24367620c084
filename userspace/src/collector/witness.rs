//! Evidence is written on a thread of its own: a slow disk holds up no count, and the flight recorder is read along, a stretch at a time.
//!
//! Guarantees: one order of a verdict waits at the most, later ones joining it; what cannot be written is tried again; what is given up is
//! counted, and warned of once a minute.

mod board;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    mem,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Context;

use super::told::Id;
use crate::capture::{Case, Evidence, EvidenceTally, Labels, Tape};
use board::{Board, File, Ordered};

/// What is to be written.
pub(super) type Incident = Case<Id>;

/// How long what cannot be written is tried.
const PATIENCE: Duration = Duration::from_secs(60);

/// The thread rests for so many times as long as it took to read and write.
const REST: u32 = 3;

/// Writes evidence.
pub(super) struct Witness {
    board: Arc<Board>,
    thread: Option<JoinHandle<()>>,
}

impl Witness {
    pub(super) fn new(
        evidence: Evidence<Id>,
        recorder: impl Tape + Send + 'static,
    ) -> anyhow::Result<Self> {
        let board = Arc::new(Board::new(evidence.tally()));
        let mut clerk = Clerk { board: Arc::clone(&board), evidence, failed: BTreeMap::new() };
        let write = move || clerk.run(recorder);
        let thread = thread::Builder::new().name("evidence".to_owned()).spawn(write);
        let thread = Some(thread.context("starting the thread that writes evidence")?);
        Ok(Self { board, thread })
    }

    /// Orders what was recorded of verdicts until now and is not written.
    pub(super) fn order(&mut self, incidents: Vec<Incident>, labels: Labels) {
        self.board.order(incidents, labels);
    }

    /// A verdict is not shown any more.
    pub(super) fn forget(&mut self, id: Id) {
        self.board.forget(id);
    }

    /// The file of a verdict.
    pub(super) fn file(&self, id: Id) -> File {
        self.board.file(id)
    }

    /// What became of all orders.
    pub(super) fn tally(&self) -> EvidenceTally {
        self.board.tally()
    }

    /// Waits until all that was ordered is written or given up; nothing is ordered after it.
    pub(super) fn finish(&mut self) {
        self.board.end();
        if let Some(thread) = mem::take(&mut self.thread) {
            // A panic was printed by the thread.
            let _ = thread.join();
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Whoever writes.
struct Clerk {
    board: Arc<Board>,
    evidence: Evidence<Id>,
    /// What could not be written, and since when.
    failed: BTreeMap<Id, (Incident, Instant)>,
}

impl Clerk {
    fn run(&mut self, mut recorder: impl Tape) {
        loop {
            let ordered = self.board.take(!self.failed.is_empty());
            let (ends, began) = (ordered.ends, Instant::now());
            self.write(&mut recorder, ordered);
            if ends {
                return;
            }
            self.board.rest(began.elapsed() * REST);
        }
    }

    fn write(&mut self, recorder: &mut impl Tape, ordered: Ordered) {
        let Ordered { mut incidents, labels, gone, ends } = ordered;
        for id in gone {
            self.failed.remove(&id);
            self.evidence.forget(id);
        }
        let mut since = BTreeMap::new();
        for (id, (incident, at)) in mem::take(&mut self.failed) {
            since.insert(id, at);
            let both = match incidents.remove(&id) {
                Some(newer) => board::join(incident, newer),
                None => incident,
            };
            incidents.insert(id, both);
        }
        if incidents.is_empty() {
            return;
        }
        let cases: Vec<_> = incidents.into_values().collect();
        let mut written = self.evidence.write(recorder, &labels, &cases);
        let mut lost = 0;
        for (case, filed) in cases.into_iter().zip(&mut written.filed) {
            if !filed.failed {
                continue;
            }
            let at = since.get(&case.id).copied().unwrap_or_else(Instant::now);
            if ends || case.last && at.elapsed() >= PATIENCE {
                self.evidence.forget(case.id);
                filed.incomplete = true;
                lost += 1;
            } else {
                self.failed.insert(case.id, (case, at));
            }
        }
        self.board.note(written, self.evidence.tally(), lost);
    }
}
