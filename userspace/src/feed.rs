//! How a face asks for a snapshot: bounded, answered with fresh totals, never waited for without end.

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot};

use crate::report::{ScanLine, Snapshot, Sort};

/// How long an answer may take; a sweep of a million flows takes some ten milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a snapshot should hold besides totals.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Want {
    /// How many flows.
    pub flows: usize,
    /// Which come first.
    pub sort: Sort,
    /// The kernel's own counters of the interfaces.
    pub kernel: bool,
}

/// A question to the keeper.
#[derive(Debug)]
pub struct Ask {
    /// What is wanted.
    pub want: Want,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Arc<Snapshot>>,
}

/// Asks for scans and floods, oldest first; none where nobody looks for them.
pub type AskScans = oneshot::Sender<Option<Vec<ScanLine>>>;

/// Where snapshots come from.
#[derive(Clone, Debug)]
pub struct Feed {
    asks: mpsc::Sender<Ask>,
    scans: mpsc::Sender<AskScans>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unanswered {
    /// Too many questions are waiting.
    #[error("too many requests are waiting; try again")]
    Busy,
    /// It took too long.
    #[error("the ledger did not answer in time")]
    Late,
    /// The run is over.
    #[error("the ledger is stopping")]
    Stopped,
}

impl Feed {
    /// Sends questions to `asks`, those for scans to `scans`.
    #[must_use]
    pub const fn new(asks: mpsc::Sender<Ask>, scans: mpsc::Sender<AskScans>) -> Self {
        Self { asks, scans }
    }

    /// A snapshot taken now.
    ///
    /// # Errors
    /// When the queue is full, the run is over, or the answer is late.
    pub async fn snapshot(&self, want: Want) -> Result<Arc<Snapshot>, Unanswered> {
        let (answer, answered) = oneshot::channel();
        ask(&self.asks, Ask { want, answer }, answered).await
    }

    /// Scans and floods as of the latest tick, for which no flow is looked at; none where nobody looks for them.
    ///
    /// # Errors
    /// As [`Self::snapshot`].
    pub async fn scans(&self) -> Result<Option<Vec<ScanLine>>, Unanswered> {
        let (answer, answered) = oneshot::channel();
        ask(&self.scans, answer, answered).await
    }
}

async fn ask<Q, A>(
    to: &mpsc::Sender<Q>,
    question: Q,
    answered: oneshot::Receiver<A>,
) -> Result<A, Unanswered> {
    to.try_send(question).map_err(|error| match error {
        mpsc::error::TrySendError::Full(_) => Unanswered::Busy,
        mpsc::error::TrySendError::Closed(_) => Unanswered::Stopped,
    })?;
    match tokio::time::timeout(PATIENCE, answered).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(Unanswered::Stopped),
        Err(_) => Err(Unanswered::Late),
    }
}
