//! `cargo xtask lint`: formatting and clippy, for the workspace and for the eBPF crate.

use anyhow::Result;

use crate::command;
use crate::repo::Repo;

const PROBE: &str = "probe-ebpf/Cargo.toml";

pub(crate) fn run(repo: &Repo) -> Result<()> {
    command::run(repo.cargo().args(["fmt", "--all", "--check"]))?;
    command::run(repo.cargo().args(["fmt", "--check", "--manifest-path", PROBE]))?;
    let mut workspace = repo.cargo();
    workspace.args(["clippy", "--workspace", "--all-targets", "--locked", "--"]);
    command::run(workspace.args(["-D", "warnings"]))?;
    // For the host: clippy needs no eBPF toolchain, and the code is the same.
    let mut probe = repo.cargo();
    probe.args(["clippy", "--locked", "--manifest-path", PROBE]);
    probe.arg("--target-dir").arg(repo.target("ebpf-check")).arg("--");
    command::run(probe.args(["-D", "warnings"]))
}
