//! tshark and Wireledger read the same captures, and every packet's every field is compared: those of the packet view,
//! what the parser makes of the headers, and the flow table that comes of it.
//!
//! A disagreement is a bug or stands in `disagreements.tsv` with the reason why tshark's value is not the one wanted here.
//! The product's parser is asked as a library for what it says of single packets, and as a program for the rest.

mod fields;
mod judge;
mod known;
mod ledger;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use anyhow::{Context as _, Result};
use serde_json::Value;
use wireledger::dissect::escape;
use wireledger_common::{
    abi::{
        flow::{self, VLAN_ID},
        link::Link,
    },
    wire::{self, Cursor},
};
use wireledger_tests::{
    captures::{Capture, captures, in_parallel},
    tshark::{Row, Tshark},
};

use judge::{Fragment, Headers, Key, Reason};
use known::{Disagreement, Known};
use ledger::Judged;

/// Of thousands of disagreements the first hundreds tell enough.
const SHOWN: usize = 500;

/// What was compared.
#[derive(Default)]
struct Report {
    packets: u64,
    fields: u64,
    flows: u64,
    unread: BTreeMap<Reason, u64>,
    explained: u64,
    unexplained: Vec<Disagreement>,
}

/// What is said of one capture.
struct Case<'a> {
    capture: &'a Capture,
    known: &'a Known,
    report: Report,
}

#[test]
fn tshark_and_wireledger_agree_on_every_field_of_every_capture() -> Result<()> {
    let Some(captures) = captures()? else { return Ok(()) };
    let known = Known::read(include_str!("../disagreements.tsv"))?;
    let tshark = Tshark::new()?;
    let reports = in_parallel(&captures, |capture| {
        let mut case = Case { capture, known: &known, report: Report::default() };
        case.compare(&tshark).with_context(|| capture.name.clone())?;
        Ok(case.report)
    })?;
    let mut all = Report::default();
    reports.into_iter().for_each(|report| all.add(report));
    eprintln!(
        "{} captures, {} packets, {} fields and {} flows compared with {}; {} disagreements explained by {} entries, {} \
         unexplained; unread: {:?}",
        captures.len(),
        all.packets,
        all.fields,
        all.flows,
        tshark.version()?,
        all.explained,
        known.len(),
        all.unexplained.len(),
        all.unread,
    );
    for Disagreement { capture, packet, field, ours, theirs } in all.unexplained.iter().take(SHOWN)
    {
        eprintln!("{capture}\t{packet}\t{field}\t{ours}\t{theirs}");
    }
    assert!(all.unexplained.is_empty(), "capture, packet, field, ours, tshark's: the first above");
    assert_eq!(known.stale(), [""; 0], "these do not occur, or not in these packets");
    Ok(())
}

impl Report {
    fn add(&mut self, other: Self) {
        self.packets += other.packets;
        self.fields += other.fields;
        self.flows += other.flows;
        self.explained += other.explained;
        self.unexplained.extend(other.unexplained);
        for (reason, packets) in other.unread {
            *self.unread.entry(reason).or_default() += packets;
        }
    }
}

impl Case<'_> {
    fn compare(&mut self, tshark: &Tshark) -> Result<()> {
        let rows = tshark.rows(&self.capture.path)?;
        let verdicts = verdicts(self.capture)?;
        let read: BTreeSet<_> = verdicts.keys().copied().collect();
        let printed = self.packets(&rows)?;
        self.same("packets printed", &printed, &read);
        let mut judged = Judged::default();
        let mut unread = BTreeSet::new();
        for (&number, (interface, ours)) in &verdicts {
            let row = row(&rows, number)?;
            let theirs = judge::judge(row);
            // What the list explains is what the judge's ledger goes on with.
            let agreed = if self.verdict(number, ours, &theirs) { ours } else { &theirs };
            judged.packet(row, interface, agreed.as_ref().ok())?;
            if let Err(reason) = ours {
                *self.report.unread.entry(reason).or_default() += 1;
                unread.insert(number);
            }
        }
        self.same("packets of --unread", &numbers(self.capture, &["--unread"])?, &unread);
        let (flows, unread) = ledger::printed(self.capture)?;
        self.same("ledger unread", &unread, &judged.unread);
        let names: BTreeSet<_> = flows.keys().chain(judged.flows.keys()).collect();
        self.report.flows += names.len() as u64;
        for name in names {
            let (ours, theirs) = (flows.get(name), judged.flows.get(name));
            self.same("ledger flow", &ours.map(|sum| (name, sum)), &theirs.map(|sum| (name, sum)));
        }
        Ok(())
    }

    /// What is said of the capture as a whole.
    fn same<T: Debug + PartialEq>(&mut self, what: &'static str, ours: &T, theirs: &T) {
        if ours != theirs {
            self.disagreement(0, what, format!("{ours:?}"), format!("{theirs:?}"));
        }
    }

    /// Compares the fields of the printed packets; returns their numbers.
    fn packets(&mut self, rows: &[Row]) -> Result<BTreeSet<u64>> {
        let mut numbers = BTreeSet::new();
        each_packet(self.capture, &[], |number, packet| {
            numbers.insert(number);
            let row = row(rows, number)?;
            self.report.packets += 1;
            for field in &fields::ALL {
                let (ours, theirs) = (field.ours(packet), field.theirs(row));
                if ours != theirs {
                    self.disagreement(number, field.name, ours, theirs);
                } else if !ours.is_empty() {
                    self.report.fields += 1;
                }
            }
            Ok(())
        })?;
        Ok(numbers)
    }

    /// Whether ours is the one to go on with, since both are the same or the list says so.
    fn verdict(
        &mut self,
        number: u64,
        ours: &Result<Headers, Reason>,
        theirs: &Result<Headers, Reason>,
    ) -> bool {
        if ours == theirs {
            self.report.fields += 1;
            return true;
        }
        let show = |verdict: &Result<Headers, Reason>| match verdict {
            Ok(headers) => headers.to_string(),
            Err(reason) => format!("unread: {reason}"),
        };
        self.disagreement(number, "flow", show(ours), show(theirs))
    }

    /// Whether the list explains it.
    fn disagreement(
        &mut self,
        packet: u64,
        field: &'static str,
        ours: String,
        theirs: String,
    ) -> bool {
        let capture = self.capture.name.clone();
        let found = Disagreement { capture, packet, field, ours, theirs };
        let explained = self.known.explains(&found);
        if explained {
            self.report.explained += 1;
        } else {
            self.report.unexplained.push(found);
        }
        explained
    }
}

fn row(rows: &[Row], number: u64) -> Result<&Row> {
    rows.get(number as usize - 1).with_context(|| format!("tshark has no packet {number}"))
}

/// What the parser makes of a packet, and what the flow table calls its interface.
type Read = (String, Result<Headers, Reason>);

/// What the parser makes of each packet of a link type that is read here.
fn verdicts(capture: &Capture) -> Result<BTreeMap<u64, Read>> {
    let mut verdicts = BTreeMap::new();
    capture.packets(|number, record, interface| {
        if let Some(link) = interface.link {
            let shown = match &interface.name {
                Some(name) => escape::text(name).to_string(),
                None => record.interface.to_string(),
            };
            verdicts.insert(number, (shown, read(record.bytes, record.length, link)));
        }
        Ok(())
    })?;
    Ok(verdicts)
}

fn read(bytes: &[u8], length: u32, link: Link) -> Result<Headers, Reason> {
    let mut headers = wire::Headers::default();
    let read = wire::read(Cursor::over(bytes), length, link, 0, &mut headers);
    read.map_err(|reason| reason.label())?;
    let six = headers.key.kind & flow::IPV6 != 0;
    Ok(Headers {
        key: Key {
            vlans: headers.key.vlans.iter().filter(|&&tag| tag != 0).map(|t| t & VLAN_ID).collect(),
            source: ledger::address(headers.key.source, six),
            destination: ledger::address(headers.key.destination, six),
            protocol: headers.key.protocol,
            ports: (headers.key.source_port, headers.key.destination_port),
            fragment: headers.key.kind & flow::FRAGMENT != 0,
        },
        fragment: match headers.fragment {
            wire::Fragment::Whole => Fragment::Whole,
            wire::Fragment::First => Fragment::First,
            wire::Fragment::Tiny => Fragment::Tiny,
            wire::Fragment::Later => Fragment::Later,
        },
        datagram: (headers.datagram, headers.datagram_protocol),
        tcp_flags: headers.tcp_flags,
        ttl: headers.ttl,
        dscp: headers.traffic_class >> 2,
    })
}

/// The numbers of the packets that are printed.
fn numbers(capture: &Capture, arguments: &[&str]) -> Result<BTreeSet<u64>> {
    let mut numbers = BTreeSet::new();
    each_packet(capture, arguments, |number, _| {
        numbers.insert(number);
        Ok(())
    })?;
    Ok(numbers)
}

/// Calls `each` for every packet that `--packets --json` prints.
fn each_packet(
    capture: &Capture,
    arguments: &[&str],
    mut each: impl FnMut(u64, &Value) -> Result<()>,
) -> Result<()> {
    // Nobody looks at these flows: a small table is swept sooner.
    let mut command = capture.read(&["--packets", "--json", "--flow-memory", "1MiB"])?;
    let mut child = command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("starting wireledger")?;
    let stdout = child.stdout.take().context("reading what it says")?;
    for line in BufReader::new(stdout).lines() {
        let packet: Value = serde_json::from_str(&line?).context("reading a packet")?;
        each(packet["number"].as_u64().context("a packet without a number")?, &packet)?;
    }
    // How it ends is another test's to say: some captures are damaged.
    child.wait().context("waiting for wireledger")?;
    Ok(())
}
