//! Whom the web turned away, and what became of the configurations it was given.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::SystemTime,
};

use crate::report::{Refused, Reload, Reloads, Server};

/// Counters that server and collector share.
#[derive(Debug, Default)]
pub struct Tally {
    refused: [AtomicU64; Refused::ALL.len()],
    reloads: Mutex<Reloads>,
}

impl Tally {
    pub(super) fn refuse(&self, why: Refused) {
        self.refused[why as usize].fetch_add(1, Relaxed);
    }

    /// Everything's configuration was read again: `successful` when it is in force.
    pub fn config_read(&self, successful: bool) {
        self.note(successful, |reloads| &mut reloads.config);
    }

    /// The web's file was read again.
    pub(super) fn web_read(&self, successful: bool) {
        self.note(successful, |reloads| &mut reloads.web);
    }

    fn note(&self, successful: bool, which: fn(&mut Reloads) -> &mut Reload) {
        let mut reloads = self.reloads.lock().unwrap_or_else(PoisonError::into_inner);
        let reload = which(&mut reloads);
        reload.successful = successful;
        if successful {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            reload.success_at = since.unwrap_or_default().as_secs_f64();
        }
    }

    /// As it stands.
    #[must_use]
    pub fn report(&self) -> Server {
        let refused = Refused::ALL.map(|why| (why, self.refused[why as usize].load(Relaxed)));
        let reloads = *self.reloads.lock().unwrap_or_else(PoisonError::into_inner);
        Server { reloads, refused: refused.to_vec() }
    }
}
