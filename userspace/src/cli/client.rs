//! Asking the running daemon.

use std::time::Duration;

use anyhow::{Context, anyhow};
use serde::de::DeserializeOwned;

use crate::web::api;

/// Where `run` listens by default.
pub(super) const DEFAULT_LISTEN: &str = "127.0.0.1:9814";

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The running daemon.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Connect {
    /// Where the daemon listens
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:9814",
        env = "WIRELEDGER_CONNECT"
    )]
    connect: String,
}

impl Connect {
    /// The answer to GET `path`.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let base = self.connect.trim_end_matches('/');
        let base = if base.contains("://") { base.to_owned() } else { format!("http://{base}") };
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .build();
        let mut answer =
            config.new_agent().get(format!("{base}{path}")).call().with_context(|| {
                format!("asking {base} (is `wireledger run` up there? --connect says where)")
            })?;
        let body = answer.body_mut().with_config().limit(u64::MAX).read_to_vec();
        let body = body.with_context(|| format!("reading the answer of {base}"))?;
        if !answer.status().is_success() {
            let said = serde_json::from_slice::<api::Error>(&body).map(|error| error.error);
            return Err(match said {
                Ok(error) => anyhow!("{base} says: {error}"),
                Err(_) => anyhow!("{base} answered {}", answer.status()),
            });
        }
        serde_json::from_slice(&body).with_context(|| {
            format!("{base} answered something else; is it this version's daemon?")
        })
    }
}
