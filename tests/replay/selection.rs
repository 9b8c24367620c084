//! `wireledger read FILE EXPRESSION` beside tcpdump: the same packets of the same captures.

use std::process::Command;

use anyhow::Context as _;
use wireledger_tests::{
    captures::{Capture, captures, in_parallel},
    process::{Ended, Process},
};

type Result<T = ()> = anyhow::Result<T>;

const EXPRESSIONS: [&str; 14] = [
    "ip",
    "ip6",
    "tcp",
    "udp port 53",
    "not tcp",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "icmp or icmp6 or arp",
    "greater 100 and less 1000",
    "net 10.0.0.0/8 or net 192.168.0.0/16",
    "src portrange 1024-65535 and dst port 80",
    "ip[6:2] & 0x3fff != 0",
    "vlan and tcp",
    "mpls or pppoes",
    "ether broadcast or ether multicast",
];

/// How many packets tcpdump counts; `None` when it refuses the file, or the expression for it.
fn tcpdump(capture: &Capture, expression: &str) -> Result<Option<u64>> {
    let mut command = Command::new("tcpdump");
    let ended = Process::run(command.args(["--count", "-nr"]).arg(&capture.path).arg(expression))?;
    if ended.code != Some(0) {
        return Ok(None);
    }
    let count = ended.stdout.split(' ').next().unwrap_or_default();
    Ok(Some(count.parse().with_context(|| format!("reading {ended:?}"))?))
}

/// How many of how many packets match.
fn matches(ended: &Ended) -> Result<(u64, u64)> {
    let found = ended.stderr.split_once(" packets match: ").and_then(|(before, _)| {
        let (matched, all) = before.split_once(" of ")?;
        Some((matched.parse().ok()?, all.parse().ok()?))
    });
    found.with_context(|| format!("no count in {ended:?}"))
}

/// Captures that both read to the end.
fn sound() -> Result<Vec<(Capture, u64)>> {
    let all = captures()?.unwrap_or_default();
    let sound = in_parallel(&all, |capture| {
        let ours = capture.run(&["--top", "0"])?;
        let theirs = tcpdump(capture, "")?;
        Ok(theirs.filter(|_| ours.code == Some(0)).map(|packets| (capture.clone(), packets)))
    })?;
    Ok(sound.into_iter().flatten().collect())
}

#[test]
fn the_same_packets_match_as_in_tcpdump() -> Result {
    let sound = sound()?;
    let compared = in_parallel(&sound, |(capture, packets)| {
        let mut compared = 0;
        for expression in EXPRESSIONS {
            let ours = capture.run(&["--top", "0", expression])?;
            let place = format!("{} {expression}: {ours:?}", capture.name);
            match tcpdump(capture, expression)? {
                Some(theirs) => {
                    assert_eq!(ours.code, Some(0), "{place}");
                    assert_eq!(matches(&ours)?, (theirs, *packets), "{place}");
                    compared += 1;
                }
                // Of no packet nobody knows the link type.
                None => assert!(ours.code == Some(2) || *packets == 0, "{place}"),
            }
        }
        Ok(compared)
    })?;
    let compared: usize = compared.into_iter().sum();
    eprintln!("{compared} counts of {} captures are tcpdump's", sound.len());
    assert!(sound.is_empty() || compared > 10 * sound.len());
    Ok(())
}

#[test]
fn so_many_that_match_are_read_and_no_more() -> Result {
    for (capture, _) in sound()? {
        let all = matches(&capture.run(&["--top", "0", "ip or ip6"])?)?;
        let first = capture.run(&["--packets", "-c", "3", "ip or ip6"])?;
        let (matched, read) = matches(&first)?;
        assert_eq!(matched, all.0.min(3), "{}: {first:?}", capture.name);
        assert!(
            read <= all.1
                && first.stdout.lines().filter(|line| !line.starts_with(['\t', ' '])).count()
                    as u64
                    == matched
        );
    }
    Ok(())
}

#[test]
fn both_engines_count_what_matches() -> Result {
    let sound = sound()?;
    for (capture, _) in sound.iter().filter(|(capture, _)| capture.name.contains("arkime__")) {
        let of = |engine| capture.run(&["--json", "--engine", engine, "udp or tcp"]);
        let (memory, kernel) = (of("userspace")?, of("kernel")?);
        assert_eq!(memory.code, Some(0), "{memory:?}");
        assert_eq!((&memory.stdout, &memory.stderr), (&kernel.stdout, &kernel.stderr));
    }
    Ok(())
}
