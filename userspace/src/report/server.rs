//! What became of the configuration, and whom the web refused.

use serde::{Deserialize, Serialize};

/// The server's own state.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Server {
    /// The last readings of configurations.
    pub reloads: Reloads,
    /// Requests and connections that got no answer of their own, by reason, every reason named.
    pub refused: Vec<(Refused, u64)>,
}

/// The last readings of configurations.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Reloads {
    /// Of everything, at the start, by SIGHUP and by `/-/reload`.
    pub config: Reload,
    /// Of the web's file, which is read again whenever it has changed.
    pub web: Reload,
}

/// The last reading of a configuration.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Reload {
    /// It is in force; otherwise the one before is.
    pub successful: bool,
    /// When one last came into force, seconds since 1970.
    pub success_at: f64,
}

impl Default for Reload {
    fn default() -> Self {
        Self { successful: true, success_at: 0.0 }
    }
}

/// Why the web turned somebody away.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// As many connections as there may be.
    Connections,
    /// No request, or no handshake, in time.
    Silent,
    /// A TLS handshake that failed: version, cipher, certificate.
    Handshake,
    /// HTTP on a TLS port.
    Plaintext,
    /// No password, or a wrong one.
    Unauthorized,
    /// Too many passwords waiting to be compared.
    Passwords,
    /// The rate limit.
    RateLimit,
}

impl Refused {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Connections,
        Self::Silent,
        Self::Handshake,
        Self::Plaintext,
        Self::Unauthorized,
        Self::Passwords,
        Self::RateLimit,
    ];

    /// The label of metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Silent => "silent",
            Self::Handshake => "handshake",
            Self::Plaintext => "plaintext",
            Self::Unauthorized => "unauthorized",
            Self::Passwords => "passwords",
            Self::RateLimit => "rate_limit",
        }
    }
}
