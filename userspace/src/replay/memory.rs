//! The engine in this process: the probe's source over plain memory.

use std::{collections::VecDeque, ops::Range};

use hashbrown::HashMap;
use memmap2::{Advice, MmapMut};
use wireledger_common::{
    abi::{
        flow::{EGRESS, FlowKey},
        fragment::{Datagram, FirstFragment},
        handshake::{ATTEMPTS, Attempt, LIFE},
        link::Link,
        record::{Entry, Record},
        replay::Replay,
        settings::Place,
        totals::Totals,
        unread::Unread,
    },
    observe::{self, Books, Fate, Scratch, Sight},
    table::{
        self, Bucket, Now, Sighting, WAYS,
        put::{Slice, put},
        read,
        track::{Segment, track},
    },
    wire::{Cursor, Headers},
};
use zerocopy::{FromBytes, FromZeros};

use super::{Engine, Handshakes, Listing, Settings, probe};
use crate::kernel::{self, Error};

/// Bytes of a bucket.
const BUCKET: usize = size_of::<Bucket>();

/// Counts in this process.
pub struct Memory {
    /// Buckets in zeroed pages, touched only where a flow lives. The kernel is asked for huge pages: a packet finds its
    /// bucket sooner, and [`Engine::finish`], which looks at every bucket, does not fault in thousands of small ones.
    table: MmapMut,
    fragments: Fragments,
    handshakes: HashMap<FlowKey, Attempt>,
    /// By direction.
    totals: Box<[Totals; 2]>,
    decap: bool,
    unread: Option<Unread>,
}

impl Memory {
    /// An empty table.
    ///
    /// # Errors
    /// When there is not so much memory.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let buckets = probe::buckets(settings.flow_memory);
        let table = MmapMut::map_anon(buckets as usize * BUCKET)
            .map_err(|source| Error::System { doing: "allocating the flow table", source })?;
        // A kernel without them serves with small ones.
        _ = table.advise(Advice::HugePage);
        Ok(Self {
            table,
            fragments: Fragments::default(),
            handshakes: HashMap::new(),
            totals: Box::new([Totals::new_zeroed(), Totals::new_zeroed()]),
            decap: settings.decap,
            unread: None,
        })
    }
}

impl Engine for Memory {
    fn packet(
        &mut self,
        replay: &Replay,
        link: Link,
        bytes: &[u8],
        listing: &mut Listing,
    ) -> Result<(), Error> {
        let mut headers = Headers::default();
        let read = super::read(Cursor::over(bytes), replay.length, link, self.decap, &mut headers);
        let now = Now { ticks: replay.ticks, stamp: replay.time };
        let place = Place { interface: replay.interface, both_ways: 1, ..Place::default() };
        let sight = Sight {
            place: &place,
            direction: replay.direction,
            opposite: replay.opposite,
            cut: replay.cut != 0,
            now,
        };
        let seen = Sighting::of(&headers, replay.length);
        let [ingress, egress] = &mut *self.totals;
        let (totals, opposite) =
            if replay.direction & EGRESS == 0 { (ingress, egress) } else { (egress, ingress) };
        let mut books = Pages {
            table: &mut self.table,
            fragments: &mut self.fragments,
            handshakes: &mut self.handshakes,
            opposite,
            listing,
            now,
        };
        let scratch = &mut Scratch::default();
        let fate = observe::observe(read, &sight, &mut headers, scratch, &seen, totals, &mut books);
        self.unread = match fate {
            Fate::Unread(reason) => Some(reason),
            Fate::Flow { .. } | Fate::Overflow => None,
        };
        Ok(())
    }

    fn unread(&mut self) -> Result<Option<Unread>, Error> {
        Ok(self.unread)
    }

    fn expire(&mut self, now: u64) -> Result<Handshakes, Error> {
        let before = self.handshakes.len();
        self.handshakes.retain(|_, attempt| now.saturating_sub(attempt.began) < LIFE);
        let open = self.handshakes.len();
        Ok(Handshakes { expired: (before - open) as u64, open: open as u64 })
    }

    fn finish(&mut self, listing: &mut Listing) -> Result<Box<Totals>, Error> {
        for bucket in 0..(self.table.len() / BUCKET) as u32 {
            let Some(bucket) = bucket_of(&self.table, bucket) else { break };
            for way in 0..WAYS {
                if let Some(reading) = read::quiet(bucket, way) {
                    listing.entry(&reading);
                }
            }
        }
        Ok(Box::new(kernel::sum(&*self.totals)))
    }
}

/// The books, open at one packet.
struct Pages<'a> {
    table: &'a mut [u8],
    fragments: &'a mut Fragments,
    handshakes: &'a mut HashMap<FlowKey, Attempt>,
    opposite: &'a mut Totals,
    listing: &'a mut Listing,
    now: Now,
}

impl Books for Pages<'_> {
    #[inline]
    fn flow(&mut self, key: &FlowKey, seen: &Sighting, now: Now, slot: &mut u32) -> Option<u64> {
        let buckets = (self.table.len() / BUCKET) as u32;
        let slice = Slice { start: 0, buckets, seeds: &probe::SEEDS, evict_after: 0 };
        put(self, &slice, key, seen, now, slot)
    }

    fn track(&mut self, slot: u32, segment: &mut Segment, now: Now) {
        if let Some(bucket) = table::put::Memory::bucket(self, slot / WAYS as u32) {
            let detail = &mut bucket.slots[slot as usize % WAYS].detail;
            track(detail, segment, now.ticks, probe::REORDER);
        }
    }

    fn remember(&mut self, datagram: &Datagram, first: &FirstFragment) {
        self.fragments.insert(*datagram, *first);
    }

    fn recall(&mut self, datagram: &Datagram) -> Option<&FirstFragment> {
        self.fragments.known.get(datagram)
    }

    fn fragment_life(&self) -> u64 {
        probe::FRAGMENT_LIFE
    }

    fn attempt(&mut self, key: &FlowKey) -> Option<&mut Attempt> {
        self.handshakes.get_mut(key)
    }

    fn begin_attempt(&mut self, key: &FlowKey, attempt: &Attempt) -> bool {
        // As the kernel's map refuses.
        let room = self.handshakes.len() < ATTEMPTS as usize;
        if room {
            self.handshakes.insert(*key, *attempt);
        }
        room
    }

    fn end_attempt(&mut self, key: &FlowKey) -> bool {
        self.handshakes.remove(key).is_some()
    }

    fn opposite(&mut self, _: &Sight<'_>) -> Option<&mut Totals> {
        Some(self.opposite)
    }

    fn nanoseconds(&self) -> u64 {
        self.now.stamp
    }
}

impl table::put::Memory for Pages<'_> {
    #[inline]
    fn bucket(&mut self, index: u32) -> Option<&mut Bucket> {
        Bucket::mut_from_bytes(self.table.get_mut(place(index))?).ok()
    }

    #[inline]
    fn pair(&self, first: u32, second: u32) -> Option<(&Bucket, &Bucket)> {
        Some((bucket_of(self.table, first)?, bucket_of(self.table, second)?))
    }

    fn end(&mut self, index: u32, way: usize) -> bool {
        let Some(bucket) = bucket_of(self.table, index) else { return false };
        let slot = &bucket.slots[way];
        self.listing.record(&Record {
            key: slot.key,
            packets: slot.packets,
            bytes: slot.bytes,
            detail: slot.detail,
            entry: Entry {
                slot: index * WAYS as u32 + way as u32,
                generation: bucket.generations[way],
                ..Entry::default()
            },
        });
        true
    }

    fn nanoseconds(&self) -> u64 {
        self.now.stamp
    }
}

/// Where the bucket of this index is, in bytes.
#[inline]
fn place(index: u32) -> Range<usize> {
    let start = index as usize * BUCKET;
    start..start + BUCKET
}

#[inline]
fn bucket_of(table: &[u8], index: u32) -> Option<&Bucket> {
    Bucket::ref_from_bytes(table.get(place(index))?).ok()
}

/// First fragments, the oldest forgotten first.
#[derive(Default)]
struct Fragments {
    known: HashMap<Datagram, FirstFragment>,
    order: VecDeque<Datagram>,
}

impl Fragments {
    fn insert(&mut self, datagram: Datagram, first: FirstFragment) {
        if self.known.insert(datagram, first).is_some() {
            return;
        }
        self.order.push_back(datagram);
        if self.order.len() > probe::FRAGMENTS as usize
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}
