//! Silence: ordinary traffic, seen from its clients' side and from its servers', raises nothing.

use std::{thread, time::Duration};

use anyhow::Result;
use wireledger_tests::{
    daemon::Daemon,
    netns::INTERFACE,
    scans::{Ground, TARGET_V4, nmap, ordinary, scans, verdict},
};

/// An attempt is judged two seconds after its first packet, and told within the next tick or two.
const JUDGED: Duration = Duration::from_secs(6);

#[test]
fn ordinary_traffic_raises_nothing_and_a_scan_behind_it_is_still_found() -> Result<()> {
    let ground = Ground::new()?;
    let daemon = Daemon::start(&ground.target, &["-i", INTERFACE])?;
    for (name, habit) in ordinary::HABITS {
        for (way, side) in [("inward", ground.inward()), ("outward", ground.outward())] {
            let attempts = habit(side)?;
            eprintln!("{name}, {way}: {attempts} attempts");
        }
        thread::sleep(JUDGED);
        let raised = scans(&daemon)?;
        assert!(raised.is_empty(), "{name}: {raised:#?}");
    }
    // Not because it is deaf.
    nmap(&ground.scanner, &["-T4", "-sS", "-p", "1-100", TARGET_V4])?;
    verdict(&daemon, "a scan", |verdict| Ok(verdict.kind == "syn")).map(drop)
}

#[test]
fn all_of_it_at_once_raises_nothing() -> Result<()> {
    let ground = Ground::new()?;
    let daemon = Daemon::start(&ground.target, &["-i", INTERFACE])?;
    thread::scope(|scope| {
        let threads: Vec<_> = ordinary::HABITS
            .into_iter()
            .flat_map(|(_, habit)| [(habit, ground.inward()), (habit, ground.outward())])
            .map(|(habit, side)| scope.spawn(move || habit(side)))
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map(drop)
        })
    })?;
    thread::sleep(JUDGED);
    let raised = scans(&daemon)?;
    assert!(raised.is_empty(), "{raised:#?}");
    Ok(())
}
