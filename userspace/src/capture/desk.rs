//! How a face opens and closes capture sessions: bounded, and never in the way of the ledger.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::{Dump, Filters, Held, Invalid, Request};
use crate::filter;

/// How long the collector may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// An order to the collector.
#[derive(Debug)]
pub enum Order {
    /// Arm a session.
    Open {
        /// What is asked for.
        request: Request,
        /// Its expression.
        filters: Box<Filters>,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<Opened, Refusal>>,
    },
    /// End a session; one that has ended already stays so.
    Close {
        /// Its number.
        id: u64,
    },
    /// Say which are armed.
    List {
        /// Where the answer goes.
        answer: oneshot::Sender<Vec<Held>>,
    },
    /// Hand out what the flight recorder holds.
    Dump {
        /// Where the answer goes; `None` without a recorder.
        answer: oneshot::Sender<Option<Dump>>,
    },
}

impl Order {
    /// Whoever gave it does not wait for it any more.
    #[must_use]
    pub fn is_void(&self) -> bool {
        match self {
            Self::Open { answer, .. } => answer.is_closed(),
            Self::Close { .. } => false,
            Self::List { answer } => answer.is_closed(),
            Self::Dump { answer } => answer.is_closed(),
        }
    }
}

/// A session that was armed. Dropping `hold` ends it.
#[derive(Debug)]
pub struct Opened {
    /// Its number.
    pub id: u64,
    /// Bytes of each packet that it gets.
    pub snap: u32,
    /// A pcapng file in whole blocks, to its last statistics.
    pub stream: mpsc::Receiver<Bytes>,
    /// Ends the session when nobody reads it any more.
    pub hold: Hold,
}

/// Ends its session when it is dropped.
#[derive(Debug)]
pub struct Hold {
    id: u64,
    orders: mpsc::UnboundedSender<Order>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        // With the collector gone, so is the session.
        let _ = self.orders.send(Order::Close { id: self.id });
    }
}

/// Why the collector did not arm a session.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Every slot is taken.
    #[error(
        "all {} capture sessions are taken: {}; DELETE /api/v1/captures/ID ends one",
        holders.len(), holders.join(", ")
    )]
    Full {
        /// Number and holder of each.
        holders: Vec<String>,
    },
    /// A named interface is not watched, or not there.
    #[error("interface {name} is not watched here; watched are: {}", watched.join(", "))]
    NoInterface {
        /// Its name.
        name: String,
        /// Those that are.
        watched: Vec<String>,
    },
    /// A named interface is not attached in the directions that are asked for.
    #[error("{interface} is not watched in that direction; `wireledger interfaces` says why")]
    Direction {
        /// The interface.
        interface: String,
    },
    /// The expression does not fit what the interface's frames begin with.
    #[error("the filter does not fit {interface}: {why}")]
    Link {
        /// The interface.
        interface: String,
        /// Why.
        why: String,
    },
    /// A request that makes no sense.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No interface has such a name, nor ever will.
    #[error("{name}: {why}")]
    Name {
        /// What was asked for.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The expression makes no program, alone or together with the others.
    #[error("the filter cannot be translated: {why}")]
    Filter {
        /// Why.
        why: String,
    },
    /// The kernel refused.
    #[error("the session cannot be armed: {why}")]
    Kernel {
        /// What it said.
        why: String,
    },
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum Unopened {
    /// The expression is wrong.
    #[error(transparent)]
    Filter(#[from] filter::Error),
    /// The collector refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The run is over.
    #[error("the daemon is stopping")]
    Stopped,
    /// It took too long.
    #[error("the daemon did not answer in time")]
    Late,
}

/// Where sessions are opened.
#[derive(Clone, Debug)]
pub struct Desk(mpsc::UnboundedSender<Order>);

impl Desk {
    /// A desk, and where its orders arrive. Unbounded, so that ending a session never waits; orders that nobody waits for any more are dropped
    /// ([`Order::is_void`]).
    #[must_use]
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Order>) {
        let (orders, ordered) = mpsc::unbounded_channel();
        (Self(orders), ordered)
    }

    /// What ends session `id` when it is dropped.
    #[must_use]
    pub fn hold(&self, id: u64) -> Hold {
        Hold { id, orders: self.0.clone() }
    }

    /// Compiles the expression and arms a session.
    ///
    /// # Errors
    /// When the expression is wrong, every slot is taken, or an interface is not watched.
    pub async fn open(&self, request: Request) -> Result<Opened, Unopened> {
        let expression = request.filter.clone();
        // Names of hosts are looked up.
        let compiling = tokio::task::spawn_blocking(move || Filters::compile(&expression));
        let compiled = tokio::time::timeout(PATIENCE, compiling).await;
        let compiled = compiled.map_err(|_| Unopened::Late)?;
        let filters = Box::new(compiled.map_err(|_| Unopened::Stopped)??);
        let (answer, answered) = oneshot::channel();
        self.order(Order::Open { request, filters, answer })?;
        Ok(wait(answered).await??)
    }

    /// Ends a session; its stream ends after the last statistics.
    pub fn close(&self, id: u64) {
        // With the collector gone, so is the session.
        let _ = self.0.send(Order::Close { id });
    }

    /// The sessions that are armed.
    ///
    /// # Errors
    /// When the run is over.
    pub async fn list(&self) -> Result<Vec<Held>, Unopened> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::List { answer })?;
        wait(answered).await
    }

    /// What the flight recorder holds, as pcapng; `None` without one.
    ///
    /// # Errors
    /// When the run is over.
    pub async fn dump(&self) -> Result<Option<Vec<u8>>, Unopened> {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Dump { answer })?;
        let Some(dump) = wait(answered).await? else { return Ok(None) };
        let written = tokio::task::spawn_blocking(move || dump.write()).await;
        written.map(Some).map_err(|_| Unopened::Stopped)
    }

    fn order(&self, order: Order) -> Result<(), Unopened> {
        self.0.send(order).map_err(|_| Unopened::Stopped)
    }
}

async fn wait<T>(answered: oneshot::Receiver<T>) -> Result<T, Unopened> {
    match tokio::time::timeout(PATIENCE, answered).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(Unopened::Stopped),
        Err(_) => Err(Unopened::Late),
    }
}
