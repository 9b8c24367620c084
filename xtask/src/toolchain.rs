//! Finds what compiles eBPF: a rustc with the sources of `core`, and a bpf-linker to go with it.
//!
//! A toolchain is a prefix: rustup's folder for it, or `/usr`. Its programs are started by path, so
//! that neither rustup's proxies nor PATH decide.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command;
use crate::repo::Repo;

/// Names the toolchain to use: a rustup toolchain, or a prefix such as `/usr`.
pub(crate) const OVERRIDE: &str = "WIRELEDGER_EBPF_TOOLCHAIN";

/// The linker's version: another one may give other bytes.
pub(crate) const LINKER_VERSION: &str = "0.13.0";

/// rust-version of the eBPF crate.
const MINIMUM_RUSTC: [u32; 2] = [1, 95];

/// A cargo and a rustc that have the sources of `core`.
pub(crate) struct Rust {
    pub(crate) prefix: PathBuf,
    /// `rustc --version`
    pub(crate) version: String,
    /// Version of the LLVM that writes the bitcode.
    pub(crate) llvm: String,
}

/// A bpf-linker of [`LINKER_VERSION`].
pub(crate) struct Linker {
    pub(crate) path: PathBuf,
    /// Version of the LLVM that reads the bitcode and writes the code.
    pub(crate) llvm: String,
}

/// All that `cargo xtask build-ebpf` needs.
pub(crate) struct Toolchain {
    pub(crate) rust: Rust,
    pub(crate) linker: Linker,
}

impl Toolchain {
    /// The first toolchain that is complete, if any.
    pub(crate) fn find(repo: &Repo) -> Result<Option<Self>> {
        let Some(linker) = Linker::find(repo)? else {
            return Ok(None);
        };
        let mut candidates = Rust::candidates()?.into_iter();
        let rust = candidates.find(|rust| rust.is_read_by(&linker));
        Ok(rust.map(|rust| Self { rust, linker }))
    }
}

impl Rust {
    /// Toolchains that can compile `core`, the preferred one first.
    pub(crate) fn candidates() -> Result<Vec<Self>> {
        if let Some(named) = env::var_os(OVERRIDE) {
            let named = named.to_string_lossy();
            let prefix = if named.starts_with('/') {
                Some(PathBuf::from(named.as_ref()))
            } else {
                rustup_prefix(&named)
            };
            let rust = prefix.map(|prefix| Self::at(&prefix)).transpose()?;
            let Some(rust) = rust.flatten() else {
                bail!("{OVERRIDE}={named}: no such toolchain with cargo, rustc and rust-src");
            };
            return Ok(vec![rust]);
        }
        let prefixes = ["nightly", "stable"].iter().filter_map(|n| rustup_prefix(n));
        let prefixes = prefixes.chain([PathBuf::from("/usr")]);
        let found: Vec<_> = prefixes.map(|prefix| Self::at(&prefix)).collect::<Result<_>>()?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The toolchain under `prefix`, if it is whole and recent enough.
    pub(crate) fn at(prefix: &Path) -> Result<Option<Self>> {
        let rustc = prefix.join("bin/rustc");
        let whole = rustc.is_file()
            && prefix.join("bin/cargo").is_file()
            && sources(prefix).join("core/src/lib.rs").is_file();
        if !whole {
            return Ok(None);
        }
        let about = command::output(Command::new(&rustc).arg("-vV"))?;
        let field = |name: &str| about.lines().find_map(|line| line.strip_prefix(name));
        let (Some(release), Some(llvm)) = (field("release: "), field("LLVM version: ")) else {
            bail!("{} -vV names no release or no LLVM", rustc.display());
        };
        let recent = numbers(release) >= MINIMUM_RUSTC.to_vec();
        Ok(recent.then(|| Self {
            prefix: prefix.to_owned(),
            version: about.lines().next().unwrap_or_default().to_owned(),
            llvm: llvm.to_owned(),
        }))
    }

    /// LLVM reads bitcode of its own major version and of older ones.
    pub(crate) fn is_read_by(&self, linker: &Linker) -> bool {
        numbers(&self.llvm).first() <= numbers(&linker.llvm).first()
    }

    /// The folder with the sources of the standard library.
    pub(crate) fn sources(&self) -> PathBuf {
        sources(&self.prefix)
    }
}

impl Linker {
    /// Ours in `target/`, else the one in PATH.
    pub(crate) fn find(repo: &Repo) -> Result<Option<Self>> {
        let ours = repo.target("ebpf-tools/bin/bpf-linker");
        let paths = [Some(ours), command::which("bpf-linker")];
        for path in paths.into_iter().flatten().filter(|path| path.is_file()) {
            // One that does not start (its libLLVM is gone) is as good as none.
            let version = command::output(Command::new(&path).arg("--version"));
            if version.is_ok_and(|text| text == format!("bpf-linker {LINKER_VERSION}")) {
                let llvm = llvm_inside(&path)?;
                return Ok(Some(Self { path, llvm }));
            }
        }
        Ok(None)
    }
}

/// The LLVM library that `program` is linked to, unless LLVM is inside it.
pub(crate) fn llvm_library(program: &Path) -> Option<PathBuf> {
    let libraries = command::output(Command::new("ldd").arg(program)).ok()?;
    let line = libraries.lines().find(|line| line.contains("libLLVM"))?;
    line.split_whitespace().nth(2).map(PathBuf::from)
}

/// bpf-linker does not print its LLVM's version, but LLVM carries it as a string.
fn llvm_inside(linker: &Path) -> Result<String> {
    let file = llvm_library(linker).unwrap_or_else(|| linker.to_owned());
    let mut grep = Command::new("grep");
    grep.args(["-aom1", "LLVM version [0-9][0-9.]*"]).arg(&file);
    let found = command::output(&mut grep)
        .with_context(|| format!("looking for the version of LLVM in {}", file.display()))?;
    let version = found.lines().next().and_then(|line| line.rsplit(' ').next());
    Ok(version.unwrap_or_default().to_owned())
}

/// Where rustup keeps `toolchain`, if it is there.
pub(crate) fn rustup_prefix(toolchain: &str) -> Option<PathBuf> {
    let rustup = command::which("rustup")?;
    let mut rustc = Command::new(rustup);
    // A question must not install anything.
    rustc.env("RUSTUP_AUTO_INSTALL", "0");
    rustc.args(["run", toolchain, "rustc", "--print", "sysroot"]);
    command::output(&mut rustc).ok().map(PathBuf::from)
}

fn sources(prefix: &Path) -> PathBuf {
    prefix.join("lib/rustlib/src/rust/library")
}

/// `22.1.8-rust-1.96` → `[22, 1, 8]`
pub(crate) fn numbers(version: &str) -> Vec<u32> {
    let dotted = version.split(|c: char| !c.is_ascii_digit() && c != '.').next();
    let parts = dotted.unwrap_or_default().split('.');
    parts.map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(numbers("22.1.8-rust-1.96.0-stable"), [22, 1, 8]);
        assert!(numbers("1.100.0") > numbers("1.95.0"));
        assert!(numbers("1.95.0-nightly") >= vec![1, 95]);
        assert!(numbers("garbage").is_empty());
    }
}
