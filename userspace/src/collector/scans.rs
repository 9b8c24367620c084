//! Scans and floods: what flows were for, told to the log, the API and metrics, with evidence out of the flight recorder.

use std::collections::BTreeMap;

use anyhow::Context;
use wireledger_common::abi::{flow::FlowKey, link::Link, totals::Totals};

use super::{
    captures::Captures,
    sampler::Shared,
    tellings::{Known, Tellings},
    told::{Id, Told},
    watch::Watch,
    witness::Witness,
};
use crate::{
    capture::Evidence,
    flows::{Ledger, News, Settled},
    kernel::{self, Probe, Wall},
    plan::{Plan, Scans as Wanted},
    report::{ScanLine, ScanTally},
    scan::{
        Attempt, Detector, Settings, Stage, Unseen, begins,
        flood::{self, Flood, Rates},
        link_header, reverse,
    },
};

/// Where each interface's counters stand, by index, its link, and what they are: ingress, egress.
pub(super) type Counted = BTreeMap<u32, (u32, Link, [Totals; 2])>;

/// Both detectors, and what they are fed with besides flows.
pub(super) struct Scans {
    scans: Detector,
    floods: flood::Detector,
    witness: Option<Witness>,
    /// Answers can be seen.
    both_ways: bool,
    /// What was counted at each interface at the last tick.
    before: Counted,
    unseen: Unseen,
    tellings: Tellings,
}

/// Opens the folder of evidence, where the plan wants one.
pub(super) fn evidence(plan: &Plan) -> anyhow::Result<Option<Evidence<Id>>> {
    let Some(wanted) = &plan.scans.evidence else { return Ok(None) };
    let files = usize::try_from(wanted.files).unwrap_or(usize::MAX);
    let evidence = Evidence::new(&wanted.folder, files, wanted.size.0);
    evidence.context("opening the folder of evidence (--evidence-dir)").map(Some)
}

impl Scans {
    /// As the plan wants it; nothing where it wants none.
    pub(super) fn new(
        plan: &Plan,
        evidence: Option<Evidence<Id>>,
        recorder: Shared,
    ) -> anyhow::Result<Option<Self>> {
        let Wanted { sensitivity, allow, evidence: _ } = &plan.scans;
        let Some(sensitivity) = *sensitivity else { return Ok(None) };
        let settings = Settings { sensitivity, allow: allow.clone(), ..Settings::default() };
        let allow = allow.clone();
        let floods = flood::Settings { sensitivity, allow, ..flood::Settings::default() };
        let tellings = Tellings::new(settings.ended, floods.kept);
        let witness = evidence.map(|evidence| Witness::new(evidence, recorder));
        Ok(Some(Self {
            scans: Detector::new(settings)?,
            floods: flood::Detector::new(floods),
            witness: witness.transpose()?,
            both_ways: plan.directions.ingress() && plan.directions.egress(),
            before: BTreeMap::new(),
            unseen: Unseen::default(),
            tellings,
        }))
    }

    /// Notes what is new of a flow.
    pub(super) fn note(&mut self, key: &FlowKey, news: &News) {
        self.floods.note(key, news);
    }

    /// Looks at flows that have settled, and at what was counted since the last tick. Times are nanoseconds of CLOCK_MONOTONIC.
    pub(super) fn tick(
        &mut self,
        ledger: &mut Ledger,
        probe: &Probe,
        watch: &Watch,
        captures: &Captures,
        now: u64,
    ) -> anyhow::Result<()> {
        let counted = self.settle(ledger, probe, watch, now)?;
        let mut told = Vec::new();
        self.scans.tick(now, |verdict, stage| told.push(Told::scan(verdict, stage)));
        self.count(counted, now, &mut told);
        self.tell(told, watch, captures);
        Ok(())
    }

    /// Judges the flows that have settled. Returns what was counted of each interface until then.
    pub(super) fn settle(
        &mut self,
        ledger: &mut Ledger,
        probe: &Probe,
        watch: &Watch,
        now: u64,
    ) -> anyhow::Result<Counted> {
        let mut counted = Counted::new();
        for interface in watch.capturable() {
            let read = probe.totals(interface.place)?;
            let after = [false, true].map(|egress| kernel::sum(read.of(egress)));
            if let Some((place, _, before)) = self.before.get(&interface.index)
                && *place == interface.place
            {
                for egress in [false, true] {
                    let counted = [before, &after].map(|way| &way[usize::from(egress)]);
                    self.unseen.note(interface.index, egress, counted, now);
                }
            }
            counted.insert(interface.index, (interface.place, interface.link, after));
        }
        let links = watch.described();
        let (scans, floods, unseen) = (&mut self.scans, &self.floods, &self.unseen);
        let sees = |index| self.both_ways && floods.sees_answers(index);
        ledger.settle(
            now,
            |key| reverse(key, true),
            |&Settled { key, flow: asked, answer: answered, forgot }| {
                if begins(key, asked, answered) {
                    let link = links.get(&key.interface).map_or(Link::default(), |(_, link)| *link);
                    let hidden = answered.is_none() && (forgot || unseen.hides_answer(key, asked));
                    let both_ways = sees(key.interface) && !hidden;
                    let link_header = link_header(link);
                    scans.attempt(&Attempt { key, asked, answered, both_ways, link_header }, now);
                }
            },
        );
        Ok(counted)
    }

    /// Tells the log, and orders the evidence of all that is told at once.
    fn tell(&mut self, told: Vec<Told>, watch: &Watch, captures: &Captures) {
        let wall = Wall::now();
        let (mut incidents, mut not_shown) = (Vec::new(), Vec::new());
        for told in told {
            told.log(watch);
            let (known, forgotten) = self.tellings.tell(told.id, told.labels, told.stage, wall);
            incidents.push(told.incident(known.wall));
            not_shown.extend(forgotten);
        }
        if let Some(witness) = self.witness.as_mut().filter(|_| !incidents.is_empty()) {
            witness.order(incidents, captures.labels(watch));
            not_shown.into_iter().for_each(|id| witness.forget(id));
        }
    }

    /// The end of the run: what goes on is written as far as it went.
    pub(super) fn end(&mut self, watch: &Watch, captures: &Captures) {
        let Some(witness) = &mut self.witness else { return };
        let mut incidents = Vec::new();
        let mut cut_short = |told: Told| {
            if let Some(known) = self.tellings.of(told.id).filter(|known| known.goes_on()) {
                incidents.push(told.incident(known.wall));
            }
        };
        self.scans.verdicts().for_each(|it| cut_short(Told::scan(&it, Stage::Ended)));
        self.floods.floods().for_each(|it| cut_short(Told::flood(it, Stage::Ended)));
        witness.order(incidents, captures.labels(watch));
        witness.finish();
    }

    /// Closes a second of every interface.
    fn count(&mut self, counted: Counted, now: u64, told: &mut Vec<Told>) {
        let mut hear = |flood: &Flood, stage| told.push(Told::flood(flood, stage));
        for (index, (place, link, after)) in &counted {
            match self.before.get(index) {
                Some((known, _, before)) if known == place => {
                    let rates =
                        [0, 1].map(|way| Rates::between(&before[way], &after[way], self.both_ways));
                    self.floods.second(*index, now, rates, &mut hear);
                }
                // Another's counters, if any.
                _ => self.floods.begin(*index, *link, now),
            }
        }
        self.floods.retain(|index| counted.contains_key(&index), &mut hear);
        self.unseen.retain(|index| counted.contains_key(&index));
        self.before = counted;
    }

    /// What was found and is still told, oldest first.
    pub(super) fn lines(&self, watch: &Watch) -> Vec<ScanLine> {
        let name =
            |index: u32| watch.name_of(index).map_or_else(|| index.to_string(), str::to_owned);
        let scans = self.scans.verdicts().filter_map(|verdict| {
            let known = self.tellings.of(Id::Scan(verdict.id))?;
            let seen =
                [verdict.first_seen, verdict.last_seen].map(|at| known.wall.unix_seconds(at));
            let interface = name(verdict.interface);
            let line = ScanLine::of_scan(&verdict, known.goes_on(), interface, seen.into());
            Some(self.complete(line, Id::Scan(verdict.id), known))
        });
        let floods = self.floods.floods().filter_map(|flood| {
            let known = self.tellings.of(Id::Flood(flood.number))?;
            let seen = [flood.first_seen, flood.last_seen].map(|at| known.wall.unix_seconds(at));
            let line =
                ScanLine::of_flood(flood, known.goes_on(), name(flood.interface), seen.into());
            Some(self.complete(line, Id::Flood(flood.number), known))
        });
        let mut lines: Vec<_> = scans.chain(floods).collect();
        lines.sort_by(|a, b| a.first_seen.total_cmp(&b.first_seen));
        lines
    }

    fn complete(&self, line: ScanLine, id: Id, known: &Known) -> ScanLine {
        let file = self.witness.as_ref().map(|witness| witness.file(id)).unwrap_or_default();
        ScanLine {
            evidence: file.path.map(|path| path.display().to_string()),
            evidence_incomplete: file.incomplete,
            telling: Some(known.telling),
            ..line
        }
    }

    /// The detectors' own counters.
    pub(super) fn tally(&self, unsettled: u64) -> ScanTally {
        let scans = self.scans.counters();
        let floods = self.floods.counters();
        ScanTally {
            begun: self.tellings.begun(),
            under_way: self.tellings.under_way(),
            scans,
            floods,
            unsettled,
            evidence: self.witness.as_ref().map(Witness::tally),
        }
    }
}
