//! Flows that leave before they have settled, and before the flow of the other direction has.

use super::*;

/// A question and its answer, of one packet each, and what is shown of them.
struct Exchange {
    ledger: Ledger,
    buckets: [Bucket; 2],
}

impl Exchange {
    fn new(slots: usize) -> Self {
        let timeouts = Timeouts { idle: 100 * SETTLING, active: u64::MAX };
        let mut exchange = Self { ledger: ledger(slots, timeouts), buckets: Default::default() };
        assert_eq!(exchange.shown(0), []);
        exchange
    }

    fn keys() -> [FlowKey; 2] {
        let asked = FlowKey { source_port: 1, destination_port: 2, ..key(1) };
        [asked, swapped(&asked).expect("the other direction")]
    }

    fn begins(&mut self, which: usize, now: u64) {
        put(&mut self.buckets[which], &Self::keys()[which], &packet(60), now);
        let found = reading(&self.buckets[which]).expect("was put");
        self.ledger.read_slot(0, which as u32, &found, &at(now), &mut |_, _| {});
    }

    fn leaves(&mut self, which: usize, now: u64) {
        let record = record(&self.buckets[which]);
        let slot = which as u32;
        let record = Record { entry: Entry { slot, ..record.entry }, ..record };
        self.ledger.read_record(&record, &at(now), &mut |_, _| {});
    }

    /// When each began, and whether its answer was there.
    fn shown(&mut self, now: u64) -> Vec<(u64, bool)> {
        let mut seen = Vec::new();
        self.ledger.settle(now, swapped, |it| {
            assert!(!it.forgot);
            seen.push((it.flow.first_seen, it.answer.is_some()));
        });
        seen
    }
}

fn swapped(key: &FlowKey) -> Option<FlowKey> {
    let (source_port, destination_port) = (key.destination_port, key.source_port);
    Some(FlowKey { source_port, destination_port, ..*key })
}

#[test]
fn an_answer_that_left_before_its_question_settled_is_an_answer() {
    let second = SETTLING / 2;
    let mut exchange = Exchange::new(2);
    exchange.begins(0, 5);
    exchange.begins(1, 6);
    exchange.leaves(1, second);
    assert_eq!(exchange.shown(second), [(6, true)]);
    assert_eq!(exchange.shown(3 * second), [(5, true)]);
}

#[test]
fn a_question_that_left_before_its_answer_is_no_stranger_to_it() {
    let second = SETTLING / 2;
    let mut exchange = Exchange::new(2);
    exchange.begins(0, 5);
    exchange.begins(1, 6);
    exchange.leaves(0, second);
    assert_eq!(exchange.shown(second), [(5, true)]);
    exchange.leaves(1, second + 5);
    assert_eq!(exchange.shown(2 * second), [(6, true)]);
    // Also where it had settled before it left.
    let mut exchange = Exchange::new(2);
    exchange.begins(0, 5);
    exchange.begins(1, second);
    assert_eq!(exchange.shown(SETTLING + 5), [(5, true)]);
    exchange.leaves(0, SETTLING + 10);
    assert_eq!(exchange.shown(2 * SETTLING), [(second, true)]);
}

#[test]
fn who_leaves_at_once_is_shown_in_the_order_in_which_it_began() {
    for order in [[0, 1], [1, 0]] {
        let mut exchange = Exchange::new(2);
        exchange.begins(0, 5);
        exchange.begins(1, 6);
        order.into_iter().for_each(|which| exchange.leaves(which, SETTLING / 2));
        assert_eq!(exchange.shown(SETTLING / 2), [(5, true), (6, true)]);
        // Nothing is kept of it.
        exchange.begins(0, SETTLING);
        assert_eq!(exchange.shown(3 * SETTLING), [(SETTLING, false)]);
    }
}

#[test]
fn what_is_shown_in_time_is_not_lost_however_much_leaves() {
    let mut ledger = ledger(1, Timeouts { idle: 100 * SETTLING, active: u64::MAX });
    ledger.settle(0, swapped, |_| {});
    let mut shown = 0;
    for n in 0..200_000_u32 {
        let mut bucket = Bucket::default();
        let key = FlowKey { interface: n, source_port: 1, ..FlowKey::default() };
        put(&mut bucket, &key, &packet(60), 5);
        let record = record(&bucket);
        let entry = Entry { generation: record.entry.generation + n, ..record.entry };
        ledger.read_record(&Record { entry, ..record }, &at(5), &mut |_, _| {});
        if ledger.is_crowded() {
            ledger.settle(6, swapped, |_| shown += 1);
        }
    }
    ledger.settle(7, swapped, |_| shown += 1);
    assert_eq!((shown, ledger.unsettled()), (200_000, 0));
}

#[test]
fn answers_that_are_forgotten_are_told_to_be() {
    const MANY: u32 = 60_000;
    const REMEMBERED: u32 = 57_344;
    let mut ledger = ledger(2 * MANY as usize, Timeouts { idle: 100 * SETTLING, active: u64::MAX });
    ledger.settle(0, swapped, |_| {});
    let mut buckets = Vec::new();
    for n in 0..MANY {
        let asked = FlowKey { interface: n, source_port: 1, ..FlowKey::default() };
        let answer = swapped(&asked).expect("the other direction");
        for (slot, key, now) in [(2 * n, asked, 5), (2 * n + 1, answer, 6)] {
            let mut bucket = Bucket::default();
            put(&mut bucket, &key, &packet(60), now);
            let found = reading(&bucket).expect("was put");
            ledger.read_slot(0, slot, &found, &at(now), &mut |_, _| {});
            buckets.push(bucket);
        }
    }
    let mut shown = 0;
    for n in 0..MANY {
        let record = record(&buckets[2 * n as usize + 1]);
        let entry = Entry { slot: 2 * n + 1, ..record.entry };
        ledger.read_record(&Record { entry, ..record }, &at(SETTLING / 2), &mut |_, _| {});
        if ledger.is_crowded() {
            ledger.settle(SETTLING / 2, swapped, |it| shown += u32::from(it.answer.is_some()));
        }
    }
    ledger.settle(SETTLING / 2, swapped, |it| shown += u32::from(it.answer.is_some()));
    assert_eq!(shown, MANY);
    let (mut known, mut forgotten) = (0, 0);
    ledger.settle(SETTLING + 5, swapped, |it| match it.answer {
        Some(_) => known += 1,
        None => forgotten += u32::from(it.forgot),
    });
    assert_eq!((known, forgotten), (REMEMBERED, MANY - REMEMBERED));
    assert_eq!(ledger.unsettled(), 0);
}
