//! The flow table as userspace sees it: mapped read-only, swept without a system call.

use std::os::fd::{AsFd, AsRawFd};

use aya::maps::{Map, MapData};
use memmap2::{Mmap, MmapOptions};
use wireledger_common::{
    names,
    table::{
        Bucket, Slot, WAYS,
        read::{self, Look, Mark, News, Reading},
    },
};

use super::Error;

/// The mapped table.
pub struct Table {
    memory: Mmap,
    /// Keeps the map alive for as long as its memory is mapped; also the way to write it in tests.
    map: MapData,
    cpus: u32,
    buckets: u32,
}

impl Table {
    pub(super) fn new(map: Map, cpus: u32, buckets: u32) -> Result<Self, Error> {
        let Map::Array(map) = map else {
            return Err(Error::Object { what: "map", name: names::FLOWS });
        };
        let length = cpus as usize * buckets as usize * size_of::<Bucket>();
        // SAFETY: the mapping is of a BPF array of exactly this length, which never shrinks and which `map` keeps alive.
        // The kernel writes it meanwhile: it is read through raw pointers and volatile loads only, never as a slice.
        let memory = unsafe { MmapOptions::new().len(length).map(map.fd().as_fd().as_raw_fd()) }
            .map_err(Error::system("mapping the flow table"))?;
        Ok(Self { memory, map, cpus, buckets })
    }

    /// Flows the table holds.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        u64::from(self.cpus) * u64::from(self.buckets) * WAYS as u64
    }

    /// Bytes of it.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.memory.len() as u64
    }

    /// CPUs that own a slice.
    #[must_use]
    pub fn cpus(&self) -> u32 {
        self.cpus
    }

    /// Reads every used slot once; `see` gets CPU, slot number and what stands there. Returns how many were in use.
    pub fn sweep(&self, mut see: impl FnMut(u32, u32, &Reading)) -> u64 {
        let base = self.memory.as_ptr().cast::<Bucket>();
        let mut used = 0;
        for cpu in 0..self.cpus {
            for bucket in 0..self.buckets {
                let index = cpu as usize * self.buckets as usize + bucket as usize;
                // SAFETY: `index` is below `cpus * buckets`, the mapping's length in buckets.
                let at = unsafe { base.add(index) };
                for way in 0..WAYS {
                    // SAFETY: a bucket of the mapping, and `way < WAYS`.
                    if let Some(reading) = unsafe { read::slot(at, way) } {
                        used += 1;
                        see(cpu, (index * WAYS + way) as u32, &reading);
                    }
                }
            }
        }
        used
    }

    /// The same for slots in which something may be new since `marks` were made, of which there is one for each slot; of the others only
    /// the bucket's first line is read. `now` and `margin` are as [`read::news`] wants them.
    pub fn sweep_news(
        &self,
        marks: &mut [Mark],
        now: u32,
        margin: u32,
        mut see: impl FnMut(u32, u32, &Reading),
    ) -> u64 {
        let base = self.memory.as_ptr().cast::<Bucket>();
        let buckets = (self.cpus as usize * self.buckets as usize).min(marks.len() / WAYS);
        let mut used = 0;
        for first in (0..buckets).step_by(TOGETHER) {
            // What is to be read is asked for before any of it is read: memory answers many requests in the time of one.
            let mut news = 0_u64;
            for (bit, slot) in (first * WAYS..(first + TOGETHER).min(buckets) * WAYS).enumerate() {
                // SAFETY: `slot / WAYS` is below `buckets`, the mapping's length at the most.
                let at = unsafe { base.add(slot / WAYS) };
                if slot.is_multiple_of(WAYS) {
                    prefetch(at.wrapping_add(TOGETHER));
                }
                // SAFETY: a bucket of the mapping, and a way of it.
                match unsafe { read::look(at, slot % WAYS, &marks[slot]) } {
                    Look::Nobody => {}
                    Look::Same => used += 1,
                    Look::Maybe => {
                        news |= 1 << bit;
                        // SAFETY: in bounds of the bucket; nothing is read.
                        prefetch_slot(unsafe { &raw const (*at).slots[slot % WAYS] });
                    }
                }
            }
            while news != 0 {
                let slot = first * WAYS + news.trailing_zeros() as usize;
                news &= news - 1;
                // SAFETY: as above.
                let at = unsafe { base.add(slot / WAYS) };
                // SAFETY: as above.
                match unsafe { read::news(at, slot % WAYS, &mut marks[slot], now, margin) } {
                    News::Nobody => {}
                    News::Same => used += 1,
                    News::Slot(reading) => {
                        used += 1;
                        let cpu = (slot / WAYS) as u32 / self.buckets;
                        see(cpu, slot as u32, &reading);
                    }
                }
            }
        }
        used
    }

    /// Forgets every flow: for test runs, which want an empty table for each packet. Nobody else may be writing it.
    ///
    /// # Errors
    /// When the kernel refuses the update.
    pub fn clear(&mut self) -> Result<(), Error> {
        let empty = Bucket::default();
        let mut map = aya::maps::Array::<_, Bucket>::try_from(Map::Array(self.double()?))
            .map_err(Error::map(names::FLOWS))?;
        for index in 0..self.cpus * self.buckets {
            map.set(index, empty, 0).map_err(Error::map(names::FLOWS))?;
        }
        Ok(())
    }

    fn double(&self) -> Result<MapData, Error> {
        let fd = self.map.fd().as_fd().try_clone_to_owned();
        let fd = fd.map_err(Error::system("doubling the table's descriptor"))?;
        MapData::from_fd(fd).map_err(Error::map(names::FLOWS))
    }
}

/// Buckets that are looked at before any of their slots is read: as many as have a bit for each slot in 64.
const TOGETHER: usize = 64 / WAYS;

/// Bytes that a processor fetches at once.
const CACHE_LINE: usize = 64;

/// Asks for both cache lines of a slot.
#[inline(always)]
fn prefetch_slot(slot: *const Slot) {
    prefetch(slot);
    prefetch(slot.cast::<u8>().wrapping_add(CACHE_LINE));
}

/// Asks for a cache line: with most of a bucket skipped, no processor foresees where the next one is.
#[inline(always)]
fn prefetch<T>(line: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint that reads nothing and takes any address; SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}
