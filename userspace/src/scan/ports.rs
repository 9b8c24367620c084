//! A set of ports, exact: a sorted list while it is short, then one bit a port.

use std::fmt::Write as _;

/// Ports in the list before it becomes bits.
const LISTED: usize = 256;
const WORDS: usize = (1 << 16) / 64;

/// Ports.
#[derive(Clone, Debug)]
pub(super) enum PortSet {
    List(Vec<u16>),
    Bits { bits: Box<[u64]>, count: u32 },
}

impl Default for PortSet {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl PortSet {
    /// Adds a port; whether it is new.
    pub(super) fn insert(&mut self, port: u16) -> bool {
        match self {
            Self::List(list) => {
                let Err(at) = list.binary_search(&port) else { return false };
                if list.len() == LISTED {
                    *self = Self::bits(list);
                    return self.insert(port);
                }
                list.insert(at, port);
                true
            }
            Self::Bits { bits, count } => {
                let (word, bit) = (&mut bits[usize::from(port) / 64], 1 << (port % 64));
                let is_new = *word & bit == 0;
                *word |= bit;
                *count += u32::from(is_new);
                is_new
            }
        }
    }

    fn bits(list: &[u16]) -> Self {
        let mut bits = vec![0_u64; WORDS].into_boxed_slice();
        for port in list {
            bits[usize::from(*port) / 64] |= 1 << (port % 64);
        }
        Self::Bits { bits, count: list.len() as u32 }
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Self::List(list) => list.len() as u64,
            Self::Bits { count, .. } => u64::from(*count),
        }
    }

    pub(super) fn contains(&self, port: u16) -> bool {
        match self {
            Self::List(list) => list.binary_search(&port).is_ok(),
            Self::Bits { bits, .. } => bits[usize::from(port) / 64] & (1 << (port % 64)) != 0,
        }
    }

    /// Every port, rising.
    pub(super) fn iter(&self) -> impl Iterator<Item = u16> {
        let (list, bits): (&[u16], &[u64]) = match self {
            Self::List(list) => (list, &[]),
            Self::Bits { bits, .. } => (&[], bits),
        };
        let words = bits.iter().enumerate().flat_map(|(at, &word)| {
            (0..64).filter(move |bit| word >> bit & 1 != 0).map(move |bit| (at * 64 + bit) as u16)
        });
        list.iter().copied().chain(words)
    }

    /// All of them, as far as there is room for: `1-3,80`, `1,3,5,…`.
    pub(super) fn ranges(&self) -> String {
        ranges(self.iter())
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::List(list) => list.capacity() * size_of::<u16>(),
            Self::Bits { bits, .. } => size_of_val(&**bits),
        }
    }
}

/// Bytes of text after which ports are left out.
const TEXT: usize = 16 << 10;

/// Ports in rising order, as nmap writes them: `1-3,80`; cut after 16 KiB, `1,3,5,…`.
#[must_use]
pub fn ranges(ports: impl IntoIterator<Item = u16>) -> String {
    let (mut text, mut ports) = (String::new(), ports.into_iter().peekable());
    while let Some(from) = ports.next() {
        let mut to = from;
        while let Some(next) = ports.next_if(|&next| to.checked_add(1) == Some(next)) {
            to = next;
        }
        if !text.is_empty() {
            text.push(',');
        }
        if text.len() > TEXT {
            text.push('…');
            break;
        }
        // Writing to a string does not fail.
        _ = write!(text, "{from}");
        if to != from {
            _ = write!(text, "-{to}");
        }
    }
    text
}

impl Extend<u16> for PortSet {
    fn extend<I: IntoIterator<Item = u16>>(&mut self, ports: I) {
        for port in ports {
            self.insert(port);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_as_nmap_writes_them() {
        let mut ports = PortSet::default();
        assert_eq!(ports.ranges(), "");
        ports.extend([80, 3, 1, 2, 65_535, 65_534, 0]);
        assert_eq!(ports.ranges(), "0-3,80,65534-65535");
        assert_eq!(ports.len(), 7);
    }

    proptest! {
        #[test]
        fn it_is_the_set_that_it_says(given in proptest::collection::vec(any::<u16>(), 0..600)) {
            let mut ports = PortSet::default();
            let mut model = std::collections::BTreeSet::new();
            for &port in &given {
                prop_assert_eq!(ports.insert(port), model.insert(port));
            }
            prop_assert_eq!(ports.len(), model.len() as u64);
            prop_assert!(given.iter().all(|&port| ports.contains(port)));
            prop_assert!(ports.iter().eq(model.into_iter()));
        }
    }
}
