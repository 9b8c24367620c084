//! A host for idle scans: it answers every TCP segment that is no RST with one, and counts its IP identification up by one each time,
//! as hosts did once. Linux has not for long, so it is made here, of a packet socket.

use std::{
    net::Ipv4Addr,
    os::fd::{AsRawFd as _, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Result;
use nix::sys::socket::{MsgFlags, recv, send};

use super::ground::{Ground, THIRD_MAC, ZOMBIE};
use crate::{
    netns::INTERFACE,
    packets::{
        ip::{Ipv4, checksum},
        link::ether_type,
        protocol,
        transport::flags::{ACK, RST, SYN},
    },
    send::socket_receiving,
};

/// Answers for [`ZOMBIE`] until it is dropped.
#[derive(Debug)]
pub struct Zombie {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Zombie {
    /// Starts it at the third host's interface.
    ///
    /// # Errors
    /// When the kernel refuses the socket.
    pub fn start(ground: &Ground) -> Result<Self> {
        let index = ground.third.link(INTERFACE)?.index;
        let socket = ground.third.enter(|| socket_receiving(index))??;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || run(&socket, &stopped));
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Zombie {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has nothing to say at its end.
            let _ = thread.join();
        }
    }
}

fn run(socket: &OwnedFd, stop: &AtomicBool) {
    let mut frame = [0; 2048];
    let mut id = 1000;
    while !stop.load(Ordering::Relaxed) {
        let Ok(length) = recv(socket.as_raw_fd(), &mut frame, MsgFlags::MSG_DONTWAIT) else {
            thread::sleep(Duration::from_micros(200));
            continue;
        };
        let frame = &frame[..length];
        let answer = match frame.get(12..14).map(|kind| u16::from_be_bytes([kind[0], kind[1]])) {
            Some(ether_type::ARP) => here(frame),
            Some(ether_type::IPV4) => refusal(frame, &mut id),
            _ => None,
        };
        if let Some(answer) = answer {
            // What is not sent is asked for again.
            let _ = send(socket.as_raw_fd(), &answer, MsgFlags::empty());
        }
    }
}

/// To whom a frame's answer goes, and from whom it is.
fn ethernet(frame: &[u8], kind: u16, payload: &[u8]) -> Vec<u8> {
    [&frame[6..12], &THIRD_MAC, &kind.to_be_bytes(), payload].concat()
}

/// The answer to a question for the zombie's hardware address (RFC 826).
fn here(frame: &[u8]) -> Option<Vec<u8>> {
    let arp = frame.get(14..42)?;
    let asked = arp[6..8] == [0, 1] && arp[24..28] == ZOMBIE.octets();
    asked.then(|| {
        let head = [&arp[..6], &[0, 2], &THIRD_MAC, &ZOMBIE.octets()].concat();
        ethernet(frame, ether_type::ARP, &[&head[..], &arp[8..18]].concat())
    })
}

/// RFC 9293 section 3.10.7.1: what belongs to no connection is answered with RST, numbered so that the other end believes it.
fn refusal(frame: &[u8], id: &mut u16) -> Option<Vec<u8>> {
    let ip = frame.get(14..)?;
    let header = usize::from(ip.first()? & 0xf) * 4;
    let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(ip.get(at..at + 4)?).ok()?));
    let (from, to) = (address(12)?, address(16)?);
    if to != ZOMBIE || ip[9] != protocol::TCP {
        return None;
    }
    let asked = ip.get(header..header + 20)?;
    let flags = u16::from(asked[13]);
    if flags & RST != 0 {
        return None;
    }
    let word =
        |at: usize| u32::from_be_bytes([asked[at], asked[at + 1], asked[at + 2], asked[at + 3]]);
    let (sequence, acknowledgment, flags) = match flags & ACK {
        0 => (0, word(4).wrapping_add(u32::from(flags & SYN != 0)), RST | ACK),
        _ => (word(8), 0, RST),
    };
    let mut segment = [&asked[2..4], &asked[..2]].concat();
    segment.extend(sequence.to_be_bytes());
    segment.extend(acknowledgment.to_be_bytes());
    segment.extend((5 << 12 | flags).to_be_bytes());
    segment.extend([0; 6]);
    let pseudo = [&to.octets()[..], &from.octets(), &[0, protocol::TCP, 0, 20], &segment].concat();
    segment[16..18].copy_from_slice(&checksum(&pseudo).to_be_bytes());
    *id = id.wrapping_add(1);
    let ip = Ipv4 { source: to, destination: from, id: *id, ..Ipv4::of(protocol::TCP) };
    Some(ethernet(frame, ether_type::IPV4, &ip.packet(&segment)))
}
