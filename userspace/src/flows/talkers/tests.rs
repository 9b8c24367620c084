//! Tables beside a model that forgets nothing: sums, monotony, uniqueness, bounds.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use wireledger_common::abi::flow::{FRAGMENT, IPV6, Tunnel, VLAN_PRESENT};

use super::*;

/// What may happen.
#[derive(Clone, Debug)]
enum Step {
    News(FlowKey, u64, u64),
    Admit,
    Halve,
    Resize([usize; 2]),
    Rename(usize),
}

const FILES: [&str; 3] = [
    "",
    "10.0.0.0/30 few\n10.0.0.1 one\ntcp/1-2 low\n",
    "10.0.0.0/30 some\n10.0.0.2 one\ntcp/2-3 low\nudp/2 two\n",
];

fn names(file: usize) -> Arc<Names> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("names");
    std::fs::write(&path, FILES[file]).expect("written");
    Arc::new(Names::read(&path).expect("well-formed"))
}

/// Few addresses, ports and kinds, so that parties meet; every kind of key that the parser makes.
fn key() -> impl Strategy<Value = FlowKey> {
    let protocol = prop::sample::select(vec![6_u8, 17, 1, 58, 47, 4, 41, 200, 201]);
    let kinds = (any::<bool>(), any::<bool>(), any::<bool>(), 0_usize..4);
    (0_u8..6, 0_u8..6, 0_u16..4, 0_u16..4, protocol, kinds, 0_u16..3, 1_u32..3).prop_map(
        |(from, to, low, high, protocol, (egress, v6, fragment, tunnel), vlan, interface)| {
            let mut key = FlowKey { protocol, interface, ..FlowKey::default() };
            (key.source[0], key.source[3]) = (10, from);
            (key.destination[0], key.destination[3]) = (10, to);
            let has = has_ports(protocol) || [1, 58].contains(&protocol);
            if has && !fragment {
                (key.source_port, key.destination_port) = (low, high);
            }
            let mut kind = 0;
            for (is, bit) in [(egress, EGRESS), (v6, IPV6), (fragment, FRAGMENT)] {
                kind |= if is { bit } else { 0 };
            }
            if vlan > 0 {
                key.vlans[0] = VLAN_PRESENT | vlan;
            }
            if tunnel > 0 {
                kind |= Tunnel::ALL[tunnel].bits();
                key.vlans[2] = vlan;
            }
            FlowKey { kind, ..key }
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (key(), 1_u64..50, 0_u64..5000).prop_map(|(key, n, bytes)| Step::News(key, n, bytes)),
        4 => Just(Step::Admit),
        1 => Just(Step::Halve),
        1 => [0_usize..6, 0_usize..6].prop_map(Step::Resize),
        1 => (0_usize..FILES.len()).prop_map(Step::Rename),
    ]
}

/// What a table says: the rest, and each entry by its key and what it is called.
type Said = (Count, BTreeMap<(FlowKey, Option<Arc<str>>), Count>);

fn said(table: &Table) -> Said {
    let mut entries = BTreeMap::new();
    for member in table.members() {
        let called = member.called[0].clone();
        // A name's number may change, the name does not.
        let key = match table.dimension() {
            Dimension::Host | Dimension::Port if called.is_some() => {
                FlowKey { interface: 0, ..member.key }
            }
            _ => member.key,
        };
        assert!(entries.insert((key, called), member.count).is_none(), "twice: {member:?}");
    }
    (table.other(), entries)
}

fn no_less(a: Count, b: Count) -> bool {
    a.packets >= b.packets && a.bytes >= b.bytes
}

proptest! {
    #[test]
    fn tables_add_up_and_nothing_goes_backwards(
        steps in proptest::collection::vec(step(), 1..300),
    ) {
        let mut sizes = Sizes::all(3);
        let mut called = names(0);
        let mut tables = Tables::new(sizes, &DefaultHashBuilder::default());
        // By direction.
        let mut truth = [Count::default(); 2];
        let mut before: Vec<Said> = tables.all().map(|(table, _)| said(table)).collect();
        for step in steps {
            match step {
                Step::News(key, packets, bytes) => {
                    truth[usize::from(key.kind & EGRESS != 0)].add(packets, bytes);
                    tables.add(&key, &called, Count { packets, bytes });
                }
                Step::Admit => tables.admit(&called),
                Step::Halve => tables.halve(),
                Step::Resize([most, _]) => {
                    sizes = Sizes::all(most);
                    tables.resize(sizes);
                }
                Step::Rename(file) => {
                    called = names(file);
                    tables.rename(&called);
                }
            }
            let after: Vec<Said> = tables.all().map(|(table, _)| said(table)).collect();
            for ((table, egress), (was, is)) in tables.all().zip(before.iter().zip(&after)) {
                let mut sum = is.0;
                is.1.values().for_each(|count| sum.add(count.packets, count.bytes));
                let mut expected = truth[usize::from(egress.unwrap_or_default())];
                if egress.is_none() {
                    expected.add(truth[1].packets, truth[1].bytes);
                }
                prop_assert_eq!(sum, expected, "{:?}", table.dimension());
                prop_assert!(no_less(is.0, was.0), "other went backwards");
                for (entry, count) in &is.1 {
                    let was = was.1.get(entry).copied().unwrap_or_default();
                    prop_assert!(no_less(*count, was), "{entry:?} went backwards");
                }
                prop_assert!(table.members().len() <= sizes.of(table.dimension()));
            }
            before = after;
        }
    }
}

fn tcp(from: u8, port: u16) -> FlowKey {
    let mut key = FlowKey { source_port: port, protocol: 6, interface: 2, ..FlowKey::default() };
    key.source[..4].copy_from_slice(&[10, 0, 0, from]);
    key
}

fn table(size: usize) -> Table {
    let mut table = Table::new(Dimension::Host, DefaultHashBuilder::default());
    table.resize(size);
    table
}

fn hosts(table: &Table) -> Vec<u8> {
    let mut hosts: Vec<_> = table.members().iter().map(|member| member.key.source[3]).collect();
    hosts.sort_unstable();
    hosts
}

const NOBODY: fn() -> Arc<Names> = Arc::default;

#[test]
fn an_entry_is_counted_from_when_it_enters_and_folded_when_it_leaves() {
    let (mut table, names) = (table(1), NOBODY());
    let news = |packets| Count { packets, bytes: packets * 100 };
    table.add(&tcp(1, 80), &names, news(10));
    assert_eq!((table.members().len(), table.other()), (0, news(10)));
    table.admit(&names);
    assert_eq!(table.members()[0].count, Count::default());
    table.add(&tcp(1, 80), &names, news(5));
    assert_eq!((table.members()[0].count, table.other()), (news(5), news(10)));
    // A quarter more than 15 is 18.75.
    table.add(&tcp(2, 80), &names, news(18));
    table.admit(&names);
    assert_eq!(hosts(&table), [1], "no flapping");
    table.add(&tcp(2, 80), &names, news(1));
    table.admit(&names);
    assert_eq!(hosts(&table), [2]);
    assert_eq!((table.members()[0].count, table.other()), (news(0), news(34)));
}

#[test]
fn heavy_hosts_are_entries_through_a_flood() {
    let (mut table, names) = (table(8), NOBODY());
    for round in 0_u32..100 {
        for n in 0..5000_u32 {
            let mut key = tcp(0, 80);
            key.source[..4].copy_from_slice(&(round * 5000 + n).to_be_bytes());
            table.add(&key, &names, Count { packets: 1, bytes: 60 });
        }
        for host in 1..=8 {
            let mut key = tcp(host, 443);
            key.source[0] = 192;
            table.add(&key, &names, Count { packets: 100, bytes: 60_000 });
        }
        table.admit(&names);
    }
    assert_eq!(hosts(&table), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_newly_named_host_begins_anew_under_its_name() {
    let (mut table, none) = (table(8), NOBODY());
    let count = Count { packets: 1, bytes: 100 };
    let all = [1_u8, 2, 9];
    let send = |table: &mut Table, names: &Names| {
        all.iter().for_each(|&host| table.add(&tcp(host, 80), names, count));
    };
    send(&mut table, &none);
    table.admit(&none);
    send(&mut table, &none);
    assert_eq!(hosts(&table), all);
    let named = names(1);
    table.rename(&named);
    assert_eq!(hosts(&table), [9], "10.0.0.1 and 10.0.0.2 have names now");
    send(&mut table, &named);
    table.admit(&named);
    send(&mut table, &named);
    let mut called: Vec<_> = table
        .members()
        .iter()
        .map(|member| (member.called[0].as_deref().map(str::to_owned), member.count.packets))
        .collect();
    called.sort();
    assert_eq!(called, [(None, 3), (Some("few".into()), 1), (Some("one".into()), 1)]);
    let sum: u64 = table.members().iter().map(|member| member.count.packets).sum();
    assert_eq!(sum + table.other().packets, 12);
}
