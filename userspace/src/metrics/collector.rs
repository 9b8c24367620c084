//! The collectors: groups of families that are switched on and off together.

use super::catalogue::{self, Family};
use crate::report::Snapshot;

/// Declares each collector once: variant, name, what it is about, its families.
macro_rules! collectors {
    ($($variant:ident $name:literal $about:literal $families:expr;)+) => {
        /// A group of families.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Collector {
            $(#[doc = $about] $variant,)+
        }

        impl Collector {
            /// Every collector, in the order of the text.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// Its name, in flags and labels.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it is about.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)+ }
            }

            /// The flags that switch it on and off, without their dashes.
            #[must_use]
            pub const fn flags(self) -> [&'static str; 2] {
                match self {
                    $(Self::$variant => {
                        [concat!("collector.", $name), concat!("no-collector.", $name)]
                    })+
                }
            }

            /// What it writes of a snapshot.
            pub(super) const fn families(self) -> &'static [Family] {
                match self { $(Self::$variant => $families,)+ }
            }
        }
    };
}

collectors! {
    Interface "interface" "Packets, bytes and frame sizes of the watched interfaces"
        catalogue::interface::FAMILIES;
    Protocols "protocols" "Packets and bytes by IP version and protocol, TCP flags, DSCP, ECN, fragments"
        catalogue::protocols::FAMILIES;
    Tcp "tcp" "Handshakes and how long they take, retransmissions, zero windows"
        catalogue::tcp::FAMILIES;
    Ledger "ledger" "What was not read, what got no table entry, and whether the accounts balance"
        catalogue::ledger::FAMILIES;
    Flows "flows" "The flow table, flows told, and the ring of ended ones"
        catalogue::flows::FAMILIES;
    Talkers "talkers" "The busiest flows, hosts, ports and conversations, by address"
        catalogue::talkers::FAMILIES;
    Distinct "distinct" "How many sources, destinations and flows there are, estimated"
        catalogue::distinct::FAMILIES;
    Captures "captures" "Capture sessions and what became of their packets"
        catalogue::captures::FAMILIES;
    Recorder "recorder" "The flight recorder"
        catalogue::recorder::FAMILIES;
    Scans "scans" "Scans and floods by kind, what is remembered of sources, and evidence"
        catalogue::scans::FAMILIES;
    Program "program" "What the probe's programs cost"
        catalogue::program::FAMILIES;
    Kernel "kernel" "The kernel's own counters of the watched interfaces"
        catalogue::kernel::FAMILIES;
    Process "process" "The daemon's CPU time, memory and files"
        &[];
}

impl Collector {
    /// Why it has nothing to tell of this snapshot, if it failed.
    pub(super) fn failure(self, snapshot: &Snapshot) -> Option<&str> {
        match self {
            Self::Kernel => snapshot.kernel.failure.as_deref(),
            Self::Interface
            | Self::Protocols
            | Self::Tcp
            | Self::Ledger
            | Self::Flows
            | Self::Talkers
            | Self::Distinct
            | Self::Captures
            | Self::Recorder
            | Self::Scans
            | Self::Program
            | Self::Process => None,
        }
    }

    /// Seconds that reading for it alone took.
    pub(super) const fn read_in(self, snapshot: &Snapshot) -> f64 {
        match self {
            Self::Kernel => snapshot.kernel.took,
            _ => 0.0,
        }
    }
}

/// The collectors that are on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Collectors(u32);

impl Collectors {
    /// Not one.
    pub const NONE: Self = Self(0);
    /// Every one.
    pub const ALL: Self = Self((1 << Collector::ALL.len()) - 1);

    /// The same with one switched on or off.
    #[must_use]
    pub const fn with(self, collector: Collector, on: bool) -> Self {
        let bit = 1 << collector as u32;
        Self(if on { self.0 | bit } else { self.0 & !bit })
    }

    /// Whether it is on.
    #[must_use]
    pub const fn has(self, collector: Collector) -> bool {
        self.0 & 1 << collector as u32 != 0
    }

    /// Those that are on, in the order of the text.
    pub fn iter(self) -> impl Iterator<Item = Collector> {
        Collector::ALL.into_iter().filter(move |&collector| self.has(collector))
    }
}

impl Default for Collectors {
    fn default() -> Self {
        Self::ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_switched_by_itself() {
        for collector in Collector::ALL {
            let alone = Collectors::NONE.with(collector, true);
            assert_eq!(alone.iter().collect::<Vec<_>>(), [collector]);
            let others = Collectors::ALL.with(collector, false);
            assert!(!others.has(collector));
            assert_eq!(others.iter().count(), Collector::ALL.len() - 1);
        }
        assert_eq!(Collectors::default(), Collectors::ALL);
    }
}
