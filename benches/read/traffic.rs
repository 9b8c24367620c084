//! A capture made up: classic pcap, microseconds, Ethernet, packets cut to a snap length.
//!
//! The same packets every time. 100,000 conversations of two hosts each, IPv4 and IPv6, TCP, UDP and ICMP echo, drawn by
//! Zipf's law and independently of each other, which is the hardest order for a cache; sequence numbers go on as TCP's do.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

/// Hosts' pairs; each is two flows.
pub(crate) const CONVERSATIONS: u32 = 100_000;
/// Bytes kept of each packet.
const SNAP_LENGTH: u32 = 96;
/// 2026-01-01, seconds since 1970.
const START: u64 = 1_767_225_600;
/// 100,000 packets a second.
const INTERVAL_MICROSECONDS: u64 = 10;
/// Every so many packets one is of the next conversation in order, so that each of them is seen.
const TURN: u64 = 20;

/// What a capture holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Of the frames, of which the file holds the beginnings.
    pub(crate) bytes: u64,
    /// Of the file.
    pub(crate) file: u64,
}

/// Writes a capture of `packets` packets.
pub(crate) fn write(path: &Path, packets: u64) -> io::Result<Extent> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for word in [0xa1b2_c3d4_u32, 4 << 16 | 2, 0, 0, SNAP_LENGTH, 1] {
        out.write_all(&word.to_le_bytes())?;
    }
    let mut extent = Extent { bytes: 0, file: 24 };
    let mut all: Vec<_> = (0..CONVERSATIONS).map(Conversation::new).collect();
    let zipf = Zipf::new(all.len());
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut frame = Vec::with_capacity(SNAP_LENGTH as usize);
    for n in 0..packets {
        let turn = n.is_multiple_of(TURN).then(|| (n / TURN) as usize % all.len());
        let index = turn.unwrap_or_else(|| zipf.draw(&mut random));
        frame.clear();
        let length = all[index].packet(&mut random, &mut frame);
        frame.truncate(SNAP_LENGTH as usize);
        let time = START * 1_000_000 + n * INTERVAL_MICROSECONDS;
        let (seconds, fraction) = ((time / 1_000_000) as u32, (time % 1_000_000) as u32);
        for word in [seconds, fraction, frame.len() as u32, length] {
            out.write_all(&word.to_le_bytes())?;
        }
        out.write_all(&frame)?;
        extent.bytes += u64::from(length);
        extent.file += 16 + frame.len() as u64;
    }
    out.into_inner()?.sync_all()?;
    Ok(extent)
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Transport {
    Tcp,
    Udp,
    Icmp,
}

/// Two hosts, and how far they are.
struct Conversation {
    number: u32,
    ipv6: bool,
    transport: Transport,
    packets: u32,
    /// Next sequence number of either side.
    sequence: [u32; 2],
}

impl Conversation {
    fn new(number: u32) -> Self {
        // Stepping by 7 spreads the few over the ranks.
        let transport = match (number * 7 + 20) % 50 {
            0 => Transport::Icmp,
            1..=12 => Transport::Udp,
            _ => Transport::Tcp,
        };
        let ipv6 = number.wrapping_mul(0x9e37_79b1) >> 16 & 0xff < 77;
        Self { number, ipv6, transport, packets: 0, sequence: [number, !number] }
    }

    /// Puts the next packet into `frame`, its payload as far as a snap length needs it, and says how long it is.
    fn packet(&mut self, random: &mut Random, frame: &mut Vec<u8>) -> u32 {
        let answer = match self.packets {
            0 => false,
            1 => true,
            _ => random.below(5) < 2,
        };
        let opening = self.packets < 2;
        self.packets += 1;
        let payload = match self.transport {
            Transport::Tcp if opening => 0,
            // Who asks gets: acknowledgements one way, full segments the other.
            Transport::Tcp if answer => [1448, 1448, 1448, 517][random.below(4) as usize],
            Transport::Tcp => [0, 0, 0, 330][random.below(4) as usize],
            Transport::Udp if answer => 60 + random.below(1100),
            Transport::Udp => 30 + random.below(90),
            Transport::Icmp => 56,
        };
        let transport = match self.transport {
            Transport::Tcp => 32,
            Transport::Udp | Transport::Icmp => 8,
        };
        self.network(answer, transport + payload, frame);
        match self.transport {
            Transport::Tcp => self.tcp(answer, opening, payload, frame),
            Transport::Udp => {
                self.ports(answer, frame);
                frame.extend((8 + payload as u16).to_be_bytes());
                // Any checksum: nobody here verifies it, but IPv6 forbids 0.
                frame.extend([0x5a; 2]);
            }
            Transport::Icmp => {
                let kind = if self.ipv6 { 128 + u8::from(answer) } else { 8 * u8::from(!answer) };
                frame.extend([kind, 0, 0, 0]);
                frame.extend(
                    [self.number as u16, self.packets as u16].map(u16::to_be_bytes).concat(),
                );
            }
        }
        let length = frame.len() as u32 + payload;
        frame.resize(length.min(SNAP_LENGTH) as usize, 0);
        length
    }

    fn network(&self, answer: bool, payload: u32, frame: &mut Vec<u8>) {
        let (client, server) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let (from, to) = if answer { (server, client) } else { (client, server) };
        frame.extend(to);
        frame.extend(from);
        let protocol = match (self.transport, self.ipv6) {
            (Transport::Tcp, _) => 6,
            (Transport::Udp, _) => 17,
            (Transport::Icmp, false) => 1,
            (Transport::Icmp, true) => 58,
        };
        let client = (10 << 24 | self.number).to_be_bytes();
        let server =
            (198 << 24 | 18 << 16 | (self.number.wrapping_mul(40_503) % 5_000)).to_be_bytes();
        let (from, to) = if answer { (server, client) } else { (client, server) };
        if self.ipv6 {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend((payload as u16).to_be_bytes());
            frame.extend([protocol, 64]);
            for host in [from, to] {
                frame.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0]);
                frame.extend(host);
            }
            return;
        }
        frame.extend([0x08, 0x00]);
        let start = frame.len();
        frame.extend([0x45, 0]);
        frame.extend((20 + payload as u16).to_be_bytes());
        frame.extend((self.packets as u16).to_be_bytes());
        frame.extend([0x40, 0, 64, protocol, 0, 0]);
        frame.extend(from);
        frame.extend(to);
        let checksum = checksum(&frame[start..]).to_be_bytes();
        frame[start + 10..start + 12].copy_from_slice(&checksum);
    }

    fn ports(&self, answer: bool, frame: &mut Vec<u8>) {
        let client = 32_768 + (self.number % 28_000) as u16;
        let server = [443, 443, 443, 80, 5_061, 8_080][self.number as usize % 6];
        let (from, to) = if answer { (server, client) } else { (client, server) };
        frame.extend(from.to_be_bytes());
        frame.extend(to.to_be_bytes());
    }

    fn tcp(&mut self, answer: bool, opening: bool, payload: u32, frame: &mut Vec<u8>) {
        const SYN: u8 = 2;
        const PSH: u8 = 8;
        const ACK: u8 = 16;
        let side = usize::from(answer);
        self.ports(answer, frame);
        let acknowledged = if opening && !answer { 0 } else { self.sequence[1 - side] };
        frame.extend(self.sequence[side].to_be_bytes());
        frame.extend(acknowledged.to_be_bytes());
        let flags = match (opening, answer, payload) {
            (true, false, _) => SYN,
            (true, true, _) => SYN | ACK,
            (false, _, 0) => ACK,
            (false, ..) => PSH | ACK,
        };
        frame.extend([0x80, flags, 0x01, 0xf5, 0, 0, 0, 0]);
        // Timestamps (RFC 7323 section 3.2) behind two that do nothing.
        frame.extend([1, 1, 8, 10]);
        frame.extend([self.packets, self.packets].map(u32::to_be_bytes).concat());
        self.sequence[side] = self.sequence[side].wrapping_add(payload + u32::from(opening));
    }
}

/// RFC 1071.
fn checksum(header: &[u8]) -> u16 {
    let sum: u32 = header.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}

/// Zipf's law with exponent 1: the n-th of them is met n times less often than the first.
struct Zipf {
    /// Sums of weights up to each, scaled to 32 bits.
    sums: Vec<u32>,
}

impl Zipf {
    fn new(n: usize) -> Self {
        let mut sum = 0.0;
        let sums: Vec<f64> = (1..=n)
            .map(|rank| {
                sum += 1.0 / rank as f64;
                sum
            })
            .collect();
        Self { sums: sums.iter().map(|s| (s / sum * f64::from(u32::MAX)) as u32).collect() }
    }

    fn draw(&self, random: &mut Random) -> usize {
        let point = (random.next() >> 32) as u32;
        self.sums.partition_point(|&sum| sum < point).min(self.sums.len() - 1)
    }
}

/// xorshift64* (Vigna 2016): good enough to deal packets.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u32) -> u32 {
        (((self.next() >> 32) * u64::from(n)) >> 32) as u32
    }
}
