//! Scans and what is none, attempt by attempt.

mod bounds;
mod named;
mod probes;
mod silence;

use wireledger_common::{
    abi::flow::{Detail, FlowKey, IPV6},
    wire::tcp_flags::{ACK, RST, SYN},
};

use super::{
    Attempt, Detector, Kind, Settings, Stage, Verdict,
    protocol::{ICMP, SCTP, TCP, UDP},
};
use crate::flows::Flow;

const SECOND: u64 = 1_000_000_000;
const MILLISECOND: u64 = SECOND / 1000;

/// Somebody, by the last byte of an address.
const SCANNER: u32 = 0x0a42_0001;
const TARGET: u32 = 0x0a42_0002;

/// A detector and its clock.
struct Scene {
    detector: Detector,
    now: u64,
    /// What was told: kind, stage.
    told: Vec<(Kind, Stage)>,
    /// Answers can be seen.
    both_ways: bool,
    v6: bool,
    /// What frames begin with, and their VLAN tags.
    link_header: u32,
    vlans: [u16; 3],
}

/// An attempt in the making.
#[derive(Clone, Copy, Debug)]
struct Try {
    from: u32,
    to: u32,
    protocol: u8,
    ports: (u16, u16),
    packets: u64,
    /// Of the first packet, and of all.
    flags: (u16, u16),
    /// Flags of the answer, if there is one.
    answer: Option<u16>,
    /// Longest and shortest frame, and the answer's.
    length: u32,
    answer_length: u32,
    fragments: u64,
    ttl: u8,
}

fn attempt(from: u32, to: u32, protocol: u8, ports: (u16, u16)) -> Try {
    Try {
        from,
        to,
        protocol,
        ports,
        packets: 1,
        flags: (0, 0),
        answer: None,
        length: 74,
        answer_length: 60,
        fragments: 0,
        ttl: 50,
    }
}

/// A SYN that nobody answers.
fn syn(from: u32, to: u32, ports: (u16, u16)) -> Try {
    Try { flags: (SYN, SYN), ..attempt(from, to, TCP, ports) }
}

fn udp(from: u32, to: u32, ports: (u16, u16)) -> Try {
    attempt(from, to, UDP, ports)
}

fn ping(from: u32, to: u32, kind: u16) -> Try {
    attempt(from, to, ICMP, (kind, 0))
}

impl Try {
    fn refused(self) -> Self {
        Self { answer: Some(RST | ACK), ..self }
    }

    /// Answered, and reset by who asked.
    fn half_open(self) -> Self {
        let flags = (self.flags.0, self.flags.1 | RST);
        Self { answer: Some(SYN | ACK), flags, packets: 2, ..self }
    }

    fn completed(self) -> Self {
        let flags = (self.flags.0, self.flags.1 | ACK);
        Self { answer: Some(SYN | ACK), flags, packets: 5, ..self }
    }

    fn answered(self) -> Self {
        Self { answer: Some(0), ..self }
    }
}

fn address(n: u32, v6: bool) -> [u8; 16] {
    let mut bytes = [0; 16];
    if v6 {
        bytes[..2].copy_from_slice(&[0xfd, 0x66]);
        bytes[12..].copy_from_slice(&n.to_be_bytes());
    } else {
        bytes[..4].copy_from_slice(&n.to_be_bytes());
    }
    bytes
}

impl Scene {
    fn new() -> Self {
        Self::with(Settings { newcomers: 1 << 12, ..Settings::default() })
    }

    fn with(settings: Settings) -> Self {
        let detector = Detector::new(settings).expect("memory");
        Self {
            detector,
            now: 1000 * SECOND,
            told: Vec::new(),
            both_ways: true,
            v6: false,
            link_header: 14,
            vlans: [0; 3],
        }
    }

    fn attempt(&mut self, this: Try) {
        let Try { from, to, protocol, ports, .. } = this;
        let key = FlowKey {
            source: address(from, self.v6),
            destination: address(to, self.v6),
            source_port: ports.0,
            destination_port: ports.1,
            interface: 2,
            protocol,
            kind: if self.v6 { IPV6 } else { 0 },
            vlans: self.vlans,
        };
        let detail =
            Detail { length_min: this.length, length_max: this.length, ..Detail::default() };
        let mut asked = Flow::new(&detail, self.now);
        asked.packets = this.packets;
        (asked.tcp_flags_first, asked.tcp_flags) = this.flags;
        asked.fragments = this.fragments;
        (asked.ttl_min, asked.ttl_max) = (this.ttl, this.ttl);
        let answered = this.answer.map(|flags| {
            let length = this.answer_length;
            let detail = Detail { length_min: length, length_max: length, ..Detail::default() };
            let mut flow = Flow::new(&detail, self.now + 1);
            (flow.packets, flow.tcp_flags_first, flow.tcp_flags) = (1, flags, flags);
            flow
        });
        let (both_ways, link_header) = (self.both_ways, self.link_header);
        let answered = answered.as_ref();
        let attempt = Attempt { key: &key, asked: &asked, answered, both_ways, link_header };
        self.detector.attempt(&attempt, self.now);
    }

    /// Each after the last by `distance`, with a tick each second.
    fn attempts(&mut self, distance: u64, all: impl IntoIterator<Item = Try>) {
        let mut next = self.now + SECOND;
        for this in all {
            self.attempt(this);
            self.now += distance;
            if self.now >= next {
                self.tick();
                next = self.now + SECOND;
            }
        }
        self.tick();
    }

    fn tick(&mut self) {
        let told = &mut self.told;
        self.detector.tick(self.now, |verdict, stage| told.push((verdict.kind, stage)));
    }

    fn verdicts(&self) -> Vec<Verdict> {
        self.detector.verdicts().collect()
    }

    /// The one verdict that there is.
    fn verdict(&self) -> Verdict {
        let [verdict] = &self.verdicts()[..] else { panic!("{:#?}", self.verdicts()) };
        verdict.clone()
    }

    fn assert_silent(&self, what: &str) {
        assert!(self.verdicts().is_empty(), "{what}: {:#?}", self.verdicts());
    }
}

/// Frames of SCTP with and without room for an INIT.
const SCTP_INIT: u32 = 66;
const SCTP_COOKIE: u32 = 60;

fn sctp(to: u32, port: u16, length: u32) -> Try {
    Try { length, ..attempt(SCANNER, to, SCTP, (40_000, port)) }
}
