//! When a jiffy was: the table's clock in the units of the others.

use std::time::{Duration, Instant};

use aya::{
    Ebpf,
    maps::{Array, MapData},
    programs::{TestRun, TestRunOptions, Xdp},
};
use nix::time::{ClockId, clock_getres, clock_gettime};
use wireledger_common::{abi::clock, names};

use super::{
    Error,
    object::{program, take},
};

/// A jiffy and when it began. The kernel moves jiffies by the monotonic clock, so one reading serves for good.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    jiffies: u64,
    /// Nanoseconds of CLOCK_MONOTONIC just before the jiffy began: no time that is told is later than it was.
    monotonic: u64,
    /// Nanoseconds per jiffy.
    tick: u64,
}

impl Clock {
    /// The jiffy that it is now, and when it began.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.at(read_clock(ClockId::CLOCK_MONOTONIC))
    }

    fn at(&self, nanoseconds: u64) -> Moment {
        let ticks = nanoseconds.saturating_sub(self.monotonic) / self.tick;
        Moment { jiffies: self.jiffies + ticks, nanoseconds: self.monotonic + ticks * self.tick }
    }

    /// Nanoseconds per jiffy.
    #[must_use]
    pub const fn tick(&self) -> u64 {
        self.tick
    }
}

/// A jiffy and its beginning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moment {
    /// The jiffy.
    pub jiffies: u64,
    /// Nanoseconds of CLOCK_MONOTONIC when it began.
    pub nanoseconds: u64,
}

/// From the monotonic clock to the wall's; taken anew for each snapshot, so that steps of the wall clock are followed.
#[derive(Clone, Copy, Debug)]
pub struct Wall {
    /// Nanoseconds since 1970 at nanosecond 0 of CLOCK_MONOTONIC.
    epoch: i128,
}

impl Wall {
    /// The offset as it is now.
    #[must_use]
    pub fn now() -> Self {
        // Two clocks cannot be read at once: of three looks, the one between whose ends the least time passed.
        let look = |_| {
            let before = read_clock(ClockId::CLOCK_MONOTONIC);
            let wall = read_clock(ClockId::CLOCK_REALTIME);
            let took = read_clock(ClockId::CLOCK_MONOTONIC) - before;
            (took, i128::from(wall) - i128::from(before))
        };
        let (_, epoch) = (0..3).map(look).min().unwrap_or_default();
        Self { epoch }
    }

    /// Seconds since 1970 of this moment.
    #[must_use]
    pub fn unix_seconds_now(&self) -> f64 {
        self.unix_seconds(read_clock(ClockId::CLOCK_MONOTONIC))
    }

    /// Nanoseconds since 1970 at nanosecond 0 of CLOCK_MONOTONIC.
    #[must_use]
    pub const fn epoch(&self) -> i128 {
        self.epoch
    }

    /// Nanoseconds since 1970 of a monotonic time; 0 for any before.
    #[must_use]
    pub fn unix_nanoseconds(&self, nanoseconds: u64) -> u64 {
        u64::try_from(self.epoch + i128::from(nanoseconds)).unwrap_or_default()
    }

    /// Nanoseconds since 1970 of this moment.
    #[must_use]
    pub fn unix_nanoseconds_now(&self) -> u64 {
        self.unix_nanoseconds(read_clock(ClockId::CLOCK_MONOTONIC))
    }

    /// Seconds since 1970 of a monotonic time.
    #[must_use]
    pub fn unix_seconds(&self, nanoseconds: u64) -> f64 {
        (self.epoch + i128::from(nanoseconds)) as f64 / 1e9
    }
}

/// Length of a jiffy: the resolution of the clock that moves with it.
pub(super) fn tick() -> Result<Duration, Error> {
    let resolution = clock_getres(ClockId::CLOCK_MONOTONIC_COARSE).map_err(|errno| {
        Error::System { doing: "reading the tick's length", source: errno.into() }
    })?;
    Ok(Duration::from(resolution).max(Duration::from_nanos(1)))
}

/// Runs the probe's clock program until it sees a jiffy begin.
pub(super) fn read(ebpf: &mut Ebpf, tick: Duration) -> Result<Clock, Error> {
    let map: Array<_, clock::Clock> =
        take(ebpf, names::CLOCK)?.try_into().map_err(Error::map(names::CLOCK))?;
    let program = program(ebpf, names::CLOCK_PROGRAM)?;
    let deadline = Instant::now() + tick * 100;
    let mut before = read_once(program, &map)?;
    loop {
        let after = read_once(program, &map)?;
        // A machine that was held up may have missed some; the time of the last look is early enough in any case.
        if after.jiffies != before.jiffies || Instant::now() > deadline {
            let tick = u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX);
            return Ok(Clock { jiffies: after.jiffies, monotonic: before.monotonic, tick });
        }
        before = after;
    }
}

fn read_once<T: std::borrow::Borrow<MapData>>(
    program: &Xdp,
    map: &Array<T, clock::Clock>,
) -> Result<clock::Clock, Error> {
    /// The least that BPF_PROG_TEST_RUN takes: an Ethernet header.
    const FRAME: [u8; 14] = [0; 14];
    let mut options = TestRunOptions::new();
    options.data_in = Some(&FRAME);
    program.test_run(options).map_err(Error::program(names::CLOCK_PROGRAM))?;
    let reading = map.get(&0, 0).map_err(Error::map(names::CLOCK))?;
    if reading.monotonic == 0 {
        return Err(Error::System {
            doing: "reading the probe's clock",
            source: std::io::Error::other("the program left nothing"),
        });
    }
    Ok(reading)
}

fn read_clock(clock: ClockId) -> u64 {
    // Both clocks exist on every kernel.
    clock_gettime(clock)
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
    fn jiffies_move_with_the_monotonic_clock() {
        let monotonic = read_clock(ClockId::CLOCK_MONOTONIC) - 40_000_000;
        let clock = Clock { jiffies: 1000, monotonic, tick: 4_000_000 };
        let now = clock.now();
        assert!((1010..1100).contains(&now.jiffies), "{now:?}");
        let at = |nanoseconds| clock.at(monotonic + nanoseconds);
        let begins =
            |jiffies, nanoseconds| Moment { jiffies, nanoseconds: monotonic + nanoseconds };
        assert_eq!(at(0), begins(1000, 0));
        assert_eq!(at(7_999_999), begins(1001, 4_000_000));
        assert_eq!(at(8_000_000), begins(1002, 8_000_000));
    }

    #[test]
    fn the_wall_clock_is_an_offset_away() {
        let wall = Wall::now();
        let second = wall.unix_seconds(2_000_000_000) - wall.unix_seconds(1_000_000_000);
        assert!((second - 1.0).abs() < 1e-6);
        assert!(wall.unix_seconds(read_clock(ClockId::CLOCK_MONOTONIC)) > 1.7e9);
    }
}
