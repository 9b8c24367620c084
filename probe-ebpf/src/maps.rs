//! Every map and global of the probe, each with why this kind and this size.
//!
//! Sizes marked "at load" are set by userspace before the maps are made.

use aya_ebpf::{
    Global,
    bindings::BPF_F_MMAPABLE,
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, ProgramArray, RingBuf},
};
use wireledger_common::{
    abi::{
        self,
        clock::Clock,
        flow::{FlowKey, KEY_WORDS},
        fragment::{Datagram, FirstFragment},
        handshake::{ATTEMPTS, Attempt},
        sample::{Block, Handover, Room, SESSIONS as SLOTS, Session, Spent, Tally},
        settings::{PLACES_LEN, Place},
        totals::{Losses, Totals},
    },
    observe::Scratch,
    table::Bucket,
    wire::Headers,
};

/// The flow table, `[cpu][bucket]`. A flat array, since kernel hash maps evict silently or refuse, and cost two to four
/// times more per packet; mapped into userspace, so that reading a million flows is no system call. Sized at load.
#[map]
pub static FLOWS: Array<Bucket> = Array::with_max_entries(2, BPF_F_MMAPABLE);

/// Interface totals: per-CPU, so that plain additions are exact. Two entries per place; sized at load.
#[map]
pub static TOTALS: PerCpuArray<Totals> = PerCpuArray::with_max_entries(2, 0);

/// Interface index to place. Direct-mapped: an array look-up costs a fifth of a hash map's.
#[map]
pub static PLACES: Array<Place> = Array::with_max_entries(PLACES_LEN, 0);

/// Ended flows. A ring of their own, so that samples can never crowd out counts. Sized at load.
#[map]
pub static RECORDS: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// What was lost or found no place; one entry.
#[map]
pub static LOSSES: PerCpuArray<Losses> = PerCpuArray::with_max_entries(1, 0);

/// First fragments, so that later ones find their flow. A kernel LRU map is right here: it counts nothing, only
/// fragments touch it, and forgetting one costs a later fragment its ports, never its count.
#[map]
pub static FRAGMENTS: LruHashMap<Datagram, FirstFragment> = LruHashMap::with_max_entries(8192, 0);

/// TCP handshakes under way. A plain hash map, shared by all CPUs, since SYN and SYN-ACK are seen by different ones; not LRU,
/// which would drop handshakes without a word: a full one refuses, and that is counted. Only segments that may be part of
/// a handshake touch it. Sized at load.
#[map]
pub static HANDSHAKES: HashMap<FlowKey, Attempt> = HashMap::with_max_entries(ATTEMPTS, 0);

/// Where [`crate::clock`] leaves its reading; one entry.
#[map]
pub static CLOCK: Array<Clock> = Array::with_max_entries(1, 0);

/// The packet at hand: its outer headers, and those inside a tunnel. See [`crate::observe::headers`].
#[map]
pub static HEADERS: PerCpuArray<Packet> = PerCpuArray::with_max_entries(2, 0);

/// What is known of a packet.
#[repr(C)]
pub struct Packet {
    /// Its headers.
    pub headers: Headers,
    /// Packets of its flow before it; in the outer entry, whichever the flow was of.
    pub before: u64,
    /// Working memory of what counts it.
    pub scratch: Scratch,
}

/// Where a packet of a tunnel goes on at XDP, when inner flows are asked for; one entry. The kernel keeps programs of one
/// type to an array.
#[map]
pub static XDP_INNER: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// The same at TC: ingress, then egress.
#[map]
pub static TC_INNER: ProgramArray = ProgramArray::with_max_entries(2, 0);

/// Where a counted packet goes on at XDP: the filter of all armed sessions; one entry, empty with none. One update of the entry
/// arms or disarms, between two packets.
#[map]
pub static XDP_ARMED: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// The same at TC: ingress, then egress.
#[map]
pub static TC_ARMED: ProgramArray = ProgramArray::with_max_entries(2, 0);

/// Where a packet that a session wants goes on at XDP; one entry.
#[map]
pub static XDP_DELIVER: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// The same at TC: ingress, then egress.
#[map]
pub static TC_DELIVER: ProgramArray = ProgramArray::with_max_entries(2, 0);

/// What sessions ask for, by slot.
#[map]
pub static SESSIONS: Array<Session> = Array::with_max_entries(SLOTS as u32, 0);

/// What they have used up, by slot: shared by all CPUs, since a budget is one.
#[map]
pub static SPENT: Array<Spent> = Array::with_max_entries(SLOTS as u32, 0);

/// Where each stands in its sampling, by slot.
#[map]
pub static BLOCKS: PerCpuArray<Block> = PerCpuArray::with_max_entries(SLOTS as u32, 0);

/// What became of what they matched: `[slot][place][direction]`. Sized at load.
#[map]
pub static TALLIES: PerCpuArray<Tally> = PerCpuArray::with_max_entries(2 * SLOTS as u32, 0);

/// From the filter to the program that delivers; one entry.
#[map]
pub static HANDOVER: PerCpuArray<Handover> = PerCpuArray::with_max_entries(1, 0);

/// Where a sample is put together, by CPU; not a per-CPU map, whose entries have at most 32 KiB. Sized at load.
#[map]
pub static ROOMS: Array<Room> = Array::with_max_entries(1, 0);

/// Samples, each as long as it is. Sized at load.
#[map]
pub static SAMPLES: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// Seed of the flow hash, from the kernel's random source at load.
#[unsafe(no_mangle)]
pub static SEEDS: [Global<u64>; KEY_WORDS] = [const { Global::new(0) }; KEY_WORDS];

/// CPUs that own a slice of [`FLOWS`].
#[unsafe(no_mangle)]
pub static CPUS: Global<u32> = Global::new(1);

/// Buckets in each slice.
#[unsafe(no_mangle)]
pub static BUCKETS: Global<u32> = Global::new(1);

/// Jiffies of silence after which a slot may be given to another flow.
#[unsafe(no_mangle)]
pub static EVICT_AFTER: Global<u32> = Global::new(0);

/// For how long a first fragment speaks for later ones, by the table's clock: as long as Linux waits for them, 30 s.
#[unsafe(no_mangle)]
pub static FRAGMENT_LIFE: Global<u64> = Global::new(0);

/// Age up to which a hole in a TCP flow is filled by a late segment, by the table's ticks.
#[unsafe(no_mangle)]
pub static REORDER: Global<u32> = Global::new(0);

/// 1 = flows are those inside tunnels.
#[unsafe(no_mangle)]
pub static DECAP: Global<u8> = Global::new(0);

/// 1 = packets come from a capture, each behind a [`wireledger_common::abi::replay::Replay`]. Read-only once loaded, so
/// the verifier removes the branch and a probe that watches interfaces does not pay for it.
#[unsafe(no_mangle)]
pub static REPLAY: Global<u8> = Global::new(0);

/// Places that [`TOTALS`] and [`TALLIES`] have room for.
#[unsafe(no_mangle)]
pub static PLACE_COUNT: Global<u32> = Global::new(1);

/// Version of the layouts in these maps; the collector refuses an object with another.
#[unsafe(no_mangle)]
pub static ABI: Global<u32> = Global::new(abi::VERSION);
