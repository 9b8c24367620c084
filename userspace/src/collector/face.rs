//! The listeners of a run, opened in two steps around what else can fail.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::TcpListener;

use crate::{
    plan::{Serve, Socket, WebCapture},
    web::{Access, Listeners, Token, listen},
};

/// A run's TCP listener, open, and its unix socket, not made yet.
pub(super) struct Face<'a> {
    serve: &'a Serve,
    tcp: TcpListener,
    address: SocketAddr,
    access: Access,
}

impl<'a> Face<'a> {
    /// Opens the TCP listener: an address that is taken is the commonest reason for a run not to come about.
    pub(super) async fn open(serve: &'a Serve) -> anyhow::Result<Self> {
        let access = access(&serve.web_capture)?;
        let tcp = listen::tcp(serve.listen).await?;
        let address = tcp.local_addr().context("reading the listener's address")?;
        Ok(Self { serve, tcp, address, access })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes the unix socket.
    pub(super) fn complete(self) -> anyhow::Result<Listeners> {
        Ok(Listeners { tcp: self.tcp, access: self.access, socket: socket(self.serve)? })
    }
}

/// What a client over TCP may do.
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
