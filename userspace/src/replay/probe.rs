//! The engine in the kernel: each packet through the loaded XDP program by test run.

use std::time::Duration;

use wireledger_common::{
    abi::{
        link::Link,
        replay::{self, Replay},
        totals::Totals,
        unread::Unread,
    },
    table::{Bucket, hash::Seeds},
};
use zerocopy::IntoBytes;

use super::{Engine, Handshakes, Listing, Settings};
use crate::kernel::{self, Error, Placed, Probe, Sizes};

/// The same in every replay, so that a capture fills the table alike each time: what no packet of the wire may know, a
/// capture may, and at worst its flows end early, with their records.
pub(super) const SEEDS: Seeds = [
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7344,
    0xa409_3822_299f_31d0,
    0x082e_fa98_ec4e_6c89,
    0x4528_21e6_38d0_1377,
    0xbe54_66cf_34e9_0c6c,
];

/// How long a first fragment speaks for later ones, nanoseconds.
pub(super) const FRAGMENT_LIFE: u64 = kernel::FRAGMENT_LIFE.as_nanos() as u64;

/// Age up to which a hole in a TCP flow is filled by a late segment, ticks; rounded up, as for the probe.
pub(super) const REORDER: u32 = kernel::REORDER.as_nanos().div_ceil(replay::TICK.as_nanos()) as u32;

/// First fragments that are remembered.
pub(super) const FRAGMENTS: u32 = 1 << 16;

/// Buckets of a table within `memory` bytes; at least one.
pub(super) fn buckets(memory: u64) -> u32 {
    kernel::Layout::of(memory, 1).buckets
}

/// Counts in the kernel.
pub struct Loaded {
    probe: Probe,
    frame: Vec<u8>,
    /// Link of each interface that has a place.
    placed: Vec<Link>,
    /// Packets by reason, when last asked.
    unread: [u64; Unread::COUNT],
}

impl Loaded {
    /// Loads the probe, with a table as large for every CPU, of which the one CPU that runs uses its own.
    ///
    /// # Errors
    /// When the kernel refuses the probe.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        kernel::stay_on_this_cpu()?;
        let cpus = u64::from(kernel::Layout::new(0)?.cpus);
        let each = u64::from(buckets(settings.flow_memory)) * size_of::<Bucket>() as u64;
        let probe = Probe::load(Sizes {
            flow_memory: each * cpus,
            record_memory: 1 << 16,
            sample_memory: 1 << 12,
            interfaces: 1,
            evict_after: Duration::ZERO,
            log_level: 0,
            decap: settings.decap,
            replay: Some(kernel::Replayed { seeds: SEEDS, fragments: FRAGMENTS }),
        })?;
        Ok(Self { probe, frame: Vec::new(), placed: Vec::new(), unread: [0; Unread::COUNT] })
    }

    fn totals(&self) -> Result<Box<Totals>, Error> {
        let totals = self.probe.totals(0)?;
        Ok(Box::new(kernel::sum(totals.of(false).iter().chain(totals.of(true)))))
    }
}

impl Engine for Loaded {
    fn packet(
        &mut self,
        replay: &Replay,
        link: Link,
        bytes: &[u8],
        listing: &mut Listing,
    ) -> Result<(), Error> {
        while self.placed.len() < replay.interface as usize {
            self.placed.push(link);
            let placed = Placed { place: 0, link, mtu: 0, both_ways: true };
            self.probe.set_place(self.placed.len() as u32, Some(placed))?;
        }
        self.frame.clear();
        self.frame.extend_from_slice(replay.as_bytes());
        self.frame.extend_from_slice(bytes);
        self.probe.run_xdp(&self.frame)?;
        self.probe.records().drain(|record| {
            listing.record(record);
            true
        });
        Ok(())
    }

    fn unread(&mut self) -> Result<Option<Unread>, Error> {
        let now = self.totals()?.unread.map(|count| count.packets);
        let before = std::mem::replace(&mut self.unread, now);
        Ok(Unread::ALL.into_iter().find(|&reason| now[reason as usize] != before[reason as usize]))
    }

    fn expire(&mut self, now: u64) -> Result<Handshakes, Error> {
        let found = self.probe.expire_handshakes_at(now)?;
        Ok(Handshakes { expired: found.expired.values().sum(), open: found.open.values().sum() })
    }

    fn finish(&mut self, listing: &mut Listing) -> Result<Box<Totals>, Error> {
        self.probe.table().sweep(|_, _, reading| listing.entry(reading));
        self.totals()
    }
}
