//! tshark as the judge: one row of fields for each packet, without the user's settings and without anything above the
//! protocols that are compared.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::netns::output;

/// What is dissected. Everything else would add fields of its own guesses: inner packets, faults in payloads.
const DISSECTED: [&str; 35] = [
    "frame",
    "eth",
    "ethertype",
    "eth_maybefcs",
    "eth_withoutfcs",
    "vlan",
    "ieee8021ad",
    "mpls",
    "pppoes",
    "ppp",
    "llc",
    "sll",
    "null",
    "raw",
    "arp",
    "ip",
    "ipv6",
    "ipv6.dstopts",
    "ipv6.fraghdr",
    "ipv6.hopopts",
    "ipv6.routing",
    "ah",
    "tcp",
    "udp",
    "udplite",
    "icmp",
    "icmpv6",
    "sctp",
    "dccp",
    "gre",
    "erspan",
    "vxlan",
    "geneve",
    "gtp",
    "data",
];

/// Every packet as it stands: nothing put together, nothing relative, no verdict on checksums.
const PREFERENCES: [&str; 9] = [
    "ip.defragment:FALSE",
    "ipv6.defragment:FALSE",
    "ip.check_checksum:FALSE",
    "udp.check_checksum:FALSE",
    "tcp.check_checksum:FALSE",
    "tcp.relative_sequence_numbers:FALSE",
    "tcp.desegment_tcp_streams:FALSE",
    "tcp.analyze_sequence_numbers:FALSE",
    "vlan.qinq_ethertype:0x9100",
];

macro_rules! fields {
    ($($name:ident = $text:literal,)*) => {
        /// A field by tshark's name for it.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[expect(missing_docs, reason = "the names are tshark's")]
        pub enum Field {
            $($name,)*
        }

        impl Field {
            const NAMES: &[&str] = &[$($text,)*];
        }
    };
}

fields! {
    Time = "frame.time_epoch",
    Length = "frame.len",
    Captured = "frame.cap_len",
    Section = "frame.section_number",
    InterfaceId = "frame.interface_id",
    InterfaceName = "frame.interface_name",
    Direction = "frame.packet_flags_direction",
    Protocols = "frame.protocols",
    EthType = "eth.type",
    EthLength = "eth.len",
    SllType = "sll.etype",
    SllInterface = "sll.ifindex",
    SllPacketType = "sll.pkttype",
    VlanId = "vlan.id",
    VlanType = "vlan.etype",
    ProviderVlanId = "ieee8021ad.id",
    ProviderVlanSid = "ieee8021ad.svid",
    ProviderVlanCid = "ieee8021ad.cvid",
    MplsLabel = "mpls.label",
    PppProtocol = "ppp.protocol",
    LlcType = "llc.type",
    IpVersion = "ip.version",
    IpHeader = "ip.hdr_len",
    IpLength = "ip.len",
    IpId = "ip.id",
    IpDf = "ip.flags.df",
    IpMf = "ip.flags.mf",
    IpOffset = "ip.frag_offset",
    IpTtl = "ip.ttl",
    IpProtocol = "ip.proto",
    IpDscp = "ip.dsfield.dscp",
    IpSource = "ip.src",
    IpDestination = "ip.dst",
    IpBadVersion = "ip.bogus_ip_version",
    IpBadHeader = "ip.bogus_header_length",
    IpBadLength = "ip.bogus_ip_length",
    Ipv6Version = "ipv6.version",
    Ipv6Length = "ipv6.plen",
    Ipv6Next = "ipv6.nxt",
    Ipv6HopLimit = "ipv6.hlim",
    Ipv6Dscp = "ipv6.tclass.dscp",
    Ipv6FlowLabel = "ipv6.flow",
    Ipv6Source = "ipv6.src",
    Ipv6Destination = "ipv6.dst",
    Ipv6BadVersion = "ipv6.bogus_ipv6_version",
    Ipv6BadLength = "ipv6.plen_exceeds_framing",
    HopByHopNext = "ipv6.hopopts.nxt",
    HopByHopLength = "ipv6.hopopts.len_oct",
    RoutingNext = "ipv6.routing.nxt",
    RoutingLength = "ipv6.routing.len_oct",
    DestinationNext = "ipv6.dstopts.nxt",
    DestinationLength = "ipv6.dstopts.len_oct",
    FragmentNext = "ipv6.fraghdr.nxt",
    FragmentOffset = "ipv6.fraghdr.offset",
    FragmentMore = "ipv6.fraghdr.more",
    FragmentId = "ipv6.fraghdr.ident",
    AhNext = "ah.next_header",
    AhLength = "ah.length",
    TcpSource = "tcp.srcport",
    TcpDestination = "tcp.dstport",
    TcpSequence = "tcp.seq_raw",
    TcpAcknowledgment = "tcp.ack_raw",
    TcpHeader = "tcp.hdr_len",
    TcpFlags = "tcp.flags",
    TcpWindow = "tcp.window_size_value",
    TcpUrgent = "tcp.urgent_pointer",
    UdpSource = "udp.srcport",
    UdpDestination = "udp.dstport",
    UdpLength = "udp.length",
    UdpCoverage = "udp.checksum_coverage",
    IcmpType = "icmp.type",
    IcmpCode = "icmp.code",
    Icmpv6Type = "icmpv6.type",
    Icmpv6Code = "icmpv6.code",
    SctpSource = "sctp.srcport",
    SctpDestination = "sctp.dstport",
    DccpSource = "dccp.srcport",
    DccpDestination = "dccp.dstport",
    Malformed = "_ws.malformed",
    Short = "_ws.short",
}

/// tshark, with settings of its own.
#[derive(Debug)]
pub struct Tshark {
    settings: TempDir,
}

/// What tshark says of a packet.
#[derive(Clone, Debug)]
pub struct Row {
    line: String,
    /// Where each field's cell ends in the line.
    ends: Vec<usize>,
}

impl Tshark {
    /// Writes the settings.
    ///
    /// # Errors
    /// When tshark does not run.
    pub fn new() -> Result<Self> {
        let settings = tempfile::tempdir().context("making a folder for tshark's settings")?;
        let listed = output(Command::new("tshark").args(["-G", "protocols"]))?;
        let names = listed.lines().filter_map(|line| line.split('\t').nth(2));
        let disabled: Vec<_> = names.filter(|name| !DISSECTED.contains(name)).collect();
        ensure!(disabled.len() > 1000, "tshark lists only {} protocols", disabled.len());
        let file = settings.path().join("disabled_protos");
        fs::write(file, disabled.join("\n")).context("writing tshark's settings")?;
        Ok(Self { settings })
    }

    /// Name and version.
    ///
    /// # Errors
    /// When tshark does not run.
    pub fn version(&self) -> Result<String> {
        let text = output(self.command().arg("--version"))?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }

    /// The rows of a capture's packets, as far as tshark reads it.
    ///
    /// # Errors
    /// When tshark does not start, or says something else.
    pub fn rows(&self, capture: &Path) -> Result<Vec<Row>> {
        let mut command = self.command();
        command.args(["-n", "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-r"]);
        command.arg(capture);
        // VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe) is no tunnel that Wireledger reads.
        command.args(["-d", "udp.port==4790,data"]);
        command.args(PREFERENCES.iter().flat_map(|preference| ["-o", preference]));
        command.args(Field::NAMES.iter().flat_map(|name| ["-e", name]));
        // A damaged file is an error behind its last row.
        let said = command.output().context("starting tshark")?;
        let text = String::from_utf8(said.stdout).context("reading tshark's rows")?;
        let rows = text.lines().map(Row::read).collect::<Result<Vec<_>>>()?;
        Ok(rows.into_iter().filter(Row::is_packet).collect())
    }

    fn command(&self) -> Command {
        let mut command = Command::new("tshark");
        command.env("WIRESHARK_CONFIG_DIR", self.settings.path());
        command
    }
}

impl Row {
    fn read(line: &str) -> Result<Self> {
        let mut ends: Vec<_> = line.match_indices('\t').map(|(at, _)| at).collect();
        ends.push(line.len());
        ensure!(ends.len() == Field::NAMES.len(), "{} cells: {line}", ends.len());
        Ok(Self { line: line.to_owned(), ends })
    }

    /// tshark shows pcapng's custom blocks and journal entries among packets. They come from no interface, which every
    /// packet of a pcapng file does (draft-ietf-opsawg-pcapng sections 4.3 and 4.4).
    fn is_packet(&self) -> bool {
        !self.has(Field::Section) || self.has(Field::InterfaceId)
    }

    /// Every value of a field, in the packet's order.
    pub fn all(&self, field: Field) -> impl Iterator<Item = &str> {
        self.cell(field).split(',').filter(|value| !value.is_empty())
    }

    /// The field's values as they stand.
    #[must_use]
    pub fn cell(&self, field: Field) -> &str {
        let index = field as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before] + 1);
        &self.line[start..self.ends[index]]
    }

    /// The packet has the field.
    #[must_use]
    pub fn has(&self, field: Field) -> bool {
        !self.cell(field).is_empty()
    }

    /// The nth value as a number, decimal or hexadecimal.
    #[must_use]
    pub fn nth(&self, field: Field, n: usize) -> Option<u64> {
        number(self.all(field).nth(n)?)
    }
}

/// As tshark writes numbers; booleans are some.
#[must_use]
pub fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => match text {
            "True" => Some(1),
            "False" => Some(0),
            _ => text.parse().ok(),
        },
    }
}
