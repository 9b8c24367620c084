//! `wireledger demo` as a newcomer meets it: it works, says so by its exit code, and leaves nothing behind.

use std::{
    collections::BTreeSet,
    fs,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::ensure;
use wireledger_tests::{
    daemon::{get, wireledger},
    netns::NetNs,
    process::{Ended, Process},
    tools::eventually,
};

type Result = anyhow::Result<()>;

/// What one demo leaves is not to be taken for what the other does.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What a demo could leave behind.
#[derive(Debug, Eq, PartialEq)]
struct Traces {
    /// Interfaces of the namespace that it is started in.
    links: Vec<(u32, String)>,
    /// Named namespaces, but those of other tests.
    namespaces: BTreeSet<String>,
}

fn traces(of: &NetNs) -> anyhow::Result<Traces> {
    let links = of.links()?.into_iter().map(|link| (link.index, link.name)).collect();
    let mut namespaces = BTreeSet::new();
    for entry in fs::read_dir("/run/netns")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with("wl-") {
            namespaces.insert(name);
        }
    }
    Ok(Traces { links, namespaces })
}

/// Runs a demo, ends it with a signal if one is given once it serves, and looks for traces.
fn demo(arguments: &[&str], signal: Option<libc::c_int>) -> anyhow::Result<Ended> {
    const LISTEN: &str = "127.0.0.1:9857";
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let namespace = NetNs::new("demo")?;
    let before = traces(&namespace)?;
    let mut demo = wireledger(&namespace)?;
    demo.arg("demo").args(arguments).args(["--web.listen-address", LISTEN]);
    let mut process = Process::start(&mut demo)?;
    if let Some(signal) = signal {
        eventually("the demo is under way", || {
            ensure!(process.is_running()?, "the demo ended: {:?}", process.said()?);
            let metrics = get(&namespace, &format!("http://{LISTEN}/metrics"));
            Ok(metrics.is_ok().then_some(()))
        })?;
        thread::sleep(Duration::from_millis(500));
        process.signal(signal)?;
    }
    let ended = process.wait()?;
    eventually("no trace is left", || Ok((traces(&namespace)? == before).then_some(())))?;
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    assert!(!ended.stdout.contains('\x1b') && !ended.stderr.contains('\x1b'), "{ended:?}");
    Ok(ended)
}

#[test]
fn a_demo_balances_and_leaves_nothing_behind() -> Result {
    let ended = demo(&["--seconds", "3"], None)?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("The ledger balances."), "{ended:?}");
    Ok(())
}

/// With a table and a ring far too small for its flows.
#[test]
fn a_demo_balances_without_room() -> Result {
    let sizes = ["--seconds", "3", "--flow-memory", "64KiB", "--record-memory", "4KiB"];
    let ended = demo(&sizes, None)?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    Ok(())
}

#[test]
fn an_interrupted_demo_still_balances_and_leaves_nothing_behind() -> Result {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let ended = demo(&["--seconds", "60"], Some(signal))?;
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    Ok(())
}

#[test]
fn a_killed_demo_leaves_nothing_behind() -> Result {
    let ended = demo(&["--seconds", "60"], Some(libc::SIGKILL))?;
    assert_eq!(ended.code, None, "{ended:?}");
    Ok(())
}
