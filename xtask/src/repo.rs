//! Where things are in the repository.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// The checkout that a task works on.
pub(crate) struct Repo {
    root: PathBuf,
    target: PathBuf,
}

impl Repo {
    /// The checkout that cargo runs this task from; `WIRELEDGER_ROOT` names another one.
    pub(crate) fn find() -> Result<Self> {
        let root = match env::var_os("WIRELEDGER_ROOT") {
            Some(root) => PathBuf::from(root),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name(""),
        };
        let root = root
            .canonicalize()
            .with_context(|| format!("finding the repository at {}", root.display()))?;
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(target) => {
                env::current_dir().context("reading the working directory")?.join(target)
            }
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    pub(crate) fn target(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.target.join(relative)
    }

    /// The cargo that runs this task, in the root of the repository.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root);
        command
    }
}
