//! The flight recorder: the last samples of the always-on sampler, in as much memory as was granted.
//!
//! Samples stand one behind the other as they came through the ring; the oldest make room for the newest.

use std::collections::{BTreeMap, VecDeque};

use wireledger_common::abi::{link::Link, sample::Sample};
use zerocopy::{FromBytes, IntoBytes};

use super::{Request, stream::record};
use crate::capfile::{Interface, Writer};

/// What a recorder held at one moment.
#[derive(Clone, Debug)]
pub struct Dump {
    /// A copy of it.
    pub recorder: Recorder,
    /// Nanoseconds since 1970 at nanosecond 0 of CLOCK_MONOTONIC.
    pub epoch: i128,
    /// Name and link of each interface, by index.
    pub interfaces: BTreeMap<u32, (String, Link)>,
    /// Bytes of each packet that were asked for.
    pub snap: u32,
}

impl Dump {
    /// As a pcapng file.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        // Into memory, which does not fail.
        let Ok(mut writer) = Writer::new(Vec::new(), super::APPLICATION) else { return Vec::new() };
        let mut described = BTreeMap::new();
        self.recorder.each(|sample, bytes| {
            let index = sample.interface;
            let describe = || describe(&self.interfaces, self.snap, sample);
            let interface = described.entry(index).or_insert_with(describe);
            let time = u64::try_from(self.epoch + i128::from(sample.time)).unwrap_or_default();
            let _ = writer.packet(interface, index, &record(sample, bytes, time));
        });
        writer.finish().unwrap_or_default()
    }
}

/// The interface of a sample, as a capture file describes it.
pub(super) fn describe(
    interfaces: &BTreeMap<u32, (String, Link)>,
    snap: u32,
    sample: &Sample,
) -> Interface {
    let request = Request { every: sample.every, ..Request::default() };
    match interfaces.get(&sample.interface) {
        Some((name, link)) => super::describe(name, *link, snap, &request),
        None => {
            let name = sample.interface.to_string();
            super::describe(&name, Link::default(), snap, &request)
        }
    }
}

/// What stands before each sample's bytes.
const HEAD: usize = size_of::<Sample>();

/// Samples, oldest first.
#[derive(Clone, Debug)]
pub struct Recorder {
    memory: VecDeque<u8>,
    most: usize,
    packets: u64,
    forgotten: u64,
    /// Bytes of those that were forgotten: where the oldest that is held begins.
    begin: u64,
}

impl Recorder {
    /// A recorder of `most` bytes, each sample taking its bytes and [`struct@Sample`]'s 56.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { memory: VecDeque::with_capacity(most), most, packets: 0, forgotten: 0, begin: 0 }
    }

    /// Keeps a sample, and forgets as many of the oldest as that takes. One that is longer than all the memory is not kept.
    pub fn push(&mut self, sample: &Sample, bytes: &[u8]) {
        let need = HEAD + bytes.len();
        if need > self.most {
            self.forgotten += 1;
            return;
        }
        while self.memory.len() + need > self.most {
            self.forget();
        }
        let sample = Sample { captured: bytes.len() as u32, ..*sample };
        self.memory.extend(sample.as_bytes());
        self.memory.extend(bytes);
        self.packets += 1;
    }

    fn forget(&mut self) {
        let Some(head) = self.head(0) else {
            self.begin = self.end();
            self.memory.clear();
            return;
        };
        let length = HEAD + head.captured as usize;
        self.memory.drain(..length);
        self.begin += length as u64;
        self.packets -= 1;
        self.forgotten += 1;
    }

    fn head(&self, at: usize) -> Option<Sample> {
        let mut head = [0; HEAD];
        self.copy(at, &mut head)?;
        Sample::read_from_bytes(&head).ok()
    }

    fn copy(&self, at: usize, to: &mut [u8]) -> Option<()> {
        let (front, back) = self.memory.as_slices();
        let whole = at.checked_add(to.len())?;
        if whole > self.memory.len() {
            return None;
        }
        let first = front.get(at..).unwrap_or_default();
        let split = first.len().min(to.len());
        to[..split].copy_from_slice(&first[..split]);
        let from = (at + split).saturating_sub(front.len());
        let length = to.len() - split;
        to[split..].copy_from_slice(&back[from..from + length]);
        Some(())
    }

    /// Calls `see` for each sample, oldest first.
    pub fn each(&self, mut see: impl FnMut(&Sample, &[u8])) {
        let mut at = 0;
        let mut bytes = Vec::new();
        while let Some(sample) = self.head(at) {
            bytes.resize(sample.captured as usize, 0);
            if self.copy(at + HEAD, &mut bytes).is_none() {
                return;
            }
            see(&sample, &bytes);
            at += HEAD + bytes.len();
        }
    }

    /// Where the oldest sample that it holds begins, in bytes of all that it ever took.
    #[must_use]
    pub const fn begin(&self) -> u64 {
        self.begin
    }

    /// Where the newest ends.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.begin + self.memory.len() as u64
    }

    /// Copies at most `most` bytes from `position` on, or from the oldest where that is forgotten; returns where they begin. The last
    /// sample may be cut. Nothing but copying, so that whoever adds samples waits as little as can be.
    pub fn stretch(&self, position: u64, most: usize, to: &mut Vec<u8>) -> u64 {
        let from = position.clamp(self.begin, self.end());
        let at = usize::try_from(from - self.begin).unwrap_or(usize::MAX);
        let end = at.saturating_add(most).min(self.memory.len());
        to.clear();
        let (front, back) = self.memory.as_slices();
        let part = |all: &[u8], before: usize| {
            let bound = |at: usize| at.saturating_sub(before).min(all.len());
            bound(at)..bound(end)
        };
        to.extend_from_slice(&front[part(front, 0)]);
        to.extend_from_slice(&back[part(back, front.len())]);
        from
    }

    /// Samples it holds.
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// Samples it has forgotten.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Bytes in use.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.memory.len() as u64
    }

    /// Bytes it may use.
    #[must_use]
    pub const fn most(&self) -> u64 {
        self.most as u64
    }

    /// When its oldest sample was taken, CLOCK_MONOTONIC nanoseconds.
    #[must_use]
    pub fn oldest(&self) -> Option<u64> {
        self.head(0).map(|sample| sample.time)
    }
}

/// The first sample of a stretch, its bytes, and what is behind it; none where it is cut.
pub(super) fn first(stretch: &[u8]) -> Option<(Sample, &[u8], &[u8])> {
    let (sample, behind) = Sample::read_from_prefix(stretch).ok()?;
    let (bytes, behind) = behind.split_at_checked(sample.captured as usize)?;
    Some((sample, bytes, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(recorder: &Recorder) -> Vec<(u64, Vec<u8>)> {
        let mut held = Vec::new();
        recorder.each(|sample, bytes| held.push((sample.time, bytes.to_vec())));
        held
    }

    #[test]
    fn the_newest_that_fit_are_held_in_order() {
        let mut recorder = Recorder::new(1000);
        let bytes = |n: u64| vec![n as u8; (n % 90) as usize];
        for time in 0..500 {
            recorder.push(&Sample { time, ..Sample::default() }, &bytes(time));
            assert!(recorder.used() <= 1000);
            let held = held(&recorder);
            assert_eq!(held.len() as u64, recorder.packets());
            assert_eq!(recorder.packets() + recorder.forgotten(), time + 1);
            let first = time + 1 - held.len() as u64;
            let expected: Vec<_> = (first..=time).map(|n| (n, bytes(n))).collect();
            assert_eq!(held, expected);
            // Another would not have fitted.
            if first > 0 {
                let one_more = HEAD + bytes(first - 1).len();
                assert!(recorder.used() as usize + one_more > 1000);
            }
            assert_eq!(recorder.oldest(), Some(first));
        }
    }

    #[test]
    fn what_can_never_fit_is_counted_as_forgotten() {
        let mut recorder = Recorder::new(100);
        recorder.push(&Sample::default(), &[0; 40]);
        recorder.push(&Sample::default(), &[0; 60]);
        assert_eq!((recorder.packets(), recorder.forgotten()), (1, 1));
    }

    #[test]
    fn stretches_have_every_sample_that_is_held_once_and_say_what_is_forgotten() {
        let mut recorder = Recorder::new(1000);
        let mut stretch = Vec::new();
        let (mut read, mut position) = (Vec::new(), 0);
        for time in 0..300 {
            recorder.push(&Sample { time, ..Sample::default() }, &[time as u8; 30]);
            assert_eq!(recorder.end() - recorder.begin(), recorder.used());
            if time % 7 != 0 {
                continue;
            }
            while position < recorder.end() {
                position = recorder.stretch(position, 200, &mut stretch);
                assert!(stretch.len() <= 200);
                let mut left = &stretch[..];
                while let Some((sample, bytes, behind)) = first(left) {
                    assert_eq!(bytes, [sample.time as u8; 30]);
                    position += (left.len() - behind.len()) as u64;
                    left = behind;
                    read.push(sample.time);
                }
            }
        }
        assert_eq!(read, (0..=294).collect::<Vec<_>>());
        assert_eq!(recorder.stretch(0, 1000, &mut stretch), recorder.begin());
        assert_eq!(stretch.len() as u64, recorder.used());
        assert_eq!(recorder.stretch(u64::MAX, 1000, &mut stretch), recorder.end());
        assert_eq!(stretch.len(), 0);
    }
}
