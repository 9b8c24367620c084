//! One lookup in two buckets: find the flow, or choose a way for it, or say that there is none.
//!
//! The caller is the only writer of both buckets. Nothing here allocates, waits or fails.

use core::{ptr, sync::atomic};

use zerocopy::transmute_mut;

use super::{
    Bucket, Now, Sighting, Slot, WAYS,
    hash::{Home, words},
};
use crate::abi::flow::FlowKey;
use crate::wire::tcp_flags;

/// The way that holds `key`, looked for from the flow's own way on.
#[inline(always)]
#[must_use]
pub fn find(bucket: &Bucket, home: &Home, key: &FlowKey) -> Option<usize> {
    let mut step = 0;
    while step < WAYS {
        let way = (home.way + step) & (WAYS - 1);
        if bucket.tags[way] == home.tag && same(&bucket.slots[way].key, key) {
            return Some(way);
        }
        step += 1;
    }
    None
}

/// Equality of all words in one branch.
#[inline(always)]
fn same(a: &FlowKey, b: &FlowKey) -> bool {
    let (a, b) = (words(a), words(b));
    let mut difference = 0;
    let mut i = 0;
    while i < a.len() {
        difference |= a[i] ^ b[i];
        i += 1;
    }
    difference == 0
}

/// Where a new flow goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Choice {
    /// A way that holds nothing.
    Free(Place),
    /// The least recently seen way, silent for long enough; its record must be written first.
    Evict(Place),
    /// Every way was seen too lately.
    Full,
}

/// One way of one of the two buckets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// In the second bucket rather than the first.
    pub second: bool,
    /// Which way, `0..WAYS`.
    pub way: usize,
}

/// Chooses a way for a flow that neither bucket holds.
///
/// The first bucket is taken while it is at most half full, so that most lookups end there; after that the
/// emptier one, which keeps both from filling up (two-choice hashing).
#[inline(always)]
#[must_use]
pub fn choose(first: &Bucket, second: &Bucket, home: &Home, now: u32, evict_after: u32) -> Choice {
    let (a, b) = (survey(first, home.way, now), survey(second, home.way, now));
    if a.free >= WAYS as u32 / 2 || (a.free > 0 && a.free >= b.free) {
        return Choice::Free(Place { second: false, way: a.free_way });
    }
    if b.free > 0 {
        return Choice::Free(Place { second: true, way: b.free_way });
    }
    let (age, place) = if a.age >= b.age {
        (a.age, Place { second: false, way: a.oldest })
    } else {
        (b.age, Place { second: true, way: b.oldest })
    };
    if age >= evict_after { Choice::Evict(place) } else { Choice::Full }
}

struct Survey {
    free: u32,
    /// The free way nearest to the flow's own.
    free_way: usize,
    age: u32,
    oldest: usize,
}

#[inline(always)]
fn survey(bucket: &Bucket, own: usize, now: u32) -> Survey {
    let mut survey = Survey { free: 0, free_way: 0, age: 0, oldest: 0 };
    let mut step = WAYS;
    while step > 0 {
        step -= 1;
        let way = (own + step) & (WAYS - 1);
        if bucket.tags[way] == 0 {
            survey.free += 1;
            survey.free_way = way;
        }
        let age = now.wrapping_sub(bucket.last_seen[way]);
        if age > survey.age {
            survey.age = age;
            survey.oldest = way;
        }
    }
    survey
}

/// Counts a packet of the flow in `way`; returns how many it had before.
#[inline(always)]
pub fn count(bucket: &mut Bucket, way: usize, seen: &Sighting, now: Now) -> u64 {
    let way = way & (WAYS - 1);
    let before = bucket.slots[way].packets;
    bucket.last_seen[way] = now.ticks;
    bucket.slots[way].count(seen, now.stamp);
    before
}

/// A flow that wants a slot: its tag and key, the packet that asks, and when that was by all clocks.
#[derive(Clone, Copy)]
pub struct Newcomer<'a> {
    /// See [`Bucket::tags`].
    pub tag: u32,
    /// The flow.
    pub key: &'a FlowKey,
    /// Its first packet.
    pub seen: &'a Sighting,
    /// By the table's clock.
    pub now: Now,
    /// By the precise one: [`crate::abi::flow::Detail::first_seen`].
    pub nanoseconds: u64,
}

/// Gives `way` to a new flow: a new generation, with the packet that asked for it counted.
///
/// Readers see the old flow whole, nothing, or the new one whole: the generation is odd in between.
#[inline(always)]
pub fn replace(bucket: &mut Bucket, way: usize, newcomer: &Newcomer<'_>) {
    let way = way & (WAYS - 1);
    let generation = open(bucket, way);
    fill(bucket, way, newcomer);
    close(bucket, way, generation);
}

/// First step of [`replace`]: readers turn away. Returns the generation in between.
#[inline(always)]
pub fn open(bucket: &mut Bucket, way: usize) -> u32 {
    let generation = bucket.generations[way].wrapping_add(1);
    publish(&mut bucket.generations[way], generation);
    generation
}

/// Second step of [`replace`].
#[inline(always)]
pub fn fill(bucket: &mut Bucket, way: usize, newcomer: &Newcomer<'_>) {
    bucket.tags[way] = newcomer.tag;
    bucket.last_seen[way] = newcomer.now.ticks;
    let slot = &mut bucket.slots[way];
    slot.begin(newcomer.seen, newcomer.nanoseconds, newcomer.now.stamp);
    copy_words(words(newcomer.key), transmute_mut!(&mut slot.key));
}

/// Copies word by word: in the kernel the compiler would otherwise call a byte-wise `memmove`, since it cannot know that
/// the two do not overlap.
#[inline(always)]
pub fn copy_words<const N: usize>(from: &[u64; N], to: &mut [u64; N]) {
    let mut i = 0;
    while i < N {
        // SAFETY: valid, aligned references; volatile so that the loop is not recognised as a `memmove`.
        unsafe { ptr::write_volatile(&raw mut to[i], from[i]) };
        i += 1;
    }
}

/// Last step of [`replace`]: readers see the new flow.
#[inline(always)]
pub fn close(bucket: &mut Bucket, way: usize, generation: u32) {
    publish(&mut bucket.generations[way], generation.wrapping_add(1));
}

/// Stores a generation after everything before it and before everything after it, as far as the compiler goes;
/// x86-64 keeps the order of stores. BPF has no store fence for weaker machines (ARCHITECTURE.md, "Memory order").
#[inline(always)]
fn publish(generation: &mut u32, value: u32) {
    atomic::compiler_fence(atomic::Ordering::SeqCst);
    // SAFETY: `generation` is a valid, aligned, exclusive reference; volatile so that the store is not merged away.
    unsafe { ptr::write_volatile(generation, value) };
    atomic::compiler_fence(atomic::Ordering::SeqCst);
}

impl Slot {
    /// Starts a new flow with its first packet counted; the key is the caller's to write.
    #[inline(always)]
    pub fn begin(&mut self, seen: &Sighting, nanoseconds: u64, stamp: u64) {
        let of = |flag: u16| u32::from(seen.tcp_flags & flag != 0);
        self.packets = u64::from(seen.packets);
        self.bytes = u64::from(seen.bytes);
        // Field by field: the rest is zero from the start and stays so.
        let detail = &mut self.detail;
        detail.first_seen = nanoseconds;
        detail.syn = of(tcp_flags::SYN);
        detail.fin = of(tcp_flags::FIN);
        detail.rst = of(tcp_flags::RST);
        detail.fragments = u32::from(seen.fragments);
        detail.length_min = seen.length_min;
        detail.length_max = seen.length_max;
        detail.tcp_flags = seen.tcp_flags;
        detail.tcp_flags_first = seen.tcp_flags;
        detail.echo_id = seen.echo_id;
        detail.ttl_min = seen.ttl;
        detail.ttl_max = seen.ttl;
        detail.dscp = seen.traffic_class >> 2;
        detail.track = 0;
        detail.last_seen = stamp;
    }

    /// Counts one more packet.
    #[inline(always)]
    pub fn count(&mut self, seen: &Sighting, stamp: u64) {
        self.packets = self.packets.wrapping_add(u64::from(seen.packets));
        self.bytes = self.bytes.wrapping_add(u64::from(seen.bytes));
        let detail = &mut self.detail;
        if seen.length_min < detail.length_min {
            detail.length_min = seen.length_min;
        }
        if seen.length_max > detail.length_max {
            detail.length_max = seen.length_max;
        }
        if seen.ttl < detail.ttl_min {
            detail.ttl_min = seen.ttl;
        }
        if seen.ttl > detail.ttl_max {
            detail.ttl_max = seen.ttl;
        }
        detail.dscp = seen.traffic_class >> 2;
        detail.last_seen = stamp;
        detail.tcp_flags |= seen.tcp_flags;
        if seen.tcp_flags & (tcp_flags::SYN | tcp_flags::FIN | tcp_flags::RST) != 0 {
            // One of a super-packet's segments has them, not each.
            let of = |flag: u16| u32::from(seen.tcp_flags & flag != 0);
            detail.syn = detail.syn.wrapping_add(of(tcp_flags::SYN));
            detail.fin = detail.fin.wrapping_add(of(tcp_flags::FIN));
            detail.rst = detail.rst.wrapping_add(of(tcp_flags::RST));
        }
        if seen.fragments != 0 {
            detail.fragments = detail.fragments.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(n: u8) -> FlowKey {
        FlowKey { source: [n; 16], protocol: 17, ..FlowKey::default() }
    }

    fn home(way: usize, tag: u32) -> Home {
        Home { way, first: 0, second: 1, tag }
    }

    fn packet(bytes: u32) -> Sighting {
        Sighting {
            packets: 1,
            bytes,
            length_min: bytes,
            length_max: bytes,
            ttl: 64,
            ..Sighting::default()
        }
    }

    fn put(bucket: &mut Bucket, way: usize, tag: u32, key: &FlowKey, seen: &Sighting, now: u64) {
        let nanoseconds = now;
        replace(bucket, way, &Newcomer { tag, key, seen, now: Now::jiffies(now), nanoseconds });
    }

    fn filled(start: u32) -> Bucket {
        let mut bucket = Bucket::default();
        for way in 0..WAYS {
            let now = u64::from(start) + way as u64;
            put(&mut bucket, way, 3, &flow(way as u8), &packet(60), now);
        }
        bucket
    }

    #[test]
    fn a_flow_is_found_by_its_whole_key_not_by_its_tag() {
        let bucket = filled(1);
        assert_eq!(find(&bucket, &home(0, 3), &flow(2)), Some(2));
        assert_eq!(find(&bucket, &home(2, 3), &flow(9)), None);
        assert_eq!(find(&bucket, &home(2, 5), &flow(2)), None);
    }

    #[test]
    fn an_empty_bucket_finds_nothing_not_even_the_zero_key() {
        assert_eq!(find(&Bucket::default(), &home(0, 1), &FlowKey::default()), None);
    }

    #[test]
    fn the_first_bucket_is_taken_until_half_full_then_the_emptier() {
        let mut first = Bucket::default();
        let second = Bucket::default();
        for way in [2, 3] {
            let Choice::Free(place) = choose(&first, &second, &home(2, 3), 9, 5) else {
                panic!("full")
            };
            assert_eq!(place, Place { second: false, way });
            put(&mut first, place.way, 3, &flow(way as u8), &packet(60), 0);
        }
        assert_eq!(
            choose(&first, &second, &home(2, 3), 9, 5),
            Choice::Free(Place { second: false, way: 0 })
        );
        put(&mut first, 0, 3, &flow(1), &packet(60), 0);
        assert_eq!(
            choose(&first, &second, &home(2, 3), 9, 5),
            Choice::Free(Place { second: true, way: 2 })
        );
    }

    #[test]
    fn the_least_recently_seen_way_of_both_is_evicted_only_when_old_enough() {
        let (first, second) = (filled(100), filled(50));
        let oldest = Place { second: true, way: 0 };
        assert_eq!(choose(&first, &second, &home(1, 3), 150, 100), Choice::Evict(oldest));
        assert_eq!(choose(&first, &second, &home(1, 3), 150, 101), Choice::Full);
    }

    #[test]
    fn ages_survive_the_wrap_of_the_clock() {
        let (first, second) = (filled(u32::MAX - 10), filled(u32::MAX - 3));
        assert_eq!(
            choose(&first, &second, &home(1, 3), 5, 16),
            Choice::Evict(Place { second: false, way: 0 })
        );
        assert_eq!(choose(&first, &second, &home(1, 3), 5, 17), Choice::Full);
    }

    #[test]
    fn a_replaced_slot_starts_anew_in_the_next_even_generation() {
        let mut bucket = filled(1);
        assert_eq!(bucket.generations, [2; WAYS]);
        count(&mut bucket, 1, &packet(1000), Now::jiffies(9));
        put(&mut bucket, 1, 7, &flow(8), &packet(99), 10);
        assert_eq!(bucket.generations[1], 4);
        assert_eq!((bucket.last_seen[1], bucket.slots[1].detail.last_seen), (10, 10));
        assert_eq!(bucket.slots[1].key, flow(8));
        assert_eq!((bucket.slots[1].packets, bucket.slots[1].bytes), (1, 99));
        assert_eq!(bucket.slots[1].detail.length_max, 99);
    }

    #[test]
    fn counting_keeps_extremes_and_flags() {
        let mut bucket = filled(1);
        let syn = Sighting { tcp_flags: tcp_flags::SYN, ttl: 3, ..packet(40) };
        let fin = Sighting { tcp_flags: tcp_flags::FIN | tcp_flags::ACK, ttl: 200, ..packet(1500) };
        let part = Sighting { fragments: 1, traffic_class: 46 << 2, ..packet(100) };
        for seen in [syn, fin, part] {
            count(&mut bucket, 0, &seen, Now::jiffies(0));
        }
        let slot = &bucket.slots[0];
        assert_eq!((slot.packets, slot.bytes), (4, 1700));
        let detail = &slot.detail;
        assert_eq!((detail.length_min, detail.length_max), (40, 1500));
        assert_eq!((detail.ttl_min, detail.ttl_max, detail.dscp), (3, 200, 46));
        assert_eq!((detail.syn, detail.fin, detail.rst, detail.fragments), (1, 1, 0, 1));
        assert_eq!(detail.tcp_flags, tcp_flags::SYN | tcp_flags::FIN | tcp_flags::ACK);
        assert_eq!(detail.tcp_flags_first, 0);
    }

    /// What ARCHITECTURE.md says of early evictions: measured on the very code.
    #[test]
    fn at_half_load_few_flows_in_ten_thousand_meet_two_full_buckets() {
        use crate::table::hash;
        const BUCKETS: u32 = 1 << 14;
        let seeds = [1, 2, 3, 4, 5, 6].map(|n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut table = vec![Bucket::default(); BUCKETS as usize];
        let (mut full, mut second) = (0, 0);
        let flows = BUCKETS * WAYS as u32 / 2;
        for n in 0..flows {
            let mut key = flow(0);
            key.source[..4].copy_from_slice(&n.to_be_bytes());
            let home = hash::home(&key, &seeds, BUCKETS);
            let pair = (&table[home.first as usize], &table[home.second as usize]);
            match choose(pair.0, pair.1, &home, 1, 1000) {
                Choice::Free(place) => {
                    second += u32::from(place.second);
                    let bucket = if place.second { home.second } else { home.first };
                    let bucket = &mut table[bucket as usize];
                    put(bucket, place.way, home.tag, &key, &packet(60), 0);
                }
                Choice::Evict(_) | Choice::Full => full += 1,
            }
        }
        assert!(full * 10_000 <= flows * 10, "{full} of {flows}");
        assert!(second * 4 < flows, "{second} of {flows} in their second bucket");
    }
}
