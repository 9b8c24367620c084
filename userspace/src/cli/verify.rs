//! `wireledger verify`.

use std::time::Duration;

use super::{Outcome, output};
use crate::kernel::{Probe, Sizes, Verified};

/// The verifier's limit on the instructions it walks through (BPF_COMPLEXITY_LIMIT_INSNS).
const BUDGET: u32 = 1_000_000;

/// Load every program and print what the kernel's verifier makes of it; attaches nothing
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let probe = Probe::load(Sizes {
            flow_memory: 1 << 20,
            record_memory: 1 << 12,
            sample_memory: 1 << 12,
            interfaces: 1,
            evict_after: Duration::from_secs(1),
            // With the diagnostics on, the verifier walks through them too.
            log_level: 5,
            decap: true,
            replay: None,
        })?;
        let head = ["PROGRAM", "VERIFIED", "OF BUDGET", "BPF BYTES", "MACHINE BYTES"];
        output::table(&head, 1, probe.verified().iter().map(row))?;
        Ok(Outcome::Done)
    }
}

fn row(program: &Verified) -> Vec<String> {
    let unknown = || "unknown".to_owned();
    vec![
        program.program.clone(),
        program.verified.map_or_else(unknown, |count| count.to_string()),
        program.verified.map_or_else(unknown, |count| {
            format!("{:.1} %", f64::from(count) * 100.0 / f64::from(BUDGET))
        }),
        program.translated.map_or_else(unknown, |bytes| bytes.to_string()),
        program.jited.to_string(),
    ]
}
