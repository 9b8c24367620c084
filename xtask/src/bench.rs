//! `cargo xtask bench`: the cost ladder, in the kernel.

use anyhow::Result;

use crate::command;
use crate::repo::Repo;

pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<()> {
    let mut cargo = repo.cargo();
    cargo.args(["run", "--release", "-p", "wireledger-benches"]);
    cargo.args(["--bin", "ladder", "--"]).args(args);
    command::run(&mut cargo)
}
