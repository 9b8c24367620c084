//! The reader of the samples' ring: hands each sample to its session's stream, or to the flight recorder.
//!
//! Shared between the task that reads and the keeper, who opens and ends streams; the task holds the lock for one pass at most, the keeper for a
//! drain of the ring.

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::{io::unix::AsyncFd, sync::Notify, time::MissedTickBehavior};
use wireledger_common::abi::sample::{SESSIONS, Sample};

use crate::{
    capfile::Statistics,
    capture::{Desk, Recorder, Span, Stream, Tape},
    kernel::{Samples, Wall},
};

/// Between two looks at the ring while somebody captures; it announces more than 128 KiB by itself.
const LOOK: Duration = Duration::from_millis(20);

/// Samples in one pass, so that others get the lock.
const PASS: u64 = 16_384;

/// Between two comparisons of the clocks.
const WALL: Duration = Duration::from_secs(1);

/// The ring and everybody who gets something out of it.
pub(super) struct Sampler {
    ring: Samples,
    /// Samples the ring can hold, at the most.
    capacity: u64,
    sinks: [Option<Sink>; SESSIONS],
    /// What streams that have ended left unread, by slot.
    unread: [u64; SESSIONS],
    recorder: Option<Recorder>,
    wall: Wall,
    compared: Instant,
    malformed: u64,
    /// Of sessions that are not there any more.
    stale: u64,
}

/// Where a slot's samples go.
struct Sink {
    id: u64,
    to: To,
}

enum To {
    Stream {
        stream: Box<Stream>,
        /// It ends when so many packets were read,
        packets: u64,
        /// or when another packet might be more than so many bytes.
        bytes: u64,
    },
    Recorder,
}

/// Everybody's handle on it.
#[derive(Clone)]
pub(super) struct Shared {
    sampler: Arc<Mutex<Sampler>>,
    awake: Arc<Notify>,
    /// Those who want the lock besides the task that reads.
    waiting: Arc<AtomicUsize>,
}

impl Shared {
    pub(super) fn new(ring: Samples, memory: u32, recorder: Option<Recorder>) -> Self {
        let sampler = Sampler {
            ring,
            capacity: u64::from(memory) / size_of::<Sample>() as u64,
            sinks: [const { None }; SESSIONS],
            unread: [0; SESSIONS],
            recorder,
            wall: Wall::now(),
            compared: Instant::now(),
            malformed: 0,
            stale: 0,
        };
        Self {
            sampler: Arc::new(Mutex::new(sampler)),
            awake: Arc::new(Notify::new()),
            waiting: Arc::new(AtomicUsize::new(0)),
        }
    }

    /// The sampler, before the task that reads gets it again.
    pub(super) fn lock(&self) -> MutexGuard<'_, Sampler> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let sampler = self.sampler();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        sampler
    }

    fn sampler(&self) -> MutexGuard<'_, Sampler> {
        // Whoever panicked with it is the error of the run already; what is in it stays readable.
        self.sampler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something to wait on for the task that reads.
    pub(super) fn announced(&self) -> anyhow::Result<AsyncFd<OwnedFd>> {
        Ok(self.lock().ring.announced()?)
    }

    /// Gives a slot's samples a stream.
    pub(super) fn open(&self, id: u64, stream: Stream, packets: u64, bytes: u64) {
        let to = To::Stream { stream: Box::new(stream), packets, bytes };
        self.lock().sinks[slot(id)] = Some(Sink { id, to });
        self.awake.notify_one();
    }

    /// Gives a slot's samples to the flight recorder.
    pub(super) fn record(&self, id: u64) {
        self.lock().sinks[slot(id)] = Some(Sink { id, to: To::Recorder });
        self.awake.notify_one();
    }

    /// Reads until the run is over. Sessions that are complete or that nobody reads are ended at the desk.
    pub(super) async fn read(self, desk: Desk, announced: AsyncFd<OwnedFd>) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if self.sampler().is_idle() {
                self.awake.notified().await;
            }
            tokio::select! {
                _ = tick.tick() => {}
                ready = announced.readable() => {
                    ready.context("waiting on the ring of samples")?.clear_ready();
                }
            }
            loop {
                let (read, complete) = {
                    let mut sampler = self.sampler();
                    (sampler.pass(), sampler.complete())
                };
                for id in complete {
                    desk.close(id);
                }
                if read < PASS {
                    break;
                }
                // The lock is not a fair one.
                while self.waiting.load(Ordering::Relaxed) > 0 {
                    tokio::time::sleep(Duration::from_micros(100)).await;
                }
                tokio::task::yield_now().await;
            }
        }
    }
}

/// The flight recorder, for whoever writes evidence: the lock is held for a drain of the ring, or for copying a stretch.
impl Tape for Shared {
    fn span(&mut self) -> Span {
        let mut sampler = self.lock();
        sampler.drain();
        sampler.recorder().map(Recorder::span).unwrap_or_default()
    }

    fn stretch(&mut self, position: u64, to: &mut Vec<u8>) -> u64 {
        let sampler = self.lock();
        let recorder = sampler.recorder();
        recorder.map_or(position, |mut recorder| Tape::stretch(&mut recorder, position, to))
    }
}

/// A session's slot is part of its number.
pub(super) const fn slot(id: u64) -> usize {
    id as usize % SESSIONS
}

impl Sampler {
    fn is_idle(&self) -> bool {
        self.sinks.iter().all(Option::is_none)
    }

    /// Reads what is in the ring, at most [`PASS`] samples, and hands on; returns how many there were.
    fn pass(&mut self) -> u64 {
        if self.compared.elapsed() >= WALL {
            self.wall = Wall::now();
            self.compared = Instant::now();
        }
        let Self { ring, sinks, recorder, wall, stale, .. } = self;
        let (read, malformed) =
            ring.drain(PASS, |sample, bytes| match &mut sinks[slot(sample.session)] {
                Some(sink) if sink.id == sample.session => match &mut sink.to {
                    To::Stream { stream, .. } => {
                        stream.packet(sample, bytes, wall.unix_nanoseconds(sample.time));
                    }
                    To::Recorder => {
                        if let Some(recorder) = recorder {
                            recorder.push(sample, bytes);
                        }
                    }
                },
                _ => *stale += 1,
            });
        self.malformed += malformed;
        for stream in self.streams() {
            stream.pass();
        }
        read + malformed
    }

    /// Reads everything that was in the ring when it was called.
    pub(super) fn drain(&mut self) {
        let mut left = self.capacity;
        loop {
            let read = self.pass();
            left = left.saturating_sub(read);
            if read < PASS || left == 0 {
                return;
            }
        }
    }

    fn streams(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.sinks.iter_mut().flatten().filter_map(|sink| match &mut sink.to {
            To::Stream { stream, .. } => Some(&mut **stream),
            To::Recorder => None,
        })
    }

    /// The session's stream.
    pub(super) fn stream(&mut self, id: u64) -> Option<&mut Stream> {
        match self.sinks[slot(id)].as_mut().filter(|sink| sink.id == id)? {
            Sink { to: To::Stream { stream, .. }, .. } => Some(stream),
            Sink { to: To::Recorder, .. } => None,
        }
    }

    /// What a session's reader did not take of the interface with this number.
    pub(super) fn unread_of(&self, id: u64, number: u32) -> u64 {
        match &self.sinks[slot(id)] {
            Some(Sink { id: held, to: To::Stream { stream, .. } }) if *held == id => {
                stream.unread_of(number)
            }
            _ => 0,
        }
    }

    /// Sessions that have all they asked for, or whose reader has gone.
    fn complete(&self) -> Vec<u64> {
        let sinks = self.sinks.iter().flatten();
        let complete = sinks.filter(|sink| match &sink.to {
            To::Stream { stream, packets, bytes } => {
                stream.read() >= *packets || stream.captured() > *bytes || stream.is_abandoned()
            }
            To::Recorder => false,
        });
        complete.map(|sink| sink.id).collect()
    }

    /// Ends a session's stream with its last statistics.
    pub(super) fn finish(&mut self, id: u64, statistics: &[(u32, Statistics)]) {
        let time = Wall::now().unix_nanoseconds_now();
        let Some(sink) = self.sinks[slot(id)].take() else { return };
        if let To::Stream { stream, .. } = sink.to {
            self.unread[slot(id)] += stream.unread();
            stream.finish(time, statistics);
        }
    }

    /// Forgets a session that was never armed.
    pub(super) fn abandon(&mut self, id: u64) {
        self.sinks[slot(id)] = None;
    }

    /// Delivered samples that readers did not take in time, by slot, over all its sessions.
    pub(super) fn unread(&self, slot: usize) -> u64 {
        let now = self.sinks[slot].as_ref().map_or(0, |sink| match &sink.to {
            To::Stream { stream, .. } => stream.unread(),
            To::Recorder => 0,
        });
        self.unread[slot] + now
    }

    pub(super) fn wall(&self) -> Wall {
        self.wall
    }

    pub(super) const fn recorder(&self) -> Option<&Recorder> {
        self.recorder.as_ref()
    }

    /// Entries of the ring that were no samples, and samples of no session.
    pub(super) const fn strays(&self) -> u64 {
        self.malformed + self.stale
    }
}
