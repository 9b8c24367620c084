//! The flow table loses nothing: every packet is in a slot, in a record or in overflow, and in one of them only.

use wireledger_common::{
    abi::{flow::FlowKey, record::Record},
    table::{Now, Sighting, Slot, WAYS, read::Reading},
    wire::tcp_flags,
};

use super::{
    Frame,
    input::Input,
    probe::{self, CPUS, Counted, FLOWS, Probe, number},
};

/// What adds up.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Sum {
    packets: u64,
    bytes: u64,
    syn: u32,
    fin: u32,
    rst: u32,
    fragments: u32,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.syn += other.syn;
        self.fin += other.fin;
        self.rst += other.rst;
        self.fragments += other.fragments;
    }

    fn of_packet(seen: &Sighting) -> Self {
        let one = |flag| u32::from(seen.tcp_flags & flag != 0);
        Self {
            packets: u64::from(seen.packets),
            bytes: u64::from(seen.bytes),
            syn: one(tcp_flags::SYN),
            fin: one(tcp_flags::FIN),
            rst: one(tcp_flags::RST),
            fragments: u32::from(seen.fragments),
        }
    }

    fn of_slot(slot: &Slot) -> Self {
        let Slot { packets, bytes, detail, .. } = *slot;
        let (syn, fin, rst) = (detail.syn, detail.fin, detail.rst);
        Self { packets, bytes, syn, fin, rst, fragments: detail.fragments }
    }
}

/// By CPU and flow.
type Sums = [[Sum; FLOWS]; CPUS as usize];

/// The table and what it should hold.
struct World {
    probe: Probe,
    counted: Sums,
    /// Read from records.
    ended: Sums,
    /// By slot: what the latest sweep or record said.
    latest: Vec<Option<Reading>>,
}

/// `data` is a table, then steps: packets, time, drains, sweeps.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let probe = Probe::new(&mut input);
    let none = [[Sum::default(); FLOWS]; CPUS as usize];
    let latest = vec![None; probe.slots() as usize];
    let mut world = World { probe, counted: none, ended: none, latest };
    while !input.is_empty() {
        match input.byte() {
            step @ 0..=191 => {
                world.packet(u32::from(step) % CPUS, input.byte() % FLOWS as u8, &mut input)
            }
            192..=223 => world.probe.now += u64::from(input.byte()),
            224..=239 => world.drain(),
            _ => world.sweep(),
        }
    }
    world.drain();
    world.sweep();
}

impl World {
    fn packet(&mut self, cpu: u32, flow: u8, input: &mut Input<'_>) {
        let (key, seen) = (probe::key(flow), probe::sighting(input));
        let ways = self.ways(cpu, &key);
        let full = self.probe.ring.len() >= self.probe.room;
        match self.probe.count(cpu, &key, &seen) {
            Counted::Entered => {}
            Counted::Evicted(slot) => {
                let way = ways.iter().find(|way| way.slot == slot).expect("one of its own eight");
                assert!(ways.iter().all(|other| other.used && other.age <= way.age));
                assert!(way.age >= self.probe.evict_after, "too young");
            }
            Counted::Overflow => {
                let old = ways.iter().any(|way| way.age >= self.probe.evict_after);
                assert!(ways.iter().all(|way| way.used) && (full || !old), "there was room");
                return;
            }
        }
        self.counted[cpu as usize][usize::from(flow)].add(Sum::of_packet(&seen));
    }

    /// The flow's eight ways before its packet.
    fn ways(&self, cpu: u32, key: &FlowKey) -> Vec<Way> {
        let home = self.probe.home(key);
        let slice = cpu * self.probe.buckets;
        let now = Now::jiffies(self.probe.now).ticks;
        let of = |slot: u32| {
            let (bucket, way) = (slot as usize / WAYS, slot as usize % WAYS);
            let bucket = &self.probe.table[bucket];
            let age = now.wrapping_sub(bucket.last_seen[way]);
            Way { slot, used: bucket.tags[way] != 0, age }
        };
        let ways = |bucket| (0..WAYS as u32).map(move |way| (slice + bucket) * WAYS as u32 + way);
        ways(home.first).chain(ways(home.second)).map(of).collect()
    }

    fn drain(&mut self) {
        while let Some(record) = self.probe.ring.pop_front() {
            let Record { key, packets, bytes, detail, entry } = record;
            let slot = Slot { key, packets, bytes, detail };
            self.follow(entry.slot, &Reading { generation: entry.generation, slot });
            self.ended[entry.cpu as usize][number(&key)].add(Sum::of_slot(&slot));
        }
    }

    /// Generations are even and come in order, and totals of one only grow.
    fn follow(&mut self, slot: u32, reading: &Reading) {
        assert!(reading.generation != 0 && reading.generation.is_multiple_of(2));
        let Some(before) = self.latest[slot as usize].replace(*reading) else { return };
        assert!(reading.generation >= before.generation);
        if reading.generation == before.generation {
            assert_eq!(reading.slot.key, before.slot.key);
            assert!(reading.slot.packets >= before.slot.packets);
            assert!(reading.slot.bytes >= before.slot.bytes);
        }
        let detail = &reading.slot.detail;
        assert!(detail.length_min <= detail.length_max && detail.ttl_min <= detail.ttl_max);
    }

    /// Every packet that got an entry is in a slot or a record now.
    fn sweep(&mut self) {
        self.drain();
        let (mut sums, mut there) = (self.ended, [[false; FLOWS]; CPUS as usize]);
        for slot in 0..self.probe.slots() {
            let Some(reading) = self.probe.reading(slot) else { continue };
            self.follow(slot, &reading);
            let (cpu, key) = (self.probe.owner(slot), reading.slot.key);
            let flow = number(&key);
            let twice = std::mem::replace(&mut there[cpu as usize][flow], true);
            assert!(!twice, "a flow in two slots");
            let bucket = slot / WAYS as u32 - cpu * self.probe.buckets;
            let home = self.probe.home(&key);
            assert!(bucket == home.first || bucket == home.second, "a flow that is not at home");
            sums[cpu as usize][flow].add(Sum::of_slot(&reading.slot));
        }
        assert!(sums == self.counted, "{sums:?}\n{:?}", self.counted);
    }
}

/// One way, before a packet.
#[derive(Clone, Copy)]
struct Way {
    slot: u32,
    used: bool,
    age: u32,
}

/// Tables of each size under a steady stream, without and with room in the ring.
#[must_use]
pub fn seeds(_: &[Frame]) -> Vec<Vec<u8>> {
    (0..16_u8).map(|n| [&[n, 8 * n, n, 1, n, 40][..], &stream(n)].concat()).collect()
}

/// Steps that look like chance.
pub(super) fn stream(n: u8) -> Vec<u8> {
    let mut state = u32::from(n) + 1;
    let next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(900).collect()
}
