//! `wireledger run`.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};

use super::{Cli, Outcome, Usage, client::DEFAULT_LISTEN, exposition::Exposition};
use crate::{
    collector::{self, Running, Surroundings},
    kernel::namespace::Namespace,
    logging::{self, LogFormat, LogLevel},
    naming::Names,
    plan::{
        self, Bytes, Directions, EvidenceFolder, Listen, Mode, Pattern, Plan, Serve, Socket,
        WebCapture,
    },
    scan::{Prefix, Sensitivity},
    web::{self, Lifecycle, bind::Inherited},
};

/// Watch interfaces: count every packet in the kernel, serve Prometheus
///
/// Attaches an XDP program for ingress and a TCX program for egress to each interface, keeps exact per-flow counters in
/// the kernel, and serves metrics and the API that the other commands ask. Runs until SIGINT or SIGTERM; programs are
/// detached then, and by the kernel if the process dies. SIGHUP reads the configuration again.
///
/// Needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN; root has them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Interface to watch: a name, or a pattern like 'eth*'; may be given several times.
    ///
    /// A name must be there at the start. What matches a pattern is watched whenever it appears; what disappears and comes
    /// back is watched again, and its totals go on.
    #[arg(
        short,
        long = "interface",
        value_name = "IFACE",
        required_unless_present = "config_file"
    )]
    interfaces: Vec<Pattern>,
    /// Read the other options from FILE as well: TOML, one key for each long option, dots being tables
    ///
    /// What the command line and the environment say goes first. SIGHUP reads it again. `wireledger check-config` checks it.
    #[arg(long = "config.file", value_name = "FILE")]
    config_file: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    faces: Faces,
    /// What to log; debug includes a line for every packet that is not in a flow
    #[arg(long = "log.level", value_enum, default_value = "info")]
    log_level: LogLevel,
    /// How to log
    #[arg(long = "log.format", value_enum, default_value = "logfmt")]
    log_format: LogFormat,
    #[command(flatten)]
    sampling: Sampling,
    #[command(flatten)]
    scans: Scans,
    #[command(flatten)]
    exposition: Exposition,
    #[command(flatten)]
    metrics: Metrics,
}

/// What is called a scan.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Scans")]
struct Scans {
    /// How soon something is called a scan or a flood; docs/SCANS.md has the thresholds
    #[arg(long = "scan.sensitivity", value_enum, value_name = "HOW", default_value = "normal")]
    sensitivity: Alertness,
    /// Whoever has this address, or one in this prefix, may scan without being told of; may be given several times
    #[arg(long = "scan.allow", value_name = "CIDR")]
    allow: Vec<Prefix>,
    /// Write the packets of each scan and flood to a pcapng file in DIR, as far as the flight recorder has them
    ///
    /// `--sample-every 1` records every packet's headers, and `--recorder` says for how long. docs/SCANS.md has what is written when.
    #[arg(long, value_name = "DIR", requires = "sample_every")]
    evidence_dir: Option<PathBuf>,
    /// Files there, at most; the oldest make room, but for those of what goes on
    #[arg(long, value_name = "N", default_value_t = 100, requires = "evidence_dir", value_parser = clap::value_parser!(u64).range(1..))]
    evidence_files: u64,
    /// Bytes of them together, at most; one file has an eighth at most
    #[arg(long, value_name = "SIZE", default_value = "256MiB", requires = "evidence_dir", value_parser = plan::evidence_size)]
    evidence_size: Bytes,
}

/// Whether to look for scans, and how soon to say so.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Alertness {
    /// Nothing is looked for
    Off,
    /// Only what is large
    Low,
    /// What nothing ordinary looks like
    Normal,
    /// Also what is small, at the price of a false alarm now and then
    High,
}

impl Scans {
    fn plan(self) -> Result<plan::Scans, Usage> {
        let sensitivity = match self.sensitivity {
            Alertness::Off => None,
            Alertness::Low => Some(Sensitivity::Low),
            Alertness::Normal => Some(Sensitivity::Normal),
            Alertness::High => Some(Sensitivity::High),
        };
        if sensitivity.is_none() && self.evidence_dir.is_some() {
            let why = "with --scan.sensitivity off there is nothing to write to --evidence-dir";
            return Err(Usage::of(why));
        }
        let (files, size) = (self.evidence_files, self.evidence_size);
        let evidence = self.evidence_dir.map(|folder| EvidenceFolder { folder, files, size });
        Ok(plan::Scans { sensitivity, allow: self.allow, evidence })
    }
}

/// How much metrics may say.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Metrics")]
struct Metrics {
    /// Series of a scrape, at most: what totals leave of them is shared out among the tables of those who talk most
    #[arg(long = "metrics.max-series", value_name = "N", default_value_t = plan::Metrics::MAX_SERIES)]
    max_series: usize,
    /// Entries of each of these tables, at most
    #[arg(long = "metrics.top", value_name = "N", default_value_t = plan::Metrics::TOP)]
    top: usize,
    /// Names for addresses, prefixes and ports, which metrics then have instead of numbers: docs/NAMES.md
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
}

impl Metrics {
    fn plan(self) -> Result<plan::Metrics, Usage> {
        let names = self.names.as_deref().map(Names::read).transpose().map_err(Usage::of)?;
        Ok(plan::Metrics {
            max_series: self.max_series,
            top: self.top,
            names: Arc::new(names.unwrap_or_default()),
        })
    }
}

/// Where to serve, and whom.
#[derive(Debug, clap::Args)]
struct Faces {
    /// Where to serve metrics and the API: ADDRESS:PORT, :PORT for every address, unix:PATH; may be given several times
    #[arg(long = "web.listen-address", value_name = "ADDRESS", default_value = DEFAULT_LISTEN)]
    listen: Vec<Listen>,
    /// Serve on the sockets that systemd passes, instead
    #[arg(long = "web.systemd-socket")]
    systemd_socket: bool,
    /// Path of the metrics
    #[arg(long = "web.telemetry-path", value_name = "PATH", default_value = Serve::TELEMETRY, value_parser = plan::telemetry_path)]
    telemetry_path: String,
    /// TLS, passwords, headers and a rate limit for TCP: a file as other Prometheus exporters take
    #[arg(long = "web.config.file", value_name = "FILE")]
    web_config: Option<PathBuf>,
    /// POST or PUT to /-/reload reads the configuration again
    #[arg(long = "web.enable-lifecycle")]
    lifecycle: bool,
    /// Everybody who reaches those addresses may capture packets, not only read metrics and flows
    #[arg(long = "web.allow-capture", conflicts_with = "token_file")]
    allow_capture: bool,
    /// Who sends `Authorization: Bearer` and the token in FILE may capture packets over those addresses
    ///
    /// At least 16 characters; white space around them is none of it. Nobody but its owner may read the file.
    #[arg(long = "web.capture-token-file", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Unix socket to serve the API on as well; who may use its file may capture packets. 'none' for no socket
    ///
    /// [default: /run/wireledger/wireledger.sock, and the run goes on without where that cannot be made]
    #[arg(long, value_name = "PATH", env = "WIRELEDGER_SOCKET")]
    socket: Option<String>,
    /// Group that may use the unix socket, by name or number [default: the daemon's own]
    #[arg(long, value_name = "GROUP")]
    socket_group: Option<String>,
}

/// What of packets is kept and given away.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Packets")]
struct Sampling {
    /// Captures may have whole packets, up to 65535 bytes; only the first 128 unless given
    #[arg(long)]
    allow_payload: bool,
    /// Record the headers of one of every N packets, all the time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    sample_every: Option<u32>,
    /// Memory for the last of them: the flight recorder, read by `wireledger recorder dump`
    #[arg(long, value_name = "SIZE", default_value = "16MiB", requires = "sample_every", value_parser = plan::recorder)]
    recorder: Bytes,
}

impl Sampling {
    fn enter(&self, plan: &mut Plan) {
        plan.allow_payload = self.allow_payload;
        plan.sample_every = self.sample_every;
        plan.recorder = self.recorder;
    }
}

impl Faces {
    fn plan(self) -> Serve {
        let web_capture = match self.token_file {
            Some(file) => WebCapture::Bearers(file),
            None if self.allow_capture => WebCapture::Everybody,
            None => WebCapture::Nobody,
        };
        let socket = Socket::chosen(self.socket.as_deref(), self.socket_group);
        Serve {
            listen: self.listen,
            inherit: self.systemd_socket,
            telemetry_path: self.telemetry_path,
            web_config: self.web_config,
            lifecycle: self.lifecycle,
            web_capture,
            socket,
        }
    }
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
    #[arg(long, value_name = "SIZE", default_value = "4MiB", value_parser = plan::ring_memory)]
    record_memory: Bytes,
    /// Memory of the ring that brings sampled headers to the collector; a power of two
    #[arg(long, value_name = "SIZE", default_value = "4MiB", value_parser = plan::ring_memory)]
    sample_memory: Bytes,
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
    pub(super) fn plan(&self, patterns: Vec<Pattern>, serve: Option<Serve>, probe_log: u8) -> Plan {
        Plan {
            patterns,
            mode: self.mode,
            directions: self.direction,
            flow_memory: self.flow_memory,
            record_memory: self.record_memory,
            sample_memory: self.sample_memory,
            allow_payload: false,
            sample_every: None,
            recorder: Bytes(0),
            max_interfaces: self.max_interfaces,
            idle_timeout: self.idle_timeout,
            active_timeout: self.active_timeout,
            evict_after: self.evict_after,
            decap: self.decap,
            scans: plan::Scans::default(),
            metrics: plan::Metrics {
                max_series: plan::Metrics::MAX_SERIES,
                top: plan::Metrics::TOP,
                ..plan::Metrics::none()
            },
            serve,
            exposition: plan::Exposition::default(),
            probe_log_level: probe_log,
        }
    }
}

/// What the arguments come to.
struct Intent {
    plan: Plan,
    log_level: LogLevel,
    log_format: LogFormat,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        logging::init(self.log_level, self.log_format);
        let intent = self.intent()?;
        check_patterns(&intent.plan)?;
        let inherit = intent.plan.serve.as_ref().is_some_and(|serve| serve.inherit);
        let inherited = inherit.then(Inherited::take).transpose()?;
        runtime()?.block_on(watch(intent, inherited))
    }

    fn intent(self) -> Result<Intent, Usage> {
        let (log_level, log_format) = (self.log_level, self.log_format);
        let serve = Some(self.faces.plan());
        let mut plan = self.options.plan(self.interfaces, serve, log_level.of_probe());
        self.sampling.enter(&mut plan);
        plan.scans = self.scans.plan()?;
        plan.exposition = self.exposition.plan();
        plan.metrics = self.metrics.plan()?;
        Ok(Intent { plan, log_level, log_format })
    }

    /// Reads the files that these arguments name, and puts nothing in force.
    pub(super) fn check(self) -> anyhow::Result<()> {
        let Intent { plan, .. } = self.intent()?;
        check_patterns(&plan)?;
        let Some(serve) = &plan.serve else { return Ok(()) };
        if let Some(file) = &serve.web_config {
            web::config::check(file)?;
        }
        if let WebCapture::Bearers(file) = &serve.web_capture {
            let token = web::Token::read(file);
            token.with_context(|| format!("{} (web.capture-token-file)", file.display()))?;
        }
        Ok(())
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

async fn watch(intent: Intent, inherited: Option<Inherited>) -> anyhow::Result<Outcome> {
    let Intent { plan, log_format, .. } = intent;
    // Before anything is attached, so that no signal finds us half way.
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut hangup = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    let enabled = plan.serve.as_ref().is_some_and(|serve| serve.lifecycle);
    let (lifecycle, mut ordered) = Lifecycle::new(enabled);
    let namespace = Arc::new(Namespace::own());
    let surroundings = Surroundings { inherited, lifecycle };
    let mut running = collector::start_in(&plan, namespace, surroundings).await?;
    tracing::info!(address = ?running.address(), "serving");
    tell_systemd(&[NotifyState::Ready]);
    let name = loop {
        tokio::select! {
            _ = interrupt.recv() => break "SIGINT",
            _ = terminate.recv() => break "SIGTERM",
            Some(()) = hangup.recv() => drop(reload(&mut running, log_format).await),
            Some(answer) = ordered.recv() => {
                // Whoever asked may have gone.
                let _ = answer.send(reload(&mut running, log_format).await);
            }
            error = running.failed() => return Err(error),
        }
    };
    tracing::info!(signal = name, "stopping");
    tell_systemd(&[NotifyState::Stopping]);
    let last = running.stop().await?;
    let balanced = last.accounts.iter().all(|account| account.balanced);
    let seen: u64 = last.accounts.iter().map(|account| account.seen.packets).sum();
    tracing::info!(packets = seen, balanced, "stopped");
    Ok(Outcome::of(balanced))
}

fn check_patterns(plan: &Plan) -> Result<(), Usage> {
    if plan.patterns.is_empty() {
        let why = "no interface is named: -i IFACE, or interface in the configuration file";
        return Err(Usage::of(why));
    }
    Ok(())
}

/// Reads command line, environment and files again and puts them in force, all or nothing.
async fn reload(running: &mut Running, format: LogFormat) -> Result<(), String> {
    let moment = NotifyState::monotonic_usec_now();
    tell_systemd(&[NotifyState::Reloading, moment.unwrap_or(NotifyState::MonotonicUsec(0))]);
    let reloaded = match Cli::reread().and_then(|args| Ok(args.intent()?)) {
        Ok(Intent { plan, .. }) if plan.patterns.is_empty() => {
            running.unreloaded();
            Err("no interface is named".to_owned())
        }
        Ok(Intent { log_format, .. }) if log_format != format => {
            running.unreloaded();
            Err(plan::Fixed { key: "log.format" }.to_string())
        }
        Ok(Intent { plan, log_level, .. }) => match running.reload(&plan).await {
            Ok(()) => {
                logging::set_level(log_level);
                Ok(())
            }
            Err(error) => Err(format!("{error:#}")),
        },
        Err(error) => {
            running.unreloaded();
            Err(format!("{error:#}"))
        }
    };
    match &reloaded {
        Ok(()) => tracing::info!("configuration read again"),
        Err(error) => tracing::error!(error, "the configuration stays as it was"),
    }
    tell_systemd(&[NotifyState::Ready]);
    reloaded
}

/// Says so to systemd, if it started this process and wants to know.
fn tell_systemd(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "cannot tell systemd ($NOTIFY_SOCKET)");
    }
}

#[cfg(test)]
mod tests;
