//! Verdicts under way: which tracks they are of, and what was told of them.

use std::borrow::Cow;

use super::{
    probe::Class,
    settings::{ENDS_AFTER, Thresholds},
    suspect::Suspect,
    suspects::Suspects,
    track::Track,
    verdict::Verdict,
};

/// A verdict is told again when it was not for so long, nanoseconds, and went on.
const TOLD_EVERY: u64 = 60_000_000_000;

/// A verdict under way.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) id: u64,
    /// Suspects by place, and the class of their tracks; several where the sources may be decoys.
    pub(super) members: Vec<(u32, Class)>,
    /// Class and time of the first packet of whoever was first.
    pub(super) began: (Class, u64),
    /// What was told last; `None` while nothing was.
    told: Option<Told>,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    at: u64,
    sources: usize,
    pairs: u64,
    attempts: u64,
}

impl Case {
    pub(super) fn new(id: u64, place: u32, leader: &Track) -> Self {
        let members = vec![(place, leader.class)];
        Self { id, members, began: (leader.class, leader.first), told: None }
    }

    /// Its members that are still there.
    pub(super) fn tracks<'s>(&self, suspects: &'s Suspects) -> Vec<(&'s Suspect, Cow<'s, Track>)> {
        let members = self.members.iter().filter_map(|&(place, class)| {
            let suspect = suspects.get(place)?;
            Some((suspect, suspect.track(class)?.alone()))
        });
        members.collect()
    }

    /// What whoever was first did.
    pub(super) fn leader<'s>(&self, suspects: &'s Suspects) -> Option<(&'s Suspect, &'s Track)> {
        let &(place, class) = self.members.first()?;
        let suspect = suspects.get(place)?;
        Some((suspect, suspect.track(class)?))
    }

    /// Its sources have been silent for long enough.
    pub(super) fn has_ended(&self, suspects: &Suspects, thresholds: &Thresholds, now: u64) -> bool {
        /// So many times the distance between probes.
        const DISTANCES: u64 = 8;
        let tracks = self.tracks(suspects);
        let Some(last) = tracks.iter().map(|(_, track)| track.last).max() else { return true };
        let distance = tracks.iter().map(|(_, track)| track.distance()).min().unwrap_or(0);
        let quiet = distance.saturating_mul(DISTANCES);
        now.saturating_sub(last) >= quiet.clamp(ENDS_AFTER, thresholds.window.max(ENDS_AFTER))
    }

    pub(super) const fn is_new(&self) -> bool {
        self.told.is_none()
    }

    /// There is so much more to it that it is to be told again.
    pub(super) fn has_grown(&self, suspects: &Suspects, now: u64) -> bool {
        let Some(told) = self.told else { return true };
        let (mut pairs, mut attempts) = (0, 0);
        for (_, track) in self.tracks(suspects) {
            pairs = pairs.max(track.probed.len());
            attempts += track.attempts;
        }
        let went_on = attempts > told.attempts && now.saturating_sub(told.at) >= TOLD_EVERY;
        pairs >= told.pairs.saturating_mul(2) || went_on || self.members.len() != told.sources
    }

    /// It was told so.
    pub(super) fn tell(&mut self, verdict: &Verdict, now: u64) {
        self.told = Some(Told {
            at: now,
            sources: self.members.len(),
            pairs: verdict.pairs,
            attempts: verdict.attempts,
        });
    }
}
