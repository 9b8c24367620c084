//! Captures on a ledger, against other judges.

mod differential;
mod engines;
mod golden;
mod selection;
mod truncation;
mod written;
