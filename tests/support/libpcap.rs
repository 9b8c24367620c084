//! libpcap as the judge of filters: compiles and runs them, and shows and checks classic programs, without our code.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};

use anyhow::{Context as _, Result, bail};
use libloading::{Library, Symbol};
use wireledger::filter::Instruction;

/// DLT_EN10MB.
const ETHERNET: c_int = 1;
const SNAPSHOT_LENGTH: c_int = 262_144;
const NETMASK_UNKNOWN: c_uint = u32::MAX;

/// BPF_ST; A is 0 at the start.
const STORE: u16 = 0x02;

/// `struct bpf_insn`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Raw {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

/// `struct bpf_program`.
#[repr(C)]
struct RawProgram {
    length: c_uint,
    instructions: *mut Raw,
}

/// The opened library.
#[derive(Debug)]
pub struct Libpcap {
    library: Library,
}

/// A program that libpcap runs.
#[derive(Debug)]
pub struct Judge<'a> {
    filter: Symbol<'a, unsafe extern "C" fn(*const Raw, *const u8, c_uint, c_uint) -> c_uint>,
    program: Vec<Raw>,
}

impl Libpcap {
    /// Opens it.
    ///
    /// # Errors
    /// When it is not installed: `cargo xtask setup` does.
    pub fn open() -> Result<Self> {
        // SAFETY: libpcap's initialisers do nothing but what a program that links it would run, too.
        let library = unsafe { Library::new("libpcap.so.0.8") };
        let library = library.context("opening libpcap: cargo xtask setup installs it")?;
        Ok(Self { library })
    }

    /// Compiles an expression for Ethernet.
    ///
    /// # Errors
    /// libpcap's message.
    pub fn compile(&self, expression: &str) -> Result<Judge<'_>> {
        type Compile = unsafe extern "C" fn(
            *mut c_void,
            *mut RawProgram,
            *const c_char,
            c_int,
            c_uint,
        ) -> c_int;
        let text = CString::new(expression)?;
        // SAFETY: the types are those that pcap/pcap.h declares for these names; the handle and the program are used only
        // between their making and their end, and what is kept is a copy.
        unsafe {
            let open: Symbol<'_, unsafe extern "C" fn(c_int, c_int) -> *mut c_void> =
                self.library.get(b"pcap_open_dead\0")?;
            let compile: Symbol<'_, Compile> = self.library.get(b"pcap_compile\0")?;
            let message: Symbol<'_, unsafe extern "C" fn(*mut c_void) -> *const c_char> =
                self.library.get(b"pcap_geterr\0")?;
            let free: Symbol<'_, unsafe extern "C" fn(*mut RawProgram)> =
                self.library.get(b"pcap_freecode\0")?;
            let close: Symbol<'_, unsafe extern "C" fn(*mut c_void)> =
                self.library.get(b"pcap_close\0")?;
            let handle = open(ETHERNET, SNAPSHOT_LENGTH);
            let mut program = RawProgram { length: 0, instructions: std::ptr::null_mut() };
            if compile(handle, &mut program, text.as_ptr(), 1, NETMASK_UNKNOWN) != 0 {
                let message = CStr::from_ptr(message(handle)).to_string_lossy().into_owned();
                close(handle);
                bail!("{message}");
            }
            let copy = std::slice::from_raw_parts(program.instructions, program.length as usize);
            let copy = copy.to_vec();
            free(&mut program);
            close(handle);
            self.judge(copy)
        }
    }

    /// Takes a program as it is.
    ///
    /// # Errors
    /// When libpcap has no `bpf_filter`.
    pub fn program(&self, instructions: &[Instruction]) -> Result<Judge<'_>> {
        self.judge(raw(instructions))
    }

    /// Whether libpcap finds a program right.
    ///
    /// # Errors
    /// When libpcap has no `bpf_validate`.
    pub fn validates(&self, instructions: &[Instruction]) -> Result<bool> {
        let program = raw(instructions);
        // SAFETY: as pcap/bpf.h declares it.
        let validate: Symbol<'_, unsafe extern "C" fn(*const Raw, c_int) -> c_int> =
            unsafe { self.library.get(b"bpf_validate\0")? };
        // SAFETY: the pointer is to as many instructions.
        Ok(unsafe { validate(program.as_ptr(), program.len() as c_int) } != 0)
    }

    /// A program as `tcpdump -d` prints it, without blanks at the ends of lines.
    ///
    /// # Errors
    /// When libpcap has no `bpf_image`.
    pub fn show(&self, instructions: &[Instruction]) -> Result<String> {
        // SAFETY: as pcap/bpf.h declares it.
        let image: Symbol<'_, unsafe extern "C" fn(*const Raw, c_int) -> *const c_char> =
            unsafe { self.library.get(b"bpf_image\0")? };
        let line = |(at, one): (usize, &Raw)| {
            // SAFETY: the instruction lives; the text stays until the next call, and is copied before.
            let text = unsafe { CStr::from_ptr(image(one, at as c_int)) };
            text.to_string_lossy().trim_end().to_owned()
        };
        let lines: Vec<_> = raw(instructions).iter().enumerate().map(line).collect();
        Ok(lines.join("\n"))
    }

    /// Begins with zeroes in M[0] to M[15], as libpcap itself does only since it was found to read what the stack held:
    /// 1.10.3 does for `geneve or ip6 port 53`.
    fn judge(&self, program: Vec<Raw>) -> Result<Judge<'_>> {
        let zeroes = (0..16).map(|k| Raw { code: STORE, jt: 0, jf: 0, k });
        let program = zeroes.chain(program).collect();
        // SAFETY: as pcap/bpf.h declares it.
        let filter = unsafe { self.library.get(b"bpf_filter\0") };
        Ok(Judge { filter: filter.context("libpcap has no bpf_filter")?, program })
    }
}

impl Judge<'_> {
    /// Whether it accepts a packet of which `bytes` were captured of `length`.
    #[must_use]
    pub fn matches(&self, bytes: &[u8], length: u32) -> bool {
        // SAFETY: the program ends with a return on every path (`pcap_compile` makes it so; for others `validates` or
        // `Classic::new` said so), and libpcap reads at most as many bytes.
        let accepted = unsafe {
            (self.filter)(self.program.as_ptr(), bytes.as_ptr(), length, bytes.len() as c_uint)
        };
        accepted != 0
    }
}

fn raw(instructions: &[Instruction]) -> Vec<Raw> {
    let raw = |one: &Instruction| Raw { code: one.code, jt: one.jt, jf: one.jf, k: one.k };
    instructions.iter().map(raw).collect()
}
