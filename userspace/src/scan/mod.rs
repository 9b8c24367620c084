//! Scans, named as nmap names them, from what flows say. Pure: no clock, no IO, bounded memory.
//!
//! An [`Attempt`] is a flow that somebody began and what came back. What it was for is decided by [`probe`]; sources that
//! failed once or twice wait among the newcomers, those that went on are suspects, and what a suspect did becomes a
//! [`Verdict`] when it passes the thresholds of [`Sensitivity`].
//!
//! Guarantees: nothing is allocated for a source before its fourth distinct failure; memory is bounded by [`Settings`];
//! whoever is forgotten for want of room is counted.

mod alone;
mod attempt;
mod bounded;
mod case;
mod counters;
mod detector;
pub mod flood;
mod lately;
mod newcomers;
mod once;
mod one_way;
mod pairs;
mod ports;
mod probe;
mod protocol;
mod rows;
mod settings;
mod successes;
mod suspect;
mod suspects;
mod tell;
mod track;
mod unseen;
mod verdict;
mod weigh;

#[cfg(test)]
mod tests;

pub use attempt::{Attempt, begins, link_header, reverse};
pub use counters::{Counters, NoMemory};
pub use detector::Detector;
pub use ports::ranges;
pub use probe::Outcome;
pub use settings::{BadPrefix, Prefix, Sensitivity, Settings, Thresholds};
pub use unseen::Unseen;
pub use verdict::{
    Confidence, Kind, OpenPort, OpenPorts, Ports, Shape, Stage, Tag, Targets, Verdict,
};
