//! Flags of evidence: what they want of each other, and what a reload may change of them.

use clap::{Parser as _, error::ErrorKind};

use super::*;

#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn line(words: &[&str]) -> Result<Args, clap::Error> {
    let run = ["run", "-i", "lo"];
    Line::try_parse_from(run.iter().chain(words)).map(|line| line.args)
}

fn plan(words: &[&str]) -> Plan {
    line(words).expect("a command line").intent().expect("a plan").plan
}

const KEPT: [&str; 4] = ["--sample-every", "1", "--evidence-dir", "/tmp/evidence"];

#[test]
fn flags_of_evidence_want_a_folder_and_the_folder_a_recorder() {
    let missing = |words: &[&str]| line(words).map(drop).map_err(|error| error.kind());
    for words in [&["--evidence-files", "3"][..], &["--evidence-size", "1MiB"], &KEPT[2..]] {
        assert_eq!(missing(words), Err(ErrorKind::MissingRequiredArgument), "{words:?}");
    }
    let small = [&KEPT[..], &["--evidence-size", "63KiB"]].concat();
    assert_eq!(missing(&small), Err(ErrorKind::ValueValidation));
    assert_eq!(missing(&KEPT), Ok(()));
}

#[test]
fn evidence_of_nothing_is_a_usage_error() {
    let words = [&KEPT[..], &["--scan.sensitivity", "off"]].concat();
    let refused =
        line(&words).expect("each flag is right").intent().map(|intent| intent.plan.scans);
    let why = "with --scan.sensitivity off there is nothing to write to --evidence-dir";
    assert_eq!(refused.map_err(|error| error.to_string()), Err(why.to_owned()));
}

#[test]
fn a_reload_names_the_key_of_evidence_that_changes() {
    let before = plan(&KEPT);
    let key = |words: &[&str]| before.change(&plan(words)).map(drop).map_err(|fixed| fixed.key);
    assert_eq!(key(&KEPT), Ok(()));
    let changed = |flag, value| [&KEPT[..], &[flag, value]].concat();
    assert_eq!(key(&changed("--evidence-size", "1MiB")), Err("evidence-size"));
    assert_eq!(key(&changed("--evidence-files", "3")), Err("evidence-files"));
    let elsewhere = [&KEPT[..3], &["/tmp/elsewhere"]].concat();
    assert_eq!(key(&elsewhere), Err("evidence-dir"));
    assert_eq!(key(&KEPT[..2]), Err("evidence-dir"));
}
