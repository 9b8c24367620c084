//! The ledger adds every packet of the table once, in whatever order it learns of slots and records.

use std::collections::{BTreeMap, BTreeSet};

use wireledger::flows::{Cause, Flow, Ledger, Sort, Timeouts};
use wireledger_common::{
    abi::{flow::EGRESS, totals::Count},
    table::{Sighting, read::Reading},
};

use super::{
    Frame,
    input::Input,
    probe::{self, CPUS, Counted, FLOWS, Probe, number},
    table,
};

/// Interface index, egress, CPU.
type Account = (u32, bool, u32);

/// The probe's table, the ledger, and what should be in it.
struct World {
    probe: Probe,
    ledger: Ledger,
    sums: BTreeMap<Account, Count>,
    /// By number, over all CPUs.
    flows: [Count; FLOWS],
    /// Flows that the ledger was allowed to forget.
    ended: [bool; FLOWS],
    /// A slot that was read and not taken in yet.
    held: Option<(u32, Reading)>,
    idle: u64,
}

/// `data` is a table, timeouts, then steps: packets, time, the halves of a sweep, drains, what is told.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let probe = Probe::new(&mut input);
    let jiffies = |n: u8| probe::moment(u64::from(n) + 1).nanoseconds;
    let timeouts = Timeouts { idle: jiffies(input.byte()), active: jiffies(input.byte()) };
    let mut world = World {
        ledger: Ledger::new(probe.slots() as usize, timeouts),
        probe,
        sums: BTreeMap::new(),
        flows: [Count::default(); FLOWS],
        ended: [false; FLOWS],
        held: None,
        idle: 0,
    };
    for n in 0..FLOWS {
        let interface = probe::key(n as u8).interface;
        world.ledger.assign(interface, interface);
    }
    while !input.is_empty() {
        match input.byte() {
            step @ 0..=159 => {
                world.packet(u32::from(step) % CPUS, input.byte() % FLOWS as u8, &mut input);
                continue;
            }
            160..=191 => world.probe.now += u64::from(input.byte()),
            192..=207 => world.hold(u32::from(input.byte())),
            208..=219 => world.take(),
            220..=231 => world.drain(1 + usize::from(input.byte() % 4)),
            232..=243 => world.sweep(),
            _ => world.tell(),
        }
        world.bounded();
    }
    world.sweep();
    world.exact();
    world.tell();
}

impl World {
    fn packet(&mut self, cpu: u32, flow: u8, input: &mut Input<'_>) {
        let (key, seen) = (probe::key(flow), probe::sighting(input));
        if self.probe.count(cpu, &key, &seen) == Counted::Overflow {
            return;
        }
        let Sighting { packets, bytes, .. } = seen;
        let account = (key.interface, key.kind & EGRESS != 0, cpu);
        let (packets, bytes) = (u64::from(packets), u64::from(bytes));
        self.sums.entry(account).or_default().add(packets, bytes);
        self.flows[usize::from(flow)].add(packets, bytes);
    }

    /// Reads a slot. A sweep goes slot by slot, so there is one at most.
    fn hold(&mut self, slot: u32) {
        self.take();
        let slot = slot % self.probe.slots();
        self.held = self.probe.reading(slot).map(|reading| (slot, reading));
    }

    /// Takes in what was read, which by now may be long gone.
    fn take(&mut self) {
        if let Some((slot, reading)) = self.held.take() {
            self.ledger.read_slot(
                self.probe.owner(slot),
                slot,
                &reading,
                &self.probe.moment(),
                &mut |_, _| {},
            );
        }
    }

    fn drain(&mut self, most: usize) {
        for _ in 0..most {
            let Some(record) = self.probe.ring.pop_front() else { return };
            self.ledger.read_record(&record, &self.probe.moment(), &mut |_, _| {});
            self.ended[number(&record.key)] = true;
        }
    }

    /// As the keeper does it: everything that was counted by now is in the ledger after it.
    fn sweep(&mut self) {
        self.take();
        self.drain(usize::MAX);
        for slot in 0..self.probe.slots() {
            self.hold(slot);
        }
        self.take();
        self.drain(usize::MAX);
    }

    fn tell(&mut self) {
        let now = self.probe.moment().nanoseconds;
        let (ended, idle, flows) = (&mut self.ended, &mut self.idle, &self.flows);
        self.ledger.tell(now, |key, flow, cause| {
            let most = flows[number(key)];
            assert!(flow.packets <= most.packets && flow.bytes <= most.bytes);
            if cause == Cause::Idle {
                ended[number(key)] = true;
                *idle += 1;
            }
        });
        assert_eq!(self.ledger.told(Cause::Idle), self.idle);
    }

    /// What the ledger has in flows, by account.
    fn counted(&self) -> BTreeMap<Account, Count> {
        let interfaces = (0..FLOWS).map(|n| probe::key(n as u8).interface);
        let mut counted = BTreeMap::new();
        for interface in interfaces.collect::<BTreeSet<_>>() {
            let owned = self.ledger.owned(interface).expect("assigned");
            for (egress, cpu) in
                [false, true].into_iter().flat_map(|way| (0..CPUS).map(move |cpu| (way, cpu)))
            {
                counted.insert((interface, egress, cpu), owned.in_flows(egress, cpu));
            }
        }
        counted.retain(|_, count| *count != Count::default());
        counted
    }

    /// Nothing twice.
    fn bounded(&self) {
        for (account, count) in self.counted() {
            let most = self.sums[&account];
            assert!(count.packets <= most.packets && count.bytes <= most.bytes, "counted twice");
        }
    }

    /// Everything once.
    fn exact(&self) {
        assert_eq!(self.counted(), self.sums);
        let flows = self.ledger.top(usize::MAX, Sort::Packets);
        assert_eq!(flows.len(), self.ledger.len());
        assert!(flows.is_sorted_by(|a, b| a.1.packets >= b.1.packets));
        let mut live = [Count::default(); FLOWS];
        for (key, flow) in &flows {
            let (n, Flow { packets, bytes, .. }) = (number(key), *flow);
            live[n] = Count { packets, bytes };
            assert!(packets <= self.flows[n].packets && bytes <= self.flows[n].bytes);
            assert!(flow.first_seen <= flow.last_seen && flow.length_min <= flow.length_max);
        }
        for n in (0..FLOWS).filter(|n| !self.ended[*n]) {
            assert_eq!(live[n], self.flows[n], "flow {n}, which nobody ended");
        }
    }
}

/// Tables of each size under a steady stream.
#[must_use]
pub fn seeds(_: &[Frame]) -> Vec<Vec<u8>> {
    (0..16_u8)
        .map(|n| [&[n, 8 * n, n, 1, n, 40, 4 * n, 255][..], &table::stream(n)].concat())
        .collect()
}
