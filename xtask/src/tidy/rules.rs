//! The rules about one file: its opening, length, words, `unsafe`, versions, paths.

use super::{Problem, code};

/// Lines of a file without its tests. House style asks for 400; this is where it becomes an error.
const LONGEST: usize = 500;

/// Where `unsafe` may stand.
const UNSAFE: [&str; 8] = [
    "common/src/abi",
    "common/src/table",
    "common/src/wire/cursor.rs",
    "common/src/wire/field.rs",
    "probe-ebpf/",
    "tests/support",
    "userspace/src/filter/libpcap.rs",
    "userspace/src/kernel",
];

/// Put together here, so that this file does not hold what it looks for.
const UNWANTED: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("dbg", "!(")];

pub(super) fn opening(text: &str) -> Option<Problem> {
    let missing = !text.starts_with("//!");
    missing.then(|| Problem::new(1, "does not open with a //! line that says what it is for"))
}

pub(super) fn length(path: &str, text: &str) -> Option<Problem> {
    if path.ends_with("/tests.rs") {
        return None;
    }
    let lines = code::without_tests(text).lines().count();
    let long = lines > LONGEST;
    long.then(|| {
        Problem::new(0, format!("{lines} lines without tests, at most {LONGEST}: split it"))
    })
}

pub(super) fn words(text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let found = UNWANTED.iter().filter(|word| line.contains(**word));
        problems.extend(found.map(|word| Problem::new(number + 1, format!("{word} left behind"))));
    }
    problems
}

/// `code` is without comments and literals.
pub(super) fn unsafe_code(path: &str, code: &str) -> Vec<Problem> {
    if UNSAFE.iter().any(|allowed| path.starts_with(allowed)) {
        return Vec::new();
    }
    let lines = code.lines().enumerate();
    let found = lines.filter(|(_, line)| {
        line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe")
    });
    found.map(|(number, _)| Problem::new(number + 1, "unsafe is not allowed here")).collect()
}

/// Workspaces of their own, which the root's versions do not reach: another toolchain builds each.
const OWN_WORKSPACES: [&str; 2] = ["probe-ebpf/", "tests/fuzz/"];

/// Versions stand in the root's manifest only.
pub(super) fn manifest(path: &str, text: &str) -> Vec<Problem> {
    if path == "Cargo.toml" || OWN_WORKSPACES.iter().any(|own| path.starts_with(own)) {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let mut dependencies = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(table) = line.strip_prefix('[') {
            dependencies = table.contains("dependencies");
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        let states_version = key == "version"
            || (dependencies && (value.starts_with('"') || value.contains("version")));
        if states_version && !key.starts_with('#') {
            let what = format!("{key} has its version here: it belongs into the root's Cargo.toml");
            problems.push(Problem::new(number + 1, what));
        }
    }
    problems
}

/// Nothing depends on where this checkout is; a compiled object gives it away first.
pub(super) fn paths(bytes: &[u8], checkout: &str) -> Option<Problem> {
    // In `/src` or the like, a match would mean nothing.
    if checkout.matches('/').count() < 2 {
        return None;
    }
    let at = bytes.windows(checkout.len()).position(|window| window == checkout.as_bytes())?;
    let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    Some(Problem::new(line, "names the folder of this checkout"))
}

#[cfg(test)]
mod tests {
    use super::{length, manifest, opening, paths, unsafe_code, words};
    use crate::tidy::code;

    #[test]
    fn a_file_says_what_it_is_for() {
        assert!(opening("//! Frames.\n").is_none());
        assert!(opening("use core::mem;\n//! Frames.").is_some());
    }

    #[test]
    fn tests_do_not_make_a_file_long() {
        let long = "x\n".repeat(501);
        assert!(length("a.rs", &long).is_some());
        assert!(length("a.rs", &format!("#[cfg(test)]\nmod tests {{\n{long}}}")).is_none());
    }

    #[test]
    fn leftovers_are_found() {
        let leftover = concat!("// TO", "DO: later");
        assert_eq!(words(&format!("a\n{leftover}"))[0].line, 2);
        assert!(words("debug(x)").is_empty());
    }

    #[test]
    fn unsafe_is_for_a_few_places() {
        let source = "#![forbid(unsafe_code)]\n// unsafe\nunsafe { f() }";
        let found = unsafe_code("userspace/src/plan.rs", &code::only(source));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 3);
        assert!(unsafe_code("userspace/src/kernel/load.rs", source).is_empty());
    }

    #[test]
    fn versions_belong_to_the_root() {
        let member = "[package]\nversion.workspace = true\n[dependencies]\n\
                      log.workspace = true\nnix = { workspace = true }\n";
        assert!(manifest("common/Cargo.toml", member).is_empty());
        for line in ["log = \"0.4\"", "nix = { version = \"0.31\" }"] {
            let member = format!("[dev-dependencies]\n{line}\n");
            assert_eq!(manifest("common/Cargo.toml", &member).len(), 1, "{line}");
        }
        let version = "[package]\nversion = \"1.0.0\"";
        assert_eq!(manifest("common/Cargo.toml", version).len(), 1);
        assert_eq!(manifest("tests/Cargo.toml", version).len(), 1);
        assert!(manifest("tests/fuzz/Cargo.toml", version).is_empty());
    }

    #[test]
    fn the_checkout_is_not_named() {
        assert_eq!(paths(b"a\n/a/b/c.rs", "/a/b").map(|p| p.line), Some(2));
        assert!(paths(b"/src", "/src").is_none());
        assert!(paths(b"../common", "/a/b").is_none());
    }
}
