//! The kernel cost ladder: empty program → headers read → counted, beside the same work on a kernel LRU per-CPU hash map;
//! and what capture sessions add to it.
//!
//! Time per packet by BPF_PROG_TEST_RUN, every rung once a round, rounds interleaved, medians of all: the machine's speed
//! drifts, so only figures of one run may be compared. Needs root. `cargo xtask bench --record DIR` keeps the raw rounds.

#![expect(clippy::print_stdout, reason = "a bench prints")]

mod capture;

use std::{fmt::Write, fs, path::PathBuf};

use anyhow::{Context, bail};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, RingBuf},
    programs::{Program, TestRun, TestRunOptions, Xdp},
};
use clap::Parser;
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use wireledger_common::{
    abi::settings::Place,
    names,
    table::{WAYS, hash::Seeds},
};

static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/probe/ladder.bpf.o"));

/// Programs of the object, in the order of the ladder.
const RUNGS: [&str; 4] = ["empty", "parse", "table", "lru"];

/// Measure what a packet costs in the kernel
#[derive(Debug, Parser)]
struct Args {
    /// Rounds; the median of them counts
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Packets a rung and round
    #[arg(long, default_value_t = 2_000_000)]
    packets: u32,
    /// Folder for the raw rounds (ladder.tsv) and what was printed (ladder.txt)
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

/// One column of the ladder.
struct Scene {
    name: &'static str,
    /// Flows, a power of two; each packet belongs to a random one.
    flows: u32,
    /// Slots of the CPU that runs, and entries of the peer's map.
    slots: u32,
    /// Old enough to be evicted at once, its record written and read, or never.
    evicts: bool,
}

const SCENES: [Scene; 6] = [
    Scene { name: "1 flow", flows: 1, slots: 1 << 12, evicts: false },
    Scene { name: "1 Ki flows", flows: 1 << 10, slots: 1 << 12, evicts: false },
    Scene { name: "64 Ki flows", flows: 1 << 16, slots: 1 << 17, evicts: false },
    Scene { name: "1 Mi flows", flows: 1 << 20, slots: 1 << 21, evicts: false },
    Scene { name: "overfull, evicting", flows: 1 << 20, slots: 1 << 17, evicts: true },
    Scene { name: "overfull, all young", flows: 1 << 20, slots: 1 << 17, evicts: false },
];

/// Packets between two drains of the ring, where flows are evicted: fewer than the ring holds records.
const BATCH: u32 = 20_000;
/// As large as by default.
const RING: u32 = 4 << 20;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut cpu = CpuSet::new();
    cpu.set(0).context("choosing CPU 0")?;
    sched_setaffinity(Pid::from_raw(0), &cpu).context("staying on CPU 0")?;

    let mut raw = String::from("scene\trung\tround\tnanoseconds\n");
    let mut text = format!(
        "ns per packet, medians of {} rounds of {} packets; net is above the empty program\n\n\
         {:<20} {:>6} {:>6} {:>6} {:>6}   {:>11} {:>11}   {:>9} {:>9}\n",
        args.rounds,
        args.packets,
        "",
        "empty",
        "parse",
        "table",
        "lru",
        "table/parse",
        "(net)",
        "table/lru",
        "(net)"
    );
    for scene in &SCENES {
        let medians = play(scene, &args, &mut raw)?;
        let [empty, parse, table, lru] = medians;
        let net = |a: f64, b: f64| (a - empty) / (b - empty);
        writeln!(
            text,
            "{:<20} {empty:>6.0} {parse:>6.0} {table:>6.0} {lru:>6.0}   {:>11.2} {:>11.2}   {:>9.2} {:>9.2}",
            scene.name,
            table / parse,
            net(table, parse),
            table / lru,
            net(table, lru),
        )?;
    }
    text += &capture::play(&args, &mut raw)?;
    print!("{text}");
    if let Some(folder) = args.record {
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        fs::write(folder.join("ladder.tsv"), raw).context("writing the raw rounds")?;
        fs::write(folder.join("ladder.txt"), text).context("writing the ladder")?;
    }
    Ok(())
}

fn play(scene: &Scene, args: &Args, raw: &mut String) -> anyhow::Result<[f64; RUNGS.len()]> {
    let mut ebpf = load(scene)?;
    let mut ring: RingBuf<_> = take(&mut ebpf, names::RECORDS)?.try_into()?;
    for rung in ["table", "lru"] {
        // Until nearly every flow was seen.
        run(&mut ebpf, &mut ring, rung, scene.flows.saturating_mul(4), scene)?;
    }
    let mut rounds = [const { Vec::new() }; RUNGS.len()];
    for round in 0..args.rounds {
        for (rung, times) in RUNGS.into_iter().zip(&mut rounds) {
            let nanoseconds = run(&mut ebpf, &mut ring, rung, args.packets, scene)?;
            writeln!(raw, "{}\t{rung}\t{round}\t{nanoseconds}", scene.name)?;
            times.push(nanoseconds);
        }
    }
    Ok(rounds.map(median))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn load(scene: &Scene) -> anyhow::Result<Ebpf> {
    const NEVER: u32 = u32::MAX / 2;
    let cpus = 1u32;
    let buckets = scene.slots / WAYS as u32;
    let mut seeds = Seeds::default();
    for word in &mut seeds {
        *word = getrandom::u64()?;
    }
    let evict_after = if scene.evicts { 0u32 } else { NEVER };
    let mut ebpf = EbpfLoader::new()
        .override_global(names::SEEDS, &seeds[..], true)
        .override_global(names::CPUS, &cpus, true)
        .override_global(names::BUCKETS, &buckets, true)
        .override_global(names::EVICT_AFTER, &evict_after, true)
        .override_global(names::REORDER, &1u32, true)
        .override_global(names::LOG_LEVEL, &0u8, true)
        .override_global("FLOW_COUNT", &scene.flows, true)
        .override_global(names::PLACE_COUNT, &1u32, true)
        .map_max_entries(names::FLOWS, buckets)
        .map_max_entries(names::RECORDS, RING)
        .map_max_entries(names::SAMPLES, capture::RING)
        .map_max_entries("LRU", scene.slots)
        .load(OBJECT)
        .context("loading the ladder (root is needed)")?;
    let mut places: Array<_, Place> = take(&mut ebpf, names::PLACES)?.try_into()?;
    // BPF_PROG_TEST_RUN plays the packet on the loopback interface.
    places.set(1, Place { interface: 1, both_ways: 1, mtu: 1500, ..Place::default() }, 0)?;
    for rung in RUNGS.into_iter().chain(capture::PROGRAMS) {
        program(&mut ebpf, rung)?.load().with_context(|| format!("verifying {rung}"))?;
    }
    Ok(ebpf)
}

fn run(
    ebpf: &mut Ebpf,
    ring: &mut RingBuf<aya::maps::MapData>,
    rung: &str,
    packets: u32,
    scene: &Scene,
) -> anyhow::Result<f64> {
    let batch = if scene.evicts { BATCH } else { packets };
    run_batches(ebpf, rung, packets, batch, || while ring.next().is_some() {})
}

/// Nanoseconds per packet, with a pause after each batch that is not counted.
fn run_batches(
    ebpf: &mut Ebpf,
    rung: &str,
    packets: u32,
    batch: u32,
    mut pause: impl FnMut(),
) -> anyhow::Result<f64> {
    let frame = frame();
    let (mut left, mut weighted) = (packets, 0.0);
    while left > 0 {
        let repeat = left.min(batch);
        let mut options = TestRunOptions::new();
        options.data_in = Some(&frame);
        options.repeat = repeat;
        let result = program(ebpf, rung)?.test_run(options)?;
        weighted += result.duration.as_nanos() as f64 * f64::from(repeat);
        pause();
        left -= repeat;
    }
    Ok(weighted / f64::from(packets))
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> anyhow::Result<&'a mut Xdp> {
    match ebpf.program_mut(name) {
        Some(Program::Xdp(program)) => Ok(program),
        _ => bail!("the object has no program {name}; `cargo xtask build-ebpf`"),
    }
}

fn take(ebpf: &mut Ebpf, name: &str) -> anyhow::Result<aya::maps::Map> {
    ebpf.take_map(name).with_context(|| format!("the object has no map {name}"))
}

/// The smallest TCP segment, 64 bytes with FCS.
fn frame() -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00];
    frame.extend([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 255, 0, 1]);
    frame.extend([0x01, 0xbb, 0xc0, 0x00, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff]);
    frame.extend([0; 10]);
    frame
}
