//! Floods: named, with their targets; the ledger balances, and neither memory nor time runs away.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use wireledger_tests::{
    daemon::Daemon,
    netns::{INTERFACE, Pair, Setup},
    packets::{
        ip::Ipv4,
        protocol,
        transport::{flags, tcp, udp},
    },
    process::Process,
    scans::{Ground, SCANNER_V4, TARGET_V4, Verdict, verdict},
    send::{Share, send},
};

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A flood by hping3 from the scanner at the target.
fn flood(how: &[&str], kind: &str) -> Result<Verdict> {
    let ground = Ground::new()?;
    let daemon = Daemon::start(&ground.target, &["-i", INTERFACE])?;
    let mut hping = ground.scanner.command("hping3");
    hping.args(["-q", "-i", "u20", "-c", "60000"]).args(how).arg(TARGET_V4);
    // It exits with 1 where it got no answer.
    Process::run(&mut hping)?;
    let found = verdict(&daemon, kind, |verdict| Ok(verdict.kind == kind))?;
    assert_eq!(found.targets.examples, [address(TARGET_V4)], "{found:?}");
    assert_eq!(found.direction, "ingress");
    assert!(!found.reasons.is_empty());
    let ledger = daemon.ledger()?;
    assert!(ledger.balanced, "{ledger:#?}");
    Ok(found)
}

#[test]
fn a_syn_flood_of_random_sources() -> Result<()> {
    let found = flood(&["-S", "-p", "80", "--rand-source"], "syn_flood")?;
    assert_eq!(found.ports.all()?, [80].into());
    assert!(found.reasons.iter().any(|reason| reason.contains("spoofed")), "{found:?}");
    Ok(())
}

#[test]
fn a_udp_flood_at_a_closed_port_names_its_source() -> Result<()> {
    let found = flood(&["--udp", "-p", "9"], "udp_flood")?;
    assert_eq!(found.ports.all()?, [9].into());
    assert_eq!(found.sources, [address(SCANNER_V4)]);
    Ok(())
}

#[test]
fn an_icmp_flood_names_its_source() -> Result<()> {
    let found = flood(&["-1"], "icmp_flood")?;
    assert_eq!(found.sources, [address(SCANNER_V4)]);
    Ok(())
}

#[test]
fn syn_acks_that_nobody_asked_for_are_backscatter() -> Result<()> {
    // From a port of a victim to random ports here: hping3 counts the destination port up.
    let found = flood(&["-S", "-A", "-s", "443", "-k", "-p", "++1024"], "backscatter")?;
    assert_eq!(found.sources, [address(SCANNER_V4)]);
    Ok(())
}

/// The most memory that a process had resident, bytes.
fn memory(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmHWM")?;
    Ok(kib.parse::<u64>()? << 10)
}

/// Frames of many sources, each of them once.
fn spoofed(first: u32, count: u32) -> Vec<Vec<u8>> {
    let frame = |n: u32| {
        let source = Ipv4Addr::from(n.wrapping_mul(0x9e37_79b1));
        if n.is_multiple_of(2) {
            let ip = Ipv4 { source, ..Ipv4::of(protocol::TCP) };
            ip.frame(&tcp(1024 + (n % 60_000) as u16, 80, flags::SYN, &[]))
        } else {
            let ip = Ipv4 { source, ..Ipv4::of(protocol::UDP) };
            ip.frame(&udp(1024 + (n % 60_000) as u16, 53, &[0; 20]))
        }
    };
    (first..first + count).map(frame).collect()
}

#[test]
fn millions_of_sources_at_full_speed_leave_ledger_and_memory_as_they_were() -> Result<()> {
    const ROUND: u32 = 500_000;
    // Another thread's malloc arena may come at any time, and holds as much as 22 MiB; a source more would be 64 bytes.
    const GROWTH: u64 = 24 << 20;
    let pair = Pair::new(Setup { ipv4: false, ..Setup::default() })?;
    let daemon = Daemon::start(&pair.right, &["-i", INTERFACE])?;
    // Until then the tables of sources fill, which hold a million of them and a filter of millions more.
    const FILLED: u32 = 3;
    let (mut settled, mut sent) = (None, 0);
    for round in 0..FILLED + 3 {
        let frames = spoofed(round * ROUND, ROUND);
        sent += u64::from(ROUND);
        send(&pair.left, &pair.right, &[Share { frames, rounds: 1 }])?;
        let ledger = daemon.settled(INTERFACE, "ingress", sent)?;
        assert!(ledger.balanced, "{ledger:#?}");
        assert_eq!(ledger.seen(INTERFACE, "ingress").packets, sent);
        let used = memory(daemon.id())?;
        let cpu = daemon.metrics()?.sum("process_cpu_seconds_total", &[])?;
        eprintln!("{sent} packets: {cpu:.2} s of CPU time, {} MiB", used >> 20);
        if round < FILLED {
            continue;
        }
        let before = *settled.get_or_insert(used);
        ensure!(used <= before + GROWTH, "{before} bytes, and {used} after {sent} packets");
    }
    for kind in ["syn_flood", "udp_flood"] {
        let found = verdict(&daemon, kind, |verdict| Ok(verdict.kind == kind))?;
        assert_eq!(found.targets.examples, [IpAddr::from([203, 0, 113, 2])], "{found:?}");
    }
    Ok(())
}

#[test]
fn a_slow_scan_among_hundreds_of_thousands_of_spoofed_sources_is_named() -> Result<()> {
    let ground = Ground::new()?;
    let daemon = Daemon::start(&ground.target, &["-i", INTERFACE])?;
    let mut hping = ground.scanner.command("hping3");
    hping.args(["-q", "-S", "-p", "80", "--rand-source", "-i", "u20", "-c", "2000000", TARGET_V4]);
    let spoofed = Process::start(&mut hping)?;
    let since = Instant::now();
    while daemon.metrics()?.sum("wireledger_scan_sources", &[("state", "newcomer")])? <= 300_000.0 {
        ensure!(since.elapsed() < Duration::from_secs(120), "too few spoofed sources");
        thread::sleep(Duration::from_millis(200));
    }
    let mut nmap = ground.scanner.command("nmap");
    nmap.args(["-n", "-Pn", "--disable-arp-ping", "-sS", "--max-retries", "0", "-p", "1-12"]);
    nmap.args(["--scan-delay", "1500ms", "--max-scan-delay", "1500ms", TARGET_V4]);
    let scan = Process::start(&mut nmap)?.wait()?;
    ensure!(scan.code == Some(0), "{scan:?}");
    let found = verdict(&daemon, "a slow scan", |verdict| Ok(verdict.kind == "syn"))?;
    drop(spoofed);
    assert_eq!(found.sources, [address(SCANNER_V4)], "{found:?}");
    assert!(found.is_tagged("slow"), "{found:?}");
    // As many as make it a scan; its first probe may have been pushed out before the second came.
    let ports = found.ports.all()?;
    assert!(ports.len() >= 10 && ports.is_subset(&(1..=12).collect()), "{found:?}");
    Ok(())
}
