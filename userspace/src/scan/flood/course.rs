//! One kind of packets of one direction over time: what is usual, when it becomes a flood, and when that ends.

use hashbrown::DefaultHashBuilder;
use wireledger_common::abi::flow::FlowKey;

use super::{
    News, Stage,
    judge::{Case, Finding, Place},
    lasting::{Lasting, Over},
    measure::Measure,
    usual::Usual,
    verdict::Flood,
    who::Who,
    window::{Span, Window},
};

/// Who takes part is asked once there were so many parts of a floor in a second, so that it costs nothing before.
const GATE: f64 = 8.0;

/// One kind of packets.
#[derive(Default)]
pub(super) struct Course {
    usual: Usual,
    /// Of SYNs, the handshakes that complete.
    served: Usual,
    /// Packets noted this second.
    noted: u64,
    who: Option<Box<Who>>,
    state: State,
}

#[derive(Default)]
enum State {
    #[default]
    Quiet,
    /// The latest second was above the level.
    Suspect {
        window: Window,
        span: Span,
        rate: f64,
    },
    Flood(Box<Lasting>),
}

impl Course {
    /// Notes what a flow had, once there was a part of the floor in this second.
    pub(super) fn note(
        &mut self,
        hasher: &DefaultHashBuilder,
        floor: f64,
        key: &FlowKey,
        packets: u64,
        news: &News,
        link: u32,
    ) {
        self.noted = self.noted.saturating_add(packets);
        if self.noted as f64 > floor / GATE {
            let who = self.who.get_or_insert_default();
            who.add(hasher, key, packets, news, link);
        }
    }

    /// Whether who takes part is noted.
    pub(super) const fn is_noting(&self) -> bool {
        self.who.is_some()
    }

    /// Whether packets to this endpoint were noted.
    pub(super) fn is_target(&self, hasher: &DefaultHashBuilder, endpoint: &FlowKey) -> bool {
        self.who.as_ref().is_some_and(|who| who.is_target(hasher, endpoint))
    }

    /// Whether nothing of it is suspected or under way.
    pub(super) const fn is_quiet(&self) -> bool {
        matches!(self.state, State::Quiet)
    }

    /// The flood that is under way.
    pub(super) fn flood(&self) -> Option<&Flood> {
        match &self.state {
            State::Flood(lasting) => Some(&lasting.flood),
            State::Quiet | State::Suspect { .. } => None,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.who.as_ref().map_or(0, |_| Who::BYTES)
    }

    /// What was noted until now belongs to no second; what is under way goes on.
    pub(super) fn begin(&mut self) {
        if self.is_quiet() {
            self.forget();
        }
        self.noted = 0;
    }

    /// Old packets of a flood count half from now on.
    pub(super) fn halve(&mut self) {
        if let State::Flood(lasting) = &mut self.state {
            lasting.window.halve();
            if let Some(who) = &mut self.who {
                who.halve();
            }
        }
    }

    /// Closes a second. What is heard of as [`Stage::Ended`] is returned too.
    pub(super) fn second(
        &mut self,
        place: &Place<'_>,
        span: Span,
        measure: Measure,
        numbers: &mut u64,
        hear: &mut dyn FnMut(&Flood, Stage),
    ) -> Option<Flood> {
        let window = Window::of(measure, span);
        let rate = measure.of(place.kind) as f64 / window.seconds;
        let mut ended = None;
        match std::mem::take(&mut self.state) {
            State::Quiet if rate >= self.level(place) => {
                self.state = State::Suspect { window, span, rate };
            }
            State::Quiet => {
                self.usual.learn(rate);
                if let Some(told) = measure.rates.handshakes {
                    self.served.learn(told.of_all(told.completed) as f64 / window.seconds);
                }
            }
            State::Suspect { window: mut both, span: first, rate: suspect } => {
                both.add(window);
                let pair = Pair { window: both, spans: [first, span], rates: [suspect, rate] };
                self.decide(place, &pair, numbers, hear);
            }
            State::Flood(lasting) => {
                ended = self.go_on(lasting, place, span, window, rate, hear);
            }
        }
        self.forget();
        ended
    }

    fn level(&self, place: &Place<'_>) -> f64 {
        self.usual.level(place.floor, place.factor, place.floor * place.kind.most())
    }

    /// Whether a suspected second and the one behind it are a flood.
    fn decide(
        &mut self,
        place: &Place<'_>,
        pair: &Pair,
        numbers: &mut u64,
        hear: &mut dyn FnMut(&Flood, Stage),
    ) {
        match self.judge(place, &pair.window, pair.peak()) {
            Some(finding) => {
                *numbers += 1;
                let lasting = self.begin_flood(place, *numbers, finding, pair);
                hear(&lasting.flood, Stage::Begun);
                self.state = State::Flood(Box::new(lasting));
            }
            None => {
                // What is no flood by its shape may hide one: it raises the level no faster than what is below it. What is there from
                // the first is usual, unless it never is.
                let most = if self.usual.is_known() || place.kind.most().is_finite() {
                    self.level(place)
                } else {
                    f64::INFINITY
                };
                pair.rates.into_iter().for_each(|rate| self.usual.learn(rate.min(most)));
            }
        }
    }

    /// The end of everything: what is under way has ended.
    pub(super) fn finish(&mut self, hear: &mut dyn FnMut(&Flood, Stage)) -> Option<Flood> {
        let State::Flood(lasting) = std::mem::take(&mut self.state) else { return None };
        self.who = None;
        hear(&lasting.flood, Stage::Ended);
        Some(lasting.flood)
    }

    fn judge(&self, place: &Place<'_>, window: &Window, rate: f64) -> Option<Finding> {
        let case = Case {
            window,
            rate,
            place,
            usual: &self.usual,
            served: &self.served,
            who: self.who.as_deref()?,
        };
        case.judge()
    }

    fn begin_flood(
        &self,
        place: &Place<'_>,
        number: u64,
        finding: Finding,
        pair: &Pair,
    ) -> Lasting {
        let (level, peak) = (self.level(place), pair.peak());
        let ([_, rate], [first, second]) = (pair.rates, pair.spans);
        let who = self.who.as_deref();
        let flood = Flood {
            number,
            kind: place.kind,
            interface: place.interface,
            egress: place.egress,
            targets: who.map(|who| who.targets(finding.ports)).unwrap_or_default(),
            sources: who.map(Who::sources).unwrap_or_default(),
            rate,
            usual: self.usual.rate(),
            peak,
            packets: pair.window.measure.of(place.kind),
            first_seen: first.from,
            last_seen: if rate >= level / 2.0 { second.to } else { first.to },
            confidence: finding.confidence,
            reasons: finding.reasons,
        };
        Lasting::new(flood, level, pair.window)
    }

    /// Another second of a flood: it is judged anew by what it had of late.
    fn go_on(
        &mut self,
        mut lasting: Box<Lasting>,
        place: &Place<'_>,
        span: Span,
        window: Window,
        rate: f64,
        hear: &mut dyn FnMut(&Flood, Stage),
    ) -> Option<Flood> {
        lasting.flood.rate = rate;
        if rate >= lasting.level / 2.0 {
            lasting.window.add(window);
            let peak = lasting.flood.peak.max(rate);
            let finding = self.judge(place, &lasting.window, peak);
            lasting.go_on(span, rate, window.measure.of(place.kind), finding);
        }
        if let Some(who) = &self.who
            && self.noted > 0
        {
            lasting.concerns(who);
        }
        match lasting.over(span.to) {
            Some(over) => {
                if over == Over::Long {
                    self.usual.accept(rate);
                    lasting.say_long(rate < self.level(place));
                }
                hear(&lasting.flood, Stage::Ended);
                Some(lasting.flood)
            }
            None => {
                lasting.tell(hear);
                self.state = State::Flood(lasting);
                None
            }
        }
    }

    /// What was noted is for this second alone, unless it is needed.
    fn forget(&mut self) {
        let gone = std::mem::take(&mut self.noted);
        match (&self.state, &mut self.who) {
            (State::Quiet, who) if gone == 0 => *who = None,
            (State::Quiet, Some(who)) => who.clear(),
            _ => {}
        }
    }
}

/// A second that was above the level, and the one behind it.
struct Pair {
    window: Window,
    spans: [Span; 2],
    rates: [f64; 2],
}

impl Pair {
    fn peak(&self) -> f64 {
        let [before, behind] = self.rates;
        before.max(behind)
    }
}
