//! Raw frames out of an interface (packet(7)): the demo's own traffic, tags and fragments included.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use super::{Error, namespace::Namespace};

/// Sends whole Ethernet frames.
#[derive(Debug)]
pub struct Sender {
    socket: OwnedFd,
    address: libc::sockaddr_ll,
}

impl Sender {
    /// A sender out of the interface with this index.
    ///
    /// # Errors
    /// Without CAP_NET_RAW in the namespace.
    pub fn open(namespace: &Namespace, interface: u32) -> Result<Self, Error> {
        let socket = namespace.run(|| {
            // SAFETY: no pointers are passed.
            let fd =
                unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: a descriptor that was just opened and that nobody else owns.
            Ok(unsafe { OwnedFd::from_raw_fd(fd) })
        })?;
        let socket = socket.map_err(Error::system("opening a packet socket"))?;
        // SAFETY: all zeros are a `sockaddr_ll`.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_ifindex = interface.cast_signed();
        Ok(Self { socket, address })
    }

    /// Sends one frame; `false` when the interface's queue has no room now.
    ///
    /// # Errors
    /// What else the kernel says.
    pub fn send(&self, frame: &[u8]) -> Result<bool, Error> {
        // SAFETY: frame and address live through the call, and their lengths are their own.
        let sent = unsafe {
            libc::sendto(
                self.socket.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
                (&raw const self.address).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        };
        if sent >= 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::ENOBUFS | libc::EAGAIN) => Ok(false),
            _ => Err(Error::System { doing: "sending a frame", source: error }),
        }
    }
}
