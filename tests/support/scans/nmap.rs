//! nmap, with a bound on its time and an account of what it sent.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};

use super::account::{Account, Recording};
use crate::{netns::NetNs, process::Process};

/// No scan of a test takes this long.
const PATIENCE: Duration = Duration::from_secs(120);

/// What every scan is told: no names, no ARP, no discovery before it.
const ALWAYS: [&str; 5] = ["-n", "--disable-arp-ping", "-Pn", "-oG", "-"];

/// A scan that has ended.
#[derive(Clone, Debug)]
pub struct Nmap {
    /// What it sent.
    pub account: Account,
    /// What it found, by port: `open`, `closed`, `filtered`, `open|filtered` or `unfiltered`; all others it counts only.
    pub found: BTreeMap<u16, String>,
    /// What it said.
    pub said: String,
}

/// Scans out of a host. Discovery (`-sn`) is done instead of [`ALWAYS`]'s leaving it out.
///
/// # Errors
/// When nmap refuses, or does not end.
pub fn nmap(host: &NetNs, arguments: &[&str]) -> Result<Nmap> {
    let recording = Recording::start(host)?;
    let discovers = arguments.contains(&"-sn");
    let always = ALWAYS.into_iter().filter(|word| !(discovers && *word == "-Pn"));
    let mut command = host.command("nmap");
    let mut process = Process::start(command.args(always).args(arguments))?;
    let since = Instant::now();
    while process.is_running()? {
        if since.elapsed() > PATIENCE {
            bail!("nmap {arguments:?} does not end: {:?}", process.said()?);
        }
        thread::sleep(Duration::from_millis(20));
    }
    let ended = process.wait()?;
    ensure!(ended.code == Some(0), "nmap {arguments:?}: {ended:?}");
    let account = recording.stop()?;
    Ok(Nmap { account, found: found(&ended.stdout), said: ended.stdout + &ended.stderr })
}

/// The ports of nmap's grepable output: `Ports: 22/open/tcp//ssh///, 25/filtered/tcp//smtp///`.
fn found(said: &str) -> BTreeMap<u16, String> {
    let ports = said
        .lines()
        .filter_map(|line| line.split_once("Ports: "))
        .map(|(_, rest)| rest.split('\t').next().unwrap_or_default());
    let entries = ports.flat_map(|ports| ports.split(", "));
    let entry = |entry: &str| {
        let mut words = entry.split('/');
        Some((words.next()?.parse().ok()?, words.next()?.to_owned()))
    };
    entries.filter_map(entry).collect()
}
