//! Event → charge: which rate, which tier position, how much. Pure reads.

use crate::account::Account;
use crate::amount::pow10;
use crate::catalog::Catalog;
use crate::command::Aggregation;
use crate::period::period_start;
use crate::rate::Price;
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

/// Price `quantity` of `subject` at event time `time`.
#[inline]
pub fn price(
    account: &Account,
    catalog: &Catalog,
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
    let rate = rate_of(account, catalog, meter, dimensions, time)?;
    price_at_rate(account, catalog, rate, quantity, time)
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

/// Price `quantity` at a known rate, at the account's position in the period of `time`.
#[inline]
pub fn price_at_rate(
    account: &Account,
    catalog: &Catalog,
    rate: u32,
    quantity: i64,
    time: i64,
) -> Result<Charge, Unpriced> {
    let meter = catalog.rates[rate as usize].meter;
    let units = units_of(catalog, meter, quantity);
    let defined = &catalog.rates[rate as usize];
    let overflow = Unpriced { status: Status::Overflow, credit_type: Some(defined.credit_type) };
    let mut charge = Charge { credit_type: defined.credit_type, meter: Some(meter), rate, amount: 0, counted: None };
    if !defined.price.is_stateful() {
        charge.amount = defined.price.charge(0, units).map_err(|_| overflow)?;
        return Ok(charge);
    }
    let period = period_start(account.period_edges(), time);
    let before = account.counted_units(meter, defined.match_id, period);
    charge.amount = defined.price.charge(before, units).map_err(|_| overflow)?;
    charge.counted = Some(Counted { match_id: defined.match_id, units, period });
    Ok(charge)
}

/// What an event adds to its meter: its quantity, or one whole unit where events are counted.
#[inline]
fn units_of(catalog: &Catalog, meter: u16, quantity: i64) -> i64 {
    let meter = &catalog.meters[usize::from(meter)];
    match meter.aggregation {
        Aggregation::Count => pow10(u32::from(meter.quantity_scale)) as i64,
        _ => quantity,
    }
}

/// The largest quantity whose price fits `available`, at the account's present position.
pub fn units_for(account: &Account, catalog: &Catalog, rate: u32, time: i64, available: i64) -> i64 {
    let rate = &catalog.rates[rate as usize];
    let before = match rate.price {
        Price::Flat { .. } => 0,
        _ => {
            let period = period_start(account.period_edges(), time);
            account.counted_units(rate.meter, rate.match_id, period)
        }
    };
    let units = rate.price.units_for(before, available);
    let meter = &catalog.meters[usize::from(rate.meter)];
    match meter.aggregation {
        // Any quantity counts as one event: all or none fits.
        Aggregation::Count if units < pow10(u32::from(meter.quantity_scale)) as i64 => 0,
        Aggregation::Count => i64::MAX,
        _ => units,
    }
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
