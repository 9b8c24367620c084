//! `cargo xtask demo`: builds the release binary and runs its demo with our own streams.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::repo::Repo;
use crate::{build, command, privilege};

/// The child's exit code is ours.
pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<ExitCode> {
    let missing = privilege::missing();
    if !missing.is_empty() {
        bail!(
            "the demo loads eBPF programs and makes network namespaces: it needs root, or CAP_BPF, \
             CAP_PERFMON, CAP_NET_ADMIN and CAP_SYS_ADMIN (missing: {})\n\
             try: sudo -E \"$(which cargo)\" xtask demo",
            missing.join(", ")
        );
    }
    build::run(repo, &[])?;
    let mut demo = Command::new(build::binary(repo));
    demo.arg("demo").args(args);
    command::echo(&demo);
    let status = demo.status().context("starting the demo")?;
    match status.code().map(u8::try_from) {
        Some(Ok(code)) => Ok(ExitCode::from(code)),
        _ => bail!("the demo was stopped: {status}"),
    }
}
