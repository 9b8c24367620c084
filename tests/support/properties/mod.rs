//! What must hold for every input: functions of bytes that panic when it does not.
//!
//! The fuzzer (`tests/fuzz`) runs them on what it makes up; the test `regress` runs them on stable Rust, over the inputs in
//! `tests/regress/<property>/` and over the seeds. They have no state between two calls and no source of chance.

mod captures;
mod input;
mod probe;

pub mod capture;
pub mod filter;
pub mod inner;
pub mod ledger;
pub mod packet;
pub mod query;
pub mod record;
pub mod table;
pub mod wire;
pub mod wire_cut;

use std::path::Path;

use crate::packets::every_kind;

/// One property, which is one target of the fuzzer.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// Its module here, its file in `tests/fuzz/targets`, its folder in `tests/regress`.
    pub name: &'static str,
    /// Panics when the property does not hold for the bytes.
    pub check: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn(&[Frame]) -> Vec<Vec<u8>>,
}

/// Every property.
pub const ALL: [Property; 10] = [
    Property { name: "capture", check: capture::check, seeds: capture::seeds },
    Property { name: "filter", check: filter::check, seeds: filter::seeds },
    Property { name: "inner", check: inner::check, seeds: inner::seeds },
    Property { name: "ledger", check: ledger::check, seeds: ledger::seeds },
    Property { name: "packet", check: packet::check, seeds: packet::seeds },
    Property { name: "query", check: query::check, seeds: query::seeds },
    Property { name: "record", check: record::check, seeds: record::seeds },
    Property { name: "table", check: table::check, seeds: table::seeds },
    Property { name: "wire", check: wire::check, seeds: wire::seeds },
    Property { name: "wire_cut", check: wire_cut::check, seeds: wire_cut::seeds },
];

/// A frame to make seeds of.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its first bytes.
    pub bytes: Vec<u8>,
    /// How long it was on the wire.
    pub length: u32,
}

/// A crafted frame of every kind.
#[must_use]
pub fn crafted() -> Vec<Frame> {
    let whole = |bytes: Vec<u8>| Frame { length: bytes.len() as u32, bytes };
    every_kind().into_iter().map(|(_, bytes)| whole(bytes)).collect()
}

/// Ethernet frames from the captures under `folder`, a few of each.
///
/// # Errors
/// When a folder or a file cannot be read; a damaged capture is no error and gives what comes before the damage.
pub fn captured(folder: &Path) -> anyhow::Result<Vec<Frame>> {
    captures::frames(folder)
}
