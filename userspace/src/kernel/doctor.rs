//! What this kernel, this user and this interface allow, looked up without attaching anything.

use std::{fs, io, os::fd::AsRawFd, path::Path};

use aya::programs::{SchedClassifier, TcAttachType};

use super::{
    Probe, Sizes,
    error::{CAPABILITIES, chain, missing_capabilities, os_error},
    links::Interface,
    namespace::Namespace,
};

/// How a check came out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// As it should be.
    Fine,
    /// Works, with something to know.
    Note,
    /// Attaching would fail.
    Fails,
}

/// One check.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found, and what to do.
    pub detail: String,
}

impl Finding {
    fn new(what: &str, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { what: what.to_owned(), verdict, detail: detail.into() }
    }
}

/// The kernel and this process.
#[must_use]
pub fn host(sizes: Sizes) -> Vec<Finding> {
    let mut findings = vec![kernel(), capabilities(), jit(), btf(), statistics()];
    findings.push(match Probe::load(sizes) {
        Ok(probe) => {
            let verified = probe.verified();
            let most = verified.iter().filter_map(|program| program.verified).max();
            let detail = format!(
                "{} programs verified, the longest walk {} instructions of 1000000",
                verified.len(),
                most.map_or_else(|| "of an unknown number of".to_owned(), |most| most.to_string())
            );
            Finding::new("load", Verdict::Fine, detail)
        }
        Err(refused) => Finding::new("load", Verdict::Fails, chain(&refused)),
    });
    findings.push(tcx());
    findings
}

/// One interface: what is on it, what it does to frames, and what attaching would do.
#[must_use]
pub fn interface(namespace: &Namespace, interface: &Interface) -> Vec<Finding> {
    let name = &interface.name;
    let mut findings = Vec::new();
    let mut find = |what: &str, verdict, detail: String| {
        findings.push(Finding::new(&format!("{name} {what}"), verdict, detail));
    };
    let driver = driver(name).unwrap_or_else(|| {
        if interface.kind.is_empty() { "unknown".to_owned() } else { interface.kind.clone() }
    });
    let state = if interface.up { "up" } else { "down" };
    find("device", Verdict::Fine, format!("driver {driver}, MTU {}, {state}", interface.mtu));
    if interface.link.is_none() {
        let detail =
            "its frames begin with a header that is not read here: their packets will be unread";
        find("link type", Verdict::Note, detail.to_owned());
    }
    if driver == "veth" {
        let detail = "a sender with TSO hands over frames of up to 64 KiB that XDP sees, and the interface counts, as one \
                      packet each; `ethtool -K SENDER tso off gso off` makes them wire packets";
        find("segmentation", Verdict::Note, detail.to_owned());
    }
    match namespace.run(|| flags(name)) {
        Ok(Ok(flags)) => {
            if flags & RXVLAN != 0 && driver != "veth" {
                let detail = format!(
                    "the card takes the outer VLAN tag off before XDP sees it: flows lack it; `ethtool -K {name} rxvlan \
                     off` keeps it"
                );
                find("VLAN offload", Verdict::Note, detail);
            }
            if flags & LRO != 0 {
                let detail = format!(
                    "on: most drivers refuse native XDP with it; `ethtool -K {name} lro off`"
                );
                find("LRO", Verdict::Note, detail);
            }
        }
        Ok(Err(error)) => find("offloads", Verdict::Note, format!("unknown: {error}")),
        Err(error) => find("offloads", Verdict::Note, format!("unknown: {error}")),
    }
    for (direction, attach) in
        [("ingress", TcAttachType::Ingress), ("egress", TcAttachType::Egress)]
    {
        let Ok(Ok((_, programs))) = namespace.run(|| SchedClassifier::query_tcx(name, attach))
        else {
            continue;
        };
        if !programs.is_empty() {
            let ids: Vec<_> = programs.iter().map(|program| program.id().to_string()).collect();
            let detail = format!("program id {}: they stay, ours runs before them", ids.join(", "));
            find(&format!("TCX {direction}"), Verdict::Note, detail);
        }
    }
    if interface.xdp == 0 {
        let detail = "nothing is there: native XDP if the driver has it, else TC; TC for egress";
        find("attach", Verdict::Fine, detail.to_owned());
    } else {
        let detail = format!(
            "XDP program id {} is there and stays: `--mode auto` will take TC, `--mode native` will fail",
            interface.xdp
        );
        find("attach", Verdict::Note, detail);
    }
    findings
}

fn kernel() -> Finding {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Finding::new("kernel", Verdict::Fine, format!("Linux {}", release.trim()))
}

fn capabilities() -> Finding {
    let missing = missing_capabilities();
    if missing.is_empty() {
        let all = CAPABILITIES.map(|one| one.to_string()).join(", ");
        return Finding::new("capabilities", Verdict::Fine, all);
    }
    Finding::new("capabilities", Verdict::Fails, missing.trim_start_matches("; "))
}

fn jit() -> Finding {
    match fs::read_to_string("/proc/sys/net/core/bpf_jit_enable").as_deref().map(str::trim) {
        Ok("0") => Finding::new(
            "JIT",
            Verdict::Note,
            "off: every packet costs many times more; `sysctl net.core.bpf_jit_enable=1`",
        ),
        Ok(_) => Finding::new("JIT", Verdict::Fine, "on"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Finding::new("JIT", Verdict::Fine, "told in the first network namespace only")
        }
        Err(error) => Finding::new("JIT", Verdict::Note, format!("unknown: {error}")),
    }
}

fn btf() -> Finding {
    if Path::new("/sys/kernel/btf/vmlinux").exists() {
        Finding::new("BTF", Verdict::Fine, "present")
    } else {
        Finding::new("BTF", Verdict::Note, "absent: not needed by these programs")
    }
}

fn statistics() -> Finding {
    let on = fs::read_to_string("/proc/sys/kernel/bpf_stats_enabled")
        .is_ok_and(|switch| switch.trim() == "1");
    let detail = if on {
        "on: wireledger_program_seconds_total tells the programs' cost (and itself costs some 20 ns a packet)"
    } else {
        "off: `sysctl kernel.bpf_stats_enabled=1` shows the programs' cost in the metrics"
    };
    Finding::new("BPF statistics", Verdict::Fine, detail)
}

fn tcx() -> Finding {
    match SchedClassifier::query_tcx("lo", TcAttachType::Egress) {
        Ok(_) => Finding::new("TCX", Verdict::Fine, "present (Linux 6.6)"),
        Err(refused) if os_error(&refused) == Some(libc::EINVAL) => Finding::new(
            "TCX",
            Verdict::Note,
            "absent: clsact filters will be used, which stay behind when the process is killed",
        ),
        Err(refused) => Finding::new("TCX", Verdict::Note, format!("unknown: {}", chain(&refused))),
    }
}

fn driver(name: &str) -> Option<String> {
    let link = fs::read_link(format!("/sys/class/net/{name}/device/driver")).ok()?;
    Some(link.file_name()?.to_string_lossy().into_owned())
}

/// Bits of ETHTOOL_GFLAGS (linux/ethtool.h).
const RXVLAN: u32 = 1 << 8;
/// See [`RXVLAN`].
const LRO: u32 = 1 << 15;

/// The interface's offload flags (ethtool's ioctl; needs no capability).
fn flags(name: &str) -> io::Result<u32> {
    const ETHTOOL_GFLAGS: u32 = 0x25;
    /// `struct ethtool_value`.
    #[repr(C)]
    struct Value {
        command: u32,
        data: u32,
    }
    let socket = std::net::UdpSocket::bind("127.0.0.1:0")
        .or_else(|_| std::net::UdpSocket::bind("[::]:0"))?;
    let mut value = Value { command: ETHTOOL_GFLAGS, data: 0 };
    // SAFETY: all zeros are an `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays zero.
    for (to, from) in request.ifr_name.iter_mut().take(libc::IFNAMSIZ - 1).zip(name.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: the request names a zero-terminated interface and a value that lives through the call.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(value.data) }
}
