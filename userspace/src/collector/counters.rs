//! The kernel's own counters of the watched interfaces, read for whoever asks.

use std::time::Instant;

use super::watch::Watch;
use crate::{
    kernel::{
        chain,
        devices::{self, Counted},
        namespace::Namespace,
    },
    report::{KernelCount, KernelCounters, KernelInterface},
};

/// Never fails: a failure is part of what is told.
pub(super) fn read(namespace: &Namespace, watch: &Watch) -> KernelCounters {
    let began = Instant::now();
    let mut interfaces = Vec::new();
    let read = devices::counters(namespace, |name, received, sent| {
        if watch.has(name) {
            let interface = name.to_owned();
            let (ingress, egress) = (count(received), count(sent));
            interfaces.push(KernelInterface { interface, ingress, egress });
        }
    });
    let failure = read.err().map(|error| chain(&error));
    if let Some(error) = &failure {
        tracing::warn!(error, "no counters of the kernel's");
    }
    interfaces.sort_by(|a, b| a.interface.cmp(&b.interface));
    KernelCounters { interfaces, failure, took: began.elapsed().as_secs_f64() }
}

const fn count(counted: Counted) -> KernelCount {
    let Counted { packets, bytes, errors, drops, fifo_errors } = counted;
    KernelCount { packets, bytes, errors, drops, fifo_errors }
}
