//! Entries → counters: the part of `apply` that moves tier positions and aggregates.

use crate::account::Account;
use crate::apply::Misfit;
use crate::catalog::Catalog;
use crate::counter::{self, Counter};
use crate::period::period_end;
use crate::usage_entry::{Counted, UsageEntry};

/// Where and when a usage entry stands, for its counter.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub seq: u64,
    /// Event time.
    pub time: i64,
    /// Counters of periods closed below it are dropped.
    pub floor: i64,
    /// Keyed hash of what a `unique` meter counts of the event.
    pub value: Option<u128>,
}

/// An applied event moves its counter.
pub fn count(
    account: &mut Account,
    catalog: &Catalog,
    entry: &UsageEntry<'_>,
    counted: &Counted,
    moment: &Moment,
) -> Result<(), Misfit> {
    let meter = catalog.meters.get(usize::from(entry.subject)).ok_or("a counter of an unknown meter")?;
    let rate = catalog.rates.get(entry.rate as usize).ok_or("a counter of an unknown rate")?;
    let counter = counter_or_new(account, entry.subject, counted.match_id, counted.period, moment.floor);
    if rate.price.is_stateful() {
        counter.units = counter.units.checked_add(counted.units).ok_or("a counter would overflow")?;
    }
    if counter::is_aggregated(meter) {
        let aggregate = counter.aggregate.get_or_insert_default();
        let event = counter::Counted { meter, quantity: entry.quantity, time: moment.time, value: moment.value };
        aggregate.take(&event, counted.units, moment.seq).ok_or("an aggregate would overflow")?;
    }
    Ok(())
}

/// Units of a `sum` meter at a stateful price.
pub(crate) fn count_units(
    account: &mut Account,
    meter: u16,
    match_id: u32,
    period: i64,
    units: i64,
    floor: i64,
) -> Result<(), Misfit> {
    let counter = counter_or_new(account, meter, match_id, period, floor);
    counter.units = counter.units.checked_add(units).ok_or("a counter would overflow")?;
    Ok(())
}

pub fn counter_or_new(account: &mut Account, meter: u16, match_id: u32, period: i64, floor: i64) -> &mut Counter {
    let extra = account.extra_mut();
    let is_it = |c: &Counter| c.meter == meter && c.match_id == match_id && c.period == period;
    let at = extra.counters.iter().position(is_it).unwrap_or_else(|| {
        // A new period begins: the time to forget those nothing can be dated into any more.
        let edges = &extra.period_edges;
        extra.counters.retain(|c| period_end(edges, c.period).is_none_or(|end| end > floor));
        extra.counters.push(Counter::new(meter, match_id, period));
        extra.counters.len() - 1
    });
    &mut extra.counters[at]
}
