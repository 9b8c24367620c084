//! What capture sessions add to a packet's cost: nothing armed, armed and not matching, matching now and then, always.

use std::{
    fmt::Write,
    os::fd::{AsFd, AsRawFd},
};

use anyhow::{Context, bail};
use aya::{
    Ebpf,
    maps::{Array, Map, MapData, ProgramArray, RingBuf},
    programs::Program,
};
use wireledger::{
    filter::{self, Classic, Ending, Hook},
    kernel::elf,
};
use wireledger_common::{
    abi::sample::{Handover, Session},
    names,
};

use super::{Args, BATCH, Scene, load, median, program, run_batches, take};

/// Programs of the object that only this part runs.
pub(super) const PROGRAMS: [&str; 2] = ["armed", "delivers"];

/// Ethernet.
const LINK: u16 = 1;

/// A state of the armed slot.
struct Rung {
    name: &'static str,
    /// Which program runs.
    program: &'static str,
    /// Filters that are armed, a session each; none = the slot is empty.
    filters: &'static [&'static str],
    /// One of every so many that match is delivered.
    every: u32,
}

/// The frame is TCP from port 443 to 49152, its source address random in the last 24 bits.
const RUNGS: [Rung; 8] = [
    Rung { name: "no capture code", program: "table", filters: &[], every: 1 },
    Rung { name: "nothing armed", program: "armed", filters: &[], every: 1 },
    Rung { name: "1 session, no match", program: "armed", filters: &["tcp port 80"], every: 1 },
    Rung {
        name: "1 session, other protocol",
        program: "armed",
        filters: &["udp port 53"],
        every: 1,
    },
    Rung {
        name: "8 sessions, no match",
        program: "armed",
        filters: &[
            "tcp port 80",
            "udp port 53",
            "icmp or icmp6",
            "host 192.0.2.1",
            "tcp[tcpflags] & (tcp-syn|tcp-rst) != 0",
            "net 198.51.100.0/24 and tcp",
            "vlan and ip",
            "ip6 and tcp port 22",
        ],
        every: 1,
    },
    Rung {
        name: "1 of 1024 packets matches",
        program: "armed",
        filters: &["ip[14:2] & 0x3ff = 5"],
        every: 1,
    },
    Rung {
        name: "all match, 1 of 1000 taken",
        program: "armed",
        filters: &["tcp port 443"],
        every: 1000,
    },
    Rung { name: "all match, all taken", program: "armed", filters: &["tcp port 443"], every: 1 },
];

/// Enough that a batch always fits.
pub(super) const RING: u32 = 16 << 20;

/// Runs every rung on many flows and on one; returns the table.
pub(super) fn play(args: &Args, raw: &mut String) -> anyhow::Result<String> {
    let mut text = String::from("\nns per packet; added is above the probe without capture code\n");
    for (name, flows) in [("1 flow", 1), ("64 Ki flows", 1 << 16)] {
        let scene = Scene { name, flows, slots: 1 << 17, evicts: false };
        let medians = rounds(&scene, args, raw)?;
        writeln!(text, "\n{:<28} {:>8} {:>8}", scene.name, "total", "added")?;
        for (rung, median) in RUNGS.iter().zip(&medians) {
            let added = median - medians[0];
            writeln!(text, "{:<28} {median:>8.1} {added:>8.1}", rung.name)?;
        }
    }
    Ok(text)
}

fn rounds(scene: &Scene, args: &Args, raw: &mut String) -> anyhow::Result<Vec<f64>> {
    let mut ebpf = load(scene)?;
    let mut probe = Capture::take(&mut ebpf)?;
    run_batches(&mut ebpf, "table", scene.flows.saturating_mul(4), u32::MAX, || {})?;
    let mut filters = Vec::new();
    for rung in &RUNGS {
        filters.push(probe.filter(rung)?);
    }
    let mut times = vec![Vec::new(); RUNGS.len()];
    for round in 0..args.rounds {
        for ((rung, filter), times) in RUNGS.iter().zip(&filters).zip(&mut times) {
            probe.arm(filter.as_ref(), rung)?;
            let ring = &mut probe.samples;
            let mut taken = 0u64;
            let drain = || {
                while ring.next().is_some() {
                    taken += 1;
                }
            };
            let nanoseconds = run_batches(&mut ebpf, rung.program, args.packets, BATCH, drain)?;
            check(rung, taken, args.packets)?;
            writeln!(raw, "capture, {}\t{}\t{round}\t{nanoseconds}", scene.name, rung.name)?;
            times.push(nanoseconds);
        }
    }
    Ok(times.into_iter().map(median).collect())
}

/// A rung that does not do what it is called would be a wrong figure.
fn check(rung: &Rung, taken: u64, packets: u32) -> anyhow::Result<()> {
    let all = rung.filters == ["tcp port 443"];
    let expected = u64::from(packets) / u64::from(rung.every);
    let right = match (all, rung.name.starts_with("1 of")) {
        (true, _) => taken.abs_diff(expected) <= 1,
        (false, true) => true,
        (false, false) => taken == 0,
    };
    if right { Ok(()) } else { bail!("{}: {taken} packets were taken", rung.name) }
}

/// The maps of sessions.
struct Capture {
    armed: ProgramArray<MapData>,
    /// Held for what is in it.
    _deliver: ProgramArray<MapData>,
    ending: Ending,
    sessions: Array<MapData, Session>,
    samples: RingBuf<MapData>,
    _handover: Map,
}

impl Capture {
    fn take(ebpf: &mut Ebpf) -> anyhow::Result<Self> {
        let handover = take(ebpf, names::HANDOVER)?;
        let deliver = take(ebpf, names::XDP_DELIVER)?;
        let (Map::PerCpuArray(data), Map::ProgramArray(programs)) = (&handover, &deliver) else {
            bail!("the object's maps are of other types");
        };
        let ending = Ending::Deliver {
            map: data.fd().as_fd().as_raw_fd(),
            offset: Handover::SESSIONS,
            programs: programs.fd().as_fd().as_raw_fd(),
            index: 0,
        };
        let mut deliver: ProgramArray<_> = deliver.try_into()?;
        deliver.set(0, program(ebpf, "delivers")?.fd()?, 0)?;
        Ok(Self {
            armed: take(ebpf, names::XDP_ARMED)?.try_into()?,
            _deliver: deliver,
            ending,
            sessions: take(ebpf, names::SESSIONS)?.try_into()?,
            samples: take(ebpf, names::SAMPLES)?.try_into()?,
            _handover: handover,
        })
    }

    fn filter(&self, rung: &Rung) -> anyhow::Result<Option<Ebpf>> {
        if rung.filters.is_empty() {
            return Ok(None);
        }
        let compiled = rung.filters.iter().map(|text| filter::compile(text, LINK));
        let compiled: Vec<Classic> = compiled.collect::<Result<_, _>>()?;
        let arms: Vec<_> =
            compiled.iter().map(|program| [filter::Arm { interfaces: None, program }]).collect();
        let sessions: Vec<_> =
            (0..).zip(&arms).map(|(bit, arms)| filter::Session { bit, arms }).collect();
        let instructions = filter::translate(Hook::Xdp, &sessions, self.ending)?;
        let bytes: Vec<u8> = instructions.into_iter().flat_map(|one| one.to_bytes()).collect();
        let mut filter = elf::open("filter", "xdp.frags", &bytes)?;
        program(&mut filter, "filter")?
            .load()
            .with_context(|| format!("verifying {}", rung.name))?;
        Ok(Some(filter))
    }

    fn arm(&mut self, filter: Option<&Ebpf>, rung: &Rung) -> anyhow::Result<()> {
        for slot in 0..rung.filters.len() as u32 {
            let session = Session {
                id: u64::from(slot),
                packets: u64::MAX,
                bytes: u64::MAX,
                first: u64::MAX,
                interval: 0,
                burst: 0,
                every: rung.every,
                snap: 128,
            };
            self.sessions.set(slot, session, 0)?;
        }
        match filter {
            Some(filter) => match filter.program("filter") {
                Some(Program::Xdp(program)) => {
                    self.armed.set(0, program.fd()?, 0)?;
                }
                _ => bail!("the filter is no XDP program"),
            },
            None => {
                // Empty already, the first time.
                let _ = self.armed.clear_index(&0);
            }
        }
        Ok(())
    }
}
