//! `wireledger check-config`.

use std::path::PathBuf;

use super::{Cli, Outcome, output};

/// Check a configuration file, and the files it names, without running
///
/// Every key and value is checked as `wireledger run --config.file FILE` would; the web's file and the token are read.
/// Says OK, or what is wrong and where (exit code 1; 2 for the file itself).
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file
    file: PathBuf,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        Cli::of_file(self.file.clone())?.check()?;
        output::line(&format!("{}: OK", self.file.display()))?;
        Ok(Outcome::Done)
    }
}
