//! Who may import whom: the one direction of ARCHITECTURE.md as a table.

use super::Problem;

/// A top module of the product's crate and what it may name: other modules, `common`, `aya`.
struct Rule {
    module: &'static str,
    may: &'static [&'static str],
}

const fn rule(module: &'static str, may: &'static [&'static str]) -> Rule {
    Rule { module, may }
}

/// Allowed imports in `userspace/src`. A module that is not in the table is a problem until it is.
const RULES: &[Rule] = &[
    rule("kernel", &["common", "aya"]),
    rule("naming", &["common"]),
    rule("flows", &["naming", "common"]),
    rule("scan", &["flows", "common"]),
    rule("report", &["capture", "flows", "scan", "common"]),
    rule("capfile", &["common"]),
    rule("dissect", &["common"]),
    rule("replay", &["kernel", "flows", "scan", "common"]),
    rule("feed", &["report"]),
    rule("filter", &[]),
    rule("capture", &["capfile", "filter", "common"]),
    rule("metrics", &["report", "scan", "common"]),
    rule("web", &["capture", "filter", "report", "feed", "metrics", "common"]),
    rule("plan", &["metrics", "naming", "scan", "common"]),
    rule("config", &[]),
    rule(
        "collector",
        &[
            "capfile", "capture", "common", "feed", "filter", "flows", "kernel", "metrics",
            "naming", "plan", "report", "scan", "web",
        ],
    ),
    rule("demo", &["kernel", "common"]),
    rule(
        "cli",
        &[
            "plan",
            "collector",
            "config",
            "capfile",
            "capture",
            "common",
            "demo",
            "dissect",
            "feed",
            "filter",
            "flows",
            "kernel",
            "logging",
            "metrics",
            "naming",
            "replay",
            "report",
            "scan",
            "web",
        ],
    ),
    rule("logging", &[]),
    rule("main", &["cli"]),
];

/// The parts of `common` that run in the kernel, and the crates that they may use.
const COMMON: [&str; 5] = ["abi", "names", "observe", "table", "wire"];
const COMMON_CRATES: [&str; 5] = ["core", "zerocopy", "crate", "self", "super"];

/// `code` is without comments, literals and tests.
pub(super) fn check(path: &str, code: &str) -> Vec<Problem> {
    if let Some(inside) = path.strip_prefix("userspace/src/") {
        return userspace(top(inside), code);
    }
    if let Some(inside) = path.strip_prefix("common/src/") {
        return common(top(inside), code);
    }
    Vec::new()
}

fn userspace(module: &str, code: &str) -> Vec<Problem> {
    // The crate's root declares the modules.
    if module == "lib" {
        return Vec::new();
    }
    let Some(rule) = RULES.iter().find(|rule| rule.module == module) else {
        return vec![Problem::new(
            0,
            format!("module {module} is not in the table of allowed imports"),
        )];
    };
    let named = mentions(code).into_iter();
    let wrong = named.filter(|(_, name)| name != module && !rule.may.contains(&name.as_str()));
    wrong.map(|(line, name)| Problem::new(line, format!("{module} must not name {name}"))).collect()
}

fn common(module: &str, code: &str) -> Vec<Problem> {
    if !COMMON.contains(&module) {
        return Vec::new();
    }
    let imports = code.lines().enumerate().filter_map(|(number, line)| {
        let import = line.trim_start().trim_start_matches("pub ").strip_prefix("use ")?;
        Some((number + 1, word(import.trim_start_matches("::"))))
    });
    let paths = ["std", "alloc"].into_iter().flat_map(|name| {
        let uses = occurrences(code, name).filter(|(_, after)| after.starts_with("::"));
        uses.map(move |(line, _)| (line, name))
    });
    let wrong = imports.chain(paths).filter(|(_, name)| {
        // A variant, a type or a module of this file, or what feature `user` adds to the boundary's
        // types.
        let module_here =
            occurrences(code, "mod").any(|(_, after)| word(after.trim_start()) == *name);
        let local = name.starts_with(char::is_uppercase) || module_here;
        let user = *name == "aya" && module == "abi";
        !local && !user && !COMMON_CRATES.contains(name)
    });
    let mut wrong: Vec<_> = wrong.collect();
    wrong.sort_unstable();
    wrong.dedup();
    wrong
        .into_iter()
        .map(|(line, name)| Problem::new(line, format!("common::{module} must not use {name}")))
        .collect()
}

/// The top module that a file belongs to: `kernel/load.rs` and `kernel.rs` → `kernel`.
fn top(inside: &str) -> &str {
    let first = inside.split('/').next().unwrap_or_default();
    first.trim_end_matches(".rs")
}

/// Our modules that `code` names, `common` for the shared crate and `aya` for all of aya's, by
/// line.
fn mentions(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for root in ["crate", "wireledger"] {
        for (line, after) in occurrences(code, root) {
            if let Some(path) = after.trim_start().strip_prefix("::") {
                found.extend(first_segments(path).map(|name| (line, name.to_owned())));
            }
        }
    }
    found.extend(occurrences(code, "wireledger_common").map(|(line, _)| (line, "common".into())));
    for aya in ["aya", "aya_log", "aya_obj"] {
        found.extend(occurrences(code, aya).map(|(line, _)| (line, "aya".into())));
    }
    // `crate::Error` is an item of the crate's root, and the root has its own rules.
    found.retain(|(_, name)| name.starts_with(|c: char| c.is_ascii_lowercase()));
    found.sort();
    found.dedup();
    found
}

/// First segments after `crate::`: one, or those of a group `{a, b::{c, d}}`.
fn first_segments(path: &str) -> impl Iterator<Item = &str> {
    let path = path.trim_start();
    let group = path.strip_prefix('{');
    let (mut depth, mut end) = (0_usize, path.len());
    let body = group.unwrap_or(path);
    let mut starts = vec![0];
    for (at, c) in body.char_indices() {
        match c {
            '{' => depth += 1,
            '}' | ';' if depth == 0 => {
                end = at;
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 && group.is_some() => starts.push(at + 1),
            _ => {}
        }
    }
    let body = &body[..end.min(body.len())];
    starts
        .into_iter()
        .map(move |start| word(body[start..].trim_start()))
        .filter(|name| !name.is_empty())
}

/// Where `name` stands as a whole word: the line, and what follows it.
fn occurrences<'c>(code: &'c str, name: &str) -> impl Iterator<Item = (usize, &'c str)> {
    let found: Vec<_> = code.match_indices(name).map(|(at, _)| at).collect();
    let length = name.len();
    found.into_iter().filter_map(move |at| {
        let (before, after) = (&code[..at], &code[at + length..]);
        // A field or a method of that name is not the module.
        let whole =
            !before.ends_with(is_word) && !before.ends_with('.') && !after.starts_with(is_word);
        whole.then(|| (before.matches('\n').count() + 1, after))
    })
}

fn word(text: &str) -> &str {
    text.split(|c| !is_word(c)).next().unwrap_or_default()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::{check, mentions};

    fn problems(path: &str, code: &str) -> Vec<String> {
        check(path, code).into_iter().map(|problem| problem.what).collect()
    }

    #[test]
    fn modules_are_found_in_paths_and_in_groups() {
        let code = "use crate::{flows::{Ledger, Rate}, report};\nfn f() { crate::plan::g() }";
        let found = mentions(code);
        let names: Vec<_> = found.iter().map(|(line, name)| (*line, name.as_str())).collect();
        assert_eq!(names, [(1, "flows"), (1, "report"), (2, "plan")]);
    }

    #[test]
    fn a_face_must_not_name_the_kernel() {
        let code = "use crate::report::Snapshot;\nuse crate::kernel::Maps;";
        assert_eq!(problems("userspace/src/web/mod.rs", code), ["web must not name kernel"]);
        assert!(problems("userspace/src/collector/mod.rs", code).is_empty());
    }

    #[test]
    fn only_kernel_names_aya() {
        for code in
            ["use aya::Ebpf;", "aya_log::EbpfLogger::init()", "fn f(x: &aya::maps::MapData) {}"]
        {
            assert_eq!(
                problems("userspace/src/collector.rs", code),
                ["collector must not name aya"]
            );
            assert!(problems("userspace/src/kernel/load.rs", code).is_empty());
        }
        assert!(problems("userspace/src/plan.rs", "let playa = self.aya;").is_empty());
    }

    #[test]
    fn a_module_may_name_itself_and_a_new_one_needs_a_rule() {
        assert!(problems("userspace/src/flows/rate.rs", "use crate::flows::Ledger;").is_empty());
        let unknown = problems("userspace/src/export/mod.rs", "");
        assert_eq!(unknown, ["module export is not in the table of allowed imports"]);
    }

    #[test]
    fn the_shared_parser_uses_core_only() {
        let path = "common/src/wire/ip.rs";
        assert!(
            problems(path, "use core::mem;\nuse crate::abi::FlowKey;\nuse Reason::*;").is_empty()
        );
        assert_eq!(problems(path, "use std::mem;"), ["common::wire must not use std"]);
        assert_eq!(
            problems(path, "let v: alloc::vec::Vec<u8>;"),
            ["common::wire must not use alloc"]
        );
        assert_eq!(problems(path, "use aya::Pod;"), ["common::wire must not use aya"]);
        assert!(problems("common/src/abi/flow.rs", "use aya::Pod;").is_empty());
    }
}
