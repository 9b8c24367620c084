//! `cargo xtask tidy`: the rules of ARCHITECTURE.md and CONTRIBUTING.md that a program can check.

mod code;
mod imports;
mod modules;
mod rules;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::repo::Repo;

/// What is not ours to check.
const NOT_SOURCES: [&str; 2] = [".git", "target"];

/// A file as the rules see it.
struct File {
    /// Relative to the root of the repository, with `/`.
    path: String,
    bytes: Vec<u8>,
}

impl File {
    /// The text, unless the file is not one.
    fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn is_manifest(&self) -> bool {
        self.path == "Cargo.toml" || self.path.ends_with("/Cargo.toml")
    }
}

/// A broken rule; `line` counts from 1, and 0 means the whole file.
#[derive(Debug, PartialEq)]
struct Problem {
    line: usize,
    what: String,
}

impl Problem {
    fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

pub(crate) fn run(repo: &Repo) -> Result<()> {
    let mut files = Vec::new();
    collect(repo.root(), repo.root(), &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let checkout = repo.root().to_string_lossy();
    let mut broken = 0;
    for file in &files {
        for Problem { line, what } in check(file, &files, &checkout) {
            eprintln!("{}:{line}: {what}", file.path);
            broken += 1;
        }
    }
    if broken > 0 {
        bail!("{broken} breaches of the house rules");
    }
    eprintln!("{} files in order", files.len());
    Ok(())
}

fn check(file: &File, all: &[File], checkout: &str) -> Vec<Problem> {
    let mut problems = Vec::from_iter(rules::paths(&file.bytes, checkout));
    let Some(text) = file.text() else {
        return problems;
    };
    if file.is_rust() {
        let code = code::only(text);
        problems.extend(rules::opening(text));
        problems.extend(rules::length(&file.path, text));
        problems.extend(rules::words(text));
        problems.extend(modules::undeclared(file, all));
        problems.extend(rules::unsafe_code(&file.path, &code));
        problems.extend(imports::check(&file.path, code::without_tests(&code)));
    }
    if file.is_manifest() {
        problems.extend(rules::manifest(&file.path, text));
    }
    problems
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let path = entry.context("reading a folder")?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if NOT_SOURCES.contains(&&*name) || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files)?;
            continue;
        }
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let path = path.strip_prefix(root).unwrap_or(&path);
        let path = path.to_string_lossy().into_owned();
        files.push(File { path, bytes });
    }
    Ok(())
}
