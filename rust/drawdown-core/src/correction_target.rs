//! What a corrected event is to be: its units, its price, what it leaves its counter at.

use crate::amount::parse_decimal;
use crate::command::Amount;
use crate::command::{Aggregation, Correct};
use crate::correction_entry::{AggregateMoved, CounterMoved};
use crate::counter::{is_aggregated, one_unit};
use crate::engine::Engine;
use crate::event_history::{EventHistory, EventState};
use crate::execute::Refusal;
use crate::ledger_record::AppliedUsage;
use crate::status::Status;

/// The event from now on.
pub(crate) struct Target {
    pub quantity: i64,
    pub is_cancelled: bool,
    pub units: i64,
    pub price: i64,
    pub counter: Option<CounterMoved>,
}

/// What is asked for, apart from the event it is asked of.
#[derive(Clone, Copy)]
pub(crate) enum Asked<'a> {
    Quantity(&'a Amount),
    Credits(&'a Amount),
    Cancel,
}

impl<'a> Asked<'a> {
    /// # Errors
    /// `INVALID` unless exactly one is asked for, and not below zero.
    pub fn of(c: &'a Correct) -> Result<Asked<'a>, Refusal> {
        let asked = match (&c.quantity, &c.credits, c.cancel) {
            (Some(quantity), None, false) => Asked::Quantity(quantity),
            (None, Some(credits), false) => Asked::Credits(credits),
            (None, None, true) => Asked::Cancel,
            _ => return Err(Refusal::invalid("quantity", "give exactly one of 'quantity', 'credits' and 'cancel'")),
        };
        let is_negative = |amount: &Amount| match amount {
            Amount::Units(units) => *units < 0,
            Amount::Decimal(text) => text.starts_with('-'),
        };
        match asked {
            Asked::Quantity(n) if is_negative(n) => Err(Refusal::invalid("quantity", "a quantity can't be negative")),
            Asked::Credits(n) if is_negative(n) => Err(Refusal::invalid("credits", "credits can't be negative")),
            asked => Ok(asked),
        }
    }
}

impl Engine {
    /// The quantity (or credits) asked for; `None`: to be cancelled.
    ///
    /// # Errors
    /// `INVALID`: a number that is none, or of the wrong kind for this event.
    pub(crate) fn asked_of(
        &self,
        asked: Asked<'_>,
        usage: &AppliedUsage,
        credit_type: u16,
    ) -> Result<Option<i64>, Refusal> {
        match asked {
            Asked::Cancel => Ok(None),
            Asked::Credits(credits) if usage.is_direct => self.amount("credits", credits, credit_type).map(Some),
            Asked::Credits(_) => Err(Refusal::invalid("credits", "the event is of a meter: correct its quantity")),
            Asked::Quantity(_) if usage.is_direct => {
                Err(Refusal::invalid("quantity", "the event is a direct debit: correct its credits"))
            }
            Asked::Quantity(Amount::Units(units)) => Ok(Some(*units)),
            Asked::Quantity(Amount::Decimal(text)) => {
                let scale = u32::from(self.catalog.meters[usize::from(usage.subject)].quantity_scale);
                let parsed = parse_decimal(text, scale);
                parsed.map(Some).map_err(|error| Refusal::invalid("quantity", error.explain(text, scale)))
            }
        }
    }

    /// Price and tier position are the event's own; each price is rounded, never the difference.
    ///
    /// # Errors
    /// `OVERFLOW` of the charge or of a counter; `EVENT_UNKNOWN` if the journal kept lacks events of the counter.
    pub(crate) fn correction_target(
        &self,
        number: u32,
        history: &EventHistory,
        state: &EventState,
        asked: Option<i64>,
    ) -> Result<Target, Refusal> {
        let usage = history.usage().expect("the caller has seen it");
        let is_cancelled = asked.is_none();
        let quantity = asked.unwrap_or(0);
        if usage.is_direct {
            return Ok(Target { quantity, is_cancelled, units: quantity, price: quantity, counter: None });
        }
        let meter = &self.catalog.meters[usize::from(usage.subject)];
        let rate = &self.catalog.rates[usage.rate as usize];
        let (units, aggregate) = match meter.aggregation {
            _ if is_aggregated(meter) => {
                let (units, moved) = self.aggregate_without(number, history, state, asked)?;
                (units, Some(moved))
            }
            _ if is_cancelled => (0, None),
            Aggregation::Count => (one_unit(meter), None),
            _ => (quantity, None),
        };
        let overflow = || Refusal::new(Status::Overflow, "quantity", "the charge does not fit 64 bits");
        let before = usage.counted.map_or(0, |counted| counted.before);
        let price = rate.price.charge(before, units).map_err(|_| overflow())?;
        let Some(counted) = usage.counted else {
            return Ok(Target { quantity, is_cancelled, units, price, counter: None });
        };
        let change = if rate.price.is_stateful() { units - state.units } else { 0 };
        let counter = self.accounts[number as usize].counter(usage.subject, counted.match_id, counted.period);
        let stands = counter.map_or(0, |counter| counter.units);
        stands.checked_add(change).ok_or_else(overflow)?;
        let counter = CounterMoved { match_id: counted.match_id, period: counted.period, units: change, aggregate };
        Ok(Target { quantity, is_cancelled, units, price, counter: Some(counter) })
    }

    /// Under `max`, `last` and `unique`: the units the event burns from now on, and the aggregate then.
    ///
    /// # Errors
    /// `EVENT_UNKNOWN`: the journal kept does not have all events that the counter has counted.
    fn aggregate_without(
        &self,
        number: u32,
        history: &EventHistory,
        state: &EventState,
        asked: Option<i64>,
    ) -> Result<(i64, AggregateMoved), Refusal> {
        let this = history.usage().expect("the caller has seen it");
        let meter = &self.catalog.meters[usize::from(this.subject)];
        let value_of = |usage: &AppliedUsage| {
            let counted = meter.unique_of.as_deref()?;
            usage.dimensions.iter().find(|(key, _)| key == counted).map(|(_, value)| value.clone())
        };
        let others: Vec<(i64, u64, i64, Option<String>, i64)> = history
            .counted()
            .iter()
            .filter(|(record, _, other)| record.seq != history.original.seq && !other.is_cancelled)
            .map(|(record, usage, other)| {
                let time = usage.time_us.or(history.clock_at(record.seq));
                let time = time.unwrap_or_else(|| self.event_time(number, usage, record.stamp));
                (time, record.seq, other.quantity, value_of(usage), other.units)
            })
            .collect();
        let others_burned: i64 = others.iter().map(|(.., units)| units).sum();
        if !self.has_burned(number, this, others_burned + state.units) {
            let reason = "the journal kept (retention_s, or a restore from a snapshot) does not have all events of this \
                          meter's usage period, which the correction must be compared with; record a new event";
            return Err(Refusal::new(Status::EventUnknown, "event_id", reason));
        }
        let mut events = others;
        if let Some(quantity) = asked {
            let time = self.event_time(number, this, history.original.stamp);
            events.push((time, history.original.seq, quantity, value_of(this), 0));
        }
        let last = events.iter().max_by_key(|(time, seq, ..)| (*time, *seq));
        let (value, at) = match meter.aggregation {
            Aggregation::Max => {
                let latest = events.iter().map(|(time, ..)| *time).max().unwrap_or(0);
                (events.iter().map(|(_, _, quantity, ..)| *quantity).max().unwrap_or(0), latest)
            }
            Aggregation::Last => last.map_or((0, 0), |(time, _, quantity, ..)| (*quantity, *time)),
            _ => (0, 0),
        };
        let mut values: Vec<&String> = events.iter().filter_map(|(_, _, _, value, _)| value.as_ref()).collect();
        values.sort_unstable();
        values.dedup();
        let comes_to = match meter.aggregation {
            Aggregation::Unique => (values.len() as i64).saturating_mul(one_unit(meter)),
            _ => value,
        };
        let units = if asked.is_some() { (comes_to - others_burned).max(0) } else { 0 };
        let gone = value_of(this).filter(|value| asked.is_none() && !values.contains(&value));
        Ok((units, AggregateMoved { burned: units - state.units, value, at, gone }))
    }

    /// Whether the counter of this event's aggregate has come to these units.
    fn has_burned(&self, number: u32, usage: &AppliedUsage, units: i64) -> bool {
        let counter =
            usage.counted.and_then(|c| self.accounts[number as usize].counter(usage.subject, c.match_id, c.period));
        counter.and_then(|counter| counter.aggregate.as_deref()).is_some_and(|aggregate| aggregate.burned == units)
    }
}
