//! Packets for people: any bytes are shown in every face, without a control character, and as JSON that parses.

use wireledger::dissect::{Hex, LineStyle, Lines, Link, Packet, TimeStyle, json, tree};

use super::{Frame, input::Input};

/// Link, style, bytes beyond the captured ones, captured bytes.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.word16();
    let beyond = input.word16();
    let bytes = input.rest();
    let packet = Packet {
        number: u64::from(choice),
        time: u64::from(choice) << 40,
        interface: Some("eth0\u{1b}[31m\u{202e}\n"),
        outgoing: [None, Some(false), Some(true)][usize::from(choice >> 3) % 3],
        link: Link::ALL[usize::from(choice) % Link::COUNT],
        length: bytes.len() as u32 + u32::from(beyond),
        bytes,
    };
    let mut text = Vec::new();
    Lines::new(style(choice)).write(&mut text, &packet).expect("memory");
    tree::write(&mut text, &packet).expect("memory");
    let text = String::from_utf8(text).expect("text");
    assert!(text.chars().all(is_harmless), "{text:?}");
    let mut object = Vec::new();
    json::write(&mut object, &packet).expect("memory");
    let object = String::from_utf8(object).expect("text");
    assert!(object.trim_end().chars().all(|c| c != '\n' && is_harmless(c)), "{object:?}");
    serde_json::from_str::<serde_json::Value>(&object).expect("JSON");
}

fn style(choice: u16) -> LineStyle {
    let bit = |n: u32| choice >> n & 1 != 0;
    LineStyle {
        link_header: bit(5),
        no_names: bit(6),
        quiet: bit(7),
        verbosity: (choice >> 8 & 3) as u8,
        time: if bit(10) { TimeStyle::Date } else { TimeStyle::Delta },
        hex: bit(11).then_some(Hex { link: bit(12), ascii: bit(13) }),
        absolute_sequence: true,
        nanoseconds: bit(14),
        number: bit(15),
    }
}

/// Line ends and tabs are ours.
fn is_harmless(c: char) -> bool {
    const TURNING: [char; 12] = [
        '\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}',
        '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
    ];
    matches!(c, '\n' | '\t') || !(c.is_control() || TURNING.contains(&c))
}

/// Every frame, in a style of its own.
#[must_use]
pub fn seeds(frames: &[Frame]) -> Vec<Vec<u8>> {
    let seed = |(n, frame): (usize, &Frame)| {
        let choice = (n as u16).wrapping_mul(40_500) / 5 * 5;
        [&choice.to_le_bytes()[..], &[0, 0], &frame.bytes].concat()
    };
    frames.iter().enumerate().map(seed).collect()
}
