//! The ring of ended flows, read to its end.

use std::os::fd::{AsFd, OwnedFd};

use aya::maps::{Map, MapData, RingBuf};
use tokio::io::{Interest, unix::AsyncFd};
use wireledger_common::{abi::record::Record, names};
use zerocopy::FromBytes;

use super::{Error, Probe};

/// Something to wait on until the probe announces records, which it does every 256.
///
/// # Errors
/// When the ring's descriptor cannot be doubled or waited on.
pub fn announced(probe: &Probe) -> Result<AsyncFd<OwnedFd>, Error> {
    let fd = probe.ring().ring.as_fd().try_clone_to_owned();
    let fd = fd.map_err(Error::system("doubling the ring's descriptor"))?;
    // SAFETY: the `AsyncFd` owns the descriptor, and nobody else closes it.
    let waiting = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    waiting.map_err(|error| Error::system("waiting on the ring")(error.into()))
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
