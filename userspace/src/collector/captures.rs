//! Capture sessions in the running probe: who holds which slot, what is armed, what became of the packets.
//!
//! Any change arms one filter anew at each hook that it concerns, with every session in it. Guarantees: a slot is given away only when no
//! packet is under way for its last session; a session ends with every sample that was delivered and with its statistics.

use std::collections::BTreeMap;

use wireledger_common::abi::sample::SESSIONS;

use super::{
    sampler::{Shared, slot},
    session::{Group, Session},
    watch::{Capturable, Watch},
};
use crate::{
    capfile::Writer,
    capture::{self, Desk, Filters, Held, Opened, Order, Refusal, Request, Stream, Tally, Terms},
    filter::{self, Ending, Hook},
    kernel::{Error, Filter, Place, Probe, Wall},
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
    opened: u64,
}

impl Captures {
    pub(super) fn new(desk: Desk, terms: Terms, sampler: Shared) -> Self {
        Self { desk, terms, sampler, sessions: [const { None }; SESSIONS], opened: 0 }
    }

    /// Starts the always-on sampler.
    pub(super) fn begin(
        &mut self,
        probe: &mut Probe,
        watch: &Watch,
        every: u32,
    ) -> anyhow::Result<()> {
        let request = Request { every, holder: SAMPLER.to_owned(), ..Request::default() };
        let filters = Box::new(Filters::compile("")?);
        let (id, _) = self.enter(probe, request, filters)?;
        self.sampler.record(id);
        self.arm_or_leave(probe, watch, id)?;
        Ok(())
    }

    /// Carries out an order.
    pub(super) fn order(&mut self, probe: &mut Probe, watch: &Watch, order: Order) {
        // Whoever asked may have gone; an opened session then ends by its hold.
        match order {
            Order::Open { request, filters, answer } => {
                let _ = answer.send(self.open(probe, watch, request, filters));
            }
            Order::Close { id } => self.close(probe, watch, id),
            Order::List { answer } => {
                let _ = answer.send(self.list(probe, watch));
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
        let wanted = check(&request, &filters, watch)?;
        let describe = |one: &Capturable<'_>, snap| {
            let name = one.name;
            (one.index, capture::describe(name, one.link, snap, &request.filter))
        };
        let snap = request.session(0, self.terms)?.snap;
        let interfaces = wanted.iter().map(|one| describe(one, snap)).collect();
        let (stream, reader) =
            Stream::open(interfaces).map_err(|error| Refusal::Kernel { why: error.to_string() })?;
        let most = request.count.unwrap_or(u64::MAX);
        tracing::info!(filter = request.filter, holder = request.holder, "capture begins");
        let (id, snap) = self.enter(probe, request, filters)?;
        self.sampler.open(id, stream, most);
        self.arm_or_leave(probe, watch, id)?;
        Ok(Opened { id, snap, stream: reader, hold: self.desk.hold(id) })
    }

    /// Takes a slot, not armed yet.
    fn enter(
        &mut self,
        probe: &mut Probe,
        request: Request,
        filters: Box<Filters>,
    ) -> Result<(u64, u32), Refusal> {
        let Some(free) = self.sessions.iter().position(Option::is_none) else {
            let holders = self.sessions.iter().flatten().map(Session::name).collect();
            return Err(Refusal::Full { holders });
        };
        self.opened += 1;
        let id = self.opened * SESSIONS as u64 + free as u64;
        let session = request.session(id, self.terms)?;
        probe.set_session(free as u32, &session).map_err(refused)?;
        let since = Wall::now().unix_nanoseconds_now();
        let before = BTreeMap::new();
        let snap = session.snap;
        self.sessions[free] = Some(Session { id, request, filters, snap, since, before });
        Ok((id, snap))
    }

    fn arm_or_leave(&mut self, probe: &mut Probe, watch: &Watch, id: u64) -> Result<(), Refusal> {
        let Err(error) = self.arm(probe, watch) else { return Ok(()) };
        self.sessions[slot(id)] = None;
        self.sampler.lock().abandon(id);
        // Some of the hooks may have it already.
        self.arm_or_log(probe, watch);
        Err(error)
    }

    /// Ends a session: disarmed, its last packets read, its statistics written.
    fn close(&mut self, probe: &mut Probe, watch: &Watch, id: u64) {
        let held = self.sessions[slot(id)].take_if(|session| session.id == id);
        let Some(session) = held else { return };
        self.arm_or_log(probe, watch);
        probe.settle();
        let mut sampler = self.sampler.lock();
        sampler.drain();
        let Some(stream) = sampler.stream(id) else { return };
        let statistics = session.statistics(probe, watch, |index| stream.unread_of(index), true);
        sampler.finish(id, &statistics);
        tracing::info!(filter = session.request.filter, "capture ends");
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
            let mut names = session.request.names().peekable();
            names.peek().is_some() && !names.any(|name| present.iter().any(|one| one.name == name))
        };
        let vanished: Vec<_> =
            self.sessions.iter().flatten().filter(left).map(|session| session.id).collect();
        for id in vanished {
            tracing::info!(session = id, "its interfaces are gone");
            self.close(probe, watch, id);
        }
        if self.sessions.iter().any(Option::is_some) {
            for session in self.sessions.iter().flatten() {
                let mut sampler = self.sampler.lock();
                let Some(stream) = sampler.stream(session.id) else { continue };
                for one in session.wants(&present) {
                    let filter = &session.request.filter;
                    stream.add(
                        one.index,
                        capture::describe(one.name, one.link, session.snap, filter),
                    );
                }
            }
            self.arm_or_log(probe, watch);
        }
    }

    /// Tells every reader how things stand.
    pub(super) fn tick(&mut self, probe: &Probe, watch: &Watch) {
        for session in self.sessions.iter().flatten() {
            let mut sampler = self.sampler.lock();
            let time = sampler.wall().unix_nanoseconds_now();
            let Some(stream) = sampler.stream(session.id) else { continue };
            let statistics =
                session.statistics(probe, watch, |index| stream.unread_of(index), false);
            stream.statistics(time, &statistics);
        }
    }

    fn arm_or_log(&mut self, probe: &mut Probe, watch: &Watch) {
        if let Err(error) = self.arm(probe, watch) {
            tracing::error!(%error, "captures stay as they were");
        }
    }

    /// Puts a filter of all sessions at each hook. All are made before the first is put there, so that a session begins at all of them as
    /// nearly at once as may be.
    fn arm(&mut self, probe: &mut Probe, watch: &Watch) -> Result<(), Refusal> {
        let present: Vec<_> = watch.capturable().collect();
        for session in self.sessions.iter_mut().flatten() {
            session.remember(probe, &present).map_err(refused)?;
        }
        let mut filters = Vec::new();
        for place in Place::ALL {
            filters.push((place, self.filter(probe, place, &present)?));
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
            .map_err(|error| Refusal::Kernel { why: error.to_string() })?;
        let bytes: Vec<u8> = program.into_iter().flat_map(|one| one.to_bytes()).collect();
        probe.filter(place, &bytes).map(Some).map_err(refused)
    }

    fn list(&self, probe: &Probe, watch: &Watch) -> Vec<Held> {
        let sessions = self.sessions.iter().flatten();
        sessions
            .map(|session| Held {
                id: session.id,
                slot: slot(session.id) as u32,
                since: session.since as f64 / 1e9,
                request: session.request.clone(),
                snap: session.snap,
                tally: self.tally(session, probe, watch),
            })
            .collect()
    }

    fn tally(&self, session: &Session, probe: &Probe, watch: &Watch) -> Tally {
        let mut sum = Tally::default();
        for (_, tally) in session.tallies(probe, watch) {
            sum.add(&tally);
        }
        sum.unread = self.sampler.lock().stream(session.id).map_or(0, |stream| stream.unread());
        sum
    }

    /// The flight recorder's packets as a pcapng file.
    fn dump(&self, watch: &Watch) -> Option<Vec<u8>> {
        let sampler = self.sampler.lock();
        let (recorder, wall) = (sampler.recorder()?, sampler.wall());
        let mut writer = Writer::new(Vec::new(), capture::APPLICATION).ok()?;
        let terms = self.terms.snap;
        recorder.each(|sample, bytes| {
            let time = wall.unix_nanoseconds(sample.time);
            let (name, link) = watch.described(sample.interface);
            let interface = capture::describe(&name, link, terms, "");
            // Into memory, which does not fail.
            let _ =
                writer.packet(&interface, sample.interface, &capture::record(sample, bytes, time));
        });
        writer.finish().ok()
    }

    /// Totals for the faces.
    pub(super) fn report(&self, probe: &Probe, watch: &Watch) -> report::Captures {
        let sampler = self.sampler.lock();
        let slots = (0..SESSIONS).map(|slot| {
            let mut sum = Tally::default();
            for (_, watched) in watch.places() {
                for tally in probe.tallies(slot as u32, watched.place).unwrap_or_default() {
                    sum.add(&Tally::of(&tally));
                }
            }
            sum.unread = sampler.unread(slot);
            report::CaptureSlot { slot, armed: self.sessions[slot].is_some(), tally: sum }
        });
        let recorder = sampler.recorder().map(|recorder| report::Recorder {
            packets: recorder.packets(),
            forgotten: recorder.forgotten(),
            bytes: recorder.used(),
            capacity: recorder.most(),
            oldest: recorder.oldest().map(|time| sampler.wall().unix_seconds(time)),
        });
        report::Captures {
            slots: slots.filter(|slot| slot.armed || slot.tally != Tally::default()).collect(),
            opened: self.opened,
            strays: sampler.strays(),
            recorder,
        }
    }
}

/// The interfaces a request would capture from now.
fn check<'w>(
    request: &Request,
    filters: &Filters,
    watch: &'w Watch,
) -> Result<Vec<Capturable<'w>>, Refusal> {
    let present: Vec<_> = watch.capturable().collect();
    let mut wanted = Vec::new();
    for name in request.names() {
        let Some(one) = present.iter().find(|one| one.name == name) else {
            let watched = present.iter().map(|one| one.name.to_owned()).collect();
            return Err(Refusal::NoInterface { name: name.to_owned(), watched });
        };
        filters
            .of(one.link)
            .map_err(|why| Refusal::Link { interface: name.to_owned(), why: why.to_owned() })?;
        wanted.push(*one);
    }
    if wanted.is_empty() {
        wanted = present.into_iter().filter(|one| filters.of(one.link).is_ok()).collect();
    }
    Ok(wanted)
}

fn refused(error: Error) -> Refusal {
    Refusal::Kernel { why: error.to_string() }
}
