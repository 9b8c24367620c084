//! A transfer over TCP, and what the kernel says its socket has sent, retransmissions included: exact where an application only knows its bytes.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    thread,
};

use anyhow::{Context as _, Result, ensure};

use crate::{netns::Pair, process::PATIENCE};

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
        let info = info(stream, BYTES + 8)?;
        Ok(Self {
            segments: u32::from_ne_bytes(field(&info, SEGMENTS)).into(),
            bytes: u64::from_ne_bytes(field(&info, BYTES)),
        })
    }
}

/// Segments that a socket sent again.
///
/// # Errors
/// When the kernel does not say.
pub fn sent_again(stream: &TcpStream) -> Result<u64> {
    /// `tcpi_total_retrans` in `struct tcp_info`.
    const TOTAL_RETRANS: usize = 100;
    let info = info(stream, TOTAL_RETRANS + 4)?;
    Ok(u32::from_ne_bytes(field(&info, TOTAL_RETRANS)).into())
}

/// The socket's `struct tcp_info`, of which at least so many bytes are there.
fn info(stream: &TcpStream, least: usize) -> Result<[u8; 256]> {
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
    ensure!(length as usize >= least, "the kernel's TCP_INFO has {length} bytes");
    Ok(info)
}

fn field<const LENGTH: usize>(info: &[u8], at: usize) -> [u8; LENGTH] {
    let mut field = [0; LENGTH];
    field.copy_from_slice(&info[at..at + LENGTH]);
    field
}

/// Sends `length` bytes from left to right over TCP, to port 8000, and returns what that took when all is acknowledged and closed.
///
/// # Errors
/// When the connection fails, or takes longer than [`PATIENCE`] at any step.
///
/// # Panics
/// When the reader does.
pub fn transfer(pair: &Pair, to: &str, length: usize) -> Result<Sent> {
    // A tail loss probe (RFC 8985) would send the FIN again when a busy machine acknowledges it late.
    pair.left.enter(|| fs::write("/proc/sys/net/ipv4/tcp_early_retrans", "0"))??;
    // Fewer segments under way than a veth's ring of 256 takes: none is lost where the receiver has no CPU for a while.
    pair.left.enter(|| fs::write("/proc/sys/net/ipv4/tcp_wmem", "4096 65536 131072"))??;
    let listener = pair.right.enter(|| TcpListener::bind((to, 8000)))??;
    thread::scope(|scope| {
        let reader = scope.spawn(move || -> io::Result<usize> {
            let (mut stream, _) = listener.accept()?;
            stream.set_read_timeout(Some(PATIENCE))?;
            let mut all = Vec::new();
            stream.read_to_end(&mut all)
        });
        let mut stream = pair.left.enter(|| TcpStream::connect((to, 8000)))??;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&vec![7; length])?;
        stream.shutdown(Shutdown::Write)?;
        // The reader closes when it has everything.
        ensure!(stream.read(&mut [0])? == 0, "the reader talks");
        let read = reader.join().expect("the reader does not panic")?;
        ensure!(read == length, "{read} of {length} bytes read");
        Sent::by(&stream)
    })
}
