//! Event → charge: which rate, which tier position, how much. Pure reads.

use crate::account::Account;
use crate::catalog::{Catalog, Rate};
use crate::command::Aggregation;
use crate::counter::{self, is_aggregated, one_unit};
use crate::engine::Engine;
use crate::ledger_record::AppliedUsage;
use crate::period::period_start;
use crate::status::Status;
use crate::usage::Subject;
use crate::usage_entry::Counted;

/// A priced event, before anyone asks who pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    pub credit_type: u16,
    /// `None`: a direct debit.
    pub meter: Option<u16>,
    pub rate: u32,
    pub amount: i64,
    pub counted: Option<Counted>,
}

/// Why an event has no price; the credit type where its rate is known all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpriced {
    pub status: Status,
    pub credit_type: Option<u16>,
}

impl Unpriced {
    const fn unknown(status: Status) -> Unpriced {
        Unpriced { status, credit_type: None }
    }
}

impl Engine {
    /// Price `quantity` of `subject` at event time `time`.
    #[inline]
    pub(crate) fn price(
        &self,
        account: &Account,
        subject: ResolvedSubject,
        quantity: i64,
        dimensions: &[(&str, &str)],
        time: i64,
    ) -> Result<Charge, Unpriced> {
        let meter = match subject {
            ResolvedSubject::CreditType(credit_type) => {
                return Ok(Charge { credit_type, meter: None, rate: 0, amount: quantity, counted: None });
            }
            ResolvedSubject::Meter(meter) => meter,
            ResolvedSubject::UnknownMeter => return Err(Unpriced::unknown(Status::MeterUnknown)),
        };
        let rate = rate_of(account, &self.catalog, meter, dimensions, time)?;
        self.price_at_rate(account, rate, quantity, dimensions, time)
    }

    /// Price `quantity` at a known rate, at the account's position in the period of `time`.
    #[inline]
    pub(crate) fn price_at_rate(
        &self,
        account: &Account,
        rate: u32,
        quantity: i64,
        dimensions: &[(&str, &str)],
        time: i64,
    ) -> Result<Charge, Unpriced> {
        let catalog = &self.catalog;
        let defined = &catalog.rates[rate as usize];
        let meter = defined.meter;
        let overflow = Unpriced { status: Status::Overflow, credit_type: Some(defined.credit_type) };
        let mut charge =
            Charge { credit_type: defined.credit_type, meter: Some(meter), rate, amount: 0, counted: None };
        let meter = &catalog.meters[usize::from(meter)];
        if !defined.price.is_stateful() && !is_aggregated(meter) {
            let units = if meter.aggregation == Aggregation::Count { one_unit(meter) } else { quantity };
            charge.amount = defined.price.charge(0, units).map_err(|_| overflow)?;
            return Ok(charge);
        }
        let counted = self.counted(account, defined, quantity, dimensions, time).ok_or(overflow)?;
        charge.amount = defined.price.charge(counted.before, counted.units).map_err(|_| overflow)?;
        charge.counted = Some(counted);
        Ok(charge)
    }

    /// What an event moves its counter by; `None`: more values than a `unique` counter tells apart.
    #[inline(never)]
    fn counted(
        &self,
        account: &Account,
        rate: &Rate,
        quantity: i64,
        dimensions: &[(&str, &str)],
        time: i64,
    ) -> Option<Counted> {
        let period = period_start(account.period_edges(), time);
        let counter = account.counter(rate.meter, rate.match_id, period);
        let meter = &self.catalog.meters[usize::from(rate.meter)];
        let units = match meter.aggregation {
            Aggregation::Sum => quantity,
            Aggregation::Count => one_unit(meter),
            Aggregation::Max | Aggregation::Last | Aggregation::Unique => {
                let value = self.counted_value(rate.meter, dimensions);
                let event = counter::Counted { meter, quantity, time, value };
                let fresh = counter::Aggregate::default();
                let aggregate = counter.and_then(|c| c.aggregate.as_deref()).unwrap_or(&fresh);
                let is_full = aggregate.values.len() >= self.settings.unique_values_max;
                if is_full && value.is_some_and(|value| !aggregate.values.contains(&value)) {
                    return None;
                }
                aggregate.units_of(&event)
            }
        };
        Some(Counted { match_id: rate.match_id, units, before: counter.map_or(0, |c| c.units), period })
    }

    /// Keyed hash of the value a `unique` meter counts of an event; `None` for other meters, and
    /// where the event has no such dimension.
    pub(crate) fn counted_value(&self, meter: u16, dimensions: &[(&str, &str)]) -> Option<u128> {
        let counted = self.catalog.meters.get(usize::from(meter))?.unique_of.as_deref()?;
        let (_, value) = dimensions.iter().find(|(key, _)| *key == counted)?;
        Some(self.key.event_hash(value.as_bytes()))
    }

    /// The same of an event read back from the journal.
    pub(crate) fn counted_value_of(&self, usage: &AppliedUsage) -> Option<u128> {
        usage.counted?;
        let counted = self.catalog.meters.get(usize::from(usage.subject))?.unique_of.as_deref()?;
        let (_, value) = usage.dimensions.iter().find(|(key, _)| key == counted)?;
        Some(self.key.event_hash(value.as_bytes()))
    }

    /// The largest quantity whose price fits `available`, at the account's present position; of
    /// `charge`, what one of the same kind was priced at.
    pub(crate) fn units_for(
        &self,
        account: &Account,
        charge: &Charge,
        dimensions: &[(&str, &str)],
        time: i64,
        available: i64,
    ) -> i64 {
        let rate = &self.catalog.rates[charge.rate as usize];
        let meter = &self.catalog.meters[usize::from(rate.meter)];
        let counted = charge.counted.and_then(|c| account.counter(rate.meter, rate.match_id, c.period));
        let before = if rate.price.is_stateful() { counted.map_or(0, |c| c.units) } else { 0 };
        let units = rate.price.units_for(before, available);
        let whole = |fits: bool| if fits { i64::MAX } else { 0 };
        let fresh = counter::Aggregate::default();
        let aggregate = counted.and_then(|c| c.aggregate.as_deref()).unwrap_or(&fresh);
        match meter.aggregation {
            // Nothing fits debt, but what is free needs nothing to fit.
            _ if available < 0 && !rate.price.is_free() => 0,
            Aggregation::Sum => units,
            // Any quantity counts as one event: all or none fits.
            Aggregation::Count => whole(units >= one_unit(meter)),
            Aggregation::Unique => {
                let value = self.counted_value(rate.meter, dimensions);
                whole(units >= aggregate.units_of(&counter::Counted { meter, quantity: 0, time, value }))
            }
            // Not the latest: whatever its quantity, the period comes to the same.
            Aggregation::Last if time < aggregate.at => whole(units >= aggregate.value - aggregate.burned),
            // A cancelled event may have left less burned than the others come to.
            Aggregation::Max if units < aggregate.value - aggregate.burned => 0,
            // Up to what is burned already it costs nothing.
            Aggregation::Max | Aggregation::Last => aggregate.burned.saturating_add(units),
        }
    }
}

/// The rate of the account for `meter` at `time`.
#[inline]
pub fn rate_of(
    account: &Account,
    catalog: &Catalog,
    meter: u16,
    dimensions: &[(&str, &str)],
    time: i64,
) -> Result<u32, Unpriced> {
    let table = account.rate_table_at(time).ok_or(Unpriced::unknown(Status::NotEntitled))?;
    catalog.rate_at(table, meter, dimensions, time).ok_or(Unpriced::unknown(Status::NotEntitled))
}

/// A subject looked up in the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolvedSubject {
    Meter(u16),
    UnknownMeter,
    CreditType(u16),
}

/// `Err` for a credit type that does not exist: the request itself is wrong (`INVALID`).
#[inline]
pub fn resolve(catalog: &Catalog, subject: Subject<'_>) -> Result<ResolvedSubject, Status> {
    match subject {
        Subject::Meter(key) => Ok(catalog.meter_id(key).map_or(ResolvedSubject::UnknownMeter, ResolvedSubject::Meter)),
        Subject::CreditType(name) => {
            catalog.credit_type_id(name).map(ResolvedSubject::CreditType).ok_or(Status::Invalid)
        }
    }
}
