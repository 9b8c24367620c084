//! Flows in userspace: what the kernel's entries and records add up to. Pure: no clock, no IO.

mod distinct;
mod flow;
mod ledger;
mod live;
mod owned;
mod shapes;
pub mod talkers;

pub use distinct::{Distinct, STANDARD_ERROR};
pub use flow::{Cause, Flow, Progress, Sort};
pub use ledger::{Found, Ledger, MARGIN, Moment, News, Reverse, SETTLING, Settled, Timeouts, top};
pub use owned::Owned;
pub use shapes::{Histogram, Shapes};
