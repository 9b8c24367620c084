//! Several sessions: interfaces, bits, and what becomes of the answer. A test run comes in on the loopback interface.

use anyhow::Result;
use wireledger::filter::{Arm, Classic, Ending, Hook, Session, compile, translate};
use wireledger_tests::{
    packets::{ip::Ipv4, transport::udp},
    programs::{Loaded, Mailbox},
};

use super::ETHERNET;

const LOOPBACK: u32 = 1;
const HOOKS: [(Hook, i32); 2] = [(Hook::Xdp, 2), (Hook::Tc, -1)];

fn frame() -> Vec<u8> {
    Ipv4::default().frame(&udp(5000, 7777, &[0; 30]))
}

#[test]
fn the_first_arm_for_the_interface_decides() -> Result<()> {
    let (right, wrong) = (compile("udp port 7777", ETHERNET)?, compile("tcp", ETHERNET)?);
    let (all, none) = (Classic::everything(), Classic::parse("1,6 0 0 0")?);
    let of = |interfaces, program| Arm { interfaces, program };
    let here: Option<&[u32]> = Some(&[7, LOOPBACK, u32::MAX]);
    let elsewhere: Option<&[u32]> = Some(&[2, 3, 0x8000_0001]);
    let arms: [(&[Arm<'_>], bool); 16] = [
        (&[], false),
        (&[of(Some(&[]), &all)], false),
        (&[of(None, &all)], true),
        (&[of(None, &none)], false),
        (&[of(here, &all)], true),
        (&[of(elsewhere, &all)], false),
        (&[of(elsewhere, &all), of(here, &right)], true),
        (&[of(elsewhere, &all), of(here, &wrong)], false),
        (&[of(here, &wrong), of(None, &all)], false),
        (&[of(here, &right), of(None, &none)], true),
        (&[of(elsewhere, &wrong), of(None, &right)], true),
        (&[of(elsewhere, &none), of(here, &none), of(None, &all)], false),
        (&[of(here, &right), of(here, &wrong)], true),
        (&[of(here, &wrong), of(here, &right)], false),
        (&[of(None, &wrong), of(here, &right)], false),
        (&[of(elsewhere, &wrong), of(elsewhere, &right), of(None, &right)], true),
    ];
    let sessions: Vec<_> = (0..).zip(&arms).map(|(bit, (arms, _))| Session { bit, arms }).collect();
    let expected =
        (0..).zip(&arms).map(|(bit, (_, matches))| u32::from(*matches) << bit).sum::<u32>();
    for (hook, _) in HOOKS {
        let loaded = Loaded::new(hook, &translate(hook, &sessions, Ending::Verdict)?)?;
        assert_eq!(loaded.run(&frame())?, expected, "{hook:?}");
    }
    Ok(())
}

#[test]
fn an_answer_is_delivered_and_no_answer_passes_the_frame_on() -> Result<()> {
    let (right, wrong) = (compile("udp port 7777", ETHERNET)?, compile("tcp", ETHERNET)?);
    let (right, wrong) =
        ([Arm { interfaces: None, program: &right }], [Arm { interfaces: None, program: &wrong }]);
    let of = |bit, arms| Session { bit, arms };
    for (hook, pass) in HOOKS {
        let mailbox = Mailbox::new()?;
        let (map, programs) = mailbox.descriptors();
        let ending = Ending::Deliver { map, offset: 0, programs, index: 0 };
        let load =
            |sessions: &[Session<'_>]| Loaded::new(hook, &translate(hook, sessions, ending)?);
        for silent in [vec![], vec![of(0, &wrong[..]), of(63, &wrong)]] {
            assert_eq!(load(&silent)?.run(&frame())? as i32, pass, "{hook:?}");
            assert_eq!(mailbox.answer()?, None, "{hook:?}");
        }
        let bits = [0, 30, 31, 32, 62, 63];
        let mut sessions: Vec<_> = bits.map(|bit| of(bit, &right[..])).into();
        sessions.extend([of(1, &wrong), of(33, &wrong)]);
        let loaded = load(&sessions)?;
        // Nothing is in the program array.
        assert_eq!(loaded.run(&frame())? as i32, pass, "{hook:?}");
        assert_eq!(mailbox.answer()?, Some(bits.iter().map(|bit| 1 << bit).sum()), "{hook:?}");
        let next = translate(hook, &[of(5, &right)], Ending::Verdict)?;
        let next = Loaded::new(hook, &next)?;
        mailbox.set(&next)?;
        assert_eq!(loaded.run(&frame())?, 1 << 5, "{hook:?}");
    }
    Ok(())
}
