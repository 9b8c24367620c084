//! Classic programs of any content are refused or decide as libpcap does, and can be translated.

use std::sync::OnceLock;

use wireledger::filter::{
    Arm, Classic, Ending, Hook, Instruction, Session, compile, ebpf, translate,
};

use super::{Frame, input::Input};
use crate::libpcap::Libpcap;

/// Where numbers of a program end and the packet begins.
const END: u8 = 0xff;

/// `data` is instructions, then a packet; the same bytes are also a program in text.
pub fn check(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data) {
        _ = Classic::parse(text);
    }
    let mut input = Input::new(data);
    let instructions = instructions(&mut input);
    let packet = input.rest();
    let Ok(program) = Classic::new(instructions.clone()) else { return };
    assert_eq!(program.to_string().lines().count(), instructions.len());
    let length = packet.len() as u32;
    let decided = program.matches(packet, length);
    if let Some(libpcap) = libpcap()
        && libpcap.validates(&instructions).expect("bpf_validate")
    {
        let judge = libpcap.program(&instructions).expect("bpf_filter");
        assert_eq!(decided, judge.matches(packet, length), "{program}");
    }
    let arms = [Arm { interfaces: None, program: &program }];
    let sessions = [Session { bit: 0, arms: &arms }, Session { bit: 40, arms: &arms }];
    for hook in [Hook::Xdp, Hook::Tc] {
        if let Ok(translated) = translate(hook, &sessions, Ending::Verdict) {
            assert!(translated.len() <= ebpf::LONGEST);
            assert!(jumps_stay_inside(&translated));
        }
    }
}

/// A choice of code and constant, both distances, the constant; most codes and constants are such as programs have.
fn instructions(input: &mut Input<'_>) -> Vec<Instruction> {
    const CODES: [u16; 48] = [
        0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0xb1, 0x80, 0x81, 0x00, 0x01, 0x60, 0x61, 0x02, 0x03,
        0x06, 0x16, 0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x04, 0x0c, 0x14, 0x1c,
        0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54, 0x5c, 0x64, 0x6c, 0x74, 0x7c, 0x94, 0x9c, 0xa4,
        0xac, 0x84, 0x07,
    ];
    let mut program = Vec::new();
    while !input.is_empty() {
        let choice = input.byte();
        if choice == END {
            break;
        }
        let code = match CODES.get(usize::from(choice & 0x3f)) {
            Some(code) => *code,
            None => input.word16(),
        };
        let (jt, jf) = (input.byte(), input.byte());
        let k = if choice & 0x40 == 0 { input.byte().into() } else { input.word32() };
        program.push(Instruction { code, jt, jf, k });
    }
    program
}

/// Every jump, of what the kernel would load.
fn jumps_stay_inside(program: &[ebpf::Instruction]) -> bool {
    let inside = |(at, one): (usize, &ebpf::Instruction)| {
        let jumps = matches!(one.code & 7, 5 | 6) && !matches!(one.code, 0x85 | 0x95);
        let target = at as i64 + 1 + i64::from(one.offset);
        !jumps || (0..program.len() as i64).contains(&target)
    };
    program.iter().enumerate().all(inside)
}

/// The judge, where it is installed.
fn libpcap() -> Option<&'static Libpcap> {
    static OPENED: OnceLock<Option<Libpcap>> = OnceLock::new();
    OPENED.get_or_init(|| Libpcap::open().ok()).as_ref()
}

/// Real programs on real frames.
#[must_use]
pub fn seeds(frames: &[Frame]) -> Vec<Vec<u8>> {
    const TEXTS: [&str; 4] = [
        "12,40 0 0 12,21 0 9 2048,48 0 0 23,21 0 7 6,40 0 0 20,69 5 0 8191,177 0 0 14,72 0 0 14,21 1 0 443,\
         72 0 0 16,21 0 0 443,6 0 0 1",
        "9,48 0 0 14,2 0 0 0,48 0 0 23,2 0 0 15,97 0 0 0,3 0 0 7,96 0 0 15,28 0 0 0,22 0 0 0",
        "6,128 0 0 0,20 0 0 1,7 0 0 0,80 0 0 0,69 0 0 7,22 0 0 0",
        "7,48 0 0 22,7 0 0 0,40 0 0 16,156 0 0 0,69 0 1 1,6 0 0 1,6 0 0 0",
    ];
    let mut programs: Vec<_> =
        TEXTS.iter().map(|text| Classic::parse(text).expect("right")).collect();
    let compiled = ["tcp port 443", "vlan and ip6"].into_iter();
    programs.extend(compiled.filter_map(|text| compile(text, 1).ok()));
    let seed = |(n, frame): (usize, &Frame)| {
        let program = &programs[n % programs.len()];
        let mut seed: Vec<_> = program.instructions().iter().flat_map(bytes).collect();
        seed.push(END);
        seed.extend(&frame.bytes);
        seed
    };
    let texts = TEXTS.iter().map(|text| text.as_bytes().to_vec());
    frames.iter().enumerate().map(seed).chain(texts).collect()
}

/// The long form: any code, any constant.
fn bytes(one: &Instruction) -> Vec<u8> {
    let mut bytes = vec![0x7f];
    bytes.extend(one.code.to_le_bytes());
    bytes.extend([one.jt, one.jf]);
    bytes.extend(one.k.to_le_bytes());
    bytes
}
