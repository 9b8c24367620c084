//! The demonstration: a host of its own making, traffic of its own making, and the ledger that must balance with it.
//!
//! Two network namespaces without names, joined by a veth pair; nothing of them is left when the process ends, however it
//! ends.

mod lab;
mod traffic;

pub use lab::{Lab, NEAR};
pub use traffic::{Sent, Traffic};
