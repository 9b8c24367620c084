//! A running `wireledger run`, asked over HTTP as anybody else would.

use std::{path::PathBuf, process::Command, thread, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    answers::{Flow, Flows, Interfaces, Ledger, Metrics, Watched},
    netns::NetNs,
    process::{Ended, Process, binary},
    tools::eventually,
};

/// Where a daemon serves, on the loopback of its namespace.
pub const PORT: u16 = 9855;

/// Says where a daemon's unix socket is to be, where `--socket` does not.
const SOCKET_VARIABLE: &str = "WIRELEDGER_SOCKET";

/// The socket's name in the daemon's folder.
const SOCKET: &str = "wireledger.sock";

/// A daemon inside a namespace; killed when dropped.
#[derive(Debug)]
pub struct Daemon<'a> {
    namespace: &'a NetNs,
    process: Process,
    port: u16,
    /// Has the unix socket, which no other daemon's may be.
    folder: TempDir,
}

impl<'a> Daemon<'a> {
    /// Starts `wireledger run` with `arguments` and waits until it is ready.
    ///
    /// # Errors
    /// When it ends instead; the error has what it said.
    pub fn start(namespace: &'a NetNs, arguments: &[&str]) -> Result<Self> {
        Self::start_on(namespace, PORT, arguments)
    }

    /// The same, on a port of its own.
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub fn start_on(namespace: &'a NetNs, port: u16, arguments: &[&str]) -> Result<Self> {
        let listen = format!("127.0.0.1:{port}");
        let folder = tempfile::tempdir().context("making a folder for the socket")?;
        let mut run = wireledger(namespace)?;
        run.env(SOCKET_VARIABLE, folder.path().join(SOCKET));
        run.arg("run").args(arguments).args(["--web.listen-address", &listen]);
        let mut daemon = Self { namespace, process: Process::start(&mut run)?, port, folder };
        eventually("the daemon is ready", || daemon.is_ready())?;
        Ok(daemon)
    }

    fn is_ready(&mut self) -> Result<Option<()>> {
        if !self.process.is_running()? {
            let (stdout, stderr) = self.process.said()?;
            bail!("the daemon ended; stdout: {stdout}\nstderr: {stderr}");
        }
        Ok(self.get("/-/ready").ok().map(drop))
    }

    /// Where it serves.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its process's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its unix socket, unless its arguments named another.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(SOCKET)
    }

    /// The text at a path.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub fn get(&self, path: &str) -> Result<String> {
        get(self.namespace, &format!("{}{path}", self.url()))
    }

    /// The JSON at a path.
    ///
    /// # Errors
    /// When the answer is something else.
    pub fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let text = self.get(path)?;
        serde_json::from_str(&text).with_context(|| format!("reading {path}: {text:.500}"))
    }

    /// The ledger as it stands.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn ledger(&self) -> Result<Ledger> {
        self.json("/api/v1/ledger")
    }

    /// The ledger once it has seen `packets` in `direction` on `interface`, or all that it ever sees: whether they are
    /// right is for the caller to say.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn settled(&self, interface: &str, direction: &str, packets: u64) -> Result<Ledger> {
        let mut tries = 0;
        loop {
            let ledger = self.ledger()?;
            tries += 1;
            if ledger.seen(interface, direction).packets >= packets || tries == 100 {
                return Ok(ledger);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Every flow.
    ///
    /// # Errors
    /// When the daemon does not answer, or leaves some out.
    pub fn flows(&self) -> Result<Vec<Flow>> {
        let Flows { total, flows } = self.json("/api/v1/flows?top=1000000&sort=bytes")?;
        ensure!(total == flows.len() as u64, "{} of {total} flows listed", flows.len());
        Ok(flows)
    }

    /// Its interfaces.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn interfaces(&self) -> Result<Vec<Watched>> {
        Ok(self.json::<Interfaces>("/api/v1/interfaces")?.interfaces)
    }

    /// One of its interfaces.
    ///
    /// # Errors
    /// When the daemon does not answer, or does not know it.
    pub fn interface(&self, name: &str) -> Result<Watched> {
        let found = self.interfaces()?.into_iter().find(|watched| watched.name == name);
        found.with_context(|| format!("the daemon does not watch {name}"))
    }

    /// Its metrics.
    ///
    /// # Errors
    /// When the daemon does not answer, or with something else.
    pub fn metrics(&self) -> Result<Metrics> {
        Metrics::read(&self.get("/metrics")?)
    }

    /// Its capture sessions.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn captures(&self) -> Result<Vec<Value>> {
        let mut command = Command::new(binary()?);
        command.args(["captures", "--json", "--connect"]).arg(self.socket());
        let ended = Process::run(&mut command)?;
        let mut answer: Value = serde_json::from_str(&ended.stdout)
            .with_context(|| format!("reading the captures: {ended:?}"))?;
        match answer["captures"].take() {
            Value::Array(captures) => Ok(captures),
            other => bail!("captures are {other}"),
        }
    }

    /// Asks it to stop (SIGTERM) and waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(self) -> Result<Ended> {
        self.end(libc::SIGTERM)
    }

    /// Ends it with a signal and waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn end(self, signal: libc::c_int) -> Result<Ended> {
        self.process.signal(signal)?;
        self.process.wait()
    }

    /// A subcommand that asks this daemon, run to its end.
    ///
    /// # Errors
    /// When it cannot be started or does not end.
    pub fn ask(&self, arguments: &[&str]) -> Result<Ended> {
        let mut command = wireledger(self.namespace)?;
        Process::run(command.args(arguments).args(["--connect", &self.url()]))
    }
}

/// The binary under test, to be started inside `namespace`. A daemon makes no unix socket but where `--socket` says.
///
/// # Errors
/// When it is not there.
pub fn wireledger(namespace: &NetNs) -> Result<Command> {
    let binary = binary()?;
    let path = binary.to_str().context("the binary's path is not UTF-8")?;
    let mut command = namespace.command(path);
    command.env(SOCKET_VARIABLE, "none");
    Ok(command)
}

/// What a server inside `namespace` answers.
///
/// # Errors
/// When the answer is not 200.
pub fn get(namespace: &NetNs, url: &str) -> Result<String> {
    let text = namespace.enter(|| ureq::get(url).call()?.body_mut().read_to_string())?;
    text.with_context(|| format!("getting {url}"))
}
