//! `cargo xtask build-ebpf`: compiles the committed eBPF objects, the same bytes everywhere.
//!
//! The bytes depend on the sources and on the versions of rustc, LLVM and bpf-linker; not on where
//! the checkout, cargo's home or the toolchain are, nor on the caller's environment.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::provenance::{Provenance, sha256};
use crate::repo::Repo;
use crate::toolchain::Toolchain;
use crate::{command, fingerprint, rustc, setup, strip};

const TARGET: &str = "bpfel-unknown-none";

/// Binaries of the eBPF crate, and the folder where each one's object is committed.
const OBJECTS: [(&str, &str); 2] = [("wireledger", "userspace/probe"), ("ladder", "benches/probe")];

/// Variables of cargo's that say how to reach a registry and nothing about the code.
const KEPT: [&str; 4] = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write nothing into the sources; fail when a committed object is not what they give
    #[arg(long, conflicts_with = "out")]
    check: bool,
    /// Write the objects into this folder, not to where they are committed
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(repo: &Repo, args: &Args) -> Result<()> {
    if args.check {
        let toolchain = Toolchain::find(repo)?;
        if toolchain.is_none() {
            eprintln!(
                "no eBPF toolchain here (cargo xtask setup): comparing fingerprints, not objects"
            );
        }
        return check(repo, toolchain.as_ref());
    }
    let toolchain = setup::ebpf(repo)?;
    for (bin, committed) in OBJECTS {
        let folder = args.out.clone().unwrap_or_else(|| repo.path(committed));
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let (object, provenance) = compile(repo, &toolchain, bin)?;
        let (file, json) = files(&folder, bin);
        fs::write(&file, &object).with_context(|| format!("writing {}", file.display()))?;
        provenance.write(&json)?;
        eprintln!("{} written, {} bytes", file.display(), object.len());
    }
    Ok(())
}

/// Fails when a committed object is stale. With a toolchain, leaves fresh ones in [`fresh`].
pub(crate) fn check(repo: &Repo, toolchain: Option<&Toolchain>) -> Result<()> {
    let fingerprint = fingerprint(repo)?;
    let mut problems = Vec::new();
    for (bin, folder) in OBJECTS {
        let built = toolchain.map(|toolchain| compile_fresh(repo, toolchain, bin));
        let built = built.transpose()?;
        if let Err(problem) = compare(&repo.path(folder), bin, &fingerprint, built.as_ref()) {
            problems.push(format!("{folder}/{bin}.bpf.o: {problem:#}"));
        }
    }
    if !problems.is_empty() {
        bail!("{}\nrun cargo xtask build-ebpf", problems.join("\n"));
    }
    Ok(())
}

/// Where `check` leaves the object that it compiled.
pub(crate) fn fresh(repo: &Repo, bin: &str) -> PathBuf {
    files(&repo.target("ebpf/fresh"), bin).0
}

fn compare(folder: &Path, bin: &str, fingerprint: &str, built: Option<&Provenance>) -> Result<()> {
    let (file, json) = files(folder, bin);
    let object = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    let committed = Provenance::read(&json)?;
    if sha256(&object) != committed.sha256 {
        bail!("not the object that its .json describes");
    }
    if committed.fingerprint != fingerprint {
        bail!("compiled from other sources than these");
    }
    match built.filter(|built| built.same_tools(&committed)) {
        Some(built) if built.sha256 != committed.sha256 => {
            bail!("compiling these sources with the same tools gives other bytes")
        }
        Some(_) => eprintln!("{bin}.bpf.o: same bytes as compiled here"),
        None => eprintln!("{bin}.bpf.o: compiled from these sources by {}", committed.rustc),
    }
    Ok(())
}

fn compile_fresh(repo: &Repo, toolchain: &Toolchain, bin: &str) -> Result<Provenance> {
    let (object, provenance) = compile(repo, toolchain, bin)?;
    let file = fresh(repo, bin);
    let folder = repo.target("ebpf/fresh");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    fs::write(&file, object).with_context(|| format!("writing {}", file.display()))?;
    Ok(provenance)
}

fn compile(repo: &Repo, toolchain: &Toolchain, bin: &str) -> Result<(Vec<u8>, Provenance)> {
    let target = repo.target("ebpf");
    let mut cargo = child_cargo(repo, toolchain)?;
    cargo.env("CARGO_ENCODED_RUSTFLAGS", rustflags(repo, toolchain)?);
    cargo.args(["build", "--release", "--locked", "-Z", "build-std=core"]);
    cargo.args(["--target", TARGET, "--bin", bin]);
    command::run(cargo.arg("--target-dir").arg(&target))?;
    let linked = target.join(TARGET).join("release").join(bin);
    let bytes = fs::read(&linked).with_context(|| format!("reading {}", linked.display()))?;
    let object =
        strip::object(&bytes).with_context(|| format!("stripping {}", linked.display()))?;
    let provenance = Provenance::new(&object, &fingerprint(repo)?, toolchain);
    Ok((object, provenance))
}

/// The toolchain's cargo in the eBPF crate, without what the caller's cargo and rustup put into the
/// environment.
fn child_cargo(repo: &Repo, toolchain: &Toolchain) -> Result<Command> {
    let wrapper = env::current_exe().context("finding this program")?;
    let bin = toolchain.rust.prefix.join("bin");
    let mut cargo = Command::new(bin.join("cargo"));
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let foreign =
            ["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"]
                .iter()
                .any(|prefix| text.starts_with(prefix));
        if foreign && !KEPT.iter().any(|prefix| text.starts_with(prefix)) {
            cargo.env_remove(&name);
        }
    }
    cargo
        .current_dir(repo.path("probe-ebpf"))
        .env("RUSTC", bin.join("rustc"))
        .env("RUSTC_WRAPPER", wrapper)
        .env(rustc::ROLE, "1")
        // -Z build-std on a stable compiler; for this child only.
        .env("RUSTC_BOOTSTRAP", "1")
        // Not a flag: flags go into the crates' hashes, and this path is another one in each
        // checkout.
        .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &toolchain.linker.path);
    Ok(cargo)
}

/// Flags that make the object complete and independent of where it was compiled.
fn rustflags(repo: &Repo, toolchain: &Toolchain) -> Result<OsString> {
    let mut flags = vec![
        "-Clink-arg=--btf".into(),
        // Before Linux 6.8 the verifier takes a loop only if a jump closes it, which the compiler
        // does not promise; without loops there is nothing to take.
        "-Clink-arg=--unroll-loops".into(),
        "-Cdebuginfo=2".into(),
        // BPF's third instruction set has 32-bit arithmetic and compares (Linux 5.1): shorter
        // programs, and a third of the verifier's walk.
        "-Ctarget-cpu=v3".into(),
        // As aya-build does: aya-ebpf's context types depend on the machine that the kernel runs
        // on.
        "--cfg=bpf_target_arch=\"x86_64\"".into(),
    ];
    // rustc takes the last one that fits.
    let mut remap = |from: &Path, to: &str| {
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(from);
        flag.push("=");
        flag.push(to);
        flags.push(flag);
    };
    remap(repo.root(), "..");
    remap(&repo.path("probe-ebpf"), ".");
    for registry in registries(repo, toolchain)? {
        remap(&registry, "/cargo");
    }
    let library = toolchain.rust.sources();
    let real = library.canonicalize().context("finding the sources of core")?;
    remap(&library, "/rustc/library");
    remap(&real, "/rustc/library");
    Ok(flags.join("\u{1f}".as_ref()))
}

/// Folders of unpacked crates, one per registry: their names differ by how a registry is reached.
fn registries(repo: &Repo, toolchain: &Toolchain) -> Result<Vec<PathBuf>> {
    // A folder that this build would only now create would not be mapped.
    command::run(child_cargo(repo, toolchain)?.args(["fetch", "--quiet", "--locked"]))?;
    let home = match env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => PathBuf::from(env::var_os("HOME").context("HOME is not set")?).join(".cargo"),
    };
    let sources = home.join("registry/src");
    let entries =
        fs::read_dir(&sources).with_context(|| format!("reading {}", sources.display()))?;
    let mut folders = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    folders.sort();
    Ok(folders)
}

fn fingerprint(repo: &Repo) -> Result<String> {
    fingerprint::sources(repo.root()).context("reading the sources of the eBPF objects")
}

fn files(folder: &Path, bin: &str) -> (PathBuf, PathBuf) {
    (folder.join(format!("{bin}.bpf.o")), folder.join(format!("{bin}.bpf.json")))
}
