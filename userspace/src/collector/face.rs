//! The listeners of a run, opened in two steps around what else can fail.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;

use crate::{
    plan::{Listen, Serve, Socket, WebCapture},
    web::{
        Access, Config, Lifecycle, Listener, Listeners, Tally, Token,
        bind::{self, Inherited},
        config::Prepared,
        listen,
    },
};

/// A run's TCP listeners, open, and its unix sockets, not made yet.
pub(super) struct Face<'a> {
    serve: &'a Serve,
    web: Vec<Listener>,
    controls: Controls,
}

/// What a reload changes of a run's listeners.
pub(super) struct Controls {
    access: Access,
    config: Arc<Config>,
}

/// Both, read anew but not in force.
pub(super) struct Revised {
    access: Access,
    config: Prepared,
}

impl<'a> Face<'a> {
    /// Opens the TCP listeners: an address that is taken is the commonest reason for a run not to come about.
    pub(super) async fn open(
        serve: &'a Serve,
        inherited: Option<Inherited>,
        tally: &Arc<Tally>,
    ) -> anyhow::Result<Self> {
        let access = access(&serve.web_capture)?;
        let config = Arc::new(Config::open(serve.web_config.as_deref(), Arc::clone(tally))?);
        let web = match inherited {
            Some(inherited) => inherited.open().context("taking systemd's sockets")?,
            None => tcp(&serve.listen).await?,
        };
        Ok(Self { serve, web, controls: Controls { access, config } })
    }

    /// The first TCP listener's.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.web.iter().find_map(Listener::address)
    }

    /// Makes the unix sockets.
    pub(super) fn complete(
        self,
        lifecycle: Lifecycle,
        tally: Arc<Tally>,
    ) -> anyhow::Result<(Listeners, Controls)> {
        let Self { serve, mut web, controls } = self;
        let files = serve.listen.iter().filter(|_| !serve.inherit);
        for listen in files {
            if let Listen::Unix(path) = listen {
                web.push(bind::unix(path)?);
            }
        }
        let listeners = Listeners {
            web,
            access: controls.access.clone(),
            socket: socket(serve)?,
            config: Arc::clone(&controls.config),
            telemetry_path: serve.telemetry_path.clone(),
            lifecycle,
            tally,
        };
        Ok((listeners, controls))
    }
}

impl Controls {
    /// Reads the files that a plan names.
    pub(super) fn read(&self, serve: &Serve) -> anyhow::Result<Revised> {
        let config = self.config.prepare(serve.web_config.as_deref())?;
        Ok(Revised { access: access(&serve.web_capture)?, config })
    }

    /// Puts them in force.
    pub(super) fn put(&self, revised: Revised) {
        self.access.replace(&revised.access);
        self.config.put(revised.config);
    }
}

async fn tcp(all: &[Listen]) -> anyhow::Result<Vec<Listener>> {
    let mut web = Vec::new();
    for listen in all {
        if let Listen::Tcp { host, port } = listen {
            let listener = bind::tcp(host, *port).await;
            web.push(
                listener
                    .with_context(|| format!("listening on {listen} (--web.listen-address)"))?,
            );
        }
    }
    Ok(web)
}

/// What a client of the web's listeners may do.
fn access(capture: &WebCapture) -> anyhow::Result<Access> {
    Ok(match capture {
        WebCapture::Nobody => Access::refused(),
        WebCapture::Everybody => Access::allowed(),
        WebCapture::Bearers(file) => {
            let token = Token::read(file).with_context(|| {
                format!("reading the token in {} (--web.capture-token-file)", file.display())
            })?;
            Access::bearers(token)
        }
    })
}

/// The unix socket, if one is wanted and either possible or asked for by name.
fn socket(serve: &Serve) -> anyhow::Result<Option<listen::Socket>> {
    let Some(Socket { path, group, required }) = &serve.socket else { return Ok(None) };
    match listen::Socket::open(path, group.as_deref()) {
        Ok(socket) => {
            tracing::info!(path = %path.display(), "unix socket ready");
            Ok(Some(socket))
        }
        Err(error) if *required => Err(error),
        Err(error) => {
            let error = format!("{error:#}");
            tracing::warn!(error, "no unix socket (--socket names another, or none)");
            Ok(None)
        }
    }
}
