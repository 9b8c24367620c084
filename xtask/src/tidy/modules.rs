//! Every source file is part of something: one that no `mod` declares and no manifest names is never compiled, and its tests never run.

use std::path::Path;

use super::{File, Problem};

/// Files that Cargo finds by their names.
const ROOTS: [&str; 3] = ["main", "lib", "build"];

pub(super) fn undeclared(file: &File, all: &[File]) -> Option<Problem> {
    let path = Path::new(&file.path);
    let stem = path.file_stem()?.to_str()?;
    if ROOTS.contains(&stem) {
        return None;
    }
    let (name, folder) = match stem {
        "mod" => (path.parent()?.file_name()?.to_str()?, path.parent()?.parent()?),
        _ => (stem, path.parent()?),
    };
    let parents = ["main.rs", "lib.rs", "mod.rs"].map(|root| folder.join(root));
    let beside = folder.with_extension("rs");
    let declares = |other: &File| {
        let other_path = Path::new(&other.path);
        (other_path == beside || parents.iter().any(|parent| parent == other_path))
            && other.text().is_some_and(|text| text.lines().any(|line| is_module(line, name)))
    };
    let named = |other: &File| {
        let below = Path::new(&other.path).parent().and_then(|base| path.strip_prefix(base).ok());
        let quoted = below.map(|below| format!("\"{}\"", below.display()));
        other.is_manifest()
            && quoted.is_some_and(|quoted| other.text().is_some_and(|text| text.contains(&quoted)))
    };
    let known = all.iter().any(|other| declares(other) || named(other));
    (!known).then(|| Problem::new(0, "no file declares it as a module, and no manifest names it"))
}

/// Whether a line declares a module in a file of its own.
fn is_module(line: &str, name: &str) -> bool {
    let declared = line.trim().strip_suffix(';').and_then(|line| line.strip_suffix(name));
    let before = declared.map(|before| before.strip_suffix("r#").unwrap_or(before));
    before.is_some_and(|before| before == "mod " || before.ends_with(" mod "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> Vec<File> {
        let file = |(path, text): &(&str, &str)| File {
            path: (*path).to_owned(),
            bytes: text.as_bytes().to_vec(),
        };
        list.iter().map(file).collect()
    }

    #[test]
    fn what_nobody_declares_is_found() {
        let all = files(&[
            ("a/Cargo.toml", "[[test]]\npath = \"tests/named.rs\"\n"),
            ("a/src/lib.rs", "mod r#one;\n    pub(crate) mod two;\nmod three {}\n"),
            ("a/src/one.rs", "mod inner;"),
            ("a/src/one/inner.rs", ""),
            ("a/src/two/mod.rs", ""),
            ("a/src/three.rs", ""),
            ("a/tests/named.rs", ""),
            ("a/tests/lost.rs", ""),
        ]);
        let lost: Vec<_> = all
            .iter()
            .filter(|file| file.is_rust() && undeclared(file, &all).is_some())
            .map(|file| file.path.as_str())
            .collect();
        assert_eq!(lost, ["a/src/three.rs", "a/tests/lost.rs"]);
    }
}
