//! The usual rate of something: an exponentially weighted mean and mean deviation, slow to rise.

/// Of what is above the mean so much is learned a second: five minutes until two thirds of a new level are usual.
const RISE: f64 = 1.0 / 300.0;
/// Of what is below it.
const FALL: f64 = 1.0 / 60.0;
/// Seconds from which on it is known what is usual; until then the mean is a plain one.
const KNOWN: u32 = 60;
/// Seconds until which nothing is: a flood that begins in one of the first would be most of their mean.
const FIRST: u32 = 5;
/// Deviations above the mean that are still usual.
const DEVIATIONS: f64 = 4.0;

/// What is usual.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usual {
    mean: f64,
    deviation: f64,
    seconds: u32,
}

impl Usual {
    /// Takes in a second's rate.
    pub(super) fn learn(&mut self, rate: f64) {
        self.seconds = self.seconds.saturating_add(1);
        let weight = if rate > self.mean { RISE } else { FALL };
        let weight = if self.is_known() { weight } else { 1.0 / f64::from(self.seconds) };
        let off = rate - self.mean;
        self.mean += weight * off;
        self.deviation += weight * (off.abs() - self.deviation);
    }

    /// From now on this rate is what is usual.
    pub(super) fn accept(&mut self, rate: f64) {
        *self = Self { mean: rate, deviation: self.deviation, seconds: KNOWN };
    }

    /// Long enough was seen to say that something is not usual.
    pub(super) const fn is_known(&self) -> bool {
        self.seconds >= KNOWN
    }

    /// Packets a second.
    pub(super) const fn rate(&self) -> f64 {
        self.mean
    }

    /// What is more than usual, at most `most`.
    pub(super) fn level(&self, floor: f64, factor: f64, most: f64) -> f64 {
        if self.seconds < FIRST {
            return floor;
        }
        let level = (self.mean * factor).max(self.mean + DEVIATIONS * self.deviation);
        level.min(most).max(floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(rates: impl IntoIterator<Item = f64>) -> Usual {
        let mut usual = Usual::default();
        rates.into_iter().for_each(|rate| usual.learn(rate));
        usual
    }

    #[test]
    fn a_steady_rate_is_usual_after_a_minute() {
        let usual = after([5000.0; 60]);
        assert!(usual.is_known());
        assert_eq!(usual.rate(), 5000.0);
        assert_eq!(usual.level(1000.0, 4.0, f64::INFINITY), 20_000.0);
        assert_eq!(usual.level(1000.0, 4.0, 9000.0), 9000.0);
        assert!(!after([5000.0; 59]).is_known());
    }

    #[test]
    fn it_rises_slowly_and_falls_faster() {
        let steady = [100.0; 60];
        let risen = after(steady.into_iter().chain([1100.0; 60]));
        assert!((250.0..300.0).contains(&risen.rate()), "{}", risen.rate());
        let fallen = after([1100.0; 60].into_iter().chain([100.0; 60]));
        assert!((400.0..500.0).contains(&fallen.rate()), "{}", fallen.rate());
    }

    #[test]
    fn what_varies_has_a_higher_level() {
        let varying = after((0..600).map(|second| if second % 2 == 0 { 0.0 } else { 2000.0 }));
        let steady = after([varying.rate(); 600]);
        let level = |usual: &Usual| usual.level(0.0, 1.0, f64::INFINITY);
        assert!(level(&varying) > 2.0 * level(&steady));
    }
}
