//! What is inside a tunnel: read from between the outer headers and the outer packet's end, or not at all.

use wireledger_common::{
    abi::flow::{IPV6, Tunnel, VLAN_PRESENT},
    wire::{self, Cursor, Headers},
};

use super::{Frame, input::Input, wire::Sample};
use crate::packets::{ip::Ipv4, protocol, transport::udp, tunnel};

/// `data` is a `Sample`.
pub fn check(data: &[u8]) {
    let sample = Sample::new(Input::new(data));
    let (Ok(()), outer) = sample.read() else { return };
    let read = |frame: &[u8]| {
        let mut inner = Headers::default();
        let result = wire::enter(Cursor::over(frame), &outer, &mut inner);
        (result, inner)
    };
    let (result, inner) = read(sample.frame);
    if !wire::is_tunnel(&outer) {
        assert!(result.is_err(), "no tunnel");
    }
    if result.is_err() {
        return;
    }
    let tunnel = Tunnel::of(inner.key.kind).expect("an inner flow");
    assert_eq!(inner.key.interface, 0, "the caller's to set");
    assert!(inner.key.vlans[0] == 0 || inner.key.vlans[0] & VLAN_PRESENT != 0);
    let least = outer.length + if inner.key.kind & IPV6 != 0 { 40 } else { 20 };
    assert!(inner.end >= least && inner.end <= outer.end, "{outer:?} {inner:?}");
    assert!(tunnel != Tunnel::Ip || Tunnel::number(&inner.key) == 0);
    // Neither its payload nor what lies behind the outer packet is read.
    let mut other = sample.frame.to_vec();
    other.iter_mut().skip(inner.length as usize).for_each(|byte| *byte = !*byte);
    assert_eq!(read(&other), (result, inner), "payload was read");
    // Cut anywhere, it is the same flow or none.
    for length in (0..sample.frame.len().min(inner.length as usize)).rev().step_by(7) {
        let (cut, headers) = read(&sample.frame[..length]);
        assert!(cut.is_err() || headers.key == inner.key, "cut to {length}");
    }
}

/// Every frame, and each frame inside every tunnel that takes frames.
#[must_use]
pub fn seeds(frames: &[Frame]) -> Vec<Vec<u8>> {
    let wrap = |frame: &Frame| {
        let port = tunnel::port::VXLAN;
        let packet = udp(51_000, port, &tunnel::vxlan(9, &frame.bytes));
        let bytes = Ipv4::of(protocol::UDP).frame(&packet);
        Frame { length: bytes.len() as u32, bytes }
    };
    let wrapped: Vec<_> =
        frames.iter().filter(|frame| frame.bytes.len() < 1400).map(wrap).collect();
    frames.iter().chain(&wrapped).map(|frame| Sample::seed(frame, 0)).collect()
}
