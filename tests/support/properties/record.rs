//! Records of any content do not stop the collector: they are refused or taken in, and everything of them can be shown.

use wireledger::{
    flows::{Ledger, Sort, Timeouts},
    report::FlowLine,
};
use wireledger_common::abi::record::Record;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::{
    Frame,
    input::Input,
    probe::{self, Probe},
};

/// `data` is a table, packets in it, then what the ring holds, entry by entry.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let mut probe = Probe::new(&mut input);
    let timeouts = Timeouts { idle: 1 << 40, active: 1 << 30 };
    let mut ledger = Ledger::new(probe.slots() as usize, timeouts);
    for flow in 0..input.byte() % 16 {
        let seen = probe::sighting(&mut input);
        probe.count(0, &probe::key(flow % 8), &seen);
    }
    while !input.is_empty() {
        for slot in 0..probe.slots() {
            if let Some(reading) = probe.reading(slot) {
                ledger.read_slot(
                    probe.owner(slot),
                    slot,
                    &reading,
                    &probe.moment(),
                    &mut |_, _| {},
                );
            }
        }
        let entry = input.take(size_of::<Record>());
        if let Ok(record) = Record::read_from_bytes(entry) {
            ledger.read_record(&record, &probe.moment(), &mut |_, _| {});
        } else {
            assert_ne!(entry.len(), size_of::<Record>());
        }
    }
    show(&mut ledger, probe.moment().nanoseconds);
}

fn show(ledger: &mut Ledger, now: u64) {
    ledger.tell(now, |_, _, _| {});
    for sort in [Sort::Bytes, Sort::Packets, Sort::Age, Sort::Recent] {
        for (key, flow) in ledger.top(8, sort) {
            let line = FlowLine::new(&key, &flow, String::new(), (0.0, 0.0));
            assert!(!line.from().is_empty() && !line.to().is_empty());
        }
    }
}

/// Records as the probe writes them, of slots that are there and of one that is not.
#[must_use]
pub fn seeds(_: &[Frame]) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for n in 0..8_u8 {
        let mut record = Record::new_zeroed();
        record.key = probe::key(n);
        (record.packets, record.bytes) = (u64::from(n), 60 * u64::from(n));
        record.entry.slot = u32::from(n);
        record.entry.generation = 2;
        let table = [0, 0, 1, 0, 8, 9, n];
        let packets = [[n, 60, 0]; 8].concat();
        seeds.push([&table[..], &packets[..usize::from(n) * 3], record.as_bytes()].concat());
    }
    seeds
}
