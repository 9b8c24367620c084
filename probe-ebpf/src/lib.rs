//! What happens to a packet in the kernel, from the frame to the ledger.
//!
//! Guarantees: never drops, redirects or changes a packet; never waits; every packet the programs are called for ends in
//! exactly one of flow, overflow, unread or unplaced. What is counted how is `wireledger_common::observe`, which replays
//! of captures share.

#![no_std]
// Atomic instructions; the toolchain that compiles the object has the compiler's own features on.
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

pub mod atomic;
pub mod capture;
pub mod clock;
pub mod count;
pub mod frame;
pub mod maps;
pub mod observe;
pub mod tell;
