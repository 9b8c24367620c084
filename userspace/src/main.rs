//! Parse, log set-up, dispatch, exit code: 0, 1 for a failure, 2 for a wrong command line.

use std::process::ExitCode;

use clap::Parser;
use wireledger::cli::{Cli, Extcap, Outcome, Usage, is_closed_pipe};

fn main() -> ExitCode {
    let ended = if Extcap::is_asking(std::env::args_os().skip(1)) {
        Extcap::parse().run()
    } else {
        Cli::read().and_then(Cli::run)
    };
    match ended {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::FAILURE,
        Err(error) if error.is::<clap::Error>() => match error.downcast::<clap::Error>() {
            Ok(error) => error.exit(),
            Err(_) => ExitCode::from(2),
        },
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}
