//! Ground for scans: a scanner, a target and a third host behind one switch, real nmap with an account of its own, verdicts as the command
//! line shows them, and ordinary traffic that is no scan.

mod account;
mod ground;
mod nmap;
pub mod ordinary;
mod services;
mod verdicts;
mod zombie;

pub use account::{Account, Probe};
pub use ground::{
    DEAD, Ground, HOST, MANY, SCANNER_V4, SCANNER_V6, SWEPT, SWEPT_V6, Side, TARGET_V4, TARGET_V6,
    ZOMBIE,
};
pub use nmap::{Nmap, nmap};
pub use services::{CLOSED, FILTERED, OPEN, UDP_OPEN};
pub use verdicts::{Counted, Ports, Verdict, scans, verdict, verdict_within};
pub use zombie::Zombie;
