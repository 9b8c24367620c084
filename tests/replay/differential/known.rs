//! The list of disagreements that are right: what stands in it must occur, and nothing else may.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use anyhow::{Context as _, Result, ensure};

/// What both sides say of one field of one packet.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Disagreement {
    pub(crate) capture: String,
    pub(crate) packet: u64,
    pub(crate) field: &'static str,
    pub(crate) ours: String,
    pub(crate) theirs: String,
}

/// `tests/replay/disagreements.tsv`.
pub(crate) struct Known {
    entries: Vec<Entry>,
    /// Packets that each entry explained.
    met: Mutex<BTreeMap<usize, BTreeSet<u64>>>,
}

/// A line of it.
struct Entry {
    line: String,
    capture: String,
    packets: Packets,
    field: String,
    ours: String,
    theirs: String,
}

enum Packets {
    /// At least one.
    Some,
    /// Exactly these.
    These(BTreeSet<u64>),
}

/// Any field, any value.
const ANY: &str = "*";

impl Known {
    pub(crate) fn read(text: &str) -> Result<Self> {
        let lines = text.lines().skip(1).filter(|line| !line.starts_with('#'));
        let entries = lines.map(|line| Entry::read(line).with_context(|| line.to_owned()));
        Ok(Self { entries: entries.collect::<Result<_>>()?, met: Mutex::default() })
    }

    /// Whether the list has it.
    pub(crate) fn explains(&self, found: &Disagreement) -> bool {
        let explaining = self.entries.iter().position(|entry| entry.explains(found));
        if let Some(index) = explaining {
            let mut met = self.met.lock().expect("nobody panics with it");
            met.entry(index).or_default().insert(found.packet);
        }
        explaining.is_some()
    }

    /// Entries for what did not occur.
    pub(crate) fn stale(&self) -> Vec<&str> {
        let met = self.met.lock().expect("nobody panics with it");
        let stale = |&(index, entry): &(usize, &Entry)| match (&entry.packets, met.get(&index)) {
            (_, None) => true,
            (Packets::Some, Some(_)) => false,
            (Packets::These(wanted), Some(met)) => wanted != met,
        };
        self.entries.iter().enumerate().filter(stale).map(|(_, entry)| &*entry.line).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

impl Entry {
    fn read(line: &str) -> Result<Self> {
        let cells: Vec<_> = line.split('\t').collect();
        let [capture, packets, field, ours, theirs, why] = cells[..] else {
            anyhow::bail!("{} cells instead of 6", cells.len());
        };
        ensure!(why.contains("RFC") || why.contains("IEEE") || why.contains("draft"), "no source");
        let [capture, field, ours, theirs] = [capture, field, ours, theirs].map(str::to_owned);
        let packets = packets.parse()?;
        Ok(Self { line: line.to_owned(), capture, packets, field, ours, theirs })
    }

    fn explains(&self, found: &Disagreement) -> bool {
        let fits = |pattern: &str, text: &str| pattern == ANY || pattern == text;
        self.capture == found.capture
            && self.is_about(found.field)
            && fits(&self.ours, &found.ours)
            && fits(&self.theirs, &found.theirs)
            && match &self.packets {
                Packets::Some => true,
                Packets::These(packets) => packets.contains(&found.packet),
            }
    }
}

impl Entry {
    /// A flow needs an entry of its own.
    fn is_about(&self, field: &str) -> bool {
        self.field == field || (self.field == ANY && field != "flow")
    }
}

impl std::str::FromStr for Packets {
    type Err = anyhow::Error;

    /// `*`, or numbers and ranges of them: `1,4-6`.
    fn from_str(text: &str) -> Result<Self> {
        if text == ANY {
            return Ok(Self::Some);
        }
        let mut packets = BTreeSet::new();
        for part in text.split(',') {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let (from, to): (u64, u64) = (from.parse()?, to.parse()?);
            packets.extend(from..=to);
        }
        Ok(Self::These(packets))
    }
}
