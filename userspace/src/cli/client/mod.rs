//! Asking the running daemon, over TCP or its unix socket.

mod http;
mod place;

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use hyper::{Method, header::HeaderValue};
use serde::de::DeserializeOwned;

use http::Patience;
use place::Place;

pub(super) use http::{Answer, Refused};

use crate::{plan::Socket, web::listen};

/// Where `run` listens by default.
pub(super) const DEFAULT_LISTEN: &str = "127.0.0.1:9814";

/// The running daemon.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Connect {
    /// Where the daemon listens: http://ADDRESS:PORT, or unix:PATH for its socket
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:9814",
        env = "WIRELEDGER_CONNECT"
    )]
    connect: String,
    /// File with the token that the daemon wants (its --web.capture-token-file); over TCP it travels as it is
    #[arg(long, value_name = "FILE", env = "WIRELEDGER_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

/// The daemon whose packets are wanted.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Daemon")]
pub(super) struct Packets {
    /// Daemon to ask: http://ADDRESS:PORT, or unix:PATH for its socket [default: its default socket, if that is there]
    #[arg(long, value_name = "URL", env = "WIRELEDGER_CONNECT")]
    connect: Option<String>,
    /// File with the token that the daemon wants (its --web.capture-token-file); over TCP it travels as it is
    #[arg(long, value_name = "FILE", env = "WIRELEDGER_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

impl Packets {
    /// The daemon that is named, the one behind the default socket, or none.
    ///
    /// # Errors
    /// When there is one that this user may not ask.
    pub(super) fn daemon(&self) -> anyhow::Result<Option<Connect>> {
        match &self.connect {
            // As nothing, for whoever cannot leave a variable or a field out.
            Some(connect) if !connect.is_empty() => {
                let (connect, token_file) = (connect.clone(), self.token_file.clone());
                Ok(Some(Connect { connect, token_file }))
            }
            _ => Connect::default_socket(),
        }
    }

    /// The same, where there must be one.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn must(&self) -> anyhow::Result<Connect> {
        self.daemon()?.with_context(|| {
            let socket = Socket::DEFAULT;
            format!("no daemon listens on {socket}; --connect says where one does")
        })
    }
}

impl Connect {
    /// The answer to GET `path`, all of it within [`http::PATIENCE`].
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let mut answer = self.ask(Method::GET, path, None, Patience::Whole)?;
        let place = &self.connect;
        let mut body = Vec::new();
        answer
            .body
            .read_to_end(&mut body)
            .with_context(|| format!("reading the answer of {place}"))?;
        serde_json::from_slice(&body).with_context(|| {
            format!("{place} answered something else; is it this version's daemon?")
        })
    }

    fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        patience: Patience,
    ) -> anyhow::Result<Answer> {
        let place: Place = self.connect.parse().context("reading --connect")?;
        let token = match (token, &self.token_file) {
            (Some(token), _) => Some(bearer(token)?),
            (None, Some(file)) => {
                let token = fs::read_to_string(file).map_err(anyhow::Error::from);
                let token = token.and_then(|token| bearer(&token));
                let what = || format!("reading the token in {} (--token-file)", file.display());
                Some(token.with_context(what)?)
            }
            (None, None) => None,
        };
        http::ask(place, method, path, token, patience)
    }
}

impl Connect {
    /// The answer to a request, its body read as it comes and for as long as it takes. `token` goes before that of
    /// `--token-file`.
    ///
    /// # Errors
    /// [`Refused`] is in the chain when the daemon answered, but not with success.
    pub(super) fn open(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
    ) -> anyhow::Result<Answer> {
        self.ask(method, path, token, Patience::Head)
    }

    /// The daemon behind the default unix socket; `None` when there is none.
    ///
    /// # Errors
    /// When there is one that this user may not ask.
    pub(super) fn default_socket() -> anyhow::Result<Option<Self>> {
        Self::at_socket(Path::new(Socket::DEFAULT))
    }

    fn at_socket(path: &Path) -> anyhow::Result<Option<Self>> {
        match listen::knock(path).map_err(|error| (error.kind(), error)) {
            Ok(()) => {
                let connect = format!("{}{}", place::UNIX, path.display());
                Ok(Some(Self { connect, token_file: None }))
            }
            Err((io::ErrorKind::PermissionDenied, _)) => bail!(place::denied(path)),
            // Nobody has ever listened, or nobody does any more.
            Err((
                io::ErrorKind::NotFound
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::ConnectionRefused,
                _,
            )) => Ok(None),
            Err((_, error)) => {
                Err(error).with_context(|| format!("connecting to {}", path.display()))
            }
        }
    }
}

/// The value of the Authorization header.
fn bearer(token: &str) -> anyhow::Result<HeaderValue> {
    let token = token.trim();
    if token.is_empty() {
        bail!("it is empty");
    }
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))
        .context("it holds what cannot stand in a header")?;
    // Not in any debug output.
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;
