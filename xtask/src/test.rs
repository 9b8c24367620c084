//! `cargo xtask test`: every check there is, in the order that finds mistakes soonest.
//!
//! A step that fails does not stop those after it. What cannot run here is named; with `CI` in the
//! environment that is a failure, so that a green run means that everything ran.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::repo::Repo;
use crate::toolchain::Toolchain;
use crate::{
    apt, asan, build, build_ebpf, command, fuzz, r#gen, lint, privilege, python, setup, tidy,
};

/// How long each target of the fuzzer runs: enough for its seeds, its corpus and the shallow rest.
const FUZZ_SECONDS: u64 = 10;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only the tests whose name contains this, and no other check
    filter: Vec<String>,
}

pub(crate) fn run(repo: &Repo, args: &Args) -> Result<ExitCode> {
    let mut run = Run::new(repo, &args.filter);
    let mut toolchain = None;
    run.step("setup", |run| {
        toolchain = run.prepare()?;
        Ok(())
    });
    if args.filter.is_empty() {
        run.step("lint", |run| lint::run(run.repo));
        run.step("tidy", |run| tidy::run(run.repo));
    }
    run.step("build-ebpf --check", |run| build_ebpf::check(run.repo, toolchain.as_ref()));
    run.fresh = toolchain.map(|_| build_ebpf::fresh(repo, "wireledger").into());
    if args.filter.is_empty() {
        run.step("gen --check", |run| r#gen::run(run.repo, &r#gen::Args { check: true }));
    }
    run.step("unit tests", Run::unit_tests);
    run.step("regress cases", Run::regress_cases);
    if args.filter.is_empty() {
        run.nightly_checks();
    }
    let missing = privilege::missing();
    if missing.is_empty() {
        run.step("kernel tests", Run::kernel_tests);
    } else {
        run.skip(&format!(
            "the kernel and end-to-end tests (-p wireledger-tests): they need {}; \
             try sudo -E \"$(which cargo)\" xtask test",
            missing.join(", ")
        ));
    }
    run.finish()
}

struct Run<'a> {
    repo: &'a Repo,
    filter: &'a [String],
    /// Whether skipping is failing.
    strict: bool,
    /// The object compiled by this run, which the tests then use.
    fresh: Option<OsString>,
    steps: Vec<(&'static str, Duration, bool)>,
    skipped: Vec<String>,
    tests: Tally,
}

impl<'a> Run<'a> {
    fn new(repo: &'a Repo, filter: &'a [String]) -> Self {
        Self {
            repo,
            filter,
            strict: env::var("CI").is_ok_and(|ci| !matches!(&*ci, "" | "0" | "false")),
            fresh: None,
            steps: Vec::new(),
            skipped: Vec::new(),
            tests: Tally::default(),
        }
    }

    fn step(&mut self, name: &'static str, body: impl FnOnce(&mut Self) -> Result<()>) {
        eprintln!("\n== {name}");
        let start = Instant::now();
        let result = body(self);
        if let Err(error) = &result {
            eprintln!("error: {name}: {error:#}");
        }
        self.steps.push((name, start.elapsed(), result.is_ok()));
    }

    fn skip(&mut self, what: &str) {
        eprintln!("\nnot run: {what}");
        self.skipped.push(what.to_owned());
    }

    /// Installs what it may; the toolchain, if there is one now.
    fn prepare(&mut self) -> Result<Option<Toolchain>> {
        let missing = setup::test_tools(self.repo)?;
        if !missing.is_empty() {
            self.skip(&format!(
                "tests that use a program that is missing; install {}",
                missing.join(", ")
            ));
        }
        if apt::usable() {
            return setup::ebpf(self.repo).map(Some);
        }
        let found = Toolchain::find(self.repo)?;
        if found.is_none() {
            self.skip("compiling the eBPF objects: cargo xtask setup says what is missing");
        }
        Ok(found)
    }

    fn unit_tests(&mut self) -> Result<()> {
        let mut cargo = self.repo.cargo();
        cargo.args(["test", "--workspace", "--no-fail-fast", "--locked"]);
        cargo.args(["--exclude", "wireledger-tests", "--exclude", "wireledger-benches"]);
        cargo.arg("--").args(self.filter);
        self.count(&mut cargo)
    }

    /// In this profile for its assertions; with the kernel tests they run once more, as the release has them.
    fn regress_cases(&mut self) -> Result<()> {
        let mut cargo = self.repo.cargo();
        cargo.args(["test", "--locked", "-p", "wireledger-tests", "--test", "regress"]);
        cargo.arg("--").args(self.filter);
        self.count(&mut cargo)
    }

    /// What stable Rust cannot do.
    fn nightly_checks(&mut self) {
        match fuzz::missing() {
            Ok(missing) if missing.is_empty() => {}
            Ok(missing) => {
                let missing = missing.join(", ");
                return self.skip(&format!("AddressSanitizer and the fuzzer: install {missing}"));
            }
            Err(error) => return self.step("nightly Rust", |_| Err(error)),
        }
        self.step("asan unit tests", |run| asan::run(run.repo));
        self.step("fuzz (short)", |run| fuzz::check(run.repo, FUZZ_SECONDS));
    }

    fn kernel_tests(&mut self) -> Result<()> {
        let mut release = self.repo.cargo();
        release.args(["build", "--release", "--locked", "-p", "wireledger"]);
        command::run(self.with_object(&mut release))?;
        let prometheus = setup::prometheus_folder(self.repo);
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([prometheus].into_iter().chain(env::split_paths(&path)))
            .context("extending PATH")?;
        let mut cargo = self.repo.cargo();
        cargo.env("PATH", path);
        cargo.env("WIRELEDGER_BIN", build::binary(self.repo));
        if python::is_ready(self.repo) {
            cargo.env("WIRELEDGER_PYTHON", python::interpreter(self.repo));
        }
        cargo.args(["test", "--release", "--no-fail-fast", "--locked", "-p", "wireledger-tests"]);
        cargo.args(["--", "--test-threads=1"]).args(self.filter);
        let before = self.tests.passed;
        self.count(&mut cargo)?;
        if self.strict && self.filter.is_empty() && self.tests.passed == before {
            bail!("not one kernel test ran");
        }
        Ok(())
    }

    fn with_object<'c>(&self, cargo: &'c mut Command) -> &'c mut Command {
        match &self.fresh {
            Some(object) => cargo.env("WIRELEDGER_BPF_OBJECT", object),
            None => cargo,
        }
    }

    /// Runs `cargo test`, passes its output on and adds up the results in it.
    fn count(&mut self, cargo: &mut Command) -> Result<()> {
        command::echo(self.with_object(cargo));
        let mut child = cargo.stdout(Stdio::piped()).spawn().context("starting cargo")?;
        let output = child.stdout.take().context("reading cargo's output")?;
        let mut stdout = std::io::stdout();
        for line in BufReader::new(output).split(b'\n') {
            let mut line = line.context("reading cargo's output")?;
            self.tests.add(&String::from_utf8_lossy(&line));
            line.push(b'\n');
            stdout.write_all(&line).context("writing to stdout")?;
        }
        let status = child.wait().context("waiting for cargo")?;
        if !status.success() {
            bail!("cargo test failed: {status}");
        }
        Ok(())
    }

    /// The summary; its last line is for programs.
    fn finish(self) -> Result<ExitCode> {
        let mut failed = self.steps.iter().any(|(_, _, passed)| !passed);
        let mut summary = String::from("\n== summary\n");
        for (name, time, passed) in &self.steps {
            let verdict = if *passed { "ok" } else { "FAILED" };
            summary += &format!("{verdict:<6} {name} ({:.1} s)\n", time.as_secs_f64());
        }
        for what in &self.skipped {
            summary += &format!("not run: {what}\n");
        }
        if self.tests.ignored > 0 {
            summary += &format!("ignored: {} tests\n", self.tests.ignored);
        }
        let incomplete = !self.skipped.is_empty() || self.tests.ignored > 0;
        if self.strict && incomplete {
            summary += "FAILED: with CI set, everything must run\n";
            failed = true;
        }
        let Tally { passed, failed: failures, .. } = self.tests;
        summary += &format!("{passed} passed, {failures} failed\n");
        let mut stdout = std::io::stdout();
        stdout.write_all(summary.as_bytes()).context("writing to stdout")?;
        let failed = failed || failures > 0;
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// What libtest's result lines add up to.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Tally {
    /// Counts `line` if it is one of `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let words: Vec<_> = result.split_whitespace().collect();
        for pair in words.windows(2) {
            let Ok(number) = pair[0].parse::<u64>() else {
                continue;
            };
            match pair[1] {
                "passed;" => self.passed += number,
                "failed;" => self.failed += number,
                "ignored;" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn result_lines_add_up() {
        let mut tally = Tally::default();
        tally.add("running 4 tests");
        tally.add("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out");
        tally.add("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 1 filtered out");
        assert_eq!(tally, Tally { passed: 4, failed: 2, ignored: 1 });
    }
}
