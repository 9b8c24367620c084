//! `wireledger read`.

mod conversations;
mod flows;
mod ledger;
mod losses;
mod scans;
mod selection;
mod sources;
mod summary;

use std::path::PathBuf;

use super::{Outcome, output, packets};
use crate::{
    plan::{self, Bytes},
    replay::{self, Engine, Floods, Ledger, Listing, Loaded, Memory, Settings},
    report::Sort,
    scan::{Prefix, Sensitivity},
};

/// Put captures on a ledger: their flows, conversations, packets
///
/// The parser, the flow table and the counting are those of the probe. Reads pcap and pcapng, also compressed with gzip
/// or zstd. Without a view named, prints the flows; the ledger itself goes to standard error.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Capture files, `-` for standard input, and behind them an expression of tcpdump's language that says which packets;
    /// it begins with the first argument that names no file
    #[arg(required = true, value_names = ["FILE", "EXPRESSION"])]
    arguments: Vec<PathBuf>,
    /// Read the expression from a file; all arguments are capture files then
    #[arg(short = 'F', long, value_name = "FILE")]
    filter_file: Option<PathBuf>,
    #[command(flatten)]
    view: View,
    /// How many flows or conversations; all of them unless given
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Which come first
    #[arg(long, value_enum, default_value_t = Sort::Bytes)]
    sort: Sort,
    /// Print JSON: one document, or one object a packet
    #[arg(long)]
    json: bool,
    /// Print flows or conversations as CSV
    #[arg(long, conflicts_with_all = ["json", "packets", "tree", "summary", "scans"])]
    csv: bool,
    #[command(flatten)]
    select: Select,
    /// Who counts: this process, or the kernel's verifier-checked program by test run (needs privileges)
    #[arg(long, value_enum, default_value_t = Which::Userspace)]
    engine: Which,
    /// Flows are those inside VXLAN, Geneve, GRE, IP in IP and GTP-U
    #[arg(long)]
    decap: bool,
    /// Memory of the flow table; flows beyond it end early, the least recently seen first
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = plan::flow_memory)]
    flow_memory: Bytes,
    /// How soon something is called a scan or a flood
    #[arg(long = "scan.sensitivity", value_name = "HOW", value_enum, default_value_t = Sensitivity::Normal, requires = "scans")]
    scan_sensitivity: Sensitivity,
    /// Never call it a scan or flood from these addresses: 192.0.2.0/24, 2001:db8::/32 or one address; may be repeated
    #[arg(long = "scan.allow", value_name = "CIDR", requires = "scans")]
    scan_allow: Vec<Prefix>,
    #[command(flatten)]
    style: packets::Style,
}

/// What is printed.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct View {
    /// The flow table (the default)
    #[arg(long)]
    flows: bool,
    /// One line a packet, as tcpdump writes them
    #[arg(long)]
    packets: bool,
    /// Every packet layer by layer, field by field
    #[arg(short = 'V', long)]
    tree: bool,
    /// Both directions of each flow together
    #[arg(long)]
    conversations: bool,
    /// Protocols, lengths, unread packets, top talkers
    #[arg(long)]
    summary: bool,
    /// Scans and floods: who, how, of what, and why that is thought
    #[arg(long)]
    scans: bool,
}

/// Which packets.
#[derive(Debug, clap::Args)]
struct Select {
    /// Stop after this many packets; with an expression, after so many that match
    #[arg(short = 'c', long, value_name = "N")]
    count: Option<u64>,
    /// Print and write only packets that have no flow key
    #[arg(long)]
    unread: bool,
    /// Write the packets as pcapng; `-` is standard output. Without a view named, nothing is printed
    #[arg(short = 'w', long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// Who counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Which {
    /// This process.
    Userspace,
    /// The loaded XDP program.
    Kernel,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let chosen = selection::choose(&self)?;
        let settings = Settings { flow_memory: self.flow_memory.0, decap: self.decap };
        let memory: Box<dyn Engine> = match self.engine {
            Which::Userspace => Box::new(Memory::new(settings)?),
            Which::Kernel => Box::new(Loaded::new(settings)?),
        };
        let most = replay::capacity(settings);
        let mut ledger = Ledger::new(memory, Listing::new(most, self.sort));
        if self.view.scans {
            ledger.watch(Floods::new(self.scan_sensitivity, &self.scan_allow, self.decap));
        }
        let sources::Remarks { faults, losses, selected } =
            sources::read(&self, chosen, &mut ledger)?;
        let outcome = ledger.finish()?;
        let seen = outcome.totals.seen.packets != 0;
        // A table without rows would only stand between the reader and the errors.
        if seen || faults.is_empty() {
            self.print(&outcome)?;
            let selected = selected.map(|all| format!("{all}: ")).unwrap_or_default();
            eprintln!("{selected}{}", ledger::sentence(&outcome));
        }
        for loss in &losses {
            eprintln!("{loss}");
        }
        for fault in &faults {
            eprintln!("error: {fault}");
        }
        for (link_type, packets) in &outcome.left_out {
            eprintln!(
                "error: {packets} packets of link type {link_type} were left out: Ethernet, Linux cooked captures, raw IP \
                 and BSD loopback are read"
            );
        }
        let balances = outcome.balances();
        if !balances {
            eprintln!("error: the ledger does not balance; please report this with the capture");
        }
        Ok(Outcome::of(faults.is_empty() && outcome.left_out.is_empty() && balances))
    }

    fn print(&self, outcome: &replay::Outcome) -> anyhow::Result<()> {
        let top = self.top.unwrap_or(usize::MAX);
        if self.view.conversations {
            return conversations::print(self, outcome, top);
        }
        if self.view.summary {
            return summary::print(self, outcome, self.top.unwrap_or(10));
        }
        if self.view.scans {
            return scans::print(self, outcome, top);
        }
        let silent = self.view.packets || self.view.tree || self.select.write.is_some();
        if self.view.flows || !silent {
            return flows::print(self, outcome, top);
        }
        Ok(())
    }

    /// What is printed while packets pass.
    fn face(&self) -> Option<packets::Face> {
        match (self.view.tree, self.view.packets, self.json) {
            (false, false, _) => None,
            (.., true) => Some(packets::Face::Json),
            (true, ..) => Some(packets::Face::Tree),
            (false, true, false) => Some(packets::Face::Lines),
        }
    }
}
