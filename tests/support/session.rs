//! Capture sessions: over the daemon's unix socket by hand, and by the command line.

use std::{
    io::{Read, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use crate::{
    captured::Captured,
    daemon::wireledger,
    netns::NetNs,
    process::{Ended, PATIENCE, Process},
    tools::eventually,
};

/// A session that is armed, and its packets on their way.
#[derive(Debug)]
pub struct Session {
    stream: UnixStream,
    /// Its number.
    pub id: u64,
    /// Bytes of each packet.
    pub snap: u32,
    /// Nanoseconds since 1970, before it was asked for.
    pub asked: u64,
    /// What came behind the answer's head so far.
    body: Vec<u8>,
}

/// A request that was not met.
#[derive(Debug, thiserror::Error)]
#[error("status {status}: {said}")]
pub struct Refused {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub said: String,
}

/// Nanoseconds since 1970.
///
/// # Panics
/// When the clock stands before 1970.
#[must_use]
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("the clock is set").as_nanos() as u64
}

impl Session {
    /// Asks for one with a query, and waits until it is armed.
    ///
    /// # Errors
    /// [`Refused`] when the daemon answers otherwise.
    pub fn open(socket: &Path, query: &[(&str, &str)]) -> Result<Self> {
        let words: Vec<_> =
            query.iter().map(|(key, value)| format!("{key}={}", encode(value))).collect();
        let asked = now();
        let (head, body, stream) =
            ask(socket, "GET", &format!("/api/v1/capture?{}", words.join("&")))?;
        let number = |name: &str| -> Result<u64> {
            let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            Ok(line.with_context(|| format!("no {name} in {head}"))?.trim().parse()?)
        };
        Ok(Self {
            id: number("wireledger-session")?,
            snap: number("wireledger-snaplen")? as u32,
            stream,
            asked,
            body,
        })
    }

    /// Which slot it has.
    #[must_use]
    pub const fn slot(&self) -> u64 {
        self.id % 16
    }

    /// Reads to the end of its stream.
    ///
    /// # Errors
    /// When that does not come, or what came is no capture file.
    pub fn finish(mut self) -> Result<Captured> {
        self.stream.read_to_end(&mut self.body).context("reading a capture's stream")?;
        Captured::read(self.body)
    }

    /// Ends it, and reads to the end.
    ///
    /// # Errors
    /// As [`Session::finish`].
    pub fn end(self, socket: &Path) -> Result<Captured> {
        end(socket, self.id)?;
        self.finish()
    }
}

/// Ends a session by its number.
///
/// # Errors
/// When the daemon has none of that number.
pub fn end(socket: &Path, id: u64) -> Result<()> {
    ask(socket, "DELETE", &format!("/api/v1/captures/{id}")).map(drop)
}

/// A session as the daemon lists it.
#[derive(Clone, Debug, Deserialize)]
pub struct Held {
    /// Its number.
    pub id: u64,
    /// Which slot it has.
    pub slot: u64,
    /// What became of its packets so far.
    pub tally: Fates,
}

/// What became of the packets that matched.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the API")]
pub struct Fates {
    pub seen: u64,
    pub matched: u64,
    pub left_out: u64,
    pub over_budget: u64,
    pub lost: u64,
    pub delivered: u64,
    pub unread: u64,
}

impl Fates {
    /// Panics unless every packet that matched has one.
    pub fn assert_complete(&self) {
        let Self { matched, left_out, over_budget, lost, delivered, .. } = *self;
        assert_eq!(left_out + over_budget + lost + delivered, matched, "{self:?}");
    }
}

/// The sessions under way.
///
/// # Errors
/// When the daemon does not answer.
pub fn sessions(socket: &Path) -> Result<Vec<Held>> {
    #[derive(Deserialize)]
    struct Captures {
        captures: Vec<Held>,
    }
    let (_, mut body, mut stream) = ask(socket, "GET", "/api/v1/captures")?;
    stream.read_to_end(&mut body).context("reading the list of captures")?;
    let captures: Captures =
        serde_json::from_slice(&body).context("reading the list of captures")?;
    Ok(captures.captures)
}

/// One of them.
///
/// # Errors
/// When it is not among them.
pub fn session(socket: &Path, id: u64) -> Result<Held> {
    let found = sessions(socket)?.into_iter().find(|held| held.id == id);
    found.with_context(|| format!("no session {id}"))
}

/// Waits until no session is armed.
///
/// # Errors
/// When that does not come.
pub fn all_ended(socket: &Path) -> Result<()> {
    eventually("every session has ended", || Ok(sessions(socket)?.is_empty().then_some(())))
}

/// Asks in HTTP/1.0, whose answers end with the connection. Returns the head, and what came with it of the body.
fn ask(socket: &Path, method: &str, path: &str) -> Result<(String, Vec<u8>, UnixStream)> {
    let mut stream = UnixStream::connect(socket).context("connecting to the daemon's socket")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: x\r\n\r\n")?;
    let mut said = Vec::new();
    let behind = loop {
        if let Some(at) = said.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).context("reading an answer's head")?;
        ensure!(length > 0, "the answer ends in its head: {}", String::from_utf8_lossy(&said));
        said.extend(&piece[..length]);
    };
    let mut body = said.split_off(behind);
    let head = String::from_utf8(said).context("reading an answer's head")?.to_lowercase();
    let status = head.split(' ').nth(1).context("an answer without a status")?.parse()?;
    if !(200..300).contains(&status) {
        stream.read_to_end(&mut body)?;
        bail!(Refused { status, said: String::from_utf8_lossy(&body).into_owned() });
    }
    Ok((head, body, stream))
}

/// For a query (RFC 3986).
fn encode(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// `wireledger capture`, under way.
#[derive(Debug)]
pub struct Capture(Process);

impl Capture {
    /// Starts it with a probe of its own, and waits until it captures.
    ///
    /// # Errors
    /// When it ends instead; the error has what it said.
    pub fn start(namespace: &NetNs, arguments: &[&str]) -> Result<Self> {
        Self::watch(wireledger(namespace)?.arg("capture").args(arguments))
    }

    /// The same by a daemon.
    ///
    /// # Errors
    /// As [`Capture::start`].
    pub fn by(daemon: &Path, namespace: &NetNs, arguments: &[&str]) -> Result<Self> {
        let place = format!("unix:{}", daemon.display());
        Self::start(namespace, &[&["--connect", &place][..], arguments].concat())
    }

    fn watch(command: &mut std::process::Command) -> Result<Self> {
        Process::start(command).and_then(|mut process| {
            said(&mut process, "capturing on")?;
            Ok(Self(process))
        })
    }

    /// Ends it with SIGINT.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(self) -> Result<(Ended, Summary)> {
        self.0.signal(libc::SIGINT)?;
        self.ended()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: libc::c_int) -> Result<()> {
        self.0.signal(signal)
    }

    /// What it has said so far, on stdout and stderr.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn said(&mut self) -> Result<(String, String)> {
        self.0.said()
    }

    /// Ends it with SIGKILL.
    ///
    /// # Errors
    /// When it does not end.
    pub fn kill(self) -> Result<()> {
        self.0.signal(libc::SIGKILL)?;
        self.0.wait().map(drop)
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it does not.
    pub fn ended(self) -> Result<(Ended, Summary)> {
        let ended = self.0.wait()?;
        let summary = Summary::of(&ended);
        Ok((ended, summary))
    }
}

/// Waits until a process says something on stderr.
fn said(process: &mut Process, what: &str) -> Result<()> {
    eventually(what, || {
        let running = process.is_running()?;
        let (stdout, stderr) = process.said()?;
        if stderr.contains(what) {
            return Ok(Some(()));
        }
        ensure!(running, "it ended; stdout: {stdout}\nstderr: {stderr}");
        Ok(None)
    })
}

/// The lines at a capture's end; 0 for those that are not there.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// `captured`.
    pub captured: u64,
    /// `received by filter`.
    pub received: u64,
    /// `dropped by kernel`.
    pub dropped: u64,
    /// `dropped because this command did not keep up`.
    pub unread: u64,
    /// `left out by …`.
    pub left_out: u64,
    /// `seen on …`.
    pub seen: u64,
}

impl Summary {
    /// Out of what tcpdump or `wireledger capture` says last.
    #[must_use]
    pub fn of(ended: &Ended) -> Self {
        let line = |what: &str| {
            let number = |line: &str| {
                let (count, rest) = line.split_once(' ')?;
                let rest =
                    rest.strip_prefix("packets ").or_else(|| rest.strip_prefix("packet "))?;
                rest.starts_with(what).then(|| count.parse().ok())?
            };
            ended.stderr.lines().find_map(number).unwrap_or_default()
        };
        Self {
            captured: line("captured"),
            received: line("received by filter"),
            dropped: line("dropped by kernel"),
            unread: line("dropped because"),
            left_out: line("left out by"),
            seen: line("seen on"),
        }
    }
}

/// tcpdump, writing into a file.
#[derive(Debug)]
pub struct Tcpdump {
    process: Process,
    file: PathBuf,
}

impl Tcpdump {
    /// Starts it on an interface, and waits until it listens.
    ///
    /// # Errors
    /// When it ends instead; the error has what it said.
    pub fn start(namespace: &NetNs, file: &Path, arguments: &[&str]) -> Result<Self> {
        // A buffer of 64 MiB; microseconds would not be told from ours.
        let always = ["-n", "-U", "--immediate-mode", "-B", "65536", "-Z", "root", "-w"];
        let mut command = namespace.command("tcpdump");
        let mut process = Process::start(command.args(always).arg(file).args(arguments))?;
        said(&mut process, "listening on")?;
        Ok(Self { process, file: file.to_owned() })
    }

    /// Waits until it has written `packets`, or nothing for a while, then ends it. `None` when it says that it dropped some.
    ///
    /// # Errors
    /// When it does not end, or has not all that it says it took.
    pub fn stop(self, packets: u64) -> Result<Option<Captured>> {
        const QUIET: Duration = Duration::from_millis(500);
        let mut before = (0, std::time::Instant::now());
        eventually("tcpdump has written everything", || {
            let length = std::fs::metadata(&self.file).map_or(0, |file| file.len());
            if length != before.0 {
                before = (length, std::time::Instant::now());
            }
            let quiet = before.1.elapsed() >= QUIET;
            let written = !quiet && length > 24 && Captured::open(&self.file)?.len() >= packets;
            Ok((quiet || written).then_some(()))
        })?;
        self.process.signal(libc::SIGINT)?;
        let ended = self.process.wait()?;
        let summary = Summary::of(&ended);
        if summary.dropped > 0 {
            return Ok(None);
        }
        // What it received are packets of both directions: libpcap tells them apart behind the kernel's filter.
        ensure!(summary.captured <= summary.received, "{ended:?}");
        let captured = Captured::open(&self.file)?;
        ensure!(captured.len() == summary.captured, "{ended:?}");
        Ok(Some(captured))
    }
}
