//! What a scanner really sent, recorded by tcpdump at its own interface and read by tshark: nothing of Wireledger's has a say in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::PathBuf,
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::{
    netns::{INTERFACE, NetNs},
    packets::protocol,
    session::Tcpdump,
    tshark::{Field, Row, Tshark},
};

/// A packet that was sent.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Probe {
    /// Who it says it is from.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// IP protocol, behind IPv6's extension headers.
    pub protocol: u8,
    /// Source port.
    pub source_port: Option<u16>,
    /// Destination port.
    pub port: Option<u16>,
    /// TCP flags.
    pub flags: Option<u16>,
    /// ICMP or ICMPv6 type.
    pub icmp_type: Option<u8>,
    /// It is a fragment, and not the first.
    pub later: bool,
}

/// Every packet that was sent, in order.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// The packets.
    pub probes: Vec<Probe>,
}

impl Account {
    /// The destination ports of those that fit.
    pub fn ports(&self, fits: impl Fn(&Probe) -> bool) -> BTreeSet<u16> {
        self.probes.iter().filter(|probe| fits(probe)).filter_map(|probe| probe.port).collect()
    }

    /// The destination ports of TCP segments with exactly these flags.
    #[must_use]
    pub fn tcp(&self, flags: u16) -> BTreeSet<u16> {
        self.ports(|probe| probe.flags == Some(flags))
    }

    /// The destination ports of a protocol.
    #[must_use]
    pub fn of(&self, protocol: u8) -> BTreeSet<u16> {
        self.ports(|probe| probe.protocol == protocol)
    }

    /// Whom it was sent to, of those that fit.
    pub fn targets(&self, fits: impl Fn(&Probe) -> bool) -> BTreeSet<IpAddr> {
        self.probes.iter().filter(|probe| fits(probe)).map(|probe| probe.destination).collect()
    }

    /// How many packets had each source.
    #[must_use]
    pub fn sources(&self) -> BTreeMap<IpAddr, u64> {
        let mut sources = BTreeMap::new();
        for probe in &self.probes {
            *sources.entry(probe.source).or_default() += 1;
        }
        sources
    }
}

/// A recording under way.
#[derive(Debug)]
pub(super) struct Recording {
    dump: Tcpdump,
    file: PathBuf,
    _folder: TempDir,
}

impl Recording {
    /// Records what a host sends.
    pub(super) fn start(host: &NetNs) -> Result<Self> {
        let folder = tempfile::tempdir().context("making a folder for a recording")?;
        let file = folder.path().join("sent.pcap");
        let arguments = ["-i", INTERFACE, "-Q", "out", "-s", "256", "ip or ip6"];
        Ok(Self { dump: Tcpdump::start(host, &file, &arguments)?, file, _folder: folder })
    }

    /// What was sent until now.
    pub(super) fn stop(self) -> Result<Account> {
        self.dump
            .stop(u64::MAX)?
            .context("tcpdump dropped packets: the account is not complete")?;
        let rows = Tshark::new()?.rows(&self.file)?;
        Ok(Account { probes: rows.iter().map(probe).collect::<Result<_>>()? })
    }
}

/// Of the packet itself; what an ICMP error quotes comes behind it.
fn probe(row: &Row) -> Result<Probe> {
    let address = |v4, v6| -> Result<IpAddr> {
        let text = row.all(v4).next().or_else(|| row.all(v6).next());
        text.context("a packet without addresses")?.parse().context("reading an address")
    };
    let first = |field| row.nth(field, 0);
    let protocol = match first(Field::IpProtocol) {
        Some(protocol) => protocol,
        None => {
            let chain = [Field::FragmentNext, Field::DestinationNext, Field::HopByHopNext];
            let last = chain.into_iter().find_map(|field| row.all(field).last());
            let next = last.and_then(crate::tshark::number).or_else(|| first(Field::Ipv6Next));
            next.context("a packet without a protocol")?
        }
    };
    let protocol = u8::try_from(protocol).context("reading a protocol")?;
    let ports = match protocol {
        protocol::TCP => Some((Field::TcpSource, Field::TcpDestination)),
        protocol::UDP => Some((Field::UdpSource, Field::UdpDestination)),
        protocol::SCTP => Some((Field::SctpSource, Field::SctpDestination)),
        _ => None,
    };
    let number = |field: Field| first(field).and_then(|number| u16::try_from(number).ok());
    let icmp = first(Field::IcmpType).or_else(|| first(Field::Icmpv6Type));
    let is_icmp = matches!(protocol, protocol::ICMP | protocol::ICMPV6);
    Ok(Probe {
        source: address(Field::IpSource, Field::Ipv6Source)?,
        destination: address(Field::IpDestination, Field::Ipv6Destination)?,
        protocol,
        source_port: ports.and_then(|(source, _)| number(source)),
        port: ports.and_then(|(_, destination)| number(destination)),
        flags: if protocol == protocol::TCP { number(Field::TcpFlags) } else { None },
        icmp_type: icmp.filter(|_| is_icmp).and_then(|kind| u8::try_from(kind).ok()),
        later: first(Field::IpOffset).or_else(|| first(Field::FragmentOffset)).unwrap_or(0) > 0,
    })
}
