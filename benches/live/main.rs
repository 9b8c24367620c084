//! Captures beside tcpdump and xdpdump: the same packets over the same veth, one tool after the other in each round.
//!
//! The sender waits for the far end, so no frame is lost on the way; a slow tool makes the sending longer. CPU time is that of the whole machine,
//! since XDP runs in the sender's softirq: what a tool costs is the difference to the run without any. Needs root.
//! `cargo xtask bench live --record DIR` keeps the raw rounds.

#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use wireledger::capfile::Reader;
use wireledger_tests::{
    bpf::Foreign,
    daemon::Daemon,
    netns::{INTERFACE, NetNs, Pair, Setup},
    packets::{ip::Ipv4, transport::udp},
    process::{Process, binary},
    send::{Share, send},
};

/// Measure captures beside other tools
#[derive(Debug, Parser)]
struct Args {
    /// Rounds; the median of them counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Packets a tool and round, in thousands
    #[arg(long, default_value_t = 1000)]
    thousands: usize,
    /// Folder for the raw rounds (live.tsv) and what was printed (live.txt)
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

/// Destination port of the one packet in a hundred that is wanted.
const PORT: u16 = 443;

/// What watches meanwhile.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Tool {
    /// An XDP program that passes everything, so that veth takes the same way.
    Nothing,
    /// The daemon.
    Daemon,
    /// A session in it.
    Capture {
        filter: &'static str,
    },
    Tcpdump {
        filter: &'static str,
    },
    /// It has no filter.
    Xdpdump,
}

const WANTED: &str = "udp port 443";

const TOOLS: [(&str, Tool); 7] = [
    ("no tool", Tool::Nothing),
    ("wireledger run", Tool::Daemon),
    ("  + capture udp port 443", Tool::Capture { filter: WANTED }),
    ("  + capture, every packet", Tool::Capture { filter: "" }),
    ("tcpdump udp port 443", Tool::Tcpdump { filter: WANTED }),
    ("tcpdump, every packet", Tool::Tcpdump { filter: "" }),
    ("xdpdump, every packet", Tool::Xdpdump),
];

/// One run.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    seconds: f64,
    cpu: f64,
    wanted: u64,
    delivered: u64,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut raw = String::from("tool\tround\tseconds\tcpu_seconds\twanted\tdelivered\n");
    let mut runs = vec![Vec::new(); TOOLS.len()];
    for round in 0..args.rounds {
        for ((name, tool), runs) in TOOLS.iter().zip(&mut runs) {
            let run = measure(*tool, &args).with_context(|| name.trim().to_owned())?;
            let Run { seconds, cpu, wanted, delivered } = run;
            writeln!(raw, "{}\t{round}\t{seconds}\t{cpu}\t{wanted}\t{delivered}", name.trim())?;
            runs.push(run);
        }
    }
    let text = table(&args, &runs)?;
    print!("{text}");
    if let Some(folder) = args.record {
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        fs::write(folder.join("live.tsv"), raw).context("writing the raw rounds")?;
        fs::write(folder.join("live.txt"), text).context("writing the table")?;
    }
    Ok(())
}

fn table(args: &Args, runs: &[Vec<Run>]) -> anyhow::Result<String> {
    let mut text = format!(
        "{} thousand UDP packets of 60 bytes in 1,000 flows on two threads, 1 in 100 wanted; medians of {} rounds\n\n\
         {:<28} {:>8} {:>8} {:>10} {:>10} {:>10}\n",
        args.thousands, args.rounds, "", "seconds", "CPU s", "CPU ns/pkt", "wanted", "delivered"
    );
    let median = |runs: &[Run], of: fn(&Run) -> f64| {
        let mut values: Vec<_> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let nothing = median(&runs[0], |run| run.cpu);
    for ((name, _), runs) in TOOLS.iter().zip(runs) {
        let cpu = median(runs, |run| run.cpu);
        let added = (cpu - nothing) / (args.thousands as f64 * 1e3) * 1e9;
        let [wanted, delivered] =
            [median(runs, |run| run.wanted as f64), median(runs, |run| run.delivered as f64)];
        let seconds = median(runs, |run| run.seconds);
        writeln!(
            text,
            "{name:<28} {seconds:>8.2} {cpu:>8.2} {added:>10.0} {wanted:>10} {delivered:>10}"
        )?;
    }
    text += "\nCPU ns/pkt: CPU time of the whole machine beyond the run without a tool, for each packet sent.\n";
    Ok(text)
}

fn measure(tool: Tool, args: &Args) -> anyhow::Result<Run> {
    let pair = Pair::new(Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false })?;
    let folder = tempfile::tempdir().context("making a folder")?;
    let file = folder.path().join("capture");
    // Held until the end: native XDP for those that bring none, and the daemon.
    let own_xdp = matches!(tool, Tool::Nothing | Tool::Tcpdump { .. });
    let _foreign = own_xdp.then(|| Foreign::attach(&pair.right, INTERFACE)).transpose()?;
    let daemon = match tool {
        Tool::Daemon | Tool::Capture { .. } => {
            let memory = ["--sample-memory", "16MiB", "-i", INTERFACE];
            Some(Daemon::start(&pair.right, &memory)?)
        }
        _ => None,
    };
    let capturing = start(tool, &pair.right, daemon.as_ref(), &file)?;
    let shares = shares(args.thousands);
    let (began, cpu) = (Instant::now(), busy()?);
    send(&pair.left, &pair.right, &shares)?;
    // What is still on its way to a file counts as well.
    thread::sleep(Duration::from_millis(300));
    let cpu = busy()? - cpu;
    let seconds = began.elapsed().as_secs_f64() - 0.3;
    if let Some(capturing) = capturing {
        capturing.signal(2)?;
        let ended = capturing.wait()?;
        ensure!(ended.code.is_none_or(|code| code == 0), "{ended:?}");
    }
    let all = args.thousands as u64 * 1000;
    let (wanted, delivered) = match tool {
        Tool::Nothing | Tool::Daemon => (0, 0),
        Tool::Capture { filter: "" } | Tool::Tcpdump { filter: "" } | Tool::Xdpdump => {
            (all, count(&file)?)
        }
        Tool::Capture { .. } | Tool::Tcpdump { .. } => (all / 100, count(&file)?),
    };
    Ok(Run { seconds, cpu, wanted, delivered })
}

/// Starts what captures, and waits until it does.
fn start(
    tool: Tool,
    at: &NetNs,
    daemon: Option<&Daemon<'_>>,
    file: &Path,
) -> anyhow::Result<Option<Process>> {
    let mut command = match tool {
        Tool::Nothing | Tool::Daemon => return Ok(None),
        Tool::Capture { filter } => {
            let socket = daemon.context("a capture needs its daemon")?.socket();
            let mut command = at.command(&binary()?.to_string_lossy());
            command.args(["capture", "--connect"]).arg(format!("unix:{}", socket.display()));
            command.arg("-w").arg(file).arg(filter);
            command
        }
        Tool::Tcpdump { filter } => {
            let mut command = at.command("tcpdump");
            command.args(["-n", "-i", INTERFACE, "-s", "128", "-B", "16384", "-Z", "root", "-w"]);
            command.arg(file).arg(filter);
            command
        }
        Tool::Xdpdump => {
            let mut command = at.command("xdpdump");
            command.args(["--load-xdp-program", "-i", INTERFACE, "-s", "128", "-w"]);
            command.arg(file);
            command
        }
    };
    let mut process = Process::start(&mut command)?;
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let (stdout, stderr) = process.said()?;
        if [stdout, stderr]
            .iter()
            .any(|said| said.contains("listening on") || said.contains("capturing on"))
        {
            thread::sleep(Duration::from_millis(200));
            return Ok(Some(process));
        }
        if !process.is_running()? || Instant::now() > until {
            bail!("it does not capture: {:?}", process.said()?);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Packets in a capture file.
fn count(file: &Path) -> anyhow::Result<u64> {
    let mut reader = Reader::open(file)?;
    let mut packets = 0;
    while reader.next()?.is_some() {
        packets += 1;
    }
    Ok(packets)
}

/// 1,000 flows on two threads, of which every hundredth goes to the wanted port.
fn shares(thousands: usize) -> Vec<Share> {
    let frame = |thread: u16, n: u16| {
        let port = if n.is_multiple_of(100) { PORT } else { 8000 };
        Ipv4::default().frame(&udp(1024 + thread * 1000 + n, port, &[0; 18]))
    };
    let flows = |thread| (0..500).map(|n| frame(thread, n)).collect();
    (0..2).map(|thread| Share { frames: flows(thread), rounds: thousands }).collect()
}

/// CPU time of the machine that was not idle, seconds.
fn busy() -> anyhow::Result<f64> {
    /// USER_HZ: what /proc/stat counts in.
    const HZ: f64 = 100.0;
    let stat = fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    let fields: Vec<f64> = line.split_whitespace().skip(1).flat_map(str::parse).collect();
    // user nice system idle iowait irq softirq
    ensure!(fields.len() >= 7, "/proc/stat says {line:?}");
    Ok((fields[0] + fields[1] + fields[2] + fields[5] + fields[6]) / HZ)
}
