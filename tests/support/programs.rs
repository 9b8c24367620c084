//! Translated filters in the kernel: loaded by bpf(2) as they are, run on bytes, and attached at TCX ingress.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use anyhow::{Context as _, Result, ensure};
use wireledger::filter::{Hook, ebpf};

use crate::bpf::{bpf, new_descriptor};

/// Commands and constants of bpf(2), from linux/bpf.h.
mod uapi {
    pub(super) const MAP_CREATE: libc::c_long = 0;
    pub(super) const MAP_LOOKUP_ELEM: libc::c_long = 1;
    pub(super) const MAP_UPDATE_ELEM: libc::c_long = 2;
    pub(super) const PROG_LOAD: libc::c_long = 5;
    pub(super) const PROG_TEST_RUN: libc::c_long = 10;
    pub(super) const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
    pub(super) const LINK_CREATE: libc::c_long = 28;
    pub(super) const PROG_TYPE_SCHED_CLS: u32 = 3;
    pub(super) const PROG_TYPE_XDP: u32 = 6;
    pub(super) const XDP_HAS_FRAGS: u32 = 1 << 5;
    pub(super) const MAP_TYPE_PROG_ARRAY: u32 = 3;
    pub(super) const MAP_TYPE_PERCPU_ARRAY: u32 = 6;
    pub(super) const ATTACH_TCX_INGRESS: u32 = 46;
}

/// The beginning of `union bpf_attr` for `BPF_PROG_LOAD`.
#[repr(C)]
#[derive(Default)]
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

/// `union bpf_attr` for `BPF_PROG_TEST_RUN`.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    reserved: u32,
}

/// The beginning of `union bpf_attr` for `BPF_MAP_CREATE`.
#[repr(C)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    reserved: u32,
}

/// `union bpf_attr` for `BPF_MAP_LOOKUP_ELEM` and `BPF_MAP_UPDATE_ELEM`.
#[repr(C)]
struct MapElement {
    map_fd: u32,
    reserved: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// The beginning of `union bpf_attr` for `BPF_LINK_CREATE`.
#[repr(C)]
struct LinkCreate {
    prog_fd: u32,
    target_ifindex: u32,
    attach_type: u32,
    flags: u32,
    rest: [u32; 8],
}

/// `union bpf_attr` for `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct InfoByFd {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

/// `struct bpf_prog_info` as 32-bit words, up to and with `verified_insns`.
type ProgInfo = [u32; 55];
const XLATED_LENGTH: usize = 5;
const JITED_LENGTH: usize = 4;
const VERIFIED: usize = 54;

/// A loaded program.
#[derive(Debug)]
pub struct Loaded {
    program: OwnedFd,
}

/// What the kernel made of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Made {
    /// Instructions that the verifier walked through.
    pub verified: u32,
    /// Instructions after its rewriting.
    pub translated: u32,
    /// Bytes of machine code.
    pub jited: u32,
}

/// The result of a test run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ran {
    /// What the program returned.
    pub returned: u32,
    /// Nanoseconds, the mean of all repetitions.
    pub nanoseconds: u32,
}

/// Where a program with `Ending::Deliver` leaves its answer: a per-CPU array of one 64-bit entry, and an empty program
/// array, so that the tail call fails.
#[derive(Debug)]
pub struct Mailbox {
    answers: OwnedFd,
    programs: OwnedFd,
    cpus: usize,
}

impl Loaded {
    /// Loads a program.
    ///
    /// # Errors
    /// What the kernel says, with the end of the verifier's log.
    pub fn new(hook: Hook, program: &[ebpf::Instruction]) -> Result<Self> {
        let bytes: Vec<_> = program.iter().flat_map(|one| one.to_bytes()).collect();
        let load = |log: &mut [u8]| {
            let mut attr = ProgLoad {
                insn_cnt: program.len() as u32,
                insns: bytes.as_ptr() as u64,
                license: c"Dual MIT/GPL".as_ptr() as u64,
                log_level: u32::from(!log.is_empty()),
                log_size: log.len() as u32,
                log_buf: if log.is_empty() { 0 } else { log.as_mut_ptr() as u64 },
                ..ProgLoad::default()
            };
            (attr.prog_type, attr.prog_flags) = match hook {
                Hook::Xdp => (uapi::PROG_TYPE_XDP, uapi::XDP_HAS_FRAGS),
                Hook::Tc => (uapi::PROG_TYPE_SCHED_CLS, 0),
            };
            // SAFETY: the pointers are to memory of the lengths given, and a string; all outlive the call.
            unsafe { new_descriptor(uapi::PROG_LOAD, &mut attr) }
        };
        let refused = match load(&mut []) {
            Ok(program) => return Ok(Self { program }),
            Err(refused) => refused,
        };
        let mut log = vec![0; 64 << 20];
        _ = load(&mut log);
        let written = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
        let log = String::from_utf8_lossy(&log[..written]);
        let log: Vec<_> = log.lines().collect();
        let end = log[log.len().saturating_sub(40)..].join("\n");
        Err(refused).with_context(|| format!("loading a program; the verifier says …\n{end}"))
    }

    /// Runs it once on a frame of at least 14 bytes.
    ///
    /// # Errors
    /// When the kernel refuses the run.
    pub fn run(&self, frame: &[u8]) -> Result<u32> {
        Ok(self.test(frame, None, 1)?.returned)
    }

    /// At XDP, with only the first `linear` bytes of the frame in its linear part.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_in_buffers(&self, frame: &[u8], linear: u32) -> Result<u32> {
        Ok(self.test(frame, Some(linear), 1)?.returned)
    }

    /// Runs it so many times.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn repeat(&self, frame: &[u8], times: u32) -> Result<Ran> {
        self.test(frame, None, times)
    }

    fn test(&self, frame: &[u8], linear: Option<u32>, repeat: u32) -> Result<Ran> {
        // `struct xdp_md`: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
        let context = [0, linear.unwrap_or(0), 0, 0, 0, 0];
        let mut attr = TestRun {
            prog_fd: self.program.as_raw_fd() as u32,
            data_size_in: frame.len() as u32,
            data_in: frame.as_ptr() as u64,
            repeat,
            ..TestRun::default()
        };
        if linear.is_some() {
            attr.ctx_size_in = size_of_val(&context) as u32;
            attr.ctx_in = context.as_ptr() as u64;
        }
        // SAFETY: the kernel reads the frame and the context, of the lengths given, and writes numbers to `attr`.
        unsafe { bpf(uapi::PROG_TEST_RUN, &mut attr) }
            .with_context(|| format!("running a program on {} bytes", frame.len()))?;
        Ok(Ran { returned: attr.retval, nanoseconds: attr.duration })
    }

    /// What the kernel made of it.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn made(&self) -> Result<Made> {
        let mut info: ProgInfo = [0; 55];
        let mut attr = InfoByFd {
            bpf_fd: self.program.as_raw_fd() as u32,
            info_len: size_of::<ProgInfo>() as u32,
            info: info.as_mut_ptr() as u64,
        };
        // SAFETY: the kernel writes at most `info_len` bytes to `info`; it asks for no array in it, since all are 0.
        unsafe { bpf(uapi::OBJ_GET_INFO_BY_FD, &mut attr) }.context("asking about a program")?;
        let (translated, jited) = (info[XLATED_LENGTH] / 8, info[JITED_LENGTH]);
        Ok(Made { verified: info[VERIFIED], translated, jited })
    }

    /// Attaches it at TCX ingress of an interface of this thread's namespace, as long as the result lives.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn attach(&self, interface: u32) -> Result<OwnedFd> {
        let mut attr = LinkCreate {
            prog_fd: self.program.as_raw_fd() as u32,
            target_ifindex: interface,
            attach_type: uapi::ATTACH_TCX_INGRESS,
            flags: 0,
            rest: [0; 8],
        };
        // SAFETY: no pointers.
        unsafe { new_descriptor(uapi::LINK_CREATE, &mut attr) }.context("attaching at TCX")
    }
}

impl Mailbox {
    /// Makes the maps.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new() -> Result<Self> {
        let possible = std::fs::read_to_string("/sys/devices/system/cpu/possible")?;
        let last = possible.trim().rsplit(['-', ',']).next().unwrap_or_default();
        let cpus = last.parse::<usize>().context("reading the possible CPUs")? + 1;
        let make = |map_type, value_size| {
            let (key_size, max_entries) = (4, 1);
            let mut attr = MapCreate {
                map_type,
                key_size,
                value_size,
                max_entries,
                map_flags: 0,
                reserved: 0,
            };
            // SAFETY: no pointers.
            unsafe { new_descriptor(uapi::MAP_CREATE, &mut attr) }
        };
        let answers = make(uapi::MAP_TYPE_PERCPU_ARRAY, 8).context("making a per-CPU array")?;
        let programs = make(uapi::MAP_TYPE_PROG_ARRAY, 4).context("making a program array")?;
        Ok(Self { answers, programs, cpus })
    }

    /// Descriptors of the per-CPU array and of the program array.
    #[must_use]
    pub fn descriptors(&self) -> (i32, i32) {
        (self.answers.as_raw_fd(), self.programs.as_raw_fd())
    }

    /// Empties it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn clear(&self) -> Result<()> {
        self.access(uapi::MAP_UPDATE_ELEM, &mut vec![0; self.cpus])
    }

    /// The answer, when there is one. At most one CPU has got one since [`Self::clear`].
    ///
    /// # Errors
    /// When two have.
    pub fn answer(&self) -> Result<Option<u64>> {
        let mut values = vec![0; self.cpus];
        self.access(uapi::MAP_LOOKUP_ELEM, &mut values)?;
        let mut answers = values.into_iter().filter(|value| *value != 0);
        let answer = answers.next();
        ensure!(answers.next().is_none(), "two CPUs have an answer");
        Ok(answer)
    }

    /// Puts a program into the program array, for the tail call.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set(&self, program: &Loaded) -> Result<()> {
        let mut descriptor = program.program.as_raw_fd();
        let value = (&raw mut descriptor) as u64;
        // SAFETY: a program array has values of 4 bytes, descriptors.
        unsafe { entry(uapi::MAP_UPDATE_ELEM, &self.programs, value) }
            .context("setting an entry of a program array")
    }

    fn access(&self, command: libc::c_long, values: &mut Vec<u64>) -> Result<()> {
        // SAFETY: a per-CPU array has a value of 8 bytes for each possible CPU, and `values` is as long.
        unsafe { entry(command, &self.answers, values.as_mut_ptr() as u64) }
            .context("accessing a per-CPU array")
    }
}

/// Reads or writes entry 0 of an array.
///
/// # Safety
/// `value` points to as many bytes as the map's entry has, readable and writable.
unsafe fn entry(command: libc::c_long, map: &OwnedFd, value: u64) -> io::Result<()> {
    let key = 0_u32;
    let map_fd = map.as_raw_fd() as u32;
    let mut attr =
        MapElement { map_fd, reserved: 0, key: (&raw const key) as u64, value, flags: 0 };
    // SAFETY: the key lives; the value is passed on to the caller.
    unsafe { bpf(command, &mut attr) }?;
    Ok(())
}
