//! What writing a scrape costs, beside the `prometheus` crate's encoder for the same series: time, allocations, bytes.
//!
//! The series are those of the busiest flows, with eleven labels each. Allocations are counted by an allocator that every rung runs with; it costs
//! those that allocate a few nanoseconds each. `cargo xtask bench exposition --record DIR` keeps the raw rounds.

#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    time::Instant,
};

use anyhow::{Context, ensure};
use clap::Parser;
use flate2::{Compression, write::GzEncoder};
use prometheus::{
    Encoder, Registry, TextEncoder,
    core::{Collector as Collect, Desc},
    proto::{Counter, LabelPair, Metric, MetricFamily, MetricType},
};
use wireledger::{
    metrics::{Collector, Collectors, Format, Own, encode},
    report::{Count, Dimension, Direction, Party, Snapshot, Talker, Talkers},
};

/// Measure the writing of scrapes
#[derive(Debug, Parser)]
struct Args {
    /// Rounds; the median of them counts
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Folder for the raw rounds (exposition.tsv) and what was printed (exposition.txt)
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

/// Series of a scrape.
const SERIES: [usize; 2] = [5_000, 100_000];

/// Who writes.
const RUNGS: [&str; 5] =
    ["text", "openmetrics", "text, gzip", "prometheus", "prometheus, gathered"];

/// Everything that the rungs need.
struct Scene {
    snapshot: Snapshot,
    own: Own,
    registry: Registry,
    gathered: Vec<MetricFamily>,
    out: Vec<u8>,
    packed: Vec<u8>,
}

impl Scene {
    fn new(series: usize) -> anyhow::Result<Self> {
        let snapshot = snapshot(series);
        let registry = Registry::new();
        registry.register(Box::new(Flows::new(&snapshot)?))?;
        let (own, gathered) = (Own::new()?, registry.gather());
        Ok(Self { snapshot, own, registry, gathered, out: Vec::new(), packed: Vec::new() })
    }

    fn ours(&mut self, format: Format) {
        let collectors = Collectors::NONE.with(Collector::Talkers, true);
        encode(&self.snapshot, collectors, &self.own, format, &mut self.out);
    }

    /// Writes it once.
    fn write(&mut self, rung: &str) -> anyhow::Result<()> {
        self.out.clear();
        match rung {
            "text" => self.ours(Format::Text),
            "openmetrics" => self.ours(Format::OpenMetrics),
            "text, gzip" => {
                self.ours(Format::Text);
                self.packed.clear();
                let packed = std::mem::take(&mut self.packed);
                let mut encoder = GzEncoder::new(packed, Compression::fast());
                encoder.write_all(&self.out)?;
                self.packed = encoder.finish()?;
            }
            "prometheus" => TextEncoder::new().encode(&self.registry.gather(), &mut self.out)?,
            _ => TextEncoder::new().encode(&self.gathered, &mut self.out)?,
        }
        Ok(())
    }

    /// Series of flows in what was written.
    fn flows(&self) -> anyhow::Result<usize> {
        let text = std::str::from_utf8(&self.out)?;
        Ok(text.lines().filter(|line| line.starts_with("wireledger_top_")).count())
    }
}

/// So many series: each flow has two, and so has the rest.
fn snapshot(series: usize) -> Snapshot {
    let talker = |number: u32| {
        let host = |network: u8| IpAddr::from(Ipv4Addr::from(u32::from(network) << 24 | number));
        let party = Party::Flow {
            protocol: "tcp".to_owned(),
            vlans: Vec::new(),
            tunnel: None,
            source: host(10),
            source_port: Some(number as u16),
            destination: host(198),
            destination_port: Some(443),
            source_name: None,
            destination_name: None,
        };
        let packets = u64::from(number) * 1_000_003;
        Talker { party, count: Count { packets, bytes: packets * 800 } }
    };
    let flows = u32::try_from(series / 2 - 1).unwrap_or(u32::MAX);
    let talkers = Talkers {
        dimension: Dimension::Flow,
        interface: "eth0".to_owned(),
        direction: Some(Direction::Ingress),
        lines: (0..flows).map(talker).collect(),
        other: Count { packets: 1, bytes: 60 },
    };
    Snapshot { talkers: vec![talkers], ..Snapshot::default() }
}

/// The same series as a collector of the `prometheus` crate's, which makes them anew for each scrape.
struct Flows {
    descs: Vec<Desc>,
    lines: Vec<([String; LABELS.len()], [u64; 2])>,
}

const LABELS: [&str; 11] = [
    "interface",
    "direction",
    "protocol",
    "vlan",
    "tunnel",
    "source",
    "source_port",
    "source_name",
    "destination",
    "destination_port",
    "destination_name",
];
const FAMILIES: [(&str, &str); 2] = [
    (
        "wireledger_top_flow_packets_total",
        "Packets of the busiest flows; source is other for the rest.",
    ),
    (
        "wireledger_top_flow_bytes_total",
        "Bytes of the busiest flows; source is other for the rest.",
    ),
];

impl Flows {
    fn new(snapshot: &Snapshot) -> anyhow::Result<Self> {
        let names = || LABELS.map(str::to_owned).to_vec();
        let desc = |(name, help): (&str, &str)| {
            Desc::new(name.to_owned(), help.to_owned(), names(), Default::default())
        };
        let descs = FAMILIES.into_iter().map(desc).collect::<Result<_, _>>()?;
        let talkers = snapshot.talkers.first().context("no talkers")?;
        let place = ["eth0".to_owned(), "ingress".to_owned()];
        let line = |talker: &Talker| {
            let [interface, direction] = place.clone();
            let Party::Flow {
                protocol, source, source_port, destination, destination_port, ..
            } = &talker.party
            else {
                return None;
            };
            let none = String::new;
            let port = |port: &Option<u16>| port.map(|port| port.to_string()).unwrap_or_default();
            let labels = [
                interface,
                direction,
                protocol.clone(),
                none(),
                none(),
                source.to_string(),
                port(source_port),
                none(),
                destination.to_string(),
                port(destination_port),
                none(),
            ];
            Some((labels, [talker.count.packets, talker.count.bytes]))
        };
        let mut lines: Vec<_> = talkers.lines.iter().filter_map(line).collect();
        let mut rest = [const { String::new() }; LABELS.len()];
        [rest[0], rest[1]] = place;
        rest[5] = "other".to_owned();
        lines.push((rest, [talkers.other.packets, talkers.other.bytes]));
        Ok(Self { descs, lines })
    }
}

impl Collect for Flows {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let families = FAMILIES.into_iter().enumerate().map(|(unit, (name, help))| {
            let metrics = self.lines.iter().map(|(labels, counts)| {
                let pairs = LABELS.into_iter().zip(labels).map(|(name, value)| {
                    let mut pair = LabelPair::default();
                    pair.set_name(name.to_owned());
                    pair.set_value(value.clone());
                    pair
                });
                let mut metric = Metric::from_label(pairs.collect());
                let mut counter = Counter::default();
                counter.set_value(counts[unit] as f64);
                metric.set_counter(counter);
                metric
            });
            let mut family = MetricFamily::default();
            family.set_name(name.to_owned());
            family.set_help(help.to_owned());
            family.set_field_type(MetricType::COUNTER);
            family.set_metric(metrics.collect());
            family
        });
        families.collect()
    }
}

fn main() -> anyhow::Result<()> {
    let Args { rounds, record } = Args::parse();
    let mut raw = String::from("series\trung\tround\tmilliseconds\n");
    let mut told = format!("milliseconds of one scrape, medians of {rounds} rounds\n");
    for series in SERIES {
        let mut scene = Scene::new(series)?;
        writeln!(
            told,
            "\n{series} series          milliseconds  allocations    MiB in all   MiB at once    body MiB"
        )?;
        let mut times = RUNGS.map(|_| Vec::with_capacity(rounds));
        for rung in RUNGS {
            scene.write(rung)?;
            ensure!(scene.flows()? == series, "{rung} wrote {} series", scene.flows()?);
        }
        for round in 0..rounds {
            for (rung, times) in RUNGS.into_iter().zip(&mut times) {
                let began = Instant::now();
                scene.write(rung)?;
                let milliseconds = began.elapsed().as_secs_f64() * 1e3;
                times.push(milliseconds);
                writeln!(raw, "{series}\t{rung}\t{round}\t{milliseconds:.4}")?;
            }
        }
        for (rung, mut times) in RUNGS.into_iter().zip(times) {
            times.sort_by(f64::total_cmp);
            let mut written = Ok(());
            let counted = allocation_counter::measure(|| written = scene.write(rung));
            written?;
            let body = if rung == "text, gzip" { scene.packed.len() } else { scene.out.len() };
            let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
            writeln!(
                told,
                "{rung:<22} {:>13.3} {:>12} {:>13.2} {:>13.2} {:>11.2}",
                times[times.len() / 2],
                counted.count_total,
                mib(counted.bytes_total),
                mib(counted.bytes_max),
                mib(body as u64),
            )?;
        }
    }
    print!("{told}");
    if let Some(folder) = record {
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("exposition.tsv"), raw)?;
        fs::write(folder.join("exposition.txt"), told)?;
    }
    Ok(())
}
