//! Runs the whole: tasks, supervision, and the order of stopping.
//!
//! One task, [`Keeper`](keeper::Keeper), owns the probe and the ledger; what it shares is the reader of samples
//! ([`sampler`]), behind a lock. Around it: that reader, the interface watch, the probe's log, and the web server. Any of them ending by itself
//! stops all the others and is the error of the run. Faces get `Arc<Snapshot>`s and cannot hold anything up.

mod captures;
mod counters;
mod face;
mod keeper;
mod sampler;
mod session;
mod watch;

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, anyhow};
use tokio::{
    sync::{mpsc, watch as signal},
    task::JoinSet,
};

use captures::Captures;
use face::Face;
use keeper::Keeper;
use sampler::Shared;

use crate::{
    capture::{Desk, Recorder, Terms},
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
    desk: Desk,
    address: Option<SocketAddr>,
    ended: signal::Receiver<Option<Arc<Snapshot>>>,
    /// Tasks that end by themselves when told to stop: the keeper, and the server if there is one. The others have nothing to finish.
    finishing: usize,
}

/// Starts a run in a network namespace: when this returns, every interface that is named is attached and the listeners
/// are open.
///
/// # Errors
/// When anything of that fails; nothing is attached then.
pub async fn start(plan: &Plan, namespace: Arc<Namespace>) -> anyhow::Result<Running> {
    let face = match &plan.serve {
        Some(serve) => Some(Face::open(serve).await?),
        None => None,
    };
    let address = face.as_ref().map(Face::address);
    let all = links::list(&namespace).await?;
    watch::check_names(&plan.patterns, &all)?;
    let mut probe = Probe::load(sizes(plan))?;
    announce(&probe);
    let probe_log = kernel::pump(&mut probe)?;
    // Last of what can fail before anything is attached: a run that does not come about leaves the socket's path alone.
    let listeners = face.map(Face::complete).transpose()?;

    let (changes, changed) = mpsc::channel(CHANGES);
    let (asks, asked) = mpsc::channel(ASKS);
    let (stop, stopped) = signal::channel(false);
    let (end, ended) = signal::channel(None);
    let (desk, orders) = Desk::new();
    let sampler = sampler(plan, &mut probe)?;
    let announced = sampler.announced()?;
    let captures = Captures::new(desk.clone(), Terms::new(plan.allow_payload), sampler.clone());
    let mut keeper = Keeper::new(plan, Arc::clone(&namespace), probe, captures)?;
    keeper.begin(all, plan.sample_every)?;

    let feed = Feed::new(asks);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { keeper.keep(changed, asked, orders, stopped, end).await });
    tasks.spawn(async move {
        links::watch(&namespace, changes).await.context("watching interfaces")?;
        // Its listener has gone, so the run is ending; of those that end, only the keeper and the server are waited for.
        std::future::pending().await
    });
    let sampler_desk = desk.clone();
    tasks.spawn(async move { sampler.read(sampler_desk, announced).await });
    tasks.spawn(async move { probe_log.await.context("reading the probe's log") });
    let mut finishing = 1;
    if let Some(listeners) = listeners {
        let scrapes = plan.exposition;
        let scrapes = web::Scrapes::new(scrapes.collectors, scrapes.max_requests)?;
        let sources = web::Sources { feed: feed.clone(), desk: desk.clone(), scrapes };
        let ended = ended.clone();
        tasks.spawn(async move { web::serve(listeners, sources, ended).await });
        finishing += 1;
    }
    Ok(Running { tasks, stop, feed, desk, address, ended, finishing })
}

impl Running {
    /// Where snapshots come from.
    #[must_use]
    pub fn feed(&self) -> Feed {
        self.feed.clone()
    }

    /// Where capture sessions are opened.
    #[must_use]
    pub fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// Where it serves over TCP, if it does.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
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
        for _ in 0..self.finishing {
            match self.tasks.join_next().await {
                Some(Ok(result)) => result?,
                Some(Err(panic)) => return Err(anyhow!(panic).context("a task panicked")),
                None => break,
            }
        }
        self.tasks.shutdown().await;
        last.ok().flatten().context("the ledger ended without its last totals")
    }
}

fn sizes(plan: &Plan) -> Sizes {
    Sizes {
        flow_memory: plan.flow_memory.0,
        record_memory: u32::try_from(plan.record_memory.0).unwrap_or(1 << 30),
        sample_memory: u32::try_from(plan.sample_memory.0).unwrap_or(1 << 30),
        interfaces: plan.max_interfaces,
        evict_after: plan.evict_after,
        log_level: plan.probe_log_level,
        decap: plan.decap,
        replay: None,
    }
}

fn sampler(plan: &Plan, probe: &mut Probe) -> anyhow::Result<Shared> {
    let memory = probe.sizes().sample_memory;
    let ring = probe.take_samples().context("the ring of samples is taken")?;
    let recorder =
        plan.sample_every.map(|_| usize::try_from(plan.recorder.0).unwrap_or(usize::MAX));
    Ok(Shared::new(ring, memory, recorder.filter(|&most| most > 0).map(Recorder::new)))
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
