//! Capture files one after another, with tcpdump's habits: `-C` by size, `-G` by time, `-W` so many of them.
//!
//! Every file is whole: a section, every interface known when it began, its packets, and at its end what was last counted
//! on each interface. No clock is read here: callers say what time it is.

use std::{
    fs::File,
    io,
    num::{NonZeroU32, NonZeroU64},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, fmt::strtime, tz::TimeZone};

use super::{Interface, Record, Statistics, Writer, printable};

/// When a file ends and the next one begins. By default there is one file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rotation {
    /// `-C`: a file with more bytes than this takes no further packet. All files but the first have a number behind the
    /// name, from 1 on.
    pub size: Option<u64>,
    /// `-G`: a file takes no packet so many seconds after it began. The name is expanded by strftime with the local time
    /// at which the file begins; a file that is there is overwritten.
    pub seconds: Option<NonZeroU64>,
    /// `-W`: with a size, a ring of so many files, numbered from 0 on with leading zeros; with seconds as well, one ring
    /// for each period. With seconds alone, so many files and no more.
    pub count: Option<NonZeroU32>,
    /// `-U`: every packet is in the file as soon as it is written.
    pub flush: bool,
}

/// Why a capture file could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The name cannot be expanded with a time.
    #[error(
        "the file name {name} cannot be expanded with the time, as strftime does; %% is a percent sign"
    )]
    Name {
        /// The name, printable.
        name: Box<str>,
        /// What is wrong with it.
        source: jiff::Error,
    },
    /// A file cannot be created.
    #[error("cannot create {name}")]
    Create {
        /// The file's name, printable.
        name: Box<str>,
        /// What the system says.
        source: io::Error,
    },
    /// A file cannot be written to, or something cannot be said in a capture file.
    #[error("cannot write {name}")]
    Write {
        /// The file's name, printable.
        name: Box<str>,
        /// What the system says.
        source: io::Error,
    },
}

/// Writes packets to one file after the other. Dropped, it tells nobody of errors and writes no statistics: call
/// [`Self::finish`].
pub struct Files {
    names: Names,
    application: String,
    /// By the index that each has in every file.
    described: Vec<Described>,
    /// The file that takes packets; `None` when there are no more.
    file: Option<Current>,
    /// Files that time has ended.
    periods: u32,
}

/// Nanoseconds between two statistics of an interface in a file that goes on.
const TELL_EVERY: u64 = 2_000_000_000;

/// An interface, and what was last counted on it, and when.
struct Described {
    interface: Interface,
    index: u32,
    counted: Option<(u64, Statistics)>,
    /// When that was last written into this file, or first told of since it began.
    written: Option<u64>,
}

struct Current {
    path: PathBuf,
    writer: Writer<File>,
    /// When its period began, seconds since 1970.
    begun: u64,
    number: u32,
}

impl Files {
    /// Creates the first file. `application` is what the files say wrote them, `now` is nanoseconds since 1970.
    ///
    /// # Errors
    ///
    /// When the name is no format of strftime and should be one, or the file cannot be created.
    pub fn create(
        path: &Path,
        rotation: Rotation,
        application: &str,
        now: u64,
    ) -> Result<Self, WriteError> {
        Self::create_in(TimeZone::system(), path, rotation, application, now)
    }

    pub(super) fn create_in(
        zone: TimeZone,
        path: &Path,
        rotation: Rotation,
        application: &str,
        now: u64,
    ) -> Result<Self, WriteError> {
        let names = Names { pattern: path.to_owned(), zone, rotation };
        let mut files = Self {
            names,
            application: application.to_owned(),
            described: Vec::new(),
            file: None,
            periods: 0,
        };
        files.begin(seconds(now), 0)?;
        Ok(files)
    }

    /// Describes an interface in this file and all that follow, as [`Writer::interface`] does.
    ///
    /// # Errors
    ///
    /// When the file cannot be written to, or the interface cannot be said in it.
    pub fn interface(&mut self, interface: &Interface, index: u32) -> Result<(), WriteError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let id = file.writer.interface(interface, index).map_err(|error| file.failed(error))?;
        if id as usize == self.described.len() {
            let interface = interface.clone();
            self.described.push(Described { interface, index, counted: None, written: None });
        }
        Ok(())
    }

    /// Writes a packet of an interface, into a new file if it is time for one. It is [`ControlFlow::Break`] when there
    /// have been as many files as there may be: the packet, and all that follow, are not written.
    ///
    /// # Errors
    ///
    /// As [`Self::create`] and [`Self::interface`].
    pub fn packet(
        &mut self,
        interface: &Interface,
        index: u32,
        record: &Record<'_>,
        now: u64,
    ) -> Result<ControlFlow<()>, WriteError> {
        self.turn(seconds(now))?;
        self.interface(interface, index)?;
        let flush = self.names.rotation.flush;
        let Some(file) = &mut self.file else { return Ok(ControlFlow::Break(())) };
        let written = file.writer.packet(interface, index, record);
        let flushed = written.and_then(|()| if flush { file.writer.flush() } else { Ok(()) });
        flushed.map_err(|error| file.failed(error))?;
        Ok(ControlFlow::Continue(()))
    }

    /// What was counted on an interface, as of `time` (nanoseconds since 1970). Stands at the end of this file and of all
    /// that follow, until it is told again; and in the file already, every two seconds, which then holds all that was
    /// written so far.
    ///
    /// # Errors
    ///
    /// As [`Self::interface`].
    pub fn statistics(
        &mut self,
        interface: &Interface,
        index: u32,
        time: u64,
        statistics: &Statistics,
    ) -> Result<(), WriteError> {
        self.interface(interface, index)?;
        let place = self.described.iter_mut().find(|described| described.index == index);
        let (Some(place), Some(file)) = (place, &mut self.file) else { return Ok(()) };
        place.counted = Some((time, *statistics));
        let since = *place.written.get_or_insert(time);
        if time.saturating_sub(since) < TELL_EVERY {
            return Ok(());
        }
        place.written = Some(time);
        let written = file.writer.statistics(interface, index, time, statistics);
        written.and_then(|()| file.writer.flush()).map_err(|error| file.failed(error))
    }

    /// Writes what has been collected of this file.
    ///
    /// # Errors
    ///
    /// When it cannot be written to.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.writer.flush().map_err(|error| file.failed(error))
    }

    /// Ends the last file.
    ///
    /// # Errors
    ///
    /// When it cannot be written to.
    pub fn finish(mut self) -> Result<(), WriteError> {
        self.end()
    }

    /// Goes on to another file, where time or size ask for it: time first, as a new period's file has no size.
    fn turn(&mut self, now: u64) -> Result<(), WriteError> {
        let Some(file) = &self.file else { return Ok(()) };
        let (begun, number) = (file.begun, file.number);
        let Rotation { size, seconds, count, .. } = self.names.rotation;
        if seconds.is_some_and(|seconds| now.saturating_sub(begun) >= seconds.get()) {
            self.end()?;
            self.periods += 1;
            return match (size, count) {
                (None, Some(count)) if self.periods >= count.get() => Ok(()),
                _ => self.begin(now, 0),
            };
        }
        if size.is_some_and(|size| file.writer.size() > size) {
            self.end()?;
            let next = number.wrapping_add(1);
            let again = count.is_some_and(|count| next >= count.get());
            return self.begin(begun, if again { 0 } else { next });
        }
        Ok(())
    }

    fn begin(&mut self, begun: u64, number: u32) -> Result<(), WriteError> {
        let path = self.names.of(begun, number)?;
        let file = File::create(&path)
            .map_err(|source| WriteError::Create { name: name(&path), source })?;
        let failed = |source| WriteError::Write { name: name(&path), source };
        let mut writer = Writer::new(file, &self.application).map_err(failed)?;
        for Described { interface, index, written, .. } in &mut self.described {
            writer.interface(interface, *index).map_err(failed)?;
            *written = None;
        }
        self.file = Some(Current { path, writer, begun, number });
        Ok(())
    }

    fn end(&mut self) -> Result<(), WriteError> {
        let Some(Current { path, mut writer, .. }) = self.file.take() else { return Ok(()) };
        let failed = |source| WriteError::Write { name: name(&path), source };
        for Described { interface, index, counted, .. } in &self.described {
            if let Some((time, statistics)) = counted {
                writer.statistics(interface, *index, *time, statistics).map_err(failed)?;
            }
        }
        writer.finish().map_err(failed)?;
        Ok(())
    }
}

impl Current {
    fn failed(&self, source: io::Error) -> WriteError {
        WriteError::Write { name: name(&self.path), source }
    }
}

/// What the files are called.
struct Names {
    pattern: PathBuf,
    zone: TimeZone,
    rotation: Rotation,
}

impl Names {
    fn of(&self, begun: u64, number: u32) -> Result<PathBuf, WriteError> {
        let mut path = self.pattern.clone().into_os_string();
        if self.rotation.seconds.is_some() {
            let failed = |source| WriteError::Name { name: name(&self.pattern), source };
            let begun = Timestamp::from_second(begun.cast_signed()).map_err(failed)?;
            let time = &begun.to_zoned(self.zone.clone());
            path = strtime::format(path.as_encoded_bytes(), time).map_err(failed)?.into();
        }
        // Digits of the largest number of a ring; a ring of one has none.
        let width = match self.rotation.count {
            Some(count) if count.get() > 1 => (count.get() - 1).ilog10() as usize + 1,
            _ => 0,
        };
        if self.rotation.size.is_some() && (number, width) != (0, 0) {
            path.push(format!("{number:0width$}"));
        }
        Ok(path.into())
    }
}

/// Bytes of a `-C`: in millions, or with `k`, `m` or `g` behind it in KiB, MiB or GiB.
///
/// # Errors
///
/// When it is no number, or 0, or too large.
pub fn file_size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.trim_end_matches(|c: char| c.is_ascii_alphabetic()) {
        digits if digits.len() == text.len() => (digits, 1_000_000),
        digits => match &text[digits.len()..] {
            "k" | "K" => (digits, 1 << 10),
            "m" | "M" => (digits, 1 << 20),
            "g" | "G" => (digits, 1 << 30),
            unit => return Err(format!("{unit} is no unit; k, m and g are, and none is millions")),
        },
    };
    let number: NonZeroU64 = digits.parse().map_err(
        |_| "not a number above 0 of millions of bytes, or of KiB (k), MiB (m), GiB (g)",
    )?;
    number.get().checked_mul(unit).ok_or_else(|| "more bytes than a file can have".to_owned())
}

fn seconds(nanoseconds: u64) -> u64 {
    nanoseconds / 1_000_000_000
}

fn name(path: &Path) -> Box<str> {
    printable(&path.display().to_string())
}
