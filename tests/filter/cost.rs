//! What translated filters cost: the verifier's walk, which must grow with the filters and not with their combinations,
//! and time by test run, which is printed and not judged.

use anyhow::Result;
use wireledger::filter::{Arm, Classic, Ending, Hook, Session, compile, translate};
use wireledger_tests::{
    packets::{
        ip::Ipv4,
        protocol,
        transport::{flags, tcp, udp},
    },
    programs::{Loaded, Made, Mailbox},
};

use super::ETHERNET;

const SIMPLE: &str = "tcp port 443";
const COMPLICATED: &str = "(tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)) \
     or (ip6 and not net fe80::/10 and (udp port 53 or udp port 5353)) or (vlan 100 and (arp or icmp)) \
     or (ether broadcast and greater 100)";
const ROUNDS: u32 = 1_000_000;

/// The same filter in so many sessions.
fn sessions(hook: Hook, text: &str, count: u32, ending: Ending) -> Result<Loaded> {
    let program = compile(text, ETHERNET)?;
    let arms = [Arm { interfaces: None, program: &program }];
    let sessions: Vec<_> = (0..count).map(|bit| Session { bit, arms: &arms }).collect();
    Loaded::new(hook, &translate(hook, &sessions, ending)?)
}

fn made(hook: Hook, text: &str, count: u32) -> Result<Made> {
    let mailbox = Mailbox::new()?;
    let (map, programs) = mailbox.descriptors();
    let deliver = Ending::Deliver { map, offset: 0, programs, index: 0 };
    let made = sessions(hook, text, count, deliver)?.made()?;
    eprintln!("{hook:?}, {count} × {text:.40}: {made:?}");
    Ok(made)
}

#[test]
fn the_verifiers_walk_grows_with_the_filters_only() -> Result<()> {
    for hook in [Hook::Xdp, Hook::Tc] {
        for text in [SIMPLE, COMPLICATED] {
            let one = made(hook, text, 1)?.verified;
            let many = made(hook, text, 16)?.verified;
            assert!(many <= 16 * one, "{hook:?}: one {one}, sixteen {many}");
        }
    }
    Ok(())
}

#[test]
fn the_time_of_a_filter_that_does_not_match() -> Result<()> {
    let of = |number, payload: &[u8]| Ipv4::of(number).frame(payload);
    let frames = [
        ("UDP", of(protocol::UDP, &udp(5000, 53, &[0; 30]))),
        ("TCP to another port", of(protocol::TCP, &tcp(5000, 80, flags::ACK, &[0; 30]))),
    ];
    for hook in [Hook::Xdp, Hook::Tc] {
        let nothing = Classic::parse("1,6 0 0 0")?;
        let arms = [Arm { interfaces: None, program: &nothing }];
        let empty = translate(hook, &[Session { bit: 0, arms: &arms }], Ending::Verdict)?;
        let empty = Loaded::new(hook, &empty)?;
        let one = sessions(hook, SIMPLE, 1, Ending::Verdict)?;
        let many = sessions(hook, SIMPLE, 16, Ending::Verdict)?;
        for (name, frame) in &frames {
            let time = |program: &Loaded| -> Result<u32> {
                let runs = (0..5).map(|_| program.repeat(frame, ROUNDS));
                let times = runs.map(|ran| Ok(ran?.nanoseconds)).collect::<Result<Vec<_>>>()?;
                Ok(times.into_iter().min().unwrap_or_default())
            };
            let (empty, one, many) = (time(&empty)?, time(&one)?, time(&many)?);
            eprintln!(
                "{hook:?}, {SIMPLE}, {name}: {one} ns, 16 of them {many} ns, empty {empty} ns"
            );
        }
    }
    Ok(())
}
