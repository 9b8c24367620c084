//! What a host offers: ports that are open, and ports that say nothing. All others refuse.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv6Addr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::netns::NetNs;

/// Open TCP ports.
pub const OPEN: [u16; 6] = [22, 80, 443, 8080, 21, 6881];
/// Open UDP ports, which answer with what they got.
pub const UDP_OPEN: [u16; 2] = [53, 123];
/// TCP and UDP ports whose packets are dropped.
pub const FILTERED: [u16; 6] = [25, 111, 139, 7000, 8000, 9000];
/// Some of the ports that refuse.
pub const CLOSED: [u16; 3] = [23, 79, 8443];

/// Services on all addresses of a host, IPv4 and IPv6; they end when dropped.
#[derive(Debug)]
pub(super) struct Services {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    _silent: Vec<(TcpListener, UdpSocket)>,
}

impl Services {
    /// TCP on every address of the host, UDP on these: answers must come from where the question went.
    pub(super) fn start(host: &NetNs, addresses: &[IpAddr]) -> Result<Self> {
        host.enter(|| Self::bind(addresses))?.context("starting services")
    }

    fn bind(addresses: &[IpAddr]) -> io::Result<Self> {
        let any = Ipv6Addr::UNSPECIFIED;
        let mut silent = Vec::new();
        for port in FILTERED {
            let (stream, datagram) =
                (TcpListener::bind((any, port))?, UdpSocket::bind((any, port))?);
            drop_everything(&stream)?;
            drop_everything(&datagram)?;
            silent.push((stream, datagram));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for port in OPEN {
            let listener = TcpListener::bind((any, port))?;
            listener.set_nonblocking(true)?;
            let stop = Arc::clone(&stop);
            threads.push(thread::spawn(move || serve(&listener, &stop)));
        }
        let endpoints = addresses.iter().flat_map(|ip| UDP_OPEN.map(|port| (*ip, port)));
        let sockets = endpoints.map(UdpSocket::bind).collect::<io::Result<Vec<_>>>()?;
        sockets.iter().try_for_each(|socket| socket.set_nonblocking(true))?;
        let stopped = Arc::clone(&stop);
        threads.push(thread::spawn(move || echo(&sockets, &stopped)));
        Ok(Self { stop, threads, _silent: silent })
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It does not panic; if it did, the test has said enough.
            let _ = thread.join();
        }
    }
}

/// Answers each connection after a while and hangs up.
fn serve(listener: &TcpListener, stop: &AtomicBool) {
    const WHILE: Duration = Duration::from_millis(30);
    let mut open: Vec<(Instant, TcpStream)> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        while let Ok((stream, _)) = listener.accept() {
            open.push((Instant::now(), stream));
        }
        for (_, mut stream) in open.extract_if(.., |(since, _)| since.elapsed() >= WHILE) {
            // Who asked may have gone; bytes that nobody read would make a RST of the hang-up.
            let _ = stream.set_nonblocking(true);
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn echo(sockets: &[UdpSocket], stop: &AtomicBool) {
    let mut datagram = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        for socket in sockets {
            // Nothing there, or an ICMP error about an earlier answer.
            while let Ok((length, from)) = socket.recv_from(&mut datagram) {
                // Who asked may be unreachable.
                let _ = socket.send_to(&datagram[..length], from);
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// A socket filter that takes no packet: neither a handshake nor a refusal comes of one, as behind a firewall that drops.
fn drop_everything(socket: &impl AsRawFd) -> io::Result<()> {
    // `ret #0`.
    let mut instruction = libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0 };
    let program = libc::sock_fprog { len: 1, filter: &raw mut instruction };
    // SAFETY: the program points to one instruction, and the kernel copies it.
    let attached = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of_val(&program) as u32,
        )
    };
    if attached < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
