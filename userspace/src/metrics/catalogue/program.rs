//! What the probe's programs cost.

use super::{Family, counter, gauge};

pub(in super::super) const FAMILIES: &[Family] = &[
    counter(
        "wireledger_program_runs_total",
        &["program"],
        "Calls of the probe's programs, while the kernel's BPF statistics were on.",
        |snapshot, out| {
            for program in &snapshot.programs {
                out.add(&[program.name], program.runs);
            }
        },
    ),
    counter(
        "wireledger_program_seconds_total",
        &["program"],
        "Time in the probe's programs, while the kernel's BPF statistics were on.",
        |snapshot, out| {
            for program in &snapshot.programs {
                out.add(&[program.name], program.seconds);
            }
        },
    ),
    gauge(
        "wireledger_program_statistics_enabled",
        &[],
        "1 while the kernel counts what programs cost (sysctl kernel.bpf_stats_enabled).",
        |snapshot, out| out.single(snapshot.program_statistics),
    ),
];
