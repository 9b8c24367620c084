//! Child processes that end with the test, and the binary under test.

use std::{
    env,
    fs::File,
    io::{Read as _, Seek as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// Names the binary under test.
pub const BINARY_VARIABLE: &str = "WIRELEDGER_BIN";

/// Nothing that a test waits for takes this long.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The binary under test: the one that [`BINARY_VARIABLE`] names, else the release build beside this test.
///
/// # Errors
/// When it is not there.
pub fn binary() -> Result<PathBuf> {
    if let Some(named) = env::var_os(BINARY_VARIABLE) {
        return Ok(named.into());
    }
    let test = env::current_exe().context("finding this test")?;
    // target/PROFILE/deps/TEST
    let target = test.ancestors().nth(3).context("finding the target folder")?;
    let binary = target.join("release/wireledger");
    if !binary.is_file() {
        bail!("{} is missing: cargo build --release", binary.display());
    }
    Ok(binary)
}

/// A started process; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: File,
    stderr: File,
}

/// How a process ended, and what it said.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Process {
    /// Starts `command`, its output going to files that nobody sees.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let stdout = tempfile::tempfile().context("making a file for stdout")?;
        let stderr = tempfile::tempfile().context("making a file for stderr")?;
        command.stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
        let child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        Ok(Self { child, stdout, stderr })
    }

    /// Starts `command` and waits for its end.
    ///
    /// # Errors
    /// As [`Process::start`] and [`Process::wait`].
    pub fn run(command: &mut Command) -> Result<Ended> {
        Self::start(command)?.wait()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait().context("looking after a process")?.is_none())
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: libc::c_int) -> Result<()> {
        // SAFETY: no pointers; the child has not been waited for, so the id is still its own.
        if unsafe { libc::kill(self.child.id() as libc::pid_t, signal) } < 0 {
            return Err(std::io::Error::last_os_error()).context("sending a signal");
        }
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it takes longer than [`PATIENCE`]; the error has what it said.
    pub fn wait(mut self) -> Result<Ended> {
        let since = Instant::now();
        while self.is_running()? {
            if since.elapsed() > PATIENCE {
                let (stdout, stderr) = self.said()?;
                bail!("a process does not end; stdout: {stdout}\nstderr: {stderr}");
            }
            thread::sleep(Duration::from_millis(5));
        }
        let code = self.child.wait().context("waiting for a process")?.code();
        let (stdout, stderr) = self.said()?;
        Ok(Ended { code, stdout, stderr })
    }

    /// What it has said so far, on stdout and stderr.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn said(&mut self) -> Result<(String, String)> {
        // Through a descriptor of its own each: the child's position must stay.
        let whole = |file: &File| -> Result<String> {
            let mut file = File::open(format!("/proc/self/fd/{}", descriptor(file)))?;
            let mut text = String::new();
            file.rewind()?;
            file.read_to_string(&mut text).context("reading what a process said")?;
            Ok(text)
        };
        Ok((whole(&self.stdout)?, whole(&self.stderr)?))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn descriptor(file: &File) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(file)
}
