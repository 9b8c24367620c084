//! The three faces together: on hand-made frames, and on any bytes.

mod facts;
mod frames;
mod told;

use proptest::prelude::*;
use wireledger_common::{
    abi::flow::IPV6,
    wire::{self, Cursor, Fragment, Headers},
};

use super::*;

pub(super) fn packet(link: Link, bytes: &[u8]) -> Packet<'_> {
    let time = 1_700_000_000_000_000_001;
    let length = bytes.len() as u32;
    Packet { number: 1, time, interface: Some("eth0"), outgoing: None, link, length, bytes }
}

pub(super) fn line(packet: &Packet<'_>, style: LineStyle) -> String {
    let mut out = Vec::new();
    Lines::new(LineStyle { no_names: true, ..style }).write(&mut out, packet).unwrap();
    String::from_utf8(out).unwrap()
}

/// The line without its time and line break.
pub(super) fn plain(frame: &[u8]) -> String {
    let style = LineStyle { time: TimeStyle::None, ..LineStyle::default() };
    line(&packet(Link::Ethernet, frame), style).trim_end().to_owned()
}

pub(super) fn tree(packet: &Packet<'_>) -> String {
    let mut out = Vec::new();
    tree::write(&mut out, packet).unwrap();
    String::from_utf8(out).unwrap()
}

pub(super) fn json(packet: &Packet<'_>) -> serde_json::Value {
    let mut out = Vec::new();
    json::write(&mut out, packet).unwrap();
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
    serde_json::from_slice(&out).unwrap()
}

/// The fields of the first layer of a protocol.
pub(super) fn fields(value: &serde_json::Value, protocol: &str) -> serde_json::Value {
    let layers = value["layers"].as_array().unwrap();
    layers.iter().find(|layer| layer["protocol"] == protocol).unwrap()["fields"].clone()
}

/// All faces in all styles, and what must hold of any packet.
fn check(packet: &Packet<'_>) {
    let hex = Some(Hex { link: false, ascii: true });
    for verbosity in 0..=2 {
        for (link_header, quiet) in [(false, false), (true, false), (false, true)] {
            let style = LineStyle { link_header, quiet, verbosity, hex, ..LineStyle::default() };
            assert_visible(&line(packet, style));
        }
    }
    assert_visible(&tree(packet));
    json(packet);
    let all = dissect(packet);
    assert!(all.layers.len() <= LAYERS_MAX + 2);
    for layer in &all.layers {
        assert!(layer.bytes.len() <= layer.length, "{layer:?}");
        assert!(layer.length <= layer.room || layer.protocol == Protocol::Ipv4, "{layer:?}");
        let end = (layer.offset + layer.bytes.len()).min(packet.bytes.len());
        assert!(layer.bytes.is_empty() || packet.bytes.get(layer.offset..end) == Some(layer.bytes));
    }
}

fn assert_visible(text: &str) {
    assert!(text.ends_with('\n'));
    assert!(text.chars().all(|c| matches!(c, ' '..='~' | '\n' | '\t')), "{text:?}");
}

#[test]
fn every_frame_is_shown_by_every_face() {
    for (link, frame) in frames::all() {
        check(&packet(link, &frame));
        let protocols = dissect(&packet(link, &frame)).layers;
        assert!(protocols.iter().all(|layer| layer.note.is_none()), "{protocols:?}");
    }
}

#[test]
fn every_protocol_has_frames() {
    let frames = frames::all();
    let shown: Vec<_> = frames
        .iter()
        .flat_map(|(link, frame)| dissect(&packet(*link, frame)).layers)
        .map(|layer| layer.protocol)
        .collect();
    let missing: Vec<_> = Protocol::ALL.iter().filter(|known| !shown.contains(known)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn keys_are_unique_in_their_protocol_and_among_protocols() {
    let mut keys: Vec<_> = Protocol::ALL.iter().map(|protocol| protocol.key()).collect();
    keys.sort_unstable();
    assert!(keys.windows(2).all(|pair| pair[0] != pair[1]));
    for protocol in Protocol::ALL {
        let mut names: Vec<_> = protocol.fields().iter().map(|spec| spec.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{protocol:?}");
    }
}

#[test]
fn every_cut_of_every_frame_is_shown() {
    for (link, frame) in frames::all() {
        for end in 0..frame.len() {
            check(&packet(link, &frame[..end]));
            let snapped = Packet { length: frame.len() as u32, ..packet(link, &frame[..end]) };
            check(&snapped);
        }
    }
}

/// What the flow table keys a packet by is what the dissection shows.
#[test]
fn the_dissection_agrees_with_the_parser_of_the_ledger() {
    let mut compared = 0;
    for (link, frame) in frames::all() {
        let mut headers = Headers::default();
        let read =
            wire::read(Cursor::over(&frame), frame.len() as u32, Link::Ethernet, 0, &mut headers);
        if link != Link::Ethernet || read.is_err() {
            continue;
        }
        compared += 1;
        let all = dissect(&packet(link, &frame));
        let ip = all.layers.iter().find(|l| matches!(l.protocol, Protocol::Ipv4 | Protocol::Ipv6));
        let ip = ip.unwrap();
        let (source, destination) = match ip.protocol {
            Protocol::Ipv4 => (ip4::SOURCE.slice(ip.bytes), ip4::DESTINATION.slice(ip.bytes)),
            _ => (ip6::SOURCE.slice(ip.bytes), ip6::DESTINATION_ADDRESS.slice(ip.bytes)),
        };
        let size = if headers.key.kind & IPV6 == 0 { 4 } else { 16 };
        assert_eq!(source, &headers.key.source[..size]);
        assert_eq!(destination, &headers.key.destination[..size]);
        if let Some(ports) = transport(&all) {
            assert_eq!(headers.fragment == Fragment::Later, ports.is_none(), "{frame:x?}");
            if let Some((number, ports)) = ports {
                assert_eq!(number, headers.key.protocol);
                assert_eq!(ports, (headers.key.source_port, headers.key.destination_port));
            }
        }
    }
    assert!(compared > 15, "{compared}");
}

/// Protocol and ports of the outermost transport: `Some(None)` for a later fragment, `None` where no ports are read.
#[expect(clippy::option_option, reason = "two questions, each with an answer")]
fn transport(all: &Dissection<'_>) -> Option<Option<(u8, (u16, u16))>> {
    let later = |layer: &&Layer<'_>| match layer.protocol {
        Protocol::Ipv4 => ip4::FRAGMENT_OFFSET.is_set(layer.bytes),
        Protocol::Fragment => ip6::FRAGMENT_OFFSET.is_set(layer.bytes),
        _ => false,
    };
    let ports = |layer: &Layer<'_>| match layer.protocol {
        Protocol::Tcp => Some(6),
        Protocol::Udp => Some(17),
        Protocol::UdpLite => Some(136),
        Protocol::Sctp => Some(132),
        Protocol::Dccp => Some(33),
        _ => None,
    };
    let is_ip = |layer: &Layer<'_>| matches!(layer.protocol, Protocol::Ipv4 | Protocol::Ipv6);
    let mut outer = all.layers.iter().scan(0, |ips, layer| {
        *ips += usize::from(is_ip(layer));
        (*ips < 2).then_some(layer)
    });
    let first = outer.find(|layer| {
        ports(layer).is_some()
            || later(layer)
            || matches!(layer.protocol, Protocol::Icmp | Protocol::Icmpv6 | Protocol::Gre)
    })?;
    if later(&first) {
        return Some(None);
    }
    let of = |spec: &Spec| spec.of(first.bytes) as u16;
    Some(Some((ports(first)?, (of(&udp::SOURCE), of(&udp::DESTINATION)))))
}

fn any_link() -> impl Strategy<Value = Link> {
    proptest::sample::select(Link::ALL.to_vec())
}

proptest! {
    #[test]
    fn any_bytes_are_shown(link in any_link(), bytes in prop::collection::vec(any::<u8>(), 0..200), more: u16) {
        let packet = Packet { length: bytes.len() as u32 + u32::from(more), ..packet(link, &bytes) };
        check(&packet);
    }

    #[test]
    fn damaged_frames_are_shown(
        index: prop::sample::Index,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut: prop::sample::Index,
        whole: bool,
        length: u32,
    ) {
        let frames = frames::all();
        let (link, mut frame) = frames[index.index(frames.len())].clone();
        for (place, value) in flips {
            let place = place.index(frame.len());
            frame[place] = value;
        }
        if !whole {
            frame.truncate(cut.index(frame.len() + 1));
        }
        check(&packet(link, &frame));
        check(&Packet { length, ..packet(link, &frame) });
    }
}
