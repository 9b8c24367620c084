//! TC as the network stack has it: a VLAN tag beside the frame, pages of data behind a linear part of 14 bytes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use wireledger::filter::{Arm, Classic, Ending, Hook, Session, translate};
use wireledger_tests::{
    libpcap::Libpcap,
    netns::{Pair, Setup},
    packets::every_kind,
    programs::{Loaded, Mailbox},
    send::send_once,
};

use super::{chance::Chance, corpus, decisions::Case, every_case, expression, grammar, program};

/// Filters of one program; its last bit says that a frame has come.
const TOGETHER: usize = 63;
const ARRIVED: u32 = 63;
const PATIENCE: Duration = Duration::from_secs(30);

/// Filters about what a tag moves.
const ABOUT_TAGS: [&str; 24] = [
    "vlan",
    "vlan 100",
    "vlan 7",
    "vlan and vlan",
    "vlan 200 and vlan 100",
    "vlan and ip",
    "vlan and udp port 7777",
    "ip",
    "not vlan",
    "tcp port 80 or (vlan and tcp port 80)",
    "ether[12:2] = 0x8100",
    "ether[12:4] = 0x81000064",
    "ether[14:2] & 0xfff = 100",
    "ether[14:4] & 0xffff = 0x0800",
    "ether[16:2] = 0x0800",
    "ether[11:4] & 0xffff00 = 0x810000",
    "ether[15:2] = 0x6408",
    "ether[10:4] & 0xffff = 0x88a8",
    "ether[14] & 0xe0 = 0xa0",
    "ether[20] = 0x45 or ether[18] = 0x45",
    "len > 60",
    "len = 91 or len = 95",
    "ether[len - 1] = 0x73",
    "ether[len] = 0 or vlan",
];

/// A program that leaves what it decides in a mailbox.
fn listening(cases: &[Case<'_>], mailbox: &Mailbox) -> Result<Loaded> {
    let everything = Classic::everything();
    let arms: Vec<_> =
        cases.iter().map(|case| [Arm { interfaces: None, program: &case.program }]).collect();
    let mut sessions: Vec<_> = (0..).zip(&arms).map(|(bit, arms)| Session { bit, arms }).collect();
    let arrived = [Arm { interfaces: None, program: &everything }];
    sessions.push(Session { bit: ARRIVED, arms: &arrived });
    let (map, programs) = mailbox.descriptors();
    let ending = Ending::Deliver { map, offset: 0, programs, index: 0 };
    Loaded::new(Hook::Tc, &translate(Hook::Tc, &sessions, ending)?)
}

fn wait(mailbox: &Mailbox) -> Result<u64> {
    let start = Instant::now();
    loop {
        if let Some(answer) = mailbox.answer()? {
            return Ok(answer);
        }
        ensure!(start.elapsed() < PATIENCE, "the frame has not come");
        std::thread::yield_now();
    }
}

/// Sends every frame through a veth pair to every filter; how many decisions were right.
fn decide(cases: &[Case<'_>], frames: &[Vec<u8>]) -> Result<u64> {
    let pair = Pair::new(Setup { mtu: 9100, ipv4: false, ipv6: false, offloads: false })?;
    let index = pair.right_link()?.index;
    let mut compared = 0;
    for cases in cases.chunks(TOGETHER) {
        let mailbox = Mailbox::new()?;
        let loaded = listening(cases, &mailbox)?;
        let _attached = pair.right.enter(|| loaded.attach(index))??;
        for frame in frames {
            mailbox.clear()?;
            send_once(&pair.left, &pair.right, vec![frame.clone()])?;
            let answer = wait(&mailbox).with_context(|| format!("{frame:02x?}"))?;
            for (bit, case) in cases.iter().enumerate() {
                let judged = case.judge.matches(frame, frame.len() as u32);
                let decided = answer & 1 << bit != 0;
                ensure!(
                    decided == judged,
                    "`{}`: {decided}, and libpcap says {judged} of {} bytes {frame:02x?}\n{}",
                    case.name,
                    frame.len(),
                    case.program
                );
                compared += 1;
            }
        }
    }
    Ok(compared)
}

/// Programs by chance, most of which read around the tag.
fn by_chance(libpcap: &Libpcap) -> Result<Vec<Case<'_>>> {
    const PROGRAMS: usize = 10 * TOGETHER;
    let mut chance = Chance::new(0x7a9);
    let any = |number| {
        let mut instructions = grammar::any_program(&mut chance);
        for one in instructions.iter_mut().filter(|one| matches!(one.code & 0xe7, 0x20 | 0x40)) {
            one.k %= 20;
        }
        program(libpcap, &format!("program {number}"), Classic::new(instructions)?)
    };
    (0..PROGRAMS).map(any).collect()
}

/// Frames with a tag come without it, and the tag beside them.
#[test]
fn a_tag_beside_the_frame_counts_as_on_the_wire() -> Result<()> {
    let libpcap = Libpcap::open()?;
    let mut cases = every_case(&libpcap)?;
    for text in ABOUT_TAGS {
        cases.push(expression(&libpcap, text)?);
    }
    cases.extend(by_chance(&libpcap)?);
    let tagged = |name: &str| {
        ["vlan", "in_vlan", "arp_request", "tcp_syn_ack", "mpls_1", "llc"]
            .iter()
            .any(|wanted| name.contains(wanted) && !name.contains("cut"))
    };
    let frames: Vec<_> =
        every_kind().into_iter().filter(|(name, _)| tagged(name)).map(|(_, frame)| frame).collect();
    let compared = decide(&cases, &frames)?;
    eprintln!("{compared} decisions at TC ingress are libpcap's, on {} frames", frames.len());
    Ok(())
}

/// A packet socket puts what is longer than a page behind the Ethernet header into pages of its own.
#[test]
fn paged_data_is_decided_whole() -> Result<()> {
    let libpcap = Libpcap::open()?;
    let mut cases = every_case(&libpcap)?;
    for offset in [13, 14, 15, 4094, 4095, 4096, 8999, 9000] {
        for size in [1, 2, 4] {
            cases.push(expression(&libpcap, &format!("ether[{offset}:{size}] & 3 = 1"))?);
        }
    }
    cases.extend(by_chance(&libpcap)?);
    let kinds = every_kind();
    let wanted = ["vlan_8100", "vlan_two", "ipv4_ihl_9", "tcp_syn_ack", "tcp_ipv6", "arp_request"];
    let long = |(n, name): (usize, &&str)| {
        let (_, kind) = kinds.iter().find(|(kind, _)| kind == name).context("no such kind")?;
        let mut frame = kind.clone();
        frame.extend((frame.len()..9000).map(|at| (at * 7 + n) as u8 ^ (at >> 8) as u8));
        Ok(frame)
    };
    let frames = wanted.iter().enumerate().map(long).collect::<Result<Vec<_>>>()?;
    assert!(frames.iter().all(|frame| frame.len() > corpus::SHORTEST));
    let compared = decide(&cases, &frames)?;
    eprintln!("{compared} decisions at TC ingress are libpcap's, on {} long frames", frames.len());
    Ok(())
}
