//! Low-balance thresholds of a pool: absolute ones, and percentages of what was granted (semantics §12).
//!
//! A percentage is of the sum of the original amounts of the grants in force: begun, not over, not voided,
//! not left; used up or not. Spending does not move it. It comes to whole units by rounding down.

use crate::account::Pool;
use crate::amount::parse_decimal;
use crate::apply::Misfit;
use crate::grant::Grant;

/// Of one pool: `PoolExtra::fired` has a bit for each.
pub const THRESHOLDS_MAX: usize = 32;

/// 100 % in hundredths of a percent.
pub const WHOLE: u32 = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// At or below so many the balance is low. Derived where it is a percentage.
    pub units: i64,
    /// Hundredths of a percent of what was granted; 0: absolute.
    pub percent: u32,
}

/// Absolute thresholds, then percentages, whose units their pool finds; each descending, as they come.
pub fn thresholds_of(absolute: &[i64], percents: &[u32]) -> Vec<Threshold> {
    let absolute = absolute.iter().map(|units| Threshold { units: *units, percent: 0 });
    absolute.chain(percents.iter().map(|percent| Threshold { units: 0, percent: *percent })).collect()
}

/// Those given in credits, in smallest units.
pub fn absolute_of(thresholds: &[Threshold]) -> Vec<i64> {
    thresholds.iter().filter(|threshold| threshold.percent == 0).map(|threshold| threshold.units).collect()
}

/// Those given as percentages, in hundredths of a percent.
pub fn percents_of(thresholds: &[Threshold]) -> Vec<u32> {
    thresholds.iter().map(|threshold| threshold.percent).filter(|percent| *percent != 0).collect()
}

/// What of thresholds can't be: too many, one twice, a percentage outside its range.
pub fn fault_of(absolute: &[i64], percents: &[u32]) -> Option<&'static str> {
    // A crossing names its threshold by what was given: two of the same would cross for ever.
    let is_descending =
        absolute.windows(2).all(|two| two[0] > two[1]) && percents.windows(2).all(|two| two[0] > two[1]);
    if !is_descending || absolute.len() + percents.len() > THRESHOLDS_MAX {
        return Some("thresholds out of order");
    }
    let is_in_range = percents.iter().all(|percent| (1..=WHOLE).contains(percent));
    (!is_in_range).then_some("a threshold that is no percentage")
}

/// Hundredths of a percent of text like `20` or `12.5`, which stood before a `%`.
pub fn parse_percent(text: &str) -> Option<u32> {
    let hundredths = parse_decimal(text, 2).ok()?;
    u32::try_from(hundredths).ok().filter(|percent| (1..=WHOLE).contains(percent))
}

/// As it is given: `20%`, `12.5%`.
pub fn percent_text(hundredths: u32) -> String {
    let (whole, part) = (hundredths / 100, hundredths % 100);
    match part {
        0 => format!("{whole}%"),
        tenths if tenths.is_multiple_of(10) => format!("{whole}.{}%", tenths / 10),
        _ => format!("{whole}.{part:02}%"),
    }
}

/// So many hundredths of a percent of `granted`, rounded down.
fn share(granted: i128, percent: u32) -> i64 {
    let units = granted * i128::from(percent) / i128::from(WHOLE);
    // No balance is above what fits.
    i64::try_from(units).unwrap_or(i64::MAX)
}

impl Pool {
    /// In place of those there were; of the new ones those of `fired` have fired.
    ///
    /// # Errors
    /// They can't be thresholds of one pool.
    pub fn set_thresholds(&mut self, absolute: &[i64], percents: &[u32], fired: u32) -> Result<(), Misfit> {
        if let Some(fault) = fault_of(absolute, percents) {
            return Err(fault.into());
        }
        let extra = self.extra_mut();
        extra.thresholds = thresholds_of(absolute, percents);
        extra.fired = fired;
        self.revalue_thresholds();
        self.rearm();
        Ok(())
    }

    /// Which of these thresholds the pool has already and has told, a bit for each: one per transition, however
    /// often the list is set.
    pub fn fired_among(&self, absolute: &[i64], percents: &[u32]) -> u32 {
        let fired = self.extra.as_ref().map_or(0, |extra| extra.fired);
        let has_fired = |t: &Threshold| self.threshold_at(t.units, t.percent).is_some_and(|at| fired & (1 << at) != 0);
        let among = thresholds_of(absolute, percents);
        among.iter().enumerate().filter(|(_, t)| has_fired(t)).fold(0, |bits, (i, _)| bits | 1 << i)
    }

    /// Position of the threshold that a crossing names. Replay may meet a percentage with other grants in
    /// force, and so with another value.
    pub fn threshold_at(&self, units: i64, percent: u32) -> Option<usize> {
        let is_it = |t: &Threshold| t.percent == percent && (percent != 0 || t.units == units);
        self.extra.as_ref()?.thresholds.iter().position(is_it)
    }

    /// Recompute what percentages come to: the set of grants in force may have changed.
    pub fn revalue_thresholds(&mut self) {
        let has_percents =
            |pool: &Pool| pool.extra.as_ref().is_some_and(|extra| extra.thresholds.iter().any(|t| t.percent != 0));
        if !has_percents(self) {
            return;
        }
        let in_force = self.grants.iter().filter(|grant: &&Grant| grant.is_counted());
        let granted = in_force.map(|grant| i128::from(grant.detail.amount)).sum::<i128>();
        for threshold in self.extra_mut().thresholds.iter_mut().filter(|t| t.percent != 0) {
            threshold.units = share(granted, threshold.percent);
        }
        self.rearm();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_down_and_fits() {
        assert_eq!(200, share(1_000, 2_000));
        assert_eq!(333, share(999, 3_334));
        assert_eq!(0, share(9, 1_000));
        assert_eq!(999, share(999, WHOLE));
        assert_eq!(i64::MAX, share(i128::from(i64::MAX) * 3, WHOLE));
    }

    #[test]
    fn a_percentage_reads_back_as_it_was_given() {
        for (text, hundredths) in [("20", 2_000), ("12.5", 1_250), ("0.01", 1), ("33.33", 3_333), ("100", WHOLE)] {
            assert_eq!(Some(hundredths), parse_percent(text));
            assert_eq!(format!("{text}%"), percent_text(hundredths));
        }
        for text in ["0", "100.01", "101", "-5", "0.001", "", "abc", "1e1", " 5", "99999999999999999999"] {
            assert_eq!(None, parse_percent(text), "{text}");
        }
    }
}
