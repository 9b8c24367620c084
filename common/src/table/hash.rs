//! Where a flow may live: a seeded hash of its key.
//!
//! The hash is NH of UMAC (RFC 4418 section 5.2.2) over the key's words, whose collision probability for any two
//! keys chosen without knowledge of the seed is 2^-32, then a finaliser that spreads it over 64 bits. The seed comes
//! from the kernel's random source at load, so nobody outside can aim flows at one bucket.

use zerocopy::transmute_ref;

use super::WAYS;
use crate::abi::flow::{FlowKey, KEY_WORDS};

/// The seed: one word for each word of the key.
pub type Seeds = [u64; KEY_WORDS];

/// The key as words.
#[inline(always)]
#[must_use]
pub fn words(key: &FlowKey) -> &[u64; KEY_WORDS] {
    transmute_ref!(key)
}

/// A flow's two buckets and its tag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Home {
    /// Way that is looked at first in either bucket, so that a lookup knows where to read before it has read.
    pub way: usize,
    /// Bucket in the CPU's slice that is looked at first.
    pub first: u32,
    /// Bucket that is looked at next; may be the same one.
    pub second: u32,
    /// See [`super::Bucket::tags`].
    pub tag: u32,
}

/// Where `key` lives among `buckets` buckets.
#[inline(always)]
#[must_use]
pub fn home(key: &FlowKey, seeds: &Seeds, buckets: u32) -> Home {
    let hash = hash(words(key), seeds);
    let (high, low) = ((hash >> 32) as u32, hash as u32);
    Home {
        way: low as usize & (WAYS - 1),
        first: scale(high, buckets),
        second: scale(low, buckets),
        // Both halves' low bits: those that the scaling to buckets uses least.
        tag: (low.rotate_left(16) ^ high) | 1,
    }
}

/// Maps 32 random bits onto `0..n` without a division, using the upper bits.
#[inline(always)]
const fn scale(bits: u32, n: u32) -> u32 {
    ((bits as u64 * n as u64) >> 32) as u32
}

#[inline(always)]
fn hash(words: &[u64; KEY_WORDS], seeds: &Seeds) -> u64 {
    let mut sum = 0u64;
    let mut i = 0;
    while i < KEY_WORDS {
        let low = (words[i] as u32).wrapping_add(seeds[i] as u32);
        let high = ((words[i] >> 32) as u32).wrapping_add((seeds[i] >> 32) as u32);
        sum = sum.wrapping_add(u64::from(low).wrapping_mul(u64::from(high)));
        i += 1;
    }
    finish(sum)
}

/// The 64-bit finaliser of MurmurHash3 (public domain constants): every input bit reaches every output bit.
#[inline(always)]
const fn finish(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDS: Seeds = [
        0x243f_6a88_85a3_08d3,
        0x1319_8a2e_0370_7344,
        0xa409_3822_299f_31d0,
        0x082e_fa98_ec4e_6c89,
        0x4528_21e6_38d0_1377,
        0xbe54_66cf_34e9_0c6c,
    ];

    fn flow(n: u32) -> FlowKey {
        let mut key = FlowKey { interface: 2, protocol: 6, ..FlowKey::default() };
        key.source[..4].copy_from_slice(&[10, 0, 0, 1]);
        key.destination[..4].copy_from_slice(&n.to_be_bytes());
        key.source_port = 443;
        key
    }

    #[test]
    fn sequential_flows_spread_evenly_over_buckets() {
        const BUCKETS: u32 = 1 << 10;
        let mut load = vec![0u32; BUCKETS as usize];
        for n in 0..BUCKETS * 16 {
            let home = home(&flow(n), &SEEDS, BUCKETS);
            load[home.first as usize] += 1;
        }
        // Poisson(16): below 2 or above 40 has a probability under 1e-6 for each bucket.
        assert!(load.iter().all(|&n| (2..=40).contains(&n)), "{:?}", load.iter().max());
    }

    #[test]
    fn another_seed_gives_other_homes() {
        let other = SEEDS.map(|word| word.rotate_left(7) ^ 0x5555);
        let same = (0..1000)
            .filter(|&n| home(&flow(n), &SEEDS, 4096) == home(&flow(n), &other, 4096))
            .count();
        assert_eq!(same, 0);
    }

    #[test]
    fn every_field_of_the_key_changes_the_home() {
        let base = flow(7);
        let mut others = [base; 8];
        others[0].source[15] = 1;
        others[1].destination[15] = 1;
        others[2].source_port = 1;
        others[3].destination_port = 1;
        others[4].interface = 3;
        others[5].vlans[2] = 1;
        others[6].protocol = 17;
        others[7].kind = 1;
        for key in others {
            assert_ne!(home(&base, &SEEDS, u32::MAX), home(&key, &SEEDS, u32::MAX), "{key:?}");
        }
    }

    #[test]
    fn a_tag_is_never_the_mark_of_a_free_slot() {
        for n in 0..10_000 {
            assert_ne!(home(&flow(n), &SEEDS, 64).tag, 0);
        }
    }
}
