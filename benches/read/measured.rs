//! One run of a program: wall time, CPU time and peak memory.
//!
//! A process of its own stands between: the kernel tells what children used for all that were waited for together, and a
//! child starts out with the peak of who forked it, so that process is fresh, small and has one child.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::File,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, bail};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};

/// First argument of the process in between.
const MARK: &str = "measured-run";

/// What a run took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) seconds: f64,
    pub(crate) user: f64,
    pub(crate) system: f64,
    pub(crate) peak_kib: u64,
}

/// Runs `command`, standard output dropped and standard error kept in `messages`.
pub(crate) fn run(command: &[OsString], messages: &Path) -> anyhow::Result<Usage> {
    let shown = || command.join(OsStr::new(" ")).display().to_string();
    let messages = File::create(messages).context("making a file for messages")?;
    let between = Command::new(env::current_exe().context("finding this program")?)
        .arg(MARK)
        .args(command)
        .stderr(messages)
        .output()
        .with_context(|| format!("running {}", shown()))?;
    let text = String::from_utf8_lossy(&between.stdout);
    let mut words = text.split_whitespace();
    let mut number = || words.next().and_then(|word| word.parse().ok());
    let (Some(wall), Some(user), Some(system), Some(peak_kib)) =
        (number(), number(), number(), number())
    else {
        bail!("{} failed", shown());
    };
    let seconds = |microseconds: u64| microseconds as f64 / 1e6;
    Ok(Usage { seconds: seconds(wall), user: seconds(user), system: seconds(system), peak_kib })
}

/// Takes over when this is the process in between.
pub(crate) fn take_over() -> Option<anyhow::Result<()>> {
    let mut args = env::args_os().skip(1);
    (args.next()? == MARK).then(|| measure(args.collect()))
}

#[expect(clippy::print_stdout, reason = "read by the process that started this one")]
fn measure(command: Vec<OsString>) -> anyhow::Result<()> {
    let (program, args) = command.split_first().context("nothing to run")?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let status = command.status().context("starting it")?;
    let wall = start.elapsed().as_micros();
    if !status.success() {
        bail!("{status}");
    }
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).context("asking what it used")?;
    let (user, system) =
        (used.user_time().num_microseconds(), used.system_time().num_microseconds());
    println!("{wall} {user} {system} {}", used.max_rss());
    Ok(())
}
