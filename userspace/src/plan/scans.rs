//! What is called a scan or a flood, and where evidence of it goes.

use std::path::PathBuf;

use super::Bytes;
use crate::scan::{Prefix, Sensitivity};

/// What is looked for, and what is kept of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scans {
    /// How soon something is called one; nothing is looked for without.
    pub sensitivity: Option<Sensitivity>,
    /// Sources whose scans are their business.
    pub allow: Vec<Prefix>,
    /// Where evidence goes; the flight recorder has it.
    pub evidence: Option<EvidenceFolder>,
}

/// A folder of evidence, and how much may be in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EvidenceFolder {
    /// Where.
    pub folder: PathBuf,
    /// Files, at most.
    pub files: u64,
    /// Bytes of them together, at most.
    pub size: Bytes,
}
