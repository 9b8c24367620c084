//! The tables of those who talk most add up to the interface's ledger in every snapshot, whatever comes and goes.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use wireledger::{
    naming::Names,
    report::{Count, Dimension, Direction, Party, Snapshot, Talkers},
};
use wireledger_tests::{
    collected::{collect, plan},
    netns::{INTERFACE, Pair, Setup},
    packets::{ip::Ipv4, protocol, transport::tcp, transport::udp},
    send::{Share, send},
};

type Result = anyhow::Result<()>;

const QUIET: Setup = Setup { mtu: 1500, ipv4: false, ipv6: false, offloads: false };

/// Between two snapshots: a fraction of a tick, so that nobody leaves and comes back unseen.
const PAUSE: Duration = Duration::from_millis(150);

/// What is known of all snapshots so far.
#[derive(Default)]
struct Watcher {
    before: HashMap<String, Count>,
    snapshots: usize,
    entered: usize,
    left: usize,
}

impl Watcher {
    /// Panics unless the tables of a snapshot add up, have no entry twice, and nothing went backwards.
    fn see(&mut self, snapshot: &Snapshot) {
        let mut now = HashMap::new();
        for table in &snapshot.talkers {
            let at = format!("{} {:?} {:?}", table.interface, table.dimension, table.direction);
            assert_eq!(table.sum(), ledger(snapshot, table), "{at}");
            now.insert(format!("{at} other"), table.other);
            for line in &table.lines {
                let before = now.insert(format!("{at} {}", shown(&line.party)), line.count);
                assert_eq!(before, None, "{at} twice: {:?}", line.party);
            }
        }
        for totals in &snapshot.totals {
            now.insert(format!("{} {:?}", totals.interface, totals.direction), totals.ledger);
        }
        for (series, count) in &now {
            let Some(before) = self.before.get(series) else {
                self.entered += 1;
                continue;
            };
            let grows = count.packets >= before.packets && count.bytes >= before.bytes;
            assert!(grows, "{series} went backwards: {before:?} {count:?}");
        }
        self.left += self.before.keys().filter(|series| !now.contains_key(*series)).count();
        self.before = now;
        self.snapshots += 1;
    }
}

/// As the labels of metrics have it.
fn shown(party: &Party) -> String {
    let mut party = party.clone();
    // A name may be shown beside an address and says nothing more.
    if let Party::Flow { source_name, destination_name, .. } = &mut party {
        (*source_name, *destination_name) = (None, None);
    }
    format!("{party:?}")
}

/// What is on the ledger in a table's directions.
fn ledger(snapshot: &Snapshot, table: &Talkers) -> Count {
    let mine = snapshot.totals.iter().filter(|totals| {
        totals.interface == table.interface
            && table.direction.is_none_or(|direction| direction == totals.direction)
    });
    mine.map(|totals| totals.ledger).sum()
}

/// Panics unless every packet that was seen is on the ledger.
fn assert_quiet_and_whole(last: &Snapshot) {
    for account in &last.accounts {
        assert!(account.balanced, "{account:?}");
        assert_eq!((account.difference.packets, account.difference.bytes), (0, 0), "{account:?}");
    }
    for totals in &last.totals {
        assert_eq!(totals.ledger, Count::from(totals.totals.seen), "{}", totals.interface);
    }
}

/// Flows of the `round`: a few that stay and are heavy, many that come once, some that nobody can read.
fn frames(round: u32, side: u8) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for n in 0..600_u32 {
        let [_, a, b, c] = (round * 600 + n).to_be_bytes();
        let source = Ipv4Addr::new(10 + side, a, b, c);
        let new = Ipv4 { source, ..Ipv4::of(protocol::UDP) };
        frames.push(new.frame(&udp(1024 + n as u16, 53, &[0; 20])));
        let stays = Ipv4 {
            source: Ipv4Addr::new(192, 0, 2, (n % 7) as u8 + round as u8 / 16),
            ..Ipv4::of(protocol::TCP)
        };
        frames.push(stays.frame(&tcp(443, 2000 + n as u16 % 40, 0x10, &[0; 600])));
        if n % 50 == 0 {
            frames.push(vec![0xff; 60]);
        }
    }
    frames
}

/// Both ends send until told to stop; returns how many packets each sent.
fn talk(pair: &Pair, stop: &AtomicBool) -> anyhow::Result<[u64; 2]> {
    let mut sent = [0; 2];
    for round in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        for (side, (from, to)) in
            [(&pair.left, &pair.right), (&pair.right, &pair.left)].into_iter().enumerate()
        {
            let share = Share { frames: frames(round, side as u8), rounds: 3 };
            let tallies = send(from, to, &[share.clone(), share])?;
            sent[side] += tallies.iter().map(|tally| tally.packets).sum::<u64>();
        }
    }
    Ok(sent)
}

/// Snapshots for `length` and until there are `least`, while `work` goes on beside.
fn watch_while<T: Send>(
    snapshot: impl Fn() -> anyhow::Result<Arc<Snapshot>>,
    length: Duration,
    least: u32,
    work: impl FnOnce(&AtomicBool) -> anyhow::Result<T> + Send,
    mut beside: impl FnMut(u32) -> Result,
) -> anyhow::Result<(Watcher, T)> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let working = scope.spawn(|| work(&stop));
        let mut watcher = Watcher::default();
        let until = Instant::now() + length;
        let mut watching = || {
            for nth in 0.. {
                watcher.see(&*snapshot()?);
                beside(nth)?;
                if nth >= least && Instant::now() > until || working.is_finished() {
                    return Ok(());
                }
                thread::sleep(PAUSE);
            }
            Ok(())
        };
        let watched: Result = watching();
        stop.store(true, Ordering::Relaxed);
        let worked = working.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        watched?;
        Ok((watcher, worked?))
    })
}

#[test]
fn sums_hold_in_every_snapshot_while_flows_come_and_go_beyond_table_and_entries() -> Result {
    let pair = Pair::new(QUIET)?;
    let mut plan = plan(INTERFACE)?;
    // A table of some hundred flows, and tables of some dozen entries.
    plan.flow_memory = "64KiB".parse().map_err(anyhow::Error::msg)?;
    plan.evict_after = Duration::from_millis(10);
    plan.metrics.max_series = 1200;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("names");
    std::fs::write(&file, "192.0.2.0/30 site\n192.0.2.9 printer\nudp/53 dns\n")?;
    plan.metrics.names = Arc::new(Names::read(&file)?);
    let ((watcher, sent), last) = collect(&pair.right, &plan, |collected| {
        let talking = |stop: &AtomicBool| talk(&pair, stop);
        let snapshot = || collected.snapshot();
        let (mut watcher, sent) =
            watch_while(snapshot, Duration::from_secs(15), 50, talking, |_| Ok(()))?;
        watcher.see(&*collected.snapshot()?);
        Ok((watcher, sent))
    })?;
    assert_quiet_and_whole(&last);
    for (direction, sent) in Direction::ALL.into_iter().zip(sent) {
        let mine = last.totals.iter().find(|totals| totals.direction == direction);
        let mine = mine.context("both directions are watched")?;
        assert_eq!(mine.ledger.packets, sent, "{direction:?}");
        let overflow: u64 = mine.totals.overflow.iter().map(|count| count.packets).sum();
        assert!(overflow > 0, "{direction:?}: the table was never full");
    }
    let tables = |dimension| last.talkers.iter().filter(move |table| table.dimension == dimension);
    assert!(tables(Dimension::Flow).all(|table| table.lines.len() >= 10));
    let is = |party: &Party, name: &str| matches!(party, Party::Host { host } if host == name);
    for name in ["site", "printer"] {
        let mut hosts = tables(Dimension::Host).flat_map(|table| &table.lines);
        assert!(hosts.any(|line| is(&line.party, name)), "{name}: {last:#?}");
    }
    assert!(watcher.snapshots >= 50, "{}", watcher.snapshots);
    assert!(watcher.left > 10, "{} entries left", watcher.left);
    eprintln!(
        "{} snapshots, {} entered, {} left, {} packets, everything read again {} times",
        watcher.snapshots,
        watcher.entered,
        watcher.left,
        sent[0] + sent[1],
        last.sweeps_repeated
    );
    Ok(())
}

#[test]
fn an_interface_that_is_renamed_under_traffic_leaves_its_counts_to_its_old_name() -> Result {
    let pair = Pair::new(QUIET)?;
    let plan = plan("wl*")?;
    let other = "wl7";
    let (watcher, last) = collect(&pair.right, &plan, |collected| {
        let sending = |_: &AtomicBool| {
            // Out of an index, whatever its name is meanwhile.
            let share = Share { frames: frames(1, 1), rounds: 1500 };
            send(&pair.right, &pair.left, &[share.clone(), share])
        };
        let mut name = INTERFACE;
        let beside = |nth: u32| {
            if nth % 5 == 4 {
                let to = if name == INTERFACE { other } else { INTERFACE };
                pair.right.run(&format!("ip link set {name} name {to}"))?;
                name = to;
            }
            Ok(())
        };
        let snapshot = || collected.snapshot();
        let (mut watcher, _) = watch_while(snapshot, Duration::from_secs(12), 0, sending, beside)?;
        watcher.see(&*collected.snapshot()?);
        Ok(watcher)
    })?;
    assert_quiet_and_whole(&last);
    let egress = last.totals.iter().filter(|totals| totals.direction == Direction::Egress);
    let counted: HashMap<_, _> =
        egress.map(|totals| (totals.interface.as_str(), totals.ledger.packets)).collect();
    assert!(counted[INTERFACE] > 0 && counted[other] > 0, "{counted:?}");
    eprintln!("{} snapshots, {counted:?}", watcher.snapshots);
    Ok(())
}
