//! How many there are and how flows were, by interface and direction.

use super::Direction;
use crate::flows;

pub use crate::flows::STANDARD_ERROR;

/// How many different ones there were in the last four to five minutes, estimated: see [`STANDARD_ERROR`].
#[derive(Clone, Debug, PartialEq)]
pub struct Distinct {
    /// Interface name.
    pub interface: String,
    /// Direction.
    pub direction: Direction,
    /// Source addresses.
    pub sources: u64,
    /// Destination addresses.
    pub destinations: u64,
    /// Flows.
    pub flows: u64,
}

/// Flows that began, and how those were that ended: idle, or their entry evicted.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowShapes {
    /// Interface name.
    pub interface: String,
    /// Direction.
    pub direction: Direction,
    /// Flows that began; one that goes on after its idle timeout begins again.
    pub begun: u64,
    /// From the first packet to the last, seconds.
    pub duration: Histogram,
    /// Bytes.
    pub bytes: Histogram,
    /// Packets.
    pub packets: Histogram,
}

/// Values by upper bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Upper bound, and how many values are up to it.
    pub buckets: Vec<(f64, u64)>,
    /// All values.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
}

impl Histogram {
    /// Values that are `unit` of what is shown: 1e9 nanoseconds a second.
    fn new(histogram: &flows::Histogram, unit: f64) -> Self {
        let mut count = 0;
        let mut buckets = Vec::new();
        for (&bound, values) in histogram.bounds.iter().zip(&histogram.steps) {
            count += values;
            buckets.push((bound as f64 / unit, count));
        }
        let count = histogram.steps.iter().sum();
        Self { buckets, count, sum: histogram.sum as f64 / unit }
    }
}

impl Distinct {
    /// As an owner has it.
    #[must_use]
    pub fn of(owned: &flows::Owned, interface: &str, direction: Direction) -> Self {
        let distinct = owned.distinct(direction == Direction::Egress);
        Self {
            interface: interface.to_owned(),
            direction,
            sources: distinct.sources,
            destinations: distinct.destinations,
            flows: distinct.flows,
        }
    }
}

impl FlowShapes {
    /// As an owner has it.
    #[must_use]
    pub fn of(owned: &flows::Owned, interface: &str, direction: Direction) -> Self {
        let shapes = owned.shapes(direction == Direction::Egress);
        Self {
            interface: interface.to_owned(),
            direction,
            begun: shapes.begun,
            duration: Histogram::new(&shapes.life, 1e9),
            bytes: Histogram::new(&shapes.bytes, 1.0),
            packets: Histogram::new(&shapes.packets, 1.0),
        }
    }
}
