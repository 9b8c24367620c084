//! The shared captures through the detector of floods, fed as `wireledger read --scans` feeds it: the recorded floods are named with
//! their targets and sources, and nothing else is called one.

use std::{collections::BTreeMap, net::IpAddr};

use anyhow::{Context as _, Result};
use wireledger::{
    flows::Sort,
    replay::{Captured, Floods, Found, Ledger, Listing, Memory, Outcome, Settings},
    scan::{Confidence, Sensitivity, flood::Kind},
};
use wireledger_tests::captures::{Capture, captures, in_parallel};

/// A capture on a ledger that looks for floods.
fn replayed(capture: &Capture) -> Result<Outcome> {
    let settings = Settings { flow_memory: 8 << 20, decap: false };
    let memory = Memory::new(settings)?;
    let mut ledger = Ledger::new(Box::new(memory), Listing::new(1 << 16, Sort::Bytes));
    ledger.watch(Floods::new(Sensitivity::Normal, &[], settings.decap));
    capture.packets(|_, record, interface| {
        let Some(link) = interface.link else { return Ok(()) };
        let interface = ledger.interface(&record.interface.to_string(), link);
        ledger.packet(&Captured {
            time: record.time,
            interface,
            link,
            outgoing: record.outgoing,
            length: record.length,
            bytes: record.bytes,
        })?;
        Ok(())
    })?;
    Ok(ledger.finish()?)
}

#[test]
fn the_recorded_floods_are_named_and_no_other_capture_is_one() -> Result<()> {
    let Some(captures) = captures()? else { return Ok(()) };
    let found: BTreeMap<_, _> =
        in_parallel(&captures, |capture| Ok((capture.name.clone(), replayed(capture)?)))?
            .into_iter()
            .filter(|(_, outcome)| !outcome.floods.floods.is_empty())
            .collect();
    let told = |outcome: &Outcome| outcome.floods.clone();
    let summary: Vec<_> =
        found.iter().map(|(name, outcome)| (name.as_str(), told(outcome).floods.len())).collect();
    let expected =
        ["flood-icmp", "flood-syn", "flood-udp"].map(|name| format!("scans/{name}.pcap"));
    let expected: Vec<_> = expected.iter().map(|name| (name.as_str(), 1)).collect();
    assert_eq!(summary, expected, "{:#?}", found.values().map(told).collect::<Vec<_>>());

    let target: IpAddr = "10.66.0.2".parse()?;
    let source: IpAddr = "10.66.0.1".parse()?;
    for (name, kind, port, confidence) in [
        // Nobody answers in it: answers may be missing from the capture.
        ("flood-syn", Kind::SynFlood, Some(80), Confidence::Possible),
        ("flood-udp", Kind::UdpFlood, Some(53), Confidence::Likely),
        ("flood-icmp", Kind::IcmpFlood, None, Confidence::Possible),
    ] {
        let outcome = found.get(&format!("scans/{name}.pcap")).context("not found")?;
        let Found { floods, left_out, forgotten } = &outcome.floods;
        assert_eq!((*left_out, *forgotten), (0, 0), "{name}");
        let flood = &floods[0];
        assert_eq!((flood.number, flood.kind, flood.confidence), (1, kind, confidence), "{name}");
        assert_eq!((outcome.name_of(flood.interface).as_str(), flood.egress), ("0", false));
        let targets: Vec<_> =
            flood.targets.iter().map(|target| (target.address, target.port)).collect();
        assert_eq!(targets, [(target, port)], "{name}");
        let sources: Vec<_> = flood.sources.examples.iter().map(|source| source.address).collect();
        assert_eq!(sources, if kind == Kind::SynFlood { vec![] } else { vec![source] }, "{name}");
        assert_eq!(flood.sources.scattered, kind == Kind::SynFlood, "{name}");
        let sent = match kind {
            Kind::IcmpFlood => 1104,
            _ => 3000,
        };
        assert_eq!((flood.packets, flood.peak), (sent, sent as f64), "{name}");
        assert!(outcome.first <= flood.first_seen && flood.last_seen <= outcome.last, "{name}");
    }
    Ok(())
}
