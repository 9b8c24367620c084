//! Where packets come from: a session in the running daemon, or a probe of this command's own.

use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use bytes::Bytes as Piece;
use hyper::Method;
use tokio::{runtime::Runtime, sync::mpsc};

use super::ending::{self, Session, Until};
use crate::{
    capture::{Hold, Refusal, Request, Tally, Unopened, Way},
    cli::{
        Usage,
        client::{Connect, Refused},
        run,
    },
    collector::{self, Running},
    kernel::namespace::Namespace,
    logging::{self, LogFormat, LogLevel},
    plan::{Bytes, Directions, Exposition, Metrics, Mode, Pattern, Plan, Scans},
    web::api,
};

/// Who is to capture.
pub(in crate::cli) struct Origin {
    /// The daemon to ask; else a probe of this command's own.
    pub(in crate::cli) connect: Option<Connect>,
    /// What that probe watches, and how.
    pub(in crate::cli) plan: Plan,
}

/// A session that is armed, its packets a pcapng file in the making.
pub(in crate::cli) struct Source {
    body: Option<Box<dyn Read + Send>>,
    /// Bytes of each packet that it gets.
    pub(in crate::cli) snap: u32,
    runtime: Runtime,
    session: Arc<Session>,
    /// Nobody reads what comes out.
    gone: Arc<AtomicBool>,
    own: Option<(Running, Hold)>,
}

impl Source {
    /// Arms the session.
    pub(in crate::cli) fn open(origin: Origin, request: &Request) -> anyhow::Result<Self> {
        match origin.connect {
            Some(connect) => Self::daemon(connect, request),
            None => Self::own(&origin.plan, request),
        }
    }

    fn daemon(connect: Connect, request: &Request) -> anyhow::Result<Self> {
        let query = serde_urlencoded::to_string(request).context("writing the query")?;
        let path = format!("{}?{query}", api::CAPTURE);
        let answer = connect.open(Method::GET, &path, None).map_err(|error| {
            let refused = error.downcast_ref::<Refused>().map(|refused| refused.status);
            if refused == Some(400) { Usage::of(format!("{error:#}")).into() } else { error }
        })?;
        let number = |name| -> anyhow::Result<u64> {
            let value = answer.headers.get(&name).context("the daemon did not name the session")?;
            Ok(value.to_str()?.parse()?)
        };
        let (id, snap) = (number(api::SESSION)?, number(api::SNAP_LENGTH)?);
        let runtime = run::runtime()?;
        let session = Arc::new(Session::Daemon { connect, id });
        let body: Box<dyn Read + Send> = Box::new(answer.body);
        let snap = u32::try_from(snap).context("reading the snap length")?;
        Ok(Self { body: Some(body), snap, runtime, session, gone: Arc::default(), own: None })
    }

    /// A probe of its own has no face but this command.
    fn own(plan: &Plan, request: &Request) -> anyhow::Result<Self> {
        if plan.patterns.is_empty() {
            return Err(Usage::of(
                "no daemon is running here, so say which interfaces: -i IFACE, or -i '*' for all of them",
            )
            .into());
        }
        logging::init(LogLevel::Warn, LogFormat::Logfmt);
        let runtime = run::runtime()?;
        let opened = runtime.block_on(async {
            let running = collector::start(plan, Arc::new(Namespace::own())).await?;
            // What the patterns match is what is watched.
            let request = Request { interface: String::new(), ..request.clone() };
            let opened = running.desk().open(request).await;
            anyhow::Ok((running, opened))
        });
        let (running, opened) = opened?;
        let opened = opened.map_err(|error| match error {
            Unopened::Filter(error) => anyhow!(Usage::of(error)),
            Unopened::Refused(error @ (Refusal::Invalid(_) | Refusal::Link { .. })) => {
                anyhow!(Usage::of(error))
            }
            other => anyhow!(other),
        })?;
        let session = Arc::new(Session::Own { desk: running.desk(), id: opened.id });
        let body: Box<dyn Read + Send> =
            Box::new(Pieces { pieces: opened.stream, piece: Piece::new() });
        let own = Some((running, opened.hold));
        let snap = opened.snap;
        Ok(Self { body: Some(body), snap, runtime, session, gone: Arc::default(), own })
    }

    /// The file, once.
    pub(in crate::cli) fn body(&mut self) -> anyhow::Result<Box<dyn Read + Send>> {
        self.body.take().context("the capture is being read")
    }

    /// From now on SIGINT, SIGTERM and `until` end the session, and with it the file; a second SIGINT ends the process.
    /// SIGUSR1 calls `tell` with how the session stands, while it does.
    pub(in crate::cli) fn follow(
        &self,
        mut until: Until,
        tell: impl Fn(Option<Tally>) + Send + Sync + 'static,
    ) -> anyhow::Result<()> {
        if self.own.is_none() {
            // A daemon ends its sessions by itself.
            until.duration = None;
        }
        let _inside = self.runtime.enter();
        ending::follow(Arc::clone(&self.session), until, Arc::clone(&self.gone), tell)
    }

    /// Ends the session; the file then ends after the last packets.
    pub(in crate::cli) fn end(&self) {
        self.session.end();
    }

    /// Whether nobody reads what `until` named.
    pub(in crate::cli) fn is_unread(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Detaches an own probe; its ledger must balance.
    pub(in crate::cli) fn finish(self) -> anyhow::Result<()> {
        let Some((running, hold)) = self.own else {
            self.runtime.shutdown_background();
            return Ok(());
        };
        drop(hold);
        let last = self.runtime.block_on(running.stop())?;
        if !last.accounts.iter().all(|account| account.balanced) {
            bail!("the ledger does not balance; please report this");
        }
        Ok(())
    }
}

/// A stream of the own probe, for whoever blocks.
struct Pieces {
    pieces: mpsc::Receiver<Piece>,
    piece: Piece,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}

/// What an own probe does: watch these interfaces, with a table just large enough to tell a flow's first packets.
pub(in crate::cli) fn own_plan(patterns: Vec<Pattern>, way: Way) -> Plan {
    Plan {
        patterns,
        mode: Mode::Auto,
        directions: match (way.ingress(), way.egress()) {
            (true, true) => Directions::Both,
            (true, false) => Directions::Ingress,
            _ => Directions::Egress,
        },
        flow_memory: Bytes(16 << 20),
        record_memory: Bytes(1 << 20),
        sample_memory: Bytes(16 << 20),
        allow_payload: false,
        sample_every: None,
        recorder: Bytes(0),
        max_interfaces: 64,
        idle_timeout: Duration::from_secs(60),
        active_timeout: Duration::from_secs(300),
        evict_after: Duration::from_secs(1),
        decap: false,
        scans: Scans::default(),
        metrics: Metrics::none(),
        serve: None,
        exposition: Exposition::default(),
        probe_log_level: 0,
    }
}
