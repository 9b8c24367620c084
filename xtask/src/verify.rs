//! `cargo xtask verify`: what the kernel's verifier says of every program.

use anyhow::Result;

use crate::command;
use crate::repo::Repo;

pub(crate) fn run(repo: &Repo) -> Result<()> {
    let mut cargo = repo.cargo();
    cargo.args(["run", "--release", "-p", "wireledger", "--", "verify"]);
    command::run(&mut cargo)
}
