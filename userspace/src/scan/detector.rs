//! From attempts to verdicts.

mod tick;

use std::{collections::VecDeque, hash::BuildHasher};

use hashbrown::{DefaultHashBuilder, HashSet};
use wireledger_common::abi::flow::IPV6;

use super::{
    attempt::Attempt,
    case::Case,
    counters::{Counters, NoMemory},
    lately::{Addresses, Lately},
    newcomers::{FAILURES, Newcomer, Newcomers, Noted},
    pairs::{Target, V6_HOST_BITS, pair},
    probe::{Class, Judged, Outcome, Probe, judge},
    settings::{Settings, Thresholds},
    successes::Hashes,
    suspect::{Source, Suspect, address},
    suspects::{Room, Suspects},
    track::Track,
    verdict::Verdict,
    weigh::weigh,
};

/// How often evidence halves in the time after which a source is forgotten.
const HALVES: u64 = 4;

/// Names scans.
pub struct Detector {
    settings: Settings,
    thresholds: Thresholds,
    hasher: DefaultHashBuilder,
    newcomers: Newcomers,
    suspects: Suspects,
    lately: Lately,
    addresses: Addresses,
    /// Suspects with pairs that were not weighed, each once.
    touched: VecDeque<u32>,
    cases: Vec<Case>,
    /// Who was being tried out as a zombie at the last tick.
    tried_out: HashSet<Target>,
    next_id: u64,
    /// Verdicts whose suspects left before the next tick.
    cut_short: Vec<Verdict>,
    ended: VecDeque<Verdict>,
    counters: Counters,
}

impl Detector {
    /// A detector that has seen nothing.
    ///
    /// # Errors
    /// When there is no memory for so many newcomers.
    pub fn new(settings: Settings) -> Result<Self, NoMemory> {
        let thresholds = settings.sensitivity.thresholds();
        let hasher = DefaultHashBuilder::default();
        let newcomers = Newcomers::new(settings.newcomers, thresholds.window)
            .map_err(|_| NoMemory(settings.newcomers))?;
        Ok(Self {
            thresholds,
            newcomers,
            suspects: Suspects::new(settings.suspects, thresholds.window / HALVES, hasher.clone()),
            hasher,
            settings,
            lately: Lately::new(),
            addresses: Addresses::new(),
            touched: VecDeque::new(),
            cases: Vec::new(),
            tried_out: HashSet::new(),
            next_id: 1,
            cut_short: Vec::new(),
            ended: VecDeque::new(),
            counters: Counters::default(),
        })
    }

    /// Takes in an attempt. `now` is the present by the flows' clock, nanoseconds.
    pub fn attempt(&mut self, attempt: &Attempt<'_>, now: u64) {
        let (probe, other) = match judge(attempt) {
            Judged::Probe(probe) => (probe, None),
            Judged::Either(probe, other) => (probe, Some(other)),
            other => {
                self.counters.ignored += 1;
                if other == Judged::Refusal {
                    self.refuse(attempt);
                }
                return;
            }
        };
        let source = Source::of(attempt.key);
        let is_v6 = source.kind & IPV6 != 0;
        if self.settings.allow.iter().any(|prefix| prefix.holds(&source.address, is_v6)) {
            self.counters.allowed += 1;
            return;
        }
        self.counters.attempts[probe.outcome as usize] += 1;
        let target = self.target(is_v6, &attempt.key.destination);
        self.addresses.add(source.kind, target, &attempt.key.destination);
        for probe in [Some(probe), other].into_iter().flatten() {
            match self.suspects.find(&source) {
                Some(place) => {
                    let address = address(is_v6, &attempt.key.destination);
                    self.pursue(place, &probe, target, Some(address), now);
                }
                None => self.meet(source, &probe, target, now),
            }
        }
    }

    /// A probe of a source that is no suspect.
    fn meet(&mut self, source: Source, probe: &Probe, target: Target, now: u64) {
        let hash = self.hasher.hash_one(source);
        if probe.class.is_ordinary() && probe.outcome == Outcome::Completed {
            let hashes = self.hashes(probe.class, target, probe.port);
            self.newcomers.succeeds(hash, hashes, now);
            self.lately.add(hash, target, probe);
            return;
        }
        let place = self.newcomers.find(hash, now);
        let noted = self.newcomers.fails(hash, place, probe.pack(target), probe.first, now);
        if let Noted::Leaves(newcomer) = noted {
            self.suspect(source, hash, &newcomer, probe, target, now);
        }
    }

    /// An ICMP error: whoever it is for was told that something is not there.
    fn refuse(&mut self, attempt: &Attempt<'_>) {
        let told = [true, false].map(|turned| Source::told(attempt.key, turned));
        let place = told.iter().find_map(|source| self.suspects.find(source));
        if let Some(suspect) = place.and_then(|place| self.suspects.get_mut(place)) {
            suspect.was_told = true;
        }
    }

    /// A newcomer's fourth failure makes it a suspect, with all that is known of it.
    fn suspect(
        &mut self,
        source: Source,
        hash: u64,
        newcomer: &Newcomer,
        probe: &Probe,
        target: Target,
        now: u64,
    ) {
        let has_room = self.make_room(FAILURES as u64 + 1, None, now);
        if !has_room {
            self.move_guest(now);
        }
        let place = self.suspects.insert(Suspect::new(source, newcomer.successes, now));
        if !has_room {
            self.suspects.welcome(place);
        }
        let before: Vec<_> = self.lately.take(hash).collect();
        if let Some(suspect) = self.suspects.get_mut(place) {
            suspect.earlier_count = suspect.earlier_count.saturating_sub(before.len() as u64);
        }
        let failures = newcomer.failures.iter().map(|failure| {
            let time = failure.time(newcomer);
            (failure.target, Probe::unpack(failure, time))
        });
        let mut known: Vec<_> = before.into_iter().chain(failures).collect();
        known.sort_by_key(|(_, probe)| probe.first);
        known.push((target, *probe));
        for (target, probe) in known {
            let address = self.addresses.of(source.kind, target);
            self.pursue(place, &probe, target, address, now);
        }
    }

    /// Another probe of a suspect.
    fn pursue(
        &mut self,
        place: u32,
        probe: &Probe,
        target: Target,
        address: Option<std::net::IpAddr>,
        now: u64,
    ) {
        let hashes = self.hashes(probe.class, target, probe.port);
        let Some(suspect) = self.suspects.get(place) else { return };
        if suspect.track(probe.class).is_none() {
            let evidence = suspect.evidence().max(1);
            if !self.make_room(evidence, Some(place), now) {
                self.counters.evicted_suspects += 1;
                return;
            }
            self.suspects.open_track(place, probe.class, probe.first);
        }
        let Some(suspect) = self.suspects.get_mut(place) else { return };
        let is_new = suspect.add(probe, hashes, target, address, now);
        let is_full = suspect.track(probe.class).is_some_and(|track| track.probed.is_full());
        if is_new && !self.suspects.queue(place, true) {
            self.touched.push_back(place);
        }
        if is_full {
            self.overflow(place, probe.class);
        }
        self.suspects.weigh(place);
    }

    /// More pairs than are listed: a scan's are sketched, others are forgotten.
    fn overflow(&mut self, place: u32, class: Class) {
        self.find_shape(place, class);
        let Some(track) = self.suspects.get_mut(place).and_then(|it| it.track_mut(class)) else {
            return;
        };
        if track.shape.is_some() {
            track.keep_scanned();
            if track.probed.is_full() {
                track.probed.sketch();
            }
        } else {
            *track = Track::new(class, track.last);
            self.counters.begun_anew += 1;
        }
    }

    /// Weighs a track that is no scan yet, or one of few targets among others.
    fn find_shape(&mut self, place: u32, class: Class) {
        let Some(suspect) = self.suspects.get(place) else { return };
        let Some(track) = suspect.track(class) else { return };
        let hash = |target: Target| self.target_hash(target);
        let Some(found) = weigh(track, suspect, &self.thresholds, &hash) else { return };
        let scanned = |&target: &Target| {
            let known = track.scanned.iter().find(|(known, at)| *known == target && at.is_some());
            let known = known.copied();
            known.unwrap_or_else(|| (target, self.addresses.of(suspect.source.kind, target)))
        };
        let scanned = found.targets.iter().map(scanned).collect();
        if let Some(track) = self.suspects.get_mut(place).and_then(|it| it.track_mut(class)) {
            track.shape = Some(found.shape);
            track.scanned = scanned;
        }
    }

    /// Room for a track of a source with this much evidence, at `own` if it is a suspect.
    fn make_room(&mut self, evidence: u64, own: Option<u32>, now: u64) -> bool {
        match self.suspects.room(evidence, own, now) {
            Room::Free => return true,
            Room::After(place) => {
                self.counters.evicted_suspects += 1;
                self.forget(place);
            }
            Room::None => return false,
        }
        self.suspects.room(evidence, own, now) == Room::Free
    }

    /// The guest who came first is somebody who stays, or leaves.
    fn move_guest(&mut self, now: u64) {
        let Some(guest) = self.suspects.oldest_guest() else { return };
        let suspect = self.suspects.get(guest);
        let is_scan = suspect.is_some_and(|it| it.tracks.iter().any(|track| track.case.is_some()));
        let evidence = suspect.map_or(0, Suspect::evidence);
        let leaves = match self.suspects.room(evidence, Some(guest), now) {
            Room::Free if is_scan => return,
            Room::After(lighter) if is_scan => lighter,
            _ => guest,
        };
        self.counters.evicted_suspects += 1;
        self.forget(leaves);
    }

    /// Takes a suspect out; its verdicts end.
    fn forget(&mut self, place: u32) {
        let suspect = self.suspects.get(place);
        let is_scan = suspect.is_some_and(|it| it.tracks.iter().any(|track| track.case.is_some()));
        if !is_scan {
            self.suspects.remove(place);
            return;
        }
        for at in (0..self.cases.len()).rev() {
            let case = &self.cases[at];
            if !case.members.iter().any(|&(member, _)| member == place) {
                continue;
            }
            if case.members.len() == 1 {
                let case = self.cases.swap_remove(at);
                self.cut_short.extend(self.verdict(&case).filter(|_| !case.is_new()));
            } else {
                self.cases[at].members.retain(|&(member, _)| member != place);
            }
        }
        self.suspects.remove(place);
    }

    /// What was seen, kept and forgotten.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let texts: usize = self.ended.iter().map(Verdict::bytes).sum();
        let ended = self.ended.capacity() * size_of::<Verdict>() + texts;
        let bytes = self.newcomers.bytes()
            + self.suspects.bytes()
            + self.lately.bytes()
            + self.addresses.bytes()
            + ended;
        Counters {
            newcomers: self.newcomers.live(),
            suspects: self.suspects.len() as u64,
            evicted_newcomers: self.newcomers.evicted(),
            refused_newcomers: self.newcomers.refused(),
            waiting: self.touched.len() as u64,
            under_way: self.cases.len() as u64,
            bytes: bytes as u64,
            ..self.counters
        }
    }

    fn target(&self, is_v6: bool, bytes: &[u8; 16]) -> Target {
        if is_v6 {
            let network = u64::from_be_bytes(std::array::from_fn(|at| bytes[at]));
            let host = self.hasher.hash_one(u128::from_be_bytes(*bytes)) as Target;
            let network = self.hasher.hash_one(network) as Target;
            return network << V6_HOST_BITS | host & ((1 << V6_HOST_BITS) - 1);
        }
        Target::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    fn target_hash(&self, target: Target) -> u64 {
        spread(self.hasher.hash_one(target))
    }

    fn hashes(&self, class: Class, target: Target, port: u16) -> Hashes {
        let pair = self.hasher.hash_one((class as u8, pair(target, port)));
        Hashes { target: self.target_hash(target), pair: spread(pair) }
    }
}

/// The hasher of tables leaves patterns in the bits of neighbours; a sample of them needs bits without (the finalizer of
/// MurmurHash3).
const fn spread(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}
