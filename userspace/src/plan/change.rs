//! What a reload may change, and what takes a restart.

use std::time::Duration;

use super::{EvidenceFolder, Metrics, Pattern, Plan, Scans, Serve};
use crate::metrics::Collectors;

/// What comes into force while the daemon runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// Interfaces to watch.
    pub patterns: Vec<Pattern>,
    /// Silence that ends a flow.
    pub idle_timeout: Duration,
    /// Life after which a flow is told.
    pub active_timeout: Duration,
    /// Collectors that are on.
    pub collectors: Collectors,
    /// How much metrics may say, and by which names.
    pub metrics: Metrics,
}

/// A key whose value cannot change while the daemon runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{key} cannot change while the daemon runs: restart it, or take the change back")]
pub struct Fixed {
    /// The long flag, and the configuration file's key.
    pub key: &'static str,
}

impl Plan {
    /// What of `new` comes into force in a run of this plan, of which files are read again besides.
    ///
    /// # Errors
    /// The first key that differs and takes a restart.
    pub fn change(&self, new: &Self) -> Result<Change, Fixed> {
        // Without `..`: whoever adds a field decides here whether it can change.
        let Self {
            patterns,
            mode,
            directions,
            flow_memory,
            record_memory,
            sample_memory,
            allow_payload,
            sample_every,
            recorder,
            max_interfaces,
            idle_timeout,
            active_timeout,
            evict_after,
            decap,
            scans,
            serve,
            exposition,
            metrics,
            // A constant of the loaded program; the daemon's own level changes, and the probe's lines wait for a restart.
            probe_log_level: _,
        } = new;
        same("mode", &self.mode, mode)?;
        same("direction", &self.directions, directions)?;
        same("flow-memory", &self.flow_memory, flow_memory)?;
        same("record-memory", &self.record_memory, record_memory)?;
        same("sample-memory", &self.sample_memory, sample_memory)?;
        same("allow-payload", &self.allow_payload, allow_payload)?;
        same("sample-every", &self.sample_every, sample_every)?;
        same("recorder", &self.recorder, recorder)?;
        same("max-interfaces", &self.max_interfaces, max_interfaces)?;
        same("evict-after", &self.evict_after, evict_after)?;
        same("decap", &self.decap, decap)?;
        self.scans.stays(scans)?;
        same("web.max-requests", &self.exposition.max_requests, &exposition.max_requests)?;
        if let (Some(old), Some(new)) = (&self.serve, serve) {
            old.stays(new)?;
        }
        Ok(Change {
            patterns: patterns.clone(),
            idle_timeout: *idle_timeout,
            active_timeout: *active_timeout,
            collectors: exposition.collectors,
            metrics: metrics.clone(),
        })
    }
}

impl Scans {
    fn stays(&self, new: &Self) -> Result<(), Fixed> {
        let Self { sensitivity, allow, evidence } = new;
        same("scan.sensitivity", &self.sensitivity, sensitivity)?;
        same("scan.allow", &self.allow, allow)?;
        if let (Some(old), Some(EvidenceFolder { folder: _, files, size })) =
            (&self.evidence, evidence)
        {
            same("evidence-files", &old.files, files)?;
            same("evidence-size", &old.size, size)?;
        }
        // The folder is what is left to differ.
        same("evidence-dir", &self.evidence, evidence)
    }
}

impl Serve {
    fn stays(&self, new: &Self) -> Result<(), Fixed> {
        let Self {
            listen,
            inherit,
            telemetry_path,
            lifecycle,
            socket,
            // Both are files that are read again; who may capture is asked of each request.
            web_config: _,
            web_capture: _,
        } = new;
        same("web.listen-address", &self.listen, listen)?;
        same("web.systemd-socket", &self.inherit, inherit)?;
        same("web.telemetry-path", &self.telemetry_path, telemetry_path)?;
        same("web.enable-lifecycle", &self.lifecycle, lifecycle)?;
        let path = |serve: &Self| serve.socket.as_ref().map(|socket| socket.path.clone());
        same("socket", &path(self), &path(new))?;
        same("socket-group", &self.socket, socket)
    }
}

fn same<T: PartialEq>(key: &'static str, old: &T, new: &T) -> Result<(), Fixed> {
    if old == new { Ok(()) } else { Err(Fixed { key }) }
}
