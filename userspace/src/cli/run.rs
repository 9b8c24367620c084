//! `wireledger run`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::{Outcome, client::DEFAULT_LISTEN};
use crate::{
    collector,
    kernel::namespace::Namespace,
    logging::{self, LogFormat, LogLevel},
    plan::{self, Bytes, Directions, Mode, Pattern, Plan},
};

/// Watch interfaces: count every packet in the kernel, serve Prometheus
///
/// Attaches an XDP program for ingress and a TCX program for egress to each interface, keeps exact per-flow counters in
/// the kernel, and serves metrics and the API that the other commands ask. Runs until SIGINT or SIGTERM; programs are
/// detached then, and by the kernel if the process dies.
///
/// Needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN; root has them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Interface to watch: a name, or a pattern like 'eth*'; may be given several times.
    ///
    /// A name must be there at the start. What matches a pattern is watched whenever it appears; what disappears and comes
    /// back is watched again, and its totals go on.
    #[arg(short, long = "interface", value_name = "IFACE", required = true)]
    interfaces: Vec<Pattern>,
    #[command(flatten)]
    options: Options,
    /// Where to serve metrics and the API: an address and a port, 0.0.0.0:9814 for every interface
    #[arg(long = "web.listen-address", value_name = "ADDRESS", default_value = DEFAULT_LISTEN)]
    listen: SocketAddr,
    /// What to log; debug includes a line for every packet that is not in a flow
    #[arg(long = "log.level", value_enum, default_value = "info")]
    log_level: LogLevel,
    /// How to log
    #[arg(long = "log.format", value_enum, default_value = "logfmt")]
    log_format: LogFormat,
}

/// What `run` and `demo` have in common.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Options {
    /// Hook for ingress; auto takes native XDP where it can, else TC, and says why
    #[arg(long, value_enum, default_value = "auto")]
    mode: Mode,
    /// Directions to watch
    #[arg(long, value_enum, default_value = "both")]
    direction: Directions,
    /// Memory of the flow table, over all CPUs
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = plan::flow_memory)]
    flow_memory: Bytes,
    /// Memory of the ring that brings ended flows to the collector; a power of two
    #[arg(long, value_name = "SIZE", default_value = "4MiB", value_parser = plan::record_memory)]
    record_memory: Bytes,
    /// Interfaces that can be watched at once
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=4096))]
    max_interfaces: u32,
    /// Silence that ends a flow
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = plan::time)]
    idle_timeout: Duration,
    /// Life after which a flow is told while it goes on
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = plan::time)]
    active_timeout: Duration,
    /// Silence after which a flow's place in a full bucket may be given to another
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = plan::time)]
    evict_after: Duration,
    /// Flows are those inside VXLAN, Geneve, GRE, IP in IP and GTP-U
    #[arg(long)]
    decap: bool,
}

impl Options {
    /// These options as a plan.
    pub(super) fn plan(&self, patterns: Vec<Pattern>, listen: SocketAddr, probe_log: u8) -> Plan {
        Plan {
            patterns,
            mode: self.mode,
            directions: self.direction,
            flow_memory: self.flow_memory,
            record_memory: self.record_memory,
            max_interfaces: self.max_interfaces,
            idle_timeout: self.idle_timeout,
            active_timeout: self.active_timeout,
            evict_after: self.evict_after,
            decap: self.decap,
            listen,
            probe_log_level: probe_log,
        }
    }
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        logging::init(self.log_level, self.log_format);
        let plan = self.options.plan(self.interfaces, self.listen, self.log_level.of_probe());
        runtime()?.block_on(watch(&plan))
    }
}

/// The runtime: one thread for the ledger, one for everybody who asks.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")
}

async fn watch(plan: &Plan) -> anyhow::Result<Outcome> {
    // Before anything is attached, so that no signal finds us half way.
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let namespace = Arc::new(Namespace::own());
    let mut running = collector::start(plan, namespace).await?;
    tracing::info!(address = %running.address(), "serving");
    let name = tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
        error = running.failed() => return Err(error),
    };
    tracing::info!(signal = name, "stopping");
    let last = running.stop().await?;
    let balanced = last.accounts.iter().all(|account| account.balanced);
    let seen: u64 = last.accounts.iter().map(|account| account.seen.packets).sum();
    tracing::info!(packets = seen, balanced, "stopped");
    Ok(Outcome::of(balanced))
}
