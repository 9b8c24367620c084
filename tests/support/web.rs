//! A daemon with web settings of its own, asked by curl, and certificates made by openssl.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    answers::Ledger,
    daemon::wireledger,
    netns::{NetNs, output},
    process::{Ended, Process},
    tools::eventually,
};

/// The local socket's name in a daemon's folder.
const SOCKET: &str = "wireledger.sock";

/// A daemon inside a namespace, ready when its local socket says so; killed when dropped.
#[derive(Debug)]
pub struct Server<'a> {
    namespace: &'a NetNs,
    process: Process,
    folder: TempDir,
}

/// What curl was told.
#[derive(Debug)]
pub struct Said {
    /// curl's exit code.
    pub code: Option<i32>,
    /// Of the answer; 0 without one.
    pub status: u16,
    /// Version, status and headers, in small letters.
    pub head: String,
    /// What follows them.
    pub body: String,
    /// What curl complained of.
    pub errors: String,
}

impl<'a> Server<'a> {
    /// Starts `wireledger` with `arguments` and waits until it is ready.
    ///
    /// # Errors
    /// When it ends instead; the error has what it said.
    pub fn start(namespace: &'a NetNs, arguments: &[&str]) -> Result<Self> {
        let mut command = wireledger(namespace)?;
        command.args(arguments);
        Self::launch(namespace, command)
    }

    /// The same, of a command that starts it in the end.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn launch(namespace: &'a NetNs, mut command: Command) -> Result<Self> {
        let folder = tempfile::tempdir().context("making a folder for the socket")?;
        command.env("WIRELEDGER_SOCKET", folder.path().join(SOCKET));
        let process = Process::start(&mut command)?;
        let mut server = Self { namespace, process, folder };
        eventually("the daemon is ready", || {
            if !server.process.is_running()? {
                bail!("the daemon ended: {:?}", server.process.said()?);
            }
            Ok((server.local(&["http://x/-/ready"])?.status == 200).then_some(()))
        })?;
        Ok(server)
    }

    /// curl, inside the daemon's namespace.
    ///
    /// # Errors
    /// When it cannot be started or does not end.
    pub fn curl(&self, arguments: &[&str]) -> Result<Said> {
        curl(self.namespace, arguments)
    }

    /// curl, over the daemon's local socket.
    ///
    /// # Errors
    /// As [`Server::curl`].
    pub fn local(&self, arguments: &[&str]) -> Result<Said> {
        let socket = self.socket();
        let socket = socket.to_str().context("a path that is not UTF-8")?;
        self.curl(&[&["--unix-socket", socket], arguments].concat())
    }

    /// Its local socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(SOCKET)
    }

    /// What became of its configurations, and whom it refused.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn status(&self) -> Result<Value> {
        self.json("/api/v1/status")
    }

    /// How many it refused for a reason.
    ///
    /// # Errors
    /// When it does not answer, or does not know the reason.
    pub fn refused(&self, reason: &str) -> Result<u64> {
        let status = self.status()?;
        let all = status["refused"].as_array().context("no refusals")?;
        let found = all.iter().find(|one| one[0] == reason);
        found.and_then(|one| one[1].as_u64()).with_context(|| format!("no {reason} in {status}"))
    }

    /// Whether the last reading of `config` or `web` came into force.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn is_loaded(&self, which: &str) -> Result<bool> {
        let status = self.status()?;
        status["reloads"][which]["successful"].as_bool().with_context(|| status.to_string())
    }

    /// The JSON at a path, over the local socket.
    ///
    /// # Errors
    /// When the answer is something else.
    pub fn json(&self, path: &str) -> Result<Value> {
        let said = self.local(&[&format!("http://x{path}")])?;
        serde_json::from_str(&said.body).with_context(|| format!("reading {said:?}"))
    }

    /// The ledger as it stands.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn ledger(&self) -> Result<Ledger> {
        Ok(serde_json::from_value(self.json("/api/v1/ledger")?)?)
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: libc::c_int) -> Result<()> {
        self.process.signal(signal)
    }

    /// What it has said on stderr so far.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn log(&mut self) -> Result<String> {
        Ok(self.process.said()?.1)
    }

    /// Asks it to stop and waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(self) -> Result<Ended> {
        self.process.signal(libc::SIGTERM)?;
        self.process.wait()
    }
}

/// curl, inside a namespace.
///
/// # Errors
/// When it cannot be started or does not end.
pub fn curl(namespace: &NetNs, arguments: &[&str]) -> Result<Said> {
    let mut command = namespace.command("curl");
    command.args(["-sS", "-i", "--max-time", "20", "--noproxy", "*"]).args(arguments);
    let Ended { code, stdout, stderr } = Process::run(&mut command)?;
    let (head, body) = stdout.split_once("\r\n\r\n").unwrap_or((&stdout, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok(Said { code, status, head: head.to_lowercase(), body: body.to_owned(), errors: stderr })
}

/// A folder with certificates.
#[derive(Debug)]
pub struct Certificates(TempDir);

impl Certificates {
    /// An empty one.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> Result<Self> {
        Ok(Self(tempfile::tempdir().context("making a folder for certificates")?))
    }

    /// One with an authority `ca`, and the certificate `server` of 127.0.0.1 by it.
    ///
    /// # Errors
    /// When openssl fails.
    pub fn of_server() -> Result<Self> {
        let made = Self::new()?;
        made.authority("ca")?;
        made.leaf("server", "ca", "IP:127.0.0.1,DNS:localhost")?;
        Ok(made)
    }

    /// The path of a file in it.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file for its owner alone.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&self, name: &str, text: &str) -> Result<String> {
        let path = self.path(name);
        fs::write(&path, text).with_context(|| format!("writing {path}"))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(path)
    }

    /// Puts a whole file in the place of another at once, as careful administrators do.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn replace(&self, name: &str, text: &str) -> Result<()> {
        let new = self.write(&format!("{name}.new"), text)?;
        fs::rename(new, self.path(name)).context("putting a file in another's place")
    }

    /// Makes `NAME.pem` and `NAME.key` of an authority.
    ///
    /// # Errors
    /// When openssl fails.
    pub fn authority(&self, name: &str) -> Result<()> {
        self.make(name, "basicConstraints=critical,CA:TRUE", None)
    }

    /// Makes `NAME.pem` and `NAME.key` for a server or a client, signed by `authority`; `sans` as openssl writes them.
    ///
    /// # Errors
    /// When openssl fails.
    pub fn leaf(&self, name: &str, authority: &str, sans: &str) -> Result<()> {
        let extensions = format!(
            "basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName={sans}"
        );
        self.make(name, &extensions, Some(authority))
    }

    fn make(&self, name: &str, extensions: &str, by: Option<&str>) -> Result<()> {
        let settings = format!(
            "[req]\ndistinguished_name=name\nprompt=no\n[name]\nCN={name}\n[ext]\n{extensions}\n"
        );
        let settings = self.write(&format!("{name}.cnf"), &settings)?;
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-nodes", "-days", "30", "-extensions", "ext"]);
        command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
        command.args(["-config", &settings, "-keyout", &self.path(&format!("{name}.key"))]);
        command.args(["-out", &self.path(&format!("{name}.pem"))]);
        if let Some(by) = by {
            command.args(["-CA", &self.path(&format!("{by}.pem"))]);
            command.args(["-CAkey", &self.path(&format!("{by}.key"))]);
        }
        output(&mut command).map(drop)
    }
}
