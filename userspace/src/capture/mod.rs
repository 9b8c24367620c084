//! Capture sessions as everybody outside the kernel sees them: what is asked for, who holds a slot, the pcapng that a session
//! becomes, the flight recorder, and evidence cut from it.
//!
//! Pure but for channels: arming is the collector's.

mod desk;
mod evidence;
mod filters;
mod recorder;
mod request;
mod stream;
mod tally;

pub use desk::{Desk, Hold, Opened, Order, Refusal, Unopened};
pub use evidence::{
    Case, Evidence, EvidenceError, EvidenceTally, Filed, Labels, Span, Tape, Written,
};
pub use filters::{Filters, link_type};
pub use recorder::{Dump, Recorder};
pub use request::{HEADERS, Invalid, Request, Terms, Way};
pub use stream::{QUEUE, Stream};
pub use tally::{Held, Tally};

use wireledger_common::abi::link::Link;

use crate::capfile::Interface;

/// What files say wrote them.
pub const APPLICATION: &str = concat!("wireledger ", env!("CARGO_PKG_VERSION"));

/// An interface as the capture file of a session describes it: with its filter, and with what one packet stands for where that is not itself.
#[must_use]
pub fn describe(name: &str, link: Link, snap: u32, request: &Request) -> Interface {
    let Request { filter, every, .. } = request;
    let mut interface = Interface::of_linktype(u32::from(link_type(link)));
    interface.name = Some(name.to_owned());
    interface.snap_length = snap;
    interface.filter = (!filter.is_empty()).then(|| filter.clone());
    interface.description = (*every > 1).then(|| format!("1 of every {every} packets"));
    interface
}
