//! This program as cargo's `RUSTC_WRAPPER`: the same symbol names in every checkout.
//!
//! Cargo hashes the absolute path of a path dependency outside its workspace into `-C metadata`,
//! from where it gets into the mangled names and the order of functions. `--remap-path-prefix` does
//! not reach it.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

/// In the environment of a cargo that starts this program in rustc's stead.
pub(crate) const ROLE: &str = "WIRELEDGER_XTASK_IS_RUSTC";

/// Becomes rustc if that is what cargo started us for; returns only if not, or if rustc does not
/// start.
pub(crate) fn take_over() -> Option<ExitCode> {
    env::var_os(ROLE)?;
    let ours = env::var("CARGO_PKG_NAME").is_ok_and(|name| name.starts_with("wireledger-"));
    let mut words = env::args_os().skip(1);
    let rustc = words.next()?;
    let error = Command::new(&rustc)
        .args(words.map(|word| if ours { placeless(word) } else { word }))
        .exec();
    eprintln!("error: starting {}: {error}", rustc.display());
    Some(ExitCode::FAILURE)
}

/// The crate's name goes into its hash besides the metadata, so that one value does for all of
/// ours.
fn placeless(word: OsString) -> OsString {
    if word.to_string_lossy().starts_with("metadata=") {
        "metadata=wireledger".into()
    } else {
        word
    }
}

#[cfg(test)]
mod tests {
    use super::placeless;

    #[test]
    fn only_the_metadata_is_replaced() {
        assert_eq!(placeless("metadata=0123abcd".into()), "metadata=wireledger");
        assert_eq!(placeless("extra-filename=-0123".into()), "extra-filename=-0123");
    }
}
