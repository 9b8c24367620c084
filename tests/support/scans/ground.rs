//! Three hosts behind a switch.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use anyhow::{Context as _, Result};

use super::services::Services;
use crate::netns::{INTERFACE, NetNs};

/// IPv4 address of the scanner.
pub const SCANNER_V4: &str = "10.9.0.1";
/// IPv4 address of the target.
pub const TARGET_V4: &str = "10.9.0.2";
/// IPv4 address that [`super::Zombie`] answers for.
pub const ZOMBIE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 3);
/// MAC address of the third host.
pub(super) const THIRD_MAC: [u8; 6] = [2, 0, 0, 0, 9, 2];
/// IPv6 address of the scanner.
pub const SCANNER_V6: &str = "fd09::1";
/// IPv6 address of the target.
pub const TARGET_V6: &str = "fd09::2";
/// More of the target's addresses, as nmap wants them: sixteen.
pub const SWEPT: &str = "10.9.0.16-31";
/// Sixteen over IPv6.
pub const SWEPT_V6: &str = "fd09::10/124";

/// The first three bytes of all addresses that a host answers for besides its own: the scanner's, the target's.
pub const MANY: [[u8; 3]; 2] = [[10, 9, 64], [10, 9, 65]];
/// Those of addresses behind a host for which nobody answers.
pub const DEAD: [[u8; 3]; 2] = [[10, 9, 66], [10, 9, 67]];
/// The hosts' own addresses.
pub const HOST: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 9, 0, 1), Ipv4Addr::new(10, 9, 0, 2)];

/// The hosts; each has one interface, [`INTERFACE`]. Scanner and target have the same services.
#[derive(Debug)]
pub struct Ground {
    _services: [Services; 2],
    /// Who scans.
    pub scanner: NetNs,
    /// Who is scanned.
    pub target: NetNs,
    /// Has no address; see [`super::Zombie`].
    pub third: NetNs,
    _switch: NetNs,
}

impl Ground {
    /// Makes the hosts, all of them up.
    ///
    /// # Errors
    /// When a command fails.
    pub fn new() -> Result<Self> {
        let switch = NetNs::new("switch")?;
        // Without snooping, which would want queries before neighbours are found over IPv6.
        switch.run("ip link add br0 type bridge forward_delay 0 mcast_snooping 0")?;
        switch.run("ip link set br0 up")?;
        let [scanner, target, third] = ["scanner", "target", "third"].map(NetNs::new);
        let (scanner, target, third) = (scanner?, target?, third?);
        for (number, host) in [(0, &scanner), (1, &target), (2, &third)] {
            join(&switch, host, number)?;
        }
        for (side, host) in [&scanner, &target].into_iter().enumerate() {
            address(host, side)?;
        }
        for last in 16..32 {
            target.run(&format!("ip addr add 10.9.0.{last}/32 dev {INTERFACE}"))?;
            target.run(&format!("ip addr add fd09::{last:x}/128 dev {INTERFACE} nodad"))?;
        }
        let services = [(0, &scanner), (1, &target)];
        let [near, far] = services.map(|(side, host)| Services::start(host, &names_of(side)));
        let services = [near?, far?];
        Ok(Self { _services: services, scanner, target, third, _switch: switch })
    }

    /// Traffic from the scanner's side to the target's.
    #[must_use]
    pub const fn inward(&self) -> Side<'_> {
        Side { from: &self.scanner, at: &self.target, to: 1 }
    }

    /// Traffic the other way.
    #[must_use]
    pub const fn outward(&self) -> Side<'_> {
        Side { from: &self.target, at: &self.scanner, to: 0 }
    }
}

/// Who talks, and to which side: 0 is the scanner's, 1 the target's.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Where clients are.
    pub from: &'a NetNs,
    /// Where servers are.
    pub at: &'a NetNs,
    /// Which side that is.
    to: usize,
}

impl Side<'_> {
    /// A host of many that answer.
    #[must_use]
    pub const fn host(&self, n: u8) -> Ipv4Addr {
        let [a, b, c] = MANY[self.to];
        Ipv4Addr::new(a, b, c, n)
    }

    /// One that does not.
    #[must_use]
    pub const fn dead(&self, n: u8) -> Ipv4Addr {
        let [a, b, c] = DEAD[self.to];
        Ipv4Addr::new(a, b, c, n)
    }

    /// The server's own address.
    #[must_use]
    pub const fn server(&self) -> Ipv4Addr {
        HOST[self.to]
    }
}

/// Addresses of the scanner (0) or the target (1) that answer over UDP.
fn names_of(side: usize) -> Vec<IpAddr> {
    let [a, b, c] = MANY[side];
    let many = (1..=8).map(|n| IpAddr::from([a, b, c, n]));
    let v6: Ipv6Addr = [SCANNER_V6, TARGET_V6][side].parse().expect("an address");
    many.chain([HOST[side].into(), v6.into()]).collect()
}

fn join(switch: &NetNs, host: &NetNs, number: u8) -> Result<()> {
    // Two queues each way, so that both CPUs can be at work.
    let queues = "numtxqueues 2 numrxqueues 2";
    switch.run(&format!(
        "ip link add p{number} {queues} type veth peer name {INTERFACE} \
         address 02:00:00:00:09:0{number} {queues} netns {}",
        host.name()
    ))?;
    let settings =
        [("ipv6", "accept_ra"), ("ipv6", "router_solicitations"), ("ipv6", "accept_dad")];
    host.enter(|| -> std::io::Result<()> {
        for (family, setting) in settings {
            fs::write(format!("/proc/sys/net/{family}/conf/{INTERFACE}/{setting}"), "0")?;
        }
        // UDP scans of closed ports end in seconds.
        fs::write("/proc/sys/net/ipv4/icmp_ratelimit", "0")?;
        fs::write("/proc/sys/net/ipv6/icmp/ratelimit", "0")
    })?
    .context("setting up a host")?;
    for (end, name) in [(switch, format!("p{number}")), (host, INTERFACE.to_owned())] {
        end.run(&format!("ethtool -K {name} gso off gro off tso off"))?;
    }
    switch.run(&format!("ip link set p{number} master br0 up"))?;
    host.run(&format!("ip link set {INTERFACE} up"))?;
    Ok(())
}

/// The addresses of the scanner (0) or the target (1), and the ways to the other.
fn address(host: &NetNs, side: usize) -> Result<()> {
    let prefix = |[a, b, c]: [u8; 3]| format!("{a}.{b}.{c}.0/24");
    let own = HOST[side];
    let other = HOST[1 - side];
    host.run(&format!("ip addr add {own}/24 dev {INTERFACE}"))?;
    host.run(&format!("ip addr add {}/64 dev {INTERFACE} nodad", [SCANNER_V6, TARGET_V6][side]))?;
    host.run(&format!("ip route add local {} dev lo", prefix(MANY[side])))?;
    host.run(&format!("ip route add blackhole {}", prefix(DEAD[side])))?;
    for prefix in [MANY[1 - side], DEAD[1 - side]].map(prefix) {
        host.run(&format!("ip route add {prefix} via {other}"))?;
    }
    Ok(())
}
