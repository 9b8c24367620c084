//! Reading a capture offline: `wireledger read` beside the tools that people use for it.
//!
//! One capture of millions of packets, in the page cache; every tool once a round, rounds interleaved, medians of all:
//! the machine's speed drifts, so only figures of one run may be compared. `cargo xtask bench read --record DIR` keeps
//! the raw rounds. A tool that is not there is left out by name.

#![expect(clippy::print_stdout, reason = "a bench prints")]

mod measured;
mod traffic;

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Parser;

use self::measured::Usage;

/// Measure how fast captures are read
#[derive(Debug, Parser)]
struct Args {
    /// Rounds; the median of them counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Packets of the capture, about 105 bytes each on disk
    #[arg(long, default_value_t = 5_000_000)]
    packets: u64,
    /// Only tools whose name contains one of these; the first tool is always there
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Another build of wireledger, run beside this one
    #[arg(long, value_name = "PROGRAM")]
    beside: Option<PathBuf>,
    /// Folder for the raw rounds (read.tsv) and what was printed (read.txt)
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

/// A program and its arguments; `FILE` and `DIR` stand for the capture and an empty folder.
struct Tool {
    name: &'static str,
    program: &'static str,
    args: &'static [&'static str],
}

/// The first one is what the others are compared with.
const TOOLS: [Tool; 9] = [
    Tool { name: "wireledger --flows", program: OURS, args: &["read", "--flows", "FILE"] },
    Tool {
        name: "wireledger --conversations",
        program: OURS,
        args: &["read", "--conversations", "FILE"],
    },
    Tool { name: "wireledger --summary", program: OURS, args: &["read", "--summary", "FILE"] },
    Tool {
        name: "softflowd",
        program: "softflowd",
        // IPv6 too, in the foreground, room for every flow, no control socket, no export.
        args: &["-r", "FILE", "-d", "-6", "-m", "1000000", "-c", "none", "-p", "DIR/pid"],
    },
    Tool {
        name: "nfpcapd",
        program: "nfpcapd",
        // Room for every flow; it cannot but write them.
        args: &["-r", "FILE", "-B", "1000000", "-w", "DIR"],
    },
    Tool {
        name: "tshark conversations",
        program: "tshark",
        args: &["-n", "-q", "-r", "FILE", "-z", "conv,tcp", "-z", "conv,udp"],
    },
    Tool {
        name: "tcpdump -w (copies)",
        program: "tcpdump",
        args: &["-n", "-r", "FILE", "-w", "/dev/null"],
    },
    Tool { name: "capinfos (counts)", program: "capinfos", args: &["FILE"] },
    Tool { name: "wireledger beside", program: BESIDE, args: &["read", "--flows", "FILE"] },
];

/// Built by `cargo xtask bench read`, next to this program.
const OURS: &str = "wireledger";
/// What `--beside` names.
const BESIDE: &str = "beside";

/// A tool that is there, and its rounds.
struct Runner {
    tool: &'static Tool,
    program: PathBuf,
    rounds: Vec<Usage>,
}

fn main() -> anyhow::Result<()> {
    if let Some(result) = measured::take_over() {
        return result;
    }
    let args = Args::parse();
    let mut text = String::new();
    let mut runners = Vec::new();
    for tool in TOOLS.iter().filter(|tool| args.wants(tool)) {
        match args.find(tool) {
            Some(program) => {
                runners.push(Runner { tool, program, rounds: Vec::new() });
            }
            None => writeln!(text, "left out, not there: {}", tool.program)?,
        }
    }
    let folder = tempfile::tempdir().context("making a folder for the capture")?;
    let capture = folder.path().join("capture.pcap");
    let extent = traffic::write(&capture, args.packets).context("writing the capture")?;
    writeln!(
        text,
        "{} packets of {} conversations, {} bytes of frames, {} bytes of file; medians of {} rounds\n",
        args.packets,
        traffic::CONVERSATIONS,
        extent.bytes,
        extent.file,
        args.rounds
    )?;
    let mut raw = String::from("tool\tround\tseconds\tuser\tsystem\tpeak_kib\n");
    for round in 0..args.rounds {
        for runner in &mut runners {
            let Usage { seconds, user, system, peak_kib } = runner.run(&capture, folder.path())?;
            let name = runner.tool.name;
            eprintln!("round {round}: {name}: {seconds:.2} s");
            writeln!(raw, "{name}\t{round}\t{seconds:.6}\t{user:.6}\t{system:.6}\t{peak_kib}")?;
        }
    }
    table(&mut text, &runners, args.packets)?;
    print!("{text}");
    if let Some(folder) = args.record {
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        fs::write(folder.join("read.tsv"), raw).context("writing the raw rounds")?;
        fs::write(folder.join("read.txt"), text).context("writing the table")?;
    }
    Ok(())
}

fn table(text: &mut String, runners: &[Runner], packets: u64) -> anyhow::Result<()> {
    writeln!(
        text,
        "{:<28} {:>8} {:>12} {:>8} {:>9} {:>7} {:>9}",
        "", "seconds", "packets/s", "CPU s", "peak MiB", "time", "CPU time"
    )?;
    let of =
        |runner: &Runner, what: fn(&Usage) -> f64| median(runner.rounds.iter().map(what).collect());
    let cpu = |usage: &Usage| usage.user + usage.system;
    let Some(ours) = runners.first() else { return Ok(()) };
    let (our_seconds, our_cpu) = (of(ours, |usage| usage.seconds), of(ours, cpu));
    for runner in runners {
        let (seconds, cpu) = (of(runner, |usage| usage.seconds), of(runner, cpu));
        writeln!(
            text,
            "{:<28} {seconds:>8.2} {:>12.0} {cpu:>8.2} {:>9.0} {:>7.2} {:>9.2}",
            runner.tool.name,
            packets as f64 / seconds,
            of(runner, |usage| usage.peak_kib as f64) / 1024.0,
            seconds / our_seconds,
            cpu / our_cpu,
        )?;
    }
    writeln!(text, "\ntime and CPU time are multiples of the first line's\n")?;
    for Runner { tool, .. } in runners {
        writeln!(text, "{}: {} {}", tool.name, tool.program, tool.args.join(" "))?;
    }
    Ok(())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

impl Args {
    fn wants(&self, tool: &Tool) -> bool {
        let named = self.only.is_empty() || self.only.iter().any(|text| tool.name.contains(text));
        match tool.program {
            BESIDE => self.beside.is_some(),
            _ => named || tool.name == TOOLS[0].name,
        }
    }

    fn find(&self, tool: &Tool) -> Option<PathBuf> {
        match tool.program {
            BESIDE => self.beside.clone(),
            OURS => {
                let ours = env::current_exe().ok()?.with_file_name(OURS);
                ours.is_file().then_some(ours)
            }
            program => {
                let path = env::var_os("PATH").unwrap_or_default();
                env::split_paths(&path)
                    .map(|folder| folder.join(program))
                    .find(|file| file.is_file())
            }
        }
    }
}

impl Runner {
    fn run(&mut self, capture: &Path, folder: &Path) -> anyhow::Result<Usage> {
        // Into the page cache, should anything have pushed it out.
        let mut file = fs::File::open(capture).context("opening the capture")?;
        io::copy(&mut file, &mut io::sink()).context("reading the capture")?;
        let scratch = tempfile::tempdir_in(folder).context("making a folder for a run")?;
        let argument = |&argument: &&str| match argument {
            "FILE" => OsString::from(capture),
            "DIR" => OsString::from(scratch.path()),
            other => match other.strip_prefix("DIR/") {
                Some(name) => scratch.path().join(name).into_os_string(),
                None => OsStr::new(other).to_owned(),
            },
        };
        let mut command = vec![self.program.clone().into_os_string()];
        command.extend(self.tool.args.iter().map(argument));
        let messages = folder.join("messages");
        let usage = measured::run(&command, &messages);
        let usage = usage.with_context(|| {
            let said = fs::read(&messages).unwrap_or_default();
            format!("{} said: {}", self.tool.name, String::from_utf8_lossy(&said))
        })?;
        self.rounds.push(usage);
        Ok(usage)
    }
}
