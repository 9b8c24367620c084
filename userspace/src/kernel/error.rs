//! What can go wrong at the kernel boundary, each with what to do about it.

use std::io;

/// An error at the kernel boundary.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The object or one of its maps was refused.
    #[error("cannot load the eBPF object: {source}{advice}")]
    Load {
        /// What aya says.
        source: Box<aya::EbpfError>,
        /// What to do.
        advice: &'static str,
    },
    /// The verifier or a missing capability refused a program.
    #[error("the kernel refused program {program}: {source}{advice}")]
    Program {
        /// Its name.
        program: &'static str,
        /// What aya says.
        source: Box<aya::programs::ProgramError>,
        /// What to do.
        advice: &'static str,
    },
    /// The object lacks something this collector needs.
    #[error("the eBPF object has no {what} {name}: it belongs to another version; rebuild with `cargo xtask build-ebpf`")]
    Object {
        /// Map, program or global.
        what: &'static str,
        /// Its name.
        name: &'static str,
    },
    /// A map operation failed.
    #[error("map {map}: {source}")]
    Map {
        /// Its name.
        map: &'static str,
        /// What aya says.
        source: Box<aya::maps::MapError>,
    },
    /// A system call failed.
    #[error("{doing}: {source}")]
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
    #[error("no place left for {interface}: {places} interfaces are watched; raise --max-interfaces")]
    NoPlace {
        /// The interface.
        interface: String,
        /// How many there are.
        places: u32,
    },
    /// Two interface indices meet in the index table.
    #[error("{interface} cannot be watched together with {other}: their indices meet in the probe's index table")]
    Collision {
        /// The interface.
        interface: String,
        /// The one that is watched.
        other: String,
    },
    /// Netlink failed.
    #[error("netlink: {source}")]
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
        move |source| Self::Map { map, source: Box::new(source.into()) }
    }
}

/// Advice for a refusal with EPERM; empty for any other.
pub(super) fn capability_advice(error: &(dyn std::error::Error + 'static)) -> &'static str {
    const ADVICE: &str = "; loading needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN: run as root or \
         `setcap cap_bpf,cap_perfmon,cap_net_admin+ep wireledger`";
    if os_error(error) == Some(libc::EPERM) || chain(error).contains("Operation not permitted") {
        return ADVICE;
    }
    ""
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

/// An error and its causes in one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
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
