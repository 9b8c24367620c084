//! What the kernel and userspace sides share: the boundary's types, the header parser, the counting, the flow table.
//!
//! No allocation, no standard library, no BPF: every line here runs in the kernel, in the collector,
//! in unit tests and in a fuzzer, unchanged.

#![cfg_attr(not(test), no_std)]
// Loads of header fields, see `wire::field`; the eBPF build has it on stable by RUSTC_BOOTSTRAP.
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

pub mod abi;
pub mod names;
pub mod observe;
pub mod table;
pub mod wire;
