//! From the files to the ledger, and by the way to the terminal and to another file.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal, Write},
    path::Path,
};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    Args, losses,
    selection::{Chosen, Filter},
};
use crate::{
    capfile::{Error, Interface, Reader, Record, Writer, linktype_name},
    cli::packets::Printer,
    dissect::{Packet, escape},
    replay::{Captured, Ledger},
};

/// Packets between two looks at the progress.
const LOOK_EVERY: u64 = 1 << 16;

/// Files that are read before anybody looks at the terminal have no progress bar.
const LONG: u64 = 64 << 20;

/// What is said of the files behind what they hold.
#[derive(Default)]
pub(super) struct Remarks {
    /// What stopped the reading of each that could not be read to its end.
    pub(super) faults: Vec<String>,
    /// What was lost when they were captured.
    pub(super) losses: Vec<String>,
    /// How many packets of how many the expression matched, if there is one.
    pub(super) selected: Option<String>,
}

/// Reads every file to its end, or to where it cannot be read any more.
pub(super) fn read(args: &Args, chosen: Chosen, ledger: &mut Ledger) -> anyhow::Result<Remarks> {
    let Chosen { files, filter } = chosen;
    let mut pass = Pass {
        args,
        ledger,
        printer: args.face().map(|face| Printer::new(&args.style, face, false)),
        filter: filter.is_one().then_some(filter),
        writer: args.select.write.as_deref().map(writer).transpose()?,
        packets: 0,
        matched: 0,
    };
    let mut remarks = Remarks::default();
    for path in &files {
        let opened = if path.as_os_str() == "-" {
            Reader::new(io::stdin(), "standard input".to_owned(), None)
        } else {
            Reader::open(path)
        };
        match opened {
            Ok(mut reader) => {
                remarks.faults.extend(pass.file(&mut reader)?);
                let several = files.len() > 1;
                remarks.losses.extend(losses::of(&reader, several.then_some(path.as_path())));
            }
            Err(error) => remarks.faults.push(whole(error)),
        }
        if pass.is_over() {
            break;
        }
    }
    if pass.filter.is_some() {
        remarks.selected = Some(format!("{} of {} packets match", pass.matched, pass.packets));
    }
    pass.finish()?;
    Ok(remarks)
}

/// With what caused it.
fn whole(error: Error) -> String {
    format!("{:#}", anyhow::Error::from(error))
}

fn writer(path: &Path) -> anyhow::Result<Writer<Box<dyn Write>>> {
    let application = concat!("wireledger ", env!("CARGO_PKG_VERSION"));
    let out: Box<dyn Write> = if path.as_os_str() == "-" {
        Box::new(io::stdout().lock())
    } else {
        Box::new(File::create(path).with_context(|| format!("creating {}", path.display()))?)
    };
    let out: Box<dyn Write> = Box::new(BufWriter::new(out));
    Ok(Writer::new(out, application)?)
}

/// One way through all files.
struct Pass<'a> {
    args: &'a Args,
    ledger: &'a mut Ledger,
    printer: Option<Printer>,
    filter: Option<Filter>,
    writer: Option<Writer<Box<dyn Write>>>,
    packets: u64,
    /// Those of them that the expression matches: all, without one.
    matched: u64,
}

impl Pass<'_> {
    fn is_over(&self) -> bool {
        self.args.select.count.is_some_and(|most| self.matched >= most)
    }

    fn file(&mut self, reader: &mut Reader) -> anyhow::Result<Option<String>> {
        let bar = bar(reader);
        let mut known: Vec<Option<u32>> = Vec::new();
        while !self.is_over() {
            if self.packets.is_multiple_of(LOOK_EVERY) {
                bar.set_position(reader.progress().read);
            }
            match reader.next_described() {
                Ok(Some((record, interfaces))) => self.packet(&record, interfaces, &mut known)?,
                Ok(None) => break,
                Err(error) => {
                    bar.finish_and_clear();
                    return Ok(Some(whole(error)));
                }
            }
        }
        bar.finish_and_clear();
        Ok(None)
    }

    fn packet(
        &mut self,
        record: &Record<'_>,
        interfaces: &[Interface],
        known: &mut Vec<Option<u32>>,
    ) -> anyhow::Result<()> {
        self.packets += 1;
        let index = record.interface as usize;
        let Some(interface) = interfaces.get(index) else { return Ok(()) };
        let Some(link) = interface.link else {
            self.matched += u64::from(self.filter.is_none());
            self.ledger.leave_out(&linktype_name(interface.linktype));
            return Ok(());
        };
        if let Some(filter) = &mut self.filter
            && !filter.matches(interface.linktype, record)?
        {
            return Ok(());
        }
        self.matched += 1;
        if known.len() <= index {
            known.resize(index + 1, None);
        }
        let number = *known[index].get_or_insert_with(|| {
            let name = interface.name.as_ref().map(|name| escape::text(name).to_string());
            self.ledger.interface(&name.unwrap_or_else(|| index.to_string()), link)
        });
        self.ledger.packet(&Captured {
            time: record.time,
            interface: number,
            link,
            outgoing: record.outgoing,
            length: record.length,
            bytes: record.bytes,
        })?;
        if self.args.select.unread && self.ledger.unread()?.is_none() {
            return Ok(());
        }
        self.show(record, interface, number)
    }

    /// Prints and writes a packet of the interface that is `index` in the file that is written.
    fn show(
        &mut self,
        record: &Record<'_>,
        interface: &Interface,
        index: u32,
    ) -> anyhow::Result<()> {
        if let (Some(printer), Some(link)) = (&mut self.printer, interface.link) {
            printer.packet(&Packet {
                number: self.packets,
                time: record.time,
                interface: interface.name.as_deref(),
                outgoing: record.outgoing,
                link,
                length: record.length,
                bytes: record.bytes,
            })?;
        }
        if let Some(writer) = &mut self.writer {
            writer.packet(interface, index, record)?;
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        if let Some(mut printer) = self.printer {
            printer.pass()?;
        }
        if let Some(writer) = self.writer {
            writer.finish()?.flush().context("writing the capture")?;
        }
        Ok(())
    }
}

/// On a terminal, for files that take their time.
fn bar(reader: &Reader) -> ProgressBar {
    let size = reader.progress().size.filter(|&size| size >= LONG);
    let (Some(size), true) = (size, io::stderr().is_terminal()) else {
        return ProgressBar::hidden();
    };
    let style = "{bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left";
    let style =
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(size).with_style(style)
}
