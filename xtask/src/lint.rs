//! `cargo xtask lint`: formatting and clippy, for the workspace and for the eBPF crate; formatting and the lock file of the fuzzer.

use anyhow::Result;

use crate::repo::Repo;
use crate::{command, fuzz};

const PROBE: &str = "probe-ebpf/Cargo.toml";
const FUZZ: &str = "tests/fuzz/Cargo.toml";

pub(crate) fn run(repo: &Repo) -> Result<()> {
    command::run(repo.cargo().args(["fmt", "--all", "--check"]))?;
    for manifest in [PROBE, FUZZ] {
        command::run(repo.cargo().args(["fmt", "--check", "--manifest-path", manifest]))?;
    }
    fuzz::lock(repo)?;
    let mut workspace = repo.cargo();
    workspace.args(["clippy", "--workspace", "--all-targets", "--locked", "--"]);
    command::run(workspace.args(["-D", "warnings"]))?;
    // For the host: clippy needs no eBPF toolchain, and the code is the same.
    let mut probe = repo.cargo();
    probe.args(["clippy", "--locked", "--manifest-path", PROBE]);
    probe.arg("--target-dir").arg(repo.target("ebpf-check")).arg("--");
    command::run(probe.args(["-D", "warnings"]))
}
