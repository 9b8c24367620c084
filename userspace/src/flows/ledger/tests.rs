//! The protocol between a slot's writer and the ledger, over the very code both run.

mod settling;

use wireledger_common::{
    abi::record::Entry,
    table::{
        Bucket, Now, Sighting,
        read::{self, Mark, News},
        set::{self, Newcomer},
    },
};

use super::*;

const TIMEOUTS: Timeouts = Timeouts { idle: 100, active: 1000 };

fn key(n: u8) -> FlowKey {
    FlowKey { source: [n; 16], protocol: 17, interface: 2, ..FlowKey::default() }
}

/// A ledger that knows whose the interface of [`key`] is.
fn ledger(slots: usize, timeouts: Timeouts) -> Ledger {
    let mut ledger = Ledger::new(slots, timeouts);
    ledger.assign(key(0).interface, 0);
    ledger
}

/// A tick of one nanosecond, so that both clocks say the same.
fn at(now: u64) -> Moment {
    Moment { jiffies: now, nanoseconds: now, tick: 1 }
}

fn put(bucket: &mut Bucket, key: &FlowKey, seen: &Sighting, now: u64) {
    let newcomer = Newcomer { tag: 1, key, seen, now: Now::jiffies(now), nanoseconds: now };
    set::replace(bucket, 0, &newcomer);
}

fn packet(bytes: u32) -> Sighting {
    Sighting {
        packets: 1,
        bytes,
        length_min: bytes,
        length_max: bytes,
        ttl: 64,
        ..Sighting::default()
    }
}

fn reading(bucket: &Bucket) -> Option<Reading> {
    read::quiet(bucket, 0)
}

/// What the probe writes to the ring before it takes a slot away.
fn record(bucket: &Bucket) -> Record {
    let slot = &bucket.slots[0];
    Record {
        key: slot.key,
        packets: slot.packets,
        bytes: slot.bytes,
        detail: slot.detail,
        entry: Entry { slot: 0, generation: bucket.generations[0], cpu: 0, reserved: 0 },
    }
}

fn sum(ledger: &Ledger) -> (u64, u64) {
    let owned = ledger.owned(0).expect("assigned");
    let counts = (0..2).flat_map(|cpu| [false, true].map(|egress| owned.in_flows(egress, cpu)));
    counts.fold((0, 0), |sum, count| (sum.0 + count.packets, sum.1 + count.bytes))
}

/// The kernel's side, one visible store at a time.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Time goes on.
    Time(u64),
    /// The clock is read for the packet that comes.
    Clock,
    Count(u32),
    /// The halves of [`Step::Count`], in whichever order a compiler puts them.
    Stamp,
    Add(u32),
    Record,
    Open,
    Fill(u8, u32),
    Close,
}

/// Userspace's side.
#[derive(Clone, Copy, Debug)]
enum Look {
    Ring,
    /// Half of a sweep: the slot is read …
    Read,
    /// … and taken in, maybe much later.
    Take,
}

#[derive(Clone)]
struct World {
    bucket: Bucket,
    ring: Vec<Record>,
    opened: u32,
    read: Option<Reading>,
    mark: Mark,
    drained: usize,
    looks: Vec<Look>,
    now: u64,
    /// The clock as the writer read it.
    stamp: u64,
}

/// Ticks that a writer may take, one less than which it takes below.
const TICKS: u32 = 2;

fn step(world: &mut World, step: Step) {
    let now = Now::jiffies(world.stamp);
    match step {
        Step::Time(ticks) => world.now += ticks,
        Step::Clock => world.stamp = world.now,
        Step::Count(bytes) => drop(set::count(&mut world.bucket, 0, &packet(bytes), now)),
        Step::Stamp => world.bucket.last_seen[0] = now.ticks,
        Step::Add(bytes) => world.bucket.slots[0].count(&packet(bytes), now.stamp),
        Step::Record => world.ring.push(record(&world.bucket)),
        Step::Open => world.opened = set::open(&mut world.bucket, 0),
        Step::Fill(flow, bytes) => {
            let (key, seen) = (key(flow), packet(bytes));
            let nanoseconds = world.stamp;
            let newcomer = Newcomer { tag: 1, key: &key, seen: &seen, now, nanoseconds };
            set::fill(&mut world.bucket, 0, &newcomer);
        }
        Step::Close => set::close(&mut world.bucket, 0, world.opened),
    }
}

/// Every way to interleave `steps` with `looks`, played on a fresh ledger each; returns how many there were.
fn interleave(steps: &[Step], looks: &[Look], expect: (u64, u64)) -> usize {
    fn play(order: &[bool], steps: &[Step], looks: &[Look], expect: (u64, u64)) {
        let mut world = World {
            bucket: Bucket::default(),
            ring: Vec::new(),
            opened: 0,
            read: None,
            mark: Mark::default(),
            drained: 0,
            looks: looks.to_vec(),
            now: 7,
            stamp: 7,
        };
        let mut ledger = ledger(1, TIMEOUTS);
        let (mut s, mut l) = (0, 0);
        let look = |world: &mut World, ledger: &mut Ledger, look: Look| match look {
            Look::Ring => {
                for record in &world.ring[world.drained..] {
                    ledger.read_record(record, &at(world.now), &mut |_, _| {});
                }
                world.drained = world.ring.len();
            }
            Look::Read => {
                let (bucket, now) = (&world.bucket, world.now as u32);
                if let News::Slot(reading) =
                    read::quiet_news(bucket, 0, &mut world.mark, now, TICKS)
                {
                    world.read = Some(reading);
                }
            }
            Look::Take => {
                if let Some(reading) = world.read.take() {
                    ledger.read_slot(0, 0, &reading, &at(world.now), &mut |_, _| {});
                }
            }
        };
        let mut before = (0, 0);
        for &kernel in order {
            if kernel {
                step(&mut world, steps[s]);
                s += 1;
            } else {
                let what = world.looks[l];
                look(&mut world, &mut ledger, what);
                l += 1;
            }
            let now = sum(&ledger);
            assert!(now.0 >= before.0 && now.1 >= before.1, "went backwards: {order:?}");
            assert!(now.0 <= expect.0 && now.1 <= expect.1, "counted twice: {order:?}");
            before = now;
        }
        // Quiesced: one more round of everything.
        for last in [Look::Take, Look::Ring, Look::Read, Look::Take, Look::Ring] {
            look(&mut world, &mut ledger, last);
        }
        assert_eq!(sum(&ledger), expect, "{order:?}");
        assert!(ledger.pending.is_empty(), "{order:?}");
    }
    fn walk(
        order: &mut Vec<bool>,
        left: (usize, usize),
        steps: &[Step],
        looks: &[Look],
        expect: (u64, u64),
    ) -> usize {
        if left == (0, 0) {
            play(order, steps, looks, expect);
            return 1;
        }
        let mut plays = 0;
        for (kernel, rest) in [
            (true, left.0.checked_sub(1).map(|n| (n, left.1))),
            (false, left.1.checked_sub(1).map(|n| (left.0, n))),
        ] {
            if let Some(rest) = rest {
                order.push(kernel);
                plays += walk(order, rest, steps, looks, expect);
                order.pop();
            }
        }
        plays
    }
    walk(&mut Vec::new(), (steps.len(), looks.len()), steps, looks, expect)
}

/// One flow evicted for another, and that one for a third, with a sweep and a drain at every possible moment.
#[test]
fn every_packet_is_added_once_whatever_the_interleaving() {
    use Look::{Read, Ring, Take};
    use Step::{Close, Count, Fill, Open, Record};
    let steps = [
        Open,
        Fill(1, 100),
        Close,
        Count(10),
        Record,
        Open,
        Fill(2, 200),
        Close,
        Count(20),
        Record,
        Open,
        Fill(1, 300),
        Close,
        Count(30),
    ];
    let expect = (6, 660);
    let mut plays = 0;
    for looks in [
        vec![Ring, Read, Take, Ring, Read, Take],
        vec![Read, Take, Read, Take, Read, Take],
        vec![Read, Ring, Take, Read, Ring, Take],
        vec![Read, Take, Ring, Read, Ring, Take],
    ] {
        plays += interleave(&steps, &looks, expect);
    }
    assert_eq!(plays, 4 * 38_760, "20 choose 6 orders each");
}

/// Packets far enough apart that slots are skipped, each stored a tick after its clock was read, between an eviction's steps as well.
#[test]
fn every_packet_is_added_once_by_sweeps_that_skip() {
    use Look::{Read, Ring, Take};
    use Step::{Add, Clock, Close, Fill, Open, Record, Stamp, Time};
    for [first, second] in [[Stamp, Add(10)], [Add(10), Stamp]] {
        let steps = [
            Clock,
            Open,
            Fill(1, 100),
            Close,
            Time(3),
            Clock,
            Time(1),
            first,
            second,
            Time(3),
            Clock,
            Record,
            Time(1),
            Open,
            Fill(2, 200),
            Close,
            Time(3),
            Clock,
            first,
            Time(1),
            second,
        ];
        for looks in [
            vec![Ring, Read, Take, Read, Take],
            vec![Read, Take, Read, Take, Read, Take],
            vec![Read, Ring, Take, Read, Take],
        ] {
            assert!(interleave(&steps, &looks, (4, 320)) >= 65_780, "26 choose 5 orders");
        }
    }
}

#[test]
fn a_packet_that_is_later_than_the_margin_waits_for_the_next_or_for_a_sweep_of_everything() {
    let mut ledger = ledger(1, TIMEOUTS);
    let (mut bucket, mut mark) = (Bucket::default(), Mark::default());
    let mut sweep = |bucket: &Bucket, mark: &mut Mark, now: u64| {
        if let News::Slot(reading) = read::quiet_news(bucket, 0, mark, now as u32, TICKS) {
            ledger.read_slot(0, 0, &reading, &at(now), &mut |_, _| {});
        }
        sum(&ledger).0
    };
    put(&mut bucket, &key(1), &packet(60), 5);
    assert_eq!(sweep(&bucket, &mut mark, 10), 1);
    // Its CPU was stopped from the fifth tick on.
    set::count(&mut bucket, 0, &packet(60), Now::jiffies(5));
    assert_eq!(sweep(&bucket, &mut mark, 11), 1);
    assert_eq!(sweep(&bucket, &mut Mark::default(), 12), 2);
    set::count(&mut bucket, 0, &packet(60), Now::jiffies(13));
    assert_eq!(sweep(&bucket, &mut mark, 14), 3);
}

#[test]
fn a_flow_on_two_cpus_is_one_flow_and_two_accounts() {
    let mut ledger = ledger(2, TIMEOUTS);
    let mut bucket = Bucket::default();
    put(&mut bucket, &key(1), &packet(60), 5);
    let reading = reading(&bucket).expect("written");
    ledger.read_slot(0, 0, &reading, &at(6), &mut |_, _| {});
    ledger.read_slot(1, 1, &reading, &at(6), &mut |_, _| {});
    assert_eq!(ledger.len(), 1);
    let owned = ledger.owned(0).expect("assigned");
    assert_eq!([0, 1].map(|cpu| owned.in_flows(false, cpu).packets), [1, 1]);
    assert_eq!(ledger.top(9, Sort::Bytes)[0].1.packets, 2);
}

#[test]
fn an_idle_flow_is_told_once_and_begins_anew_when_it_goes_on() {
    let mut ledger = ledger(1, TIMEOUTS);
    let mut bucket = Bucket::default();
    put(&mut bucket, &key(1), &packet(60), 1000);
    ledger.read_slot(0, 0, &reading(&bucket).expect("written"), &at(1000), &mut |_, _| {});
    let mut told = Vec::new();
    for now in [1050, 1100, 1200] {
        ledger.read_slot(0, 0, &reading(&bucket).expect("written"), &at(now), &mut |_, _| {});
        ledger.tell(now, |_, flow, cause| told.push((now, flow.packets, cause)));
    }
    assert_eq!(told, [(1100, 1, Cause::Idle)]);
    assert!(ledger.is_empty());
    set::count(&mut bucket, 0, &packet(99), Now::jiffies(1300));
    ledger.read_slot(0, 0, &reading(&bucket).expect("written"), &at(1301), &mut |_, _| {});
    let (_, flow) = ledger.top(1, Sort::Recent)[0];
    assert_eq!((flow.packets, flow.bytes, flow.first_seen), (1, 99, 1300));
    assert_eq!(sum(&ledger), (2, 159));
}

#[test]
fn a_long_flow_is_told_again_and_again() {
    let mut ledger = ledger(1, Timeouts { idle: 10_000, active: 1000 });
    let mut bucket = Bucket::default();
    put(&mut bucket, &key(1), &packet(60), 0);
    let mut told = Vec::new();
    for now in (0..3500u64).step_by(500) {
        set::count(&mut bucket, 0, &packet(60), Now::jiffies(now));
        ledger.read_slot(0, 0, &reading(&bucket).expect("written"), &at(now), &mut |_, _| {});
        ledger.tell(now, |_, _, cause| told.push((now, cause)));
    }
    let active = [1000, 2000, 3000].map(|now| (now, Cause::Active));
    assert_eq!(told, active);
    assert_eq!(ledger.told(Cause::Active), 3);
}

#[test]
fn an_evicted_flow_leaves_its_sum_and_frees_its_memory() {
    let mut ledger = ledger(1, TIMEOUTS);
    let mut bucket = Bucket::default();
    put(&mut bucket, &key(1), &packet(60), 5);
    ledger.read_record(&record(&bucket), &at(6), &mut |_, _| {});
    assert!(ledger.is_empty());
    assert_eq!(sum(&ledger), (1, 60));
    assert_eq!(ledger.told(Cause::Evicted), 1);
}

#[test]
fn top_is_sorted_and_cut() {
    let mut ledger = ledger(8, TIMEOUTS);
    for n in 0..8u8 {
        let mut bucket = Bucket::default();
        put(&mut bucket, &key(n), &packet(100 + u32::from(n)), u64::from(n));
        ledger.read_slot(
            0,
            u32::from(n),
            &reading(&bucket).expect("written"),
            &at(9),
            &mut |_, _| {},
        );
    }
    let bytes = |sort| ledger.top(3, sort).iter().map(|(_, f)| f.bytes).collect::<Vec<_>>();
    assert_eq!(bytes(Sort::Bytes), [107, 106, 105]);
    assert_eq!(bytes(Sort::Age), [100, 101, 102]);
    assert_eq!(bytes(Sort::Recent), [107, 106, 105]);
    assert_eq!(ledger.top(99, Sort::Packets).len(), 8);
}

#[test]
fn times_are_told_from_jiffies_before_and_after_now() {
    let jiffies = (5 << 32) + 10;
    let now = Moment { jiffies, nanoseconds: 1_000_000_000, tick: 4_000_000 };
    assert_eq!(now.of(jiffies - 20), 920_000_000);
    assert_eq!(now.of(jiffies + 3), 1_012_000_000);
}

#[test]
fn the_first_packet_s_flags_are_those_of_the_cpu_that_was_first() {
    let flags = |flags| Sighting { tcp_flags: flags, ..packet(60) };
    let mut ledger = ledger(2, TIMEOUTS);
    for (slot, (tcp_flags, nanoseconds)) in [(0x10, 1001), (0x02, 1000)].into_iter().enumerate() {
        let mut bucket = Bucket::default();
        let (key, seen) = (key(1), flags(tcp_flags));
        let now = Now::jiffies(5);
        let newcomer = Newcomer { tag: 1, key: &key, seen: &seen, now, nanoseconds };
        set::replace(&mut bucket, 0, &newcomer);
        let reading = reading(&bucket).expect("written");
        ledger.read_slot(slot as u32, slot as u32, &reading, &at(6), &mut |_, _| {});
    }
    let (_, flow) = ledger.top(1, Sort::Bytes)[0];
    assert_eq!((flow.first_seen, flow.tcp_flags_first, flow.tcp_flags), (1000, 0x02, 0x12));
}

/// News of one flow of an interface.
fn send(ledger: &mut Ledger, slot: u32, interface: u32, bytes: u32) {
    let mut bucket = Bucket::default();
    let key = FlowKey { interface, ..key(1) };
    put(&mut bucket, &key, &packet(bytes), 5);
    ledger.read_slot(0, slot, &reading(&bucket).expect("written"), &at(6), &mut |_, _| {});
}

#[test]
fn what_is_new_belongs_to_whoever_has_the_index() {
    let mut ledger = ledger(8, TIMEOUTS);
    let in_flows =
        |ledger: &Ledger, owner| ledger.owned(owner).map(|owned| owned.in_flows(false, 0).bytes);
    ledger.assign(2, 0);
    send(&mut ledger, 0, 2, 100);
    // Renamed, and another has come under the first name.
    ledger.assign(2, 1);
    ledger.assign(7, 0);
    send(&mut ledger, 1, 2, 10);
    send(&mut ledger, 2, 7, 1);
    assert_eq!([0, 1, 2].map(|owner| in_flows(&ledger, owner)), [Some(101), Some(10), None]);
    assert_eq!((ledger.owner_of(2), ledger.owner_of(3)), (Some(1), None));
    ledger.forget(1);
    send(&mut ledger, 3, 2, 1000);
    assert_eq!([0, 1].map(|owner| in_flows(&ledger, owner)), [Some(101), None]);
    ledger.assign(2, 1);
    assert_eq!(in_flows(&ledger, 1), Some(0), "another name's: begins at nothing");
}

#[test]
fn flows_that_begin_and_end_have_shapes_and_are_counted_apart() {
    let mut ledger = ledger(8, TIMEOUTS);
    ledger.assign(2, 0);
    ledger.tick(1);
    for n in 0..4 {
        let mut bucket = Bucket::default();
        put(&mut bucket, &key(n), &packet(60), 1000);
        ledger.read_slot(
            0,
            n.into(),
            &reading(&bucket).expect("written"),
            &at(1000),
            &mut |_, _| {},
        );
    }
    let mut bucket = Bucket::default();
    put(&mut bucket, &key(3), &packet(60), 1000);
    set::count(&mut bucket, 0, &packet(60), Now::jiffies(1050));
    let mut record = record(&bucket);
    record.entry.slot = 3;
    ledger.read_record(&record, &at(1060), &mut |_, _| {});
    ledger.tell(1100, |_, _, _| {});
    let owned = ledger.owned(0).expect("assigned");
    let shapes = owned.shapes(false);
    assert_eq!((shapes.begun, shapes.packets.steps.iter().sum::<u64>()), (4, 4));
    assert_eq!((&shapes.packets.steps[..2], shapes.packets.sum), (&[3, 1][..], 5));
    assert_eq!((shapes.bytes.sum, shapes.life.sum), (300, 50));
    assert_eq!((owned.distinct(false).flows, owned.distinct(false).destinations), (4, 1));
    assert_eq!(owned.shapes(true).begun, 0);
}

#[test]
fn a_flow_is_shown_once_when_it_has_settled_with_its_answer() {
    let timeouts = Timeouts { idle: 10 * SETTLING, active: u64::MAX };
    let mut ledger = ledger(2, timeouts);
    let asked = FlowKey { source_port: 1, destination_port: 2, ..key(1) };
    let answer = FlowKey { source_port: 2, destination_port: 1, ..key(1) };
    let swap = |key: &FlowKey| {
        let (source_port, destination_port) = (key.destination_port, key.source_port);
        Some(FlowKey { source_port, destination_port, ..*key })
    };
    for (slot, (key, now)) in [(asked, 5), (answer, 6)].iter().enumerate() {
        let mut bucket = Bucket::default();
        put(&mut bucket, key, &packet(60), *now);
        let found = reading(&bucket).expect("was put");
        ledger.read_slot(0, slot as u32, &found, &at(*now), &mut |_, _| {});
    }
    let shown = |ledger: &mut Ledger, now| {
        let mut seen = Vec::new();
        ledger.settle(now, swap, |it| seen.push((*it.key, it.answer.is_some())));
        ledger.tell(now, |_, _, _| {});
        seen
    };
    // Deadlines are whole steps, rounded down.
    assert_eq!(shown(&mut ledger, SETTLING), []);
    assert_eq!(shown(&mut ledger, SETTLING + 5), [(asked, true)]);
    assert_eq!(shown(&mut ledger, 2 * SETTLING), [(answer, true)]);
    assert_eq!(shown(&mut ledger, 3 * SETTLING), []);
}

#[test]
fn a_flow_that_left_before_it_settled_is_shown_and_one_that_goes_on_is_not() {
    let timeouts = Timeouts { idle: SETTLING, active: u64::MAX };
    let mut ledger = ledger(1, timeouts);
    let mut bucket = Bucket::default();
    ledger.settle(0, |_| None, |_| {});
    put(&mut bucket, &key(1), &packet(60), 5);
    ledger.read_record(&record(&bucket), &at(5), &mut |_, _| {});
    let count = |ledger: &mut Ledger, now| {
        let mut seen = 0;
        ledger.settle(now, |_| None, |it| seen += usize::from(it.answer.is_none()));
        ledger.tell(now, |_, _, _| {});
        seen
    };
    assert_eq!(count(&mut ledger, 6), 1);
    put(&mut bucket, &key(2), &packet(60), 10);
    ledger.read_slot(0, 0, &reading(&bucket).expect("was put"), &at(10), &mut |_, _| {});
    assert_eq!(count(&mut ledger, 10 + SETTLING), 1);
    assert_eq!(ledger.len(), 0, "idle");
    let _ = set::count(&mut bucket, 0, &packet(60), Now::jiffies(5 * SETTLING));
    ledger.read_slot(0, 0, &reading(&bucket).expect("goes on"), &at(5 * SETTLING), &mut |_, _| {});
    assert_eq!(ledger.len(), 1);
    assert_eq!(count(&mut ledger, 6 * SETTLING), 0);
}
