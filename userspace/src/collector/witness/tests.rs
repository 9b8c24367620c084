//! Orders that wait, fail and are lost.

use std::{fs, path::Path, sync::Mutex, sync::PoisonError};

use wireledger_common::abi::sample::Sample;

use super::{board::join, *};
use crate::capture::{Recorder, Span};

const SCANNER: [u8; 4] = [10, 66, 0, 1];

/// A recorder that the thread reads and the test fills.
#[derive(Clone)]
struct Shelf(Arc<Mutex<Recorder>>);

impl Shelf {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Recorder::new(1 << 20))))
    }

    fn with<T>(&self, with: impl FnOnce(&mut Recorder) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A datagram from this source.
    fn push(&self, source: [u8; 4]) {
        let head = [0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0];
        let udp = [0x30, 0x39, 0, 53, 0, 8, 0, 0];
        let ip = [&head[..], &source, &[10, 66, 0, 2], &udp].concat();
        let frame = [&[2; 12][..], &[8, 0], &ip].concat();
        let length = frame.len() as u32;
        let sample = Sample { interface: 2, length, every: 1, ..Sample::default() };
        self.with(|recorder| recorder.push(&sample, &frame));
    }
}

impl Tape for Shelf {
    fn span(&mut self) -> Span {
        self.with(|recorder| recorder.span())
    }

    fn stretch(&mut self, position: u64, to: &mut Vec<u8>) -> u64 {
        self.with(|recorder| Tape::stretch(&mut &*recorder, position, to))
    }
}

fn witness(folder: &Path, files: usize, shelf: &Shelf) -> Witness {
    let evidence = Evidence::new(folder, files, 1 << 20).expect("a folder");
    Witness::new(evidence, shelf.clone()).expect("a thread")
}

fn incident(id: Id, last: bool) -> Incident {
    let sources = vec![SCANNER.into()];
    let targets = Vec::new();
    Case { id, kind: "syn", sources, targets, first_seen: 0, last_seen: 0, epoch: 0, last }
}

fn order(witness: &mut Witness, incidents: impl IntoIterator<Item = Incident>) {
    witness.order(incidents.into_iter().collect(), Labels::default());
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_burst_of_verdicts_is_written_in_full_at_the_end_also_those_under_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let shelf = Shelf::new();
    shelf.push(SCANNER);
    let mut witness = witness(folder.path(), 1000, &shelf);
    let at = |second: u64, id| {
        let first_seen = second * 1_000_000_000;
        Case { first_seen, ..incident(id, second.is_multiple_of(2)) }
    };
    order(&mut witness, (0..200).map(|n| at(n, Id::Scan(n))));
    order(&mut witness, (200..400).map(|n| at(n, Id::Flood(n))));
    witness.finish();
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 400);
    let expected = EvidenceTally { files: 400, packets: 400, ..EvidenceTally::default() };
    assert_eq!(witness.tally(), expected);
}

#[test]
fn what_cannot_be_written_at_the_end_is_lost_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let inside = folder.path().join("inside");
    let shelf = Shelf::new();
    shelf.push(SCANNER);
    let mut witness = witness(&inside, 10, &shelf);
    fs::remove_dir(&inside).expect("it is empty");
    order(&mut witness, (0..7).map(|n| incident(Id::Scan(n), n == 0)));
    witness.finish();
    let EvidenceTally { files, failed, lost, .. } = witness.tally();
    assert_eq!((files, lost), (0, 7));
    assert!((0..7).all(|n| witness.file(Id::Scan(n)) == File { path: None, incomplete: true }));
    assert!(failed >= 7, "{failed}");
}

#[test]
fn what_cannot_be_written_is_written_once_it_can() {
    let folder = tempfile::tempdir().expect("a folder");
    let shelf = Shelf::new();
    shelf.push(SCANNER);
    let mut witness = witness(folder.path(), 10, &shelf);
    let name = "wireledger-19700101T000000.000000Z-syn-10.66.0.1.pcapng";
    let in_the_way = folder.path().join(format!("{name}.unfinished"));
    fs::write(&in_the_way, "").expect("a file");
    let id = Id::Scan(1);
    order(&mut witness, [incident(id, false)]);
    eventually("it fails", || witness.tally().failed == 1);
    assert_eq!(witness.file(id), File::default());
    shelf.push(SCANNER);
    fs::remove_file(&in_the_way).expect("a file");
    order(&mut witness, [incident(id, true)]);
    eventually("it is written", || witness.file(id).path.is_some());
    witness.finish();
    let expected = EvidenceTally { files: 1, packets: 2, failed: 1, ..EvidenceTally::default() };
    assert_eq!(witness.tally(), expected);
    assert_eq!(witness.file(id).path, Some(folder.path().join(name)));
}

#[test]
fn files_that_made_room_are_not_named_any_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let shelf = Shelf::new();
    shelf.push(SCANNER);
    let mut witness = witness(folder.path(), 1, &shelf);
    let ids = [Id::Flood(1), Id::Scan(1), Id::Scan(2)];
    for (second, id) in (1..).zip(ids) {
        order(&mut witness, [Case { first_seen: second * 1_000_000_000, ..incident(id, true) }]);
        eventually("it is written", || witness.file(id).path.is_some());
    }
    let named = ids.map(|id| witness.file(id).path.is_some_and(|path| path.exists()));
    assert_eq!(named, [false, false, true]);
    assert_eq!(ids.map(|id| witness.file(id).path.is_some()), named);
    witness.forget(ids[2]);
    assert_eq!(witness.file(ids[2]), File::default());
}

#[test]
fn orders_beyond_what_may_wait_are_lost_and_counted_and_their_ends_are_known() {
    let board = Board::new(EvidenceTally::default());
    let orders = |from: u64, to: u64, last| {
        (from..to).map(|n| incident(Id::Scan(n), last)).collect::<Vec<_>>()
    };
    board.order(orders(0, 1, false), Labels::default());
    assert_eq!(board.take(false).incidents.len(), 1);
    board.order(orders(1, 5000, false), Labels::default());
    assert_eq!(board.tally().lost, 4999 - 4096);
    // Those that wait join; the first one, which was written, ends; the others beyond were never heard of.
    board.order(orders(0, 5000, true), Labels::default());
    assert_eq!(board.tally().lost, 2 * (4999 - 4096) + 1);
    let Ordered { incidents, gone, .. } = board.take(false);
    assert_eq!((incidents.len(), gone), (4096, vec![Id::Scan(0)]));
    assert!(incidents.values().all(|incident| incident.last));
    assert!(board.file(Id::Scan(0)).incomplete && !board.file(Id::Scan(1)).incomplete);
}

#[test]
fn orders_that_wait_together_are_about_everybody_that_either_was_about() {
    let with = |sources: &[u8], targets: &[u8], last| {
        let all = |last: &[u8]| last.iter().map(|&last| [10, 0, 0, last].into()).collect();
        Case { sources: all(sources), targets: all(targets), ..incident(Id::Flood(1), last) }
    };
    let joined = |earlier: Incident, later: Incident| {
        let Case { sources, targets, last, .. } = join(earlier, later);
        (sources, targets, last)
    };
    let expected = |case: Incident| (case.sources, case.targets, case.last);
    let both = joined(with(&[1, 2], &[8], false), with(&[3, 1], &[9], true));
    assert_eq!(both, expected(with(&[1, 2, 3], &[8, 9], true)));
    let anybody = joined(with(&[1], &[8], true), with(&[], &[9], false));
    assert_eq!(anybody, expected(with(&[], &[8, 9], true)));
    let never_everybody = joined(with(&[1], &[], false), with(&[], &[9], false));
    assert_eq!(never_everybody, expected(with(&[], &[9], false)));
}
