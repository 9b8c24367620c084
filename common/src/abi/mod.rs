//! What crosses the kernel boundary: plain memory, `#[repr(C)]`, host byte order unless said otherwise.
//!
//! Guarantees: no padding (zerocopy's `IntoBytes` refuses it), no enums or `Option` inside shared structs,
//! sizes asserted at compile time. Any change to a layout raises [`VERSION`].

pub mod clock;
pub mod flow;
pub mod fragment;
pub mod handshake;
pub mod link;
pub mod protocol;
pub mod record;
pub mod replay;
pub mod sample;
pub mod settings;
pub mod totals;
pub mod unread;

/// Version of every layout in this module; the object carries it and the collector refuses another.
pub const VERSION: u32 = 4;

/// Declares the types that userspace reads out of maps as plain old data.
#[cfg(feature = "user")]
mod pod {
    // SAFETY: all are `#[repr(C)]` and zerocopy-checked: any bit pattern is a value, no padding.
    unsafe impl aya::Pod for super::totals::Totals {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::totals::Losses {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::settings::Place {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::clock::Clock {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::sample::Session {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::sample::Spent {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::sample::Tally {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::sample::Block {}
    // SAFETY: as above.
    unsafe impl aya::Pod for crate::table::Bucket {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::flow::FlowKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::handshake::Attempt {}
}
