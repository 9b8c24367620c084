//! `cargo xtask bench`: the cost ladder in the kernel, the reading of captures, live captures beside other tools, the writing
//! of scrapes, what a snapshot takes, or the detector of scans.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::repo::Repo;
use crate::{build, command, setup};

/// Every bench by its name; the first is run when none is named.
const BENCHES: [&str; 6] = ["ladder", READ, LIVE, "exposition", SCRAPE, "scan"];

const READ: &str = "read";
const LIVE: &str = "live";
const SCRAPE: &str = "scrape";

pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<()> {
    let (bench, args) = match args {
        [name, rest @ ..] if BENCHES.contains(&name.as_str()) => (name.as_str(), rest),
        all => (BENCHES[0], all),
    };
    let mut cargo = repo.cargo();
    if [READ, LIVE, SCRAPE].contains(&bench) {
        // By itself, so that it is the binary that `cargo xtask build` makes.
        command::run(repo.cargo().args(["build", "--release", "-p", "wireledger"]))?;
        match bench {
            READ => setup::flow_tools(repo)?,
            LIVE => setup::capture_tools()?,
            _ => setup::exporter(repo)?,
        }
        cargo.env("PATH", path(repo)?).env("WIRELEDGER_BIN", build::binary(repo));
    }
    cargo.args(["run", "--release", "-p", "wireledger-benches"]);
    cargo.args(["--bin", bench, "--"]).args(args);
    command::run(&mut cargo)
}

/// What is installed, then what was unpacked for benches, then where administrators' programs are.
fn path(repo: &Repo) -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path)
        .chain(setup::unpacked_folders(repo))
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    env::join_paths(folders).context("putting PATH together")
}
