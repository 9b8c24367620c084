//! `cargo xtask fuzz`: the properties of `tests/support/properties` under libFuzzer, by cargo-fuzz.
//!
//! One build serves all targets. What the fuzzer learns stays in `target/fuzz/corpus`; what it breaks is in
//! `target/fuzz/artifacts`, and becomes a case of `tests/regress`.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};

use crate::command;
use crate::nightly::Nightly;
use crate::repo::Repo;

/// cargo-fuzz's version: another one may pass other flags.
const CARGO_FUZZ: &str = "0.13.2";

/// The fuzzer's own workspace.
const FOLDER: &str = "tests/fuzz";

/// Names the folder of captures to begin with.
const CAPTURES: &str = "WIRELEDGER_PCAPS";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Targets; all when none is named
    targets: Vec<String>,
    /// How long to fuzz each
    #[arg(long, default_value_t = 60, value_name = "N")]
    seconds: u64,
    /// What watches the memory; `none` is faster
    #[arg(long, value_enum, default_value_t = Sanitizer::Address)]
    sanitizer: Sanitizer,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Sanitizer {
    Address,
    None,
}

impl Sanitizer {
    const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::None => "none",
        }
    }
}

pub(crate) fn run(repo: &Repo, args: &Args) -> Result<ExitCode> {
    let crashes = Fuzzer::new(repo, args.sanitizer)?.run(&args.targets, args.seconds)?;
    Ok(if crashes == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every target for a few seconds.
pub(crate) fn check(repo: &Repo, seconds: u64) -> Result<()> {
    let crashes = Fuzzer::new(repo, Sanitizer::Address)?.run(&[], seconds)?;
    ensure!(crashes == 0, "{crashes} inputs break a property");
    Ok(())
}

/// What the fuzzer needs and this machine lacks.
pub(crate) fn missing() -> Result<Vec<&'static str>> {
    let mut missing = Vec::new();
    if Nightly::find()?.is_none() {
        missing.push("nightly Rust (rustup toolchain install nightly)");
    }
    if command::which("c++").is_none() {
        missing.push("g++");
    }
    Ok(missing)
}

struct Fuzzer<'a> {
    repo: &'a Repo,
    nightly: Nightly,
    sanitizer: Sanitizer,
}

impl<'a> Fuzzer<'a> {
    fn new(repo: &'a Repo, sanitizer: Sanitizer) -> Result<Self> {
        let missing = missing()?;
        ensure!(missing.is_empty(), "the fuzzer needs {}", missing.join(", "));
        Ok(Self { repo, nightly: Nightly::need()?, sanitizer })
    }

    /// Builds, seeds and runs; how many targets broke.
    fn run(&self, wanted: &[String], seconds: u64) -> Result<usize> {
        let targets = self.targets(wanted)?;
        self.build()?;
        self.seed()?;
        let mut total = 0;
        let mut crashes = Vec::new();
        for target in &targets {
            let (numbers, broke) = self.fuzz(target, seconds)?;
            let Numbers { executions, rate } = numbers;
            let said = if broke.is_some() { ", 1 crasher" } else { "" };
            eprintln!("{target:<12} {executions:>12} executions, {rate:>8}/s{said}");
            total += executions;
            crashes.extend(broke.into_iter().map(|path| (target, path)));
        }
        eprintln!("{:<12} {:>12} executions, {} crashers", "all", total, crashes.len());
        for (target, path) in &crashes {
            explain(target, path);
        }
        Ok(crashes.len())
    }

    /// Those that are wanted of those that there are.
    fn targets(&self, wanted: &[String]) -> Result<BTreeSet<String>> {
        let folder = self.repo.path(FOLDER).join("targets");
        let there: BTreeSet<_> = files(&folder)?
            .iter()
            .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
            .collect();
        for target in wanted {
            let all: Vec<_> = there.iter().map(String::as_str).collect();
            ensure!(there.contains(target), "no target {target}; there are {}", all.join(", "));
        }
        Ok(if wanted.is_empty() { there } else { wanted.iter().cloned().collect() })
    }

    fn build(&self) -> Result<()> {
        // cargo-fuzz would quietly change a lock file that does not fit.
        lock(self.repo)?;
        let mut fuzz = self.nightly.command(self.repo, &cargo_fuzz(self.repo)?)?;
        fuzz.args(["fuzz", "build", "--fuzz-dir", FOLDER, "--target", &self.nightly.host]);
        // One unit for each crate, cargo-fuzz's default, takes twice as long to build.
        fuzz.args(["--codegen-units", "16", "--sanitizer", self.sanitizer.name()]);
        command::run(fuzz.arg("--target-dir").arg(self.built()))
    }

    fn built(&self) -> PathBuf {
        self.repo.target("fuzz").join(self.sanitizer.name())
    }

    /// By stable Rust: crafted frames, and captures where there are some.
    fn seed(&self) -> Result<()> {
        let mut cargo = self.repo.cargo();
        cargo.args(["run", "--quiet", "--locked", "-p", "wireledger-tests", "--example", "seeds"]);
        cargo.arg("--").arg(self.repo.target("fuzz/seeds"));
        let named = env::var_os(CAPTURES).map(PathBuf::from);
        let captures = named.clone().unwrap_or_else(|| self.repo.path("../shared/pcaps"));
        match captures.is_dir() {
            true => drop(cargo.arg(captures)),
            false if named.is_some() => bail!("{CAPTURES}={}: no such folder", captures.display()),
            false => eprintln!("no captures to begin with; {CAPTURES} names a folder of them"),
        }
        command::run(&mut cargo)
    }

    fn fuzz(&self, target: &str, seconds: u64) -> Result<(Numbers, Option<PathBuf>)> {
        let folder = |what: &str| self.repo.target("fuzz").join(what).join(target);
        let (corpus, artifacts) = (folder("corpus"), folder("artifacts"));
        let log = folder("logs").with_extension("txt");
        for folder in [&corpus, &artifacts, &self.repo.target("fuzz/logs")] {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        let program = self.built().join(&self.nightly.host).join("release").join(target);
        let mut fuzz = self.nightly.command(self.repo, &program)?;
        fuzz.arg(format!("-max_total_time={seconds}"));
        fuzz.arg(format!("-artifact_prefix={}/", artifacts.display()));
        fuzz.args(["-print_final_stats=1", "-timeout=10", "-max_len=2048"]);
        // New inputs go to the first folder; the others are only read.
        fuzz.arg(corpus).arg(folder("seeds")).arg(self.repo.path("tests/regress").join(target));
        let file = File::create(&log).with_context(|| format!("writing {}", log.display()))?;
        let status = fuzz.stderr(file).status().with_context(|| format!("starting {target}"))?;
        let text = fs::read(&log).with_context(|| format!("reading {}", log.display()))?;
        let text = String::from_utf8_lossy(&text);
        // libFuzzer stops at the first.
        let broke = text.lines().find_map(|line| line.split_once("Test unit written to "));
        let broke = broke.map(|(_, path)| PathBuf::from(path));
        if !status.success() {
            let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
            eprintln!("{}", lines[lines.len().saturating_sub(40)..].join("\n"));
            ensure!(broke.is_some(), "{target} failed: {status}");
        }
        Ok((Numbers::of(&text), broke))
    }
}

/// What libFuzzer says at the end.
#[derive(Debug, Default, PartialEq)]
struct Numbers {
    executions: u64,
    /// Executions per second.
    rate: u64,
}

impl Numbers {
    fn of(log: &str) -> Self {
        let field = |name: &str| {
            let line = log.lines().find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name));
            line.and_then(|line| line.trim_start_matches(':').trim().parse().ok())
                .unwrap_or_default()
        };
        Self { executions: field("number_of_executed_units"), rate: field("average_exec_per_sec") }
    }
}

fn explain(target: &str, path: &Path) {
    eprintln!(
        "\n{target}: {} breaks the property. To keep it as a case:\n  \
         cp {} tests/regress/{target}/what_is_special_about_it\n  \
         cargo test -p wireledger-tests --test regress",
        path.display(),
        path.display()
    );
}

/// Fails when the fuzzer's lock file does not fit its manifests.
pub(crate) fn lock(repo: &Repo) -> Result<()> {
    let mut cargo = repo.cargo();
    let manifest = repo.path(FOLDER).join("Cargo.toml");
    cargo.args(["metadata", "--locked", "--format-version", "1", "--manifest-path"]).arg(manifest);
    command::output(&mut cargo).map(drop).with_context(|| {
        format!("{FOLDER}/Cargo.lock; cargo update --workspace --manifest-path {FOLDER}/Cargo.toml")
    })
}

/// cargo-fuzz, installed into `target/` if it is not there.
fn cargo_fuzz(repo: &Repo) -> Result<PathBuf> {
    let root = repo.target("tools");
    let ours = root.join("bin/cargo-fuzz");
    for path in [Some(ours.clone()), command::which("cargo-fuzz")].into_iter().flatten() {
        let mut question = std::process::Command::new(&path);
        let version = command::output(question.args(["fuzz", "--version"]));
        if version.is_ok_and(|text| text.ends_with(&format!(" {CARGO_FUZZ}"))) {
            return Ok(path);
        }
    }
    let mut cargo = repo.cargo();
    cargo.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    cargo.args(["install", "cargo-fuzz", "--version", CARGO_FUZZ, "--locked", "--force"]);
    command::run(cargo.arg("--root").arg(root))?;
    Ok(ours)
}

fn files(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    entries.map(|entry| Ok(entry.context("reading a folder")?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::Numbers;

    #[test]
    fn the_numbers_are_libfuzzer_s() {
        let log = "#8 DONE\nstat::number_of_executed_units: 3603786\n\
                   stat::average_exec_per_sec:     116251\nstat::new_units_added: 5\n";
        assert_eq!(Numbers::of(log), Numbers { executions: 3_603_786, rate: 116_251 });
        assert_eq!(Numbers::of("killed"), Numbers::default());
    }
}
