//! Network namespaces that end with the test, and two of them joined by a veth pair.

use std::{
    fs::{self, File},
    path::Path,
    process::{self, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use anyhow::{Context as _, Result, bail};
use nix::sched::{CloneFlags, setns};
use serde_json::Value;

/// The interface at both ends of a [`Pair`].
pub const INTERFACE: &str = "wl0";
/// IPv4 address of [`Pair::left`].
pub const LEFT_V4: &str = "10.9.0.1";
/// IPv4 address of [`Pair::right`].
pub const RIGHT_V4: &str = "10.9.0.2";
/// IPv6 address of [`Pair::left`], where the pair has IPv6.
pub const LEFT_V6: &str = "fd09::1";
/// IPv6 address of [`Pair::right`], where the pair has IPv6.
pub const RIGHT_V6: &str = "fd09::2";
/// MAC address of [`Pair::left`].
pub const LEFT_MAC: &str = "02:00:00:00:09:01";
/// MAC address of [`Pair::right`].
pub const RIGHT_MAC: &str = "02:00:00:00:09:02";

/// A network namespace; deleted when dropped, with every interface in it.
#[derive(Debug)]
pub struct NetNs {
    name: String,
}

impl NetNs {
    /// Makes a namespace with its loopback up. `tag` ends its name, for whoever looks at `ip netns`.
    ///
    /// # Errors
    /// Without root, or without iproute2.
    pub fn new(tag: &str) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("wl-{}-{number}-{tag}", process::id());
        output(Command::new("ip").args(["netns", "add", &name]))?;
        let made = Self { name };
        made.run("ip link set lo up")?;
        Ok(made)
    }

    /// Its name, as `ip netns` prints it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `program`, to be started inside. By `nsenter`, which leaves /sys and the process id alone.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path())).arg("--").arg(program);
        command
    }

    /// Runs a command line of plain words inside and returns what it prints.
    ///
    /// # Errors
    /// When it does not exit with 0; the error has what it said.
    pub fn run(&self, line: &str) -> Result<String> {
        let mut words = line.split_whitespace();
        let program = words.next().context("an empty command line")?;
        output(self.command(program).args(words))
    }

    /// Does `work` inside, on a thread of its own: sockets it makes stay in the namespace.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let namespace =
            File::open(self.path()).with_context(|| format!("opening {}", self.name))?;
        thread::scope(|scope| {
            let inside =
                scope.spawn(|| setns(&namespace, CloneFlags::CLONE_NEWNET).map(|()| work()));
            match inside.join() {
                Ok(done) => done.with_context(|| format!("entering {}", self.name)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Its interfaces, as `ip link` sees them.
    ///
    /// # Errors
    /// When `ip` fails or prints something else.
    pub fn links(&self) -> Result<Vec<Link>> {
        let text = self.run("ip -j -d -s link show")?;
        let links: Vec<Value> = serde_json::from_str(&text).context("reading ip's JSON")?;
        links.iter().map(Link::read).collect()
    }

    /// One of its interfaces.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn link(&self, name: &str) -> Result<Link> {
        let found = self.links()?.into_iter().find(|link| link.name == name);
        found.with_context(|| format!("{} has no interface {name}", self.name))
    }

    fn path(&self) -> String {
        format!("/run/netns/{}", self.name)
    }
}

impl Drop for NetNs {
    fn drop(&mut self) {
        // Processes that are still inside keep the namespace, not its name; their guards come first.
        if let Err(error) = output(Command::new("ip").args(["netns", "del", &self.name])) {
            eprintln!("deleting {}: {error:#}", self.name);
        }
    }
}

/// What the kernel says of an interface.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// Id of the XDP program attached to it.
    pub xdp: Option<u32>,
    /// Received.
    pub rx: Counters,
    /// Sent.
    pub tx: Counters,
}

/// One direction of an interface's counters.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes, link-layer header included.
    pub bytes: u64,
    /// Packets dropped: by the driver, or (received) because nobody knows their EtherType.
    pub dropped: u64,
}

impl Counters {
    /// What was counted since `before`.
    #[must_use]
    pub const fn since(&self, before: &Self) -> Self {
        Self {
            packets: self.packets - before.packets,
            bytes: self.bytes - before.bytes,
            dropped: self.dropped - before.dropped,
        }
    }

    /// The same with the Ethernet header counted in: veth leaves it out of the bytes, at both ends, while the receiving
    /// end runs native XDP (`veth_xdp_rcv` counts behind `eth_type_trans`).
    #[must_use]
    pub const fn with_ethernet(&self) -> Self {
        const HEADER: u64 = 14;
        Self { bytes: self.bytes + HEADER * self.packets, ..*self }
    }
}

impl Link {
    fn read(link: &Value) -> Result<Self> {
        let index = number(&link["ifindex"])?;
        Ok(Self {
            name: link["ifname"].as_str().context("an interface without a name")?.to_owned(),
            index: u32::try_from(index).context("reading an interface index")?,
            xdp: link["xdp"]["prog"]["id"].as_u64().map(|id| id as u32),
            rx: counters(&link["stats64"]["rx"])?,
            tx: counters(&link["stats64"]["tx"])?,
        })
    }
}

fn counters(of: &Value) -> Result<Counters> {
    Ok(Counters {
        packets: number(&of["packets"])?,
        bytes: number(&of["bytes"])?,
        dropped: number(&of["dropped"])?,
    })
}

fn number(value: &Value) -> Result<u64> {
    value.as_u64().with_context(|| format!("ip's JSON has {value} where a number belongs"))
}

/// How a [`Pair`] is to be.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Largest network packet at both ends, bytes.
    pub mtu: u32,
    /// IPv4 addresses and static neighbours.
    pub ipv4: bool,
    /// IPv6 addresses and static neighbours; else IPv6 is off. Either way the ends say nothing by themselves.
    pub ipv6: bool,
    /// Segmentation and receive offloads stay as the kernel sets them.
    pub offloads: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { mtu: 1500, ipv4: true, ipv6: false, offloads: false }
    }
}

/// Two namespaces joined by a veth pair whose ends are both called [`INTERFACE`].
#[derive(Debug)]
pub struct Pair {
    /// One end.
    pub left: NetNs,
    /// The other.
    pub right: NetNs,
}

impl Pair {
    /// Makes the namespaces and the pair, both ends up.
    ///
    /// # Errors
    /// When a command fails.
    pub fn new(setup: Setup) -> Result<Self> {
        let pair = Self { left: NetNs::new("left")?, right: NetNs::new("right")? };
        pair.join(setup)?;
        Ok(pair)
    }

    /// Joins the namespaces, also again after the interfaces were deleted.
    ///
    /// # Errors
    /// When a command fails.
    pub fn join(&self, setup: Setup) -> Result<()> {
        let Setup { mtu, .. } = setup;
        // Two queues each way, so that both CPUs can be at work at either end.
        let end = format!("mtu {mtu} numtxqueues 2 numrxqueues 2");
        let right = self.right.name();
        self.left.run(&format!(
            "ip link add {INTERFACE} address {LEFT_MAC} {end} type veth \
             peer name {INTERFACE} address {RIGHT_MAC} {end} netns {right}"
        ))?;
        prepare(&self.left, setup)?;
        prepare(&self.right, setup)?;
        if setup.ipv4 {
            let near = "ip addr add";
            self.left.run(&format!("{near} {LEFT_V4}/24 dev {INTERFACE}"))?;
            self.right.run(&format!("{near} {RIGHT_V4}/24 dev {INTERFACE}"))?;
            neighbour(&self.left, RIGHT_V4, RIGHT_MAC)?;
            neighbour(&self.right, LEFT_V4, LEFT_MAC)?;
        }
        if setup.ipv6 {
            reach_v6(&self.left, LEFT_V6, RIGHT_V6)?;
            reach_v6(&self.right, RIGHT_V6, LEFT_V6)?;
            neighbour(&self.left, RIGHT_V6, RIGHT_MAC)?;
            neighbour(&self.right, LEFT_V6, LEFT_MAC)?;
        }
        Ok(())
    }

    /// The left end's interface.
    ///
    /// # Errors
    /// When it is gone.
    pub fn left_link(&self) -> Result<Link> {
        self.left.link(INTERFACE)
    }

    /// The right end's interface.
    ///
    /// # Errors
    /// When it is gone.
    pub fn right_link(&self) -> Result<Link> {
        self.right.link(INTERFACE)
    }
}

fn prepare(end: &NetNs, setup: Setup) -> Result<()> {
    let settings = [
        ("disable_ipv6", !setup.ipv6),
        ("accept_ra", false),
        ("router_solicitations", false),
        ("accept_dad", false),
        // No link-local address: IN6_ADDR_GEN_MODE_NONE.
        ("addr_gen_mode", true),
    ];
    end.enter(|| {
        let folder = Path::new("/proc/sys/net/ipv6/conf").join(INTERFACE);
        // A kernel without IPv6 has nothing to quieten.
        let mut settings = settings.iter().filter(|_| folder.exists());
        settings.try_for_each(|(name, on)| fs::write(folder.join(name), u8::from(*on).to_string()))
    })?
    .context("quietening IPv6")?;
    if !setup.offloads {
        end.run(&format!("ethtool -K {INTERFACE} gso off gro off tso off"))?;
    }
    end.run(&format!("ip link set {INTERFACE} up"))?;
    Ok(())
}

/// The address is the loopback's: on [`INTERFACE`] it would join a multicast group, and say so to everybody.
fn reach_v6(end: &NetNs, own: &str, other: &str) -> Result<()> {
    end.run(&format!("ip -6 addr replace {own}/128 dev lo nodad"))?;
    end.run(&format!("ip -6 route add {other}/128 dev {INTERFACE} src {own}"))?;
    Ok(())
}

fn neighbour(end: &NetNs, address: &str, mac: &str) -> Result<()> {
    end.run(&format!("ip neigh replace {address} lladdr {mac} dev {INTERFACE} nud permanent"))?;
    Ok(())
}

/// Runs `command` to its end and returns what it prints.
///
/// # Errors
/// When it does not exit with 0; the error has its stderr.
pub fn output(command: &mut Command) -> Result<String> {
    let ran = command.stdin(Stdio::null()).output();
    let ran = ran.with_context(|| format!("starting {command:?}"))?;
    if !ran.status.success() {
        bail!("{command:?}: {}: {}", ran.status, String::from_utf8_lossy(&ran.stderr).trim());
    }
    String::from_utf8(ran.stdout).with_context(|| format!("reading the output of {command:?}"))
}
