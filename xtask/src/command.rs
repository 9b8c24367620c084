//! Running child processes: the command line on stderr, the failure as an error.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Runs `command` with our own standard streams; any exit code but 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    echo(command);
    let status = command.status().with_context(|| format!("starting {}", name(command)))?;
    if !status.success() {
        bail!("{} failed: {status}", line(command));
    }
    Ok(())
}

/// What `command` prints, without the last newline. Quiet: for questions, not for work.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("starting {}", name(command)))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed: {}: {}", line(command), output.status, stderr.trim());
    }
    let text = String::from_utf8(output.stdout)
        .with_context(|| format!("reading the output of {}", line(command)))?;
    Ok(text.trim_end().to_owned())
}

/// Prints the command line as a shell would trace it.
pub(crate) fn echo(command: &Command) {
    eprintln!("+ {}", line(command));
}

/// Where `program` is: in PATH, or where administrators' programs are.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn line(command: &Command) -> String {
    let arguments = command.get_args().map(OsStr::to_string_lossy);
    let words: Vec<_> = std::iter::once(name(command).into()).chain(arguments).collect();
    words.join(" ")
}

/// The program's name; cargo's path in its toolchain says nothing to a reader.
fn name(command: &Command) -> String {
    let program = Path::new(command.get_program());
    match program.file_name() {
        Some(file) if file == "cargo" => "cargo".to_owned(),
        _ => program.display().to_string(),
    }
}
