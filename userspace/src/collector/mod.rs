//! Runs the whole: tasks, supervision, and the order of stopping.
//!
//! One task, [`Keeper`](keeper::Keeper), owns the probe and the ledger; nothing is shared and nothing is locked. Around
//! it: the interface watch, the probe's log, and the web server. Any of them ending by itself stops all the others and is
//! the error of the run. Faces get `Arc<Snapshot>`s and cannot hold anything up.

mod keeper;
mod watch;

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, anyhow};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch as signal},
    task::JoinSet,
};

use keeper::Keeper;

use crate::{
    feed::Feed,
    kernel::{self, Probe, Sizes, links, namespace::Namespace},
    plan::Plan,
    report::Snapshot,
    web,
};

/// Questions that may wait for the keeper; more are refused, and the asker told so.
const ASKS: usize = 64;

/// Interface changes that may wait; netlink itself queues behind them and says when it lost some.
const CHANGES: usize = 256;

/// A started run.
pub struct Running {
    tasks: JoinSet<anyhow::Result<()>>,
    stop: signal::Sender<bool>,
    feed: Feed,
    address: SocketAddr,
    ended: signal::Receiver<Option<Arc<Snapshot>>>,
}

/// Starts a run in a network namespace: when this returns, every interface that is named is attached and the web listener
/// is open.
///
/// # Errors
/// When anything of that fails; nothing is attached then.
pub async fn start(plan: &Plan, namespace: Arc<Namespace>) -> anyhow::Result<Running> {
    let listener = TcpListener::bind(plan.listen)
        .await
        .with_context(|| format!("listening on {} (--web.listen-address)", plan.listen))?;
    let address = listener.local_addr().context("reading the listener's address")?;
    let all = links::list(&namespace).await?;
    watch::check_names(&plan.patterns, &all)?;
    let mut probe = Probe::load(sizes(plan))?;
    announce(&probe);
    let probe_log = kernel::pump(&mut probe)?;

    let (changes, changed) = mpsc::channel(CHANGES);
    let (asks, asked) = mpsc::channel(ASKS);
    let (stop, stopped) = signal::channel(false);
    let (end, ended) = signal::channel(None);
    let mut keeper = Keeper::new(plan, Arc::clone(&namespace), probe)?;
    keeper.begin(all)?;

    let feed = Feed::new(asks);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { keeper.keep(changed, asked, stopped, end).await });
    tasks.spawn(
        async move { links::watch(&namespace, changes).await.context("watching interfaces") },
    );
    tasks.spawn(async move { probe_log.await.context("reading the probe's log") });
    let (server_feed, server_ended) = (feed.clone(), ended.clone());
    tasks.spawn(async move { web::serve(listener, server_feed, server_ended).await });
    Ok(Running { tasks, stop, feed, address, ended })
}

impl Running {
    /// Where snapshots come from.
    #[must_use]
    pub fn feed(&self) -> Feed {
        self.feed.clone()
    }

    /// Where it serves.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until a task ends by itself, which is always an error.
    ///
    /// # Errors
    /// What ended it.
    pub async fn failed(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(panic)) => anyhow!(panic).context("a task panicked"),
            Some(Ok(Ok(()))) => anyhow!("a task ended before its time"),
            None => anyhow!("no task is left"),
        }
    }

    /// Stops in order: programs detached, rings drained, last totals served, listener closed. Returns those totals.
    ///
    /// # Errors
    /// When a task fails on the way.
    pub async fn stop(mut self) -> anyhow::Result<Arc<Snapshot>> {
        // Nobody listens when the keeper has failed already; then its error comes below.
        let _ = self.stop.send(true);
        let last = self.ended.wait_for(Option::is_some).await.map(|last| last.clone());
        self.tasks.shutdown_in_order().await?;
        last.ok().flatten().context("the ledger ended without its last totals")
    }
}

/// Awaits what ends by itself, then ends the rest.
trait ShutdownInOrder {
    async fn shutdown_in_order(&mut self) -> anyhow::Result<()>;
}

impl ShutdownInOrder for JoinSet<anyhow::Result<()>> {
    async fn shutdown_in_order(&mut self) -> anyhow::Result<()> {
        /// The keeper and the server end by themselves; the watch and the log have nothing to finish.
        const FINISHING: usize = 2;
        for _ in 0..FINISHING {
            match self.join_next().await {
                Some(Ok(result)) => result?,
                Some(Err(panic)) => return Err(anyhow!(panic).context("a task panicked")),
                None => break,
            }
        }
        self.shutdown().await;
        Ok(())
    }
}

fn sizes(plan: &Plan) -> Sizes {
    Sizes {
        flow_memory: plan.flow_memory.0,
        record_memory: u32::try_from(plan.record_memory.0).unwrap_or(1 << 30),
        sample_memory: 4 << 20,
        interfaces: plan.max_interfaces,
        evict_after: plan.evict_after,
        log_level: plan.probe_log_level,
        decap: plan.decap,
        replay: None,
    }
}

fn announce(probe: &Probe) {
    let table = probe.table();
    tracing::info!(
        flows = table.capacity(),
        bytes = table.bytes(),
        cpus = table.cpus(),
        "flow table ready"
    );
}
