//! `cargo xtask build`: the release binary.

use std::path::PathBuf;

use anyhow::Result;

use crate::command;
use crate::repo::Repo;

pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<()> {
    let mut cargo = repo.cargo();
    cargo.args(["build", "--release", "-p", "wireledger"]).args(args);
    command::run(&mut cargo)
}

/// Where the release binary is once built.
pub(crate) fn binary(repo: &Repo) -> PathBuf {
    repo.target("release/wireledger")
}
