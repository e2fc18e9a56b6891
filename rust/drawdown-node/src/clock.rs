//! Wall and monotonic time, and the rule that makes one stamp of them (semantics §3).

use crate::os;
use parking_lot::Mutex;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// One reading of both clocks, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// UTC since the Unix epoch.
    pub wall_us: i64,
    /// Since some fixed instant; never falls, and goes on while the machine is suspended.
    pub monotonic_us: i64,
}

pub trait Clock: Send + Sync {
    fn read(&self) -> Reading;
    /// Whether the kernel vouches for the wall clock.
    fn is_synchronised(&self) -> bool;
}

/// The machine's clocks.
pub struct SystemClock {
    origin: Instant,
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock { origin: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn read(&self) -> Reading {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        // `Instant` stands still while the machine is suspended, and the wall clock would seem to be stepped.
        let since_boot = os::since_boot_us();
        let since_origin = || i64::try_from(self.origin.elapsed().as_micros()).unwrap_or(i64::MAX);
        Reading {
            wall_us: i64::try_from(wall).unwrap_or(i64::MAX),
            monotonic_us: since_boot.unwrap_or_else(|_| since_origin()),
        }
    }

    fn is_synchronised(&self) -> bool {
        os::clock_is_synchronised()
    }
}

/// Clocks that stand still until told otherwise.
pub struct SimulatedClock {
    reading: Mutex<Reading>,
}

impl SimulatedClock {
    pub fn new(wall_us: i64) -> SimulatedClock {
        SimulatedClock { reading: Mutex::new(Reading { wall_us, monotonic_us: 0 }) }
    }

    /// Time passes on both clocks.
    pub fn advance(&self, by_us: i64) {
        let mut reading = self.reading.lock();
        reading.wall_us += by_us;
        reading.monotonic_us += by_us;
    }

    /// Somebody sets the wall clock.
    pub fn step_wall(&self, by_us: i64) {
        self.reading.lock().wall_us += by_us;
    }
}

impl Clock for SimulatedClock {
    fn read(&self) -> Reading {
        *self.reading.lock()
    }

    fn is_synchronised(&self) -> bool {
        false
    }
}

/// Whether what starts on this wall clock may take its word: a store that is there has stamps of its own to
/// hold it against, a new one has nothing.
///
/// # Errors
/// What is wrong with it, and what to do.
pub(crate) fn require_plausible(wall_us: i64, is_new_store: bool, accepted: bool) -> Result<(), String> {
    const YEAR_2020_US: i64 = 1_577_836_800_000_000;
    const YEAR_2100_US: i64 = 4_102_444_800_000_000;
    const YEAR_10000_US: i64 = 253_402_300_800_000_000;
    const YEAR_US: i64 = 31_556_952_000_000;
    if !(0..YEAR_10000_US).contains(&wall_us) {
        return Err("the wall clock stands outside the years 1970–9999: set it, then start again".into());
    }
    if is_new_store && !accepted && !(YEAR_2020_US..YEAR_2100_US).contains(&wall_us) {
        let year = 1970 + wall_us / YEAR_US;
        return Err(format!(
            "the wall clock stands in the year {year}, and a new store would take that for the present for ever: \
             set the clock, or start with accept_clock if it is right"
        ));
    }
    Ok(())
}

/// A wall clock further than this from the stamp is not followed until confirmed.
pub const STEP_MAX_US: i64 = 3_600_000_000;

/// Turns readings into stamps that never fall.
///
/// Near the wall clock (within 1 h) a stamp behind it jumps to it, and a stamp ahead of it goes
/// on at half speed until the wall clock has caught up. Further away the stamp advances with
/// monotonic time alone and the distance is reported until it is confirmed or gone.
pub struct StampRule {
    stamp_us: i64,
    monotonic_us: i64,
    /// Half microseconds owed while slowing down.
    half_owed: i64,
    held_step_us: Option<i64>,
}

impl StampRule {
    /// `last_stamp_us`: of the journal, `None` for a new store. A gap to it longer than
    /// `gap_max_us` is followed only if `trusted`.
    pub fn start(reading: Reading, last_stamp_us: Option<i64>, gap_max_us: i64, trusted: bool) -> StampRule {
        let mut rule = StampRule {
            stamp_us: last_stamp_us.unwrap_or(reading.wall_us),
            monotonic_us: reading.monotonic_us,
            half_owed: 0,
            held_step_us: None,
        };
        let gap = reading.wall_us.saturating_sub(rule.stamp_us);
        if gap > gap_max_us && !trusted {
            rule.held_step_us = Some(gap);
        } else if gap > 0 {
            rule.stamp_us = reading.wall_us;
        }
        rule
    }

    /// The stamp of now, microseconds UTC; at or above every stamp before it.
    pub fn stamp(&mut self, reading: Reading) -> i64 {
        if cfg!(feature = "planted-clock-steps-back") {
            return reading.wall_us;
        }
        let passed = reading.monotonic_us.saturating_sub(self.monotonic_us).max(0);
        self.monotonic_us = self.monotonic_us.max(reading.monotonic_us);
        let steady = self.stamp_us.saturating_add(passed);
        let gap = reading.wall_us.saturating_sub(steady);
        let follow = gap.saturating_abs() <= STEP_MAX_US;
        if !follow {
            self.held_step_us = Some(gap);
            self.stamp_us = steady;
        } else if gap >= 0 {
            self.held_step_us = None;
            self.stamp_us = reading.wall_us;
        } else {
            self.held_step_us = None;
            let halves = passed + self.half_owed;
            self.half_owed = halves % 2;
            self.stamp_us = self.stamp_us.saturating_add(halves / 2).max(reading.wall_us);
        }
        self.stamp_us
    }

    /// How far the wall clock stands from the stamp, while it is not followed.
    pub fn held_step_us(&self) -> Option<i64> {
        self.held_step_us
    }

    /// Somebody vouches for the wall clock as it is now: follow a step forward at once. A step
    /// back needs no consent: stamps never fall, and go on with monotonic time.
    pub fn accept(&mut self, reading: Reading) {
        self.stamp_us = self.stamp_us.max(reading.wall_us);
        self.monotonic_us = self.monotonic_us.max(reading.monotonic_us);
        self.held_step_us = None;
    }

    pub fn last_us(&self) -> i64 {
        self.stamp_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;
    const HOUR: i64 = 3600 * SECOND;

    fn rule_at(clock: &SimulatedClock) -> StampRule {
        StampRule::start(clock.read(), None, 35 * 24 * HOUR, false)
    }

    #[test]
    fn stamps_never_fall_and_advance_through_a_small_step_back() {
        let clock = SimulatedClock::new(1000 * HOUR);
        let mut rule = rule_at(&clock);
        let before = rule.stamp(clock.read());
        clock.step_wall(-600 * SECOND);
        clock.advance(10 * SECOND);
        assert_eq!(before + 5 * SECOND, rule.stamp(clock.read()));
        clock.advance(4 * HOUR);
        assert_eq!(clock.read().wall_us, rule.stamp(clock.read()));
        assert_eq!(None, rule.held_step_us());
    }

    #[test]
    fn a_step_over_an_hour_is_held_until_confirmed() {
        let clock = SimulatedClock::new(1000 * HOUR);
        let mut rule = rule_at(&clock);
        let before = rule.stamp(clock.read());
        clock.step_wall(2 * HOUR);
        clock.advance(SECOND);
        assert_eq!(before + SECOND, rule.stamp(clock.read()));
        assert_eq!(Some(2 * HOUR), rule.held_step_us());
        rule.accept(clock.read());
        assert_eq!(clock.read().wall_us, rule.stamp(clock.read()));
    }

    #[test]
    fn time_goes_on_while_the_machine_is_suspended() {
        // The kernel counts the time that it was suspended in what it has been up.
        let up_us = || {
            let told = std::fs::read_to_string("/proc/uptime").expect("Linux");
            let seconds: f64 = told.split(' ').next().and_then(|up| up.parse().ok()).expect("a number");
            (seconds * 1e6) as i64
        };
        let before = up_us();
        let told = SystemClock::default().read().monotonic_us;
        assert!((before..=up_us() + SECOND).contains(&told), "{told}");
    }

    #[test]
    fn a_new_store_refuses_a_clock_that_nobody_set() {
        let at = |year: i64| (year - 1970) * 31_556_952 * SECOND + 24 * HOUR;
        for (year, is_new, accepted, is_taken) in [
            (1970, true, false, false),
            (1970, true, true, true),
            (1970, false, false, true),
            (2026, true, false, true),
            (2100, true, false, false),
            (2100, true, true, true),
            (2100, false, false, true),
            (10_000, true, true, false),
            (10_000, false, true, false),
        ] {
            let taken = require_plausible(at(year), is_new, accepted);
            assert_eq!(is_taken, taken.is_ok(), "{year} {is_new} {accepted}: {taken:?}");
        }
        assert!(require_plausible(at(1970), true, false).unwrap_err().contains("the year 1970"));
        assert!(require_plausible(-1, false, true).is_err());
    }

    #[test]
    fn a_long_gap_at_start_needs_trust() {
        let clock = SimulatedClock::new(1000 * 24 * HOUR);
        let last = clock.read().wall_us - 36 * 24 * HOUR;
        let mut held = StampRule::start(clock.read(), Some(last), 35 * 24 * HOUR, false);
        assert_eq!(last, held.stamp(clock.read()));
        assert!(held.held_step_us().is_some());
        let mut trusted = StampRule::start(clock.read(), Some(last), 35 * 24 * HOUR, true);
        assert_eq!(clock.read().wall_us, trusted.stamp(clock.read()));
        let mut short = StampRule::start(clock.read(), Some(last + 2 * 24 * HOUR), 35 * 24 * HOUR, false);
        assert_eq!(clock.read().wall_us, short.stamp(clock.read()));
    }
}
