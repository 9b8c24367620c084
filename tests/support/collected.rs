//! A collector in this process, inside a namespace: snapshots as faces get them, before they are written as anything.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use tokio::{runtime, sync::oneshot, task::JoinSet};
use wireledger::{
    collector,
    feed::{Feed, Want},
    kernel::namespace::Namespace,
    plan::{Bytes, Directions, Exposition, Metrics, Mode, Pattern, Plan, Scans},
    report::Snapshot,
};

use crate::netns::NetNs;

/// A plan that watches `pattern` both ways, with the sizes of `wireledger run`, and serves nothing.
///
/// # Errors
/// When the pattern is none.
pub fn plan(pattern: &str) -> Result<Plan> {
    let pattern: Pattern = pattern.parse().map_err(anyhow::Error::msg)?;
    Ok(Plan {
        patterns: vec![pattern],
        mode: Mode::Auto,
        directions: Directions::Both,
        flow_memory: Bytes(64 << 20),
        record_memory: Bytes(4 << 20),
        sample_memory: Bytes(1 << 20),
        allow_payload: false,
        sample_every: None,
        recorder: Bytes(0),
        max_interfaces: 32,
        idle_timeout: Duration::from_secs(600),
        active_timeout: Duration::from_secs(3600),
        evict_after: Duration::from_secs(1),
        decap: false,
        scans: Scans::default(),
        exposition: Exposition::default(),
        metrics: Metrics { max_series: Metrics::MAX_SERIES, top: Metrics::TOP, ..Metrics::none() },
        serve: None,
        probe_log_level: 0,
    })
}

/// What a collector answers.
pub struct Collected {
    feed: Feed,
    asking: runtime::Runtime,
}

impl Collected {
    /// A snapshot taken now.
    ///
    /// # Errors
    /// When the collector does not answer.
    pub fn snapshot(&self) -> Result<Arc<Snapshot>> {
        let asked = self.asking.block_on(self.feed.snapshot(Want::default()));
        asked.context("asking the collector")
    }

    /// Snapshots that `askers` ask for at the same moment.
    ///
    /// # Errors
    /// When the collector does not answer one of them.
    pub fn snapshots(&self, askers: usize) -> Result<Vec<Arc<Snapshot>>> {
        let mut asking = JoinSet::new();
        for _ in 0..askers {
            let feed = self.feed.clone();
            let ask = async move { feed.snapshot(Want::default()).await };
            asking.spawn_on(ask, self.asking.handle());
        }
        let answers = self.asking.block_on(asking.join_all()).into_iter();
        answers.collect::<Result<_, _>>().context("asking the collector")
    }
}

/// Runs a collector inside `namespace` for as long as `work` does; returns what that returns, and the last snapshot.
///
/// # Errors
/// When the collector does not start or stop, or `work` fails.
pub fn collect<T>(
    namespace: &NetNs,
    plan: &Plan,
    work: impl FnOnce(&Collected) -> Result<T>,
) -> Result<(T, Arc<Snapshot>)> {
    let (started, feeds) = mpsc::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    thread::scope(|scope| {
        let collector = scope.spawn(move || {
            // All on this one thread, which is inside.
            namespace.enter(|| {
                runtime()?.block_on(async {
                    let mut running = collector::start(plan, Arc::new(Namespace::own())).await?;
                    started.send(running.feed()).context("handing over the feed")?;
                    tokio::select! {
                        error = running.failed() => Err(error),
                        // Dropped when the work fails.
                        _ = stopped => running.stop().await,
                    }
                })
            })?
        });
        let worked = match feeds.recv() {
            Ok(feed) => runtime().and_then(|asking| work(&Collected { feed, asking })),
            Err(_) => Err(anyhow!("the collector did not start")),
        };
        drop(stop);
        let last = collector.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match (worked, last) {
            (Ok(worked), Ok(last)) => Ok((worked, last)),
            (_, Err(error)) | (Err(error), _) => Err(error),
        }
    })
}

fn runtime() -> Result<runtime::Runtime> {
    runtime::Builder::new_current_thread().enable_all().build().context("starting a runtime")
}
