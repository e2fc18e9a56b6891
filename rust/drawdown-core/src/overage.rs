//! Credits past zero that are priced behind: which usage period bears them, and counted how.
//!
//! ```text
//! usage periods   ├── a ───────────────┼── b ──
//! price           1.00  since ┤ 3.00
//! counted          (a, 10)    (since, 5)
//! ```
//!
//! A cap is for the usage period; an invoice wants to know what was used at which price. So a change of
//! price is an instant since which overage is counted apart: a row of its own, found by event time.

use crate::account::{Account, Pool};
use crate::apply::Misfit;
use crate::period::{period_end, period_start};

/// Instants of a pool since which overage is counted apart and none has come: the oldest go first.
const UNUSED_SINCE_MAX: usize = 64;

/// The usage period that bears overage, and since when in it that is counted apart.
#[derive(Clone, Copy, Debug, Default)]
pub struct BearingPeriod {
    pub start: i64,
    /// Exclusive.
    pub end: i64,
    /// Where it is counted: `start`, or the latest instant of the period that counts apart.
    pub since: i64,
}

impl Account {
    /// What bears overage of events at `time` in `pool`.
    pub fn bearing_period(&self, pool: Option<&Pool>, time: i64) -> BearingPeriod {
        let start = period_start(self.period_edges(), time);
        let end = period_end(self.period_edges(), start).unwrap_or(i64::MAX);
        let apart = pool.map_or(&[][..], Pool::overage).iter().map(|(since, _)| *since);
        let since = apart.filter(|since| start <= *since && *since <= time).max().unwrap_or(start);
        BearingPeriod { start, end, since }
    }
}

impl Pool {
    fn overage(&self) -> &[(i64, i64)] {
        self.extra.as_ref().map_or(&[], |extra| &extra.overage)
    }

    /// Of the whole usage period: what a cap is compared with.
    pub fn overage_in(&self, period: &BearingPeriod) -> i64 {
        let is_in = |start: i64| period.start <= start && start < period.end;
        self.overage().iter().filter(|(start, _)| is_in(*start)).map(|(_, credits)| credits).sum()
    }

    pub fn overage_total(&self) -> i128 {
        self.overage().iter().map(|(_, credits)| i128::from(*credits)).sum()
    }
}

/// More overage, counted since `since`. No period's is more than the sum of all, and that fits.
pub(crate) fn add_overage(pool: &mut Pool, since: i64, credits: i64) -> Result<(), Misfit> {
    let total = pool.overage_total() + i128::from(credits);
    if credits < 0 || total > i128::from(i64::MAX) {
        return Err(format!("{credits} more overage, {total} in all"));
    }
    let overage = &mut pool.extra_mut().overage;
    match overage.iter_mut().find(|(start, _)| *start == since) {
        Some((_, sum)) => *sum += credits,
        None => overage.push((since, credits)),
    }
    Ok(())
}

/// More overage of a corrected event, or less.
pub(crate) fn change_overage(pool: &mut Pool, since: i64, change: i64) -> Result<(), Misfit> {
    if change > 0 {
        return add_overage(pool, since, change);
    }
    let overage = &mut pool.extra_mut().overage;
    let at = overage.iter().position(|(start, _)| *start == since).ok_or("no overage in that period")?;
    overage[at].1 = overage[at].1.checked_add(change).filter(|sum| *sum >= 0).ok_or("less overage than came back")?;
    Ok(())
}

/// Overage of events from `since` on is counted apart.
pub(crate) fn count_apart(pool: &mut Pool, since: i64) {
    let overage = &mut pool.extra_mut().overage;
    if overage.iter().all(|(start, _)| *start != since) {
        overage.push((since, 0));
    }
    let unused = || overage.iter().filter(|(_, credits)| *credits == 0).map(|(start, _)| *start);
    if unused().count() > UNUSED_SINCE_MAX {
        let oldest = unused().min();
        overage.retain(|(start, credits)| *credits != 0 || Some(*start) != oldest);
    }
}
