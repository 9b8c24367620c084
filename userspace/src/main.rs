//! Parse, log set-up, dispatch, exit code: 0, 1 for a failure, 2 for a wrong command line.

use std::process::ExitCode;

use clap::Parser;
use wireledger::cli::{Cli, Outcome};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.run() {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::FAILURE,
        Err(error) if wireledger::cli::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
