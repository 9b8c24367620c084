//! Nightly Rust: what AddressSanitizer and the fuzzer need, and nothing else here does.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::repo::Repo;
use crate::{command, toolchain};

/// Names the toolchain to use: a rustup toolchain, or a prefix such as `/usr/local`.
const OVERRIDE: &str = "WIRELEDGER_NIGHTLY";

/// A toolchain that takes `-Z`.
pub(crate) struct Nightly {
    prefix: PathBuf,
    /// The target triple of this machine.
    pub(crate) host: String,
}

impl Nightly {
    /// The one that is named, else rustup's `nightly`, if it is there.
    pub(crate) fn find() -> Result<Option<Self>> {
        let named = env::var(OVERRIDE).ok();
        let name = named.as_deref().unwrap_or("nightly");
        let found = match name.starts_with('/') {
            true => Self::at(Path::new(name))?,
            false => toolchain::rustup_prefix(name)
                .map(|prefix| Self::at(&prefix))
                .transpose()?
                .flatten(),
        };
        if let (None, Some(named)) = (&found, &named) {
            bail!("{OVERRIDE}={named}: no such nightly toolchain with cargo and rustc");
        }
        Ok(found)
    }

    /// [`Self::find`], or what to do.
    pub(crate) fn need() -> Result<Self> {
        Self::find()?.with_context(|| {
            format!(
                "no nightly Rust: run rustup toolchain install nightly, or name one in {OVERRIDE}"
            )
        })
    }

    fn at(prefix: &Path) -> Result<Option<Self>> {
        let rustc = prefix.join("bin/rustc");
        if !rustc.is_file() || !prefix.join("bin/cargo").is_file() {
            return Ok(None);
        }
        let about = command::output(Command::new(&rustc).arg("-vV"))?;
        let field = |name: &str| about.lines().find_map(|line| line.strip_prefix(name));
        let (Some(release), Some(host)) = (field("release: "), field("host: ")) else {
            bail!("{} -vV names no release or no host", rustc.display());
        };
        let nightly = release.contains("nightly") || release.contains("dev");
        Ok(nightly.then(|| Self { prefix: prefix.to_owned(), host: host.to_owned() }))
    }

    /// `program` in the root of the repository, with this toolchain first in PATH and nothing of the cargo that runs
    /// this task in the environment.
    pub(crate) fn command(&self, repo: &Repo, program: &Path) -> Result<Command> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = [self.prefix.join("bin")].into_iter().chain(env::split_paths(&path));
        let path = env::join_paths(folders).context("extending PATH")?;
        let mut command = Command::new(program);
        command.current_dir(repo.root()).env("PATH", path);
        for name in [
            "CARGO",
            "RUSTC",
            "RUSTUP_TOOLCHAIN",
            "LD_LIBRARY_PATH",
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
        ] {
            command.env_remove(name);
        }
        Ok(command)
    }

    pub(crate) fn cargo(&self, repo: &Repo) -> Result<Command> {
        self.command(repo, &self.prefix.join("bin/cargo"))
    }
}
