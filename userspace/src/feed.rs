//! How a face asks for a snapshot: bounded, answered with fresh totals, never waited for without end.

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot};

use crate::report::{Snapshot, Sort};

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

/// Where snapshots come from.
#[derive(Clone, Debug)]
pub struct Feed(mpsc::Sender<Ask>);

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
    /// Sends questions to `asks`.
    #[must_use]
    pub const fn new(asks: mpsc::Sender<Ask>) -> Self {
        Self(asks)
    }

    /// A snapshot taken now.
    ///
    /// # Errors
    /// When the queue is full, the run is over, or the answer is late.
    pub async fn snapshot(&self, want: Want) -> Result<Arc<Snapshot>, Unanswered> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Ask { want, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unanswered::Busy,
            mpsc::error::TrySendError::Closed(_) => Unanswered::Stopped,
        })?;
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(snapshot)) => Ok(snapshot),
            Ok(Err(_)) => Err(Unanswered::Stopped),
            Err(_) => Err(Unanswered::Late),
        }
    }
}
