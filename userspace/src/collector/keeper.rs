//! The task that owns probe and ledger: sweeps, drains, follows interfaces, answers.

use std::{
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::{
    io::unix::AsyncFd,
    sync::{mpsc, watch as signal},
    time::MissedTickBehavior,
};

use super::{captures::Captures, counters, reload::Revision, watch::Watch};
use crate::{
    capture::Order,
    feed::{Ask, Want},
    flows::{Cause, Ledger, Moment, Timeouts},
    kernel::{
        self, Probe, Wall,
        links::{Change, Interface},
        namespace::Namespace,
    },
    plan::{Change as Revised, Plan},
    report::{self, Account, Direction, InterfaceTotals, Sides, Snapshot},
    web::Tally,
};

/// Between two sweeps that nobody asked for. The ring must hold what is evicted meanwhile without a wake-up.
const TICK: Duration = Duration::from_secs(1);

/// Switch of the kernel's BPF statistics.
const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// What arrives at the keeper.
pub(super) struct Inputs {
    pub(super) changed: mpsc::Receiver<Change>,
    pub(super) asked: mpsc::Receiver<Ask>,
    pub(super) ordered: mpsc::UnboundedReceiver<Order>,
    pub(super) revised: mpsc::Receiver<Revision>,
}

/// Owner of probe and ledger.
pub(super) struct Keeper {
    probe: Probe,
    ledger: Ledger,
    watch: Watch,
    namespace: Arc<Namespace>,
    captures: Captures,
    tally: Arc<Tally>,
    announced: AsyncFd<OwnedFd>,
    entries: u64,
    read: u64,
    malformed: u64,
}

impl Keeper {
    pub(super) fn new(
        plan: &Plan,
        namespace: Arc<Namespace>,
        probe: Probe,
        captures: Captures,
        tally: Arc<Tally>,
    ) -> anyhow::Result<Self> {
        let timeouts = timeouts(plan.idle_timeout, plan.active_timeout);
        let slots = usize::try_from(probe.table().capacity()).context("counting slots")?;
        Ok(Self {
            ledger: Ledger::new(slots, timeouts),
            watch: Watch::new(plan, Arc::clone(&namespace)),
            namespace,
            captures,
            tally,
            announced: kernel::announced(&probe)?,
            probe,
            entries: 0,
            read: 0,
            malformed: 0,
        })
    }

    /// Attaches to what is there.
    pub(super) fn begin(
        &mut self,
        all: Vec<Interface>,
        sample_every: Option<u32>,
    ) -> anyhow::Result<()> {
        self.watch.begin(&mut self.probe, all)?;
        match sample_every {
            Some(every) => self.captures.start_sampler(&mut self.probe, &self.watch, every),
            None => Ok(()),
        }
    }

    /// Runs until told to stop, then leaves the last totals in `end`.
    pub(super) async fn keep(
        mut self,
        inputs: Inputs,
        mut stopped: signal::Receiver<bool>,
        end: signal::Sender<Option<Arc<Snapshot>>>,
    ) -> anyhow::Result<()> {
        let Inputs { mut changed, mut asked, mut ordered, mut revised } = inputs;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stopped.wait_for(|&stop| stop) => break,
                _ = tick.tick() => {
                    self.sweep();
                    self.captures.tick(&mut self.probe, &self.watch);
                }
                ready = self.announced.readable() => {
                    ready.context("waiting on the ring of ended flows")?.clear_ready();
                    self.drain();
                }
                Some(change) = changed.recv() => {
                    self.watch.follow(&mut self.probe, change);
                    self.captures.follow(&mut self.probe, &self.watch);
                }
                Some(order) = ordered.recv() => {
                    self.captures.order(&mut self.probe, &self.watch, order);
                }
                Some(Revision { change, all, answer }) = revised.recv() => {
                    // Whoever asked may have gone.
                    let _ = answer.send(self.revise(change, all));
                }
                Some(Ask { want, answer }) = asked.recv() => {
                    // Whoever asked may have gone.
                    let _ = answer.send(Arc::new(self.snapshot(want)?));
                }
            }
        }
        self.captures.end(&mut self.probe, &self.watch);
        self.watch.detach();
        let last = Arc::new(self.snapshot(Want::default())?);
        end.send_replace(Some(last));
        // What was asked meanwhile gets the last totals too.
        asked.close();
        while let Some(Ask { want, answer }) = asked.recv().await {
            let _ = answer.send(Arc::new(self.snapshot(want)?));
        }
        Ok(())
    }

    /// All of a change, or nothing.
    fn revise(&mut self, change: Revised, all: Vec<Interface>) -> anyhow::Result<()> {
        self.watch.revise(&mut self.probe, change.patterns, all)?;
        self.captures.follow(&mut self.probe, &self.watch);
        self.ledger.set_timeouts(timeouts(change.idle_timeout, change.active_timeout));
        Ok(())
    }

    fn now(&self) -> Moment {
        let clock = self.probe.clock();
        let now = clock.now();
        Moment { jiffies: now.jiffies, nanoseconds: now.nanoseconds, tick: clock.tick() }
    }

    fn drain(&mut self) {
        let now = self.now();
        let (ledger, read) = (&mut self.ledger, &mut self.read);
        self.malformed += self.probe.records().drain(|record| {
            let known = ledger.read_record(record, &now);
            *read += u64::from(known);
            known
        });
    }

    /// Everything that was counted before the sweep began is in the ledger when it ends: in a slot, or, if its slot was
    /// taken during the sweep, in a record that the second drain finds.
    fn sweep(&mut self) {
        self.drain();
        let now = self.now();
        let ledger = &mut self.ledger;
        let table = self.probe.table();
        self.entries = table.sweep(|cpu, slot, reading| ledger.read_slot(cpu, slot, reading, &now));
        self.drain();
        self.ledger.tell(now.nanoseconds, |key, flow, cause| {
            if cause != Cause::Active {
                tracing::trace!(?key, packets = flow.packets, bytes = flow.bytes, "flow ended");
            }
        });
    }

    /// Counters, flows, counters again: see [`Account::close`].
    fn snapshot(&mut self, want: Want) -> anyhow::Result<Snapshot> {
        let began = Instant::now();
        let before = self.sides()?;
        self.sweep();
        let mut accounts = Vec::new();
        let mut totals = Vec::new();
        let mut before = before.into_iter();
        for (name, watched) in self.watch.places() {
            let read = self.probe.totals(watched.place)?;
            for direction in Direction::ALL {
                let cpus = read.of(direction == Direction::Egress);
                for (cpu, after) in cpus.iter().enumerate() {
                    let cpu = u32::try_from(cpu).context("numbering CPUs")?;
                    let before = before.next().unwrap_or_default();
                    let flows = watched.in_flows(&self.ledger, direction, cpu);
                    let after = Sides::from(after);
                    accounts.push(Account::close(name, direction, cpu, before, flows, after));
                }
                let sum = Box::new(kernel::sum(cpus));
                totals.push(InterfaceTotals { interface: name.to_owned(), direction, totals: sum });
            }
        }
        let losses = self.probe.losses()?;
        let table = self.probe.table();
        let wall = Wall::now();
        Ok(Snapshot {
            at: wall.unix_seconds_now(),
            interfaces: self.watch.report(),
            accounts,
            totals,
            table: report::Table {
                capacity: table.capacity(),
                entries: self.entries,
                bytes: table.bytes(),
            },
            records: report::Records {
                written: losses.records,
                refused: losses.records_refused,
                read: self.read,
                malformed: self.malformed,
                bytes: self.probe.sizes().record_memory.into(),
            },
            unplaced: losses.unplaced.into(),
            live_flows: self.ledger.len() as u64,
            flows: self.flow_lines(want, wall),
            told: Cause::ALL.iter().map(|&cause| (cause, self.ledger.told(cause))).collect(),
            captures: self.captures.report(&self.probe, &self.watch),
            talkers: Vec::new(),
            kernel: match want.kernel {
                true => counters::read(&self.namespace, &self.watch),
                false => report::KernelCounters::default(),
            },
            programs: self.programs(),
            program_statistics: std::fs::read_to_string(STATISTICS)
                .is_ok_and(|switch| switch.trim() == "1"),
            server: self.tally.report(),
            took: began.elapsed().as_secs_f64(),
        })
    }

    /// Every account's counters, in the order of [`Self::snapshot`].
    fn sides(&self) -> anyhow::Result<Vec<Sides>> {
        let mut sides = Vec::new();
        for (_, watched) in self.watch.places() {
            let read = self.probe.totals(watched.place)?;
            for direction in Direction::ALL {
                sides.extend(read.of(direction == Direction::Egress).iter().map(Sides::from));
            }
        }
        Ok(sides)
    }

    fn flow_lines(&self, want: Want, wall: Wall) -> Vec<report::FlowLine> {
        let lines = self.ledger.top(want.flows, want.sort).into_iter().map(|(key, flow)| {
            let name = self.watch.name_of(key.interface);
            let name = name.map_or_else(|| key.interface.to_string(), str::to_owned);
            let seen = (wall.unix_seconds(flow.first_seen), wall.unix_seconds(flow.last_seen));
            report::FlowLine::new(&key, &flow, name, seen)
        });
        lines.collect()
    }

    fn programs(&self) -> Vec<report::ProgramLine> {
        let cost = self.probe.cost().into_iter();
        cost.map(|cost| report::ProgramLine {
            name: cost.name,
            runs: cost.runs,
            seconds: cost.time.as_secs_f64(),
        })
        .collect()
    }
}

fn timeouts(idle: Duration, active: Duration) -> Timeouts {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    Timeouts { idle: nanoseconds(idle), active: nanoseconds(active) }
}
