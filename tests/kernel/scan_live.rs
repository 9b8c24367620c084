//! Recorded scans, sent again between two namespaces: live they are called what `read --scans` calls them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use wireledger_tests::{
    captures::Capture,
    daemon::Daemon,
    netns::NetNs,
    process::{Process, binary},
    scans::{Verdict, scans},
    send::{Line, line, on_one_cpu},
};

/// Verdicts are compared when nothing new came for so long, and at the latest after that.
const SETTLED: Duration = Duration::from_secs(8);
const PATIENCE: Duration = Duration::from_secs(60);

/// What is the same whenever it is seen. Rates are not: floods, and how slow a scan was.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Named {
    kind: String,
    shape: Option<String>,
    sources: BTreeSet<IpAddr>,
    targets: u64,
    ports: String,
    open: BTreeSet<u16>,
    tags: Vec<String>,
}

impl Named {
    fn of(verdict: &Verdict) -> Self {
        let tags = verdict.tags.iter().filter(|tag| *tag != "slow");
        Self {
            kind: verdict.kind.clone(),
            shape: verdict.shape.clone(),
            sources: verdict.sources(),
            targets: verdict.targets.count,
            ports: verdict.ports.ranges.clone(),
            open: verdict.open_ports.iter().copied().collect(),
            tags: tags.cloned().collect(),
        }
    }
}

fn is_flood(verdict: &Verdict) -> bool {
    verdict.kind.ends_with("_flood") || verdict.kind == "backscatter"
}

/// What the command says of a capture.
fn read(capture: &Path) -> Result<BTreeSet<Named>> {
    #[derive(Deserialize)]
    struct Document {
        scans: Vec<Verdict>,
    }
    let mut command = Command::new(binary()?);
    command.arg("read").arg(capture).args(["--scans", "--json"]);
    let ended = Process::run(&mut command)?;
    ensure!(ended.code == Some(0), "{ended:?}");
    let document: Document = serde_json::from_str(&ended.stdout)?;
    Ok(document.scans.iter().filter(|it| !is_flood(it)).map(Named::of).collect())
}

/// Every recorded capture but floods, which are told by their rate, and one with frames that no link takes.
fn recorded() -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("replay/scans");
    let mut captures = Vec::new();
    for entry in folder.read_dir().with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".pcap.gz") && !name.starts_with("flood-") && name != "benign-gso.pcap.gz"
        {
            captures.push(path);
        }
    }
    captures.sort();
    Ok(captures)
}

/// Sends a capture's frames over the link in their order: who sent the first of them is on the near side.
fn send_again(capture: &Path, near: &Line, far: &Line) -> Result<()> {
    let capture = Capture { name: capture.display().to_string(), path: capture.to_owned() };
    let mut first = None;
    capture.packets(|number, record, _| {
        // veth holds 256 frames that nobody has taken.
        if number % 64 == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        let sender = record.bytes.get(6..12).context("no Ethernet header")?.to_owned();
        let is_near = *first.get_or_insert_with(|| sender.clone()) == sender;
        if is_near { near.send(record.bytes) } else { far.send(record.bytes) }
    })
}

#[test]
fn recorded_scans_are_called_live_what_they_are_called_in_the_file() -> Result<()> {
    let captures = recorded()?;
    let (left, right) = (NetNs::new("left")?, NetNs::new("right")?);
    let names: Vec<_> = (0..captures.len()).map(|n| format!("cap{n}")).collect();
    for name in &names {
        left.run(&format!("ip link add {name} type veth peer name {name} netns {}", right.name()))?;
        for side in [&left, &right] {
            side.run(&format!("sysctl -q net.ipv6.conf.{name}.disable_ipv6=1"))?;
            side.run(&format!("ip link set {name} up"))?;
        }
    }
    let interfaces = names.iter().flat_map(|name| ["-i", name]);
    let arguments: Vec<_> = ["--max-interfaces", "64"].into_iter().chain(interfaces).collect();
    let daemon = Daemon::start(&right, &arguments)?;
    on_one_cpu(|| {
        let mut all = names.iter().zip(&captures);
        all.try_for_each(|(name, capture)| {
            send_again(capture, &line(&left, name)?, &line(&right, name)?)
        })
    })?;
    let mut expected = BTreeMap::new();
    for (name, capture) in names.iter().zip(&captures) {
        expected.insert((name.clone(), capture.display().to_string()), read(capture)?);
    }
    let began = Instant::now();
    loop {
        let all = scans(&daemon)?;
        let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for key in expected.keys() {
            let of = all.iter().filter(|verdict| verdict.interface == key.0 && !is_flood(verdict));
            found.insert(key.clone(), of.map(Named::of).collect());
        }
        if found == expected && began.elapsed() > SETTLED {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            let differ = expected.iter().filter(|(key, named)| found[*key] != **named);
            let differ: Vec<_> = differ.map(|(key, named)| (key, named, &found[key])).collect();
            anyhow::bail!("capture, in the file, live: {differ:#?}");
        }
        thread::sleep(Duration::from_millis(500));
    }
}
