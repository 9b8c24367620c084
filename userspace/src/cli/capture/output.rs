//! Where captured packets go: standard output as text, a capture file, several of them.

use std::{
    io::{self, BufWriter, Write as _},
    num::{NonZeroU32, NonZeroU64},
    ops::ControlFlow,
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;

use super::{Args, summary::Summary};
use crate::{
    capfile::{self, Files, Interface, Reader, Record, Rotation, Statistics, Writer},
    capture::APPLICATION,
    cli::packets::Printer,
    dissect::Packet,
};

/// Between two looks at what the session counted, and two statistics blocks in a file.
const COUNT_EVERY: Duration = Duration::from_secs(2);

/// What is written into files.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Files")]
pub(super) struct Write {
    /// Write the packets as pcapng instead of printing them; `-` is standard output
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Begin a new file when one has more than this many million bytes; k, m, g for KiB, MiB, GiB
    #[arg(short = 'C', value_name = "SIZE", requires = "file", value_parser = capfile::file_size)]
    size: Option<u64>,
    /// Begin a new file every so many seconds; the name is expanded by strftime
    #[arg(short = 'G', value_name = "SECONDS", requires = "file")]
    seconds: Option<NonZeroU64>,
    /// With -C keep only so many files, the oldest overwritten; with -G alone end after so many
    #[arg(short = 'W', value_name = "COUNT", requires = "file")]
    files: Option<NonZeroU32>,
    /// Write every packet to the file as it comes
    #[arg(short = 'U', requires = "file")]
    unbuffered: bool,
    /// Write every line to standard output as it comes, also into a pipe
    #[arg(short = 'l')]
    line_buffered: bool,
}

impl Write {
    /// Packets go into a file.
    pub(super) const fn is_wanted(&self) -> bool {
        self.file.is_some()
    }
}

/// Where packets go.
pub(super) struct Output {
    printer: Option<Printer>,
    sink: Option<Sink>,
    captured: u64,
    counted: Instant,
}

enum Sink {
    Files(Box<Files>),
    Pipe { writer: Writer<BufWriter<io::Stdout>>, flush: bool },
}

impl Output {
    /// Opens the first file.
    pub(super) fn open(args: &Args) -> anyhow::Result<Self> {
        let shown = args.shown();
        let printer = shown.map(|face| Printer::new(&args.style, face, args.write.line_buffered));
        let sink = args.write.file.is_some().then(|| Sink::open(&args.write)).transpose()?;
        Ok(Self { printer, sink, captured: 0, counted: Instant::now() })
    }

    /// Writes what comes, until nothing does.
    pub(super) fn run(mut self, mut reader: Reader, summary: &Summary) -> anyhow::Result<()> {
        let ended = self.read(&mut reader, summary);
        summary.note(self.captured, reader.interfaces(), reader.statistics());
        let interfaces = reader.interfaces().iter().zip(reader.statistics());
        for (index, (interface, statistics)) in (0..).zip(interfaces) {
            self.statistics(index, interface, statistics.as_ref())?;
        }
        self.finish()?;
        ended
    }

    fn read(&mut self, reader: &mut Reader, summary: &Summary) -> anyhow::Result<()> {
        let mut numbers = Vec::new();
        loop {
            let Some((record, interfaces)) = reader.next_described()? else { return Ok(()) };
            if numbers.len() < interfaces.len() {
                numbers = (0..interfaces.len()).collect();
            }
            let Some(interface) = interfaces.get(record.interface as usize) else { continue };
            self.captured += 1;
            if self.packet(&record, interface)?.is_break() {
                return Ok(());
            }
            if self.counted.elapsed() >= COUNT_EVERY {
                self.counted = Instant::now();
                summary.note(self.captured, reader.interfaces(), reader.statistics());
                let interfaces = reader.interfaces().iter().zip(reader.statistics());
                for (index, (interface, statistics)) in (0..).zip(interfaces) {
                    self.statistics(index, interface, statistics.as_ref())?;
                }
            }
        }
    }

    fn packet(
        &mut self,
        record: &Record<'_>,
        interface: &Interface,
    ) -> anyhow::Result<ControlFlow<()>> {
        if let (Some(printer), Some(link)) = (&mut self.printer, interface.link) {
            printer.packet(&Packet {
                number: self.captured,
                time: record.time,
                interface: interface.name.as_deref(),
                outgoing: record.outgoing,
                link,
                length: record.length,
                bytes: record.bytes,
            })?;
        }
        match &mut self.sink {
            None => Ok(ControlFlow::Continue(())),
            Some(Sink::Files(files)) => {
                Ok(files.packet(interface, record.interface, record, now())?)
            }
            Some(Sink::Pipe { writer, flush }) => {
                writer.packet(interface, record.interface, record)?;
                if *flush {
                    writer.flush()?;
                }
                Ok(ControlFlow::Continue(()))
            }
        }
    }

    fn statistics(
        &mut self,
        index: u32,
        interface: &Interface,
        statistics: Option<&Statistics>,
    ) -> anyhow::Result<()> {
        let Some(statistics) = statistics else { return Ok(()) };
        match &mut self.sink {
            None => {}
            Some(Sink::Files(files)) => files.statistics(interface, index, now(), statistics)?,
            Some(Sink::Pipe { writer, .. }) => {
                writer.statistics(interface, index, now(), statistics)?;
                writer.flush()?;
            }
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        if let Some(printer) = self.printer {
            printer.finish()?;
        }
        match self.sink {
            None => Ok(()),
            Some(Sink::Files(files)) => Ok(files.finish()?),
            Some(Sink::Pipe { writer, .. }) => {
                writer.finish()?.flush().context("writing the capture")
            }
        }
    }
}

impl Sink {
    fn open(write: &Write) -> anyhow::Result<Self> {
        let path = write.file.clone().unwrap_or_default();
        if path.as_os_str() == "-" {
            let writer = Writer::new(BufWriter::new(io::stdout()), APPLICATION)?;
            // Somebody reads it as it comes.
            return Ok(Self::Pipe { writer, flush: true });
        }
        let rotation = Rotation {
            size: write.size,
            seconds: write.seconds,
            count: write.files,
            flush: write.unbuffered,
        };
        Ok(Self::Files(Box::new(Files::create(&path, rotation, APPLICATION, now())?)))
    }
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
