//! Ordinary traffic that resembles scans: whoever calls any of it one has cried wolf.
//!
//! Each goes from a host to the many addresses of the other side, ends within seconds, and returns how many attempts it made.

use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use nix::sys::socket::{setsockopt, sockopt::Linger};

use super::ground::Side;
use crate::process::Process;

/// What a host does, and its name.
pub type Habit = (&'static str, fn(Side<'_>) -> Result<u64>);

/// All of them.
pub const HABITS: [Habit; 9] = [
    ("a browser with many sites", browser),
    ("clients that fail at a busy server", failing_clients),
    ("a load balancer's health checks", health_checks),
    ("a resolver whose servers do not all answer", resolver),
    ("a peer among peers, half of them gone", peers),
    ("a traceroute", traceroute),
    ("a knock at ports", knock),
    ("passive FTP", passive_ftp),
    ("a monitor that pings", pings),
];

/// For what answers at once or never.
const SOON: Duration = Duration::from_millis(150);

fn connect(to: Ipv4Addr, port: u16) -> Option<TcpStream> {
    TcpStream::connect_timeout(&SocketAddr::from((to, port)), SOON).ok()
}

/// Sends a few bytes; nobody reads them.
fn request(mut stream: &TcpStream) {
    // A server that hangs up is ordinary.
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");
}

/// Closes with RST, as applications do that give up.
fn abort(stream: &TcpStream) -> Result<()> {
    let now = libc::linger { l_onoff: 1, l_linger: 0 };
    setsockopt(stream, Linger, &now).context("setting SO_LINGER")
}

/// Asks over UDP from a port of its own; whether an answer came.
fn ask(to: Ipv4Addr, port: u16, wait: Duration) -> Result<bool> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((to, port))?;
    socket.set_read_timeout(Some(wait))?;
    // A refusal of an earlier datagram may be told here.
    let _ = socket.send(&[7; 40]);
    Ok(socket.recv(&mut [0; 512]).is_ok())
}

/// Fourteen sites with several connections each; QUIC is tried first and refused; two sites are gone.
pub fn browser(side: Side<'_>) -> Result<u64> {
    side.from.enter(|| {
        let mut attempts = 0;
        for site in 1..=14_u8 {
            attempts += 1;
            ask(side.host(site), 443, Duration::from_millis(20))?;
            let open: Vec<_> = (0..4).filter_map(|_| connect(side.host(site), 443)).collect();
            open.iter().for_each(request);
            attempts += 4;
            if site % 7 == 0 {
                drop(connect(side.dead(site), 443));
                attempts += 1;
            }
        }
        Ok(attempts)
    })?
}

/// Connections that are served, that are aborted, that meet a closed port of the same server again and again.
pub fn failing_clients(side: Side<'_>) -> Result<u64> {
    side.from.enter(|| {
        for n in 0..400_u32 {
            match (n % 10, connect(side.server(), 80)) {
                (0, Some(stream)) => abort(&stream)?,
                (_, Some(stream)) => request(&stream),
                (_, None) => {}
            }
            if n % 8 == 0 {
                drop(connect(side.server(), 8443));
            }
        }
        Ok(450)
    })?
}

/// Eight backends, of which one refuses and one says nothing, asked ten times; half of the checks give up once they are answered.
pub fn health_checks(side: Side<'_>) -> Result<u64> {
    side.from.enter(|| -> Result<()> {
        for _ in 0..10 {
            for backend in 1..=6_u8 {
                let stream = connect(side.host(backend), 8080);
                if let (0, Some(stream)) = (backend % 2, &stream) {
                    abort(stream)?;
                }
            }
            drop(connect(side.host(7), 8081));
            drop(connect(side.dead(8), 8080));
        }
        Ok(())
    })??;
    // Half-open: the kernel resets the answers of handshakes that are not its own.
    for backend in 1..=4 {
        let backend = side.host(backend).to_string();
        let mut check = side.from.command("hping3");
        // It exits with 1 where it lost an answer to the kernel.
        check.args(["-q", "-S", "-p", "8080", "-c", "10", "-i", "u50000", &backend]);
        Process::run(&mut check)?;
    }
    Ok(120)
}

/// Questions from a port each to ten servers: seven answer, one refuses, two are gone. And some again.
pub fn resolver(side: Side<'_>) -> Result<u64> {
    side.from.enter(|| {
        for round in 0..40 {
            for server in 1..=7 {
                ask(side.host(server), 53, SOON)?;
            }
            ask(side.host(8), 5353, SOON)?;
            if round % 4 == 0 {
                ask(side.dead(9), 53, Duration::from_millis(50))?;
                ask(side.dead(10), 53, Duration::from_millis(50))?;
            }
        }
        Ok(340)
    })?
}

/// Ninety peers at a port of their own each, over TCP and UDP: a third is there, a third refuses, a third is gone.
pub fn peers(side: Side<'_>) -> Result<u64> {
    side.from.enter(|| {
        let threads: Vec<_> = (0..3)
            .map(|part| -> thread::JoinHandle<Result<()>> {
                let addresses: Vec<_> = (1..=90_u8)
                    .filter(|n| n % 3 == part)
                    .map(|n| {
                        let port = 20_000 + u16::from(n) * 431;
                        match part {
                            0 => (side.host(n), 6881),
                            1 => (side.host(n), port),
                            _ => (side.dead(n), port),
                        }
                    })
                    .collect();
                // In this namespace, which a new thread inherits.
                thread::spawn(move || {
                    for (peer, port) in addresses {
                        drop(connect(peer, port));
                        ask(peer, port, Duration::from_millis(20))?;
                    }
                    Ok(())
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("it does not panic")?;
        }
        Ok(180)
    })?
}

/// Three datagrams for each of thirty hops, to a port each.
pub fn traceroute(side: Side<'_>) -> Result<u64> {
    side.from.enter(|| {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        for n in 0..90_u16 {
            socket.set_ttl(u32::from(n / 3) + 1)?;
            // Refusals are told here, and are the point of it.
            let _ = socket.send_to(&[0; 24], (side.server(), 33_434 + n));
            thread::sleep(Duration::from_millis(5));
        }
        Ok(90)
    })?
}

/// Three silent ports in their order, and then the door.
pub fn knock(side: Side<'_>) -> Result<u64> {
    side.from.enter(|| {
        for _ in 0..2 {
            for port in [7000, 8000, 9000] {
                drop(connect(side.server(), port));
            }
            drop(connect(side.server(), 22));
        }
        Ok(8)
    })?
}

/// One connection for the commands and thirty for data, each to a port that the server has opened for it.
pub fn passive_ftp(side: Side<'_>) -> Result<u64> {
    let server = side.server();
    let data: std::io::Result<Vec<_>> =
        side.at.enter(|| (0..30).map(|_| TcpListener::bind((server, 0))).collect())?;
    let data = data.context("opening ports")?;
    side.from.enter(|| {
        let control = connect(server, 21).context("the server is not there")?;
        for listener in &data {
            request(&control);
            let stream = connect(server, listener.local_addr()?.port());
            request(&stream.context("a port is not open")?);
        }
        Ok(31)
    })?
}

/// Five hosts, of which one is gone, twenty times.
pub fn pings(side: Side<'_>) -> Result<u64> {
    for n in 1..=5_u8 {
        let host = if n == 5 { side.dead(n) } else { side.host(n) }.to_string();
        let mut ping = side.from.command("ping");
        // It exits with 1 where nobody answers.
        Process::run(ping.args(["-n", "-q", "-c", "20", "-i", "0.05", "-w", "3", &host]))?;
    }
    Ok(100)
}
