//! A flood under way: what it is called while it lasts, when it is told of again, and when it is over.

use super::{
    Confidence, SECOND, Stage,
    judge::Finding,
    verdict::Flood,
    who::Who,
    window::{Span, Window},
};

/// A flood has ended when its rate was below half of what made it one for so long, or when for so long it looked like none.
pub const QUIET: u64 = 30 * SECOND;
/// A flood that has lasted so long is told as ended.
pub const LONGEST: u64 = 3600 * SECOND;
/// Seconds of another confidence, one behind the other, until it is told.
const STEADY: u32 = 3;

/// A flood under way.
pub(super) struct Lasting {
    pub(super) flood: Flood,
    /// Rate from which on it is one.
    pub(super) level: f64,
    /// What it is judged by: all of it, but old seconds half.
    pub(super) window: Window,
    /// Peak, packets and confidence as last told.
    told: (f64, u64, Confidence),
    /// Another confidence, and for how many seconds.
    pending: Option<(Confidence, u32)>,
}

/// Why it is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Over {
    /// It has stopped.
    Quiet,
    /// It has gone on for [`LONGEST`].
    Long,
}

impl Lasting {
    pub(super) fn new(flood: Flood, level: f64, window: Window) -> Self {
        let told = (flood.peak, flood.packets, flood.confidence);
        Self { flood, level, window, told, pending: None }
    }

    /// A second with enough packets, and what was found in it and those before.
    pub(super) fn go_on(&mut self, span: Span, rate: f64, packets: u64, finding: Option<Finding>) {
        let flood = &mut self.flood;
        flood.packets = flood.packets.saturating_add(packets);
        flood.peak = flood.peak.max(rate);
        if finding.is_some() {
            flood.last_seen = span.to;
        }
        self.find(finding.unwrap_or_else(|| Finding {
            confidence: Confidence::Possible,
            reasons: vec!["what came of late is as ordinary traffic is".into()],
            ports: self.flood.targets.iter().any(|target| target.port.is_some()),
        }));
    }

    fn find(&mut self, finding: Finding) {
        let flood = &mut self.flood;
        if finding.confidence == flood.confidence {
            self.pending = None;
            flood.reasons = finding.reasons;
            return;
        }
        let seconds = match self.pending {
            Some((confidence, seconds)) if confidence == finding.confidence => seconds + 1,
            _ => 1,
        };
        self.pending = Some((finding.confidence, seconds));
        if seconds >= STEADY {
            self.pending = None;
            flood.confidence = finding.confidence;
            flood.reasons = finding.reasons;
        }
    }

    /// Whom it concerns by now.
    pub(super) fn concerns(&mut self, who: &Who) {
        let flood = &mut self.flood;
        let targets = who.targets(flood.targets.iter().any(|target| target.port.is_some()));
        if !targets.is_empty() {
            flood.targets = targets;
        }
        flood.sources = who.sources();
    }

    /// Whether it is over.
    pub(super) fn over(&self, now: u64) -> Option<Over> {
        if now.saturating_sub(self.flood.first_seen) >= LONGEST {
            return Some(Over::Long);
        }
        (now.saturating_sub(self.flood.last_seen) >= QUIET).then_some(Over::Quiet)
    }

    /// It has lasted long enough; whether it `is_usual` now.
    pub(super) fn say_long(&mut self, is_usual: bool) {
        let said = match is_usual {
            true => "it has lasted an hour, and is usual from now on",
            false => "it has lasted an hour; what follows is told as another",
        };
        self.flood.reasons.push(said.into());
    }

    /// Tells of growth, and of another confidence.
    pub(super) fn tell(&mut self, hear: &mut dyn FnMut(&Flood, Stage)) {
        let (peak, packets, confidence) = self.told;
        let flood = &self.flood;
        let grown = flood.peak >= peak * 2.0 || flood.packets >= packets.saturating_mul(4);
        if grown || flood.confidence != confidence {
            self.told = (flood.peak, flood.packets, flood.confidence);
            hear(flood, Stage::Grown);
        }
    }
}
