//! libpcap's compiler of filter expressions, opened at run time: the only foreign code of the filters.
//!
//! It is not linked, so that the binary starts and everything but expressions works where libpcap is not installed. The
//! functions and structures are those of pcap(3PCAP), unchanged since libpcap 0.8.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_uint},
    ptr::{self, NonNull},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use libloading::Library;

use super::{Error, Instruction};

/// Debian's soname, upstream's, and what development packages bring.
const NAMES: [&str; 3] = ["libpcap.so.0.8", "libpcap.so.1", "libpcap.so"];
/// Longest packet that libpcap knows (MAXIMUM_SNAPLEN): what its programs return for "accept".
const SNAPSHOT_LENGTH: c_int = 262_144;
/// PCAP_NETMASK_UNKNOWN: frames come from many networks.
const NETMASK_UNKNOWN: c_uint = u32::MAX;
const OPTIMIZE: c_int = 1;

/// `struct bpf_insn`.
#[repr(C)]
struct RawInstruction {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

/// `struct bpf_program`.
#[repr(C)]
struct RawProgram {
    length: c_uint,
    instructions: *mut RawInstruction,
}

/// `pcap_t`, which only libpcap looks into.
#[repr(C)]
struct RawHandle {
    _opaque: [u8; 0],
}

/// The functions of one opened library, which is never closed.
struct Libpcap {
    open_dead: unsafe extern "C" fn(c_int, c_int) -> *mut RawHandle,
    compile: unsafe extern "C" fn(
        *mut RawHandle,
        *mut RawProgram,
        *const c_char,
        c_int,
        c_uint,
    ) -> c_int,
    geterr: unsafe extern "C" fn(*mut RawHandle) -> *const c_char,
    freecode: unsafe extern "C" fn(*mut RawProgram),
    close: unsafe extern "C" fn(*mut RawHandle),
    lib_version: unsafe extern "C" fn() -> *const c_char,
}

/// Compiles an expression.
pub(super) fn compile(expression: &str, link_type: u16) -> Result<Vec<Instruction>, Error> {
    let text = CString::new(expression).map_err(|nul| Error::Nul { at: nul.nul_position() })?;
    let library = libpcap()?;
    let handle = Handle::open(&library, link_type)?;
    handle.compile(&text).map_err(|message| Error::Syntax {
        expression: expression.trim().into(),
        message: message.into(),
    })
}

/// What libpcap calls itself: name and version.
///
/// # Errors
/// When it is not there.
pub fn version() -> Result<String, Error> {
    let library = libpcap()?;
    // SAFETY: the function takes nothing; what it returns is a string of the library's that stays as it is.
    let version = unsafe { CStr::from_ptr((library.lib_version)()) };
    Ok(version.to_string_lossy().into_owned())
}

/// The library, for one caller at a time: before libpcap 1.8 the parser keeps its state in globals.
fn libpcap() -> Result<MutexGuard<'static, Libpcap>, Error> {
    static OPENED: OnceLock<Result<Mutex<Libpcap>, Box<str>>> = OnceLock::new();
    match OPENED.get_or_init(|| Libpcap::open().map(Mutex::new)) {
        // A panic in between leaves the library as it was: handles are closed as it unwinds.
        Ok(library) => Ok(library.lock().unwrap_or_else(PoisonError::into_inner)),
        Err(why) => Err(Error::NoLibpcap { why: why.clone() }),
    }
}

impl Libpcap {
    fn open() -> Result<Self, Box<str>> {
        let mut failures = Vec::new();
        for name in NAMES {
            // SAFETY: libpcap's initialisers do nothing but what a program that links it would run, too.
            match unsafe { Library::new(name) } {
                Ok(library) => return Self::of(library).map_err(|error| reason(&error).into()),
                Err(error) => failures.push(reason(&error)),
            }
        }
        Err(failures.join("; ").into())
    }

    fn of(library: Library) -> Result<Self, libloading::Error> {
        // SAFETY: the types are those that pcap/pcap.h declares for these names.
        let functions = unsafe {
            Self {
                open_dead: *library.get(b"pcap_open_dead\0")?,
                compile: *library.get(b"pcap_compile\0")?,
                geterr: *library.get(b"pcap_geterr\0")?,
                freecode: *library.get(b"pcap_freecode\0")?,
                close: *library.get(b"pcap_close\0")?,
                lib_version: *library.get(b"pcap_lib_version\0")?,
            }
        };
        // The functions are called as long as the process lives.
        std::mem::forget(library);
        Ok(functions)
    }
}

/// What the dynamic linker said, which the error itself leaves to its source.
fn reason(error: &libloading::Error) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), ToString::to_string)
}

/// A handle that captures nothing, for a link type.
struct Handle<'a> {
    library: &'a Libpcap,
    raw: NonNull<RawHandle>,
}

impl<'a> Handle<'a> {
    fn open(library: &'a Libpcap, link_type: u16) -> Result<Self, Error> {
        // SAFETY: two numbers; null is checked.
        let raw = unsafe { (library.open_dead)(data_link_type(link_type), SNAPSHOT_LENGTH) };
        let raw = NonNull::new(raw).ok_or(Error::LinkType { link_type })?;
        Ok(Self { library, raw })
    }

    fn compile(&self, text: &CStr) -> Result<Vec<Instruction>, String> {
        let mut program = RawProgram { length: 0, instructions: ptr::null_mut() };
        let raw = self.raw.as_ptr();
        // SAFETY: the handle is open, the text ends with NUL, and the program is written to before this returns.
        let result = unsafe {
            (self.library.compile)(raw, &mut program, text.as_ptr(), OPTIMIZE, NETMASK_UNKNOWN)
        };
        if result != 0 {
            // SAFETY: the handle is open; the message in it stays until the next call, and is copied before.
            let message = unsafe { CStr::from_ptr((self.library.geterr)(raw)) };
            return Err(message.to_string_lossy().into_owned());
        }
        let instructions = if program.instructions.is_null() {
            Vec::new()
        } else {
            // SAFETY: on success `instructions` points to `length` of them, until they are freed below.
            let raw = unsafe {
                std::slice::from_raw_parts(program.instructions, program.length as usize)
            };
            raw.iter().map(Instruction::from).collect()
        };
        // SAFETY: `pcap_compile` filled the program in, and nothing borrows from it any more.
        unsafe { (self.library.freecode)(&mut program) };
        Ok(instructions)
    }
}

impl Drop for Handle<'_> {
    fn drop(&mut self) {
        // SAFETY: opened by this library, closed once, not used after.
        unsafe { (self.library.close)(self.raw.as_ptr()) };
    }
}

impl From<&RawInstruction> for Instruction {
    fn from(raw: &RawInstruction) -> Self {
        Self { code: raw.code, jt: raw.jt, jf: raw.jf, k: raw.k }
    }
}

/// The DLT_ number that Linux's libpcap has for a LINKTYPE_ number: the same but for a few old ones.
fn data_link_type(link_type: u16) -> c_int {
    match link_type {
        // ATM_RFC1483, RAW, SLIP_BSDOS, PPP_BSDOS, ATM_CLIP.
        100 => 11,
        101 => 12,
        102 => 15,
        103 => 16,
        106 => 19,
        same => same.into(),
    }
}
