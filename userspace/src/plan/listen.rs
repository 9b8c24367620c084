//! Where the web listens, as `--web.listen-address` says it.

use std::{fmt, path::PathBuf, str::FromStr};

/// Begins the path of a unix socket.
const UNIX: &str = "unix:";

/// One address of the web.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Listen {
    /// TCP.
    Tcp {
        /// An address or the name of a host; empty for every address of both IP versions.
        host: String,
        /// The port; 0 takes a free one.
        port: u16,
    },
    /// A unix socket's file.
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let help = "write ADDRESS:PORT, :PORT, [IPV6]:PORT or unix:PATH";
        if let Some(path) = text.strip_prefix(UNIX) {
            // `unix:///run/…` is the same, as a URL without a host.
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err(format!("{text} names no file; {help}")),
                path => Ok(Self::Unix(path.into())),
            };
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(format!("{scheme} is not served; {help}"));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| format!("no port; {help}"))?;
        let port = port.parse().map_err(|_| format!("{port:?} is no port; {help}"))?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if bare.unwrap_or(host).contains(['[', ']', '/', ' '])
            || bare.is_none() && host.contains(':')
        {
            return Err(format!("{host:?} is no address; {help}"));
        }
        Ok(Self::Tcp { host: bare.unwrap_or(host).to_owned(), port })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// The path of metrics: begins with a slash, and is no other page's.
///
/// # Errors
/// What is wrong with it.
pub fn telemetry_path(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
    if !text.starts_with('/') {
        return Err("a path begins with a slash, as in /metrics".to_owned());
    }
    if !text.chars().all(plain) || text.contains("//") {
        return Err("a path is of letters, digits, and /-._~".to_owned());
    }
    let taken = |page: &str| text == page || text.starts_with(&format!("{page}/"));
    if text == "/" || taken("/-") || taken("/api") {
        return Err(format!("{text} is another page's; / and what is below /- and /api are taken"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Listen {
        Listen::Tcp { host: host.to_owned(), port }
    }

    #[test]
    fn addresses_are_as_the_exporters_have_them() {
        for (text, listen) in [
            (":9814", tcp("", 9814)),
            ("0.0.0.0:9814", tcp("0.0.0.0", 9814)),
            ("[::1]:0", tcp("::1", 0)),
            ("localhost:80", tcp("localhost", 80)),
            ("unix:/run/w", Listen::Unix("/run/w".into())),
        ] {
            assert_eq!(text.parse(), Ok(listen.clone()), "{text}");
            assert_eq!(listen.to_string(), text);
        }
        assert_eq!("unix:///run/w".parse(), Ok(Listen::Unix("/run/w".into())));
    }

    #[test]
    fn what_is_no_address_says_what_to_write() {
        let wrong = ["", "9814", "localhost", ":", ":x", ":70000", "::1:80", "a/b:1", "unix:"];
        for text in wrong.into_iter().chain(["vsock://:9814", "http://localhost:80"]) {
            let error = text.parse::<Listen>().expect_err(text);
            assert!(error.contains("write ADDRESS:PORT"), "{text}: {error}");
        }
    }

    #[test]
    fn the_path_of_metrics_is_nobody_elses() {
        for path in ["/metrics", "/m", "/a/b", "/apiary", "/-x"] {
            assert_eq!(telemetry_path(path).as_deref(), Ok(path));
        }
        for path in ["", "metrics", "/", "/-/ready", "/api", "/api/v1/flows", "/{x}", "/a b", "//"]
        {
            assert!(telemetry_path(path).is_err(), "{path}");
        }
    }
}
