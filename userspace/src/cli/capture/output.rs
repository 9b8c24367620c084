//! Where captured packets go: standard output as text, a capture file, several of them.

use std::{
    io::{self, BufWriter, Read, Write as _},
    num::{NonZeroU32, NonZeroU64},
    ops::ControlFlow,
    os::fd::{AsFd as _, OwnedFd},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;

use super::{Args, summary::Summary};
use crate::{
    capfile::{self, Files, Interface, Reader, Record, Rotation, Writer},
    capture::APPLICATION,
    cli::{Usage, packets::Printer},
    dissect::Packet,
};

/// Between two looks at what the session counted.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// What is written into files.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Files")]
pub(super) struct Write {
    /// Write the packets as pcapng instead of printing them; `-` is standard output
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print them as well
    #[arg(long, requires = "file")]
    print: bool,
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
}

impl Write {
    /// Packets are printed.
    pub(super) const fn prints(&self) -> bool {
        self.file.is_none() || self.print
    }

    /// Refuses what cannot be done together.
    pub(super) fn check(&self) -> Result<(), Usage> {
        if self.print && self.is_standard_output() {
            return Err(Usage::of("--print and -w - both want standard output"));
        }
        Ok(())
    }

    fn is_standard_output(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.as_os_str() == "-")
    }
}

/// Where packets go; shared with the reader that waits for them.
#[derive(Clone)]
pub(super) struct Output(Arc<Mutex<Outlets>>);

struct Outlets {
    printer: Option<Printer>,
    sink: Option<Sink>,
    counted: Instant,
}

enum Sink {
    Files(Box<Files>),
    Pipe(Writer<BufWriter<io::Stdout>>),
}

/// Packets on their way here. Before it waits for more, all that came has been passed on.
struct Prompt<R> {
    packets: R,
    output: Output,
}

impl<R: Read> Read for Prompt<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // It fails again, and is told, at the next packet or at the end.
        let _ = self.output.lock().pass();
        self.packets.read(buffer)
    }
}

impl Output {
    /// Opens the first file.
    pub(super) fn open(args: &Args) -> anyhow::Result<Self> {
        let write = &args.write;
        let printer = args.shown().map(|face| Printer::new(&args.style, face, args.line_buffered));
        let sink = write.file.is_some().then(|| Sink::open(write)).transpose()?;
        let outlets = Outlets { printer, sink, counted: Instant::now() };
        Ok(Self(Arc::new(Mutex::new(outlets))))
    }

    fn lock(&self) -> MutexGuard<'_, Outlets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Standard output, if anything goes there.
    pub(super) fn standard(&self) -> io::Result<Option<OwnedFd>> {
        let outlets = self.lock();
        let used = outlets.printer.is_some() || matches!(outlets.sink, Some(Sink::Pipe(_)));
        used.then(|| io::stdout().as_fd().try_clone_to_owned()).transpose()
    }

    /// Writes what comes, until nothing does; calls `enough` when there is no file for more.
    pub(super) fn run(
        &self,
        packets: impl Read + Send + 'static,
        summary: &Summary,
        enough: impl FnMut(),
    ) -> anyhow::Result<()> {
        let prompt = Prompt { packets, output: self.clone() };
        let mut reader = Reader::new(prompt, "the capture".to_owned(), None)?;
        let ended = self.read(&mut reader, summary, enough);
        summary.note(reader.interfaces(), reader.statistics());
        let mut outlets = self.lock();
        outlets.statistics(&reader)?;
        outlets.finish()?;
        ended
    }

    fn read(
        &self,
        reader: &mut Reader,
        summary: &Summary,
        mut enough: impl FnMut(),
    ) -> anyhow::Result<()> {
        let mut full = false;
        loop {
            let Some((record, interfaces)) = reader.next_described()? else { return Ok(()) };
            let Some(interface) = interfaces.get(record.interface as usize) else { continue };
            if full {
                continue;
            }
            let mut outlets = self.lock();
            if outlets.packet(summary.captured() + 1, &record, interface)?.is_break() {
                full = true;
                enough();
                continue;
            }
            summary.packet();
            if outlets.counted.elapsed() >= COUNT_EVERY {
                outlets.counted = Instant::now();
                summary.note(reader.interfaces(), reader.statistics());
                outlets.statistics(reader)?;
            }
        }
    }
}

impl Outlets {
    fn packet(
        &mut self,
        number: u64,
        record: &Record<'_>,
        interface: &Interface,
    ) -> anyhow::Result<ControlFlow<()>> {
        if let (Some(printer), Some(link)) = (&mut self.printer, interface.link) {
            printer.packet(&Packet {
                number,
                time: record.time,
                interface: interface.name.as_deref(),
                outgoing: record.outgoing,
                link,
                length: record.length,
                bytes: record.bytes,
            })?;
        }
        match &mut self.sink {
            None => {}
            Some(Sink::Files(files)) => {
                return Ok(files.packet(interface, record.interface, record, now())?);
            }
            Some(Sink::Pipe(writer)) => writer.packet(interface, record.interface, record)?,
        }
        Ok(ControlFlow::Continue(()))
    }

    fn statistics(&mut self, reader: &Reader) -> anyhow::Result<()> {
        let all = reader.interfaces().iter().zip(reader.statistics());
        for (index, (interface, statistics)) in (0..).zip(all) {
            let Some(statistics) = statistics else { continue };
            match &mut self.sink {
                None => {}
                Some(Sink::Files(files)) => {
                    files.statistics(interface, index, now(), statistics)?
                }
                Some(Sink::Pipe(writer)) => {
                    writer.statistics(interface, index, now(), statistics)?;
                }
            }
        }
        Ok(())
    }

    /// Passes on what was written to standard output.
    fn pass(&mut self) -> io::Result<()> {
        if let Some(printer) = &mut self.printer {
            printer.pass()?;
        }
        match &mut self.sink {
            Some(Sink::Pipe(writer)) => writer.flush(),
            Some(Sink::Files(_)) | None => Ok(()),
        }
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        if let Some(mut printer) = self.printer.take() {
            printer.pass()?;
        }
        match self.sink.take() {
            None => Ok(()),
            Some(Sink::Files(files)) => Ok(files.finish()?),
            Some(Sink::Pipe(writer)) => writer.finish()?.flush().context("writing the capture"),
        }
    }
}

impl Sink {
    fn open(write: &Write) -> anyhow::Result<Self> {
        if write.is_standard_output() {
            return Ok(Self::Pipe(Writer::new(BufWriter::new(io::stdout()), APPLICATION)?));
        }
        let path = write.file.clone().unwrap_or_default();
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
