//! Installing with Debian's packages, where that is ours to do: as root, with apt-get there.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Once;

use anyhow::{Context as _, Result, bail};

use crate::{command, privilege};

/// Package lists are refreshed once per run, and only by a run that installs something.
static UPDATE: Once = Once::new();

pub(crate) fn usable() -> bool {
    command::which("apt-get").is_some() && privilege::is_root()
}

/// Whether the archive offers `package`.
pub(crate) fn offers(package: &str) -> bool {
    update();
    let shown = command::output(Command::new("apt-cache").args(["show", package]));
    shown.is_ok_and(|text| !text.is_empty())
}

pub(crate) fn install(packages: &[&str]) -> Result<()> {
    update();
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt.args(["install", "-y", "-q", "--no-install-recommends"]);
    command::run(apt.args(packages))
}

/// Unpacks `package` into `folder` and runs none of its scripts: a service is neither installed nor
/// started.
pub(crate) fn unpack(package: &str, folder: &Path) -> Result<()> {
    update();
    let downloads = folder.with_extension("deb");
    fs::create_dir_all(&downloads).with_context(|| format!("making {}", downloads.display()))?;
    let mut apt = Command::new("apt-get");
    command::run(apt.args(["download", "-q", package]).current_dir(&downloads))?;
    let mut files = fs::read_dir(&downloads)
        .with_context(|| format!("reading {}", downloads.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    let Some(file) = files.pop() else {
        bail!("apt-get downloaded nothing for {package}");
    };
    command::run(Command::new("dpkg").arg("-x").args([&file, folder]))?;
    fs::remove_dir_all(&downloads).with_context(|| format!("removing {}", downloads.display()))
}

/// A failure is left to what follows: the lists at hand may do.
fn update() {
    UPDATE.call_once(|| {
        if let Err(error) = command::run(Command::new("apt-get").args(["update", "-q"])) {
            eprintln!("warning: {error:#}");
        }
    });
}
