//! Verdicts, as `wireledger scans --json` shows them.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::{daemon::Daemon, process::PATIENCE};

/// A scan or a flood.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the command's output")]
pub struct Verdict {
    pub kind: String,
    #[serde(default)]
    pub shape: Option<String>,
    pub sources: Vec<IpAddr>,
    pub targets: Counted,
    pub ports: Ports,
    #[serde(default)]
    pub open_ports: Vec<u16>,
    pub interface: String,
    pub direction: String,
    pub packets: u64,
    pub first_seen: f64,
    pub last_seen: f64,
    pub confidence: String,
    pub tags: Vec<String>,
    pub reasons: Vec<String>,
    pub evidence: Option<Value>,
}

/// Addresses: how many, and some of them.
#[derive(Clone, Debug, Default, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the command's output")]
pub struct Counted {
    pub count: u64,
    pub examples: Vec<IpAddr>,
}

/// Ports: how many, and which as ranges, `1-3,80`.
#[derive(Clone, Debug, Default, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the command's output")]
pub struct Ports {
    pub count: u64,
    pub ranges: String,
}

impl Ports {
    /// Each of them.
    ///
    /// # Errors
    /// When the ranges are none.
    pub fn all(&self) -> Result<BTreeSet<u16>> {
        let mut ports = BTreeSet::new();
        for range in self.ranges.split(',').map(str::trim).filter(|range| !range.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let port = |text: &str| text.parse::<u16>().with_context(|| format!("port {text}"));
            ports.extend(port(first)?..=port(last)?);
        }
        Ok(ports)
    }
}

impl Verdict {
    /// Whether it has a tag.
    #[must_use]
    pub fn is_tagged(&self, tag: &str) -> bool {
        self.tags.iter().any(|other| other == tag)
    }

    /// Its sources, in order.
    #[must_use]
    pub fn sources(&self) -> BTreeSet<IpAddr> {
        self.sources.iter().copied().collect()
    }
}

/// Every verdict that a daemon has.
///
/// # Errors
/// When the command fails, or prints something else.
pub fn scans(daemon: &Daemon<'_>) -> Result<Vec<Verdict>> {
    #[derive(Deserialize)]
    struct Scans {
        scans: Vec<Verdict>,
    }
    let ended = daemon.ask(&["scans", "--json"])?;
    ensure!(ended.code == Some(0), "{ended:?}");
    let scans: Scans = serde_json::from_str(&ended.stdout)
        .with_context(|| format!("reading scans: {}", ended.stdout))?;
    Ok(scans.scans)
}

/// Waits for a verdict that fits.
///
/// # Errors
/// When none comes in time; the error has those that did.
pub fn verdict(
    daemon: &Daemon<'_>,
    what: &str,
    fits: impl Fn(&Verdict) -> Result<bool>,
) -> Result<Verdict> {
    verdict_within(daemon, what, PATIENCE, fits)
}

/// The same, for at most so long.
///
/// # Errors
/// As [`verdict`].
pub fn verdict_within(
    daemon: &Daemon<'_>,
    what: &str,
    patience: Duration,
    fits: impl Fn(&Verdict) -> Result<bool>,
) -> Result<Verdict> {
    let since = Instant::now();
    loop {
        let all = scans(daemon)?;
        for verdict in &all {
            if fits(verdict)? {
                return Ok(verdict.clone());
            }
        }
        if since.elapsed() > patience {
            bail!("no verdict in {patience:?}: {what}; there are {all:#?}");
        }
        thread::sleep(Duration::from_millis(250));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_ports() {
        let ports = |ranges: &str| Ports { count: 0, ranges: ranges.to_owned() }.all();
        assert_eq!(ports("1-3,80").ok(), Some([1, 2, 3, 80].into()));
        assert_eq!(ports("").ok(), Some([].into()));
        assert!(ports("1-x").is_err());
    }
}
