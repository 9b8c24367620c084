//! The text of a fixed scenario is a golden file; a new family or label shows in its diff.

use wireledger_common::abi::{protocol::Protocol, totals::Totals, unread::Unread};
use zerocopy::FromZeros;

use super::*;
use crate::report::{
    Account, Attached, CaptureSlot, Captures, Cause, Count, Direction, Interface, InterfaceTotals,
    ProgramLine, Recorder, Records, Sides, Table, Tally,
};

fn scenario() -> Snapshot {
    let mut ingress = Box::new(Totals::new_zeroed());
    ingress.seen.add(1000, 800_000);
    ingress.read[0][Protocol::Tcp as usize].add(600, 700_000);
    ingress.read[1][Protocol::Udp as usize].add(300, 90_000);
    ingress.unread[Unread::Arp as usize].add(100, 10_000);
    ingress.overflow[Protocol::Udp as usize].add(7, 700);
    ingress.flags[0x02] = 100;
    ingress.flags[0x18] = 500;
    ingress.sizes[0] = 100;
    ingress.sizes[23] = 899;
    ingress.sizes[255] = 1;
    let egress = Box::new(Totals::new_zeroed());
    let sides = Sides {
        seen: Count { packets: 1000, bytes: 800_000 },
        overflow: Count { packets: 7, bytes: 700 },
        unread: Count { packets: 100, bytes: 10_000 },
    };
    let flows = Count { packets: 893, bytes: 789_300 };
    let place = |interface: &str, direction, totals| InterfaceTotals {
        interface: interface.to_owned(),
        direction,
        totals,
    };
    let attached = |mode: &str| Attached { mode: mode.to_owned(), why: None };
    Snapshot {
        at: 1.0,
        interfaces: vec![Interface {
            name: "eth0".to_owned(),
            index: 2,
            present: true,
            ingress: attached("native"),
            egress: attached("tcx"),
        }],
        accounts: vec![Account::close("eth0", Direction::Ingress, 0, sides, flows, sides)],
        totals: vec![
            place("eth0", Direction::Ingress, ingress),
            place("eth0", Direction::Egress, egress),
        ],
        table: Table { capacity: 4096, entries: 17, bytes: 589_824 },
        records: Records { written: 5, refused: 2, read: 5, malformed: 0, bytes: 4096 },
        live_flows: 12,
        told: Cause::ALL.iter().map(|&cause| (cause, 3)).collect(),
        captures: Captures {
            slots: vec![CaptureSlot {
                slot: 3,
                armed: true,
                tally: Tally {
                    matched: 100,
                    left_out: 20,
                    over_budget: 10,
                    lost: 5,
                    delivered: 65,
                    unread: 1,
                    ..Tally::default()
                },
            }],
            opened: 2,
            strays: 0,
            recorder: Some(Recorder {
                packets: 9,
                forgotten: 4,
                bytes: 1000,
                capacity: 4096,
                oldest: Some(1.5),
            }),
        },
        programs: vec![ProgramLine { name: "wireledger_xdp", runs: 1000, seconds: 0.25 }],
        ..Snapshot::default()
    }
}

#[test]
fn the_text_of_a_fixed_scenario_is_the_golden_file() {
    let text = text(&scenario()).expect("encodes");
    let text = text.replace(env!("WIRELEDGER_REVISION"), "REVISION");
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/src/metrics/golden.txt");
    if std::env::var_os("WIRELEDGER_BLESS").is_some() {
        std::fs::write(golden, &text).expect("writes the golden file");
    }
    let expected = std::fs::read_to_string(golden).expect("the golden file is there");
    assert!(text == expected, "differs from {golden}; WIRELEDGER_BLESS=1 rewrites it:\n{text}");
}

#[test]
fn every_family_has_a_sample_and_keeps_the_conventions() {
    let text = text(&scenario()).expect("encodes");
    for family in Family::ALL {
        let Spec { name, kind, help, .. } = family.spec();
        assert!(text.contains(&format!("# TYPE {name} {}\n", kind.label())), "{name}");
        assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
        assert!(help.ends_with('.'), "{name}: {help}");
    }
}

#[test]
fn sums_over_labels_are_the_whole() {
    let text = text(&scenario()).expect("encodes");
    let sum = |family: &str| -> f64 {
        let lines = text.lines().filter(|line| {
            line.starts_with(&format!("{family}{{")) && line.contains("direction=\"ingress\"")
        });
        lines
            .map(|line| line.rsplit(' ').next().expect("a value").parse::<f64>().expect("a number"))
            .sum()
    };
    let read = sum("wireledger_ip_packets_total");
    assert_eq!(read + sum("wireledger_unread_packets_total"), 1000.0);
    assert_eq!(sum("wireledger_packet_size_bytes_count"), 1000.0);
}
