//! The developer's tasks of Wireledger: `cargo xtask help` lists them. This file only dispatches.
#![forbid(unsafe_code)]

mod apt;
mod asan;
mod bench;
mod build;
mod build_ebpf;
mod command;
mod dashboards;
mod demo;
mod fingerprint;
mod fuzz;
mod r#gen;
mod lint;
mod nightly;
mod privilege;
mod provenance;
mod python;
mod repo;
mod rustc;
mod setup;
mod strip;
mod test;
mod tidy;
mod toolchain;
mod verify;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::repo::Repo;

/// Developer's tasks of Wireledger.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Find or install the eBPF toolchain and the programs that the tests use
    Setup,
    /// Compile the eBPF objects that the repository carries
    BuildEbpf(build_ebpf::Args),
    /// Build the release binary
    Build(Extra),
    /// Build the release binary and run its demo (needs privileges)
    Demo(Extra),
    /// Run every check: lints, rules, generated files, eBPF objects, tests
    Test(test::Args),
    /// Check formatting and clippy, the eBPF crate included
    Lint,
    /// Check the rules of the house that rustc and clippy do not know
    Tidy,
    /// Fuzz the properties of tests/support/properties (needs nightly Rust)
    Fuzz(fuzz::Args),
    /// Run the unit tests under AddressSanitizer (needs nightly Rust)
    Asan,
    /// Load every eBPF program and print how many instructions the verifier walked
    Verify,
    /// Run a benchmark: `ladder`, the cost ladder in the kernel (the default; needs privileges), `read`, captures read
    /// beside other tools, `live`, live captures beside other tools (needs privileges), or `exposition`, scrapes written
    /// beside the prometheus crate
    Bench(Extra),
    /// Write docs/METRICS.md, docs/CLI.md and Grafana's dashboards from the code
    Gen(r#gen::Args),
}

#[derive(clap::Args)]
struct Extra {
    /// Passed on as they are
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

fn main() -> ExitCode {
    if let Some(code) = rustc::take_over() {
        return code;
    }
    match dispatch(Args::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(task: Task) -> Result<ExitCode> {
    let repo = Repo::find()?;
    match task {
        Task::Setup => setup::run(&repo)?,
        Task::BuildEbpf(args) => build_ebpf::run(&repo, &args)?,
        Task::Build(extra) => build::run(&repo, &extra.args)?,
        Task::Demo(extra) => return demo::run(&repo, &extra.args),
        Task::Test(args) => return test::run(&repo, &args),
        Task::Lint => lint::run(&repo)?,
        Task::Tidy => tidy::run(&repo)?,
        Task::Fuzz(args) => return fuzz::run(&repo, &args),
        Task::Asan => asan::run(&repo)?,
        Task::Verify => verify::run(&repo)?,
        Task::Bench(extra) => bench::run(&repo, &extra.args)?,
        Task::Gen(args) => r#gen::run(&repo, &args)?,
    }
    Ok(ExitCode::SUCCESS)
}
