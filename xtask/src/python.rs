//! The Python package that the tests use: in a virtual environment under `target/`, so that nothing of the user's changes.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::repo::Repo;
use crate::{apt, command};

/// The reference parser of metrics, by its name on PyPI.
pub(crate) const PACKAGE: &str = "prometheus-client (from PyPI)";
const REQUIREMENT: &str = "prometheus-client==0.26.0";
/// Says whether it is there, in that version.
const CHECK: &str =
    "import importlib.metadata as m; assert m.version('prometheus-client') == '0.26.0'";

/// The environment's interpreter.
pub(crate) fn interpreter(repo: &Repo) -> PathBuf {
    repo.target("tools/python/bin/python3")
}

/// Whether the environment has the package.
pub(crate) fn is_ready(repo: &Repo) -> bool {
    command::output(Command::new(interpreter(repo)).args(["-c", CHECK])).is_ok()
}

/// Makes the environment, unless it is there.
pub(crate) fn prepare(repo: &Repo) -> Result<()> {
    if is_ready(repo) {
        return Ok(());
    }
    let make = || {
        let mut python = Command::new("python3");
        command::run(python.args(["-m", "venv", "--clear"]).arg(repo.target("tools/python")))
    };
    if let Err(error) = make() {
        if !apt::usable() {
            return Err(error);
        }
        // Debian has the module, and what it needs, in a package of their own.
        apt::install(&["python3-venv"])?;
        make()?;
    }
    let mut pip = Command::new(interpreter(repo));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENT]);
    command::run(&mut pip)
}
