//! `wireledger capture`.

mod ending;
mod output;
mod programs;
mod source;
mod summary;

use std::{path::PathBuf, time::Duration};

use anyhow::Context;

pub(super) use self::{
    ending::Until,
    source::{Origin, Source, own_plan},
};

use self::summary::Summary;
use super::{Outcome, client, packets};
use crate::{
    capture::{HEADERS, Request, Way},
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
    /// Print the filter as classic BPF and as the eBPF that would be armed, and end; -dd and -ddd as tcpdump prints them
    #[arg(short = 'd', long, action = clap::ArgAction::Count)]
    dump: u8,
    /// Read the expression from a file, instead of from the command line
    #[arg(short = 'F', long, value_name = "FILE", conflicts_with = "expression")]
    filter_file: Option<PathBuf>,
    /// Write every line to standard output as it comes, also into a pipe that is read slowly
    #[arg(short = 'l')]
    line_buffered: bool,
    /// What to capture, in tcpdump's language (pcap-filter(7)), or a program that `tcpdump -ddd` printed; words may stand
    /// unquoted. Every packet unless given
    #[arg(value_name = "EXPRESSION")]
    expression: Vec<String>,
    #[command(flatten)]
    budget: Budget,
    #[command(flatten)]
    write: output::Write,
    #[command(flatten)]
    face: Face,
    #[command(flatten)]
    style: packets::Style,
    #[command(flatten)]
    daemon: client::Packets,
    #[command(flatten)]
    probe: Probe,
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
#[command(next_help_heading = "Packets")]
#[group(multiple = false)]
struct Face {
    /// Print every packet layer by layer, field by field
    #[arg(short = 'V', long)]
    tree: bool,
    /// Print a JSON object for every packet
    #[arg(long)]
    json: bool,
}

/// The probe of the command's own, where no daemon is asked.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Without a daemon")]
struct Probe {
    /// Hook for ingress
    #[arg(long, value_enum, default_value = "auto")]
    mode: Mode,
    /// Memory of the ring of packets; a power of two
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = plan::ring_memory)]
    sample_memory: Bytes,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let expression = self.expression()?;
        if self.dump > 0 {
            return programs::print(&expression, self.dump).map(|()| Outcome::Done);
        }
        self.write.check()?;
        let request = self.request(expression);
        let mut source = Source::open(self.origin()?, &request)?;
        // Only now: a mistake in the expression must not cost the file that was there.
        let output = match output::Output::open(&self) {
            Ok(output) => output,
            Err(error) => {
                source.finish()?;
                return Err(error);
            }
        };
        let summary = Summary::default();
        let until = Until { duration: self.budget.duration, out: output.standard()? };
        let told = (summary.clone(), request.clone());
        source.follow(until, move |now| {
            // Nobody else is there to be told.
            let _ = told.0.print(&told.1, now);
        })?;
        announce(&self, &source);
        let ended = output.run(source.body()?, &summary, || source.end());
        // Whoever reads our output has gone, and with it the wish to know.
        let gone = source.is_unread() || ended.as_ref().is_err_and(crate::cli::is_closed_pipe);
        let detached = source.finish();
        if gone {
            return detached.map(|()| Outcome::Done);
        }
        summary.print(&request, None)?;
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

    fn origin(&self) -> anyhow::Result<Origin> {
        let mut plan = own_plan(self.interfaces.clone(), self.direction);
        plan.mode = self.probe.mode;
        plan.sample_memory = self.probe.sample_memory;
        // Whoever may load a probe may see everything; headers alone are the default all the same.
        plan.allow_payload = self.snaplen.is_some();
        Ok(Origin { connect: self.daemon.daemon()?, plan })
    }

    /// What packets look like on standard output; `None` when they go into a file alone.
    fn shown(&self) -> Option<packets::Face> {
        if !self.write.prints() {
            return None;
        }
        match (self.face.tree, self.face.json) {
            (true, _) => Some(packets::Face::Tree),
            (_, true) => Some(packets::Face::Json),
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
        Some(asked) if snap == HEADERS && (asked == 0 || asked > snap) => {
            " (headers; a daemon gives more with --allow-payload)"
        }
        _ => "",
    };
    eprintln!("capturing on {names}, {snap} bytes of each packet{headers}");
}

/// Who asks, for whoever finds the daemon's sessions taken.
fn holder() -> String {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    let user = user.unwrap_or_else(|_| {
        let uid = nix::unistd::getuid();
        let known = nix::unistd::User::from_uid(uid).ok().flatten();
        known.map_or_else(|| uid.to_string(), |user| user.name)
    });
    format!("{user}, pid {}", std::process::id())
}
