//! nmap itself, each of its scans against hosts with open, closed and filtered ports: named right, with the right source and exactly the
//! ports that tcpdump and tshark say it probed.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use anyhow::Result;
use wireledger_tests::{
    daemon::Daemon,
    netns::INTERFACE,
    packets::{protocol, transport::flags},
    scans::{
        Account, FILTERED, Ground, OPEN, Probe, SCANNER_V4, SCANNER_V6, SWEPT, SWEPT_V6, TARGET_V4,
        TARGET_V6, Verdict, ZOMBIE, Zombie, nmap, scans, verdict, verdict_within,
    },
};

/// Ports of every state, and enough of them.
const PORTS: [&str; 2] = ["-p", "20-60,79-81,110-139,443,8000,8080"];
const QUICK: [&str; 3] = ["-T4", "--max-retries", "1"];

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn watch(ground: &Ground) -> Result<Daemon<'_>> {
    Daemon::start(&ground.target, &["-i", INTERFACE])
}

/// Scans, and waits until the verdict has the ports that were probed.
fn named(
    how: &[&str],
    target: &str,
    kind: &str,
    probed: impl Fn(&Account) -> BTreeSet<u16>,
) -> Result<Verdict> {
    let ground = Ground::new()?;
    let daemon = watch(&ground)?;
    let arguments = [how, &[target]].concat();
    let nmap = nmap(&ground.scanner, &arguments)?;
    let ports = probed(&nmap.account);
    assert!(ports.len() >= 10, "nmap probed {ports:?} only: {}", nmap.said);
    let found = verdict(&daemon, &format!("{kind} of {ports:?}"), |verdict| {
        Ok(verdict.kind == kind && verdict.ports.all()? == ports)
    })?;
    assert_eq!(found.ports.count, ports.len() as u64);
    assert_eq!(found.targets.examples, [address(target)]);
    assert_eq!((found.interface.as_str(), found.direction.as_str()), (INTERFACE, "ingress"));
    assert!(!found.reasons.is_empty() && found.first_seen <= found.last_seen, "{found:?}");
    // Nothing else was made of it.
    let all = scans(&daemon)?;
    assert!(all.iter().all(|other| other.kind == kind), "{all:#?}");
    Ok(found)
}

/// A scan of [`PORTS`] by TCP, told by its flags, from the scanner alone.
fn by_flags(how: &str, kind: &str, flags: u16) -> Result<Verdict> {
    let how = [&QUICK[..], &PORTS, &[how]].concat();
    let found = named(&how, TARGET_V4, kind, |account| account.tcp(flags))?;
    assert_eq!(found.sources, [address(SCANNER_V4)]);
    Ok(found)
}

#[test]
fn a_syn_scan() -> Result<()> {
    let found = by_flags("-sS", "syn", flags::SYN)?;
    let open: BTreeSet<_> = found.open_ports.iter().copied().collect();
    assert_eq!(open, OPEN.into_iter().filter(|&port| port != 6881).collect());
    assert!(FILTERED.iter().all(|port| !open.contains(port)));
    assert_eq!(found.confidence, "certain");
    Ok(())
}

#[test]
fn a_connect_scan() -> Result<()> {
    by_flags("-sT", "connect", flags::SYN).map(drop)
}

#[test]
fn a_fin_scan() -> Result<()> {
    by_flags("-sF", "fin", flags::FIN).map(drop)
}

#[test]
fn a_null_scan() -> Result<()> {
    by_flags("-sN", "null", 0).map(drop)
}

#[test]
fn an_xmas_scan() -> Result<()> {
    by_flags("-sX", "xmas", flags::FIN | flags::PSH | flags::URG).map(drop)
}

#[test]
fn a_maimon_scan() -> Result<()> {
    by_flags("-sM", "maimon", flags::FIN | flags::ACK).map(drop)
}

#[test]
fn an_ack_scan_and_a_window_scan_are_one_class() -> Result<()> {
    for how in ["-sA", "-sW"] {
        by_flags(how, "ack", flags::ACK)?;
    }
    Ok(())
}

fn by_protocol(how: &[&str], kind: &str, protocol: u8) -> Result<()> {
    let how = [&QUICK[..], how].concat();
    let found = named(&how, TARGET_V4, kind, |account| account.of(protocol))?;
    assert_eq!(found.sources, [address(SCANNER_V4)]);
    Ok(())
}

#[test]
fn a_udp_scan() -> Result<()> {
    by_protocol(&["-sU", "-p", "40-60,111-130"], "udp", protocol::UDP)
}

#[test]
fn sctp_scans_by_init_and_by_cookie_echo() -> Result<()> {
    let ports = ["-p", "1-20,2900-2919"];
    by_protocol(&[&["-sY"], &ports[..]].concat(), "sctp_init", protocol::SCTP)?;
    by_protocol(&[&["-sZ"], &ports[..]].concat(), "sctp_cookie_echo", protocol::SCTP)
}

#[test]
fn a_protocol_scan_names_the_protocols_in_the_place_of_ports() -> Result<()> {
    // nmap sends these without their headers, so they are unread and have no flow.
    // IPv4: DCCP, AH, ICMPv6, UDP-Lite.
    const UNREAD: &[u16] = &[33, 51, 58, 136];
    // IPv6: extension headers, ICMP, DCCP, AH, UDP-Lite.
    const UNREAD_V6: &[u16] = &[0, 1, 33, 43, 44, 51, 60, 136];
    let versions = [
        (&["-sO"][..], TARGET_V4, SCANNER_V4, UNREAD),
        (&["-6", "-sO"], TARGET_V6, SCANNER_V6, UNREAD_V6),
    ];
    for (how, target, scanner, unread) in versions {
        let how = [&QUICK[..], how].concat();
        let probed = |account: &Account| -> BTreeSet<u16> {
            let all = account.probes.iter().map(|probe| u16::from(probe.protocol));
            all.filter(|protocol| !unread.contains(protocol)).collect()
        };
        let found = named(&how, target, "ip_protocol", probed)?;
        assert_eq!(found.sources, [address(scanner)]);
    }
    Ok(())
}

#[test]
fn scans_over_ipv6() -> Result<()> {
    let kinds = [
        ("-sS", "syn", flags::SYN),
        ("-sT", "connect", flags::SYN),
        ("-sF", "fin", flags::FIN),
        ("-sN", "null", 0),
        ("-sX", "xmas", flags::FIN | flags::PSH | flags::URG),
        ("-sM", "maimon", flags::FIN | flags::ACK),
        ("-sA", "ack", flags::ACK),
        ("-sW", "ack", flags::ACK),
    ];
    for (how, kind, flags) in kinds {
        let how = [&QUICK[..], &PORTS, &["-6", how]].concat();
        let found = named(&how, TARGET_V6, kind, |account| account.tcp(flags))?;
        assert_eq!(found.sources, [address(SCANNER_V6)], "{kind}");
    }
    let by_protocol = [
        ("-sU", "udp", protocol::UDP),
        ("-sY", "sctp_init", protocol::SCTP),
        ("-sZ", "sctp_cookie_echo", protocol::SCTP),
    ];
    for (how, kind, number) in by_protocol {
        let how = [&QUICK[..], &["-6", how, "-p", "40-60"]].concat();
        let found = named(&how, TARGET_V6, kind, |account| account.of(number))?;
        assert_eq!(found.sources, [address(SCANNER_V6)], "{kind}");
    }
    Ok(())
}

#[test]
fn a_ping_sweep_has_every_address() -> Result<()> {
    let methods = [
        (&["-PE"][..], SWEPT, SCANNER_V4),
        (&["-PP"], SWEPT, SCANNER_V4),
        (&["-PM"], SWEPT, SCANNER_V4),
        (&["-6", "-PE"], SWEPT_V6, SCANNER_V6),
    ];
    for (method, range, scanner) in methods {
        let ground = Ground::new()?;
        let daemon = watch(&ground)?;
        let how = [&["-sn", "--send-ip", "-T4"], method, &[range]].concat();
        let swept = nmap(&ground.scanner, &how)?.account;
        let is_request = |probe: &Probe| matches!(probe.icmp_type, Some(8 | 13 | 17 | 128));
        let targets = swept.targets(is_request);
        assert_eq!(targets.len(), 16);
        let found = verdict(&daemon, "a ping sweep", |verdict| {
            Ok(verdict.kind == "ping_sweep" && verdict.targets.count == 16)
        })?;
        assert_eq!(found.sources, [address(scanner)], "{method:?}");
        assert!(found.targets.examples.iter().all(|target| targets.contains(target)), "{found:?}");
    }
    Ok(())
}

#[test]
fn one_port_of_many_hosts_is_a_sweep() -> Result<()> {
    let ground = Ground::new()?;
    let daemon = watch(&ground)?;
    nmap(&ground.scanner, &[&QUICK[..], &["-sS", "-p", "23", SWEPT]].concat())?;
    let found = verdict(&daemon, "a sweep of port 23", |verdict| {
        Ok(verdict.kind == "syn" && verdict.targets.count == 16)
    })?;
    assert_eq!(found.ports.all()?, [23].into());
    Ok(())
}

#[test]
fn a_scan_in_fragments_says_so() -> Result<()> {
    let ground = Ground::new()?;
    let daemon = watch(&ground)?;
    let nmap = nmap(&ground.scanner, &[&QUICK[..], &PORTS, &["-sS", "-f", TARGET_V4]].concat())?;
    let ports = nmap.account.of(protocol::TCP);
    let found = verdict(&daemon, "a scan in fragments", |verdict| {
        Ok(verdict.is_tagged("fragmented") && verdict.ports.all()? == ports)
    })?;
    // What the flags were is in no first fragment; the answers tell.
    assert!(matches!(found.kind.as_str(), "syn" | "fragmented"), "{found:?}");
    assert_eq!(found.sources, [address(SCANNER_V4)]);
    Ok(())
}

#[test]
fn a_scan_among_decoys_names_all_of_them() -> Result<()> {
    let among = [
        (&["-D", "10.9.0.50,10.9.0.51,ME,10.9.0.52"][..], TARGET_V4),
        (&["-6", "-D", "fd09::50,fd09::51,ME,fd09::52"], TARGET_V6),
    ];
    for (decoys, target) in among {
        let ground = Ground::new()?;
        let daemon = watch(&ground)?;
        let how = [&QUICK[..], &PORTS, &["-sS"], decoys, &[target]].concat();
        let account = nmap(&ground.scanner, &how)?.account;
        let is_syn = |probe: &&Probe| probe.flags == Some(flags::SYN);
        let sources: BTreeSet<_> =
            account.probes.iter().filter(is_syn).map(|probe| probe.source).collect();
        assert_eq!(sources.len(), 4, "{sources:?}");
        let found = verdict(&daemon, "a scan among decoys", |verdict| {
            Ok(verdict.kind == "syn" && verdict.is_tagged("decoys") && verdict.sources() == sources)
        })?;
        assert_eq!(found.ports.all()?, account.tcp(flags::SYN));
        assert!(found.reasons.iter().any(|reason| reason.contains("one of them")), "{found:?}");
    }
    Ok(())
}

#[test]
fn an_idle_scan_is_the_zombies_to_its_target() -> Result<()> {
    let ground = Ground::new()?;
    let _zombie = Zombie::start(&ground)?;
    let daemon = watch(&ground)?;
    let through = format!("{ZOMBIE}:80");
    let idle = nmap(
        &ground.scanner,
        &[&QUICK[..], &["-sI", &through, "-p", "20-32,79-81", TARGET_V4]].concat(),
    )?;
    let ports = idle.account.ports(|probe| probe.source == IpAddr::from(ZOMBIE));
    let found = verdict(&daemon, "a scan by the zombie", |verdict| {
        Ok(verdict.kind == "syn" && verdict.ports.all()? == ports)
    })?;
    assert_eq!(found.sources, [IpAddr::from(ZOMBIE)]);
    // Who stands behind it nobody sees here, and the verdict says that there may be somebody.
    assert!(found.is_tagged("maybe_zombie"), "{found:?}");
    let says = |reason: &String| reason.contains("the zombie of an idle scan");
    assert!(found.reasons.iter().any(says), "{found:?}");
    Ok(())
}

#[test]
fn a_zombie_is_told_who_uses_it() -> Result<()> {
    let ground = Ground::new()?;
    let _zombie = Zombie::start(&ground)?;
    // At the zombie's own interface, where nmap asks for its identification.
    let daemon = Daemon::start(&ground.third, &["-i", INTERFACE])?;
    let through = format!("{ZOMBIE}:80");
    nmap(
        &ground.scanner,
        &[&QUICK[..], &["-sI", &through, "-p", "20-32,79-81", TARGET_V4]].concat(),
    )?;
    let found = verdict(&daemon, "a zombie's user", |verdict| Ok(verdict.kind == "idle_zombie"))?;
    assert!(found.sources().contains(&address(SCANNER_V4)), "{found:?}");
    assert_eq!(found.targets.examples, [IpAddr::from(ZOMBIE)]);
    Ok(())
}

#[test]
fn every_pace_is_found_and_slow_ones_are_called_slow() -> Result<()> {
    // The paces of nmap, the slow ones shortened to what a test can wait for.
    let paces: [&[&str]; 5] = [
        &["-T5", "--max-retries", "0", "-p", "1-1000"],
        &["-T4", "--max-retries", "1", "-p", "1-200"],
        &["-T3", "--max-retries", "0", "-p", "40-60"],
        &["-T2", "--max-retries", "0", "-p", "40-60"],
        &[
            "-T1",
            "--scan-delay",
            "2s",
            "--max-scan-delay",
            "2s",
            "--max-retries",
            "0",
            "-p",
            "40-55",
        ],
    ];
    for pace in paces {
        let how = [pace, &["-sS"]].concat();
        let found = named(&how, TARGET_V4, "syn", |account| account.tcp(flags::SYN))?;
        assert_eq!(found.sources, [address(SCANNER_V4)], "{pace:?}");
        assert_eq!(found.is_tagged("slow"), pace[0] == "-T1", "{pace:?}: {found:?}");
    }
    Ok(())
}

#[test]
fn what_leaves_is_told_as_leaving() -> Result<()> {
    let ground = Ground::new()?;
    let daemon = Daemon::start(&ground.scanner, &["-i", INTERFACE])?;
    nmap(&ground.scanner, &[&QUICK[..], &PORTS, &["-sS", TARGET_V4]].concat())?;
    let patience = Duration::from_secs(30);
    let found =
        verdict_within(
            &daemon,
            "a scan of our own",
            patience,
            |verdict| Ok(verdict.kind == "syn"),
        )?;
    assert_eq!((found.direction.as_str(), found.sources), ("egress", vec![address(SCANNER_V4)]));
    Ok(())
}
