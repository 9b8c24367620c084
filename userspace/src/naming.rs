//! Names for addresses and ports: a file of lines, read once and again.
//!
//! Each line is what is named, white space, and its name; `#` begins a comment. The longest prefix wins, and the smallest range of ports.
//! docs/NAMES.md says it for users.

use std::{collections::BTreeMap, fs, io, net::IpAddr, path::Path, sync::Arc};

use wireledger_common::abi::protocol::Protocol;

mod line;

use line::{Line, Range};

/// A name by its number; numbers are of one [`Names`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Name(pub u32);

/// The names of a file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Names {
    texts: Vec<Arc<str>>,
    v4: Spans,
    v6: Spans,
    /// By protocol number.
    ports: BTreeMap<u8, Spans>,
}

/// Why a file has no names.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read the names in {file}: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why not.
        source: io::Error,
    },
    /// A line of it is wrong.
    #[error("{file}:{line}: {what}")]
    Line {
        /// The file.
        file: String,
        /// Its line, from 1.
        line: usize,
        /// What is wrong and what would be right.
        what: String,
    },
}

impl Names {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or a line is wrong: then nothing of it is used.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file = path.display().to_string();
        let unreadable = |source| Error::Unreadable { file: file.clone(), source };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&text).map_err(|(line, what)| Error::Line { file, line, what })
    }

    /// The names in a text; the error has the number of the line.
    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut names = Self::default();
        let mut numbers = BTreeMap::new();
        let mut ranges: BTreeMap<Kind, BTreeMap<Range, (Name, usize)>> = BTreeMap::new();
        for (number, text) in (1..).zip(text.lines()) {
            let Some(Line { kind, range, name }) =
                Line::parse(text).map_err(|what| (number, what))?
            else {
                continue;
            };
            let name = *numbers.entry(name.to_owned()).or_insert_with(|| {
                names.texts.push(name.into());
                Name(names.texts.len() as u32 - 1)
            });
            if let Some((_, first)) = ranges.entry(kind).or_default().insert(range, (name, number))
            {
                let what = text.split_whitespace().next().unwrap_or_default();
                return Err((number, format!("{what} has a name already, in line {first}")));
            }
        }
        for (kind, ranges) in ranges {
            let spans = Spans::new(&ranges).map_err(|(line, first)| {
                (line, format!("these ports and those of line {first} overlap, and neither are part of the other"))
            })?;
            match kind {
                Kind::V4 => names.v4 = spans,
                Kind::V6 => names.v6 = spans,
                Kind::Port(protocol) => drop(names.ports.insert(protocol, spans)),
            }
        }
        Ok(names)
    }

    /// Nothing has a name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// The name of an address.
    #[must_use]
    pub fn host(&self, address: IpAddr) -> Option<Name> {
        match address {
            IpAddr::V4(address) => self.v4.find(u128::from(address.to_bits())),
            IpAddr::V6(address) => self.v6.find(address.to_bits()),
        }
    }

    /// The name of a protocol's port.
    #[must_use]
    pub fn port(&self, protocol: u8, port: u16) -> Option<Name> {
        self.ports.get(&protocol)?.find(u128::from(port))
    }

    /// A name's text.
    #[must_use]
    pub fn text(&self, Name(number): Name) -> &Arc<str> {
        &self.texts[number as usize]
    }

    /// The name with this text.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Name> {
        let at = self.texts.iter().position(|one| **one == *text)?;
        Some(Name(at as u32))
    }
}

/// What a range is of.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Kind {
    V4,
    V6,
    /// Of this protocol.
    Port(u8),
}

/// The whole of a line of numbers cut where the name changes, so that one binary search finds the innermost range.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Spans(Vec<(u128, Option<Name>)>);

impl Spans {
    /// From ranges of which any two are apart or one in the other; else the numbers of two lines that are not.
    fn new(ranges: &BTreeMap<Range, (Name, usize)>) -> Result<Self, (usize, usize)> {
        let mut spans = Self::default();
        // Those that are open, outermost first.
        let mut open: Vec<(u128, Name, usize)> = Vec::new();
        for (range, &(name, line)) in ranges {
            while let Some(&(last, _, other)) = open.last() {
                if last >= range.last {
                    break;
                }
                if last >= range.first {
                    return Err((line.max(other), line.min(other)));
                }
                open.pop();
                spans.close(last, open.last().map(|outer| outer.1));
            }
            spans.begin(range.first, Some(name));
            open.push((range.last, name, line));
        }
        while let Some((last, ..)) = open.pop() {
            spans.close(last, open.last().map(|outer| outer.1));
        }
        Ok(spans)
    }

    fn close(&mut self, last: u128, outer: Option<Name>) {
        if let Some(next) = last.checked_add(1) {
            self.begin(next, outer);
        }
    }

    /// From `first` on this name; whatever was to begin there has no number of its own.
    fn begin(&mut self, first: u128, name: Option<Name>) {
        match self.0.last_mut() {
            Some(last) if last.0 == first => last.1 = name,
            _ => self.0.push((first, name)),
        }
    }

    fn find(&self, number: u128) -> Option<Name> {
        let after = self.0.partition_point(|(first, _)| *first <= number);
        self.0[..after].last()?.1
    }
}

/// The protocols whose ports can have names.
fn protocol(label: &str) -> Option<u8> {
    let all = [
        (Protocol::Tcp, 6),
        (Protocol::Udp, 17),
        (Protocol::Sctp, 132),
        (Protocol::Dccp, 33),
        (Protocol::UdpLite, 136),
    ];
    all.into_iter().find(|(class, _)| class.label() == label).map(|(_, number)| number)
}

#[cfg(test)]
mod tests;
