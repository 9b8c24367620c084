//! Parties as they are shown: what is not alike inside is not alike outside.

use std::collections::HashMap;

use wireledger_common::abi::{
    flow::{EGRESS, IPV6, VLAN_PRESENT},
    record::{Entry, Record},
};

use super::*;
use crate::flows::{Ledger, Moment, Timeouts, talkers::Sizes};

/// Keys of every protocol number, with and without ports, tags, tunnels and fragments, in both families and directions.
fn keys() -> Vec<FlowKey> {
    let mut keys = Vec::new();
    for protocol in 0..=255_u8 {
        let ports = [6, 17, 132, 33, 136, 1, 58].contains(&protocol);
        for kind in (0..8).chain([8, 16, 24, 32, 40]) {
            for (vlans, port) in [([0; 3], 0), ([VLAN_PRESENT | 7, 0, 9], 0), ([0; 3], 443)] {
                let tunnel = kind >= 8;
                let whole = kind & FRAGMENT == 0;
                let vlans = if tunnel { vlans } else { [vlans[0], 0, 0] };
                let port = if ports && whole { port } else { 0 };
                let mut key = FlowKey { protocol, kind, vlans, ..FlowKey::default() };
                (key.source, key.destination) = ([1; 16], [2; 16]);
                (key.source_port, key.destination_port, key.interface) = (port, 22 * port, 3);
                if kind & IPV6 == 0 {
                    key.source[4..].fill(0);
                    key.destination[4..].fill(0);
                }
                keys.push(key);
            }
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn record(key: &FlowKey, slot: u32) -> Record {
    Record {
        key: *key,
        packets: 1,
        bytes: 100,
        detail: Default::default(),
        entry: Entry { slot, generation: 2, cpu: 0, reserved: 0 },
    }
}

#[test]
fn no_two_parties_of_a_table_look_alike() {
    let keys = keys();
    let now = Moment { jiffies: 1, nanoseconds: 1, tick: 1 };
    let timeouts = Timeouts { idle: 1000, active: 1000 };
    let mut ledger = Ledger::new(2 * keys.len(), timeouts);
    ledger.set_sizes(Sizes::all(20_000));
    ledger.assign(3, 0);
    let mut slots = 0..;
    for _ in 0..2 {
        for key in &keys {
            let slot = slots.next().expect("numbers");
            assert!(ledger.read_record(&record(key, slot), &now, &mut |_, _| {}));
        }
        ledger.tick(1);
    }
    let owned = ledger.owned(0).expect("assigned");
    for (table, egress) in owned.talkers().all() {
        let talkers = Talkers::of(table, "eth0", egress.map(Direction::of), Count::default());
        let mut seen = HashMap::new();
        for (at, line) in talkers.lines.iter().enumerate() {
            let before = seen.insert(line.party.clone(), at);
            assert_eq!(before, None, "{:?}", line.party);
        }
        let expected = keys
            .iter()
            .filter(|key| egress.is_none_or(|egress| egress == (key.kind & EGRESS != 0)));
        assert_eq!(talkers.sum().packets, 2 * expected.count() as u64, "{:?}", talkers.dimension);
        assert!(!talkers.lines.is_empty());
    }
}
