//! The kernel's side of the boundary as userspace sees it: load, attach, read. Nobody else names aya.
//!
//! Guarantees: attaches by bpf_link only, so that a crash detaches; never replaces somebody else's program; reads
//! maps without stopping their writers.

mod attach;
mod capture;
mod clock;
mod counters;
pub mod devices;
pub mod doctor;
pub mod elf;

mod error;
mod flows;
mod handshakes;
pub mod links;
mod load;
mod log;
pub mod namespace;
mod object;
pub mod packet;
mod records;
mod run;
mod samples;

pub use attach::{Attachment, Hook};
pub use capture::{Filter, Handover, Place};
pub use clock::{Clock, Wall};
pub use counters::{PlaceTotals, sum};
pub use error::{Error, chain};
pub use flows::Table;
pub use handshakes::Handshakes;
pub use load::{FRAGMENT_LIFE, Layout, Placed, Probe, ProgramCost, REORDER, Replayed, Sizes};
pub use log::pump;
pub use records::{Records, announced};
pub use run::{Verified, stay_on_this_cpu};
pub use samples::Samples;
