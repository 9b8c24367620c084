//! `wireledger capture`.

mod output;
mod source;
mod summary;

use std::{path::PathBuf, time::Duration};

use anyhow::Context;

pub(super) use self::source::{Origin, Source, own_plan};

use self::summary::Summary;
use super::{Outcome, Usage, client::Connect, output::line, packets};
use crate::{
    capfile::Reader,
    capture::{Request, Way},
    filter::{self, Ending, Hook},
    plan::{self, Bytes, Mode, Pattern},
};

/// Get the headers of exactly the packets you ask for, filtered in the kernel
///
/// Arms a session in the running daemon; with none there, in a probe of its own, which needs the daemon's privileges and ends with the
/// command. Takes tcpdump's options and its language; the packets are those that the ledger counts, ingress and egress.
///
/// `wireledger capture -i eth0 tcp port 443 and 'tcp[tcpflags] & tcp-syn != 0'`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Interface; several times for several. All that the daemon watches unless given
    #[arg(short, long = "interface", value_name = "IFACE")]
    interfaces: Vec<Pattern>,
    /// End after this many packets
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Bytes of each packet; 0 for as many as the daemon gives. 128, enough for headers, unless it allows payload
    #[arg(short, long, value_name = "BYTES")]
    snaplen: Option<u32>,
    /// Directions, as the interface sees them
    #[arg(short = 'Q', long, value_enum, default_value_t = Way::Inout)]
    direction: Way,
    #[command(flatten)]
    budget: Budget,
    #[command(flatten)]
    write: output::Write,
    #[command(flatten)]
    face: Face,
    #[command(flatten)]
    style: packets::Style,
    /// Print the filter as classic BPF and as the eBPF that would be armed, and end
    #[arg(short = 'd', long)]
    dump: bool,
    /// Read the expression from a file, instead of from the command line
    #[arg(short = 'F', long, value_name = "FILE", conflicts_with = "expression")]
    filter_file: Option<PathBuf>,
    /// Daemon to ask: http://ADDRESS:PORT, or unix:PATH for its socket. Its default socket unless given, if it is there
    #[arg(long, value_name = "URL", env = "WIRELEDGER_CONNECT")]
    connect: Option<String>,
    /// File with the token that the daemon wants (its --web.capture-token-file); over TCP it travels as it is
    #[arg(long, value_name = "FILE", env = "WIRELEDGER_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Hook for ingress of an own probe
    #[arg(long, value_enum, default_value = "auto")]
    mode: Mode,
    /// Memory of an own probe's ring of packets; a power of two
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = plan::ring_memory)]
    sample_memory: Bytes,
    /// What to capture, in tcpdump's language (pcap-filter(7)), or a program that `tcpdump -ddd` printed; words may stand
    /// unquoted. Every packet unless given
    #[arg(value_name = "EXPRESSION", trailing_var_arg = true)]
    expression: Vec<String>,
}

/// What ends a session or thins it out; enforced in the kernel.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Budgets")]
struct Budget {
    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = plan::time)]
    duration: Option<Duration>,
    /// At most this many packets a second; the others are counted
    #[arg(long, value_name = "PACKETS", value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    rate: Option<u32>,
    /// One of every N packets, at a random place among them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
    /// Only the first N packets of each flow
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    first: Option<u64>,
    /// At most so many bytes of packets, as captured
    #[arg(long, value_name = "SIZE")]
    bytes: Option<Bytes>,
}

/// What is printed.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Face {
    /// Print every packet layer by layer, field by field
    #[arg(short = 'V', long)]
    tree: bool,
    /// Print a JSON object for every packet
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let expression = self.expression()?;
        if self.dump {
            return dump(&expression).map(|()| Outcome::Done);
        }
        let request = self.request(expression);
        // Before anything is armed: a file that cannot be made is found out at once.
        let output = output::Output::open(&self)?;
        let mut source = Source::open(self.origin()?, &request)?;
        let summary = Summary::default();
        let told = (summary.clone(), request.clone());
        source.follow_signals(self.budget.duration, move || {
            // Nobody else is there to be told.
            let _ = told.0.print(&told.1);
        })?;
        let reader = Reader::new(source.body()?, "the capture".to_owned(), None)?;
        announce(&self, &source);
        let ended = output.run(reader, &summary);
        let detached = source.finish();
        // Whoever reads our output has gone, and with it the wish to know.
        let gone = ended.as_ref().is_err_and(crate::cli::is_closed_pipe);
        if !gone {
            summary.print(&request)?;
        }
        ended?;
        detached?;
        Ok(Outcome::Done)
    }

    fn expression(&self) -> anyhow::Result<String> {
        match &self.filter_file {
            Some(file) => std::fs::read_to_string(file)
                .with_context(|| format!("reading the expression in {}", file.display())),
            None => Ok(self.expression.join(" ")),
        }
    }

    fn request(&self, filter: String) -> Request {
        let names: Vec<_> = self.interfaces.iter().map(Pattern::as_str).collect();
        Request {
            interface: names.join(","),
            filter,
            direction: self.direction,
            snaplen: self.snaplen.unwrap_or_default(),
            count: self.count,
            bytes: self.budget.bytes.map(|bytes| bytes.0),
            rate: self.budget.rate,
            every: self.budget.every,
            first: self.budget.first,
            duration: self.budget.duration.map(|time| time.as_secs_f64()),
            holder: holder(),
        }
    }

    /// The daemon that is named, the one behind the default socket, or none.
    fn origin(&self) -> anyhow::Result<Origin> {
        let connect = match &self.connect {
            Some(connect) => Some(Connect::new(connect.clone(), self.token_file.clone())),
            None => Connect::default_socket()?,
        };
        let mut plan = own_plan(self.interfaces.clone(), self.direction);
        plan.mode = self.mode;
        plan.sample_memory = self.sample_memory;
        // Whoever may load a probe may see everything; headers alone are the default all the same.
        plan.allow_payload = self.snaplen.is_some();
        Ok(Origin { connect, plan })
    }

    /// What packets look like on standard output; `None` when they go into a file alone.
    fn shown(&self) -> Option<packets::Face> {
        match (self.face.tree, self.face.json) {
            (true, _) => Some(packets::Face::Tree),
            (_, true) => Some(packets::Face::Json),
            (false, false) if self.write.is_wanted() => None,
            (false, false) => Some(packets::Face::Lines),
        }
    }
}

/// What tcpdump says before the first packet.
fn announce(args: &Args, source: &Source) {
    let names: Vec<_> = args.interfaces.iter().map(Pattern::as_str).collect();
    let names =
        if names.is_empty() { "every watched interface".to_owned() } else { names.join(", ") };
    let snap = source.snap;
    let headers = match args.snaplen {
        Some(asked) if asked == 0 || asked > snap => {
            " (headers; a daemon gives more with --allow-payload)"
        }
        _ => "",
    };
    eprintln!("capturing on {names}, {snap} bytes of each packet{headers}");
}

/// Who asks, for whoever finds the daemon's sessions taken.
fn holder() -> String {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    let user = user.unwrap_or_else(|_| nix::unistd::getuid().to_string());
    format!("{user}, pid {}", std::process::id())
}

/// Prints the programs that an Ethernet interface's packets would meet.
fn dump(expression: &str) -> anyhow::Result<()> {
    const ETHERNET: u16 = 1;
    let classic = filter::compile(expression, ETHERNET).map_err(Usage::of)?;
    let mut text = format!("# classic BPF\n{classic}");
    for (name, hook) in [("XDP", Hook::Xdp), ("TC", Hook::Tc)] {
        let arms = [filter::Arm { interfaces: None, program: &classic }];
        let session = filter::Session { bit: 0, arms: &arms };
        let program = filter::translate(hook, &[session], Ending::Verdict).map_err(Usage::of)?;
        text += &format!("# eBPF for {name}, which returns 1 for a match\n");
        text += &filter::ebpf::listing(&program).to_string();
    }
    Ok(line(text.trim_end())?)
}
