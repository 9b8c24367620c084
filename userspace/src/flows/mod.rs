//! Flows in userspace: what the kernel's entries and records add up to. Pure: no clock, no IO.

mod flow;
mod ledger;

pub use flow::{Cause, Flow, Progress, Sort};
pub use ledger::{AccountId, Ledger, Moment, Timeouts, top};
