//! `wireledger recorder`.

use std::{fs::File, io, path::PathBuf};

use anyhow::Context;
use clap::Subcommand;
use hyper::Method;

use super::{Outcome, client};
use crate::web::api;

/// Get from the running daemon what its flight recorder holds: packets from before now
///
/// The daemon records with `wireledger run --sample-every N`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the recorded packets as a capture file
    Dump {
        #[command(flatten)]
        daemon: client::Packets,
        /// The file; `-` is standard output
        #[arg(short = 'w', long = "write", value_name = "FILE")]
        file: PathBuf,
    },
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let Command::Dump { daemon, file } = self.command;
        let mut answer = daemon.must()?.open(Method::POST, api::RECORDER_DUMP, None)?;
        if file.as_os_str() == "-" {
            io::copy(&mut answer.body, &mut io::stdout().lock()).context("writing the capture")?;
        } else {
            let mut out =
                File::create(&file).with_context(|| format!("creating {}", file.display()))?;
            io::copy(&mut answer.body, &mut out)
                .with_context(|| format!("writing {}", file.display()))?;
        }
        Ok(Outcome::Done)
    }
}
