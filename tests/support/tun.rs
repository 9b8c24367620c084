//! A TUN device: an interface whose packets begin with their IP header, and whose far end is this process.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::fd::AsRawFd as _,
};

use anyhow::{Context as _, Result};

use crate::netns::NetNs;

/// The far end of a TUN device (Documentation/networking/tuntap.rst).
#[derive(Debug)]
pub struct Tun(File);

impl Tun {
    /// Opens the device `name` of a namespace, which `ip tuntap add mode tun` made.
    ///
    /// # Errors
    /// When it is not there.
    pub fn open(namespace: &NetNs, name: &str) -> Result<Self> {
        let file = namespace.enter(|| attach(name))?;
        Ok(Self(file.with_context(|| format!("opening {name}"))?))
    }

    /// Sends a packet into the namespace.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn send(&mut self, packet: &[u8]) -> Result<()> {
        self.0.write_all(packet).context("writing to the TUN device")
    }
}

fn attach(name: &str) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
    // SAFETY: all zeros are an `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as i16;
    // SAFETY: an open descriptor, and a request of the type that TUNSETIFF reads.
    if unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw const request) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file)
}
