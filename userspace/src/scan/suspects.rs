//! The suspects: bounded by their tracks. Who has the least evidence leaves, and of those who showed nothing new for longest,
//! among [`LOOKED_AT`] that are looked at in turn; nobody leaves for one with less. Evidence halves with the time in which
//! nothing new comes, and who finds everybody else heavier is a guest until [`GUESTS`] others have come: long enough for a
//! scan that is fast.

use std::collections::VecDeque;

use hashbrown::{DefaultHashBuilder, HashMap};

use super::{
    probe::Class,
    suspect::{Source, Suspect},
    track::Track,
};

/// Suspects that are looked at for each that comes.
const LOOKED_AT: usize = 64;

/// Suspects beyond the bound, who leave in the order in which they came unless they have become a verdict.
const GUESTS: usize = 256;

/// What a place is weighed by.
#[derive(Clone, Copy, Debug, Default)]
struct Weight {
    evidence: u64,
    /// When its latest new pair came.
    last_new: u64,
}

impl Weight {
    /// What is left of the evidence.
    const fn now(&self, now: u64, half_life: u64) -> u64 {
        let halves = now.saturating_sub(self.last_new) / half_life;
        if halves >= 64 { 0 } else { self.evidence >> halves }
    }
}

/// The suspects, by place.
pub(super) struct Suspects {
    by_source: HashMap<Source, u32, DefaultHashBuilder>,
    places: Vec<Option<Box<Suspect>>>,
    weights: Vec<Weight>,
    /// It is in the queue of those to be looked at.
    queued: Vec<bool>,
    free: Vec<u32>,
    /// Where the next look begins.
    hand: usize,
    guests: VecDeque<u32>,
    is_guest: Vec<bool>,
    tracks: usize,
    most: usize,
    half_life: u64,
}

/// Whether there is room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Room {
    /// There is.
    Free,
    /// There is, once this one has left.
    After(u32),
    /// Everybody who was looked at has more evidence.
    None,
}

impl Suspects {
    /// Room for so many tracks, and some guests. Evidence halves in `half_life`, nanoseconds.
    pub(super) fn new(most: usize, half_life: u64, hasher: DefaultHashBuilder) -> Self {
        Self {
            by_source: HashMap::with_hasher(hasher),
            places: Vec::new(),
            weights: Vec::new(),
            queued: Vec::new(),
            free: Vec::new(),
            hand: 0,
            guests: VecDeque::new(),
            is_guest: Vec::new(),
            tracks: 0,
            most: most.max(1),
            half_life: half_life.max(1),
        }
    }

    #[inline]
    pub(super) fn find(&self, source: &Source) -> Option<u32> {
        self.by_source.get(source).copied()
    }

    pub(super) fn get(&self, place: u32) -> Option<&Suspect> {
        self.places.get(place as usize)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut Suspect> {
        self.places.get_mut(place as usize)?.as_deref_mut()
    }

    /// Room for another track of a source with this much evidence, which is at `own` if it is here.
    pub(super) fn room(&mut self, evidence: u64, own: Option<u32>, now: u64) -> Room {
        if self.tracks < self.most + self.guests.len() {
            return Room::Free;
        }
        let mut least: Option<((u64, u64), u32)> = None;
        for _ in 0..LOOKED_AT.min(self.places.len()) {
            self.hand = (self.hand + 1) % self.places.len();
            let (place, weight) = (self.hand as u32, self.weights[self.hand]);
            if self.places[self.hand].is_none() || self.is_guest[self.hand] || Some(place) == own {
                continue;
            }
            let weight = (weight.now(now, self.half_life), weight.last_new);
            if least.is_none_or(|(other, _)| weight < other) {
                least = Some((weight, place));
            }
        }
        match least {
            Some(((weight, _), place)) if weight <= evidence => Room::After(place),
            _ => Room::None,
        }
    }

    /// Who is to leave, or to find room among the others, before another guest comes.
    pub(super) fn oldest_guest(&mut self) -> Option<u32> {
        if self.guests.len() < GUESTS {
            return None;
        }
        let guest = self.guests.pop_front()?;
        self.is_guest[guest as usize] = false;
        Some(guest)
    }

    /// This suspect, who has just come, is a guest.
    pub(super) fn welcome(&mut self, place: u32) {
        self.guests.push_back(place);
        self.is_guest[place as usize] = true;
    }

    /// Takes in a suspect without tracks.
    pub(super) fn insert(&mut self, suspect: Suspect) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.weights.push(Weight::default());
            self.queued.push(false);
            self.is_guest.push(false);
            self.places.len() as u32 - 1
        });
        self.by_source.insert(suspect.source, place);
        self.weights[place as usize] = Weight { evidence: 0, last_new: suspect.last };
        self.places[place as usize] = Some(Box::new(suspect));
        place
    }

    /// Gives a suspect another track.
    pub(super) fn open_track(&mut self, place: u32, class: Class, first: u64) {
        if let Some(suspect) = self.get_mut(place) {
            suspect.tracks.push(Track::new(class, first));
            self.tracks += 1;
        }
    }

    /// Ends a track, and a suspect with its last one.
    pub(super) fn close_track(&mut self, place: u32, class: Class) {
        let Some(suspect) = self.get_mut(place) else { return };
        let before = suspect.tracks.len();
        suspect.tracks.retain(|track| track.class != class);
        let after = suspect.tracks.len();
        self.tracks -= before - after;
        if after == 0 {
            self.remove(place);
        } else {
            self.weigh(place);
        }
    }

    pub(super) fn remove(&mut self, place: u32) -> Option<Box<Suspect>> {
        let suspect = self.places.get_mut(place as usize)?.take()?;
        self.by_source.remove(&suspect.source);
        self.tracks -= suspect.tracks.len();
        if std::mem::take(&mut self.is_guest[place as usize]) {
            self.guests.retain(|&guest| guest != place);
        }
        self.free.push(place);
        Some(suspect)
    }

    /// Notes what a suspect weighs now.
    pub(super) fn weigh(&mut self, place: u32) {
        if let Some(suspect) = self.get(place) {
            let last_new = suspect.tracks.iter().map(|track| track.last_new).max();
            let weight =
                Weight { evidence: suspect.evidence(), last_new: last_new.unwrap_or(suspect.last) };
            self.weights[place as usize] = weight;
        }
    }

    /// The next few places that hold suspects silent since before `since`, who may be forgotten.
    pub(super) fn silent(&mut self, since: u64) -> Vec<u32> {
        let places = self.places.len();
        let mut silent = Vec::new();
        for _ in 0..LOOKED_AT.min(places) {
            self.hand = (self.hand + 1) % places;
            if self.places[self.hand].as_ref().is_some_and(|suspect| suspect.last < since) {
                silent.push(self.hand as u32);
            }
        }
        silent
    }

    /// Notes whether a place is in the queue of those to be looked at; returns whether it was.
    pub(super) fn queue(&mut self, place: u32, is_in: bool) -> bool {
        self.queued.get_mut(place as usize).is_some_and(|queued| std::mem::replace(queued, is_in))
    }

    pub(super) fn len(&self) -> usize {
        self.by_source.len()
    }

    pub(super) fn bytes(&self) -> usize {
        let entry = size_of::<(Source, u32)>() + 1;
        self.places.iter().flatten().map(|suspect| suspect.bytes()).sum::<usize>()
            + self.places.capacity() * size_of::<Option<Box<Suspect>>>()
            + self.weights.capacity() * size_of::<Weight>()
            + self.by_source.capacity() * entry
    }
}
