//! `cargo xtask gen`: the documents that the code writes about itself, and Grafana's dashboards.

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::repo::Repo;
use crate::{command, dashboards};

/// File, and the topic of the program's hidden subcommand `docs` that prints it.
const DOCUMENTS: [(&str, &str); 2] = [("docs/METRICS.md", "metrics"), ("docs/CLI.md", "cli")];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail when a file is not what the code says
    #[arg(long)]
    pub(crate) check: bool,
}

pub(crate) fn run(repo: &Repo, args: &Args) -> Result<()> {
    let mut stale = Vec::new();
    let mut files = dashboards::all()?;
    for (file, topic) in DOCUMENTS {
        let mut cargo = repo.cargo();
        cargo.args(["run", "-q", "-p", "wireledger", "--bin", "wireledger", "--"]);
        cargo.args(["docs", topic]);
        command::echo(&cargo);
        files.push((file.into(), command::output(&mut cargo)? + "\n"));
    }
    for (file, text) in files {
        let (path, file) = (repo.path(&file), file.display().to_string());
        if fs::read_to_string(&path).is_ok_and(|current| current == text) {
            continue;
        }
        if args.check {
            stale.push(file);
            continue;
        }
        fs::write(&path, text).with_context(|| format!("writing {file}"))?;
        eprintln!("{file} written");
    }
    if !stale.is_empty() {
        bail!("{} not up to date: run cargo xtask gen", stale.join(", "));
    }
    Ok(())
}
