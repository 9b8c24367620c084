//! What the detector of scans takes for an attempt, by who attempts, and how much memory it keeps for a million sources; and what
//! the detector of floods takes for the news of a flow.
//!
//! `cargo xtask bench scan --record DIR` keeps the raw rounds.

#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::{fmt::Write as _, fs, path::PathBuf, time::Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use wireledger::{
    flows::{Flow, News},
    scan::{
        Attempt, Detector, Settings,
        flood::{self, Handshakes, Rates},
    },
};
use wireledger_common::{
    abi::flow::{Detail, FlowKey},
    wire::tcp_flags::{ACK, RST, SYN},
};

/// Measure the detector of scans
#[derive(Debug, Parser)]
struct Args {
    /// Rounds; the median of them counts
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Attempts of a round
    #[arg(long, default_value_t = 2_000_000)]
    attempts: u32,
    /// Folder for the raw rounds (scan.tsv) and what was printed (scan.txt)
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

/// Sources that are known before the rounds.
const SOURCES: u32 = 1 << 20;
const SECOND: u64 = 1_000_000_000;

/// Who attempts.
#[derive(Clone, Copy)]
struct Rung {
    name: &'static str,
    /// The source, the port and the answer of the nth attempt of a round.
    of: fn(round: u32, n: u32) -> (u32, u16, Answer),
}

#[derive(Clone, Copy)]
enum Answer {
    Completed,
    Refused,
    Silent,
}

const RUNGS: [Rung; 6] = [
    // One that scans a host's ports.
    Rung { name: "suspect, its pairs known", of: |_, n| (1, n as u16, Answer::Refused) },
    Rung {
        name: "16 scanners, new pairs",
        of: |round, n| (2 + n % 16 + round * 16, (n / 16) as u16, Answer::Refused),
    },
    // Clients of a service that is there, and of one that is not.
    Rung {
        name: "64 Ki clients, completed",
        of: |_, n| (100 << 16 | mix(n) >> 16, 443, Answer::Completed),
    },
    Rung {
        name: "512 Ki sources, silent",
        of: |_, n| (200 << 24 | mix(n) >> 13, 80, Answer::Silent),
    },
    Rung {
        name: "512 Ki sources, completed",
        of: |_, n| (200 << 24 | mix(n) >> 13, 443, Answer::Completed),
    },
    Rung {
        name: "a new source each, spoofed",
        of: |round, n| (mix(n + round * 50_000_000) | 1, 80, Answer::Silent),
    },
];

/// Scatters numbers, no two to one place.
const fn mix(n: u32) -> u32 {
    let n = n.wrapping_mul(0x9e37_79b1);
    (n ^ (n >> 15)).wrapping_mul(0x85eb_ca6b)
}

/// An attempt's flows, changed from one to the next.
struct Scene {
    detector: Detector,
    key: FlowKey,
    asked: Flow,
    answer: Flow,
    now: u64,
}

impl Scene {
    fn new() -> anyhow::Result<Self> {
        let detail = Detail { length_min: 74, length_max: 74, ..Detail::default() };
        let mut key = FlowKey { interface: 2, protocol: 6, ..FlowKey::default() };
        key.destination[..4].copy_from_slice(&[10, 66, 0, 2]);
        let now = 1000 * SECOND;
        let flow = Flow::new(&detail, now);
        let detector = Detector::new(Settings::default())?;
        Ok(Self { detector, key, asked: flow, answer: flow, now })
    }

    fn attempt(&mut self, (source, port, answer): (u32, u16, Answer)) {
        self.now += 1000;
        self.key.source[..4].copy_from_slice(&source.to_be_bytes());
        self.key.destination_port = port;
        self.key.source_port = 40_000 + source as u16 % 20_000;
        (self.asked.first_seen, self.asked.tcp_flags_first) = (self.now, SYN);
        let (asked, answered) = match answer {
            Answer::Completed => (SYN | ACK, Some(SYN | ACK)),
            Answer::Refused => (SYN, Some(RST | ACK)),
            Answer::Silent => (SYN, None),
        };
        self.asked.tcp_flags = asked;
        self.answer.tcp_flags = answered.unwrap_or_default();
        let attempt = Attempt {
            key: &self.key,
            asked: &self.asked,
            answered: answered.map(|_| &self.answer),
            both_ways: true,
            link_header: 14,
        };
        self.detector.attempt(&attempt, self.now);
    }
}

/// News of flows that the detector of floods is told: protocol, whether each is a flow's first packet, and SYNs of a second,
/// which make it look at who takes part.
const NEWS: [(&str, u8, bool, u64); 3] = [
    ("news of a TCP flow", 6, false, 0),
    ("news of a UDP flow", 17, false, 0),
    ("a SYN, while many come", 6, true, 200_000),
];

/// Nanoseconds for each of so many news.
fn news((_, protocol, begins, syn): (&str, u8, bool, u64), count: u32, now: u64) -> f64 {
    let mut detector = flood::Detector::new(flood::Settings::default());
    let mut key = FlowKey { interface: 2, protocol, destination_port: 80, ..FlowKey::default() };
    key.destination[..4].copy_from_slice(&[10, 66, 0, 2]);
    let flags = if begins { SYN } else { ACK };
    let news = News { packets: 1, bytes: 74, syn: begins.into(), first_flags: flags, begins };
    let mut note = |detector: &mut flood::Detector, n| {
        key.source[..4].copy_from_slice(&mix(n).to_be_bytes());
        key.source_port = n as u16;
        detector.note(&key, &news);
    };
    note(&mut detector, 0);
    let handshakes = Some(Handshakes::default());
    let rates = Rates { tcp: syn, syn, handshakes, ..Rates::default() };
    detector.second(2, now, [rates, Rates::default()], |_, _| {});
    let began = Instant::now();
    (0..count).for_each(|n| note(&mut detector, n));
    began.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}

/// Resident memory of this process, bytes.
fn resident() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
    Ok(kib.parse::<u64>()? * 1024)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn main() -> anyhow::Result<()> {
    let Args { rounds, attempts, record } = Args::parse();
    let before = resident()?;
    let mut scene = Scene::new()?;
    let empty = resident()?;
    for n in 0..SOURCES {
        scene.attempt((200 << 24 | n, 80, Answer::Silent));
    }
    let full = resident()?;
    let counters = scene.detector.counters();
    // Sets are filled by chance: some are full before others.
    ensure!(counters.newcomers > u64::from(SOURCES) * 3 / 4, "{counters:?}");
    let mut told = String::new();
    writeln!(
        told,
        "MiB resident for the detector: {:.1} empty, {:.1} with 1 Mi sources ({:.1} by its own count)",
        mib(empty - before),
        mib(full - before),
        mib(counters.bytes)
    )?;
    writeln!(
        told,
        "1 Mi sources: {} remembered, {} had no room",
        counters.newcomers,
        counters.evicted_newcomers + counters.refused_newcomers
    )?;
    writeln!(told, "\nns per attempt, medians of {rounds} rounds of {attempts}\n")?;
    let mut raw = String::from("rung\tround\tns_per_attempt\n");
    let mut times = RUNGS.map(|_| Vec::with_capacity(rounds));
    for round in 0..rounds as u32 {
        for (rung, times) in RUNGS.iter().zip(&mut times) {
            let began = Instant::now();
            for n in 0..attempts {
                scene.attempt((rung.of)(round, n));
            }
            let each = began.elapsed().as_secs_f64() * 1e9 / f64::from(attempts);
            scene.detector.tick(scene.now, |_, _| {});
            times.push(each);
            writeln!(raw, "{}\t{round}\t{each:.1}", rung.name)?;
        }
    }
    for (rung, mut times) in RUNGS.iter().zip(times) {
        times.sort_by(f64::total_cmp);
        writeln!(told, "{:<32}{:>6.0}", rung.name, times[times.len() / 2])?;
    }
    writeln!(told, "\nns per flow that had news, the same\n")?;
    for scene in NEWS {
        let mut times: Vec<_> = (0..rounds).map(|_| news(scene, attempts, 1000 * SECOND)).collect();
        for (round, each) in times.iter().enumerate() {
            writeln!(raw, "{}\t{round}\t{each:.1}", scene.0)?;
        }
        times.sort_by(f64::total_cmp);
        writeln!(told, "{:<32}{:>6.0}", scene.0, times[times.len() / 2])?;
    }
    let counters = scene.detector.counters();
    writeln!(
        told,
        "\nMiB resident at the end: {:.1}; suspects {}, verdicts under way {}",
        mib(resident()? - before),
        counters.suspects,
        counters.under_way
    )?;
    print!("{told}");
    if let Some(folder) = record {
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("scan.tsv"), raw)?;
        fs::write(folder.join("scan.txt"), told)?;
    }
    Ok(())
}
