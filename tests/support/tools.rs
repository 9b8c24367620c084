//! Waiting for a state, and programs that a test starts.

use std::{
    env,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::process::PATIENCE;

/// Asks until `look` has an answer.
///
/// # Errors
/// When `look` fails, or has none within [`PATIENCE`]; `what` then says what was waited for.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let since = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if since.elapsed() > PATIENCE {
            bail!("waited {PATIENCE:?} in vain: {what}");
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Where a program is: the environment variable names it, else it is in PATH.
#[must_use]
pub fn find(program: &str, variable: &str) -> Option<PathBuf> {
    let named = env::var_os(variable).map(PathBuf::from);
    named.or_else(|| {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
    })
}

/// Whether this is a run in which nothing may be skipped.
#[must_use]
pub fn is_ci() -> bool {
    env::var_os("CI").is_some()
}
