//! Floods and what is none, by simulated seconds.

use wireledger_common::{
    abi::flow::{EGRESS, FlowKey},
    wire::tcp_flags::{ACK, RST, SYN},
};

use super::*;

mod bounds;
mod icmp;
mod sight;
mod syn;
mod time;
mod udp;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ETH0: u32 = 2;
const HERE: u32 = 0x0a00_0002;
const CLIENT: u32 = 0x0a01_0001;
/// A frame of a full data segment, and one without data.
const LONG: u64 = 1400;
const BARE: u64 = 54;

/// An interface under traffic, second by second.
struct Scene {
    detector: Detector,
    now: u64,
    rates: [Rates; 2],
    heard: Vec<(Stage, Flood)>,
}

impl Scene {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let handshakes = Some(Handshakes::default());
        let rates = [Rates { handshakes, ..Rates::default() }; 2];
        Self { detector: Detector::new(settings), now: 1000 * SECOND, rates, heard: Vec::new() }
    }

    /// One direction only, so that nobody knows how handshakes end.
    fn one_way() -> Self {
        let mut scene = Self::new();
        scene.rates = Default::default();
        scene
    }

    /// Packets of a flow, counted as the kernel counts them.
    fn flow(&mut self, key: FlowKey, packets: u64, length: u64, first_flags: u16, begins: bool) {
        let way = usize::from(key.kind & EGRESS != 0);
        let rates = &mut self.rates[way];
        let is_syn = key.protocol == TCP && first_flags & (SYN | ACK) == SYN;
        match key.protocol {
            TCP => rates.tcp += packets,
            UDP => rates.udp += packets,
            _ => rates.icmp += packets,
        }
        // A flow of the tests has one SYN.
        rates.syn += u64::from(is_syn && begins);
        let syn = u64::from(is_syn && begins);
        let news = News { packets, bytes: packets * length, syn, first_flags, begins };
        self.detector.note(&key, &news);
    }

    fn syn(&mut self, source: u32, port: u16, to: (u32, u16)) {
        self.flow(key(TCP, (source, port), to), 1, BARE, SYN, true);
    }

    /// A connection that completes, with its data.
    fn connection(&mut self, source: u32, port: u16, to: (u32, u16)) {
        let there = key(TCP, (source, port), to);
        self.flow(there, 6, 200, SYN, true);
        self.flow(back(&there), 6, LONG, SYN | ACK, true);
        self.completed(1);
    }

    fn completed(&mut self, handshakes: u64) {
        self.handshakes(|told| told.completed += handshakes);
    }

    /// Changes what became of the handshakes of those who come, where that is counted.
    fn handshakes(&mut self, change: impl Fn(&mut Handshakes)) {
        if let Some(told) = &mut self.rates[0].handshakes {
            change(told);
        }
    }

    fn udp(&mut self, source: u32, port: u16, to: (u32, u16), packets: u64, length: u64) {
        self.flow(key(UDP, (source, port), to), packets, length, 0, true);
    }

    /// An ICMP message: type and code stand where ports would.
    fn icmp(&mut self, source: u32, to: u32, kind: u16, packets: u64) {
        let key = FlowKey { source_port: kind, ..key(ICMP, (source, 0), (to, 0)) };
        self.flow(key, packets, 98, 0, true);
    }

    fn icmp_back(&mut self, source: u32, to: u32, kind: u16, packets: u64) {
        let key = FlowKey { source_port: kind, kind: EGRESS, ..key(ICMP, (source, 0), (to, 0)) };
        self.flow(key, packets, 98, 0, true);
    }

    fn second(&mut self) {
        self.now += SECOND;
        let heard = &mut self.heard;
        let hear = |flood: &Flood, stage| heard.push((stage, flood.clone()));
        self.detector.second(ETH0, self.now, self.rates, hear);
        for rates in &mut self.rates {
            *rates = Rates {
                handshakes: rates.handshakes.map(|_| Handshakes::default()),
                ..Rates::default()
            };
        }
    }

    /// Seconds in which so many connections complete, each from a client of its own.
    fn serve(&mut self, seconds: u64, each: u32) {
        for _ in 0..seconds {
            (0..each).for_each(|n| self.connection(anyone(n), n as u16, (HERE, 443)));
            self.second();
        }
    }

    fn quiet(&mut self, seconds: u64) {
        (0..seconds).for_each(|_| self.second());
    }

    fn begun(&self) -> Vec<&Flood> {
        let begun = self.heard.iter().filter(|(stage, _)| *stage == Stage::Begun);
        begun.map(|(_, flood)| flood).collect()
    }

    fn stages(&self) -> Vec<Stage> {
        self.heard.iter().map(|(stage, _)| *stage).collect()
    }

    /// The only flood there was.
    #[track_caller]
    fn flood(&self, kind: Kind) -> &Flood {
        match self.begun()[..] {
            [flood] if flood.kind == kind => flood,
            ref other => panic!("{other:#?}"),
        }
    }

    #[track_caller]
    fn assert_silent(&self) {
        assert!(self.heard.is_empty(), "{:#?}", self.heard);
    }
}

fn address(n: u32) -> [u8; 16] {
    let mut address = [0; 16];
    address[..4].copy_from_slice(&n.to_be_bytes());
    address
}

fn key(protocol: u8, from: (u32, u16), to: (u32, u16)) -> FlowKey {
    FlowKey {
        source: address(from.0),
        source_port: from.1,
        destination: address(to.0),
        destination_port: to.1,
        interface: ETH0,
        protocol,
        ..FlowKey::default()
    }
}

/// The flow of the answers.
fn back(key: &FlowKey) -> FlowKey {
    FlowKey {
        source: key.destination,
        source_port: key.destination_port,
        destination: key.source,
        destination_port: key.source_port,
        kind: key.kind ^ EGRESS,
        ..*key
    }
}

#[track_caller]
fn assert_says(flood: &Flood, said: &str) {
    assert!(flood.reasons.iter().any(|reason| reason.contains(said)), "{flood:#?}");
}

fn ip(n: u32) -> std::net::IpAddr {
    std::net::Ipv4Addr::from(n).into()
}

/// An address of the whole world for each number.
fn anyone(n: u32) -> u32 {
    n.wrapping_mul(0x9e37_79b1)
}
