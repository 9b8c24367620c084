//! Traffic of every sort that a dashboard shows, both ways between two namespaces, over and over until it is told to stop.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream, UdpSocket},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use wireledger_tests::{
    netns::{LEFT_V4, NetNs, Pair, RIGHT_V4},
    packets::{
        every_kind,
        ip::Ipv4,
        protocol,
        transport::{flags, tcp},
    },
    process::PATIENCE,
    send::send_once,
};

const SERVICE: u16 = 8000;
/// Nobody listens there.
const CLOSED: u16 = 8009;
/// Nobody reads them.
const DATAGRAMS: u16 = 5000;

/// Fits into the socket's buffers, so that one thread can be both ends; several full segments.
const TRANSFER: usize = 20_000;

pub(super) struct Traffic<'a> {
    pair: &'a Pair,
    stopped: AtomicBool,
    /// Of the left and of the right.
    listeners: [TcpListener; 2],
    sockets: [UdpSocket; 2],
}

impl<'a> Traffic<'a> {
    pub(super) fn new(pair: &'a Pair) -> Result<Self> {
        let listener = |end: &NetNs, own: &str| -> Result<TcpListener> {
            end.enter(|| TcpListener::bind((own, SERVICE)))?.context("listening")
        };
        let socket = |end: &NetNs, own: &str| -> Result<UdpSocket> {
            end.enter(|| UdpSocket::bind((own, DATAGRAMS)))?.context("binding")
        };
        Ok(Self {
            pair,
            stopped: AtomicBool::new(false),
            listeners: [listener(&pair.left, LEFT_V4)?, listener(&pair.right, RIGHT_V4)?],
            sockets: [socket(&pair.left, LEFT_V4)?, socket(&pair.right, RIGHT_V4)?],
        })
    }

    /// Ends [`Traffic::run`] after the round that is under way.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn run(&self) -> Result<()> {
        let Pair { left, right } = self.pair;
        while !self.stopped.load(Ordering::Relaxed) {
            connection(left, &self.listeners[1], RIGHT_V4)?;
            connection(right, &self.listeners[0], LEFT_V4)?;
            refused(left, RIGHT_V4)?;
            refused(right, LEFT_V4)?;
            datagrams(&self.sockets[0], RIGHT_V4)?;
            datagrams(&self.sockets[1], LEFT_V4)?;
            echoes(left, RIGHT_V4)?;
            send_once(left, right, crafted())?;
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

/// A connection with something to say in both directions.
fn connection(client: &NetNs, listener: &TcpListener, to: &str) -> Result<()> {
    let asking = client.enter(|| TcpStream::connect((to, SERVICE)))??;
    let (answering, _) = listener.accept()?;
    for stream in [&asking, &answering] {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
    }
    for (mut from, mut to) in [(&asking, &answering), (&answering, &asking)] {
        from.write_all(&vec![7; TRANSFER])?;
        from.shutdown(Shutdown::Write)?;
        let mut all = Vec::new();
        to.read_to_end(&mut all)?;
        ensure!(all.len() == TRANSFER, "{} of {TRANSFER} bytes arrived", all.len());
    }
    Ok(())
}

fn refused(client: &NetNs, to: &str) -> Result<()> {
    let connected = client.enter(|| TcpStream::connect((to, CLOSED)))?;
    ensure!(connected.is_err(), "somebody listens at {to}:{CLOSED}");
    Ok(())
}

/// Small ones, one in fragments, and one that may go no further.
fn datagrams(from: &UdpSocket, to: &str) -> Result<()> {
    for length in [20, 200, 3000] {
        from.send_to(&vec![7; length], (to, DATAGRAMS))?;
    }
    let usual = from.ttl()?;
    from.set_ttl(1)?;
    from.send_to(b"no further", (to, DATAGRAMS))?;
    from.set_ttl(usual).context("setting the TTL back")
}

/// Pings: ECN-capable, marked, and of another class.
fn echoes(from: &NetNs, to: &str) -> Result<()> {
    for class in ["0x02", "0x03", "0x28"] {
        let mut ping: Command = from.command("ping");
        ping.args(["-q", "-c", "1", "-W", "5", "-Q", class, to]);
        wireledger_tests::netns::output(&mut ping)?;
    }
    Ok(())
}

/// Every kind of frame; and of one connection a segment sent twice, and a window that closes.
fn crafted() -> Vec<Vec<u8>> {
    let mut frames: Vec<_> = every_kind().into_iter().map(|(_, frame)| frame).collect();
    let frame = |segment: &[u8]| Ipv4::of(protocol::TCP).frame(segment);
    let data = frame(&tcp(40_001, 443, flags::ACK | flags::PSH, b"said twice"));
    let mut closed = tcp(40_001, 443, flags::ACK, b"");
    closed[14..16].fill(0);
    frames.extend([data.clone(), data, frame(&closed)]);
    frames
}
