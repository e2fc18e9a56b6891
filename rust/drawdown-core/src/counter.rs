//! Counters of stateful prices, one per account × meter × match × period: the tier position, and
//! the aggregate of `max`, `last` and `unique` meters (semantics §2, §5.8).

use crate::amount::pow10;
use crate::catalog::Meter;
use crate::command::Aggregation;
use std::collections::BTreeSet;

/// What one meter has come to at one match in one period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    pub meter: u16,
    pub match_id: u32,
    pub period: i64,
    /// Units applied at stateful prices: the tier position of the next event.
    pub units: i64,
    /// For `max`, `last` and `unique`.
    pub aggregate: Option<Box<Aggregate>>,
}

/// The aggregate of a period's applied events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aggregate {
    /// Σ units that events burned; never below what the events come to.
    pub burned: i64,
    /// `max`: the largest quantity; `last`: the latest; unused by `unique`.
    pub value: i64,
    /// `last`: the event time of `value`.
    pub at: i64,
    /// `unique`: keyed hashes of the values seen.
    pub values: BTreeSet<u128>,
    /// Position of the newest entry that moved this aggregate.
    pub changed: u64,
}

/// One event as an aggregate sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted<'a> {
    pub meter: &'a Meter,
    pub quantity: i64,
    pub time: i64,
    /// `unique`: the value's keyed hash; `None` if the event has none, which counts nothing.
    pub value: Option<u128>,
}

/// Whether the meter's aggregate is more than a sum of what each event adds.
#[inline]
pub fn is_aggregated(meter: &Meter) -> bool {
    matches!(meter.aggregation, Aggregation::Max | Aggregation::Last | Aggregation::Unique)
}

/// One whole unit, in quantities of the meter.
#[inline]
pub fn one_unit(meter: &Meter) -> i64 {
    pow10(u32::from(meter.quantity_scale)) as i64
}

impl Counter {
    pub fn new(meter: u16, match_id: u32, period: i64) -> Counter {
        Counter { meter, match_id, period, units: 0, aggregate: None }
    }
}

impl Aggregate {
    /// What the applied events come to with this one among them, in quantities of the meter.
    pub fn with(&self, event: &Counted<'_>) -> i64 {
        match event.meter.aggregation {
            Aggregation::Max => self.value.max(event.quantity),
            // A tie goes to the newer seq, and a new event has the newest.
            Aggregation::Last if event.time >= self.at => event.quantity,
            Aggregation::Last => self.value,
            _ => {
                let adds = event.value.is_some_and(|value| !self.values.contains(&value));
                (self.values.len() as i64 + i64::from(adds)).saturating_mul(one_unit(event.meter))
            }
        }
    }

    /// Units the event burns: a decrease gives nothing back.
    pub fn units_of(&self, event: &Counted<'_>) -> i64 {
        (self.with(event) - self.burned).max(0)
    }

    /// Take an event in that burned `units`.
    pub fn take(&mut self, event: &Counted<'_>, units: i64, seq: u64) -> Option<()> {
        self.burned = self.burned.checked_add(units)?;
        self.changed = seq;
        match event.meter.aggregation {
            Aggregation::Last if event.time < self.at => {}
            Aggregation::Max | Aggregation::Last => (self.value, self.at) = (self.with(event), event.time.max(self.at)),
            _ => self.values.extend(event.value),
        }
        Some(())
    }
}
