//! Packets one by one: tcpdump's options for lines, the tree, JSON.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use crate::dissect::{Hex, LineStyle, Lines, Packet, TimeStyle, json, tree};

/// How lines look, by tcpdump's letters.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Packets")]
pub(super) struct Style {
    /// Print the link header
    #[arg(short = 'e', long)]
    link_header: bool,
    /// Ports as numbers; addresses always are
    #[arg(short = 'n', long, action = clap::ArgAction::Count)]
    numeric: u8,
    /// Less about each packet
    #[arg(short = 'q', long)]
    quiet: bool,
    /// More about each packet: TTL, identification, checksums
    #[arg(short = 'v', long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Time: none (-t), seconds since 1970 (-tt), since the packet before (-ttt), date and time (-tttt), since the first
    /// packet (-ttttt); UTC
    #[arg(short = 't', action = clap::ArgAction::Count)]
    time: u8,
    /// Nine digits behind the second
    #[arg(long)]
    nano: bool,
    /// Bytes in hex behind the link header, or with it (-xx)
    #[arg(short = 'x', action = clap::ArgAction::Count)]
    hex: u8,
    /// Bytes in hex and ASCII behind the link header, or with it (-XX)
    #[arg(short = 'X', action = clap::ArgAction::Count)]
    ascii: u8,
    /// The number of each packet
    #[arg(short = '#', long = "number")]
    number: bool,
}

/// Which face packets show.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Face {
    /// One line each.
    Lines,
    /// Layer by layer.
    Tree,
    /// An object each.
    Json,
}

/// Prints packets to standard output.
pub(super) struct Printer {
    out: BufWriter<Stdout>,
    lines: Lines,
    face: Face,
    /// Somebody watches: every packet is written as it comes.
    live: bool,
}

impl Printer {
    /// `live`: as on a terminal.
    pub(super) fn new(style: &Style, face: Face, live: bool) -> Self {
        let out = io::stdout();
        let live = live || out.is_terminal();
        Self {
            out: BufWriter::with_capacity(1 << 16, out),
            lines: Lines::new(style.line()),
            face,
            live,
        }
    }

    pub(super) fn packet(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        match self.face {
            Face::Lines => self.lines.write(&mut self.out, packet)?,
            Face::Tree => tree::write(&mut self.out, packet)?,
            Face::Json => json::write(&mut self.out, packet)?,
        }
        if self.live { self.pass() } else { Ok(()) }
    }

    /// Passes on what was printed.
    pub(super) fn pass(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Style {
    fn line(&self) -> LineStyle {
        LineStyle {
            link_header: self.link_header,
            no_names: self.numeric > 0,
            quiet: self.quiet,
            verbosity: self.verbose,
            time: match self.time {
                0 => TimeStyle::Clock,
                1 => TimeStyle::None,
                2 => TimeStyle::Epoch,
                3 => TimeStyle::Delta,
                4 => TimeStyle::Date,
                _ => TimeStyle::FromFirst,
            },
            hex: self.dump(),
            absolute_sequence: true,
            nanoseconds: self.nano,
            number: self.number,
        }
    }

    fn dump(&self) -> Option<Hex> {
        let (ascii, link) = (self.ascii > 0, self.hex > 1 || self.ascii > 1);
        (self.hex > 0 || ascii).then_some(Hex { ascii, link })
    }
}
