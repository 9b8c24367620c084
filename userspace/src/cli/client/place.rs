//! Where a daemon listens, as `--connect` says it.

use std::{
    fmt,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context, bail};
use hyper::http::uri::Authority;
use nix::unistd::Gid;

use crate::web::listen;

/// Begins the name of a unix socket.
pub(super) const UNIX: &str = "unix:";

/// Where a daemon listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// HTTP over TCP.
    Tcp {
        /// Host and maybe port, as the Host header has it.
        authority: Authority,
        /// What goes before every path, for a daemon behind a proxy: empty, or begins with a slash and ends without.
        prefix: String,
    },
    /// HTTP over a unix socket.
    Unix(PathBuf),
}

impl Place {
    /// The Host header.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Tcp { authority, .. } => authority.as_str(),
            Self::Unix(_) => "localhost",
        }
    }

    /// What goes before every path.
    pub(super) fn prefix(&self) -> &str {
        match self {
            Self::Tcp { prefix, .. } => prefix,
            Self::Unix(_) => "",
        }
    }
}

impl FromStr for Place {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if let Some(path) = text.strip_prefix(UNIX) {
            // `unix:///run/…` is the same, as a URL without a host.
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                bail!("{text} names no socket; write unix:PATH");
            }
            return Ok(Self::Unix(path.into()));
        }
        if text.starts_with('/') {
            return Ok(Self::Unix(text.into()));
        }
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some(("https", _)) => {
                bail!(
                    "{text}: https is not supported yet by this command; write http:// or unix:PATH, the daemon's own \
                     socket, which needs no TLS"
                )
            }
            Some((scheme, _)) => {
                bail!("{text}: {scheme} is not supported; write http:// or unix:PATH")
            }
            None => text,
        };
        let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let help = || format!("{text:?} is no address; write http://HOST:PORT or unix:PATH");
        let authority: Authority = authority.parse().with_context(help)?;
        let port = authority.as_str().rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
        if port.is_some() && authority.port_u16().is_none() || authority.as_str().contains('@') {
            bail!(help());
        }
        Ok(Self::Tcp { authority, prefix: prefix.trim_end_matches('/').to_owned() })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { authority, prefix } => write!(f, "http://{authority}{prefix}"),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// Why a socket cannot be used that this user has no right to.
pub(super) fn denied(path: &Path) -> String {
    let there = path.display();
    match path.metadata() {
        Ok(file) => {
            let group = listen::name(Gid::from_raw(file.gid()));
            format!(
                "{there} is for root and the group {group}: run this as one of them, say with sudo"
            )
        }
        // Its folder is closed already.
        Err(_) => format!("{there} is closed to this user: run this as root, say with sudo"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn addresses_are_urls_or_hosts() {
        for (text, shown, prefix) in [
            ("http://127.0.0.1:9814", "http://127.0.0.1:9814", ""),
            ("http://127.0.0.1:9814/", "http://127.0.0.1:9814", ""),
            ("127.0.0.1:9814", "http://127.0.0.1:9814", ""),
            ("[::1]:9814", "http://[::1]:9814", ""),
            ("http://[::1]", "http://[::1]", ""),
            ("localhost", "http://localhost", ""),
            ("http://host/ledger/", "http://host/ledger", "/ledger"),
        ] {
            let place = place(text);
            assert_eq!((place.to_string().as_str(), place.prefix()), (shown, prefix), "{text}");
        }
    }

    #[test]
    fn sockets_are_paths() {
        for text in ["unix:/run/w.sock", "unix:///run/w.sock", "/run/w.sock"] {
            assert_eq!(place(text), Place::Unix("/run/w.sock".into()), "{text}");
        }
        assert_eq!(place("unix:here.sock"), Place::Unix("here.sock".into()));
        assert_eq!(place("/run/w.sock").to_string(), "unix:/run/w.sock");
    }

    #[test]
    fn what_is_neither_says_what_to_write() {
        for text in [
            "",
            "no url",
            "http://",
            "http:///path",
            "unix:",
            "https://localhost",
            "ftp://localhost",
            "user@localhost:9814",
            "localhost:",
            "localhost:70000",
            "localhost:http",
        ] {
            let error = text.parse::<Place>().expect_err(text).to_string();
            assert!(error.contains("write "), "{text}: {error}");
        }
        let https = "https://localhost".parse::<Place>().expect_err("no TLS").to_string();
        assert!(https.contains("not supported yet"), "{https}");
    }
}
