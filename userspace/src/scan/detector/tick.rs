//! What changed since the last tick, and what is said of it.

use wireledger_common::abi::flow::IPV6;

use super::Detector;
use crate::scan::{
    case::Case,
    probe::Class,
    tell::{self, Telling},
    verdict::{Stage, Verdict},
    weigh::is_alike,
};

/// Suspects that are looked at in one tick, at most: some tens of milliseconds if each has as many pairs as are listed.
const LOOKED_AT: usize = 256;
/// Sources that ask the same begin within so many nanoseconds, and no more of them than these are one verdict.
const TOGETHER: u64 = 10_000_000_000;
const SOURCES: usize = 256;

impl Detector {
    /// Looks at what has changed, and tells what is new, has grown or has ended. To be called each second or so; where very
    /// many suspects have changed, the rest is left to the next call: see [`Counters::waiting`](crate::scan::Counters::waiting).
    pub fn tick(&mut self, now: u64, mut told: impl FnMut(&Verdict, Stage)) {
        for _ in 0..self.touched.len().min(LOOKED_AT) {
            if let Some(place) = self.touched.pop_front() {
                self.suspects.queue(place, false);
                self.look(place);
            }
        }
        self.tried_out.clear();
        for case in self.cases.iter().filter(|case| case.began.0 == Class::SynAck) {
            let leader = case.leader(&self.suspects).into_iter();
            let targets = leader.flat_map(|(_, track)| track.probed.targets.listed().take(8));
            self.tried_out.extend(targets);
        }
        for verdict in std::mem::take(&mut self.cut_short) {
            told(&verdict, Stage::Ended);
            self.end(verdict);
        }
        self.cases.sort_unstable_by_key(|case| case.id);
        for case in std::mem::take(&mut self.cases) {
            if case.has_ended(&self.suspects, &self.thresholds, now) {
                self.close(&case, &mut told);
            } else {
                self.go_on(case, now, &mut told);
            }
        }
        self.expire(now);
    }

    /// Tells a verdict's end, and forgets what it was of.
    fn close(&mut self, case: &Case, told: &mut impl FnMut(&Verdict, Stage)) {
        let verdict = self.verdict(case);
        for &(place, class) in &case.members {
            self.suspects.close_track(place, class);
        }
        let Some(verdict) = verdict else { return };
        if case.is_new() {
            told(&verdict, Stage::Begun);
        }
        told(&verdict, Stage::Ended);
        self.end(verdict);
    }

    /// Tells a verdict that is new or has grown, and keeps it.
    fn go_on(&mut self, mut case: Case, now: u64, told: &mut impl FnMut(&Verdict, Stage)) {
        if case.has_grown(&self.suspects, now) {
            for &(place, class) in &case.members {
                self.find_shape(place, class);
            }
        } else {
            self.cases.push(case);
            return;
        }
        if let Some(verdict) = self.verdict(&case) {
            told(&verdict, if case.is_new() { Stage::Begun } else { Stage::Grown });
            case.tell(&verdict, now);
        }
        self.cases.push(case);
    }

    /// Forgets suspects that have been silent for the window, some of them each time.
    fn expire(&mut self, now: u64) {
        for place in self.suspects.silent(now.saturating_sub(self.thresholds.window)) {
            let is_case = |case: &Case| case.members.iter().any(|&(member, _)| member == place);
            if !self.cases.iter().any(is_case) {
                self.suspects.remove(place);
            }
        }
    }

    /// Weighs a suspect's tracks that are no case yet, pings first: they explain other probes.
    fn look(&mut self, place: u32) {
        let Some(suspect) = self.suspects.get(place) else { return };
        let mut classes: Vec<_> = suspect.tracks.iter().map(|track| track.class).collect();
        classes.sort_by_key(|&class| class != Class::Ping);
        for class in classes {
            let Some(track) = self.suspects.get(place).and_then(|it| it.track(class)) else {
                continue;
            };
            if track.case.is_some() && track.scanned.is_empty() {
                continue;
            }
            if track.shape.is_none() || !track.scanned.is_empty() {
                self.find_shape(place, class);
            }
            self.open(place, class);
        }
    }

    /// A track is a scan: a verdict of its own, or another source of one.
    fn open(&mut self, place: u32, class: Class) {
        let suspects = &self.suspects;
        let Some(suspect) = suspects.get(place) else { return };
        let Some(track) = suspect.track(class) else { return };
        if track.shape.is_none() || track.case.is_some() {
            return;
        }
        let joins = self.cases.iter().position(|case| {
            let (other, first) = case.began;
            other == class
                && first.abs_diff(track.first) <= TOGETHER
                && case.members.len() < SOURCES
                && case.leader(suspects).is_some_and(|(other, leader)| {
                    other.source.is_seen_with(&suspect.source) && is_alike(leader, track)
                })
        });
        let id = match joins {
            Some(at) => {
                self.cases[at].members.push((place, class));
                self.cases[at].id
            }
            None => {
                self.cases.push(Case::new(self.next_id, place, track));
                self.next_id += 1;
                self.next_id - 1
            }
        };
        if let Some(track) = self.suspects.get_mut(place).and_then(|it| it.track_mut(class)) {
            track.case = Some(id);
        }
    }

    pub(super) fn verdict(&self, case: &Case) -> Option<Verdict> {
        let members = case.tracks(&self.suspects);
        let members: Vec<_> = members.iter().map(|(suspect, track)| (*suspect, &**track)).collect();
        let first = members.first()?;
        // Somebody tries out this source as a zombie.
        let own = self.target(first.0.source.kind & IPV6 != 0, &first.0.source.address);
        let tried_out = first.1.class == Class::Syn && self.tried_out.contains(&own);
        Some(tell::verdict(&Telling {
            id: case.id,
            members: &members,
            thresholds: &self.thresholds,
            tried_out,
        }))
    }

    fn end(&mut self, verdict: Verdict) {
        self.ended.push_back(verdict);
        while self.ended.len() > self.settings.ended {
            self.ended.pop_front();
            self.counters.forgotten_verdicts += 1;
        }
    }

    /// The verdicts under way, then those that ended, latest first.
    pub fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        let under_way = self.cases.iter().filter(|case| !case.is_new());
        let under_way = under_way.filter_map(|case| self.verdict(case));
        under_way.chain(self.ended.iter().rev().cloned())
    }
}
