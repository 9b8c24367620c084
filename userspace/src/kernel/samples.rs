//! The ring of samples, read to its end.

use std::os::fd::{AsFd, OwnedFd};

use aya::maps::{Map, MapData, RingBuf};
use tokio::io::{Interest, unix::AsyncFd};
use wireledger_common::{abi::sample::Sample, names};
use zerocopy::FromBytes;

use super::Error;

/// The ring's reader. Nobody but its owner reads: it may live on another thread than the probe.
pub struct Samples {
    ring: RingBuf<MapData>,
}

impl Samples {
    pub(super) fn new(map: Map) -> Result<Self, Error> {
        Ok(Self { ring: map.try_into().map_err(Error::map(names::SAMPLES))? })
    }

    /// Something to wait on until the probe announces samples, which it does every 128 KiB.
    ///
    /// # Errors
    /// When the ring's descriptor cannot be doubled or waited on.
    pub fn announced(&self) -> Result<AsyncFd<OwnedFd>, Error> {
        announced(&self.ring)
    }

    /// Reads what is in the ring now, at most `most` samples; returns how many there were, and how many entries were none: only
    /// another version writes such.
    pub fn drain(&mut self, most: u64, mut see: impl FnMut(&Sample, &[u8])) -> (u64, u64) {
        let (mut read, mut malformed) = (0, 0);
        while read + malformed < most
            && let Some(entry) = self.ring.next()
        {
            match Sample::read_from_prefix(&entry) {
                Ok((sample, bytes)) if bytes.len() == sample.captured as usize => {
                    read += 1;
                    see(&sample, bytes);
                }
                _ => malformed += 1,
            }
        }
        (read, malformed)
    }
}

/// Something to wait on until a ring's writer wakes its reader.
pub(super) fn announced(ring: &RingBuf<MapData>) -> Result<AsyncFd<OwnedFd>, Error> {
    let fd = ring.as_fd().try_clone_to_owned();
    let fd = fd.map_err(Error::system("doubling the ring's descriptor"))?;
    // SAFETY: the `AsyncFd` owns the descriptor, and nobody else closes it.
    let waiting = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    waiting.map_err(|error| Error::system("waiting on the ring")(error.into()))
}
