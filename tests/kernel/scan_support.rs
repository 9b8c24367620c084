//! The ground that tests of scans stand on: nmap finds what the hosts offer, the account has what it was told to send, and ordinary
//! traffic ends.

use std::{collections::BTreeSet, net::IpAddr, time::Instant};

use anyhow::Result;
use wireledger_tests::{
    packets::{protocol, transport::flags},
    scans::{
        CLOSED, FILTERED, Ground, Nmap, OPEN, SCANNER_V4, SWEPT, TARGET_V4, TARGET_V6, UDP_OPEN,
        ZOMBIE, Zombie, nmap, ordinary,
    },
};

const QUICK: [&str; 4] = ["-T4", "--max-retries", "1", "-p"];

/// Ports of every state, as nmap wants them.
const PORTS: &str = "21-25,79,80,111,139,443,7000,8080,8443";

fn asked() -> BTreeSet<u16> {
    [21, 22, 23, 24, 25, 79, 80, 111, 139, 443, 7000, 8080, 8443].into()
}

fn scan(ground: &Ground, how: &[&str], target: &str) -> Result<Nmap> {
    nmap(&ground.scanner, &[&QUICK, &[PORTS][..], how, &[target]].concat())
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn nmap_finds_open_closed_and_filtered_ports_and_the_account_has_every_one() -> Result<()> {
    let ground = Ground::new()?;
    for (target, how) in
        [(TARGET_V4, &["-sS"][..]), (TARGET_V6, &["-6", "-sS"]), (TARGET_V4, &["-sT"])]
    {
        let nmap = scan(&ground, how, target)?;
        for (ports, state) in [(&OPEN[..], "open"), (&FILTERED, "filtered"), (&CLOSED, "closed")] {
            for port in ports.iter().filter(|port| asked().contains(port)) {
                let found = nmap.found.get(port).map_or("closed", String::as_str);
                assert_eq!(found, state, "{how:?} {port}: {}", nmap.said);
            }
        }
        assert_eq!(nmap.account.tcp(flags::SYN), asked(), "{how:?}");
        let to = nmap.account.targets(|probe| probe.protocol == protocol::TCP);
        assert_eq!(to, [address(target)].into(), "{how:?}");
    }
    Ok(())
}

#[test]
fn the_account_tells_scans_by_their_flags() -> Result<()> {
    use flags::{ACK, FIN, PSH, URG};
    let ground = Ground::new()?;
    let kinds = [
        ("-sF", FIN),
        ("-sN", 0),
        ("-sX", FIN | PSH | URG),
        ("-sM", FIN | ACK),
        ("-sA", ACK),
        ("-sW", ACK),
    ];
    for (how, flags) in kinds {
        assert_eq!(scan(&ground, &[how], TARGET_V4)?.account.tcp(flags), asked(), "{how}");
    }
    Ok(())
}

#[test]
fn the_account_has_other_protocols_fragments_decoys_and_sweeps() -> Result<()> {
    let ground = Ground::new()?;
    let udp =
        nmap(&ground.scanner, &["-sU", "-T4", "--max-retries", "1", "-p", "50-60,111", TARGET_V4])?;
    assert_eq!(udp.account.of(protocol::UDP), (50..=60).chain([111]).collect());
    assert_eq!(udp.found.get(&UDP_OPEN[0]).map(String::as_str), Some("open"), "{}", udp.said);
    for how in ["-sY", "-sZ"] {
        let sctp = scan(&ground, &[how], TARGET_V4)?;
        assert_eq!(sctp.account.of(protocol::SCTP), asked(), "{how}: {}", sctp.said);
    }
    let protocols = nmap(&ground.scanner, &["-sO", "-T4", "--max-retries", "1", TARGET_V4])?;
    let sent: BTreeSet<_> = protocols.account.probes.iter().map(|probe| probe.protocol).collect();
    assert_eq!(sent.len(), 256);

    let fragments = scan(&ground, &["-sS", "-f"], TARGET_V4)?.account;
    assert_eq!(fragments.of(protocol::TCP), asked());
    assert!(fragments.probes.iter().any(|probe| probe.later));

    let decoys = scan(&ground, &["-sS", "-D", "10.9.0.50,10.9.0.51,ME"], TARGET_V4)?.account;
    assert_eq!(decoys.tcp(flags::SYN), asked());
    let each = ["10.9.0.50", "10.9.0.51", SCANNER_V4].map(address);
    assert!(each.iter().all(|one| decoys.sources().contains_key(one)), "{:?}", decoys.sources());

    let sweep = nmap(&ground.scanner, &["-sn", "-PE", "--send-ip", "-T4", SWEPT])?.account;
    let pinged = sweep.targets(|probe| probe.icmp_type == Some(8));
    assert_eq!(pinged, (16..32).map(|last| address(&format!("10.9.0.{last}"))).collect());
    Ok(())
}

#[test]
fn an_idle_scan_works_through_the_zombie() -> Result<()> {
    let ground = Ground::new()?;
    let _zombie = Zombie::start(&ground)?;
    let zombie = ZOMBIE.to_string();
    let idle = nmap(
        &ground.scanner,
        &["-T4", "--max-retries", "1", "-sI", &format!("{zombie}:80"), "-p", "79-82", TARGET_V4],
    )?;
    assert_eq!(idle.found.get(&80).map(String::as_str), Some("open"), "{}", idle.said);
    let spoofed = idle.account.ports(|probe| probe.source == address(&zombie));
    assert_eq!(spoofed, (79..=82).collect());
    Ok(())
}

#[test]
fn ordinary_traffic_ends_whichever_way_it_goes() -> Result<()> {
    let ground = Ground::new()?;
    for (name, habit) in ordinary::HABITS {
        for side in [ground.inward(), ground.outward()] {
            let since = Instant::now();
            let attempts = habit(side)?;
            let took = since.elapsed();
            eprintln!("{name}: {attempts} attempts in {took:?}");
            assert!(attempts > 0 && took.as_secs() < 60, "{name}: {took:?}");
        }
    }
    Ok(())
}
