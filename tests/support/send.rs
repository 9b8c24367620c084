//! A sender of raw frames that knows exactly what the kernel took, and that outruns nobody.
//!
//! veth hands frames to a driver's XDP program through a ring of 256 and drops what does not fit. So the sender keeps
//! fewer than that on their way, by the far end's own count of what it received: no frame is dropped, on any kernel.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::fs::FileExt,
    },
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::socket::MsgFlags;
use serde::Deserialize;

use crate::netns::{INTERFACE, NetNs};

/// Frames per system call.
const BURST: usize = 32;
/// Frames on their way at most; veth's ring holds 256 (`VETH_RING_SIZE`).
const WINDOW: u64 = 192;
/// The far end receives nothing for this long: something is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// What one thread sends: every frame in turn, the whole list over again `rounds` times.
#[derive(Clone, Debug)]
pub struct Share {
    /// Frames from the destination address on, without FCS.
    pub frames: Vec<Vec<u8>>,
    /// How often.
    pub rounds: usize,
}

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
pub struct Tally {
    /// Packets.
    pub packets: u64,
    /// Bytes, link-layer header included.
    pub bytes: u64,
}

impl Tally {
    /// Adds `packets` of `length` bytes each.
    pub fn add(&mut self, packets: u64, length: usize) {
        self.packets += packets;
        self.bytes += packets * length as u64;
    }
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            packets: sum.packets + one.packets,
            bytes: sum.bytes + one.bytes,
        })
    }
}

/// Sends every share on a thread and a CPU of its own, out of [`INTERFACE`], and returns what the kernel took of each when
/// the far end has received all of it.
///
/// # Errors
/// When the kernel refuses a frame, or the far end does not receive what was sent.
pub fn send(from: &NetNs, to: &NetNs, shares: &[Share]) -> Result<Vec<Tally>> {
    let gate = Gate::new(to)?;
    let index = from.link(INTERFACE)?.index;
    let tallies = from.enter(|| {
        // The threads inherit the namespace.
        thread::scope(|scope| {
            let threads: Vec<_> = shares
                .iter()
                .enumerate()
                .map(|(cpu, share)| {
                    let gate = &gate;
                    scope.spawn(move || {
                        pin(cpu)?;
                        send_share(&socket(index)?, share, gate)
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| {
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect::<Result<Vec<_>>>()
        })
    })??;
    gate.all_received()?;
    Ok(tallies)
}

/// Sends each frame once.
///
/// # Errors
/// As [`send`].
pub fn send_once(from: &NetNs, to: &NetNs, frames: Vec<Vec<u8>>) -> Result<Tally> {
    let tallies = send(from, to, &[Share { frames, rounds: 1 }])?;
    Ok(tallies.into_iter().sum())
}

/// How many frames are on their way.
struct Gate {
    /// /proc/net/dev of the far namespace.
    counters: File,
    before: u64,
    /// Sent, or about to be.
    sent: AtomicU64,
}

impl Gate {
    fn new(far: &NetNs) -> Result<Self> {
        let counters = far.enter(|| File::open("/proc/thread-self/net/dev"))?;
        let counters = counters.context("opening the far end's counters")?;
        let before = received(&counters)?;
        Ok(Self { counters, before, sent: AtomicU64::new(0) })
    }

    /// Returns when `frames` more fit.
    fn admit(&self, frames: usize) -> Result<()> {
        let frames = frames as u64;
        let mine = self.sent.fetch_add(frames, Ordering::Relaxed) + frames;
        self.wait(|received| received + WINDOW >= mine)
    }

    fn all_received(&self) -> Result<()> {
        let sent = self.sent.load(Ordering::Relaxed);
        self.wait(|received| received >= sent)
    }

    fn wait(&self, enough: impl Fn(u64) -> bool) -> Result<()> {
        let mut seen = 0;
        let mut since = Instant::now();
        loop {
            let now = received(&self.counters)? - self.before;
            if enough(now) {
                return Ok(());
            }
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
            if since.elapsed() > PATIENCE {
                let sent = self.sent.load(Ordering::Relaxed);
                bail!("of {sent} frames sent the far end received {now}");
            }
            thread::yield_now();
        }
    }
}

/// Packets that [`INTERFACE`] has received, by an open /proc/net/dev.
fn received(counters: &File) -> Result<u64> {
    let mut text = [0; 4096];
    let length = counters.read_at(&mut text, 0).context("reading /proc/net/dev")?;
    let text = str::from_utf8(&text[..length]).context("reading /proc/net/dev")?;
    let mut lines = text.lines().filter_map(|line| line.trim_start().split_once(':'));
    let line = lines.find(|(name, _)| *name == INTERFACE);
    let packets = line.and_then(|(_, numbers)| numbers.split_whitespace().nth(1));
    let packets = packets.with_context(|| format!("/proc/net/dev has no {INTERFACE}"))?;
    packets.parse().context("reading /proc/net/dev")
}

fn send_share(socket: &OwnedFd, share: &Share, gate: &Gate) -> Result<Tally> {
    let mut batch = Batch::new(&share.frames);
    let mut tally = Tally::default();
    for _ in 0..share.rounds {
        for first in (0..share.frames.len()).step_by(BURST) {
            let last = share.frames.len().min(first + BURST);
            gate.admit(last - first)?;
            batch.send(socket, first, last)?;
        }
        for frame in &share.frames {
            tally.add(1, frame.len());
        }
    }
    Ok(tally)
}

/// The frames as sendmmsg(2) wants them.
struct Batch<'a> {
    frames: std::marker::PhantomData<&'a [Vec<u8>]>,
    messages: Vec<libc::mmsghdr>,
    /// What `messages` points to.
    _slices: Vec<libc::iovec>,
}

impl<'a> Batch<'a> {
    fn new(frames: &'a [Vec<u8>]) -> Self {
        let mut slices: Vec<_> = frames
            .iter()
            .map(|frame| libc::iovec {
                iov_base: frame.as_ptr().cast_mut().cast(),
                iov_len: frame.len(),
            })
            .collect();
        let messages = slices
            .iter_mut()
            .map(|slice| {
                // SAFETY: a C struct of integers and pointers; zero is "none" for each.
                let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
                message.msg_hdr.msg_iov = slice;
                message.msg_hdr.msg_iovlen = 1;
                message
            })
            .collect();
        Self { frames: std::marker::PhantomData, messages, _slices: slices }
    }

    /// Sends the frames `first..last`, all of them.
    fn send(&mut self, socket: &OwnedFd, first: usize, last: usize) -> Result<()> {
        let mut next = first;
        while next < last {
            let rest = &mut self.messages[next..last];
            // SAFETY: `rest` is that many messages; the slices and frames they point to live as long as `self`, and the
            // kernel only reads them.
            let sent = unsafe {
                libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as u32, 0)
            };
            if sent < 0 {
                let error = io::Error::last_os_error();
                return Err(error).with_context(|| format!("sending frame {next} of the list"));
            }
            next += sent as usize;
        }
        Ok(())
    }
}

/// A link's end, out of which single frames are sent.
#[derive(Debug)]
pub struct Line(OwnedFd);

/// The named interface's end. Frames that are sent [`on_one_cpu`] keep their order on both ends of a link.
///
/// # Errors
/// When there is no such interface.
pub fn line(from: &NetNs, interface: &str) -> Result<Line> {
    let index = from.link(interface)?.index;
    from.enter(|| socket(index))?.map(Line)
}

impl Line {
    /// Sends one frame.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        let sent = nix::sys::socket::send(self.0.as_raw_fd(), frame, MsgFlags::empty());
        let sent = sent.with_context(|| format!("sending {} bytes", frame.len()))?;
        ensure!(sent == frame.len(), "{sent} of {} bytes were sent", frame.len());
        Ok(())
    }
}

/// Does `work` on one CPU.
///
/// # Errors
/// Those of `work`.
pub fn on_one_cpu(work: impl FnOnce() -> Result<()> + Send) -> Result<()> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            pin(0)?;
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A packet socket that sends out of an interface and receives nothing.
fn socket(interface: u32) -> Result<OwnedFd> {
    open(interface, 0)
}

/// A packet socket that sends out of an interface and receives what comes in there, and nothing of what goes out.
///
/// # Errors
/// When the kernel refuses.
pub fn socket_receiving(interface: u32) -> Result<OwnedFd> {
    const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
    let socket = open(interface, (libc::ETH_P_ALL as u16).to_be())?;
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an integer, of the size given.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            PACKET_IGNORE_OUTGOING,
            (&raw const on).cast(),
            size_of_val(&on) as u32,
        )
    };
    if set < 0 {
        return Err(io::Error::last_os_error()).context("ignoring what goes out");
    }
    Ok(socket)
}

/// Bound to an interface; `protocol` is an EtherType in network byte order, 0 for none.
fn open(interface: u32, protocol: u16) -> Result<OwnedFd> {
    // Receives nothing before it is bound: else it would receive from every interface until then.
    // SAFETY: no pointers.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error()).context("opening a packet socket");
    }
    // SAFETY: fresh, and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: a C struct of integers.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol;
    address.sll_ifindex = interface as i32;
    // SAFETY: the address is of the length given.
    let bound = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as u32,
        )
    };
    if bound < 0 {
        return Err(io::Error::last_os_error()).context("binding a packet socket");
    }
    Ok(socket)
}

/// Binds this thread to a CPU, counted modulo those there are.
fn pin(cpu: usize) -> Result<()> {
    let cpus = thread::available_parallelism().context("counting CPUs")?.get();
    // SAFETY: a bit set; zero is the empty one.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the CPU's number is below the set's size: there are that many CPUs at least.
    unsafe { libc::CPU_SET(cpu % cpus, &mut set) };
    // SAFETY: the set is of the size given; 0 is this thread.
    let pinned =
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
    if pinned < 0 {
        return Err(io::Error::last_os_error()).context("binding a thread to a CPU");
    }
    Ok(())
}
