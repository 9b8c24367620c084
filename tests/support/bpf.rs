//! What the kernel itself says about attached programs, and somebody else's program, without any of Wireledger's code.
//!
//! bpf(2) directly: bpftool knows TCX only from 6.7 on, and iproute2 loads programs only from files.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::netns::{NetNs, output};

/// An XDP program of two instructions that passes every frame, and the link that holds it; dropping it detaches.
///
/// It makes veth run native XDP where a test has no daemon, and it stands in a daemon's way where that is the test.
#[derive(Debug)]
pub struct Foreign {
    program: OwnedFd,
    _link: OwnedFd,
}

/// Ids of the programs attached to an interface.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Attached {
    /// XDP.
    pub xdp: Vec<u32>,
    /// TCX ingress, in order.
    pub ingress: Vec<u32>,
    /// TCX egress, in order.
    pub egress: Vec<u32>,
    /// What `tc` shows of classic filters; empty when there is none.
    pub filters: String,
}

/// The kernel counts runs of programs as long as this lives.
#[derive(Debug)]
pub struct Statistics {
    _enabled: OwnedFd,
}

/// Commands and constants of bpf(2), from linux/bpf.h and linux/if_link.h.
mod uapi {
    pub(super) const PROG_LOAD: libc::c_long = 5;
    pub(super) const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
    pub(super) const PROG_QUERY: libc::c_long = 16;
    pub(super) const LINK_CREATE: libc::c_long = 28;
    pub(super) const ENABLE_STATS: libc::c_long = 32;
    pub(super) const PROG_TYPE_XDP: u32 = 6;
    pub(super) const ATTACH_XDP: u32 = 37;
    pub(super) const ATTACH_TCX_INGRESS: u32 = 46;
    pub(super) const ATTACH_TCX_EGRESS: u32 = 47;
    pub(super) const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;
    pub(super) const STATS_RUN_TIME: u32 = 0;
    /// `r0 = XDP_PASS`, `exit`.
    pub(super) static PASS: [u64; 2] = [0x0000_0002_0000_00b7, 0x95];
}

/// The beginning of `union bpf_attr` for `BPF_PROG_LOAD`; what follows is zero to the kernel.
#[repr(C)]
struct ProgLoad {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
}

/// `union bpf_attr` for `BPF_LINK_CREATE`.
#[repr(C)]
struct LinkCreate {
    prog_fd: u32,
    target_ifindex: u32,
    attach_type: u32,
    flags: u32,
}

/// `union bpf_attr` for `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct InfoByFd {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

/// `union bpf_attr` for `BPF_PROG_QUERY`, which the kernel also writes to.
#[repr(C)]
struct ProgQuery {
    target_ifindex: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    count: u32,
    reserved: u32,
    prog_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

/// The beginning of `struct bpf_prog_info`.
#[repr(C)]
#[derive(Default)]
struct ProgInfo {
    kind: u32,
    id: u32,
}

impl Foreign {
    /// Loads the program and attaches it to `interface` in the driver.
    ///
    /// # Errors
    /// Without root, or when the interface has a program already.
    pub fn attach(namespace: &NetNs, interface: &str) -> Result<Self> {
        let index = namespace.link(interface)?.index;
        namespace.enter(|| {
            let program = load().context("loading an XDP program")?;
            let mut attr = LinkCreate {
                prog_fd: descriptor(&program),
                target_ifindex: index,
                attach_type: uapi::ATTACH_XDP,
                flags: uapi::XDP_FLAGS_DRV_MODE,
            };
            // SAFETY: `BPF_LINK_CREATE` reads these four fields and keeps no pointer.
            let link = unsafe { new_descriptor(uapi::LINK_CREATE, &mut attr) };
            Ok(Self { program, _link: link.context("attaching an XDP program")? })
        })?
    }

    /// The program's id, as bpftool prints it.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn id(&self) -> Result<u32> {
        let mut info = ProgInfo::default();
        let mut attr = InfoByFd {
            bpf_fd: descriptor(&self.program),
            info_len: size_of::<ProgInfo>() as u32,
            info: (&raw mut info) as u64,
        };
        // SAFETY: the kernel writes at most `info_len` bytes to `info`, which outlives the call.
        unsafe { bpf(uapi::OBJ_GET_INFO_BY_FD, &mut attr) }.context("asking for a program's id")?;
        Ok(info.id)
    }
}

impl Attached {
    /// What is attached to `interface`.
    ///
    /// # Errors
    /// When the interface is gone or the kernel refuses to tell.
    pub fn to(namespace: &NetNs, interface: &str) -> Result<Self> {
        let link = namespace.link(interface)?;
        let (ingress, egress) = namespace.enter(|| -> Result<_> {
            let ingress = query(link.index, uapi::ATTACH_TCX_INGRESS)?;
            Ok((ingress, query(link.index, uapi::ATTACH_TCX_EGRESS)?))
        })??;
        let mut filters = String::new();
        for side in ["ingress", "egress"] {
            let show = format!("tc filter show dev {interface} {side}");
            // Without a clsact qdisc `tc` has nothing to show and may say so by an error.
            filters.push_str(namespace.run(&show).unwrap_or_default().trim());
        }
        Ok(Self { xdp: link.xdp.into_iter().collect(), ingress, egress, filters })
    }
}

impl Statistics {
    /// Switches them on.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN.
    pub fn enable() -> Result<Self> {
        let mut kind = uapi::STATS_RUN_TIME;
        // SAFETY: `BPF_ENABLE_STATS` reads this one number.
        let enabled = unsafe { new_descriptor(uapi::ENABLE_STATS, &mut kind) };
        Ok(Self { _enabled: enabled.context("enabling BPF statistics")? })
    }

    /// How often a program has run since.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn runs(&self, program: u32) -> Result<u64> {
        let id = program.to_string();
        let mut bpftool = std::process::Command::new("bpftool");
        let text = output(bpftool.args(["-j", "prog", "show", "id", &id]))?;
        let shown: Value = serde_json::from_str(&text).context("reading bpftool's JSON")?;
        // Left out while it is 0.
        Ok(shown["run_cnt"].as_u64().unwrap_or(0))
    }
}

/// Ids of the TCX programs of an interface; none where the kernel has no TCX (before 6.6).
fn query(interface: u32, attach_type: u32) -> Result<Vec<u32>> {
    let mut ids = [0_u32; 64];
    let mut attr = ProgQuery {
        target_ifindex: interface,
        attach_type,
        query_flags: 0,
        attach_flags: 0,
        prog_ids: ids.as_mut_ptr() as u64,
        count: ids.len() as u32,
        reserved: 0,
        prog_attach_flags: 0,
        link_ids: 0,
        link_attach_flags: 0,
        revision: 0,
    };
    // SAFETY: the kernel writes at most `count` ids, and then how many.
    match unsafe { bpf(uapi::PROG_QUERY, &mut attr) } {
        Ok(_) => Ok(ids[..attr.count as usize].to_vec()),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINVAL)) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error).context("asking for TCX programs"),
    }
}

fn load() -> io::Result<OwnedFd> {
    static LICENSE: &[u8] = b"GPL\0";
    let mut attr = ProgLoad {
        prog_type: uapi::PROG_TYPE_XDP,
        insn_cnt: uapi::PASS.len() as u32,
        insns: uapi::PASS.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kern_version: 0,
        prog_flags: 0,
        prog_name: *b"foreign\0\0\0\0\0\0\0\0\0",
    };
    // SAFETY: both pointers are to statics of the lengths given.
    unsafe { new_descriptor(uapi::PROG_LOAD, &mut attr) }
}

fn descriptor(of: &OwnedFd) -> u32 {
    of.as_raw_fd() as u32
}

/// # Safety
/// As [`bpf`]; the command returns a descriptor that is the caller's.
pub(crate) unsafe fn new_descriptor<T>(command: libc::c_long, attr: &mut T) -> io::Result<OwnedFd> {
    // SAFETY: passed on to the caller.
    let fd = unsafe { bpf(command, attr)? };
    // SAFETY: fresh, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// # Safety
/// `attr` is what the command reads and may write, and pointers in it are valid for the command.
pub(crate) unsafe fn bpf<T>(command: libc::c_long, attr: &mut T) -> io::Result<i32> {
    // SAFETY: passed on to the caller.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}
