//! Picks the eBPF object: one named by `WIRELEDGER_BPF_OBJECT`, else the committed one. Builds nothing.

use std::{env, fs, path::Path};

#[path = "../xtask/src/fingerprint.rs"]
mod fingerprint;

fn main() {
    println!("cargo::rerun-if-env-changed=WIRELEDGER_BPF_OBJECT");
    let here = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let committed = Path::new(&here).join("probe/wireledger.bpf.o");
    let object = match env::var_os("WIRELEDGER_BPF_OBJECT") {
        Some(path) => Path::new(&path).to_path_buf(),
        None => {
            warn_when_stale(Path::new(&here));
            committed
        }
    };
    println!("cargo::rerun-if-changed={}", object.display());
    println!("cargo::rustc-env=WIRELEDGER_BPF_OBJECT={}", object.display());
    let revision = fs::read_to_string(Path::new(&here).join("../.git/HEAD")).ok();
    println!("cargo::rustc-env=WIRELEDGER_REVISION={}", revision_of(&here, revision.as_deref()));
}

/// Sources newer than the object are no error: whoever changes them rebuilds it with `cargo xtask build-ebpf`.
fn warn_when_stale(here: &Path) {
    let Some(repository) = here.parent().filter(|root| root.join("probe-ebpf").is_dir()) else {
        return; // A packaged crate carries the object alone.
    };
    let Ok(provenance) = fs::read_to_string(here.join("probe/wireledger.bpf.json")) else {
        println!("cargo::warning=the eBPF object has no provenance file");
        return;
    };
    println!("cargo::rerun-if-changed={}", here.join("probe/wireledger.bpf.json").display());
    for watched in ["probe-ebpf/src", "probe-ebpf/Cargo.toml", "common/src", "common/Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", repository.join(watched).display());
    }
    match fingerprint::sources(repository) {
        Ok(now) if provenance.contains(&now) => {}
        Ok(_) => println!(
            "cargo::warning=the eBPF object is older than its sources: run `cargo xtask build-ebpf`"
        ),
        Err(error) => println!("cargo::warning=cannot read the eBPF sources: {error}"),
    }
}

/// The commit, where the build is one of a git checkout.
fn revision_of(here: &str, head: Option<&str>) -> String {
    let unknown = || "unknown".to_owned();
    let Some(head) = head else { return unknown() };
    let Some(reference) = head.trim().strip_prefix("ref: ") else { return head.trim().to_owned() };
    let path = Path::new(here).join("../.git").join(reference);
    println!("cargo::rerun-if-changed={}", path.display());
    fs::read_to_string(path).map_or_else(|_| unknown(), |commit| commit.trim().to_owned())
}
