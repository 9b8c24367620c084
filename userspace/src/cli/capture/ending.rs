//! What ends a session from outside: a signal, its time, a reader of our output that has gone; and the question how it
//! stands meanwhile.

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use hyper::Method;
use tokio::{
    io::Interest,
    net::unix::pipe,
    signal::unix::{Signal, SignalKind, signal},
};

use crate::{
    capture::{Desk, Held, Tally},
    cli::client::Connect,
    web::api,
};

/// A session, for whoever does not read its packets.
pub(super) enum Session {
    /// In the running daemon.
    Daemon { connect: Connect, id: u64 },
    /// In a probe of this command's own.
    Own { desk: Desk, id: u64 },
}

/// What ends it, besides signals.
#[derive(Default)]
pub(in crate::cli) struct Until {
    /// So much time. A daemon looks to that by itself.
    pub(in crate::cli) duration: Option<Duration>,
    /// Nobody reads this any more: the writing end of a pipe.
    pub(in crate::cli) out: Option<OwnedFd>,
}

/// Signals that somebody listens to.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    user: Signal,
}

impl Session {
    /// Ends it: its packets then end after the last ones.
    pub(super) fn end(&self) {
        match self {
            Self::Daemon { connect, id } => {
                let path = format!("{}/{id}", api::CAPTURES);
                if let Err(error) = connect.open(Method::DELETE, &path, None) {
                    tracing::debug!("ending the session: {error:#}");
                }
            }
            Self::Own { desk, id } => desk.close(*id),
        }
    }

    /// What became of its packets so far; `None` when it has ended.
    async fn tally(self: Arc<Self>) -> Option<Tally> {
        let (id, held) = match &*self {
            Self::Own { desk, id } => (*id, desk.list().await.ok()?),
            Self::Daemon { connect, id } => {
                let connect = connect.clone();
                // It blocks on the daemon's answer.
                let asked = move || connect.get::<api::Captures>(api::CAPTURES);
                (*id, tokio::task::spawn_blocking(asked).await.ok()?.ok()?.captures)
            }
        };
        held.into_iter().find(|held| held.id == id).map(|Held { tally, .. }| tally)
    }
}

/// Ends `session` at SIGINT, SIGTERM and `until`, and sets `gone` when nobody reads any more; at SIGUSR1 calls `tell` with
/// how it stands. To be called inside the runtime.
pub(super) fn follow(
    session: Arc<Session>,
    until: Until,
    gone: Arc<AtomicBool>,
    tell: impl Fn(Option<Tally>) + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let mut signals = Signals {
        interrupt: signal(SignalKind::interrupt()).context("listening for SIGINT")?,
        terminate: signal(SignalKind::terminate()).context("listening for SIGTERM")?,
        user: signal(SignalKind::user_defined1()).context("listening for SIGUSR1")?,
    };
    let tell = Arc::new(tell);
    tokio::spawn(async move {
        let over = after(until.duration);
        let closed = closed(until.out);
        tokio::pin!(over, closed);
        loop {
            tokio::select! {
                _ = signals.interrupt.recv() => break,
                _ = signals.terminate.recv() => break,
                () = &mut over => break,
                () = &mut closed => {
                    gone.store(true, Ordering::Relaxed);
                    break;
                }
                _ = signals.user.recv() => {
                    let (session, tell) = (Arc::clone(&session), Arc::clone(&tell));
                    tokio::spawn(async move { tell(session.tally().await) });
                }
            }
        }
        // It blocks on the daemon's answer.
        drop(tokio::task::spawn_blocking(move || session.end()));
        // Whoever has no patience for the last packets.
        signals.interrupt.recv().await;
        std::process::exit(1);
    });
    Ok(())
}

async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Ends when nobody reads a pipe any more. A file, which the kernel has no events for, has readers for ever.
async fn closed(out: Option<OwnedFd>) {
    // Nothing is written to it here, so that it may block.
    match out.map(pipe::Sender::from_owned_fd_unchecked) {
        Some(Ok(out)) => drop(out.ready(Interest::ERROR).await),
        Some(Err(_)) | None => std::future::pending().await,
    }
}
