//! The command line: one subcommand per file, its arguments and its doc comment being its help.

mod capture;
mod captures;
mod check_config;
mod client;
mod demo;
mod docs;
mod doctor;
mod exposition;
mod extcap;
mod flows;
mod interfaces;
mod ledger;
mod output;
mod packets;
mod read;
mod recorder;
mod run;
mod scans;
mod verdicts;
mod verify;
mod words;

use std::{fmt, io};

use clap::{Parser, Subcommand};

pub use extcap::Extcap;

/// An eBPF/XDP packet analyzer: every packet is on the ledger, or a named counter says why not.
#[derive(Debug, Parser)]
#[command(name = "wireledger", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::Args>),
    Ledger(ledger::Args),
    Flows(flows::Args),
    Interfaces(interfaces::Args),
    Scans(scans::Args),
    Doctor(doctor::Args),
    Read(read::Args),
    Capture(capture::Args),
    Captures(captures::Args),
    Recorder(recorder::Args),
    Demo(demo::Args),
    Verify(verify::Args),
    CheckConfig(check_config::Args),
    #[command(hide = true)]
    Docs(docs::Args),
}

/// The command line is at fault, as was only found out later: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(String);

impl Usage {
    fn of(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// How a command ended that did what it should.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// All is well.
    Done,
    /// It found what it was to find, and that is a failure.
    Failed,
}

impl Outcome {
    const fn of(well: bool) -> Self {
        if well { Self::Done } else { Self::Failed }
    }
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever stopped it, with what to do about it where that is known.
    pub fn run(self) -> anyhow::Result<Outcome> {
        match self.command {
            Command::Run(args) => args.run(),
            Command::Ledger(args) => args.run(),
            Command::Flows(args) => args.run(),
            Command::Interfaces(args) => args.run(),
            Command::Scans(args) => args.run(),
            Command::Doctor(args) => args.run(),
            Command::Read(args) => args.run(),
            Command::Capture(args) => args.run(),
            Command::Captures(args) => args.run(),
            Command::Recorder(args) => args.run(),
            Command::Demo(args) => args.run(),
            Command::Verify(args) => args.run(),
            Command::CheckConfig(args) => args.run(),
            Command::Docs(args) => args.run(),
        }
    }
}

/// The reader of our output has gone, as `head` does: no failure of ours.
#[must_use]
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let mut kinds = error.chain().filter_map(|cause| match cause.downcast_ref::<io::Error>() {
        Some(error) => Some(error.kind()),
        // The csv crate's errors hold theirs without naming it as their cause.
        None => match cause.downcast_ref::<csv::Error>()?.kind() {
            csv::ErrorKind::Io(error) => Some(error.kind()),
            _ => None,
        },
    });
    kinds.any(|kind| kind == io::ErrorKind::BrokenPipe)
}
