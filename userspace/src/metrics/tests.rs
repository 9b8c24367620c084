//! The texts of a fixed scenario are golden files; a new family or label shows in their diff.

use std::collections::{BTreeMap, BTreeSet};

use wireledger_common::abi::{protocol::Protocol, totals::Totals, unread::Unread};
use zerocopy::FromZeros;

use super::{catalogue::scrape, *};
use crate::{
    report::{
        Account, Attached, Budget, CaptureSlot, Captures, Cause, Count, Dimension, Direction,
        Distinct, EvidenceTally, FlowShapes, Handshakes, Histogram, Interface, InterfaceTotals,
        KernelCount, KernelCounters, KernelInterface, Party, ProgramLine, Recorder, Records,
        Refused, ScanLabels, ScanTally, Server, Sides, Sizes, Snapshot, Table, Talker, Talkers,
        Tally, Tunnel,
    },
    scan::{self, flood},
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
    health(&mut ingress);
    let mut egress = Box::new(Totals::new_zeroed());
    // One more than a double holds.
    egress.seen.add(9_007_199_254_740_993, u64::MAX);
    let sides = Sides {
        seen: Count { packets: 1000, bytes: 800_000 },
        overflow: Count { packets: 7, bytes: 700 },
        unread: Count { packets: 100, bytes: 10_000 },
    };
    let flows = Count { packets: 893, bytes: 789_300 };
    let place = |interface: &str, direction, totals: Box<Totals>| InterfaceTotals {
        interface: interface.to_owned(),
        direction,
        ledger: totals.seen.into(),
        totals,
    };
    let attached = |mode: &str| Attached { mode: mode.to_owned(), why: None };
    let kernel =
        |packets| KernelCount { packets, bytes: 800 * packets, drops: 2, ..KernelCount::default() };
    Snapshot {
        at: 1.0,
        interfaces: vec![Interface {
            name: "eth0".to_owned(),
            index: 2,
            present: true,
            wanted: true,
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
        captures: captures(),
        scan_tally: Some(scan_tally()),
        talkers: talkers(),
        budget: Budget { max_series: 5000, sizes: Some(Sizes::all(20)) },
        handshakes: vec![Handshakes {
            interface: "eth0".to_owned(),
            direction: Direction::Ingress,
            expired: 4,
            open: 6,
        }],
        distinct: vec![Distinct {
            interface: "eth0".to_owned(),
            direction: Direction::Ingress,
            sources: 11,
            destinations: 12,
            flows: 13,
        }],
        shapes: vec![shapes()],
        server: Server { refused: vec![(Refused::Unauthorized, 3)], ..Server::default() },
        kernel: KernelCounters {
            interfaces: vec![KernelInterface {
                interface: "eth0".to_owned(),
                ingress: kernel(1000),
                egress: kernel(0),
            }],
            ..KernelCounters::default()
        },
        programs: vec![ProgramLine { name: "wireledger_xdp", runs: 1000, seconds: 0.25 }],
        took: 0.001_25,
        ..Snapshot::default()
    }
}

/// What headers and TCP tell besides.
fn health(totals: &mut Totals) {
    totals.flags[0x12] = 90;
    totals.flags[0x14] = 3;
    totals.traffic_classes[0] = 800;
    totals.traffic_classes[46 << 2] = 90;
    totals.traffic_classes[0b11] = 10;
    totals.fragments = [5, 9];
    totals.expiring = 2;
    totals.full_size = 400;
    totals.retransmitted = 8;
    totals.out_of_order = 7;
    totals.zero_window = 6;
    totals.keep_alive = 5;
    totals.handshakes_begun = 103;
    totals.handshake_resent = 2;
    totals.handshakes = [90, 2, 1, 7];
    totals.handshake_times[0].buckets[10] = 80;
    totals.handshake_times[0].buckets[23] = 1;
    totals.handshake_times[0].nanoseconds = 85_000_000_000;
}

fn shapes() -> FlowShapes {
    let histogram = |sum| Histogram { buckets: vec![(1.0, 2), (10.0, 3)], count: 4, sum };
    FlowShapes {
        interface: "eth0".to_owned(),
        direction: Direction::Ingress,
        begun: 21,
        duration: histogram(30.5),
        bytes: histogram(5000.0),
        packets: histogram(50.0),
    }
}

fn captures() -> Captures {
    Captures {
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
    }
}

fn scan_tally() -> ScanTally {
    let verdicts = |count| ScanLabels::all().map(|labels| (labels, count)).collect();
    ScanTally {
        begun: verdicts(2),
        under_way: verdicts(1),
        scans: scan::Counters {
            attempts: [40, 30, 20, 10],
            ignored: 13,
            allowed: 12,
            newcomers: 11,
            suspects: 3,
            evicted_newcomers: 5,
            refused_newcomers: 2,
            evicted_suspects: 1,
            begun_anew: 8,
            waiting: 7,
            forgotten_verdicts: 4,
            bytes: 65_536,
            ..scan::Counters::default()
        },
        floods: flood::Counters {
            forgotten: 1,
            left_out: 14,
            allowed: 15,
            bytes: 1024,
            ..flood::Counters::default()
        },
        unsettled: 6,
        evidence: Some(EvidenceTally {
            files: 3,
            packets: 900,
            left_out: 9,
            removed: 1,
            failed: 2,
            incomplete: 4,
            lost: 5,
        }),
    }
}

/// One table of each dimension; they sum to what ingress has seen.
fn talkers() -> Vec<Talkers> {
    let count = |packets| Count { packets, bytes: 800 * packets };
    let table = |dimension, direction, parties: Vec<Party>| {
        let lines: Vec<_> =
            parties.into_iter().map(|party| Talker { party, count: count(300) }).collect();
        let other = count(1000 - 300 * lines.len() as u64);
        Talkers { dimension, interface: "eth0".to_owned(), direction, lines, other }
    };
    let address = |text: &str| text.parse().expect("an address");
    let flow = Party::Flow {
        protocol: "tcp".to_owned(),
        vlans: vec![100, 7],
        tunnel: Some(Tunnel { kind: "vxlan".to_owned(), number: 42 }),
        source: address("192.0.2.1"),
        source_port: Some(443),
        destination: address("2001:db8::1"),
        destination_port: Some(50_000),
        source_name: Some("a \"name\"\\".into()),
        destination_name: None,
    };
    let echo = Party::Flow {
        protocol: "icmp".to_owned(),
        vlans: Vec::new(),
        tunnel: None,
        source: address("192.0.2.1"),
        source_port: None,
        destination: address("192.0.2.2"),
        destination_port: None,
        source_name: None,
        destination_name: None,
    };
    let conversation = Party::Conversation {
        protocol: "udp".to_owned(),
        local: address("192.0.2.1"),
        local_port: Some(53),
        remote: address("198.51.100.7"),
        remote_port: Some(1024),
        local_name: Some("dns".into()),
        remote_name: None,
    };
    let port = Party::Port { protocol: "tcp".to_owned(), port: "https".to_owned() };
    let ingress = Some(Direction::Ingress);
    vec![
        table(Dimension::Flow, ingress, vec![flow, echo]),
        table(Dimension::Host, ingress, vec![Party::Host { host: "192.0.2.1".to_owned() }]),
        table(Dimension::Port, ingress, vec![port]),
        table(Dimension::Conversation, None, vec![conversation]),
    ]
}

fn text(snapshot: &Snapshot, collectors: Collectors, format: Format) -> String {
    let own = Own::new().expect("the registry takes the names");
    own.answered("200");
    let mut out = Vec::new();
    let series = encode(snapshot, collectors, &own, format, &mut out);
    let text = String::from_utf8(out).expect("UTF-8");
    assert_eq!(series, samples(&text).count());
    text
}

fn samples(text: &str) -> impl Iterator<Item = (&str, f64)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        (series, value.parse().expect("a number"))
    })
}

/// Without what no two runs or builds have in common.
fn golden(snapshot: &Snapshot, format: Format) -> String {
    let text = text(snapshot, Collectors::ALL.with(Collector::Process, false), format);
    let lines = text.lines().map(|line| match line.rsplit_once(' ') {
        Some((series, _))
            if series.starts_with("wireledger_scrape_collector_duration_seconds{") =>
        {
            format!("{series} 0\n")
        }
        _ => line.replace(env!("WIRELEDGER_REVISION"), "REVISION") + "\n",
    });
    lines.collect()
}

#[test]
fn the_texts_of_a_fixed_scenario_are_the_golden_files() {
    for (format, name) in
        [(Format::Text, "metrics.txt"), (Format::OpenMetrics, "metrics.openmetrics")]
    {
        let text = golden(&scenario(), format);
        let file = format!("{}/../tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("WIRELEDGER_BLESS").is_some() {
            std::fs::write(&file, &text).expect("writes the golden file");
        }
        let expected = std::fs::read_to_string(&file).expect("the golden file is there");
        assert!(text == expected, "differs from {file}; WIRELEDGER_BLESS=1 rewrites it:\n{text}");
    }
}

#[test]
fn both_formats_have_the_same_samples() {
    let text = golden(&scenario(), Format::Text);
    let open = golden(&scenario(), Format::OpenMetrics);
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        // Upper bounds are canonical numbers in OpenMetrics.
        lines.map(|line| line.replace(".0\"} ", "\"} ")).collect()
    };
    assert_eq!(lines(&text), lines(&open));
    assert!(open.ends_with("\n# EOF\n") && !text.contains("# EOF"));
    assert!(
        text.contains("_packets_total{interface=\"eth0\",direction=\"egress\"} 9007199254740993\n")
    );
    assert!(
        text.contains(
            "_bytes_total{interface=\"eth0\",direction=\"egress\"} 18446744073709551615\n"
        )
    );
}

#[test]
fn every_family_has_a_sample_and_keeps_the_conventions() {
    let text = text(&scenario(), Collectors::ALL, Format::Text);
    let of_snapshot = Collector::ALL.iter().flat_map(|collector| collector.families());
    let of_snapshot = of_snapshot.chain(scrape::FAMILIES).map(|f| (f.name, f.kind, f.help));
    let of_collectors = scrape::OF_COLLECTORS.iter().map(|f| (f.name, f.kind, f.help));
    for (name, kind, help) in of_snapshot.chain(of_collectors) {
        let head = format!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.label(Format::Text));
        assert!(text.contains(&head), "{name}");
        assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
        assert_eq!(name.ends_with("_info"), kind == Kind::Info, "{name}");
        assert!(help.ends_with('.'), "{name}: {help}");
    }
}

#[test]
fn no_family_or_series_is_there_twice_in_either_format() {
    for format in [Format::Text, Format::OpenMetrics] {
        let text = text(&scenario(), Collectors::ALL, format);
        let mut seen = BTreeSet::new();
        assert!(samples(&text).all(|(series, _)| seen.insert(series)));
        let types: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let kinds: BTreeMap<_, _> =
            types.iter().map(|line| line.split_once(' ').expect("a type")).collect();
        assert_eq!(kinds.len(), types.len());
        // What a sample of one family is called is no other family's name.
        for (name, kind) in &kinds {
            let suffixes: &[&str] = match *kind {
                "histogram" => &["_bucket", "_sum", "_count", "_created"],
                "counter" if format == Format::OpenMetrics => &["_total", "_created"],
                "info" => &["_info"],
                _ => &[],
            };
            for suffix in suffixes {
                assert!(!kinds.contains_key(format!("{name}{suffix}").as_str()), "{name}{suffix}");
            }
        }
    }
}

fn sum(text: &str, family: &str, label: &str) -> f64 {
    let of = |series: &str| series.starts_with(&format!("{family}{{")) && series.contains(label);
    samples(text).filter(|(series, _)| of(series)).map(|(_, value)| value).sum()
}

#[test]
fn sums_over_labels_are_the_whole() {
    let text = text(&scenario(), Collectors::ALL, Format::Text);
    let ingress = "direction=\"ingress\"";
    let read = sum(&text, "wireledger_ip_packets_total", ingress);
    assert_eq!(read + sum(&text, "wireledger_unread_packets_total", ingress), 1000.0);
    assert_eq!(sum(&text, "wireledger_packet_size_bytes_count", ingress), 1000.0);
    for dimension in ["flow", "host", "port", "conversation"] {
        for (unit, whole) in [("packets", 1000.0), ("bytes", 800_000.0)] {
            let family = format!("wireledger_top_{dimension}_{unit}_total");
            assert_eq!(sum(&text, &family, "interface=\"eth0\""), whole, "{family}");
        }
    }
}

#[test]
fn a_collector_that_is_off_is_absent() {
    let names = |collectors| -> BTreeSet<String> {
        let text = text(&scenario(), collectors, Format::Text);
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        types.map(|line| line.split(' ').next().expect("a name").to_owned()).collect()
    };
    let all = names(Collectors::ALL);
    for collector in Collector::ALL {
        let without = names(Collectors::ALL.with(collector, false));
        let alone = names(Collectors::NONE.with(collector, true));
        let own: BTreeSet<_> = all.difference(&without).cloned().collect();
        assert!(own.is_subset(&alone), "{collector:?}");
        assert!(!own.is_empty(), "{collector:?}");
        for family in collector.families() {
            assert!(own.contains(family.name), "{}", family.name);
        }
    }
    let none = text(&scenario(), Collectors::NONE, Format::Text);
    assert!(none.contains("wireledger_build_info{"));
    assert!(!none.contains("collector="));
}

#[test]
fn a_collector_that_fails_says_so_and_the_rest_goes_out() {
    let mut snapshot = scenario();
    snapshot.kernel.failure = Some("no such file".to_owned());
    let text = text(&snapshot, Collectors::ALL, Format::Text);
    for collector in Collector::ALL {
        let success =
            format!("wireledger_scrape_collector_success{{collector=\"{}\"}} ", collector.label());
        let worked = u8::from(collector != Collector::Kernel);
        assert!(text.contains(&format!("{success}{worked}\n")), "{collector:?}");
    }
    assert!(!text.contains("wireledger_kernel_"));
    assert!(text.contains("wireledger_interface_packets_total{"));
}

#[test]
fn a_budget_knows_every_series_before() {
    let snapshot = scenario();
    let others = Collectors::ALL.with(Collector::Talkers, false);
    let fixed = samples(&text(&snapshot, others, Format::Text)).count();
    // The collector that is off has no lines of its own.
    assert_eq!(fixed_series(&snapshot, Collectors::ALL), fixed + scrape::OF_COLLECTORS.len());
    let all = samples(&text(&snapshot, Collectors::ALL, Format::Text)).count();
    assert_eq!(
        fixed_series(&snapshot, Collectors::ALL) + talkers_series(&snapshot, Collectors::ALL),
        all
    );
}

#[test]
fn what_has_no_room_is_left_out_in_order_and_told_of() {
    let with = |max_series| {
        let budget = Budget { max_series, ..scenario().budget };
        // Whoever sizes the tables leaves them out first.
        let talkers = Vec::new();
        text(&Snapshot { budget, talkers, ..scenario() }, Collectors::ALL, Format::Text)
    };
    let (least, most) = (samples(&with(0)).count(), samples(&with(usize::MAX)).count());
    assert!(least * 2 < most, "{least} of {most} are left");
    for max in (least + 10..most + 50).step_by(9) {
        let text = with(max);
        assert!(samples(&text).count() <= max);
        for collector in ["interface", "ledger", "flows", "process"] {
            let told =
                format!("wireledger_scrape_collector_success{{collector=\"{collector}\"}} 1\n");
            assert!(text.contains(&told), "{collector} of {max}");
        }
        let is_there = |family: &str| text.contains(&format!("# TYPE {family} "));
        let (tcp, ip) = ("wireledger_tcp_handshakes_total", "wireledger_ip_packets_total");
        assert!(is_there(ip) || !is_there(tcp), "{max}");
    }
}

#[test]
fn samples_are_written_without_allocating() {
    let mut snapshot = scenario();
    for talkers in &mut snapshot.talkers {
        let line = talkers.lines[0].clone();
        talkers.lines = vec![line; 1000];
    }
    let own = Own::new().expect("the registry takes the names");
    let collectors = Collectors::ALL.with(Collector::Process, false);
    for format in [Format::Text, Format::OpenMetrics] {
        let mut out = Vec::new();
        encode(&snapshot, collectors, &own, format, &mut out);
        out.clear();
        let mut talkers = 0;
        let told = allocation_counter::measure(|| {
            for family in Collector::ALL.iter().flat_map(|collector| collector.families()) {
                talkers += family.write(&snapshot, Some((&mut out, format)));
            }
        });
        assert!(talkers > 8000);
        assert_eq!(told.count_total, 0);
    }
}
