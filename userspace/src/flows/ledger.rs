//! Every packet of the flow table added exactly once, whatever the interleaving of sweeps, evictions and records.
//!
//! The kernel's word for a packet comes twice: in a slot's totals, which a sweep reads at any time, and, once the slot is
//! taken away, in a record with its final totals. The ledger keeps what it last saw of each slot and generation and adds
//! differences. What makes this exact: a record is in the ring before its slot shows another generation, records of one
//! slot come in order, and totals of one generation only grow.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use wireledger_common::{
    abi::{
        flow::{Detail, EGRESS, FlowKey},
        record::Record,
        totals::Count,
    },
    table::read::Reading,
};

use super::flow::{Cause, Flow, Progress, Sort};

/// Whose sum: interface index, direction, CPU.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AccountId {
    /// Interface index.
    pub interface: u32,
    /// Egress rather than ingress.
    pub egress: bool,
    /// CPU that counted.
    pub cpu: u32,
}

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
}

/// The flows, and the sums that the ledger's equation needs.
pub struct Ledger {
    slots: Vec<Seen>,
    /// Generations a sweep saw, whose slot shows a later one by now, and whose record is still to come.
    pending: HashMap<(u32, u32), Progress>,
    flows: HashMap<FlowKey, Flow>,
    sums: BTreeMap<AccountId, Count>,
    timeouts: Timeouts,
    told: BTreeMap<Cause, u64>,
}

impl Ledger {
    /// An empty ledger for a table of `slots` slots.
    #[must_use]
    pub fn new(slots: usize, timeouts: Timeouts) -> Self {
        Self {
            slots: vec![Seen::default(); slots],
            pending: HashMap::new(),
            flows: HashMap::new(),
            sums: BTreeMap::new(),
            timeouts,
            told: BTreeMap::new(),
        }
    }

    /// From here on flows are told by these.
    pub const fn set_timeouts(&mut self, timeouts: Timeouts) {
        self.timeouts = timeouts;
    }

    /// Takes in a slot that a sweep read.
    pub fn read_slot(&mut self, cpu: u32, slot: u32, reading: &Reading, now: &Moment) {
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
        let last_seen = now.of(reading.slot.detail.last_seen).max(reading.slot.detail.first_seen);
        self.add(cpu, &reading.slot.key, progress, before, &reading.slot.detail, last_seen);
    }

    /// Takes in the record of an ended entry; `false` when the table has no such slot.
    pub fn read_record(&mut self, record: &Record, now: &Moment) -> bool {
        let Some(seen) = self.slots.get_mut(record.entry.slot as usize) else { return false };
        let before = if seen.generation == record.entry.generation {
            seen.generation = 0;
            std::mem::take(&mut seen.progress)
        } else {
            self.pending.remove(&(record.entry.slot, record.entry.generation)).unwrap_or_default()
        };
        seen.ended = record.entry.generation;
        // A tick is coarser than the time of the first packet.
        let last_seen = now.of(record.detail.last_seen).max(record.detail.first_seen);
        self.add(record.entry.cpu, &record.key, record.into(), before, &record.detail, last_seen);
        // Unless the flow has come back meanwhile.
        let over = |flow: &Flow| flow.last_seen <= last_seen;
        if self.flows.get(&record.key).is_some_and(over) {
            self.flows.remove(&record.key);
            *self.told.entry(Cause::Evicted).or_default() += 1;
        }
        true
    }

    fn add(
        &mut self,
        cpu: u32,
        key: &FlowKey,
        progress: Progress,
        before: Progress,
        detail: &Detail,
        last_seen: u64,
    ) {
        let news = progress.since(before);
        if news.packets == 0 && news.bytes == 0 {
            return;
        }
        let account = AccountId { interface: key.interface, egress: key.kind & EGRESS != 0, cpu };
        self.sums.entry(account).or_default().add(news.packets, news.bytes);
        let flow = self.flows.entry(*key).or_insert_with(|| {
            // An entry that was told as idle and goes on begins anew here.
            let resumed = before.packets != 0;
            Flow::new(detail, if resumed { last_seen } else { detail.first_seen })
        });
        let mut detail = *detail;
        if before.packets != 0 {
            detail.first_seen = detail.first_seen.max(flow.first_seen);
        }
        flow.add(news, &detail, last_seen);
    }

    /// Tells what is due: idle flows, which end, and active ones, which go on.
    pub fn tell(&mut self, now: u64, mut hear: impl FnMut(&FlowKey, &Flow, Cause)) {
        let Timeouts { idle, active } = self.timeouts;
        let told = &mut self.told;
        self.flows.retain(|key, flow| {
            if now.saturating_sub(flow.last_seen) >= idle {
                hear(key, flow, Cause::Idle);
                *told.entry(Cause::Idle).or_default() += 1;
                return false;
            }
            if now.saturating_sub(flow.told) >= active {
                flow.told = now;
                hear(key, flow, Cause::Active);
                *told.entry(Cause::Active).or_default() += 1;
            }
            true
        });
    }

    /// How many flows were told, and why.
    #[must_use]
    pub fn told(&self, cause: Cause) -> u64 {
        self.told.get(&cause).copied().unwrap_or_default()
    }

    /// Everything that was ever counted in flows, by account.
    #[must_use]
    pub fn sums(&self) -> &BTreeMap<AccountId, Count> {
        &self.sums
    }

    /// Flows that are not idle.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// No flow is live.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// The first `n` flows in the order of `sort`, ties by key.
    #[must_use]
    pub fn top(&self, n: usize, sort: Sort) -> Vec<(FlowKey, Flow)> {
        top(&self.flows, n, sort)
    }
}

/// The first `n` of these flows in the order of `sort`, ties by key.
#[must_use]
pub fn top(flows: &HashMap<FlowKey, Flow>, n: usize, sort: Sort) -> Vec<(FlowKey, Flow)> {
    let mut all: Vec<_> = flows.iter().collect();
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

/// `a` is a later generation than `b`, in a 32-bit counter that may wrap.
fn is_later(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

#[cfg(test)]
mod tests;
