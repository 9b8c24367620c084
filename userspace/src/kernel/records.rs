//! The ring of ended flows, read to its end.

use std::os::fd::OwnedFd;

use aya::maps::{Map, MapData, RingBuf};
use tokio::io::unix::AsyncFd;
use wireledger_common::{abi::record::Record, names};
use zerocopy::FromBytes;

use super::{Error, Probe, samples};

/// Something to wait on until the probe announces records, which it does every 256.
///
/// # Errors
/// When the ring's descriptor cannot be doubled or waited on.
pub fn announced(probe: &Probe) -> Result<AsyncFd<OwnedFd>, Error> {
    samples::announced(&probe.ring().ring)
}

/// The ring's reader.
pub struct Records {
    ring: RingBuf<MapData>,
}

impl Records {
    pub(super) fn new(map: Map) -> Result<Self, Error> {
        Ok(Self { ring: map.try_into().map_err(Error::map(names::RECORDS))? })
    }

    /// Reads what is in the ring now. Returns how many entries were no records, by their length or by what `see` says; only
    /// another version writes such.
    pub fn drain(&mut self, mut see: impl FnMut(&Record) -> bool) -> u64 {
        let mut malformed = 0;
        while let Some(entry) = self.ring.next() {
            match Record::read_from_bytes(&entry) {
                Ok(record) if see(&record) => {}
                _ => malformed += 1,
            }
        }
        malformed
    }
}
