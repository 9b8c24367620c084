//! Filters by chance: expressions of the tcpdump language, and classic programs of every instruction.

use anyhow::{Result, ensure};
use wireledger::filter::{Classic, Error, Instruction};
use wireledger_tests::{libpcap::Libpcap, packets::every_kind};

use super::{chance::Chance, decisions::compare, expression, program};

const FILTERS: usize = 320;
const FRAMES: usize = 200;
const SEED: u64 = 0x5eed_0f11_7e25;

const PRIMITIVES: &[&str] = &[
    "ip",
    "ip6",
    "arp",
    "rarp",
    "tcp",
    "udp",
    "sctp",
    "icmp",
    "icmp6",
    "igmp",
    "ether multicast",
    "ether broadcast",
    "ip multicast",
    "ip6 multicast",
    "stp",
    "iso",
    "llc",
    "esp",
    "ah",
    "pim",
    "vlan",
    "mpls",
    "pppoes",
    "geneve",
    "host 192.0.2.1",
    "src host 192.0.2.1",
    "net 198.51.100.0/24",
    "ip6 host 2001:db8::1",
    "dst net 2001:db8::/32",
    "ether src 02:00:00:00:99:01",
    "ether proto \\ip",
    "portrange 5000-8000",
    "tcp[tcpflags] & tcp-syn != 0",
    "icmp[icmptype] = icmp-echo",
];
const PROTOCOLS: &[&str] =
    &["ether", "ip", "ip6", "tcp", "udp", "icmp", "arp", "igmp", "sctp", "icmp6", "rarp"];
const COMPARISONS: &[&str] = &["=", "!=", "<", "<=", ">", ">="];
const OPERATORS: &[&str] = &["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"];

fn primitive(chance: &mut Chance) -> String {
    match chance.below(8) {
        0 => {
            format!("{} port {}", chance.one_of(&["tcp", "udp", "src", "dst"]), chance.below(9000))
        }
        1 => format!("{} {}", chance.one_of(&["less", "greater"]), chance.below(150)),
        2 => format!(
            "{} {}",
            chance.one_of(&["vlan", "mpls", "ip proto", "ip6 proto"]),
            chance.below(256)
        ),
        3..=4 => chance.one_of(PRIMITIVES).to_owned(),
        _ => {
            let (left, right) = (arithmetic(chance, 2), arithmetic(chance, 1));
            format!("{left} {} {right}", chance.one_of(COMPARISONS))
        }
    }
}

fn arithmetic(chance: &mut Chance, depth: u32) -> String {
    match chance.below(if depth == 0 { 3 } else { 7 }) {
        0 => chance.number().to_string(),
        1 => "len".to_owned(),
        2 => {
            let offset = chance.below(70);
            format!("{}[{offset}:{}]", chance.one_of(PROTOCOLS), chance.one_of(&[1, 2, 4]))
        }
        3 => {
            let offset = arithmetic(chance, depth - 1);
            format!("{}[({offset}) & 63:{}]", chance.one_of(PROTOCOLS), chance.one_of(&[1, 2, 4]))
        }
        4 => format!("{}[{}]", chance.one_of(PROTOCOLS), arithmetic(chance, depth - 1)),
        _ => {
            let (left, right) = (arithmetic(chance, depth - 1), arithmetic(chance, depth - 1));
            format!("({left} {} {right})", chance.one_of(OPERATORS))
        }
    }
}

pub(crate) fn sentence(chance: &mut Chance, depth: u32) -> String {
    match chance.below(if depth == 0 { 1 } else { 5 }) {
        0 => primitive(chance),
        1 => format!("not ({})", sentence(chance, depth - 1)),
        2 | 3 => {
            let (left, right) = (sentence(chance, depth - 1), sentence(chance, depth - 1));
            format!("({left}) and ({right})")
        }
        _ => {
            let (left, right) = (sentence(chance, depth - 1), sentence(chance, depth - 1));
            format!("({left}) or ({right})")
        }
    }
}

/// Crafted frames, changed.
fn frames(chance: &mut Chance) -> Vec<Vec<u8>> {
    let kinds = every_kind();
    let any = |chance: &mut Chance| {
        let (_, frame) = &kinds[chance.below(kinds.len() as u32) as usize];
        chance.change(frame)
    };
    (0..FRAMES).map(|_| any(chance)).collect()
}

/// A program of straight instructions and jumps that returns A.
pub(crate) fn any_program(chance: &mut Chance) -> Vec<Instruction> {
    const STRAIGHT: &[u16] = &[
        0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0xb1, 0x80, 0x81, 0x00, 0x01, 0x60, 0x61, 0x02, 0x03,
        0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54, 0x5c, 0x64, 0x6c, 0x74,
        0x7c, 0x94, 0x9c, 0xa4, 0xac, 0x84, 0x07, 0x87, 0x50, 0x48, 0x30, 0xb1, 0x54, 0x07,
    ];
    const BRANCHES: &[u16] = &[0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x05];
    let one = |code, jt, jf, k| Instruction { code, jt, jf, k };
    let mut program = Vec::new();
    let length = 2 + chance.below(30);
    for left in (1..=length).rev() {
        // Instructions that can be jumped over.
        let over = left.min(12);
        if chance.below(4) == 0 {
            let code = chance.one_of(BRANCHES);
            let (jt, jf) = (chance.below(over) as u8, chance.below(over) as u8);
            let k = if code == 0x05 { chance.below(over) } else { chance.number() };
            program.push(one(code, jt, jf, k));
            continue;
        }
        let code = chance.one_of(STRAIGHT);
        let k = match code {
            0x60 | 0x61 | 0x02 | 0x03 => chance.below(16),
            0x20 | 0x28 | 0x30 | 0xb1 | 0x40 | 0x48 | 0x50 => match chance.below(20) {
                0 => chance.number() >> 11,
                _ => chance.below(60),
            },
            0x64 | 0x74 => chance.below(32),
            _ => chance.number().max(1),
        };
        program.push(one(code, 0, 0, k));
    }
    program.push(one(0x16, 0, 0, 0));
    program
}

#[test]
fn expressions_by_chance_decide_as_libpcap_does() -> Result<()> {
    let libpcap = Libpcap::open()?;
    let mut chance = Chance::new(SEED);
    let frames = frames(&mut chance);
    let (mut cases, mut refused, mut beside) = (Vec::new(), 0, 0);
    while cases.len() < FILTERS {
        let text = sentence(&mut chance, 3);
        match expression(&libpcap, &text) {
            Ok(case) => cases.push(case),
            // What libpcap finds impossible, and offsets that its optimizer moves to where Linux keeps other things.
            Err(error) if error.downcast_ref::<Error>().is_some() => beside += 1,
            Err(_) => refused += 1,
        }
    }
    let tally = compare(&cases, &frames)?;
    let count = cases.len();
    eprintln!("{count} expressions ({refused} refused by libpcap, {beside} by us): {tally}");
    ensure!(beside < FILTERS / 20, "{beside} refused by us");
    Ok(())
}

#[test]
fn programs_by_chance_decide_as_libpcap_does() -> Result<()> {
    let libpcap = Libpcap::open()?;
    let mut chance = Chance::new(SEED + 1);
    let frames = frames(&mut chance);
    let mut cases = Vec::new();
    for number in 0..4 * FILTERS {
        let instructions = any_program(&mut chance);
        ensure!(libpcap.validates(&instructions)?, "libpcap refuses {instructions:?}");
        cases.push(program(&libpcap, &format!("program {number}"), Classic::new(instructions)?)?);
    }
    let tally = compare(&cases, &frames)?;
    eprintln!("{} programs: {tally}", cases.len());
    Ok(())
}
