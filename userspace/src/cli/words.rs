//! The words of the command line, with those of a configuration file in front.

use std::{env, ffi::OsString, path::PathBuf};

use anyhow::Context;
use clap::{CommandFactory, Parser};

use super::{Cli, Command, Usage, run};
use crate::config;

/// The subcommand that takes a configuration file.
const RUN: &str = "run";

impl Cli {
    /// The process's command line, and the configuration file that it names.
    ///
    /// # Errors
    /// clap's own for words that are wrong, [`Usage`] for a file that is.
    pub fn read() -> anyhow::Result<Self> {
        Self::of(env::args_os().collect())
    }

    /// `run`'s arguments, as [`Cli::read`] would read them now.
    pub(super) fn reread() -> anyhow::Result<run::Args> {
        Self::read()?.into_run()
    }

    /// `run`'s arguments, of a configuration file alone.
    pub(super) fn of_file(file: PathBuf) -> anyhow::Result<run::Args> {
        let flag = format!("--{}", config::FLAG).into();
        Self::of(vec!["wireledger".into(), RUN.into(), flag, file.into()])?.into_run()
    }

    fn into_run(self) -> anyhow::Result<run::Args> {
        match self.command {
            Command::Run(args) => Some(*args),
            _ => None,
        }
        .context("this process does not run")
    }

    fn of(mut words: Vec<OsString>) -> anyhow::Result<Self> {
        // Without judging: what the line lacks may be in the file.
        let lenient = Self::command().ignore_errors(true);
        let Ok(given) = lenient.clone().try_get_matches_from(&words) else {
            return Ok(Self::try_parse_from(words)?);
        };
        let run = given.subcommand_matches(RUN);
        let file = run.and_then(|run| Some((run, run.get_one::<PathBuf>("config_file")?)));
        if let Some((run, file)) = file {
            let command = Self::command();
            let command = command.find_subcommand(RUN).context("there is no command to run")?;
            let said = config::words(command, file, run).map_err(Usage::of)?;
            // Behind the subcommand's name, which is the first of its like: Cli has no options of its own.
            let at = words.iter().position(|word| word == RUN).map_or(words.len(), |at| at + 1);
            words.splice(at..at, said);
        }
        Ok(Self::try_parse_from(words)?)
    }
}
