//! What the kernel says a TCP socket has sent, retransmissions included: exact where an application only knows its bytes.

use std::{io, net::TcpStream, os::fd::AsRawFd as _};

use anyhow::{Context as _, Result, ensure};

/// The counters of a socket since it was made. One that was accepted was made after the SYN was answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sent {
    /// Segments sent.
    pub segments: u64,
    /// Payload bytes in them.
    pub bytes: u64,
}

impl Sent {
    /// Asks the kernel.
    ///
    /// # Errors
    /// When it does not say.
    pub fn by(stream: &TcpStream) -> Result<Self> {
        /// Offsets in `struct tcp_info` of linux/tcp.h.
        const SEGMENTS: usize = 136;
        /// Linux 4.19.
        const BYTES: usize = 200;
        let mut info = [0_u8; 256];
        let mut length = info.len() as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes to `info`, and then how many.
        let got = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                info.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        if got < 0 {
            return Err(io::Error::last_os_error()).context("asking for TCP_INFO");
        }
        ensure!(length as usize >= BYTES + 8, "the kernel's TCP_INFO has {length} bytes");
        Ok(Self {
            segments: u32::from_ne_bytes(field(&info, SEGMENTS)).into(),
            bytes: u64::from_ne_bytes(field(&info, BYTES)),
        })
    }
}

fn field<const LENGTH: usize>(info: &[u8], at: usize) -> [u8; LENGTH] {
    let mut field = [0; LENGTH];
    field.copy_from_slice(&info[at..at + LENGTH]);
    field
}
