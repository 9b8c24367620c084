//! Capture sessions in the running probe: who holds which slot, what is armed, what became of the packets.
//!
//! Any change arms one filter anew at each hook that it concerns, with every session in it. Guarantees: a slot is given away only when no
//! packet is under way for its last session; a session ends with every sample that was delivered and with its statistics.

use wireledger_common::abi::sample::SESSIONS;

use super::{
    sampler::{Shared, slot},
    session::{Group, Session, names_it, statistics, wants_way},
    watch::{Capturable, Watch},
};
use crate::{
    capture::{
        self, Desk, Dump, Filters, Held, Labels, Opened, Order, Refusal, Request, Stream, Tally,
        Terms,
    },
    filter::{self, Ending, Hook},
    kernel::{Error, Filter, Place, Probe, Wall},
    plan::Pattern,
    report,
};

/// Who holds the slot of the always-on sampler.
const SAMPLER: &str = "the sampler (--sample-every)";

/// The sessions.
pub(super) struct Captures {
    desk: Desk,
    terms: Terms,
    sampler: Shared,
    sessions: [Option<Session>; SESSIONS],
    /// Slots that have or had a session.
    used: [bool; SESSIONS],
    opened: u64,
    /// The always-on sampler's session.
    recording: Option<u64>,
    /// What is armed may not be what the sessions want.
    stale: bool,
}

impl Captures {
    pub(super) fn new(desk: Desk, terms: Terms, sampler: Shared) -> Self {
        Self {
            desk,
            terms,
            sampler,
            sessions: [const { None }; SESSIONS],
            used: [false; SESSIONS],
            opened: 0,
            recording: None,
            stale: false,
        }
    }

    /// Starts the always-on sampler.
    pub(super) fn start_sampler(
        &mut self,
        probe: &mut Probe,
        watch: &Watch,
        every: u32,
    ) -> anyhow::Result<()> {
        let request = Request { every, holder: SAMPLER.to_owned(), ..Request::default() };
        let filters = Box::new(Filters::compile("")?);
        let present: Vec<_> = watch.capturable().collect();
        let (id, _) = self.enter(probe, &present, request, Vec::new(), filters)?;
        self.sampler.record(id);
        self.arm_or_leave(probe, &present, id)?;
        self.recording = Some(id);
        Ok(())
    }

    /// Carries out an order.
    pub(super) fn order(&mut self, probe: &mut Probe, watch: &Watch, order: Order) {
        if order.is_void() {
            return;
        }
        // Whoever asked may have gone meanwhile; an opened session then ends by its hold.
        match order {
            Order::Open { request, filters, answer } => {
                let _ = answer.send(self.open(probe, watch, request, filters));
            }
            Order::Close { id } if self.recording == Some(id) => {}
            Order::Close { id } => self.close(probe, watch, id),
            Order::List { answer } => {
                let _ = answer.send(self.list(probe));
            }
            Order::Dump { answer } => {
                let _ = answer.send(self.dump(watch));
            }
        }
    }

    fn open(
        &mut self,
        probe: &mut Probe,
        watch: &Watch,
        request: Request,
        filters: Box<Filters>,
    ) -> Result<Opened, Refusal> {
        let present: Vec<_> = watch.capturable().collect();
        let names = names(&request)?;
        check(&request, &names, &filters, &present)?;
        let (packets, bytes) = (request.count, request.bytes);
        let (id, interfaces) = self.enter(probe, &present, request, names, filters)?;
        let snap = self.sessions[slot(id)].as_ref().map_or(0, |session| session.snap);
        let (stream, reader) = match Stream::open(interfaces) {
            Ok(opened) => opened,
            Err(error) => {
                self.sessions[slot(id)] = None;
                return Err(Refusal::Filter { why: error.to_string() });
            }
        };
        // A packet more might be too many bytes.
        let bytes = bytes.map_or(u64::MAX, |bytes| bytes.saturating_sub(u64::from(snap)));
        self.sampler.open(id, stream, packets.unwrap_or(u64::MAX), bytes);
        self.arm_or_leave(probe, &present, id)?;
        if let Some(Session { request, .. }) = &self.sessions[slot(id)] {
            let Request { filter, holder, .. } = request;
            tracing::info!(session = id, filter, holder, "capture begins");
        }
        Ok(Opened { id, snap, stream: reader, hold: self.desk.hold(id) })
    }

    /// Takes a slot, not armed yet; returns the interfaces in the order of the stream.
    fn enter(
        &mut self,
        probe: &mut Probe,
        present: &[Capturable<'_>],
        request: Request,
        names: Vec<Pattern>,
        filters: Box<Filters>,
    ) -> Result<(u64, Vec<(u32, crate::capfile::Interface)>), Refusal> {
        let Some(free) = self.sessions.iter().position(Option::is_none) else {
            let holders = self.sessions.iter().flatten().map(Session::described).collect();
            return Err(Refusal::Full { holders });
        };
        self.opened += 1;
        let id = self.opened * SESSIONS as u64 + free as u64;
        let settings = request.session(id, self.terms)?;
        probe.set_session(free as u32, &settings).map_err(refused)?;
        let mut session = Session::new(id, request, names, filters, settings.snap);
        let interfaces = session.meet(present).into_iter().map(|one| described(&session, one));
        let interfaces = interfaces.collect();
        self.used[free] = true;
        self.sessions[free] = Some(session);
        Ok((id, interfaces))
    }

    fn arm_or_leave(
        &mut self,
        probe: &mut Probe,
        present: &[Capturable<'_>],
        id: u64,
    ) -> Result<(), Refusal> {
        let Err(error) = self.arm(probe, present) else { return Ok(()) };
        self.sessions[slot(id)] = None;
        // Some of the hooks may have it already.
        self.arm_or_disarm(probe, present);
        probe.settle();
        self.sampler.lock().abandon(id);
        Err(error)
    }

    /// Ends a session: disarmed, its last packets read, its statistics written.
    fn close(&mut self, probe: &mut Probe, watch: &Watch, id: u64) {
        let held = self.sessions[slot(id)].take_if(|session| session.id == id);
        let Some(mut session) = held else { return };
        let present: Vec<_> = watch.capturable().collect();
        self.arm_or_disarm(probe, &present);
        session.end(probe);
        probe.settle();
        let mut sampler = self.sampler.lock();
        sampler.drain();
        let tallies = session.tallies(probe);
        let end = Some(Wall::now().unix_nanoseconds_now());
        let unread = |number| sampler.unread_of(id, number);
        let statistics = statistics(&tallies, session.since, end, unread);
        sampler.finish(id, &statistics);
        tracing::info!(session = id, "capture ends");
    }

    /// Ends every session.
    pub(super) fn end(&mut self, probe: &mut Probe, watch: &Watch) {
        let ids: Vec<_> = self.sessions.iter().flatten().map(|session| session.id).collect();
        for id in ids {
            self.close(probe, watch, id);
        }
    }

    /// Interfaces have come or gone.
    pub(super) fn follow(&mut self, probe: &mut Probe, watch: &Watch) {
        let present: Vec<_> = watch.capturable().collect();
        let left = |session: &&Session| {
            let named = !session.names.is_empty() && session.names.iter().all(Pattern::is_name);
            named && session.wants(&present).next().is_none()
        };
        let vanished: Vec<_> =
            self.sessions.iter().flatten().filter(left).map(|session| session.id).collect();
        for session in self.sessions.iter_mut().flatten() {
            session.leave(probe, &present);
        }
        for id in vanished {
            tracing::info!(session = id, "its interfaces are gone");
            self.close(probe, watch, id);
        }
        for session in self.sessions.iter_mut().flatten() {
            let new = session.meet(&present);
            let mut sampler = self.sampler.lock();
            let Some(stream) = sampler.stream(session.id) else { continue };
            for one in new {
                let (index, interface) = described(session, one);
                stream.add(index, interface);
            }
        }
        if self.sessions.iter().any(Option::is_some) {
            self.arm_or_disarm(probe, &present);
        }
    }

    /// Tells every reader how things stand.
    pub(super) fn tick(&mut self, probe: &mut Probe, watch: &Watch) {
        if self.stale {
            let present: Vec<_> = watch.capturable().collect();
            self.arm_or_disarm(probe, &present);
        }
        let time = Wall::now().unix_nanoseconds_now();
        for session in self.sessions.iter().flatten() {
            let tallies = session.tallies(probe);
            let mut sampler = self.sampler.lock();
            let unread = |number| sampler.unread_of(session.id, number);
            let statistics = statistics(&tallies, session.since, None, unread);
            if let Some(stream) = sampler.stream(session.id) {
                stream.statistics(time, &statistics);
            }
        }
    }

    /// Arms what the sessions want; where that fails, nothing at all, so that nobody gets packets of another's filter. It is tried again at the
    /// next tick.
    fn arm_or_disarm(&mut self, probe: &mut Probe, present: &[Capturable<'_>]) {
        let armed = self.arm(probe, present);
        self.stale = armed.is_err();
        let Err(error) = armed else { return };
        tracing::error!(%error, "captures pause");
        for place in Place::ALL {
            if let Err(error) = probe.arm(place, None) {
                tracing::error!(%error, "a filter stays armed");
            }
        }
    }

    /// Puts a filter of all sessions at each hook. All are made before the first is put there, so that a session begins at all of them as
    /// nearly at once as may be.
    fn arm(&mut self, probe: &mut Probe, present: &[Capturable<'_>]) -> Result<(), Refusal> {
        let mut filters = Vec::new();
        for place in Place::ALL {
            filters.push((place, self.filter(probe, place, present)?));
        }
        for session in self.sessions.iter_mut().flatten() {
            session.begin(probe).map_err(refused)?;
        }
        for (place, filter) in filters {
            probe.arm(place, filter).map_err(refused)?;
        }
        Ok(())
    }

    /// The filter of all sessions for one hook; `None` when no session wants anything there.
    fn filter(
        &self,
        probe: &mut Probe,
        place: Place,
        present: &[Capturable<'_>],
    ) -> Result<Option<Filter>, Refusal> {
        let here: Vec<_> =
            present.iter().filter(|one| one.hooks.contains(&Some(place))).copied().collect();
        let groups = self.sessions.iter().enumerate().filter_map(|(slot, session)| {
            Some((slot as u32, session.as_ref()?.groups(place, &here)?))
        });
        let groups: Vec<_> = groups.collect();
        if groups.is_empty() {
            return Ok(None);
        }
        let arms = groups
            .iter()
            .map(|(slot, groups)| (*slot, groups.iter().map(Group::arm).collect::<Vec<_>>()));
        let arms: Vec<_> = arms.collect();
        let sessions: Vec<_> =
            arms.iter().map(|(bit, arms)| filter::Session { bit: *bit, arms }).collect();
        let kernel = probe.handover(place);
        let ending = Ending::Deliver {
            map: kernel.map,
            offset: kernel.offset,
            programs: kernel.programs,
            index: kernel.index,
        };
        let hook = if place == Place::Xdp { Hook::Xdp } else { Hook::Tc };
        let program = filter::translate(hook, &sessions, ending)
            .map_err(|error| Refusal::Filter { why: error.to_string() })?;
        let bytes: Vec<u8> = program.into_iter().flat_map(|one| one.to_bytes()).collect();
        probe.filter(place, &bytes).map(Some).map_err(refused)
    }

    fn list(&self, probe: &Probe) -> Vec<Held> {
        let sessions = self.sessions.iter().flatten();
        let held = sessions.map(|session| {
            let mut tally = Tally::default();
            for (_, one) in session.tallies(probe) {
                tally.add(&one);
            }
            let mut sampler = self.sampler.lock();
            let unread = sampler.stream(session.id).map_or(0, |stream| stream.unread());
            tally.unread = unread.min(tally.delivered);
            Held {
                id: session.id,
                slot: slot(session.id) as u32,
                since: session.since as f64 / 1e9,
                request: session.request.clone(),
                snap: session.snap,
                sampler: self.recording == Some(session.id),
                tally,
            }
        });
        held.collect()
    }

    /// A copy of what the flight recorder holds; whoever asked makes a file of it.
    pub(super) fn dump(&self, watch: &Watch) -> Option<Dump> {
        let mut sampler = self.sampler.lock();
        sampler.drain();
        let recorder = sampler.recorder()?.clone();
        drop(sampler);
        let epoch = Wall::now().epoch();
        Some(Dump { recorder, epoch, interfaces: watch.described(), snap: self.terms.snap })
    }

    /// The flight recorder, to be read along.
    pub(super) fn tape(&self) -> Shared {
        self.sampler.clone()
    }

    /// How files describe interfaces.
    pub(super) fn labels(&self, watch: &Watch) -> Labels {
        Labels { interfaces: watch.described(), snap: self.terms.snap }
    }

    /// Totals for the faces.
    pub(super) fn report(&self, probe: &Probe, watch: &Watch) -> report::Captures {
        let slots = (0..SESSIONS).filter(|&slot| self.used[slot]).map(|slot| {
            let mut tally = Tally::default();
            for (_, watched) in watch.places() {
                for one in probe.tallies(slot as u32, watched.place).unwrap_or_default() {
                    tally.add(&Tally::of(&one));
                }
            }
            tally.unread = self.sampler.lock().unread(slot).min(tally.delivered);
            report::CaptureSlot { slot, armed: self.sessions[slot].is_some(), tally }
        });
        let slots = slots.collect();
        let sampler = self.sampler.lock();
        let recorder = sampler.recorder().map(|recorder| report::Recorder {
            packets: recorder.packets(),
            forgotten: recorder.forgotten(),
            bytes: recorder.used(),
            capacity: recorder.most(),
            oldest: recorder.oldest().map(|time| sampler.wall().unix_seconds(time)),
        });
        report::Captures { slots, opened: self.opened, strays: sampler.strays(), recorder }
    }
}

/// An interface as a session's stream has it.
fn described(session: &Session, one: &Capturable<'_>) -> (u32, crate::capfile::Interface) {
    (one.index, capture::describe(one.name, one.link, session.snap, &session.request))
}

/// The interfaces that are named.
fn names(request: &Request) -> Result<Vec<Pattern>, Refusal> {
    let names = request
        .names()
        .map(|name| name.parse().map_err(|why| Refusal::Name { name: name.to_owned(), why }));
    names.collect()
}

/// Whether a request can ever get a packet from what it names.
fn check(
    request: &Request,
    names: &[Pattern],
    filters: &Filters,
    present: &[Capturable<'_>],
) -> Result<(), Refusal> {
    for name in names.iter().filter(|name| name.is_name()) {
        let Some(one) = present.iter().find(|one| one.name == name.as_str()) else {
            let watched = present.iter().map(|one| one.name.to_owned()).collect();
            return Err(Refusal::NoInterface { name: name.as_str().to_owned(), watched });
        };
        let interface = one.name.to_owned();
        filters
            .of(one.link)
            .map_err(|why| Refusal::Link { interface: interface.clone(), why: why.to_owned() })?;
        if !one.hooks.iter().flatten().any(|&place| wants_way(request, place)) {
            return Err(Refusal::Direction { interface });
        }
    }
    let named: Vec<_> = present.iter().filter(|one| names_it(names, one.name)).collect();
    match (named.first(), named.iter().all(|one| filters.of(one.link).is_err())) {
        (Some(first), true) => Err(Refusal::Link {
            interface: first.name.to_owned(),
            why: filters.of(first.link).err().unwrap_or_default().to_owned(),
        }),
        _ => Ok(()),
    }
}

fn refused(error: Error) -> Refusal {
    Refusal::Kernel { why: error.to_string() }
}
