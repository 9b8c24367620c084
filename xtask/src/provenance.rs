//! What a committed eBPF object says of its making: the `.json` beside the `.bpf.o`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::toolchain::{LINKER_VERSION, Toolchain};

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Provenance {
    /// SHA-256 of the object's bytes.
    pub(crate) sha256: String,
    /// [`crate::fingerprint::sources`] when it was compiled.
    pub(crate) fingerprint: String,
    /// `rustc --version`
    pub(crate) rustc: String,
    /// rustc's LLVM
    pub(crate) llvm: String,
    /// bpf-linker and its LLVM
    pub(crate) linker: String,
}

impl Provenance {
    pub(crate) fn new(object: &[u8], fingerprint: &str, toolchain: &Toolchain) -> Self {
        let linker_llvm = &toolchain.linker.llvm;
        Self {
            sha256: sha256(object),
            fingerprint: fingerprint.to_owned(),
            rustc: toolchain.rust.version.clone(),
            llvm: toolchain.rust.llvm.clone(),
            linker: format!("bpf-linker {LINKER_VERSION} (LLVM {linker_llvm})"),
        }
    }

    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("parsing {}", file.display()))
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("writing JSON")?;
        fs::write(file, text + "\n").with_context(|| format!("writing {}", file.display()))
    }

    /// Whether the same sources must have given the same bytes.
    pub(crate) fn same_tools(&self, other: &Self) -> bool {
        self.rustc == other.rustc && self.llvm == other.llvm && self.linker == other.linker
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
