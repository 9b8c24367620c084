//! Verdicts that go on: one file, every packet once.

use super::*;

#[test]
fn a_verdict_that_grows_has_one_file_with_every_packet_once() {
    let mut recorder = recorded(&[]);
    let (mut evidence, folder) = evidence(10, 1 << 20);
    for (from, to) in [(0, 3), (4, 4), (5, 9), (10, 9)] {
        for time in from..=to {
            push(&mut recorder, time, ETH0, &udp(SCANNER, HOST));
        }
        path(&mut evidence, &recorder, &case(1, &[SCANNER], &[]));
    }
    let [file] = &files(&folder)[..] else { panic!("one file") };
    assert_eq!(times(&folder.path().join("a/b").join(file)), (0..10).collect::<Vec<_>>());
    let tally = EvidenceTally { files: 3, packets: 10, ..EvidenceTally::default() };
    assert_eq!(evidence.tally(), tally);
}

#[test]
fn a_verdict_has_one_file_also_when_its_kind_its_sources_and_the_clock_change() {
    let mut recorder = recorded(&[]);
    let (mut evidence, folder) = evidence(10, 1 << 20);
    let before = case(1, &[SCANNER], &[]);
    let renamed = Case { kind: "connect", ..before.clone() };
    let joined = case(1, &[SCANNER, OTHER], &[]);
    let earlier = Case { first_seen: 2, ..before.clone() };
    let stepped = Case { epoch: EPOCH + 1_000_000, ..before.clone() };
    for (time, case) in (0..).zip([before, renamed, joined, earlier, stepped]) {
        push(&mut recorder, time, ETH0, &udp(SCANNER, HOST));
        path(&mut evidence, &recorder, &case);
    }
    let name = "wireledger-20261121T171448.000000Z-syn-10.66.0.1.pcapng";
    assert_eq!(files(&folder), [name]);
    assert_eq!(evidence.tally().packets, 5);
}

#[test]
fn verdicts_of_the_same_name_have_a_file_each() {
    let recorder = recorded(&[udp(SCANNER, HOST)]);
    let (mut evidence, folder) = evidence(10, 1 << 20);
    for id in 1..=3 {
        path(&mut evidence, &recorder, &Case { last: true, ..case(id, &[SCANNER], &[]) });
    }
    let name = |end: &str| format!("wireledger-20261121T171448.000000Z-syn-10.66.0.1{end}.pcapng");
    assert_eq!(files(&folder), [name("-2"), name("-3"), name("")]);
}

#[test]
fn a_source_that_joins_brings_its_packets_from_before() {
    let frames: Vec<_> = (0..6).map(|n| udp([SCANNER, OTHER][n % 2], HOST)).collect();
    let mut recorder = recorded(&frames);
    // Between both: the scanner's part has it already when the other joins.
    push(&mut recorder, 6, ETH0, &udp(SCANNER, OTHER));
    let (mut evidence, folder) = evidence(10, 1 << 20);
    let alone = path(&mut evidence, &recorder, &case(1, &[SCANNER], &[]));
    assert_eq!(times(&alone), [0, 2, 4, 6]);
    push(&mut recorder, 7, ETH0, &udp(OTHER, HOST));
    let both = path(&mut evidence, &recorder, &case(1, &[SCANNER, OTHER], &[]));
    assert_eq!((&both, files(&folder).len()), (&alone, 1));
    assert_eq!(times(&both), [0, 2, 4, 6, 1, 3, 5, 7]);
    path(&mut evidence, &recorder, &case(1, &[SCANNER, OTHER], &[]));
    assert_eq!(times(&both).len(), 8);
}

#[test]
fn what_the_recorder_has_forgotten_is_told() {
    let mut recorder = Recorder::new(1000);
    let mut at = 0;
    let mut record = |recorder: &mut Recorder, count: u64| {
        for _ in 0..count {
            push(recorder, at, ETH0, &udp(SCANNER, HOST));
            at += 1;
        }
    };
    record(&mut recorder, 30);
    let oldest = recorder.oldest().expect("packets");
    let (mut evidence, _folder) = evidence(10, 1 << 20);
    let began = |id, first_seen| Case { first_seen, last_seen: 29, ..case(id, &[SCANNER], &[]) };
    let (whole, cut) = (began(1, oldest), began(2, oldest - 1));
    assert!(!write(&mut evidence, &recorder, &whole).incomplete);
    assert!(write(&mut evidence, &recorder, &cut).incomplete);
    // Nothing of it is left: there is no file, and it is told all the same.
    let gone = write(&mut evidence, &recorder, &Case { first_seen: 0, ..case(3, &[OTHER], &[]) });
    assert_eq!(gone, Filed { id: 3, path: None, incomplete: true, failed: false });
    // What comes next is forgotten before it is read; nothing of it was the verdict's, and then something may have been.
    record(&mut recorder, 30);
    assert!(!write(&mut evidence, &recorder, &whole).incomplete);
    record(&mut recorder, 30);
    let whole = Case { last_seen: 80, ..whole };
    assert!(write(&mut evidence, &recorder, &whole).incomplete);
    assert_eq!(evidence.tally().incomplete, 3);
    record(&mut recorder, 30);
    write(&mut evidence, &recorder, &Case { last_seen: 110, ..whole });
    assert_eq!(evidence.tally().incomplete, 3);
}

/// A tape that forgets while it is read.
struct Hurried<'a> {
    recorder: &'a mut Recorder,
    next: u64,
}

impl Tape for Hurried<'_> {
    fn span(&mut self) -> Span {
        self.recorder.span()
    }

    fn stretch(&mut self, position: u64, to: &mut Vec<u8>) -> u64 {
        let from = self.recorder.stretch(position, 300, to);
        for _ in 0..8 {
            push(self.recorder, self.next, ETH0, &udp(SCANNER, HOST));
            self.next += 1;
        }
        from
    }
}

#[test]
fn what_is_forgotten_while_it_is_read_is_told_and_the_reading_ends() {
    let mut recorder = Recorder::new(2000);
    for time in 0..20 {
        push(&mut recorder, time, ETH0, &udp(SCANNER, HOST));
    }
    let (mut evidence, _folder) = evidence(10, 1 << 20);
    let mut tape = Hurried { recorder: &mut recorder, next: 20 };
    let written = evidence.write(&mut tape, &labels(), &[case(1, &[SCANNER], &[])]);
    let [filed] = &written.filed[..] else { panic!("{written:?}") };
    assert!(filed.incomplete);
    let read = times(filed.path.as_ref().expect("a file"));
    assert!(read.is_sorted() && read.len() < 20, "{read:?}");
}
