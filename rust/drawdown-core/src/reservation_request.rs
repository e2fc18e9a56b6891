//! What a reserve or settle asks for, judged by itself: everything that is `INVALID` whatever the
//! account holds, and the content's fingerprint.

use crate::amount::{parse_decimal, parse_rational};
use crate::command::{Aggregation, Amount, Reserve, Settle};
use crate::engine::Engine;
use crate::execute::{Refusal, check_id, shown};
use crate::id::is_printable;
use crate::pricing::{Charge, ResolvedSubject, Unpriced, rate_of};
use crate::reservation::{Asked, TTL_MAX_US};

const DIMENSIONS_MAX: usize = 16;
const DIMENSION_BYTES_MAX: usize = 128;

/// A reserve, resolved against the catalog.
pub(crate) struct Wanted<'a> {
    pub subject: ResolvedSubject,
    /// `None`: credits of a meter, whose credit type its rate will tell.
    pub asked: Option<Asked>,
    pub credits: Option<&'a Amount>,
    pub dimensions: Vec<(&'a str, &'a str)>,
    pub fingerprint: u64,
}

impl Engine {
    /// # Errors
    /// `INVALID`, naming the field.
    pub(crate) fn wanted<'a>(&self, c: &'a Reserve) -> Result<Wanted<'a>, Refusal> {
        check_id("reservation_id", &c.reservation_id)?;
        if !(1..=TTL_MAX_US).contains(&c.ttl_us) {
            return Err(Refusal::invalid("ttl_us", format!("ttl_us is {}; it goes from 1 to {TTL_MAX_US}", c.ttl_us)));
        }
        check_dimensions(c)?;
        let (subject, asked) = match (&c.meter, &c.quantity, &c.credit_type, &c.credits) {
            (Some(key), Some(quantity), None, None) => self.wanted_quantity(key, quantity)?,
            (Some(key), None, None, Some(credits)) => {
                check_amount("credits", credits)?;
                (self.meter_subject(key), None)
            }
            (None, None, Some(name), Some(credits)) => {
                let credit_type = self.credit_type_of(name)?;
                check_amount("credits", credits)?;
                let credits = self.amount("credits", credits, credit_type)?;
                (ResolvedSubject::CreditType(credit_type), Some(Asked::Credits(credits)))
            }
            _ => {
                let reason = "give exactly one of meter + quantity, meter + credits, and credit_type + credits";
                return Err(Refusal::invalid("credits", reason));
            }
        };
        Ok(Wanted {
            subject,
            asked,
            credits: c.credits.as_ref(),
            dimensions: c.dimensions.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect(),
            fingerprint: self.reserve_fingerprint(c),
        })
    }

    fn meter_subject(&self, key: &str) -> ResolvedSubject {
        self.catalog.meter_id(key).map_or(ResolvedSubject::UnknownMeter, ResolvedSubject::Meter)
    }

    fn wanted_quantity(&self, key: &str, quantity: &Amount) -> Result<(ResolvedSubject, Option<Asked>), Refusal> {
        check_amount("quantity", quantity)?;
        let Some(meter) = self.catalog.meter_id(key) else {
            return Ok((ResolvedSubject::UnknownMeter, Some(Asked::Quantity(0))));
        };
        let quantity = self.quantity_of("quantity", quantity, meter)?;
        Ok((ResolvedSubject::Meter(meter), Some(Asked::Quantity(quantity))))
    }

    /// A quantity as sent, in 10^-quantity_scale. Only a `sum` meter has a price for a quantity by itself.
    pub(crate) fn quantity_of(&self, field: &'static str, quantity: &Amount, meter: u16) -> Result<i64, Refusal> {
        let meter = &self.catalog.meters[usize::from(meter)];
        if meter.aggregation != Aggregation::Sum {
            let key = shown(&meter.key);
            let reason = format!("meter '{key}' does not sum its quantities: reserve and settle it by credits");
            return Err(Refusal::invalid(field, reason));
        }
        let scale = u32::from(meter.quantity_scale);
        match quantity {
            Amount::Units(units) => Ok(*units),
            Amount::Decimal(text) => {
                parse_decimal(text, scale).map_err(|error| Refusal::invalid(field, error.explain(text, scale)))
            }
        }
    }

    /// Price of what is wanted, now; by credits of a meter with amount 0.
    pub(crate) fn price_of(&self, number: u32, wanted: &Wanted<'_>) -> Result<Charge, Unpriced> {
        let account = &self.accounts[number as usize];
        let now = account.now(self.stamp);
        match (wanted.subject, wanted.asked) {
            (subject, Some(Asked::Quantity(n) | Asked::Credits(n))) => {
                self.price(account, subject, n, &wanted.dimensions, now)
            }
            (ResolvedSubject::Meter(meter), None) => {
                let rate = rate_of(account, &self.catalog, meter, &wanted.dimensions, now)?;
                let credit_type = self.catalog.rates[rate as usize].credit_type;
                Ok(Charge { credit_type, meter: Some(meter), rate, amount: 0, counted: None })
            }
            (subject, None) => self.price(account, subject, 0, &wanted.dimensions, now),
        }
    }

    /// The credits to set aside.
    pub(crate) fn amount_of(&self, wanted: &Wanted<'_>, charge: &Charge) -> Result<i64, Refusal> {
        match (wanted.asked, wanted.credits) {
            (None, Some(credits)) => self.amount("credits", credits, charge.credit_type),
            _ => Ok(charge.amount),
        }
    }

    fn reserve_fingerprint(&self, c: &Reserve) -> u64 {
        let key = &self.key;
        let subject = c.meter.as_deref().or(c.credit_type.as_deref()).unwrap_or("");
        let kind = if c.meter.is_some() { 5 } else { 6 };
        let f = key.fingerprint(kind, subject.as_bytes(), c.ttl_us, None);
        let f = c.quantity.iter().fold(f, |f, quantity| self.fold_amount(f ^ 1, quantity));
        let f = c.credits.iter().fold(f, |f, credits| self.fold_amount(f ^ 2, credits));
        c.dimensions.iter().fold(f, |f, (k, v)| key.fold_pair(f, k.as_bytes(), v.as_bytes()))
    }

    /// # Errors
    /// `INVALID` unless exactly one amount of 0 or more is given.
    pub(crate) fn settle_fingerprint(&self, c: &Settle) -> Result<u64, Refusal> {
        check_id("reservation_id", &c.reservation_id)?;
        let (kind, field, amount) = match (&c.quantity, &c.credits) {
            (Some(quantity), None) => (7, "quantity", quantity),
            (None, Some(credits)) => (8, "credits", credits),
            _ => return Err(Refusal::invalid("quantity", "give exactly one of quantity and credits")),
        };
        check_amount(field, amount)?;
        Ok(self.fold_amount(self.key.fingerprint(kind, &[], 0, None), amount))
    }

    /// As sent, but "1" equals "1.0".
    fn fold_amount(&self, f: u64, amount: &Amount) -> u64 {
        match amount {
            Amount::Units(units) => self.key.fold_bytes(f, &units.to_le_bytes()),
            Amount::Decimal(text) => {
                let whole = text.trim_start_matches('0');
                let plain = if whole.contains('.') { whole.trim_end_matches('0').trim_end_matches('.') } else { whole };
                self.key.fold_bytes(f ^ 3, plain.as_bytes())
            }
        }
    }
}

/// A decimal or an integer of 0 or more; whether it fits its scale is judged where that is known.
fn check_amount(field: &'static str, amount: &Amount) -> Result<(), Refusal> {
    let value = match amount {
        Amount::Units(units) => *units,
        Amount::Decimal(text) => {
            parse_rational(text).map_err(|error| Refusal::invalid(field, error.explain(text, 18)))?.0
        }
    };
    if value < 0 {
        return Err(Refusal::invalid(field, format!("{field} can't be negative")));
    }
    Ok(())
}

fn check_dimensions(c: &Reserve) -> Result<(), Refusal> {
    let is_text = |text: &String| text.len() <= DIMENSION_BYTES_MAX && text.chars().all(is_printable);
    if c.dimensions.len() > DIMENSIONS_MAX || !c.dimensions.iter().all(|(k, v)| is_text(k) && is_text(v)) {
        let reason =
            format!("at most {DIMENSIONS_MAX} dimensions, keys and values of {DIMENSION_BYTES_MAX} printable bytes");
        return Err(Refusal::invalid("dimensions", reason));
    }
    Ok(())
}
