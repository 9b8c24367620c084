//! Room: of files, of bytes, on the disk.

use super::*;

/// One packet of a verdict that has ended, begun at this minute.
fn ended(id: u32, minute: u64) -> Case {
    Case { first_seen: minute * 60_000_000_000, last: true, ..case(id, &[SCANNER], &[]) }
}

#[test]
fn the_oldest_files_make_room_and_those_of_others_do_not() {
    let recorder = recorded(&[udp(SCANNER, HOST)]);
    let (mut evidence, folder) = evidence(3, 1 << 20);
    let inside = folder.path().join("a/b");
    let foreign =
        ["wireledger-notes.pcapng", "capture.pcapng", "wireledger-20261121T171448.pcapng"];
    for name in foreign {
        fs::write(inside.join(name), [0; 100]).expect("a file");
    }
    fs::create_dir(inside.join("wireledger-20001121T171448.000000Z-syn-x.pcapng"))
        .expect("a folder");
    let mut removed = Vec::new();
    for minute in (0..10).rev() {
        let case = ended(minute, minute.into());
        removed.extend(evidence.write(&mut &recorder, &labels(), &[case]).removed);
    }
    // The later ones were written first, and each newcomer was the oldest but for itself.
    let names = files(&folder);
    let ours: Vec<_> = names.iter().filter(|name| name.contains("Z-syn-10")).collect();
    assert_eq!(ours.len(), 3, "{names:?}");
    assert!(foreign.iter().all(|name| names.iter().any(|other| other == name)));
    assert_eq!(names.len(), 3 + foreign.len() + 1);
    assert_eq!(evidence.tally().removed, 7);
    assert_eq!((removed.len(), removed.iter().any(|path| path.exists())), (7, false));
}

#[test]
fn files_of_verdicts_under_way_stay_and_whoever_finds_no_room_is_told_and_tried_again() {
    let recorder = recorded(&[udp(SCANNER, HOST)]);
    let (mut evidence, folder) = evidence(2, 1 << 20);
    let [old, older] = [20, 10].map(|minute| Case { last: false, ..ended(minute, minute.into()) });
    for case in [&old, &older] {
        path(&mut evidence, &recorder, case);
    }
    let new = Case { last: false, ..ended(30, 30) };
    assert!(write(&mut evidence, &recorder, &new).failed);
    assert_eq!((files(&folder).len(), evidence.tally().failed), (2, 1));
    write(&mut evidence, &recorder, &Case { last: true, ..older });
    let written = evidence.write(&mut &recorder, &labels(), std::slice::from_ref(&new));
    assert_eq!(written.removed.len(), 1);
    assert_eq!(times(written.filed[0].path.as_ref().expect("a file")), [0]);
    assert_eq!(evidence.tally().packets, 3);
}

#[test]
fn a_file_has_an_eighth_of_all_bytes_at_the_most() {
    const MOST: u64 = 160_000;
    let frames: Vec<_> = (0..1000).map(|_| udp(SCANNER, HOST)).collect();
    let recorder = recorded(&frames);
    let (mut evidence, folder) = evidence(100, MOST);
    let inside = folder.path().join("a/b");
    for minute in 0..12 {
        let case = ended(minute, minute.into());
        let filed = write(&mut evidence, &recorder, &case);
        let file = filed.path.expect("a file");
        assert!(filed.incomplete);
        let size = fs::metadata(&file).expect("a file").len();
        assert!((MOST / 8 - 2048..=MOST / 8).contains(&size), "{size}");
        let read = times(&file);
        assert_eq!(read, (0..read.len() as u64).collect::<Vec<_>>());
        let sizes = files(&folder).into_iter().map(|name| fs::metadata(inside.join(name)));
        let sum: u64 = sizes.map(|file| file.expect("a file").len()).sum();
        assert!(sum <= MOST, "{sum}");
    }
    assert_eq!(files(&folder).len(), 8);
    let EvidenceTally { packets, left_out, incomplete, .. } = evidence.tally();
    assert_eq!((packets + left_out, incomplete), (12_000, 12));
}

#[test]
fn what_cannot_be_written_is_counted_takes_nothing_away_and_is_written_later() {
    let mut recorder = recorded(&[udp(SCANNER, HOST)]);
    let (mut evidence, folder) = evidence(1, 1 << 20);
    let inside = folder.path().join("a/b");
    path(&mut evidence, &recorder, &ended(1, 1));
    let before = files(&folder);
    let case = Case { last: false, ..ended(2, 2) };
    // Somebody else's file where ours would be made: the disk might as well be full.
    let in_the_way =
        inside.join("wireledger-20261121T171648.000000Z-syn-10.66.0.1.pcapng.unfinished");
    fs::write(&in_the_way, "theirs").expect("a file");
    for failed in 1..=3 {
        assert!(write(&mut evidence, &recorder, &case).failed);
        assert_eq!(evidence.tally().failed, failed);
        assert_eq!(fs::read(&in_the_way).expect("it is still there"), b"theirs");
        assert!(before.iter().all(|name| inside.join(name).exists()));
    }
    push(&mut recorder, 1, ETH0, &udp(SCANNER, HOST));
    fs::remove_file(&in_the_way).expect("a file");
    assert_eq!(times(&path(&mut evidence, &recorder, &case)), [0, 1]);
    assert_eq!(evidence.tally().removed, 1);
}

#[test]
fn neither_links_are_followed_nor_pipes_waited_for() {
    let mut recorder = recorded(&[udp(SCANNER, HOST)]);
    let (mut evidence, folder) = evidence(3, 1 << 20);
    let case = case(1, &[SCANNER], &[]);
    let file = path(&mut evidence, &recorder, &case);
    let precious = folder.path().join("precious");
    fs::write(&precious, "x").expect("a file");
    let no_file = |evidence: &mut Evidence, recorder: &mut Recorder, time| {
        push(recorder, time, ETH0, &udp(SCANNER, HOST));
        assert!(write(evidence, recorder, &case).failed);
        fs::remove_file(&file).expect("it is still there");
    };
    fs::remove_file(&file).expect("a file");
    std::os::unix::fs::symlink(&precious, &file).expect("a link");
    no_file(&mut evidence, &mut recorder, 1);
    assert_eq!(fs::read(&precious).expect("a file"), b"x");
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    no_file(&mut evidence, &mut recorder, 2);
    assert_eq!(times(&path(&mut evidence, &recorder, &case)), [1, 2]);
}

#[test]
fn what_was_not_finished_or_is_too_much_is_removed_at_the_start() {
    let (_, folder) = evidence(3, 1 << 20);
    let inside = folder.path().join("a/b");
    let ours = "wireledger-20261121T171448.000000Z-syn-10.66.0.1.pcapng";
    for name in [&format!("{ours}.unfinished"), "notes.unfinished"] {
        fs::write(inside.join(name), "half").expect("a file");
    }
    let whole = |minute| format!("wireledger-20261121T17{minute}48.000000Z-syn-10.66.0.1.pcapng");
    for minute in 10..20 {
        fs::write(inside.join(whole(minute)), [0; 100]).expect("a file");
    }
    let left = |files, bytes| {
        let evidence = Evidence::new(&inside, files, bytes).expect("a folder");
        (super::files(&folder), evidence.tally().removed)
    };
    let newest = |count| {
        let names = (20 - count..20).map(whole);
        ["notes.unfinished".to_owned()].into_iter().chain(names).collect::<Vec<_>>()
    };
    assert_eq!(left(10, 1 << 20), (newest(10), 0));
    assert_eq!(left(6, 1 << 20), (newest(6), 4));
    assert_eq!(left(6, 399), (newest(3), 3));
}

#[test]
fn a_folder_that_is_none_or_cannot_be_written_to_is_found_at_the_start() {
    let (_, folder) = evidence(3, 1 << 20);
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    let refused = Evidence::new(&file, 3, 1 << 20).expect_err("a file is no folder").to_string();
    assert_eq!(refused, format!("{} is no folder", file.display()));
    // Where not even root may make a file.
    let refused = Evidence::new(Path::new("/proc/sys"), 3, 1 << 20).expect_err("not there");
    let said = refused.to_string();
    assert!(said.starts_with("cannot make /proc/sys/wireledger-"), "{said}");
    let missing = Evidence::new(Path::new("/proc/sys/evidence"), 3, 1 << 20);
    let said = missing.expect_err("not there either").to_string();
    assert_eq!(said, "cannot make the folder /proc/sys/evidence");
}
