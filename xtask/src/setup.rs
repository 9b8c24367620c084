//! `cargo xtask setup`: finds or installs the eBPF toolchain and the programs that the tests use.
//!
//! What is there already is left alone. Packages are installed only as root on Debian; everything
//! else goes to `target/`, or is left to the reader with the command to run.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::repo::Repo;
use crate::toolchain::{LINKER_VERSION, Linker, OVERRIDE, Rust, Toolchain, llvm_library, numbers};
use crate::{apt, command, python};

/// Programs that the tests start, and the Debian package of each.
const TEST_TOOLS: [(&str, &str); 14] = [
    ("ip", "iproute2"),
    ("bpftool", "bpftool"),
    ("capinfos", "wireshark-common"),
    ("curl", "curl"),
    ("ethtool", "ethtool"),
    ("hping3", "hping3"),
    ("iperf3", "iperf3"),
    ("nmap", "nmap"),
    ("nsenter", "util-linux"),
    ("openssl", "openssl"),
    ("ping", "iputils-ping"),
    ("tcpdump", "tcpdump"),
    ("tshark", "tshark"),
    ("zstd", "zstd"),
];

/// The library that compiles filter expressions, which the product opens and the tests judge by: its name for the
/// dynamic linker, and the Debian packages that may have it.
const LIBPCAP: (&str, [&str; 2]) = ("libpcap.so.0.8", ["libpcap0.8", "libpcap0.8t64"]);

/// Programs that the bench of live captures compares with.
const CAPTURERS: [(&str, &str); 2] = [("tcpdump", "tcpdump"), ("xdpdump", "xdp-tools")];

/// Programs that the bench of reading captures compares with.
const READERS: [(&str, &str); 3] =
    [("tshark", "tshark"), ("tcpdump", "tcpdump"), ("capinfos", "wireshark-common")];

/// More of them. Unpacked, never installed: the packages would start services.
const FLOW_TOOLS: [(&str, &str); 2] = [("softflowd", "softflowd"), ("nfpcapd", "nfdump")];

/// The exporter that the bench of scrapes compares with. Unpacked as well.
const EXPORTER: [(&str, &str); 1] = [("prometheus-node-exporter", "prometheus-node-exporter")];

/// Unpacked, never installed: the package would start a service.
const PROMETHEUS: &str = "tools/prometheus";

pub(crate) fn run(repo: &Repo) -> Result<()> {
    ebpf(repo)?;
    let missing = test_tools(repo)?;
    if !missing.is_empty() {
        bail!("programs that the tests use are missing; install {}", missing.join(", "));
    }
    Ok(())
}

/// The eBPF toolchain, installed if need be.
pub(crate) fn ebpf(repo: &Repo) -> Result<Toolchain> {
    if let Some(found) = Toolchain::find(repo)? {
        report("already there", &found);
        return Ok(found);
    }
    let rust = rust_with_sources()?;
    if Linker::find(repo)?.is_none_or(|linker| !rust.is_read_by(&linker)) {
        install_linker(repo, &rust)?;
    }
    let Some(found) = Toolchain::find(repo)? else {
        bail!("bpf-linker {LINKER_VERSION} does not read what {} writes", rust.version);
    };
    report("installed", &found);
    Ok(found)
}

/// Makes the tests' programs available; the packages it returns could not be installed.
pub(crate) fn test_tools(repo: &Repo) -> Result<Vec<&'static str>> {
    let absent = || TEST_TOOLS.iter().filter(|(tool, _)| command::which(tool).is_none());
    let packages: Vec<_> = absent().map(|(_, package)| *package).collect();
    if apt::usable() {
        if !packages.is_empty() {
            apt::install(&packages)?;
        }
        if !has_libpcap() {
            // Debian trixie renamed it, for its 64-bit times.
            let package = LIBPCAP.1.into_iter().find(|package| apt::offers(package));
            apt::install(package.as_slice())?;
        }
        if !has_prometheus(repo) {
            apt::unpack("prometheus", &repo.target(PROMETHEUS))?;
        }
    }
    let mut missing: Vec<_> = absent().map(|(_, package)| *package).collect();
    if !has_libpcap() {
        missing.push(LIBPCAP.1[0]);
    }
    if !has_prometheus(repo) {
        missing.push("prometheus");
    }
    if let Err(error) = python::prepare(repo) {
        eprintln!("warning: {error:#}");
        missing.push(python::PACKAGE);
    }
    if missing.is_empty() {
        eprintln!("already there: the programs that the tests use");
    }
    Ok(missing)
}

/// The folder with `prometheus` and `promtool`, for the tests' PATH.
pub(crate) fn prometheus_folder(repo: &Repo) -> PathBuf {
    repo.target(PROMETHEUS).join("usr/bin")
}

/// Makes the bench's programs available where that can be done; the bench says which are not there.
pub(crate) fn flow_tools(repo: &Repo) -> Result<()> {
    if !apt::usable() {
        return Ok(());
    }
    installed(&READERS)?;
    unpacked(repo, &FLOW_TOOLS)
}

/// Makes the exporter available that the bench of scrapes compares with.
pub(crate) fn exporter(repo: &Repo) -> Result<()> {
    if apt::usable() { unpacked(repo, &EXPORTER) } else { Ok(()) }
}

fn unpacked(repo: &Repo, tools: &[(&str, &str)]) -> Result<()> {
    for (tool, package) in tools {
        let is_there = || unpacked_folders(repo).any(|folder| folder.join(tool).is_file());
        if command::which(tool).is_none() && !is_there() {
            apt::unpack(package, &repo.target("tools").join(package))?;
        }
    }
    Ok(())
}

/// Makes the programs available that the bench of live captures compares with.
pub(crate) fn capture_tools() -> Result<()> {
    if apt::usable() { installed(&CAPTURERS) } else { Ok(()) }
}

fn installed(tools: &[(&str, &str)]) -> Result<()> {
    let absent = tools.iter().filter(|(tool, _)| command::which(tool).is_none());
    let packages: Vec<_> = absent.map(|(_, package)| *package).collect();
    if packages.is_empty() { Ok(()) } else { apt::install(&packages) }
}

/// Folders with what was unpacked, for the benches' PATH.
pub(crate) fn unpacked_folders(repo: &Repo) -> impl Iterator<Item = PathBuf> {
    let tools = repo.target("tools");
    FLOW_TOOLS.into_iter().chain(EXPORTER).flat_map(move |(_, package)| {
        ["usr/bin", "usr/sbin"].map(|folder| tools.join(package).join(folder))
    })
}

/// Whether the dynamic linker knows it.
fn has_libpcap() -> bool {
    let cache = ["ldconfig", "/sbin/ldconfig"]
        .into_iter()
        .find_map(|ldconfig| command::output(Command::new(ldconfig).arg("-p")).ok());
    cache.is_some_and(|cache| cache.contains(LIBPCAP.0))
}

fn has_prometheus(repo: &Repo) -> bool {
    let there =
        |tool| prometheus_folder(repo).join(tool).is_file() || command::which(tool).is_some();
    there("prometheus") && there("promtool")
}

fn report(how: &str, found: &Toolchain) {
    let Toolchain { rust, linker } = found;
    eprintln!(
        "{how}: {} in {} (LLVM {}), bpf-linker {LINKER_VERSION} at {} (LLVM {})",
        rust.version,
        rust.prefix.display(),
        rust.llvm,
        linker.path.display(),
        linker.llvm
    );
}

/// The preferred toolchain that has rust-src, installed when there is none.
fn rust_with_sources() -> Result<Rust> {
    let first = || anyhow::Ok(Rust::candidates()?.into_iter().next());
    if let Some(rust) = first()? {
        return Ok(rust);
    }
    eprintln!("no Rust toolchain with the component rust-src");
    if apt::usable() {
        // The -web packages are a recent Rust in Debian stable; testing has it under the plain
        // names.
        if apt::offers("rustc-web") {
            apt::install(&["rustc-web", "cargo-web", "rust-web-src"])?;
        } else {
            apt::install(&["rustc", "cargo", "rust-src"])?;
        }
    } else if command::which("rustup").is_some() {
        command::run(Command::new("rustup").args(["component", "add", "rust-src"]))?;
    }
    first()?.with_context(|| {
        format!(
            "no Rust toolchain with rust-src: run rustup component add rust-src, \
             or name one in {OVERRIDE}"
        )
    })
}

/// Into `target/`, so that nothing of the user's changes.
fn install_linker(repo: &Repo, rust: &Rust) -> Result<()> {
    let root = repo.target("ebpf-tools");
    let library = llvm_library(&rust.prefix.join("bin/rustc"));
    // A distribution's rustc uses the system's libLLVM, and so can the linker; rustup's is private
    // to its rustc.
    if let Some(library) = library.filter(|_| rust.prefix.starts_with("/usr")) {
        let llvm = repo.target("ebpf-tools/llvm");
        let link = llvm.join("lib/libLLVM.so");
        fs::create_dir_all(llvm.join("lib"))
            .with_context(|| format!("making {}", llvm.display()))?;
        if link.is_symlink() {
            fs::remove_file(&link).with_context(|| format!("removing {}", link.display()))?;
        }
        symlink(&library, &link).with_context(|| format!("linking {}", link.display()))?;
        let major = numbers(&rust.llvm).first().copied().unwrap_or_default();
        let mut cargo = repo.cargo();
        cargo
            .env("LLVM_PREFIX", &llvm)
            // It is a build tool: building it takes longer than running it ever will.
            .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_STRIP", "true");
        cargo.args(["install", "bpf-linker", "--version", LINKER_VERSION, "--locked", "--force"]);
        cargo.args(["--no-default-features", "--features", &format!("llvm-{major}")]);
        return command::run(cargo.arg("--root").arg(root));
    }
    if command::which("cargo-binstall").is_some() {
        let mut cargo = repo.cargo();
        cargo.args(["binstall", "--no-confirm", "--root"]).arg(root);
        return command::run(cargo.arg(format!("bpf-linker@{LINKER_VERSION}")));
    }
    bail!(
        "bpf-linker {LINKER_VERSION} is missing: run cargo binstall bpf-linker@{LINKER_VERSION}, \
         or cargo install bpf-linker --version {LINKER_VERSION} --locked with LLVM {} at hand",
        rust.llvm
    );
}
