//! Every input that once broke a property, and every seed of the fuzzer, on stable Rust.

use std::{collections::BTreeSet, fs, path::Path};

use wireledger_tests::properties::{ALL, crafted};

fn names(folder: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder).expect("part of the repository");
    let name = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().expect("an ASCII name");
        name.trim_end_matches(".rs").to_owned()
    };
    entries.map(|entry| name(entry.expect("readable"))).collect()
}

#[test]
fn what_once_broke_a_property_does_not_any_more() {
    for property in ALL {
        let folder = format!("regress/{}", property.name);
        let cases = names(&folder);
        assert!(!cases.is_empty(), "{folder} holds no case");
        for case in cases {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&folder).join(&case);
            eprintln!("{}: {case}", property.name);
            (property.check)(&fs::read(path).expect("part of the repository"));
        }
    }
}

#[test]
fn every_seed_holds() {
    let frames = crafted();
    for property in ALL {
        let seeds = (property.seeds)(&frames);
        assert!(seeds.len() > 7, "{}", property.name);
        for (n, seed) in seeds.iter().enumerate() {
            eprintln!("{}: seed {n}", property.name);
            (property.check)(seed);
        }
    }
}

#[test]
fn every_property_has_a_target_and_a_folder_of_its_name() {
    let properties: BTreeSet<_> = ALL.iter().map(|property| property.name.to_owned()).collect();
    assert_eq!(names("fuzz/targets"), properties);
    assert_eq!(names("regress"), properties);
}
