//! Bounded traffic from the far host to the near one: what a busy interface sees in a day, in a few seconds.

use std::{
    io::{Read, Write},
    net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Context;

use super::lab::{FAR_MAC, Lab, NEAR_MAC, NEAR_V4, NEAR_V6};
use crate::kernel::packet::Sender;

/// Between two rounds; each sends less than the wire's queue holds (256 frames).
const ROUND: Duration = Duration::from_millis(2);
const FRAMES_PER_ROUND: u32 = 48;
/// Bounds of the whole, whatever the time: frames, and connections of each kind.
const FRAMES_MAX: u64 = 2_000_000;
const CONNECTIONS_MAX: u64 = 10_000;
const PORT: u16 = 8080;

/// How much was sent by hand, frame by frame; connections and echo requests come on top.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sent {
    /// Frames the kernel took.
    pub frames: u64,
    /// TCP connections completed.
    pub connections: u64,
    /// Datagrams larger than the MTU, which travel as fragments.
    pub datagrams: u64,
}

/// Traffic under way.
#[derive(Debug)]
pub struct Traffic {
    stop: Arc<AtomicBool>,
    frames: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
    datagrams: Arc<AtomicU64>,
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Traffic {
    /// Starts everything; it ends by itself after `time`.
    ///
    /// # Errors
    /// When a socket cannot be opened.
    pub fn start(lab: &Lab, time: Duration) -> anyhow::Result<Self> {
        let mut traffic = Self {
            stop: Arc::default(),
            frames: Arc::default(),
            connections: Arc::default(),
            datagrams: Arc::default(),
            threads: Vec::new(),
        };
        let until = Instant::now() + time;
        for address in [IpAddr::from(NEAR_V4), NEAR_V6.into()] {
            let address = SocketAddr::new(address, PORT);
            let listener = lab.near.run(|| TcpListener::bind(address))?;
            let listener = listener.context("listening on the near host")?;
            listener.set_nonblocking(true).context("setting up the near host's listener")?;
            traffic.spawn(until, move |running| serve(&listener, &running));
            let (far, count) = (Arc::clone(&lab.far), Arc::clone(&traffic.connections));
            traffic.spawn(until, move |running| {
                // The thread moves over for good: it makes sockets all the time.
                far.run(|| connect(address, &running, &count))?
            });
        }
        let far = Arc::clone(&lab.far);
        let datagrams = Arc::clone(&traffic.datagrams);
        traffic.spawn(until, move |running| far.run(|| large_datagrams(&running, &datagrams))?);
        let sender = Sender::open(&lab.far, lab.far_index)?;
        let frames = Arc::clone(&traffic.frames);
        traffic.spawn(until, move |running| crafted(&sender, &running, &frames));
        Ok(traffic)
    }

    fn spawn(
        &mut self,
        until: Instant,
        work: impl FnOnce(Running) -> anyhow::Result<()> + Send + 'static,
    ) {
        let running = Running { stop: Arc::clone(&self.stop), until };
        self.threads.push(thread::spawn(move || work(running)));
    }

    /// Ends it, now if it has not ended by itself, and says what was sent.
    ///
    /// # Errors
    /// When a thread failed.
    pub fn stop(self) -> anyhow::Result<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            match thread.join() {
                Ok(done) => done?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Ok(Sent {
            frames: read(&self.frames),
            connections: read(&self.connections),
            datagrams: read(&self.datagrams),
        })
    }
}

struct Running {
    stop: Arc<AtomicBool>,
    until: Instant,
}

impl Running {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed) && Instant::now() < self.until
    }
}

/// Answers each connection with what it asks for.
fn serve(listener: &TcpListener, running: &Running) -> anyhow::Result<()> {
    const ANSWER: [u8; 16 << 10] = [b'w'; 16 << 10];
    while running.goes_on() {
        let Ok((mut stream, _)) = listener.accept() else {
            thread::sleep(ROUND);
            continue;
        };
        let timeout = Some(Duration::from_secs(1));
        let _ = stream.set_nonblocking(false);
        let _ = stream.set_read_timeout(timeout).and_then(|()| stream.set_write_timeout(timeout));
        // A connection that the end of the demo cuts is no failure.
        let _ = stream.read(&mut [0; 512]).and_then(|_| stream.write_all(&ANSWER));
        let _ = stream.shutdown(Shutdown::Write);
    }
    Ok(())
}

fn connect(near: SocketAddr, running: &Running, count: &AtomicU64) -> anyhow::Result<()> {
    while running.goes_on() && count.load(Ordering::Relaxed) < CONNECTIONS_MAX {
        let timeout = Duration::from_secs(1);
        if let Ok(mut stream) = TcpStream::connect_timeout(&near, timeout) {
            let _ = stream.set_read_timeout(Some(timeout));
            let mut answer = Vec::new();
            let asked = stream.write_all(b"GET / HTTP/1.0\r\n\r\n");
            if asked.and_then(|()| stream.read_to_end(&mut answer)).is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        thread::sleep(ROUND * 5);
    }
    Ok(())
}

/// Datagrams beyond the MTU: the far host fragments them.
fn large_datagrams(running: &Running, count: &AtomicU64) -> anyhow::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:5000").context("opening the far host's socket")?;
    let payload = [b'f'; 4000];
    while running.goes_on() {
        // Nobody listens there; the near host says so in ICMP, which the next send hears.
        if socket.send_to(&payload, (NEAR_V4, 9)).is_ok() {
            count.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(ROUND * 10);
    }
    Ok(())
}

/// Many flows, VLAN tags and echo requests, frame by frame.
fn crafted(sender: &Sender, running: &Running, count: &AtomicU64) -> anyhow::Result<()> {
    let mut number = 0u32;
    while running.goes_on() && count.load(Ordering::Relaxed) < FRAMES_MAX {
        for _ in 0..FRAMES_PER_ROUND {
            number = number.wrapping_add(1);
            let frame = match number % 16 {
                0 => echo_request(number),
                1..=3 => udp(number % 4000, Some(number % 3 + 100)),
                _ => udp(number % 4000, None),
            };
            if sender.send(&frame)? {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        thread::sleep(ROUND);
    }
    Ok(())
}

const ETHERNET_IPV4: [u8; 2] = [0x08, 0x00];
const ETHERNET_VLAN: [u8; 2] = [0x81, 0x00];

/// One of many UDP flows, tagged or not, to a network behind the near host.
fn udp(flow: u32, vlan: Option<u32>) -> Vec<u8> {
    let payload = [b'u'; 64];
    let length = (8 + payload.len()) as u16;
    let mut datagram = Vec::new();
    datagram.extend((20_000 + (flow % 1000) as u16).to_be_bytes());
    datagram.extend(53u16.to_be_bytes());
    datagram.extend(length.to_be_bytes());
    // No checksum (RFC 768).
    datagram.extend([0, 0]);
    datagram.extend(payload);
    let source = [10, 78, (flow / 250) as u8, (flow % 250) as u8 + 1];
    frame(vlan, &ipv4(17, source, [10, 79, 0, 1], &datagram))
}

/// The near host answers it.
fn echo_request(sequence: u32) -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0, 0x77, 0x01];
    message.extend((sequence as u16).to_be_bytes());
    message.extend([b'p'; 48]);
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    frame(None, &ipv4(1, [10, 77, 0, 2], NEAR_V4.octets(), &message))
}

fn frame(vlan: Option<u32>, packet: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(NEAR_MAC);
    frame.extend(FAR_MAC);
    if let Some(vlan) = vlan {
        frame.extend(ETHERNET_VLAN);
        frame.extend((vlan as u16).to_be_bytes());
    }
    frame.extend(ETHERNET_IPV4);
    frame.extend(packet);
    frame
}

fn ipv4(protocol: u8, source: [u8; 4], destination: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((20 + payload.len() as u16).to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    packet.extend(source);
    packet.extend(destination);
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(payload);
    packet
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|word| {
        u32::from(u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or_default()]))
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
