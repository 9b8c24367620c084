//! The flow table as userspace sees it: mapped read-only, swept without a system call.

use std::os::fd::{AsFd, AsRawFd};

use aya::maps::{Map, MapData};
use memmap2::{Mmap, MmapOptions};
use wireledger_common::{
    names,
    table::{
        Bucket, WAYS,
        read::{self, Mark, News, Reading},
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
        let mut used = 0;
        for index in 0..(self.cpus as usize * self.buckets as usize).min(marks.len() / WAYS) {
            let cpu = index as u32 / self.buckets;
            // SAFETY: `index` is below `cpus * buckets`, the mapping's length in buckets.
            let at = unsafe { base.add(index) };
            prefetch(at.wrapping_add(FAR));
            if let Some(marks) = marks.get((index + NEAR) * WAYS..(index + NEAR + 1) * WAYS)
                && index + NEAR < self.cpus as usize * self.buckets as usize
            {
                // SAFETY: as above, for the index that was just compared.
                unsafe { prefetch_news(base.add(index + NEAR), marks) };
            }
            for (way, mark) in marks[index * WAYS..][..WAYS].iter_mut().enumerate() {
                // SAFETY: a bucket of the mapping, and `way < WAYS`.
                match unsafe { read::news(at, way, mark, now, margin) } {
                    News::Nobody => {}
                    News::Same => used += 1,
                    News::Slot(reading) => {
                        used += 1;
                        see(cpu, (index * WAYS + way) as u32, &reading);
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

/// Buckets between the one that is read and the one whose first line is fetched: with most of a bucket skipped, no processor foresees where the next one is.
const FAR: usize = 16;
/// Buckets between the one that is read and the one whose slots are fetched, if they are to be read. Its first line is there by then.
const NEAR: usize = 8;

/// Asks for the slots of a bucket that will be read.
///
/// # Safety
/// `bucket` points to a readable `Bucket` that others may write.
#[inline(always)]
unsafe fn prefetch_news(bucket: *const Bucket, marks: &[Mark]) {
    for (way, mark) in marks.iter().enumerate().take(WAYS) {
        // SAFETY: the caller's word, passed on.
        if unsafe { read::may_have_news(bucket, way, mark) } {
            // SAFETY: in bounds of the bucket; nothing is read.
            let slot = unsafe { &raw const (*bucket).slots[way] };
            prefetch(slot);
            prefetch(slot.cast::<u8>().wrapping_add(CACHE_LINE));
        }
    }
}

const CACHE_LINE: usize = 64;

/// Asks for a cache line.
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
