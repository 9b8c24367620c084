//! The eBPF object, sized and loaded.

use std::time::Duration;

use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap, MapData, PerCpuArray, ProgramArray},
    programs::{Program, ProgramFd, SchedClassifier, Xdp},
};
use wireledger_common::{
    abi::{
        flow::FlowKey,
        handshake::{ATTEMPTS, Attempt},
        link::Link,
        replay,
        sample::SESSIONS,
        settings::{PLACES_LEN, Place},
        totals::{Losses, Totals},
    },
    names,
    table::{Bucket, WAYS, hash::Seeds},
};

use super::{
    Clock, Error,
    capture::Capture,
    clock, counters,
    flows::Table,
    handshakes::{self, Handshakes},
    object::{program, take},
    records::Records,
    samples::Samples,
};

static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("WIRELEDGER_BPF_OBJECT"));

/// How large the probe's maps are, and how it treats old flows.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Bytes of the flow table over all CPUs.
    pub flow_memory: u64,
    /// Bytes of the ring of ended flows.
    pub record_memory: u32,
    /// Bytes of the ring of samples.
    pub sample_memory: u32,
    /// Interfaces that can be watched at once.
    pub interfaces: u32,
    /// Silence after which a flow's slot may be given to another.
    pub evict_after: Duration,
    /// Level of the probe's own diagnostics: 0 = off, 1 = error … 5 = trace.
    pub log_level: u8,
    /// Flows are those inside tunnels.
    pub decap: bool,
    /// Packets come from a capture.
    pub replay: Option<Replayed>,
}

/// What makes every replay of a capture fill the tables alike.
#[derive(Clone, Copy, Debug)]
pub struct Replayed {
    /// Of the flow hash.
    pub seeds: Seeds,
    /// First fragments that are remembered.
    pub fragments: u32,
}

/// How long a first fragment speaks for later ones: as long as Linux waits for them (`ipfrag_time`).
pub const FRAGMENT_LIFE: Duration = Duration::from_secs(30);

/// Age up to which a segment that fills a hole was overtaken on its way, and beyond which it was sent again: Wireshark's default.
pub const REORDER: Duration = Duration::from_millis(3);

/// What the probe is to know of an interface.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    /// Which totals are its.
    pub place: u32,
    /// What its frames begin with.
    pub link: Link,
    /// Largest network packet, bytes; 0 = not known, and no frame is full.
    pub mtu: u32,
    /// Both of its directions are watched; without that no handshake is followed.
    pub both_ways: bool,
}

/// The loaded probe: programs and maps.
pub struct Probe {
    pub(super) ebpf: Ebpf,
    clock: Clock,
    table: Table,
    records: Records,
    /// `None` once taken.
    samples: Option<Samples>,
    capture: Capture,
    totals: PerCpuArray<MapData, Totals>,
    losses: PerCpuArray<MapData, Losses>,
    places: Array<MapData, Place>,
    handshakes: HashMap<MapData, FlowKey, Attempt>,
    /// Empty unless inner flows are asked for. Programs stay in a program array only while userspace holds it.
    _inner: Vec<ProgramArray<MapData>>,
    sizes: Sizes,
}

/// What a program has cost, as the kernel counts it while BPF statistics are on.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProgramCost {
    /// Its name.
    pub name: &'static str,
    /// Calls.
    pub runs: u64,
    /// Time in it.
    pub time: Duration,
}

impl Probe {
    /// Loads the object this binary carries and verifies every program.
    ///
    /// # Errors
    /// When the kernel refuses a map or a program, with the missing capability where that is the reason.
    pub fn load(sizes: Sizes) -> Result<Self, Error> {
        Self::load_object(OBJECT, sizes)
    }

    /// Loads another object with the same programs and maps.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_object(object: &[u8], sizes: Sizes) -> Result<Self, Error> {
        let layout = Layout::new(sizes.flow_memory)?;
        let tick = clock::tick()?;
        let (seeds, table_tick, stamp) = match sizes.replay {
            Some(replayed) => (replayed.seeds, replay::TICK, Duration::from_nanos(1)),
            None => (seeds()?, tick, tick),
        };
        let evict_after = ticks(sizes.evict_after, table_tick);
        let evict_after = u32::try_from(evict_after).unwrap_or(u32::MAX / 2);
        let fragment_life = ticks(FRAGMENT_LIFE, stamp);
        // Whole ticks, rounded up: what is younger is never taken for sent again.
        let reorder = ticks(REORDER + table_tick - Duration::from_nanos(1), table_tick) as u32;
        let (decap, replays) = (u8::from(sizes.decap), u8::from(sizes.replay.is_some()));
        let mut loader = EbpfLoader::new();
        loader
            .override_global(names::SEEDS, &seeds[..], true)
            .override_global(names::CPUS, &layout.cpus, true)
            .override_global(names::BUCKETS, &layout.buckets, true)
            .override_global(names::EVICT_AFTER, &evict_after, true)
            .override_global(names::FRAGMENT_LIFE, &fragment_life, true)
            .override_global(names::REORDER, &reorder, true)
            .override_global(names::LOG_LEVEL, &sizes.log_level, true)
            .override_global(names::DECAP, &decap, true)
            .override_global(names::REPLAY, &replays, true)
            .override_global(names::PLACE_COUNT, &sizes.interfaces, true)
            .map_max_entries(names::FLOWS, layout.cpus * layout.buckets)
            .map_max_entries(names::TOTALS, sizes.interfaces * 2)
            .map_max_entries(names::RECORDS, sizes.record_memory)
            .map_max_entries(names::HANDSHAKES, ATTEMPTS)
            .map_max_entries(names::TALLIES, sizes.interfaces * 2 * SESSIONS as u32)
            .map_max_entries(names::ROOMS, layout.cpus)
            .map_max_entries(names::SAMPLES, sizes.sample_memory);
        if let Some(replayed) = sizes.replay {
            loader.map_max_entries(names::FRAGMENTS, replayed.fragments);
        }
        let mut ebpf = loader.load(object).map_err(|error| Error::load(&error))?;
        for name in [names::XDP, names::TC_INGRESS, names::TC_EGRESS, names::CLOCK_PROGRAM] {
            load_program(&mut ebpf, name)?;
        }
        let inner = if sizes.decap { inner(&mut ebpf)? } else { Vec::new() };
        let capture = Capture::new(&mut ebpf, sizes.interfaces)?;
        let clock = clock::read(&mut ebpf, tick)?;
        let table = Table::new(take(&mut ebpf, names::FLOWS)?, layout.cpus, layout.buckets)?;
        let records = Records::new(take(&mut ebpf, names::RECORDS)?)?;
        let samples = Some(Samples::new(take(&mut ebpf, names::SAMPLES)?)?);
        let totals =
            take(&mut ebpf, names::TOTALS)?.try_into().map_err(Error::map(names::TOTALS))?;
        let losses =
            take(&mut ebpf, names::LOSSES)?.try_into().map_err(Error::map(names::LOSSES))?;
        let places =
            take(&mut ebpf, names::PLACES)?.try_into().map_err(Error::map(names::PLACES))?;
        let handshakes = take(&mut ebpf, names::HANDSHAKES)?
            .try_into()
            .map_err(Error::map(names::HANDSHAKES))?;
        Ok(Self {
            ebpf,
            clock,
            table,
            records,
            samples,
            capture,
            totals,
            losses,
            places,
            handshakes,
            _inner: inner,
            sizes,
        })
    }

    /// Which jiffy was when.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// How the probe was sized.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// The flow table.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    pub(super) fn table_mut(&mut self) -> &mut Table {
        &mut self.table
    }

    pub(super) fn ring(&self) -> &Records {
        &self.records
    }

    /// The ring of ended flows.
    pub fn records(&mut self) -> &mut Records {
        &mut self.records
    }

    /// The ring of samples, once.
    pub fn take_samples(&mut self) -> Option<Samples> {
        self.samples.take()
    }

    pub(super) fn capture(&self) -> &Capture {
        &self.capture
    }

    pub(super) fn capture_mut(&mut self) -> &mut Capture {
        &mut self.capture
    }

    /// The totals of a place, one per CPU: ingress, then egress.
    ///
    /// # Errors
    /// When the kernel refuses the look-up.
    pub fn totals(&self, place: u32) -> Result<counters::PlaceTotals, Error> {
        counters::read(&self.totals, place)
    }

    /// Sets a place's totals to zero, for another interface. No program may be counting there.
    ///
    /// # Errors
    /// When the kernel refuses the update.
    pub fn clear_totals(&mut self, place: u32) -> Result<(), Error> {
        counters::clear(&mut self.totals, place)
    }

    /// What was lost or found no place, over all CPUs.
    ///
    /// # Errors
    /// When the kernel refuses the look-up.
    pub fn losses(&self) -> Result<Losses, Error> {
        counters::losses(&self.losses)
    }

    /// The entry of the index table where `interface` would stand.
    ///
    /// # Errors
    /// When the kernel refuses the look-up.
    pub fn place_at(&self, interface: u32) -> Result<Place, Error> {
        self.places.get(&(interface % PLACES_LEN), 0).map_err(Error::map(names::PLACES))
    }

    /// Takes out the handshakes that have been under way for too long, and tells how many and which are left.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn expire_handshakes(&mut self) -> Result<Handshakes, Error> {
        handshakes::expire(&mut self.handshakes, handshakes::now()?)
    }

    /// The same by another clock than the kernel's, nanoseconds: a replay's.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn expire_handshakes_at(&mut self, now: u64) -> Result<Handshakes, Error> {
        handshakes::expire(&mut self.handshakes, now)
    }

    /// Says where an interface's totals stand and what is known of it, or frees its entry.
    ///
    /// # Errors
    /// When the kernel refuses the update.
    pub fn set_place(&mut self, interface: u32, placed: Option<Placed>) -> Result<(), Error> {
        let entry = match placed {
            Some(Placed { place, link, mtu, both_ways }) => {
                Place { interface, place, link: link as u16, both_ways: both_ways.into(), mtu }
            }
            None => Place::default(),
        };
        self.places.set(interface % PLACES_LEN, entry, 0).map_err(Error::map(names::PLACES))
    }

    /// What each program has cost so far; zeros while the kernel's BPF statistics are off.
    #[must_use]
    pub fn cost(&self) -> Vec<ProgramCost> {
        [names::XDP, names::TC_INGRESS, names::TC_EGRESS]
            .into_iter()
            .filter_map(|name| {
                let info = match self.ebpf.program(name)? {
                    Program::Xdp(program) => program.info(),
                    Program::SchedClassifier(program) => program.info(),
                    _ => return None,
                };
                let info = info.ok()?;
                Some(ProgramCost { name, runs: info.run_count(), time: info.run_time() })
            })
            .collect()
    }

    pub(super) fn xdp(&mut self, name: &'static str) -> Result<&mut Xdp, Error> {
        program(&mut self.ebpf, name)
    }

    pub(super) fn classifier(&mut self, name: &'static str) -> Result<&mut SchedClassifier, Error> {
        program(&mut self.ebpf, name)
    }
}

/// How a memory budget becomes a table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Layout {
    /// CPUs with a slice: those that are present; one that is plugged in later counts into overflow.
    pub cpus: u32,
    /// Buckets in each slice.
    pub buckets: u32,
}

impl Layout {
    /// The largest table within `memory` bytes; at least one bucket per CPU.
    ///
    /// # Errors
    /// When the number of CPUs cannot be read.
    pub fn new(memory: u64) -> Result<Self, Error> {
        Ok(Self::of(memory, present_cpus()?))
    }

    /// The same for a given number of CPUs.
    #[must_use]
    pub fn of(memory: u64, cpus: u32) -> Self {
        Self { cpus, buckets: buckets(memory, cpus) }
    }

    /// Flows it holds.
    #[must_use]
    pub fn flows(self) -> u64 {
        u64::from(self.cpus) * u64::from(self.buckets) * WAYS as u64
    }
}

fn buckets(memory: u64, cpus: u32) -> u32 {
    /// Slots are numbered in 32 bits, and the array must stay below 4 GiB entries times CPUs.
    const MOST: u64 = u32::MAX as u64 / WAYS as u64;
    let cpus = u64::from(cpus);
    let each = memory / cpus / size_of::<Bucket>() as u64;
    u32::try_from(each.clamp(1, MOST / cpus)).unwrap_or(1)
}

/// The highest present CPU's number plus one.
fn present_cpus() -> Result<u32, Error> {
    const PRESENT: &str = "/sys/devices/system/cpu/present";
    let list =
        std::fs::read_to_string(PRESENT).map_err(Error::system("reading the list of CPUs"))?;
    let last = list.trim().rsplit([',', '-']).next().and_then(|last| last.parse::<u32>().ok());
    last.map(|last| last + 1).ok_or_else(|| Error::System {
        doing: "reading the list of CPUs",
        source: std::io::Error::other(format!("{PRESENT} says {list:?}")),
    })
}

fn ticks(time: Duration, tick: Duration) -> u64 {
    u64::try_from(time.as_nanos() / tick.as_nanos()).unwrap_or(u64::MAX)
}

/// Loads the programs that go on inside tunnels, and puts each where the one before it looks.
fn inner(ebpf: &mut Ebpf) -> Result<Vec<ProgramArray<MapData>>, Error> {
    const AT_TC: [&str; 2] = [names::TC_INGRESS_INNER, names::TC_EGRESS_INNER];
    let at_driver: &[&'static str] = &[names::XDP_INNER_PROGRAM];
    let mut arrays = Vec::new();
    for (map, programs) in [(names::XDP_INNER, at_driver), (names::TC_INNER, &AT_TC)] {
        let mut array = ProgramArray::try_from(take(ebpf, map)?).map_err(Error::map(map))?;
        for (slot, &name) in (0..).zip(programs) {
            load_program(ebpf, name)?;
            array.set(slot, fd_of(ebpf, name)?, 0).map_err(Error::map(map))?;
        }
        arrays.push(array);
    }
    Ok(arrays)
}

fn seeds() -> Result<Seeds, Error> {
    let mut seeds = Seeds::default();
    for word in &mut seeds {
        *word = getrandom::u64().map_err(|error| Error::System {
            doing: "asking the kernel for random bytes",
            source: error.into(),
        })?;
    }
    Ok(seeds)
}

pub(super) fn load_program(ebpf: &mut Ebpf, name: &'static str) -> Result<(), Error> {
    let loaded = match ebpf.program_mut(name) {
        Some(Program::Xdp(program)) => program.load(),
        Some(Program::SchedClassifier(program)) => program.load(),
        _ => return Err(Error::Object { what: "program", name }),
    };
    loaded.map_err(Error::program(name))
}

/// A loaded program's descriptor.
pub(super) fn fd_of<'a>(ebpf: &'a Ebpf, name: &'static str) -> Result<&'a ProgramFd, Error> {
    let fd = match ebpf.program(name) {
        Some(Program::Xdp(program)) => program.fd(),
        Some(Program::SchedClassifier(program)) => program.fd(),
        _ => return Err(Error::Object { what: "program", name }),
    };
    fd.map_err(Error::program(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_never_exceeded_and_never_empty() {
        assert_eq!(buckets(64 << 20, 2), (32 << 20) / 576);
        assert_eq!(buckets(0, 8), 1);
        for (memory, cpus) in [(1 << 20, 1), (1 << 30, 128), (1 << 34, 3)] {
            let bytes = u64::from(buckets(memory, cpus)) * u64::from(cpus) * 576;
            assert!(bytes <= memory && bytes + 576 * u64::from(cpus) > memory);
        }
    }

    #[test]
    fn slots_are_numbered_in_32_bits_whatever_the_budget() {
        let cpus = 4;
        let slots = u64::from(buckets(u64::MAX, cpus)) * u64::from(cpus) * WAYS as u64;
        assert!(slots <= u64::from(u32::MAX));
    }
}
