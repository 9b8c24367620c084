//! What IP carries.

/// TCP flags (RFC 9293 section 3.1; AE: RFC 9768).
pub mod flags {
    /// FIN.
    pub const FIN: u16 = 1;
    /// SYN.
    pub const SYN: u16 = 1 << 1;
    /// RST.
    pub const RST: u16 = 1 << 2;
    /// PSH.
    pub const PSH: u16 = 1 << 3;
    /// ACK.
    pub const ACK: u16 = 1 << 4;
    /// URG.
    pub const URG: u16 = 1 << 5;
    /// ECE.
    pub const ECE: u16 = 1 << 6;
    /// CWR.
    pub const CWR: u16 = 1 << 7;
    /// AE.
    pub const AE: u16 = 1 << 8;
}

/// A TCP header (RFC 9293).
#[derive(Clone, Debug)]
pub struct Tcp {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// Flags, as in [`flags`].
    pub flags: u16,
    /// Data offset in 32-bit words; right when `None`.
    pub offset: Option<u8>,
    /// Options, a multiple of four bytes.
    pub options: Vec<u8>,
}

impl Default for Tcp {
    fn default() -> Self {
        Self {
            source: 40_000,
            destination: 443,
            flags: flags::ACK,
            offset: None,
            options: Vec::new(),
        }
    }
}

impl Tcp {
    /// The segment.
    #[must_use]
    pub fn segment(&self, payload: &[u8]) -> Vec<u8> {
        const HEADER: usize = 20;
        let offset = self.offset.unwrap_or(((HEADER + self.options.len()) / 4) as u8);
        let mut segment = ports(self.source, self.destination);
        segment.extend(1_u32.to_be_bytes());
        segment.extend(2_u32.to_be_bytes());
        segment.extend((u16::from(offset) << 12 | self.flags).to_be_bytes());
        // Window, checksum, urgent pointer.
        segment.extend([0xff, 0xff, 0, 0, 0, 0]);
        segment.extend(&self.options);
        segment.extend(payload);
        segment
    }
}

/// A TCP segment without options.
#[must_use]
pub fn tcp(source: u16, destination: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    Tcp { source, destination, flags, ..Tcp::default() }.segment(payload)
}

/// A UDP datagram (RFC 768).
#[must_use]
pub fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    udp_saying(source, destination, payload.len() as u16 + 8, payload)
}

/// A UDP datagram whose length field says what it is told to; for UDP-Lite the field is the checksum's coverage.
#[must_use]
pub fn udp_saying(source: u16, destination: u16, length: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = ports(source, destination);
    datagram.extend(length.to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

/// An ICMP or ICMPv6 message, with its second word.
#[must_use]
pub fn icmp(kind: u8, code: u8, word: [u8; 4], payload: &[u8]) -> Vec<u8> {
    [&[kind, code, 0, 0], &word[..], payload].concat()
}

/// An ICMP or ICMPv6 echo.
#[must_use]
pub fn echo(kind: u8, id: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    icmp(kind, 0, [high, low, 0, 1], payload)
}

/// An SCTP packet with an INIT chunk (RFC 9260).
#[must_use]
pub fn sctp(source: u16, destination: u16) -> Vec<u8> {
    let mut packet = ports(source, destination);
    // Verification tag and checksum.
    packet.extend([0; 8]);
    // INIT: length 20, tag, window, streams out and in, sequence number.
    packet.extend([1, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0, 1, 0, 1, 0, 0, 0, 1]);
    packet
}

/// A DCCP request (RFC 4340).
#[must_use]
pub fn dccp(source: u16, destination: u16) -> Vec<u8> {
    let mut packet = ports(source, destination);
    // Data offset 5 words, CCVal and coverage, checksum; request with a long sequence number; its six bytes; service.
    packet.extend([5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 42]);
    packet
}

/// GRE (RFC 2784) around a packet of an EtherType.
#[must_use]
pub fn gre(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&[0, 0], &ether_type.to_be_bytes()[..], payload].concat()
}

/// ESP (RFC 4303): an index, a sequence number, bytes nobody can read.
#[must_use]
pub fn esp() -> Vec<u8> {
    let mut packet = vec![0, 0, 0x10, 0, 0, 0, 0, 1];
    packet.extend([0xa5; 48]);
    packet
}

/// An IGMP version 2 query (RFC 9776 section 8).
#[must_use]
pub fn igmp() -> Vec<u8> {
    vec![0x11, 100, 0, 0, 0, 0, 0, 0]
}

/// An OSPF hello's header (RFC 2328).
#[must_use]
pub fn ospf() -> Vec<u8> {
    let mut packet = vec![2, 1, 0, 44, 192, 0, 2, 1];
    packet.resize(44, 0);
    packet
}

fn ports(source: u16, destination: u16) -> Vec<u8> {
    [source.to_be_bytes(), destination.to_be_bytes()].concat()
}
