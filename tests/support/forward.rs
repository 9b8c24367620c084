//! Two namespaces with a program between them that forwards frames, late, in another order, or not at all.

use std::{
    fs,
    os::fd::{AsRawFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::sys::socket::{MsgFlags, recv, send};

use crate::{
    netns::{INTERFACE, LEFT_MAC, LEFT_V4, NetNs, RIGHT_MAC, RIGHT_V4},
    send::socket_receiving,
};

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It goes on, as late as its direction is.
    Pass,
    /// It does not.
    Drop,
    /// It goes on behind the next frame of its direction.
    Hold,
}

/// How late frames are: from left to right, from right to left.
pub type Delays = [Duration; 2];

/// Two ends with addresses, each joined to a namespace in the middle. Frames are what is on the wire: no offloads.
#[derive(Debug)]
pub struct Ends {
    /// One end: its interface is [`INTERFACE`], its address [`LEFT_V4`].
    pub left: NetNs,
    /// The other.
    pub right: NetNs,
    middle: NetNs,
}

impl Ends {
    /// Makes the three namespaces; nothing is forwarded yet.
    ///
    /// # Errors
    /// When a command fails.
    pub fn new() -> Result<Self> {
        let ends = Self {
            left: NetNs::new("left")?,
            right: NetNs::new("right")?,
            middle: NetNs::new("mid")?,
        };
        for namespace in [&ends.left, &ends.right, &ends.middle] {
            namespace
                .enter(|| fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"))??;
        }
        let sides = [
            (&ends.left, "to_left", LEFT_MAC, LEFT_V4, RIGHT_V4, RIGHT_MAC),
            (&ends.right, "to_right", RIGHT_MAC, RIGHT_V4, LEFT_V4, LEFT_MAC),
        ];
        for (end, inside, mac, own, other, other_mac) in sides {
            let middle = ends.middle.name();
            end.run(&format!(
                "ip link add {INTERFACE} address {mac} type veth peer name {inside} netns {middle}"
            ))?;
            end.run(&format!("ethtool -K {INTERFACE} gso off gro off tso off tx off"))?;
            ends.middle.run(&format!("ip link set dev {inside} up promisc on"))?;
            end.run(&format!("ip link set {INTERFACE} up"))?;
            end.run(&format!("ip addr add {own}/24 dev {INTERFACE}"))?;
            end.run(&format!(
                "ip neigh replace {other} lladdr {other_mac} dev {INTERFACE} nud permanent"
            ))?;
        }
        Ok(ends)
    }

    /// Forwards until the returned guard is dropped. `judge` is asked for each frame, with whether it comes from the left.
    ///
    /// # Errors
    /// When a socket cannot be opened.
    pub fn forward(
        &self,
        delays: Delays,
        judge: impl FnMut(bool, &[u8]) -> Fate + Send + 'static,
    ) -> Result<Forwarder> {
        let index = |name| self.middle.link(name).map(|link| link.index);
        let (left, right) = (index("to_left")?, index("to_right")?);
        let sockets = self
            .middle
            .enter(|| -> Result<_> { Ok([socket_receiving(left)?, socket_receiving(right)?]) })??;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || run(&sockets, delays, judge, &stopped));
        Ok(Forwarder { stop, thread: Some(thread) })
    }
}

/// Forwards while it lives.
#[derive(Debug)]
pub struct Forwarder {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Forwarder {
    /// Ends it.
    ///
    /// # Errors
    /// When forwarding failed.
    ///
    /// # Panics
    /// When the judge did.
    pub fn stop(mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map_or(Ok(()), |thread| thread.join().expect("the judge does not panic"))
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A frame that is due at a time, out of a side.
struct Due {
    at: Instant,
    to: usize,
    frame: Vec<u8>,
}

fn run(
    sockets: &[OwnedFd; 2],
    delays: Delays,
    mut judge: impl FnMut(bool, &[u8]) -> Fate,
    stop: &AtomicBool,
) -> Result<()> {
    let mut due: Vec<Due> = Vec::new();
    let mut held: [Option<Vec<u8>>; 2] = [None, None];
    let mut buffer = vec![0; 1 << 16];
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        // Each direction's delay is the same for all, so that its frames are in their order.
        for Due { to, frame, .. } in due.extract_if(.., |due| due.at <= now) {
            send(sockets[to].as_raw_fd(), &frame, MsgFlags::empty()).context("forwarding")?;
        }
        let mut idle = true;
        for (from, socket) in sockets.iter().enumerate() {
            loop {
                let length = match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                    Ok(length) => length,
                    Err(nix::Error::EAGAIN) => break,
                    Err(error) => return Err(error).context("receiving"),
                };
                idle = false;
                let (at, to) = (Instant::now() + delays[from], 1 - from);
                let frame = buffer[..length].to_vec();
                match judge(from == 0, &frame) {
                    Fate::Drop => {}
                    Fate::Hold => held[from] = Some(frame),
                    Fate::Pass => {
                        due.push(Due { at, to, frame });
                        due.extend(held[from].take().map(|frame| Due { at, to, frame }));
                    }
                }
            }
        }
        if idle {
            thread::sleep(Duration::from_micros(200));
        }
    }
    Ok(())
}
