//! What the tests stand on: namespaces with a veth pair, crafted frames, a sender that counts, a running daemon.
//!
//! Everything a test makes lives in network namespaces of its own and is gone when its guards are dropped, also when it
//! fails. Nothing here knows how Wireledger works inside: the binary is asked over its command line and its HTTP API.

pub mod answers;
pub mod bpf;
pub mod captured;
pub mod captures;
pub mod collected;
pub mod contrib;
pub mod daemon;
pub mod forward;
pub mod libpcap;
pub mod netns;
pub mod packets;
pub mod process;
pub mod programs;
pub mod prometheus;
pub mod properties;
pub mod scans;
pub mod send;
pub mod session;
pub mod tcp;
pub mod tools;
pub mod tshark;
pub mod tun;
pub mod web;
