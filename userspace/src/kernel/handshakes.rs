//! Handshakes under way in the kernel: those that take too long are taken out and counted here.

use std::collections::BTreeMap;

use aya::maps::{HashMap, MapData, MapError};
use nix::time::{ClockId, clock_gettime};
use wireledger_common::{
    abi::{
        flow::{EGRESS, FlowKey},
        handshake::{ATTEMPTS, Attempt, LIFE},
    },
    names,
};

use super::{Error, error::os_error};

/// The map.
type Map = HashMap<MapData, FlowKey, Attempt>;

/// What was found, by the interface index and direction of the SYN (true = egress).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Handshakes {
    /// Expired: taken out unfinished.
    pub expired: BTreeMap<(u32, bool), u64>,
    /// Still under way.
    pub open: BTreeMap<(u32, bool), u64>,
}

/// Takes out what began [`LIFE`] before `now` or earlier. A program that ends the same handshake at the same moment
/// counts it or leaves it: the kernel lets one of the two take it out.
pub(super) fn expire(map: &mut Map, now: u64) -> Result<Handshakes, Error> {
    let mut found = Handshakes::default();
    // The kernel begins again where a key is gone meanwhile, so that there may be more than the map holds.
    let keys = map.keys().take(2 * ATTEMPTS as usize).collect::<Result<Vec<_>, _>>();
    let mut keys = keys.map_err(Error::map(names::HANDSHAKES))?;
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let attempt = match map.get(&key, 0) {
            Ok(attempt) => attempt,
            Err(MapError::KeyNotFound) => continue,
            Err(error) => return Err(Error::map(names::HANDSHAKES)(error)),
        };
        let which = (key.interface, key.kind & EGRESS != 0);
        if now.saturating_sub(attempt.began) < LIFE {
            *found.open.entry(which).or_default() += 1;
        } else if remove(map, &key)? {
            *found.expired.entry(which).or_default() += 1;
        }
    }
    Ok(found)
}

/// Whether it was there.
fn remove(map: &mut Map, key: &FlowKey) -> Result<bool, Error> {
    match map.remove(key) {
        Ok(()) => Ok(true),
        Err(error) if os_error(&error) == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(Error::map(names::HANDSHAKES)(error)),
    }
}

/// The clock of [`Attempt::began`].
pub(super) fn now() -> Result<u64, Error> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_err(|errno| Error::System { doing: "reading the clock", source: errno.into() })?;
    Ok(u64::try_from(std::time::Duration::from(now).as_nanos()).unwrap_or(u64::MAX))
}
