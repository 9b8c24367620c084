//! What was counted in a stretch of time.

use super::{SECOND, measure::Measure};

/// A stretch of time, nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Span {
    /// Seconds, at least one: what was counted in less must not be called more.
    pub(super) fn seconds(self) -> f64 {
        (self.to.saturating_sub(self.from).max(SECOND)) as f64 / SECOND as f64
    }
}

/// What was counted in some seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) measure: Measure,
    pub(super) seconds: f64,
}

impl Window {
    pub(super) fn of(measure: Measure, span: Span) -> Self {
        Self { measure, seconds: span.seconds() }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.measure = self.measure + other.measure;
        self.seconds += other.seconds;
    }

    pub(super) fn halve(&mut self) {
        self.measure = self.measure.halved();
        self.seconds /= 2.0;
    }
}
