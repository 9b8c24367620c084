//! The web's configuration file: TLS, passwords, headers, a rate limit, as Prometheus exporters have them.
//!
//! It is looked at for every connection and request, and read again when it or a file it names has changed. One that is
//! wrong at the start is an error; later, the one before stays in force, and log and [`Tally`] say so.

mod clients;
mod file;
mod headers;
mod tls;

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::HeaderMap;
use bcrypt::HashParts;
use rustls::ServerConfig;

use file::{File, Wrong};
use tls::Files;

use super::tally::Tally;

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "file and line, and what the text says")]
pub enum Error {
    #[error("reading {}: {source} (--web.config.file)", file.display())]
    Unread { file: PathBuf, source: io::Error },
    #[error("{}:{line}: {what}", file.display())]
    Line { file: PathBuf, line: u64, what: String },
    #[error("{}: {what}", file.display())]
    Whole { file: PathBuf, what: String },
}

/// The configuration in force, and where it is from.
#[derive(Debug)]
pub struct Config {
    tally: Arc<Tally>,
    /// A listener has TLS or not from its first connection on.
    tls: bool,
    /// Held while files are read, which may be slow: whoever comes meanwhile waits for the result.
    reading: Mutex<()>,
    /// Never held while files are read.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: Option<PathBuf>,
    loaded: Arc<Loaded>,
    /// Of the files as they were last read, well or not.
    stamps: Vec<Stamped>,
}

/// A configuration that was read and checked.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) headers: HeaderMap,
    /// bcrypt hashes by name; nobody is asked for a password if empty.
    pub(super) users: HashMap<String, String>,
    pub(super) rate: Option<Rate>,
}

/// How many requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Rate {
    /// Between two of them, in the long run.
    pub(super) interval: Duration,
    /// At once, after silence.
    pub(super) burst: u32,
}

/// A reading that was not put in force yet.
#[derive(Debug)]
pub struct Prepared {
    state: State,
}

/// A file and what tells its versions apart; `None` where it is not.
type Stamped = (PathBuf, Option<Stamp>);

/// Device, inode, size, times of content and inode in nanoseconds.
type Stamp = (u64, u64, u64, [i64; 4]);

fn stamp(file: &Path) -> Option<Stamp> {
    let of = fs::metadata(file).ok()?;
    let times = [of.mtime(), of.mtime_nsec(), of.ctime(), of.ctime_nsec()];
    Some((of.dev(), of.ino(), of.size(), times))
}

impl Config {
    /// Reads `file`; without one there is no TLS and nobody is asked for a password.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn open(file: Option<&Path>, tally: Arc<Tally>) -> Result<Self, Error> {
        let (loaded, stamps) = read(file);
        let loaded = Arc::new(loaded?);
        tally.web_read(true);
        let file = file.map(Path::to_owned);
        let tls = loaded.tls.is_some();
        let state = Mutex::new(State { file, loaded, stamps });
        Ok(Self { tally, tls, reading: Mutex::default(), state })
    }

    /// Reads `file` without putting it in force.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn prepare(&self, file: Option<&Path>) -> Result<Prepared, Error> {
        let (loaded, stamps) = self.read(file);
        if loaded.is_err() {
            self.tally.web_read(false);
        }
        let loaded = Arc::new(loaded?);
        Ok(Prepared { state: State { file: file.map(Path::to_owned), loaded, stamps } })
    }

    /// Puts a reading in force.
    pub fn put(&self, prepared: Prepared) {
        *self.lock() = prepared.state;
        self.tally.web_read(true);
    }

    /// The configuration in force, read again if a file has changed.
    pub(super) async fn fresh(self: &Arc<Self>) -> Arc<Loaded> {
        {
            let state = self.lock();
            if state.file.is_none() {
                return Arc::clone(&state.loaded);
            }
        }
        let config = Arc::clone(self);
        // Files may be slow.
        let looked = tokio::task::spawn_blocking(move || config.refresh()).await;
        looked.unwrap_or_else(|_| Arc::clone(&self.lock().loaded))
    }

    fn refresh(&self) -> Arc<Loaded> {
        let _alone = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, before) = {
            let state = self.lock();
            (state.file.clone(), state.stamps.clone())
        };
        if before.iter().all(|(file, was)| stamp(file) == *was) {
            return Arc::clone(&self.lock().loaded);
        }
        let (loaded, stamps) = self.read(file.as_deref());
        let mut state = self.lock();
        // Another reading was put in force meanwhile, which is the later one.
        if state.stamps != before || state.file != file {
            return Arc::clone(&state.loaded);
        }
        state.stamps = stamps;
        self.tally.web_read(loaded.is_ok());
        match loaded {
            Ok(loaded) => {
                state.loaded = Arc::new(loaded);
                tracing::info!("web configuration read again");
            }
            Err(error) => tracing::error!(%error, "the web configuration stays as it was"),
        }
        Arc::clone(&state.loaded)
    }

    fn read(&self, file: Option<&Path>) -> (Result<Loaded, Error>, Vec<Stamped>) {
        let (loaded, stamps) = read(file);
        let loaded = loaded.and_then(|loaded| match loaded.tls.is_some() == self.tls {
            true => Ok(loaded),
            false => Err(Error::Whole {
                file: file.map(Path::to_owned).unwrap_or_default(),
                what: "tls_server_config cannot come or go while the daemon runs: restart it"
                    .into(),
            }),
        });
        (loaded, stamps)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a file could be put in force, by itself.
///
/// # Errors
/// What is wrong with it, and where.
pub fn check(file: &Path) -> Result<(), Error> {
    read(Some(file)).0.map(drop)
}

/// Each file's stamp is older than its content here: what changes in between is seen as a change.
fn read(file: Option<&Path>) -> (Result<Loaded, Error>, Vec<Stamped>) {
    let Some(file) = file else { return (Ok(Loaded::default()), Vec::new()) };
    let mut files = Files::below(file.parent().unwrap_or(Path::new("")));
    files.look(file);
    let text = fs::read_to_string(file);
    let loaded = text.map_err(|source| Error::Unread { file: file.to_owned(), source });
    let loaded = loaded.and_then(|text| {
        let loaded = file::parse(&text).and_then(|written| load(written, &mut files));
        loaded.map_err(|Wrong { line, what }| match line {
            Some(line) => Error::Line { file: file.to_owned(), line, what },
            None => Error::Whole { file: file.to_owned(), what },
        })
    });
    (loaded, files.named)
}

fn load(written: File, files: &mut Files<'_>) -> Result<Loaded, Wrong> {
    let File { tls_server_config, http_server_config, basic_auth_users, rate_limit } = written;
    let http2 = http_server_config.http2;
    let tls = tls_server_config.map(|tls| tls::server(&tls, http2, files)).transpose()?;
    let headers = headers::checked(&http_server_config.headers)?;
    let mut users = HashMap::new();
    for (name, hash) in basic_auth_users {
        if HashParts::from_str(&hash.value).is_err() {
            // The hash itself is nobody's to read.
            let why = format!("{name} has no bcrypt hash; `htpasswd -nBC 10 \"\"` makes one");
            return Err(Wrong::at(&hash, "basic_auth_users", why));
        }
        users.insert(name, hash.value);
    }
    let interval = rate_limit.interval.as_ref().map(file::interval).transpose()?;
    let rate = match (interval.filter(|interval| !interval.is_zero()), rate_limit.burst) {
        (None, _) => None,
        (Some(interval), Some(burst @ 1..)) => Some(Rate { interval, burst }),
        (Some(_), _) => {
            return Err(Wrong::of("rate_limit: without a burst of at least 1 nobody is served"));
        }
    };
    Ok(Loaded { tls, headers, users, rate })
}

#[cfg(test)]
mod tests;
