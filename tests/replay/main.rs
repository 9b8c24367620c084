//! Captures on a ledger, against other judges.

mod differential;
mod engines;
mod floods;
mod golden;
mod scans;
mod selection;
mod truncation;
mod written;
