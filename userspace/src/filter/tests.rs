//! Classic programs in text, what is refused, how they run, and the shape of what they are translated to. What needs a
//! kernel, and every comparison with libpcap, is in the crate `tests`.

use super::{
    Arm, Classic, Ending, Error, Hook, Instruction, Refusal, Session, compile, ebpf,
    libpcap_version, translate,
};

const ETHERNET: u16 = 1;
/// `ip`, as `tcpdump -ddd` prints it.
const IP: &str = "4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n";

const fn one(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}

const ACCEPT: Instruction = one(0x06, 0, 0, 1);

/// Why a program is refused, and where.
fn refusal(program: &[Instruction]) -> (usize, Refusal) {
    match Classic::new(program.to_vec()) {
        Err(Error::Refused { instruction, refusal }) => (instruction, refusal),
        other => panic!("{other:?}"),
    }
}

fn said(text: &str) -> String {
    Classic::parse(text).expect_err("a wrong program").to_string()
}

fn without_libpcap() -> bool {
    let missing = libpcap_version();
    if let Err(error) = &missing {
        eprintln!("skipped: {error}");
    }
    missing.is_err()
}

#[test]
fn a_program_is_read_in_lines_and_between_commas() {
    let lines = Classic::parse(IP).expect("right");
    let commas = Classic::parse("4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0,").expect("right");
    assert_eq!(lines, commas);
    assert_eq!(lines.instructions().len(), 4);
    assert_eq!(lines.instructions()[1], one(0x15, 0, 1, 0x800));
    let blanks = Classic::parse("\n 1 \r\n\n 6   0 0 4294967295 \r\n").expect("right");
    assert_eq!(blanks.instructions(), [one(0x06, 0, 0, u32::MAX)]);
}

#[test]
fn wrong_text_is_refused_with_its_line() {
    for (text, wanted) in [
        ("", "classic program, line 1: there is no program"),
        ("x\n6 0 0 1", "line 1: x is not a decimal number of 64 bits: the number of instructions"),
        ("2\n6 0 0 1", "line 1: says 2 instructions, and 1 follow"),
        ("1\n6 0 0 1\n6 0 0 1", "line 1: says 1 instructions, and 2 follow"),
        ("1\n\n6 0 0", "line 3: 3 numbers, and an instruction has `code jt jf k`"),
        ("1\n6 256 0 1", "line 2: 256 is not a decimal number of 8 bits: jt"),
        ("1\n6 0 0 4294967296", "line 2: 4294967296 is not a decimal number of 32 bits: k"),
        ("1\n6 0 0 -1", "line 2: -1 is not a decimal number of 32 bits: k"),
        ("1\n6 0 0 +1", "line 2: +1 is not a decimal number of 32 bits: k"),
        ("1,65536 0 0 1", "line 2: 65536 is not a decimal number of 16 bits: the code"),
        ("1,6 0 0 \u{1b}", "\\u{1b} is not a decimal number"),
    ] {
        let said = said(text);
        assert!(said.contains(wanted), "{text:?}: {said}");
    }
}

#[test]
fn what_must_not_run_is_refused() {
    let load = |k| [one(0x30, 0, 0, k), ACCEPT];
    let cases: [(&[Instruction], (usize, Refusal)); 17] = [
        (&[one(0x99, 0, 0, 0), ACCEPT], (0, Refusal::Code { code: 0x99 })),
        (&[one(0x8c, 0, 0, 0), ACCEPT], (0, Refusal::Code { code: 0x8c })),
        (&[one(0x106, 0, 0, 0), ACCEPT], (0, Refusal::Code { code: 0x106 })),
        (&[one(0x0d, 0, 0, 0), ACCEPT], (0, Refusal::Code { code: 0x0d })),
        (&[ACCEPT, one(0x05, 0, 0, u32::MAX), ACCEPT], (1, Refusal::Back)),
        (&[one(0x05, 0, 0, 1), ACCEPT], (0, Refusal::Outside { target: 2 })),
        (&[one(0x15, 0, 1, 7), ACCEPT], (0, Refusal::Outside { target: 2 })),
        (&[ACCEPT, one(0x30, 0, 0, 7)], (1, Refusal::NoReturn)),
        (&[ACCEPT, one(0x05, 0, 0, 0)], (1, Refusal::Outside { target: 2 })),
        (&[one(0x60, 0, 0, 16), ACCEPT], (0, Refusal::Scratch { word: 16 })),
        (&[one(0x03, 0, 0, u32::MAX), ACCEPT], (0, Refusal::Scratch { word: u32::MAX })),
        (&[one(0x34, 0, 0, 0), ACCEPT], (0, Refusal::Zero)),
        (&[one(0x94, 0, 0, 0), ACCEPT], (0, Refusal::Zero)),
        (&[one(0x64, 0, 0, 32), ACCEPT], (0, Refusal::Shift { bits: 32 })),
        (&[ACCEPT, one(0x74, 0, 0, u32::MAX), ACCEPT], (1, Refusal::Shift { bits: u32::MAX })),
        (&load(0xffff_f004), (0, Refusal::Ancillary { offset: 0xffff_f004 })),
        (&load(0xffe0_0000), (0, Refusal::Ancillary { offset: 0xffe0_0000 })),
    ];
    for (program, wanted) in cases {
        assert_eq!(refusal(program), wanted);
    }
    assert!(Classic::new(load(0xffdf_ffff).to_vec()).is_ok());
    assert!(matches!(Classic::new(Vec::new()), Err(Error::ProgramLength { instructions: 0 })));
    assert!(Classic::new(vec![ACCEPT; 4096]).is_ok());
    let long = Classic::new(vec![ACCEPT; 4097]);
    assert!(matches!(long, Err(Error::ProgramLength { instructions: 4097 })));
}

#[test]
fn a_loop_is_refused_by_what_makes_it() {
    let error = said("3,48 0 0 1,5 0 0 4294967294,6 0 0 1");
    assert!(
        error.starts_with("instruction 1 jumps back: a loop, which `protochain` makes"),
        "{error}"
    );
}

#[test]
fn a_program_is_shown_as_tcpdump_shows_it() {
    let program =
        Classic::parse("5,177 0 0 14,72 0 0 16,21 0 1 443,6 0 0 262144,6 0 0 0").expect("right");
    let wanted = "(000) ldxb     4*([14]&0xf)\n\
                  (001) ldh      [x + 16]\n\
                  (002) jeq      #0x1bb           jt 3\tjf 4\n\
                  (003) ret      #262144\n\
                  (004) ret      #0";
    assert_eq!(program.to_string(), wanted);
}

#[test]
fn a_load_out_of_bounds_rejects() {
    let program = Classic::parse("2,32 0 0 10,6 0 0 1").expect("right");
    for length in 0..20 {
        assert_eq!(program.matches(&vec![0; length], 99), length >= 14, "{length}");
    }
    // X + 1 would wrap to 0.
    let program = Classic::parse("3,1 0 0 4294967295,80 0 0 1,6 0 0 1").expect("right");
    assert!(!program.matches(&[1, 2, 3], 3));
}

#[test]
fn the_length_is_that_on_the_wire() {
    let program = Classic::parse("2,128 0 0 0,22 0 0 0").expect("right");
    assert!(program.matches(&[], 1));
    assert!(!program.matches(&[1, 2, 3], 0));
}

#[test]
fn shifts_by_32_and_more_in_x_give_0_and_a_division_by_zero_rejects() {
    for (code, x, accepts) in [
        (0x6c, 31, true),
        (0x6c, 32, false),
        (0x7c, 0, true),
        (0x7c, 33, false),
        (0x3c, 1, true),
        (0x3c, 0, false),
        (0x9c, 2, true),
        (0x9c, 0, false),
    ] {
        let program =
            vec![one(1, 0, 0, x), one(0, 0, 0, 3), one(code, 0, 0, 0), one(0x16, 0, 0, 0)];
        let program = Classic::new(program).expect("right");
        assert_eq!(program.matches(&[], 0), accepts, "{program}");
    }
}

#[test]
fn blank_text_accepts_everything_and_numbers_are_a_program() {
    for blank in ["", " \n\t"] {
        let program = compile(blank, ETHERNET).expect("blank");
        assert!(program.is_everything() && program.matches(&[], 0));
    }
    assert_eq!(compile(IP, ETHERNET).expect("right"), Classic::parse(IP).expect("right"));
    let wrong = compile("2,6 0 0 1", ETHERNET).expect_err("one is missing");
    assert!(matches!(wrong, Error::Text { line: 1, .. }), "{wrong}");
}

#[test]
fn an_expression_is_compiled() {
    if without_libpcap() {
        return;
    }
    assert_eq!(compile("ip", ETHERNET).expect("right"), Classic::parse(IP).expect("right"));
    // LINKTYPE_RAW, which libpcap calls 12 inside.
    let raw = compile("ip", 101).expect("right").to_string();
    assert!(raw.starts_with("(000) ldb      [0]"), "{raw}");
}

#[test]
fn an_expression_that_is_not_understood_has_libpcaps_own_message() {
    if without_libpcap() {
        return;
    }
    let said = |text: &str| compile(text, ETHERNET).expect_err("wrong").to_string();
    for text in ["tcp prot 80", "443", "port", "ip and", "host 1.2.3.4.5", "1 = 0"] {
        let error = compile(text, ETHERNET).expect_err("wrong");
        assert!(matches!(error, Error::Syntax { .. }), "{text}: {error}");
    }
    assert!(said("tcp prot 80").contains("can't parse filter expression: syntax error"));
    assert!(said("inbound").contains("-Q in or -Q out"), "{}", said("inbound"));
    assert!(said("ip6 protochain 6").contains("`protochain`"), "{}", said("ip6 protochain 6"));
    assert!(said("ip\0 or arp").contains("NUL character at byte 2"));
    let long = format!("ip{}", " or arp".repeat(10_000));
    assert!(matches!(compile(&long, ETHERNET), Err(Error::LongExpression { bytes: 70_002 })));
}

fn translated(hook: Hook, program: &Classic) -> Vec<ebpf::Instruction> {
    let arms = [Arm { interfaces: None, program }];
    translate(hook, &[Session { bit: 3, arms: &arms }], Ending::Verdict).expect("short")
}

#[test]
fn everything_is_nothing_but_its_bit() {
    let listing = ebpf::listing(&translated(Hook::Tc, &Classic::everything())).to_string();
    let wanted = "   0: (bf) r6 = r1\n   1: (b7) r9 = 0\n   2: (47) r9 |= 8\n   3: (bf) r0 = r9\n   4: (95) exit";
    assert_eq!(listing, wanted);
}

#[test]
fn a_block_is_checked_once_and_the_headers_together() {
    // `tcp port 443` of IPv4: type, protocol, fragment offset, header length, ports.
    let text = "12,40 0 0 12,21 0 9 2048,48 0 0 23,21 0 7 6,40 0 0 20,69 5 0 8191,177 0 0 14,72 0 0 14,\
                21 1 0 443,72 0 0 16,21 0 0 443,6 0 0 1";
    let program = translated(Hook::Xdp, &Classic::parse(text).expect("right"));
    let direct = program.iter().take_while(|one| **one != ebpf::call(ebpf::Helper::XdpLoadBytes));
    let checks = direct.filter(|one| one.code == 0x2d).count();
    assert_eq!(checks, 2, "{}", ebpf::listing(&program));
}

#[test]
fn the_length_is_asked_for_only_where_it_is_used() {
    let asks = |text| {
        let program = translated(Hook::Xdp, &Classic::parse(text).expect("right"));
        program.contains(&ebpf::call(ebpf::Helper::XdpGetBuffLen))
    };
    assert!(asks("2,128 0 0 0,22 0 0 0"));
    assert!(!asks("2,48 0 0 0,22 0 0 0"));
    assert!(!asks("3,6 0 0 1,128 0 0 0,22 0 0 0"));
}

#[test]
fn too_much_for_one_program_is_refused() {
    let long = |code, k| {
        let mut program = vec![one(code, 0, 0, k); 4095];
        program.push(one(0x16, 0, 0, 0));
        Classic::new(program).expect("right")
    };
    let refused = |hook, program: &Classic, sessions| {
        let arms = [Arm { interfaces: None, program }];
        let sessions: Vec<_> = (0..sessions).map(|bit| Session { bit, arms: &arms }).collect();
        translate(hook, &sessions, Ending::Verdict).map(|_| ()).expect_err("too much")
    };
    let jump = refused(Hook::Xdp, &long(0x50, 40), 1);
    assert!(matches!(jump, Error::Jump { .. }), "{jump}");
    let length = refused(Hook::Tc, &long(0x40, 0), 1);
    assert!(matches!(length, Error::Instructions { .. }), "{length}");
    let arms = [Arm { interfaces: None, program: &Classic::everything() }];
    let bit = translate(Hook::Xdp, &[Session { bit: 64, arms: &arms }], Ending::Verdict);
    assert!(matches!(bit, Err(Error::SessionBit { bit: 64 })), "{bit:?}");
}

#[test]
fn instructions_are_shown_as_the_verifier_shows_them() {
    use ebpf::{Alu, Bits, Compare, Helper, Register as R, Width};
    let mut program = vec![
        ebpf::load(Width::Word, R::R2, R::R1, 0),
        ebpf::load(Width::Half, R::R7, R::R10, -8),
        ebpf::store(Width::Double, R::R10, -40, R::R8),
        ebpf::store_constant(Width::Byte, R::R10, -1, -2),
        ebpf::alu(Bits::B32, Alu::Move, R::R8, R::R7),
        ebpf::alu_constant(Bits::B64, Alu::Add, R::R5, -34),
        ebpf::alu_constant(Bits::B32, Alu::Negate, R::R7, 0),
        ebpf::to_big_endian(16, R::R7),
        ebpf::branch(Bits::B64, Compare::Greater, R::R5, R::R3, 21),
        ebpf::branch_constant(Bits::B32, Compare::BitsSet, R::R7, 0x1fff, -2),
        ebpf::call(Helper::TailCall),
        ebpf::goto(3),
    ];
    program.extend(ebpf::load_map(R::R1, 5));
    program.extend(ebpf::load_constant(R::R5, 1 << 63));
    program.push(ebpf::exit());
    let wanted = "   0: (61) r2 = *(u32 *)(r1 +0)\n   1: (69) r7 = *(u16 *)(r10 -8)\n   \
                  2: (7b) *(u64 *)(r10 -40) = r8\n   3: (72) *(u8 *)(r10 -1) = -2\n   \
                  4: (bc) w8 = w7\n   5: (07) r5 += -34\n   6: (84) w7 = -w7\n   \
                  7: (dc) r7 = be16 r7\n   8: (2d) if r5 > r3 goto pc+21\n   \
                  9: (46) if w7 & 0x1fff goto pc-2\n  10: (85) call bpf_tail_call#12\n  \
                  11: (05) goto pc+3\n  12: (18) r1 = map[fd:5]\n  \
                  14: (18) r5 = 0x8000000000000000\n  16: (95) exit";
    assert_eq!(ebpf::listing(&program).to_string(), wanted);
    assert_eq!(ebpf::load(Width::Word, R::R2, R::R1, 4).to_bytes()[..2], [0x61, 0x12]);
}
