//! What userspace decides and the probe reads: the places of interfaces.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Entries of the map from interface index to place.
pub const PLACES_LEN: u32 = 1 << 16;

/// Where an interface's totals stand. Found at `interface % PLACES_LEN`; two watched interfaces whose
/// indices meet there cannot be watched together, and attaching the second one says so.
#[derive(
    Clone, Copy, Debug, Default, Eq, PartialEq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
#[repr(C)]
pub struct Place {
    /// The interface index this entry is for; 0 = free.
    pub interface: u32,
    /// Its totals: entry `2 * place` for ingress, `2 * place + 1` for egress.
    pub place: u32,
    /// What its frames begin with: index of [`super::link::Link`].
    pub link: u16,
    /// 1 = both of its directions are watched, so that handshakes can be followed.
    pub both_ways: u16,
    /// Largest network packet, bytes; 0 = not known.
    pub mtu: u32,
}
