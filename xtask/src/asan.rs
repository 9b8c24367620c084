//! `cargo xtask asan`: the unit tests of the crates with `unsafe` code under AddressSanitizer.

use anyhow::Result;

use crate::command;
use crate::nightly::Nightly;
use crate::repo::Repo;

pub(crate) fn run(repo: &Repo) -> Result<()> {
    let nightly = Nightly::need()?;
    let mut cargo = nightly.cargo(repo)?;
    cargo.env("RUSTFLAGS", "-Zsanitizer=address");
    // With a target named, the flags are not for build scripts and procedural macros.
    cargo.args(["test", "--locked", "--lib", "--target", &nightly.host]);
    // Unoptimized, the tests of millions of flows and sources take twice as long.
    for package in ["wireledger-common", "wireledger"] {
        let optimized = format!("profile.dev.package.{package}.opt-level=1");
        cargo.args(["-p", package, "--config", &optimized]);
    }
    command::run(cargo.arg("--target-dir").arg(repo.target("asan")))
}
