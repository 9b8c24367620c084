//! A fingerprint of the sources that the eBPF objects are compiled from.
//!
//! It is a hint that a committed object is stale, not a security claim: 64-bit FNV-1a. Only `std`
//! is used and nothing of this crate, so that a build script can include this very file.

use std::io;
use std::path::{Path, PathBuf};

/// What an object depends on, relative to the root of the repository: files, or folders taken
/// whole.
pub(crate) const SOURCES: [&str; 5] = [
    "common/Cargo.toml",
    "common/src",
    "probe-ebpf/Cargo.lock",
    "probe-ebpf/Cargo.toml",
    "probe-ebpf/src",
];

/// The fingerprint of [`SOURCES`] in the checkout `repo`, as 16 hexadecimal digits.
pub(crate) fn sources(repo: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    for source in SOURCES {
        collect(&repo.join(source), &mut files)?;
    }
    files.sort();
    let mut hash = Fnv::new();
    for file in files {
        // Lengths keep a name and a content from trading places unnoticed.
        let name = file.strip_prefix(repo).unwrap_or(&file).to_string_lossy();
        let content = std::fs::read(&file)?;
        hash.write(&(name.len() as u64).to_le_bytes());
        hash.write(name.as_bytes());
        hash.write(&(content.len() as u64).to_le_bytes());
        hash.write(&content);
    }
    Ok(format!("{:016x}", hash.0))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}

/// FNV-1a: <http://www.isthe.com/chongo/tech/comp/fnv/>.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Fnv;

    #[test]
    fn the_hash_is_fnv_1a() {
        let mut hash = Fnv::new();
        assert_eq!(hash.0, 0xcbf2_9ce4_8422_2325);
        hash.write(b"foobar");
        assert_eq!(hash.0, 0x8594_4171_f739_67e8);
    }
}
