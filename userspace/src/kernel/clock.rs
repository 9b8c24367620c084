//! When a jiffy was: the table's clock in the units of the others.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aya::{
    Ebpf,
    maps::Array,
    programs::{Program, TestRun, TestRunOptions},
};
use wireledger_common::{abi::clock, names};

use super::{Error, load::take};

/// Jiffies and the monotonic clock at one moment. Both move on the same tick, so one reading serves for good.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    jiffies: u64,
    /// Nanoseconds of CLOCK_MONOTONIC.
    monotonic: u64,
    /// Nanoseconds per jiffy.
    tick: u64,
}

impl Clock {
    /// The jiffy that it is now.
    #[must_use]
    pub fn now(&self) -> u64 {
        let elapsed = i128::from(monotonic_now()) - i128::from(self.monotonic);
        let jiffies = i128::from(self.jiffies) + elapsed.div_euclid(i128::from(self.tick));
        u64::try_from(jiffies).unwrap_or_default()
    }

    /// How many jiffies a duration is, rounded down.
    #[must_use]
    pub fn jiffies(&self, duration: Duration) -> u64 {
        u64::try_from(duration.as_nanos() / u128::from(self.tick)).unwrap_or(u64::MAX)
    }

    /// Wall-clock time of a jiffy, in seconds since 1970, good to one tick. The offset between the clocks is taken anew
    /// at each call, so that steps of the wall clock are followed.
    #[must_use]
    pub fn unix_seconds(&self, jiffies: u64) -> f64 {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ago = i128::from(self.now()) - i128::from(jiffies);
        wall.as_secs_f64() - (ago * i128::from(self.tick)) as f64 / 1e9
    }
}

/// Length of a jiffy: the resolution of the clock that moves with it.
pub(super) fn tick() -> Result<Duration, Error> {
    let resolution =
        nix::time::clock_getres(nix::time::ClockId::CLOCK_MONOTONIC_COARSE).map_err(|errno| {
            Error::System { doing: "reading the tick's length", source: errno.into() }
        })?;
    Ok(Duration::from(resolution).max(Duration::from_nanos(1)))
}

/// Runs the probe's clock program once.
pub(super) fn read(ebpf: &mut Ebpf, tick: Duration) -> Result<Clock, Error> {
    /// The least that BPF_PROG_TEST_RUN takes: an Ethernet header.
    const FRAME: [u8; 14] = [0; 14];
    let name = names::CLOCK_PROGRAM;
    let Some(Program::Xdp(program)) = ebpf.program_mut(name) else {
        return Err(Error::Object { what: "program", name });
    };
    let mut options = TestRunOptions::new();
    options.data_in = Some(&FRAME);
    program.test_run(options).map_err(Error::program(name))?;
    let map: Array<_, clock::Clock> =
        take(ebpf, names::CLOCK)?.try_into().map_err(Error::map(names::CLOCK))?;
    let reading = map.get(&0, 0).map_err(Error::map(names::CLOCK))?;
    if reading.monotonic == 0 {
        return Err(Error::System {
            doing: "reading the probe's clock",
            source: std::io::Error::other("the program left nothing"),
        });
    }
    let tick = u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX);
    Ok(Clock { jiffies: reading.jiffies, monotonic: reading.monotonic, tick })
}

fn monotonic_now() -> u64 {
    // The clock exists on every kernel that loads the probe.
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .map_or(0, |time| u64::try_from(Duration::from(time).as_nanos()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jiffy_is_some_milliseconds() {
        let tick = tick().expect("every Linux has the coarse clock");
        assert!((Duration::from_micros(900)..=Duration::from_millis(10)).contains(&tick));
    }

    #[test]
    fn time_moves_with_the_monotonic_clock() {
        let clock =
            Clock { jiffies: 1000, monotonic: monotonic_now() - 40_000_000, tick: 4_000_000 };
        let now = clock.now();
        assert!((1010..1100).contains(&now), "{now}");
        assert_eq!(clock.jiffies(Duration::from_secs(1)), 250);
        let difference = clock.unix_seconds(now) - clock.unix_seconds(now - 250);
        assert!((0.9..1.1).contains(&difference), "{difference}");
    }
}
