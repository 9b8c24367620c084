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
use wireledger_common::{abi::flow::FlowKey, table::read::Mark};

use super::{
    ASKS, captures::Captures, counters, reload::Revision, scans::Scans, standing::Standing,
    told::Id, watch::Watch,
};
use crate::{
    capture::{Evidence, Order},
    feed::{Ask, AskScans, Want},
    flows::{Cause, Found, Ledger, MARGIN, Moment, News, Timeouts, talkers::budget},
    kernel::{
        self, Probe, Wall,
        links::{Change, Interface},
        namespace::Namespace,
    },
    metrics::{self, Collectors},
    plan::{Change as Revised, Metrics, Plan},
    report::{self, Snapshot},
    web::Tally,
};

/// Between two sweeps that nobody asked for. The ring must hold what is evicted meanwhile without a wake-up.
const TICK: Duration = Duration::from_secs(1);

/// After so many ticks a sweep reads everything, what is not new as well: see [`crate::flows`].
const TICKS_TO_FULL_SWEEP: u32 = 60;

/// Sweeps that nobody asked for take at most one part in so many of a CPU's time, however many flows are busy …
const REST: u32 = 10;
/// … as long as they come after so many ticks at the latest.
const LONGEST_REST: u32 = 10;

/// Series of everything but the tables of talkers, before the first answer tells: those of the process, and of each interface with all of its labels.
const fn expected_series(interfaces: usize) -> usize {
    150 + 600 * interfaces
}

/// Slots that the ledger takes in together.
const TOGETHER: usize = 64;

/// Ticks between two looks for handshakes that take too long: half of what they may take.
const EXPIRE_EVERY: u32 = 5;

/// Switch of the kernel's BPF statistics.
const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// What arrives at the keeper.
pub(super) struct Inputs {
    pub(super) changed: mpsc::Receiver<Change>,
    pub(super) asked: mpsc::Receiver<Ask>,
    pub(super) asked_scans: mpsc::Receiver<AskScans>,
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
    scans: Option<Scans>,
    tally: Arc<Tally>,
    announced: AsyncFd<OwnedFd>,
    /// What was seen of each slot.
    marks: Vec<Mark>,
    ticks: u32,
    /// Tick of the next sweep that nobody asks for, and of the next one that reads everything.
    sweep_at: u32,
    full_at: u32,
    metrics: Metrics,
    /// Series of the latest answer but for the tables of talkers; none before the first.
    fixed: Option<usize>,
    budget: report::Budget,
    collectors: Collectors,
    repeated: u64,
    entries: u64,
    read: u64,
    malformed: u64,
    /// Ticks until handshakes are looked after.
    expire_in: u32,
}

impl Keeper {
    pub(super) fn new(
        plan: &Plan,
        namespace: Arc<Namespace>,
        probe: Probe,
        captures: Captures,
        evidence: Option<Evidence<Id>>,
        tally: Arc<Tally>,
    ) -> anyhow::Result<Self> {
        let timeouts = timeouts(plan.idle_timeout, plan.active_timeout);
        let slots = usize::try_from(probe.table().capacity()).context("counting slots")?;
        let mut ledger = Ledger::new(slots, timeouts);
        ledger.set_names(Arc::clone(&plan.metrics.names));
        let scans = Scans::new(plan, evidence, captures.tape())?;
        Ok(Self {
            ledger,
            watch: Watch::new(plan, Arc::clone(&namespace)),
            namespace,
            captures,
            scans,
            tally,
            announced: kernel::announced(&probe)?,
            probe,
            marks: vec![Mark::default(); slots],
            ticks: 0,
            sweep_at: 0,
            full_at: TICKS_TO_FULL_SWEEP,
            metrics: plan.metrics.clone(),
            fixed: None,
            budget: report::Budget::default(),
            collectors: plan.exposition.collectors,
            repeated: 0,
            entries: 0,
            read: 0,
            malformed: 0,
            expire_in: EXPIRE_EVERY,
        })
    }

    /// Attaches to what is there.
    pub(super) fn begin(
        &mut self,
        all: Vec<Interface>,
        sample_every: Option<u32>,
    ) -> anyhow::Result<()> {
        self.watch.begin(&mut self.probe, &mut self.ledger, all)?;
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
        let Inputs { mut changed, mut asked, mut asked_scans, mut ordered, mut revised } = inputs;
        let mut asks = Vec::new();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stopped.wait_for(|&stop| stop) => break,
                _ = tick.tick() => {
                    self.tick()?;
                    self.expire()?;
                    self.captures.tick(&mut self.probe, &self.watch);
                }
                ready = self.announced.readable() => {
                    ready.context("waiting on the ring of ended flows")?.clear_ready();
                    self.drain();
                    self.relieve()?;
                }
                Some(change) = changed.recv() => {
                    self.follow(change);
                    self.captures.follow(&mut self.probe, &self.watch);
                }
                Some(order) = ordered.recv() => {
                    self.captures.order(&mut self.probe, &self.watch, order);
                }
                Some(Revision { change, all, answer }) = revised.recv() => {
                    // Whoever asked may have gone.
                    let _ = answer.send(self.revise(change, all));
                }
                1.. = asked.recv_many(&mut asks, ASKS) => self.answer(&mut asks)?,
                Some(answer) = asked_scans.recv() => self.answer_scans(answer),
            }
        }
        self.captures.end(&mut self.probe, &self.watch);
        if let Some(scans) = &mut self.scans {
            scans.end(&self.watch, &self.captures);
        }
        self.watch.detach();
        self.forget_marks();
        let last = Arc::new(self.snapshot(Want::default())?);
        end.send_replace(Some(last));
        // What was asked meanwhile gets the last totals too.
        asked.close();
        while asked.recv_many(&mut asks, ASKS).await > 0 {
            self.answer(&mut asks)?;
        }
        asked_scans.close();
        while let Some(answer) = asked_scans.recv().await {
            self.answer_scans(answer);
        }
        Ok(())
    }

    fn answer_scans(&self, answer: AskScans) {
        // Whoever asked may have gone.
        let _ = answer.send(self.scans.as_ref().map(|scans| scans.lines(&self.watch)));
    }

    /// One snapshot for all that want the same: it is taken after each of them asked.
    fn answer(&mut self, asks: &mut Vec<Ask>) -> anyhow::Result<()> {
        // Whoever asked may have gone.
        asks.retain(|ask| !ask.answer.is_closed());
        while let Some(want) = asks.first().map(|ask| ask.want) {
            let snapshot = Arc::new(self.snapshot(want)?);
            for Ask { answer, .. } in asks.extract_if(.., |ask| ask.want == want) {
                let _ = answer.send(Arc::clone(&snapshot));
            }
        }
        Ok(())
    }

    /// All of a change, or nothing.
    fn revise(&mut self, change: Revised, all: Vec<Interface>) -> anyhow::Result<()> {
        self.watch.revise(&mut self.probe, &mut self.ledger, change.patterns, all)?;
        self.captures.follow(&mut self.probe, &self.watch);
        self.ledger.set_timeouts(timeouts(change.idle_timeout, change.active_timeout));
        self.ledger.set_names(Arc::clone(&change.metrics.names));
        self.metrics = change.metrics;
        self.collectors = change.collectors;
        self.fixed = None;
        Ok(())
    }

    /// Every few ticks: handshakes that take too long end here.
    fn expire(&mut self) -> anyhow::Result<()> {
        self.expire_in -= 1;
        if self.expire_in == 0 {
            self.expire_in = EXPIRE_EVERY;
            let found = self.probe.expire_handshakes().context("looking after handshakes")?;
            self.watch.count_handshakes(&found);
        }
        Ok(())
    }

    fn now(&self) -> Moment {
        let clock = self.probe.clock();
        let now = clock.now();
        Moment { jiffies: now.jiffies, nanoseconds: now.nanoseconds, tick: clock.tick() }
    }

    fn drain(&mut self) {
        let now = self.now();
        let (ledger, read, scans) = (&mut self.ledger, &mut self.read, &mut self.scans);
        let mut note = |key: &FlowKey, news: &News| noted(scans, key, news);
        self.malformed += self.probe.records().drain(|record| {
            let known = ledger.read_record(record, &now, &mut note);
            *read += u64::from(known);
            known
        });
    }

    /// Judges flows between ticks where so many leave that they would find no room until the next.
    fn relieve(&mut self) -> anyhow::Result<()> {
        if let (true, Some(scans)) = (self.ledger.is_crowded(), &mut self.scans) {
            let now = self.probe.clock().now().nanoseconds;
            scans.settle(&mut self.ledger, &self.probe, &self.watch, now)?;
        }
        Ok(())
    }

    /// What is done whether anybody asks or not.
    fn tick(&mut self) -> anyhow::Result<()> {
        self.ticks = self.ticks.wrapping_add(1);
        if !has_come(self.sweep_at, self.ticks) {
            self.drain();
            return self.relieve();
        }
        let began = Instant::now();
        if has_come(self.full_at, self.ticks) {
            self.full_at = self.ticks.wrapping_add(TICKS_TO_FULL_SWEEP);
            self.forget_marks();
        }
        self.fit();
        self.sweep();
        let now = self.now().nanoseconds;
        if let Some(scans) = &mut self.scans {
            let (ledger, watch, captures) = (&mut self.ledger, &self.watch, &self.captures);
            scans.tick(ledger, &self.probe, watch, captures, now)?;
        }
        self.ledger.tell(now, |key, flow, cause| {
            if cause != Cause::Active {
                tracing::trace!(?key, packets = flow.packets, bytes = flow.bytes, "flow ended");
            }
        });
        self.ledger.tick(now);
        self.sweep_at = self.ticks.wrapping_add(rest(began.elapsed()));
        Ok(())
    }

    /// The next sweep reads everything.
    fn forget_marks(&mut self) {
        self.marks.fill(Mark::default());
    }

    fn follow(&mut self, change: Change) {
        if self.watch.leave(&mut self.probe, &change) {
            self.forget_marks();
            self.sweep();
        }
        self.watch.follow(&mut self.probe, &mut self.ledger, change);
    }

    /// Shares out the budget of series among the interfaces that there are now.
    fn fit(&mut self) {
        let interfaces = self.watch.places().count();
        let Metrics { max_series, top, .. } = self.metrics;
        let fixed = self.fixed.unwrap_or(expected_series(interfaces));
        let sizes = budget(max_series, fixed, interfaces, top);
        self.budget = report::Budget { max_series, sizes };
        self.ledger.set_sizes(sizes.unwrap_or_default());
    }

    /// Everything that was counted before the sweep began is in the ledger when it ends: in a slot, or, if its slot was
    /// taken during the sweep, in a record that the second drain finds.
    fn sweep(&mut self) {
        self.drain();
        let now = self.now();
        let margin = u32::try_from(MARGIN / now.tick).unwrap_or(u32::MAX / 4) + 2;
        let (ledger, marks, scans) = (&mut self.ledger, &mut self.marks, &mut self.scans);
        let mut note = |key: &FlowKey, news: &News| noted(scans, key, news);
        let mut found = Vec::with_capacity(TOGETHER);
        let table = self.probe.table();
        self.entries = table.sweep_news(marks, now.jiffies as u32, margin, |cpu, slot, reading| {
            found.push(Found { cpu, slot, reading: *reading });
            if found.len() == TOGETHER {
                ledger.read_slots(&found, &now, &mut note);
                found.clear();
            }
        });
        ledger.read_slots(&found, &now, &mut note);
        self.drain();
    }

    /// The ledger as it stands; when an account does not balance, everything is read once more before that is said.
    fn standing(&mut self) -> anyhow::Result<Standing> {
        let standing = self.read_standing()?;
        if standing.is_balanced() {
            return Ok(standing);
        }
        self.repeated += 1;
        self.forget_marks();
        self.read_standing()
    }

    fn read_standing(&mut self) -> anyhow::Result<Standing> {
        let before = Standing::before(&self.watch, &self.probe)?;
        self.sweep();
        Standing::after(&self.watch, &self.probe, &self.ledger, before)
    }

    /// A snapshot whose series are within the budget, if that has room for totals at all.
    fn snapshot(&mut self, want: Want) -> anyhow::Result<Snapshot> {
        /// Labels may come that were not there when the tables were sized, and while they are sized again.
        const TRIES: usize = 3;
        for _ in 0..TRIES {
            let snapshot = self.take(want)?;
            let fixed = metrics::fixed_series(&snapshot, self.collectors);
            // Only a scrape wants the kernel's own counters.
            if want.kernel || self.fixed.is_none_or(|before| before < fixed) {
                self.fixed = Some(fixed);
            }
            let talkers = metrics::talkers_series(&snapshot, self.collectors);
            if talkers == 0 || fixed + talkers <= self.metrics.max_series {
                return Ok(snapshot);
            }
        }
        Ok(Snapshot { talkers: Vec::new(), ..self.take(want)? })
    }

    fn take(&mut self, want: Want) -> anyhow::Result<Snapshot> {
        let began = Instant::now();
        self.fit();
        let Standing { accounts, totals, talkers, distinct, shapes } = self.standing()?;
        let losses = self.probe.losses()?;
        let table = self.probe.table();
        let wall = Wall::now();
        Ok(Snapshot {
            at: wall.unix_seconds_now(),
            interfaces: self.watch.report(),
            accounts,
            totals,
            handshakes: self.watch.handshakes(),
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
            talkers: if self.budget.sizes.is_some() { talkers } else { Vec::new() },
            budget: self.budget,
            distinct,
            shapes,
            sweeps_repeated: self.repeated,
            captures: self.captures.report(&self.probe, &self.watch),
            scan_tally: self.scans.as_ref().map(|scans| scans.tally(self.ledger.unsettled())),
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

fn noted(scans: &mut Option<Scans>, key: &FlowKey, news: &News) {
    if let Some(scans) = scans {
        scans.note(key, news);
    }
}

/// Ticks until the next sweep that nobody asks for, after one that took so long.
fn rest(took: Duration) -> u32 {
    // Rounded up, so that the share is never more than was meant.
    let ticks = (took * REST).as_nanos().div_ceil(TICK.as_nanos());
    u32::try_from(ticks).unwrap_or(LONGEST_REST).clamp(1, LONGEST_REST)
}

/// Ticks are counted in 32 bits, which wrap.
const fn has_come(tick: u32, now: u32) -> bool {
    now.wrapping_sub(tick).cast_signed() >= 0
}

fn timeouts(idle: Duration, active: Duration) -> Timeouts {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    Timeouts { idle: nanoseconds(idle), active: nanoseconds(active) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_take_a_tenth_of_the_time_at_most_until_they_take_a_second() {
        let after = |ms| rest(Duration::from_millis(ms));
        assert_eq!([0, 9, 100].map(after), [1, 1, 1]);
        assert_eq!([101, 190, 200, 201].map(after), [2, 2, 2, 3]);
        assert_eq!([999, 1000, 5000].map(after), [10, 10, 10]);
        assert_eq!(rest(Duration::from_secs(1 << 30)), LONGEST_REST);
    }

    #[test]
    fn a_tick_has_come_also_where_their_count_wraps() {
        assert!(has_come(5, 5) && has_come(5, 6) && !has_come(6, 5));
        assert!(has_come(u32::MAX, 3) && !has_come(3, u32::MAX));
    }
}
