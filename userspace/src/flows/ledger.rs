//! Every packet of the flow table added exactly once, whatever the interleaving of sweeps, evictions and records.
//!
//! The kernel's word for a packet comes twice: in a slot's totals, which a sweep reads at any time, and, once the slot is
//! taken away, in a record with its final totals. The ledger keeps what it last saw of each slot and generation and adds
//! differences. What makes this exact: a record is in the ring before its slot shows another generation, records of one
//! slot come in order, and totals of one generation only grow.
//!
//! **Slots that need no reading.** A sweep reads the line with generations and last-seen times of each bucket, and a slot only where
//! that line says something new, or said it less than [`MARGIN`] before the slot was read last
//! ([`wireledger_common::table::read::news`]). Every packet stores the time it was counted at. If that is another than the
//! one that was seen, the slot is read. If it is the same, the packet was there when the slot was read, unless its
//! CPU took the margin from reading the clock to storing the counts: with interrupts of its kind off that is some
//! hundred nanoseconds, or as long as a hypervisor stops a virtual CPU. Such a packet is seen late: with the flow's next one, by the sweep of
//! everything that comes once a minute, or by the one that is made at once when an account does not balance.

mod settle;

use std::{collections::BTreeMap, sync::Arc};

use hashbrown::{DefaultHashBuilder, HashMap};
use wireledger_common::{
    abi::{
        flow::{Detail, FlowKey},
        record::Record,
        totals::Count,
    },
    table::read::Reading,
};

use settle::{Hasty, settles};
pub use settle::{Reverse, SETTLING, Settled};

use super::{
    distinct::PART,
    flow::{Cause, Flow, Progress, Sort},
    live::Live,
    owned::Owned,
    talkers::{HALF_LIFE, Sizes},
};
use crate::naming::Names;

/// How long a packet may take from the reading of the clock to the storing of its counts, nanoseconds: far longer than any
/// hook runs, and than hypervisors stop a CPU as a rule.
pub const MARGIN: u64 = 1_000_000_000;

/// The jiffy that it is, and when it began.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Jiffies: the clock of a slot's last-seen time.
    pub jiffies: u64,
    /// Nanoseconds of CLOCK_MONOTONIC when that jiffy began.
    pub nanoseconds: u64,
    /// Nanoseconds per jiffy.
    pub tick: u64,
}

impl Moment {
    /// When a jiffy began, in nanoseconds.
    fn of(&self, jiffies: u64) -> u64 {
        let jiffies = jiffies.wrapping_sub(self.jiffies).cast_signed();
        self.nanoseconds.saturating_add_signed(jiffies.saturating_mul(self.tick.cast_signed()))
    }
}

/// A slot that a sweep read.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Whose slice it is in.
    pub cpu: u32,
    /// Its number.
    pub slot: u32,
    /// What stands there.
    pub reading: Reading,
}

/// What is new of a flow.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct News {
    /// Packets.
    pub packets: u64,
    /// Bytes of frames.
    pub bytes: u64,
    /// Packets with SYN.
    pub syn: u64,
    /// TCP flags of the flow's first packet.
    pub first_flags: u16,
    /// The flow was not there before.
    pub begins: bool,
}

/// When flows are told, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Silence that ends a flow.
    pub idle: u64,
    /// Life after which a flow is told, and told again.
    pub active: u64,
}

/// What was last seen of one slot.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// Generation that `progress` belongs to; 0 = none.
    generation: u32,
    /// Latest generation whose record was read; 0 = none.
    ended: u32,
    progress: Progress,
    /// Where its flow was last among those that are live.
    flow: u32,
}

/// The flows, and what belongs to whom.
pub struct Ledger {
    slots: Vec<Seen>,
    /// Generations a sweep saw, whose slot shows a later one by now, and whose record is still to come.
    pending: HashMap<(u32, u32), Progress>,
    flows: Live,
    /// Whose each interface index is, in order of index.
    indices: Vec<(u32, u32)>,
    /// By number.
    owners: Vec<Option<Box<Owned>>>,
    sizes: Sizes,
    names: Arc<Names>,
    hasher: DefaultHashBuilder,
    timeouts: Timeouts,
    told: BTreeMap<Cause, u64>,
    hasty: Hasty,
    /// Part of the window of distinct counts; 0 = none yet.
    window: u32,
    /// When recent bytes were halved last.
    halved: u64,
}

impl Ledger {
    /// An empty ledger for a table of `slots` slots.
    #[must_use]
    pub fn new(slots: usize, timeouts: Timeouts) -> Self {
        Self {
            slots: vec![Seen::default(); slots],
            pending: HashMap::new(),
            flows: Live::new(slots),
            indices: Vec::new(),
            owners: Vec::new(),
            sizes: Sizes::default(),
            names: Arc::default(),
            hasher: DefaultHashBuilder::default(),
            timeouts,
            told: BTreeMap::new(),
            hasty: Hasty::default(),
            window: 0,
            halved: 0,
        }
    }

    /// From now on, what is new of the flows of an interface index belongs to this owner: the number of a name.
    pub fn assign(&mut self, interface: u32, owner: u32) {
        self.indices.retain(|(index, _)| *index != interface);
        let at = self.indices.partition_point(|(index, _)| *index < interface);
        self.indices.insert(at, (interface, owner));
        let owner = owner as usize;
        if self.owners.len() <= owner {
            self.owners.resize_with(owner + 1, || None);
        }
        let (sizes, hasher) = (self.sizes, &self.hasher);
        self.owners[owner].get_or_insert_with(|| Box::new(Owned::new(sizes, hasher)));
    }

    /// Forgets everything of an owner, whose number another name may have then.
    pub fn forget(&mut self, owner: u32) {
        self.indices.retain(|(_, other)| *other != owner);
        if let Some(owned) = self.owners.get_mut(owner as usize) {
            *owned = None;
        }
    }

    /// Whose an interface index is.
    #[must_use]
    pub fn owner_of(&self, interface: u32) -> Option<u32> {
        let at = self.indices.binary_search_by_key(&interface, |(index, _)| *index).ok()?;
        Some(self.indices[at].1)
    }

    /// What belongs to an owner.
    #[must_use]
    pub fn owned(&self, owner: u32) -> Option<&Owned> {
        self.owners.get(owner as usize)?.as_deref()
    }

    /// Most entries of the tables of talkers from now on.
    pub fn set_sizes(&mut self, sizes: Sizes) {
        if self.sizes != sizes {
            self.sizes = sizes;
            self.owners.iter_mut().flatten().for_each(|owned| owned.talkers.resize(sizes));
        }
    }

    /// Names from now on; counts of those that are called otherwise now go to the rest.
    pub fn set_names(&mut self, names: Arc<Names>) {
        self.owners.iter_mut().flatten().for_each(|owned| owned.talkers.rename(&names));
        self.names = names;
    }

    /// What is done once in a while, every second say: who talks most is chosen anew, and windows slide.
    pub fn tick(&mut self, now: u64) {
        let halves = now.saturating_sub(self.halved) >= HALF_LIFE;
        if halves {
            self.halved = now;
        }
        let window = u32::try_from(now / PART).unwrap_or(u32::MAX - 1) + 1;
        // A process that was stopped for long has nothing of the window left.
        let turns = window.saturating_sub(self.window).min(super::distinct::WINDOWS as u32);
        self.window = self.window.max(window);
        for owned in self.owners.iter_mut().flatten() {
            if halves {
                owned.talkers.halve();
            }
            owned.talkers.admit(&self.names);
            (0..turns).for_each(|_| owned.turn());
        }
    }

    /// From here on flows are told by these.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) {
        self.timeouts = timeouts;
        self.flows.reconsider();
    }

    /// Takes in slots that a sweep read, some dozens at a time; `note` gets what is new of each flow.
    pub fn read_slots(
        &mut self,
        found: &[Found],
        now: &Moment,
        note: &mut impl FnMut(&FlowKey, &News),
    ) {
        // Each flow is somewhere else in memory, which answers many requests in the time of one.
        let hint = |found: &Found| self.slots[found.slot as usize].flow;
        let touched = found.iter().fold(0, |all, found| all ^ self.flows.touch(hint(found)));
        std::hint::black_box(touched);
        for Found { cpu, slot, reading } in found {
            self.read_slot(*cpu, *slot, reading, now, note);
        }
    }

    /// Takes in a slot that a sweep read.
    pub fn read_slot(
        &mut self,
        cpu: u32,
        slot: u32,
        reading: &Reading,
        now: &Moment,
        note: &mut impl FnMut(&FlowKey, &News),
    ) {
        let seen = &mut self.slots[slot as usize];
        if seen.ended != 0 && !is_later(reading.generation, seen.ended) {
            return;
        }
        if seen.generation != reading.generation {
            if seen.generation != 0 {
                self.pending.insert((slot, seen.generation), seen.progress);
            }
            seen.generation = reading.generation;
            seen.progress = Progress::default();
        }
        let progress = Progress::from(reading);
        let before = std::mem::replace(&mut seen.progress, progress);
        let hint = seen.flow;
        let last_seen = now.of(reading.slot.detail.last_seen).max(reading.slot.detail.first_seen);
        let (key, detail) = (&reading.slot.key, &reading.slot.detail);
        if let Some(at) = self.add(cpu, key, hint, progress, before, detail, last_seen, note) {
            self.slots[slot as usize].flow = at;
        }
    }

    /// Takes in the record of an ended entry; `false` when the table has no such slot.
    pub fn read_record(
        &mut self,
        record: &Record,
        now: &Moment,
        note: &mut impl FnMut(&FlowKey, &News),
    ) -> bool {
        let Some(seen) = self.slots.get_mut(record.entry.slot as usize) else { return false };
        let before = if seen.generation == record.entry.generation {
            seen.generation = 0;
            std::mem::take(&mut seen.progress)
        } else {
            self.pending.remove(&(record.entry.slot, record.entry.generation)).unwrap_or_default()
        };
        seen.ended = record.entry.generation;
        let hint = seen.flow;
        // A tick is coarser than the time of the first packet.
        let last_seen = now.of(record.detail.last_seen).max(record.detail.first_seen);
        let (cpu, key) = (record.entry.cpu, &record.key);
        let detail = &record.detail;
        let at = self.add(cpu, key, hint, record.into(), before, detail, last_seen, note);
        let at = at.or_else(|| self.flows.find(hint, key));
        // Unless the flow has come back meanwhile.
        if let Some(at) = at.filter(|&at| self.flows.at(at).flow.last_seen <= last_seen) {
            let entry = self.flows.remove(at);
            *self.told.entry(Cause::Evicted).or_default() += 1;
            let flows = &mut self.flows;
            self.hasty.leaves(key, &entry.flow, entry.settled, |other| {
                flows.find(u32::MAX, other).is_some_and(|at| !flows.at(at).settled)
            });
            self.ended(key, &entry.flow);
        }
        true
    }

    /// Adds what is new; returns where the flow is, or nothing when nothing is new.
    #[expect(clippy::too_many_arguments, reason = "what a slot and a record have in common")]
    fn add(
        &mut self,
        cpu: u32,
        key: &FlowKey,
        hint: u32,
        progress: Progress,
        before: Progress,
        detail: &Detail,
        last_seen: u64,
        note: &mut impl FnMut(&FlowKey, &News),
    ) -> Option<u32> {
        let news = progress.since(before);
        if news.packets == 0 && news.bytes == 0 {
            return None;
        }
        let count = Count { packets: news.packets, bytes: news.bytes };
        let owner = self.owner_of(key.interface);
        let owned = owner.and_then(|owner| self.owners.get_mut(owner as usize)?.as_deref_mut());
        let (at, begins) = match self.flows.find(hint, key) {
            Some(at) => (at, false),
            None => {
                // An entry that was told as idle and goes on begins anew here.
                let resumed = before.packets != 0;
                let flow = Flow::new(detail, if resumed { last_seen } else { detail.first_seen });
                (self.flows.insert(key, flow, due(&flow, self.timeouts, 0)), true)
            }
        };
        let entry = self.flows.at(at);
        let mut detail = *detail;
        if before.packets != 0 {
            detail.first_seen = detail.first_seen.max(entry.flow.first_seen);
        }
        entry.flow.add(news, &detail, last_seen);
        // What goes on after a silence has not begun.
        entry.settled |= begins && before.packets != 0;
        // A record of less than was read takes the rest back; that is no news.
        if news.packets >> 63 == 0 {
            let first_flags = detail.tcp_flags_first;
            let (packets, bytes, syn) = (news.packets, news.bytes, u64::from(news.syn));
            note(key, &News { packets, bytes, syn, first_flags, begins });
        }
        if let Some(owned) = owned {
            owned.add(cpu, key, &self.names, count);
            if begins {
                owned.shapes_mut(key).begun += 1;
            }
            if begins || entry.window != self.window {
                entry.window = self.window;
                owned.note(key, &self.hasher);
            }
        }
        Some(at)
    }

    /// A flow has ended.
    fn ended(&mut self, key: &FlowKey, flow: &Flow) {
        let owner = self.owner_of(key.interface);
        if let Some(owned) = owner.and_then(|owner| self.owners[owner as usize].as_mut()) {
            owned.shapes_mut(key).end(flow);
        }
    }

    /// Tells what is due: idle flows, which end, and active ones, which go on. What it costs is what is due, and a comparison for each flow.
    pub fn tell(&mut self, now: u64, mut hear: impl FnMut(&FlowKey, &Flow, Cause)) {
        let timeouts = self.timeouts;
        let hasty = &mut self.hasty;
        let mut told = [0, 0];
        let (indices, owners) = (&self.indices, &mut self.owners);
        self.flows.due(now, |entry| {
            let (key, flow) = (&entry.key, &mut entry.flow);
            if now.saturating_sub(flow.last_seen) >= timeouts.idle {
                hear(key, flow, Cause::Idle);
                told[0] += 1;
                if !entry.settled {
                    hasty.leaves(key, flow, false, |_| true);
                }
                let owner = indices.binary_search_by_key(&key.interface, |(index, _)| *index);
                let owner = owner.ok().map(|at| indices[at].1 as usize);
                if let Some(owned) = owner.and_then(|owner| owners[owner].as_mut()) {
                    owned.shapes_mut(key).end(flow);
                }
                return None;
            }
            if now.saturating_sub(flow.told) >= timeouts.active {
                flow.told = now;
                hear(key, flow, Cause::Active);
                told[1] += 1;
            }
            Some(due(flow, timeouts, now))
        });
        for (cause, flows) in [Cause::Idle, Cause::Active].into_iter().zip(told) {
            if flows > 0 {
                *self.told.entry(cause).or_default() += flows;
            }
        }
    }

    /// How many flows were told, and why.
    #[must_use]
    pub fn told(&self, cause: Cause) -> u64 {
        self.told.get(&cause).copied().unwrap_or_default()
    }

    /// Flows that are not idle.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// No flow is live.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first `n` flows in the order of `sort`, ties by key.
    #[must_use]
    pub fn top(&self, n: usize, sort: Sort) -> Vec<(FlowKey, Flow)> {
        top(self.flows.iter(), n, sort)
    }
}

/// The first `n` of these flows in the order of `sort`, ties by key.
#[must_use]
pub fn top<'f>(
    flows: impl Iterator<Item = (&'f FlowKey, &'f Flow)>,
    n: usize,
    sort: Sort,
) -> Vec<(FlowKey, Flow)> {
    if n == 0 {
        return Vec::new();
    }
    let mut all: Vec<_> = flows.collect();
    let order = |a: &(&FlowKey, &Flow), b: &(&FlowKey, &Flow)| {
        sort.weight(b.1).cmp(&sort.weight(a.1)).then_with(|| a.0.cmp(b.0))
    };
    if n < all.len() {
        all.select_nth_unstable_by(n, order);
        all.truncate(n);
    }
    all.sort_unstable_by(order);
    all.into_iter().map(|(key, flow)| (*key, *flow)).collect()
}

/// When a flow is looked at next, unless it has packets before: to be told, or because it has settled.
fn due(flow: &Flow, timeouts: Timeouts, now: u64) -> u64 {
    let idle = flow.last_seen.saturating_add(timeouts.idle);
    let told = idle.min(flow.told.saturating_add(timeouts.active));
    if settles(flow) > now { told.min(settles(flow)) } else { told }
}

/// `a` is a later generation than `b`, in a 32-bit counter that may wrap.
fn is_later(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

#[cfg(test)]
mod tests;
