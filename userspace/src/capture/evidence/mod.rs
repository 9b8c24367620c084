//! Evidence: a pcapng file of the packets that a verdict is about, those from before it among them, read from the flight recorder.
//!
//! Guarantees: a verdict has one file, whatever becomes of its kind and sources, with each of its packets once; a file is there whole or not at
//! all; the folder never holds more of our files, nor more bytes of them, than was granted, but for the one that is being written, the oldest
//! making room once the newest is on the disk, and none of a verdict under way; files of others are left alone; a failure is counted,
//! logged when it begins, and no reason to stop.

mod ends;
mod folder;
mod round;
mod section;
mod tape;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    error::Error as _,
    net::IpAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use hashbrown::{HashMap, HashSet};
use jiff::Timestamp;
use wireledger_common::abi::link::Link;

use self::{
    ends::Ends,
    folder::{Folder, Ours},
    round::{Index, Party},
    section::Section,
};
use super::recorder;
pub use folder::EvidenceError;
pub use tape::{Span, Tape};

/// Bytes of packets in memory, about: then they are written.
const HELD: u64 = 64 << 20;

/// Parties of one verdict: as many as a scan of 4,096 sources has, or a flood that has changed its eight sources and eight targets 64 times.
const PARTIES: usize = 4096;

/// Between two warnings.
const QUIET: Duration = Duration::from_secs(60);

/// Which packets a verdict is about.
#[derive(Clone, Debug)]
pub struct Case<K> {
    /// The verdict.
    pub id: K,
    /// Its label.
    pub kind: &'static str,
    /// Who did it; may be nobody that is known.
    pub sources: Vec<IpAddr>,
    /// To whom; may be anybody.
    pub targets: Vec<IpAddr>,
    /// When its first packet was seen, nanoseconds of CLOCK_MONOTONIC,
    pub first_seen: u64,
    /// and its latest.
    pub last_seen: u64,
    /// Nanoseconds since 1970 at nanosecond 0 of CLOCK_MONOTONIC, for the name and all times in the file.
    pub epoch: i128,
    /// It has ended.
    pub last: bool,
}

/// How interfaces are described in files.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// Name and link of each interface, by index.
    pub interfaces: BTreeMap<u32, (String, Link)>,
    /// Bytes of each packet that were asked for.
    pub snap: u32,
}

/// What became of a case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Filed<K> {
    /// The verdict.
    pub id: K,
    /// Its file, if it has one.
    pub path: Option<PathBuf>,
    /// Some of its packets were forgotten before they were read, or had no room.
    pub incomplete: bool,
    /// Packets that are not in the file could be, could it be written.
    pub failed: bool,
}

/// What became of all cases that were written together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Written<K> {
    /// Each of them, in their order.
    pub filed: Vec<Filed<K>>,
    /// Files that made room.
    pub removed: Vec<PathBuf>,
}

/// What became of all cases.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct EvidenceTally {
    /// Files written, those that grew each time.
    pub files: u64,
    /// Packets written.
    pub packets: u64,
    /// Packets left out, for want of bytes.
    pub left_out: u64,
    /// Files that made room.
    pub removed: u64,
    /// Times that a case could not be written.
    pub failed: u64,
    /// Verdicts that the recorder had forgotten packets of, or that had some left out.
    pub incomplete: u64,
    /// Cases that were given up.
    pub lost: u64,
}

/// A folder of evidence.
#[derive(Debug)]
pub struct Evidence<K> {
    folder: Folder,
    /// Verdicts under way.
    courses: BTreeMap<K, Course>,
    /// The names of their files.
    names: HashSet<String>,
    tally: EvidenceTally,
    warned: Option<Instant>,
}

/// What is known of a verdict under way.
#[derive(Debug, Default)]
struct Course {
    /// Its file's; made when the first packets are written.
    name: Option<String>,
    /// From where on each has not been read.
    parties: HashMap<Party, u64>,
    /// When the latest packet was seen that is known to have been read.
    read: u64,
    incomplete: bool,
}

/// A case that is being written.
struct Entry<'a, K> {
    case: &'a Case<K>,
    section: Option<Section>,
    failed: bool,
}

impl<K: Copy + Ord> Evidence<K> {
    /// Evidence in this folder, which is made if need be: at most so many files, one at least, with so many bytes together. What is there
    /// beyond that goes.
    ///
    /// # Errors
    /// When the folder cannot be made, read or written to.
    pub fn new(folder: &Path, most_files: usize, most_bytes: u64) -> Result<Self, EvidenceError> {
        let (folder, removed) = Folder::open(folder, most_files, most_bytes)?;
        let tally = EvidenceTally { removed, ..EvidenceTally::default() };
        let (courses, names) = (BTreeMap::new(), HashSet::new());
        Ok(Self { folder, courses, names, tally, warned: None })
    }

    /// What became of all cases.
    #[must_use]
    pub const fn tally(&self) -> EvidenceTally {
        self.tally
    }

    /// Nothing more comes of a verdict.
    pub fn forget(&mut self, id: K) {
        let course = self.courses.remove(&id);
        if let Some(name) = course.and_then(|course| course.name) {
            self.names.remove(&name);
        }
    }

    /// Writes what the tape has of these cases, one of each verdict, that was not written before. A case that failed may be tried again: what
    /// is still there of it is written then.
    pub fn write(
        &mut self,
        tape: &mut impl Tape,
        labels: &Labels,
        cases: &[Case<K>],
    ) -> Written<K> {
        let span = tape.span();
        let mut removed = Vec::new();
        let mut entries: Vec<_> =
            cases.iter().map(|case| Entry { case, section: None, failed: false }).collect();
        let mut index = self.meet(cases, span);
        let mut stretch = Vec::new();
        let mut position = self.unread(cases).max(span.begin);
        while position < span.end {
            let asked = position;
            position = tape.stretch(position, &mut stretch);
            if position > asked {
                self.miss(cases, position);
            }
            let held = self.read(&stretch, &mut position, labels, &mut index, &mut entries);
            if position == asked {
                break;
            }
            if held > HELD {
                self.flush(&mut entries, position, &mut removed);
            }
        }
        self.flush(&mut entries, position.max(span.end), &mut removed);
        let filed = entries.iter().map(|entry| self.close(entry)).collect();
        Written { filed, removed }
    }

    /// Notes whom the cases are about, and whether the tape has forgotten anything of it.
    fn meet(&mut self, cases: &[Case<K>], span: Span) -> Index {
        let mut index = Index::default();
        for (at, case) in cases.iter().enumerate() {
            let course = self.courses.entry(case.id).or_default();
            let began_before = span.oldest.is_none_or(|oldest| oldest > case.first_seen);
            let mut missed = course.has_missed(case.last_seen, span.begin);
            for party in Party::all(&case.sources, &case.targets) {
                let is_full = course.parties.len() >= PARTIES;
                if course.parties.contains_key(&party) {
                    continue;
                }
                missed |= is_full || span.begin > 0 && began_before;
                if !is_full {
                    course.parties.insert(party, 0);
                }
            }
            for (&party, &unread) in &course.parties {
                index.add(party, at, unread);
            }
            if missed {
                course.miss(&mut self.tally);
            }
        }
        index
    }

    /// Where the first byte is that one of the cases has not read.
    fn unread(&self, cases: &[Case<K>]) -> u64 {
        let courses = cases.iter().filter_map(|case| self.courses.get(&case.id));
        courses.flat_map(|course| course.parties.values().copied()).min().unwrap_or(u64::MAX)
    }

    /// What was before this position was forgotten before it could be read.
    fn miss(&mut self, cases: &[Case<K>], position: u64) {
        for case in cases {
            let course = self.courses.get_mut(&case.id);
            let missed = |course: &&mut Course| course.has_missed(case.last_seen, position);
            if let Some(course) = course.filter(missed) {
                course.miss(&mut self.tally);
            }
        }
    }

    /// Hands a stretch's packets to their cases; returns how many bytes these have.
    fn read(
        &self,
        stretch: &[u8],
        position: &mut u64,
        labels: &Labels,
        index: &mut Index,
        entries: &mut [Entry<'_, K>],
    ) -> u64 {
        let mut left = stretch;
        while let Some((sample, bytes, behind)) = recorder::first(left) {
            let link = labels.interfaces.get(&sample.interface).map(|(_, link)| *link);
            let ends = Ends::of(bytes, sample.length, link.unwrap_or_default());
            index.each(&ends, *position, |at| {
                let Entry { case, section, failed } = &mut entries[at];
                if !*failed {
                    let new = || Section::new(self.room(case.id), case.epoch);
                    section.get_or_insert_with(new).add(&sample, bytes, labels);
                }
            });
            *position += (left.len() - behind.len()) as u64;
            left = behind;
        }
        entries.iter().filter_map(|entry| Some(entry.section.as_ref()?.size())).sum()
    }

    /// Bytes that a verdict's file may still get.
    fn room(&self, id: K) -> u64 {
        let name = self.courses.get(&id).and_then(|course| course.name.as_deref());
        let ours = self.folder.ours().unwrap_or_default();
        let is_own = |file: &&Ours| Some(&*file.name) == name;
        let own = ours.iter().find(is_own).map_or(0, |file| file.bytes);
        let stays = |file: &&Ours| !is_own(file) && self.names.contains(&file.name);
        let others: u64 = ours.iter().filter(stays).map(|file| file.bytes).sum();
        self.folder.room(others).saturating_sub(own)
    }

    /// Writes what was read up to this position.
    fn flush(&mut self, entries: &mut [Entry<'_, K>], position: u64, removed: &mut Vec<PathBuf>) {
        for entry in entries.iter_mut().filter(|entry| !entry.failed) {
            if let Some(section) = entry.section.take()
                && let Err(error) = self.put(entry.case, section, removed)
            {
                entry.failed = true;
                self.tally.failed += 1;
                self.warn(&error);
            }
            if !entry.failed
                && let Some(course) = self.courses.get_mut(&entry.case.id)
            {
                course.parties.values_mut().for_each(|unread| *unread = position.max(*unread));
                course.read = entry.case.last_seen.max(course.read);
            }
        }
    }

    fn put(
        &mut self,
        case: &Case<K>,
        section: Section,
        removed: &mut Vec<PathBuf>,
    ) -> Result<(), EvidenceError> {
        let (packets, left_out) = (section.packets, section.left_out);
        if packets > 0 {
            let known = self.courses.get(&case.id).and_then(|course| course.name.clone());
            let name = known.map_or_else(|| self.free(case), Ok)?;
            let mut gone = Vec::new();
            let put = self.folder.put(&name, &section.finish(), &self.names, &mut gone);
            self.tally.removed += gone.len() as u64;
            removed.extend(gone);
            put?;
            if let Some(course) = self.courses.get_mut(&case.id) {
                self.names.insert(name.clone());
                course.name = Some(name);
            }
            self.tally.files += 1;
            self.tally.packets += packets;
        }
        self.tally.left_out += left_out;
        if let Some(course) = self.courses.get_mut(&case.id).filter(|_| left_out > 0) {
            course.miss(&mut self.tally);
        }
        Ok(())
    }

    /// A name for a case's file that no file has.
    fn free(&self, case: &Case<K>) -> Result<String, EvidenceError> {
        /// Verdicts of one kind and source that began in the same microsecond.
        const SAME: u32 = 100;
        let stem = stem(case);
        let names = (1..=SAME).map(|n| match n {
            1 => format!("{stem}{}", folder::SUFFIX),
            n => format!("{stem}-{n}{}", folder::SUFFIX),
        });
        let free =
            names.into_iter().find(|name| !self.names.contains(name) && self.folder.is_free(name));
        free.ok_or_else(|| self.folder.taken(&stem))
    }

    fn close(&mut self, entry: &Entry<'_, K>) -> Filed<K> {
        let Entry { case, failed, .. } = *entry;
        let course = self.courses.get(&case.id);
        let name = course.and_then(|course| course.name.as_deref());
        let filed = Filed {
            id: case.id,
            path: name.map(|name| self.folder.path_of(name)),
            incomplete: course.is_some_and(|course| course.incomplete),
            failed,
        };
        if case.last && !failed {
            self.forget(case.id);
        }
        filed
    }

    fn warn(&mut self, error: &EvidenceError) {
        if self.warned.is_none_or(|at| at.elapsed() >= QUIET) {
            self.warned = Some(Instant::now());
            let why = error.source().map(ToString::to_string).unwrap_or_default();
            tracing::warn!(%error, why, "no evidence is written");
        }
    }
}

impl Course {
    /// Whether something of a verdict with packets until `last_seen` may be among what was forgotten, which is all before this position.
    fn has_missed(&self, last_seen: u64, position: u64) -> bool {
        last_seen > self.read && self.parties.values().any(|&unread| unread < position)
    }

    fn miss(&mut self, tally: &mut EvidenceTally) {
        tally.incomplete += u64::from(!std::mem::replace(&mut self.incomplete, true));
    }
}

/// `wireledger-20261121T171448.123456Z-syn-10.66.0.1`: files in the order of their names are in the order of their times.
fn stem<K>(case: &Case<K>) -> String {
    let time = Timestamp::from_nanosecond(case.epoch + i128::from(case.first_seen));
    let time = time.unwrap_or_default().strftime("%Y%m%dT%H%M%S.%6fZ");
    let who = match (&case.sources[..], &case.targets[..]) {
        ([one], _) => one.to_string(),
        ([], [one]) => format!("to-{one}"),
        ([], _) => "many".to_owned(),
        ([first, more @ ..], _) => format!("{first}-and-{}", more.len()),
    };
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '_' { c } else { '-' };
    let word = |text: &str| text.chars().map(safe).collect::<String>();
    format!("{}{time}-{}-{}", folder::PREFIX, word(case.kind), word(&who))
}
