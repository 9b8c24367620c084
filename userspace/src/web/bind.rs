//! Opening the web's listeners: TCP by address or name, unix sockets, and what systemd opened already.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::AsRawFd,
    path::Path,
};

use anyhow::{Context, bail};
use listenfd::ListenFd;
use nix::sys::socket::{
    self, AddressFamily, Backlog, SockFlag, SockType, SockaddrIn6, setsockopt, sockopt,
};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::listen::{Place, Socket};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// An open listener.
#[derive(Debug)]
pub struct Listener(pub(super) Kind);

#[derive(Debug)]
pub(super) enum Kind {
    Tcp(TcpListener),
    /// With its file, where that is ours to remove.
    Unix {
        listener: UnixListener,
        _file: Option<Place>,
    },
}

/// A connection.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    /// Where it listens, if that is an address.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr().ok(),
            Kind::Unix { .. } => None,
        }
    }

    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match &self.0 {
            Kind::Tcp(listener) => listener.accept().await.map(|(stream, _)| Stream::Tcp(stream)),
            Kind::Unix { listener, .. } => {
                listener.accept().await.map(|(stream, _)| Stream::Unix(stream))
            }
        }
    }
}

impl TryFrom<Socket> for Listener {
    type Error = anyhow::Error;

    fn try_from(socket: Socket) -> anyhow::Result<Self> {
        let (listener, file) = socket.into_parts();
        let listener = UnixListener::from_std(listener).context("listening on a unix socket")?;
        Ok(Self(Kind::Unix { listener, _file: Some(file) }))
    }
}

/// Listens on a TCP port of `host`, an address or a name; of every address of both IP versions if it is empty.
///
/// # Errors
/// When the address is taken or not ours, and when the name is unknown.
pub async fn tcp(host: &str, port: u16) -> anyhow::Result<Listener> {
    let everywhere = Ipv6Addr::UNSPECIFIED.to_string();
    if host.is_empty() || host == everywhere {
        return Ok(Listener(Kind::Tcp(both_versions(port)?)));
    }
    let found: Vec<_> = tokio::net::lookup_host((host, port)).await?.collect();
    // As other exporters do of a name with several: one, and rather of IPv4.
    let address = found.iter().find(|address| address.is_ipv4()).or(found.first());
    let address = address.context("the name has no address")?;
    Ok(Listener(Kind::Tcp(TcpListener::bind(address).await?)))
}

/// Listens on a unix socket for this process's user and group.
///
/// # Errors
/// As [`Socket::open`].
pub fn unix(path: &Path) -> anyhow::Result<Listener> {
    Socket::open_for("--web.listen-address", path, None)?.try_into()
}

/// Whatever the system's default for IPv6 sockets is, this one has IPv4 as well.
fn both_versions(port: u16) -> anyhow::Result<TcpListener> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = match socket::socket(AddressFamily::Inet6, SockType::Stream, flags, None) {
        Ok(socket) => socket,
        // A kernel without IPv6.
        Err(nix::errno::Errno::EAFNOSUPPORT) => {
            let listener = std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
            listener.set_nonblocking(true)?;
            return Ok(TcpListener::from_std(listener)?);
        }
        Err(errno) => return Err(errno.into()),
    };
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    setsockopt(&socket, sockopt::Ipv6V6Only, &false)?;
    let address = std::net::SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0);
    socket::bind(socket.as_raw_fd(), &SockaddrIn6::from(address))?;
    socket::listen(&socket, Backlog::new(BACKLOG)?)?;
    Ok(TcpListener::from_std(socket.into())?)
}

/// Sockets that systemd opened for this process.
#[derive(Debug, Default)]
pub struct Inherited {
    tcp: Vec<std::net::TcpListener>,
    unix: Vec<std::os::unix::net::UnixListener>,
}

impl Inherited {
    /// Takes them, before there is a second thread: the variables that name them are removed.
    ///
    /// # Errors
    /// When there are none, and when one is no stream socket that listens.
    pub fn take() -> anyhow::Result<Self> {
        let mut passed = ListenFd::from_env();
        let mut taken = Self::default();
        for n in 0..passed.len() {
            // A socket of the other kind is an error of the first look.
            if let Ok(Some(listener)) = passed.take_unix_listener(n) {
                listener.set_nonblocking(true)?;
                taken.unix.push(listener);
                continue;
            }
            let listener = passed.take_tcp_listener(n).context("taking a socket of systemd's")?;
            let listener = listener.context("taking a socket of systemd's")?;
            listener.set_nonblocking(true)?;
            taken.tcp.push(listener);
        }
        if passed.len() == 0 {
            bail!(
                "systemd passed no sockets (LISTEN_FDS and LISTEN_PID): start its socket unit, or leave \
                 --web.systemd-socket out"
            );
        }
        Ok(taken)
    }

    /// As listeners of this runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open(self) -> anyhow::Result<Vec<Listener>> {
        let tcp = self
            .tcp
            .into_iter()
            .map(|listener| Ok(Listener(Kind::Tcp(TcpListener::from_std(listener)?))));
        let unix = self.unix.into_iter().map(|listener| {
            Ok(Listener(Kind::Unix { listener: UnixListener::from_std(listener)?, _file: None }))
        });
        tcp.chain(unix).collect()
    }
}
