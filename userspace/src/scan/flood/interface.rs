//! An interface: what its two directions have had, and whether answers can be seen.

use hashbrown::DefaultHashBuilder;
use wireledger_common::abi::flow::FlowKey;

use super::{
    Kind, Rates,
    course::Course,
    measure::{Credit, Measure, Spared, Tally, Unasked},
    sight::{Evidence, Sight},
    who::{Counts, REFUSAL},
};

/// An interface that is looked at.
#[derive(Default)]
pub(super) struct Interface {
    pub(super) index: u32,
    /// Bytes in front of the network layer.
    pub(super) link: u32,
    /// Ingress, egress.
    pub(super) ways: [Way; 2],
    /// When its latest second ended.
    pub(super) closed: Option<u64>,
    /// When old packets of its floods began to count half.
    pub(super) halved: u64,
    learned: Evidence,
    /// Of the latest second, and of those before it in which something may have been a flood.
    latest: Evidence,
}

/// One direction of an interface.
#[derive(Default)]
pub(super) struct Way {
    pub(super) courses: [Course; Kind::COUNT],
    pub(super) tally: Tally,
    /// What allowed sources had.
    pub(super) spared: Spared,
    /// UDP by the endpoint and by the host that it comes from.
    pub(super) answers: Counts,
    /// ICMP errors by the host that they come from, each with the weight [`REFUSAL`].
    pub(super) refusals: Counts,
    /// What went the other way and may still be answered.
    credit: Credit,
}

/// A direction's tallies of a second.
#[derive(Clone, Copy)]
struct Told {
    /// Of all sources that are not allowed.
    judged: Tally,
    /// Of all sources.
    all: Tally,
}

impl Way {
    /// Notes ICMP errors by the host that they come from.
    pub(super) fn refuse(&mut self, hasher: &DefaultHashBuilder, host: &FlowKey, errors: u64) {
        self.refusals.add(hasher, host, errors.saturating_mul(REFUSAL));
    }
}

impl Interface {
    pub(super) fn new(index: u32) -> Self {
        /// Ethernet's, until somebody says what it is.
        const LINK: u32 = 14;
        Self { index, link: LINK, ..Self::default() }
    }

    /// Whether answers can be seen, by what was learned and, before it is enough, by handshakes of late: a flood may be all that comes.
    pub(super) fn sight(&self) -> Sight {
        match self.learned.sight() {
            Sight::Unknown => (self.learned + self.latest.of_handshakes()).sight(),
            known => known,
        }
    }

    /// What both directions had in the second that ends; tallies begin anew.
    pub(super) fn close(&mut self, rates: &[Rates; 2], directed: bool) -> [Measure; 2] {
        let spared = [0, 1].map(|way: usize| std::mem::take(&mut self.ways[way].spared));
        let told = [0, 1].map(|way: usize| {
            let (judged, spared) = (std::mem::take(&mut self.ways[way].tally), spared[way].tally);
            let (icmp, known) = (rates[way].icmp, judged.icmp() + spared.icmp());
            let judged = judged.scaled(icmp, known);
            Told { judged, all: judged + spared.scaled(icmp, known) }
        });
        let went_on = told.iter().map(|told| told.all.went_on).sum();
        self.latest.learn(Evidence::of(rates, went_on, directed));
        let is_blind = self.sight() == Sight::Blind;
        [0, 1].map(|way| {
            let judged = spared[way].without(rates[way]);
            let judged = Rates {
                udp: judged.udp.saturating_sub(told[way].judged.udp_answers),
                handshakes: judged.handshakes.filter(|_| !is_blind),
                ..judged
            };
            let other = usize::from(directed) ^ way;
            let (mut sent, mut asked) = (rates[other], told[other].all);
            if is_blind && other != way {
                // Of a mirror port both directions come the same way.
                (sent, asked) = (sent.zip(rates[way], u64::saturating_add), asked + told[way].all);
            }
            let came = &told[way].judged;
            Measure {
                rates: judged,
                requests: came.requests,
                answered: asked.replies,
                unasked: Unasked::of(came, &asked, &sent, &mut self.ways[way].credit),
            }
        })
    }

    /// After a second was judged: learns whether answers are seen, unless something may have been a flood, and forgets what is needed no
    /// more.
    pub(super) fn settle(&mut self) {
        let is_quiet = |way: &Way| way.courses.iter().all(Course::is_quiet);
        if self.ways.iter().all(is_quiet) {
            self.learned.learn(std::mem::take(&mut self.latest));
        }
        // UDP's answers, unless something is judged by them.
        let is_judged = |way: &Way| !way.courses[Kind::UdpFlood as usize].is_quiet();
        if !self.ways.iter().any(is_judged) {
            for way in &mut self.ways {
                way.answers.clear();
                // Most refusals come at the beginning, when there may not yet be enough to be suspected.
                way.refusals.fade();
            }
        }
    }

    /// Old packets of floods count half from now on.
    pub(super) fn halve(&mut self, now: u64) {
        self.halved = now;
        for way in &mut self.ways {
            way.courses.iter_mut().for_each(Course::halve);
            way.answers.halve();
            way.refusals.halve();
        }
    }

    /// It is watched from now on: what was noted before is in no counter that will be told.
    pub(super) fn begin(&mut self, now: u64) {
        self.closed = Some(now);
        for way in &mut self.ways {
            (way.tally, way.spared) = Default::default();
            way.courses.iter_mut().for_each(Course::begin);
            way.answers.clear();
            way.refusals.clear();
        }
    }
}
