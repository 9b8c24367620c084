//! The shared captures: other projects' files and the scans recorded here, too many and not ours to keep in the repository.

use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result};
use wireledger::capfile::{Interface, Reader, Record};

use crate::process::{Ended, Process, binary};

/// Names the folder.
pub const FOLDER_VARIABLE: &str = "WIRELEDGER_PCAPS";

/// A capture file of the folder.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Capture {
    /// Its path from the folder on.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// Every capture of the folder by name; `None`, and said so, where the folder is not there.
///
/// # Errors
/// When it cannot be listed.
pub fn captures() -> Result<Option<Vec<Capture>>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/pcaps");
    let folder = env::var_os(FOLDER_VARIABLE).map_or(beside, PathBuf::from);
    if !folder.is_dir() {
        // Past the harness, which shows nothing of a test that passes.
        writeln!(
            io::stderr(),
            "skipped: the captures are not in {}; {FOLDER_VARIABLE} may name them",
            folder.display()
        )?;
        return Ok(None);
    }
    let mut captures = Vec::new();
    for (part, prefix) in [(folder.clone(), ""), (folder.join("scans"), "scans/")] {
        for entry in part.read_dir().with_context(|| format!("listing {}", part.display()))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if is_capture(&name) {
                captures.push(Capture { name: format!("{prefix}{name}"), path });
            }
        }
    }
    captures.sort();
    Ok(Some(captures))
}

fn is_capture(name: &str) -> bool {
    [".pcap", ".pcapng", ".cap", ".pcap.gz"].iter().any(|end| name.ends_with(end))
}

impl Capture {
    /// `wireledger read` of it.
    ///
    /// # Errors
    /// When there is no binary.
    pub fn read(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(binary()?);
        command.arg("read").arg(&self.path).args(arguments);
        Ok(command)
    }

    /// Runs [`Capture::read`] to its end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn run(&self, arguments: &[&str]) -> Result<Ended> {
        Process::run(&mut self.read(arguments)?)
    }

    /// Calls `each` for every packet that can be read, with its number from 1.
    ///
    /// # Errors
    /// Those of `each`, and when the file cannot be opened.
    pub fn packets(
        &self,
        mut each: impl FnMut(u64, &Record<'_>, &Interface) -> Result<()>,
    ) -> Result<()> {
        let mut reader = Reader::open(&self.path)?;
        let mut number = 0;
        // Some files are damaged on purpose: what stands before the damage counts.
        while let Ok(Some((record, interfaces))) = reader.next_described() {
            number += 1;
            each(number, &record, &interfaces[record.interface as usize])
                .with_context(|| format!("{} packet {number}", self.name))?;
        }
        Ok(())
    }
}

/// Calls `work` for each item, as many at a time as there are CPUs; results in the order of the items.
///
/// # Errors
/// The first of `work`.
pub fn in_parallel<I: Sync, T: Send>(
    items: &[I],
    work: impl Fn(&I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let run = || -> Result<()> {
        while let Some((index, item)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, items.get(i)?)))
        {
            let result = work(item)?;
            done.lock().expect("no worker panics with it").push((index, result));
        }
        Ok(())
    };
    thread::scope(|scope| {
        let cpus = thread::available_parallelism().map_or(1, Into::into);
        let workers: Vec<_> = (0..cpus).map(|_| scope.spawn(run)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })?;
    let mut done = done.into_inner().expect("no worker panics with it");
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}
