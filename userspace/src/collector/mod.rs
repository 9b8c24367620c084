//! Runs the whole: tasks, supervision, and the order of stopping.
//!
//! One task, [`Keeper`](keeper::Keeper), owns the probe and the ledger; what it shares is the reader of samples
//! ([`sampler`]), behind a lock. Around it: that reader, the interface watch, the probe's log, and the web server. Any of them ending by itself
//! stops all the others and is the error of the run. Faces get `Arc<Snapshot>`s and cannot hold anything up.

mod captures;
mod counters;
mod face;
mod keeper;
mod reload;
mod sampler;
mod scans;
mod session;
mod standing;
mod tellings;
mod told;
mod watch;
mod witness;

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, anyhow};
use tokio::{
    sync::{mpsc, watch as signal},
    task::JoinSet,
};

use captures::Captures;
use face::Face;
use keeper::{Inputs, Keeper};
use reload::Reins;
use sampler::Shared;

use crate::{
    capture::{Desk, Recorder, Terms},
    feed::Feed,
    kernel::{self, Probe, Sizes, links, namespace::Namespace},
    plan::{Exposition, Plan},
    report::Snapshot,
    web::{self, Lifecycle, Tally, bind::Inherited},
};

/// Questions that may wait for the keeper; more are refused, and the asker told so.
const ASKS: usize = 64;

/// Interface changes that may wait; netlink itself queues behind them and says when it lost some.
const CHANGES: usize = 256;

/// Changes of plan that may wait.
const REVISIONS: usize = 4;

/// What a run has from the process it is in.
#[derive(Default)]
pub struct Surroundings {
    /// Sockets that are open already; they are served instead of the plan's.
    pub inherited: Option<Inherited>,
    /// How a request asks for a reload.
    pub lifecycle: Lifecycle,
}

/// A started run.
pub struct Running {
    tasks: JoinSet<anyhow::Result<()>>,
    stop: signal::Sender<bool>,
    feed: Feed,
    desk: Desk,
    address: Option<SocketAddr>,
    namespace: Arc<Namespace>,
    reins: Reins,
    tally: Arc<Tally>,
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
    start_in(plan, namespace, Surroundings::default()).await
}

/// The same, for a process that has sockets already, or can be told to reload.
///
/// # Errors
/// As [`start`].
pub async fn start_in(
    plan: &Plan,
    namespace: Arc<Namespace>,
    surroundings: Surroundings,
) -> anyhow::Result<Running> {
    let Surroundings { inherited, lifecycle } = surroundings;
    let tally = Arc::new(Tally::default());
    let face = match &plan.serve {
        Some(serve) => Some(Face::open(serve, inherited, &tally).await?),
        None => None,
    };
    let address = face.as_ref().and_then(Face::address);
    let evidence = scans::evidence(plan)?;
    let all = links::list(&namespace).await?;
    watch::check_names(&plan.patterns, &all)?;
    let mut probe = Probe::load(sizes(plan))?;
    announce(&probe);
    let probe_log = kernel::pump(&mut probe)?;
    // Last of what can fail before anything is attached: a run that does not come about leaves the socket's path alone.
    let listeners = face.map(|face| face.complete(lifecycle, Arc::clone(&tally))).transpose()?;
    let (listeners, controls) = listeners.unzip();

    let (changes, changed) = mpsc::channel(CHANGES);
    let (asks, asked) = mpsc::channel(ASKS);
    let (asks_scans, asked_scans) = mpsc::channel(ASKS);
    let (revisions, revised) = mpsc::channel(REVISIONS);
    let (stop, stopped) = signal::channel(false);
    let (end, ended) = signal::channel(None);
    let (desk, orders) = Desk::new();
    let sampler = sampler(plan, &mut probe)?;
    let announced = sampler.announced()?;
    let captures = Captures::new(desk.clone(), Terms::new(plan.allow_payload), sampler.clone());
    let mut keeper =
        Keeper::new(plan, Arc::clone(&namespace), probe, captures, evidence, Arc::clone(&tally))?;
    keeper.begin(all, plan.sample_every)?;

    let feed = Feed::new(asks, asks_scans);
    let mut tasks = JoinSet::new();
    let inputs = Inputs { changed, asked, asked_scans, ordered: orders, revised };
    tasks.spawn(async move { keeper.keep(inputs, stopped, end).await });
    let watched = Arc::clone(&namespace);
    tasks.spawn(async move {
        links::watch(&watched, changes).await.context("watching interfaces")?;
        // Its listener has gone, so the run is ending; of those that end, only the keeper and the server are waited for.
        std::future::pending().await
    });
    let sampler_desk = desk.clone();
    tasks.spawn(async move { sampler.read(sampler_desk, announced).await });
    tasks.spawn(async move { probe_log.await.context("reading the probe's log") });
    let mut finishing = 1;
    let Exposition { collectors, max_requests } = plan.exposition;
    let scrapes = web::Scrapes::new(collectors, max_requests)?;
    if let Some(listeners) = listeners {
        let sources =
            web::Sources { feed: feed.clone(), desk: desk.clone(), scrapes: scrapes.clone() };
        let ended = ended.clone();
        tasks.spawn(async move { web::serve(listeners, sources, ended).await });
        finishing += 1;
    }
    tally.config_read(true);
    let reins = Reins { plan: plan.clone(), controls, scrapes, revisions };
    Ok(Running { tasks, stop, feed, desk, address, namespace, reins, tally, ended, finishing })
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

    /// What could not be read of a configuration was nothing to put in force.
    pub fn unreloaded(&self) {
        self.tally.config_read(false);
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
