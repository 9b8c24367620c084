//! How long flows live and how large they become: counts over fixed bounds, of flows that have ended.

use super::flow::Flow;

/// Upper bounds of the life of flows, nanoseconds: a millisecond to an hour.
const LIFE_BOUNDS: [u64; 9] = [
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
    10_000_000_000,
    60_000_000_000,
    300_000_000_000,
    900_000_000_000,
    3_600_000_000_000,
];
/// Upper bounds of the bytes of flows.
const BYTE_BOUNDS: [u64; 8] =
    [100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];
/// Upper bounds of the packets of flows.
const PACKET_BOUNDS: [u64; 9] = [1, 2, 5, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

/// Values by upper bound.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Histogram {
    /// Upper bounds, rising; a value on a bound is below it.
    pub bounds: &'static [u64],
    /// Values in each step, not those of the steps below; the last is beyond all bounds.
    pub steps: Vec<u64>,
    /// Sum of all values.
    pub sum: u64,
}

impl Histogram {
    fn new(bounds: &'static [u64]) -> Self {
        Self { bounds, steps: vec![0; bounds.len() + 1], sum: 0 }
    }

    fn add(&mut self, value: u64) {
        let step = self.bounds.partition_point(|&bound| bound < value);
        self.steps[step] += 1;
        self.sum = self.sum.wrapping_add(value);
    }
}

/// Flows of one interface and direction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shapes {
    /// Flows that began; one that goes on after it was told as idle begins again.
    pub begun: u64,
    /// From the first packet to the last of those that ended, nanoseconds.
    pub life: Histogram,
    /// Bytes of those that ended.
    pub bytes: Histogram,
    /// Packets of those that ended.
    pub packets: Histogram,
}

impl Default for Shapes {
    fn default() -> Self {
        Self {
            begun: 0,
            life: Histogram::new(&LIFE_BOUNDS),
            bytes: Histogram::new(&BYTE_BOUNDS),
            packets: Histogram::new(&PACKET_BOUNDS),
        }
    }
}

impl Shapes {
    /// Takes in a flow that ended: idle, or its entry evicted.
    pub(super) fn end(&mut self, flow: &Flow) {
        self.life.add(flow.last_seen.saturating_sub(flow.first_seen));
        self.bytes.add(flow.bytes);
        self.packets.add(flow.packets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_is_below_it() {
        let mut histogram = Histogram::new(&PACKET_BOUNDS);
        for value in [1, 2, 3, 1_000_000, 1_000_001] {
            histogram.add(value);
        }
        assert_eq!(histogram.steps, [1, 1, 1, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(histogram.sum, 2_000_007);
    }
}
