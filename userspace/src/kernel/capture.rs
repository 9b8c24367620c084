//! Arming filters in the running probe, and what the probe says of the sessions behind them.
//!
//! Guarantees: one map update arms, changes or disarms what a hook does, between two packets; the packets' way onto the
//! ledger stays as it is.

use std::{
    os::fd::{AsFd, AsRawFd},
    time::Duration,
};

use aya::{
    Ebpf,
    maps::{Array, Map, MapData, PerCpuArray, PerCpuValues, ProgramArray},
    programs::{Program, ProgramFd},
};
use wireledger_common::{
    abi::sample::{self, Block, Session, Spent, Tally},
    names,
};

use super::{
    Error, Probe, elf,
    load::{fd_of, load_program},
    object::take,
};

/// Name of a filter to the kernel.
const FILTER: &str = "wireledger_filter";

/// Longer than any packet's programs take, where the kernel cannot say that they are done.
const LONG: Duration = Duration::from_millis(100);

/// Where filters are armed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Place {
    /// Ingress at the driver.
    Xdp,
    /// Ingress behind it.
    Ingress,
    /// Egress.
    Egress,
}

impl Place {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Xdp, Self::Ingress, Self::Egress];

    /// Index in the program arrays of its kind.
    const fn index(self) -> u32 {
        match self {
            Self::Xdp | Self::Ingress => 0,
            Self::Egress => 1,
        }
    }

    const fn section(self) -> &'static str {
        match self {
            Self::Xdp => "xdp.frags",
            Self::Ingress | Self::Egress => "classifier",
        }
    }
}

/// Where an armed filter leaves what it found, and goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Handover {
    /// Descriptor of the per-CPU array whose entry 0 takes the matching sessions, a bit each in a `u64`.
    pub map: i32,
    /// Where in it, bytes.
    pub offset: i16,
    /// Descriptor of the program array with the program that delivers.
    pub programs: i32,
    /// Its index there.
    pub index: u32,
}

/// A filter that the verifier has passed.
pub struct Filter(Ebpf);

/// The probe's side of capture sessions.
pub(super) struct Capture {
    armed: Armed,
    deliver: Kinds,
    handover: MapData,
    sessions: Array<MapData, Session>,
    spent: Array<MapData, Spent>,
    blocks: PerCpuArray<MapData, Block>,
    tallies: PerCpuArray<MapData, Tally>,
    places: u32,
}

/// A program array for each type of program, since the kernel keeps programs of one type to an array. Programs stay in one only while
/// userspace holds it.
struct Kinds {
    xdp: Programs,
    tc: Programs,
}

struct Programs {
    array: ProgramArray<MapData>,
    name: &'static str,
    /// Its descriptor.
    fd: i32,
}

impl Programs {
    fn take(ebpf: &mut Ebpf, name: &'static str) -> Result<Self, Error> {
        let map = take(ebpf, name)?;
        let Map::ProgramArray(data) = &map else {
            return Err(Error::Object { what: "program array", name });
        };
        let fd = data.fd().as_fd().as_raw_fd();
        Ok(Self { array: map.try_into().map_err(Error::map(name))?, name, fd })
    }
}

impl Kinds {
    fn take(ebpf: &mut Ebpf, xdp: &'static str, tc: &'static str) -> Result<Self, Error> {
        Ok(Self { xdp: Programs::take(ebpf, xdp)?, tc: Programs::take(ebpf, tc)? })
    }

    fn of(&mut self, place: Place) -> &mut Programs {
        match place {
            Place::Xdp => &mut self.xdp,
            Place::Ingress | Place::Egress => &mut self.tc,
        }
    }

    fn set(&mut self, place: Place, program: &ProgramFd) -> Result<(), Error> {
        let programs = self.of(place);
        programs.array.set(place.index(), program, 0).map_err(Error::map(programs.name))
    }

    fn clear(&mut self, place: Place) -> Result<(), Error> {
        let programs = self.of(place);
        programs.array.clear_index(&place.index()).map_err(Error::map(programs.name))
    }
}

struct Armed {
    programs: Kinds,
    /// What is in them.
    filters: [Option<Filter>; Place::ALL.len()],
}

impl Capture {
    /// Loads the programs that deliver, and puts each where filters look for it.
    pub(super) fn new(ebpf: &mut Ebpf, places: u32) -> Result<Self, Error> {
        let mut deliver = Kinds::take(ebpf, names::XDP_DELIVER, names::TC_DELIVER)?;
        for (place, name) in [
            (Place::Xdp, names::XDP_DELIVER_PROGRAM),
            (Place::Ingress, names::TC_INGRESS_DELIVER),
            (Place::Egress, names::TC_EGRESS_DELIVER),
        ] {
            load_program(ebpf, name)?;
            deliver.set(place, fd_of(ebpf, name)?)?;
        }
        let handover = take(ebpf, names::HANDOVER)?;
        let Map::PerCpuArray(handover) = handover else {
            return Err(Error::Object { what: "per-CPU array", name: names::HANDOVER });
        };
        Ok(Self {
            armed: Armed {
                programs: Kinds::take(ebpf, names::XDP_ARMED, names::TC_ARMED)?,
                filters: [const { None }; Place::ALL.len()],
            },
            deliver,
            handover,
            sessions: take(ebpf, names::SESSIONS)?
                .try_into()
                .map_err(Error::map(names::SESSIONS))?,
            spent: take(ebpf, names::SPENT)?.try_into().map_err(Error::map(names::SPENT))?,
            blocks: take(ebpf, names::BLOCKS)?.try_into().map_err(Error::map(names::BLOCKS))?,
            tallies: take(ebpf, names::TALLIES)?.try_into().map_err(Error::map(names::TALLIES))?,
            places,
        })
    }
}

impl Probe {
    /// What a filter for `place` ends with.
    #[must_use]
    pub fn handover(&mut self, place: Place) -> Handover {
        let capture = self.capture_mut();
        Handover {
            map: capture.handover.fd().as_fd().as_raw_fd(),
            offset: sample::Handover::SESSIONS,
            programs: capture.deliver.of(place).fd,
            index: place.index(),
        }
    }

    /// Loads a filter for `place`: instructions as the kernel takes them, ending as [`Self::handover`] says.
    ///
    /// # Errors
    /// When the verifier refuses it.
    pub fn filter(&self, place: Place, instructions: &[u8]) -> Result<Filter, Error> {
        let mut program = elf::open(FILTER, place.section(), instructions)?;
        load_program(&mut program, FILTER)?;
        Ok(Filter(program))
    }

    /// Puts a filter where `place`'s packets go on, or takes it away. Packets under way on other CPUs may still be in the one
    /// before: [`Probe::settle`].
    ///
    /// # Errors
    /// When the kernel refuses; then what was armed stays.
    pub fn arm(&mut self, place: Place, filter: Option<Filter>) -> Result<(), Error> {
        let armed = &mut self.capture_mut().armed;
        match &filter {
            Some(filter) => armed.programs.set(place, fd_of(&filter.0, FILTER)?)?,
            None if armed.filters[place as usize].is_some() => armed.programs.clear(place)?,
            None => {}
        }
        armed.filters[place as usize] = filter;
        Ok(())
    }

    /// Returns when no packet is in a program any more that it came into before the call: a grace period of the kernel's RCU
    /// (membarrier(2)), some ten milliseconds.
    pub fn settle(&self) {
        // SAFETY: no pointers are passed.
        let result =
            unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_GLOBAL, 0, 0) };
        if result != 0 {
            // With nohz_full the kernel refuses.
            std::thread::sleep(LONG);
        }
    }

    /// Writes what a slot's session asks for, its budgets unspent and its sampling begun anew. The slot must not be armed.
    ///
    /// # Errors
    /// When the kernel refuses an update.
    pub fn set_session(&mut self, slot: u32, session: &Session) -> Result<(), Error> {
        let capture = self.capture_mut();
        let cpus = capture.blocks.get(&slot, 0).map_err(Error::map(names::BLOCKS))?.len();
        let blocks = PerCpuValues::try_from(vec![Block::default(); cpus])
            .map_err(Error::system("counting CPUs"))?;
        capture.blocks.set(slot, blocks, 0).map_err(Error::map(names::BLOCKS))?;
        capture.spent.set(slot, Spent::default(), 0).map_err(Error::map(names::SPENT))?;
        capture.sessions.set(slot, session, 0).map_err(Error::map(names::SESSIONS))
    }

    /// What became of the packets that a slot's filters matched at a place since the probe was loaded, over all CPUs: ingress, egress.
    ///
    /// # Errors
    /// When the kernel refuses the look-up.
    pub fn tallies(&self, slot: u32, place: u32) -> Result<[Tally; 2], Error> {
        let capture = self.capture();
        let first = (slot * capture.places + place) * 2;
        let mut sums = [Tally::default(); 2];
        for (index, sum) in (first..).zip(&mut sums) {
            let cpus = capture.tallies.get(&index, 0).map_err(Error::map(names::TALLIES))?;
            for tally in cpus.iter() {
                sum.matched += tally.matched;
                sum.left_out += tally.left_out;
                sum.over_budget += tally.over_budget;
                sum.lost += tally.lost;
                sum.delivered += tally.delivered;
            }
        }
        Ok(sums)
    }

    /// Instructions the verifier walked through for the filter at `place`; `None` with none armed, and before Linux 5.16.
    #[must_use]
    pub fn filter_verified(&self, place: Place) -> Option<u32> {
        let filter = self.capture().armed.filters[place as usize].as_ref()?;
        let info = match filter.0.program(FILTER)? {
            Program::Xdp(program) => program.info(),
            Program::SchedClassifier(program) => program.info(),
            _ => return None,
        };
        info.ok()?.verified_instruction_count()
    }
}
