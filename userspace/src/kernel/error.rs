//! What can go wrong at the kernel boundary, each with what to do about it.

use std::io;

use aya::programs::ProgramError;
use caps::{CapSet, Capability};

/// An error at the kernel boundary.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The object or one of its maps was refused.
    #[error("cannot load the eBPF object: {why}")]
    Load {
        /// What the kernel said, and what to do.
        why: String,
    },
    /// The verifier or a missing capability refused a program.
    #[error("the kernel refused program {program}: {why}")]
    Program {
        /// Its name.
        program: &'static str,
        /// What the kernel said, and what to do; the verifier's whole log is in our own at debug level.
        why: String,
    },
    /// The object lacks something this collector needs.
    #[error(
        "the eBPF object has no {what} {name}: it belongs to another version; rebuild with `cargo xtask build-ebpf`"
    )]
    Object {
        /// Map, program or global.
        what: &'static str,
        /// Its name.
        name: &'static str,
    },
    /// A map operation failed.
    #[error("map {map}: {why}")]
    Map {
        /// Its name.
        map: &'static str,
        /// What the kernel said.
        why: String,
    },
    /// A system call failed.
    #[error("{doing}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What the kernel says.
        source: io::Error,
    },
    /// The interface is not there.
    #[error("no interface {name} in this network namespace; `ip link` lists them")]
    NoInterface {
        /// Its name.
        name: String,
    },
    /// The hook is taken or refused.
    #[error("cannot attach to {interface} ({hook}): {why}")]
    Attach {
        /// The interface.
        interface: String,
        /// Which hook and mode.
        hook: &'static str,
        /// Why, and what to do.
        why: String,
    },
    /// More interfaces than places.
    #[error(
        "no place left for {interface}: {places} interfaces are watched; raise --max-interfaces"
    )]
    NoPlace {
        /// The interface.
        interface: String,
        /// How many there are.
        places: u32,
    },
    /// Two interface indices meet in the index table.
    #[error(
        "{interface} cannot be watched together with {other}: their indices meet in the probe's index table"
    )]
    Collision {
        /// The interface.
        interface: String,
        /// The one that is watched.
        other: String,
    },
    /// Netlink failed.
    #[error("netlink")]
    Netlink {
        /// What the crate says.
        source: Box<rtnetlink::Error>,
    },
}

impl Error {
    pub(super) fn system(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { doing, source }
    }

    pub(super) fn map<E: Into<aya::maps::MapError>>(map: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Map { map, why: chain(&error.into()) }
    }
}

impl Error {
    /// A refused object.
    pub(super) fn load(error: &aya::EbpfError) -> Self {
        Self::Load { why: chain(error) + &missing_capabilities() }
    }

    /// A refused program, with the verifier's last word instead of its log.
    pub(super) fn program(program: &'static str) -> impl FnOnce(ProgramError) -> Self {
        move |error| {
            tracing::debug!(program, "refused: {error}");
            let why = match &error {
                ProgramError::LoadError { io_error, verifier_log } => {
                    let log = verifier_log.to_string();
                    let verdict = log.lines().rev().find(|line| {
                        let line = line.trim();
                        !["", "}"].contains(&line)
                            && !["processed", "verification time", "stack depth"]
                                .iter()
                                .any(|tail| line.starts_with(tail))
                    });
                    match verdict {
                        Some(verdict) => format!("{io_error}: {}", verdict.trim()),
                        None => io_error.to_string(),
                    }
                }
                other => chain(other),
            };
            Self::Program { program, why: why + &missing_capabilities() }
        }
    }
}

/// What loading needs (capabilities(7); CAP_PERFMON for what the verifier otherwise forbids to do with pointers).
pub(super) const CAPABILITIES: [Capability; 3] =
    [Capability::CAP_BPF, Capability::CAP_PERFMON, Capability::CAP_NET_ADMIN];

/// Advice that names the capabilities this process lacks; empty when it lacks none.
pub(super) fn missing_capabilities() -> String {
    let has = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
    let missing = CAPABILITIES.into_iter().filter(|&one| !has(one));
    let missing: Vec<_> = missing.map(|one| one.to_string()).collect();
    if missing.is_empty() {
        return String::new();
    }
    format!(
        "; missing: {}: run as root or `setcap cap_bpf,cap_perfmon,cap_net_admin+ep wireledger`",
        missing.join(", ")
    )
}

/// The system's error number somewhere among the causes.
pub(super) fn os_error(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return io.raw_os_error();
        }
        cause = error.source();
    }
    None
}

/// An error and its causes in one line, none said twice.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line
}
