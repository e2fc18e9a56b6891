//! What the engine knows of credit types, meters, rates, scopes and policies.
//!
//! Small, read on every event and changed rarely; every id is its position in a vector and
//! never re-used. Names are looked up in ordered maps so that nothing depends on hash order.

use crate::command::{Aggregation, PolicyKind};
use crate::policies::Policies;
use crate::rate::Price;
use crate::reservation::Reservation;
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditType {
    pub name: String,
    pub scale: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meter {
    pub key: String,
    pub unit: String,
    pub quantity_scale: u8,
    pub aggregation: Aggregation,
    /// Sorted keys that may matter for price.
    pub dimensions: Vec<String>,
    pub unique_of: Option<String>,
}

/// One defined rate: immutable; a newer one supersedes it from its `valid_from` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    pub table: u32,
    pub meter: u16,
    pub credit_type: u16,
    pub match_id: u32,
    pub valid_from: i64,
    pub price: Price,
    /// As sent, for people: JSON of the command.
    pub sent: String,
}

/// The rates of one meter in one table.
#[derive(Clone, Debug, Default)]
pub struct MeterRates {
    /// (match, rates newest `valid_from` first, the latest defined first among equals).
    /// Ascending by match, so the default match, 0, comes first if present.
    by_match: Vec<(u32, Vec<(i64, u32)>)>,
}

impl MeterRates {
    #[inline]
    fn at(&self, match_id: u32, time: i64) -> Option<u32> {
        let found = self.by_match.binary_search_by_key(&match_id, |(id, _)| *id).ok()?;
        let (_, versions) = &self.by_match[found];
        versions.iter().find(|(valid_from, _)| *valid_from <= time).map(|(_, rate)| *rate)
    }
}

/// A set of meters a grant pays for.
#[derive(Clone, Debug, Default)]
pub struct Scopes {
    /// Sorted meter ids; entry 0 is `all` and empty.
    sets: Vec<Vec<u16>>,
}

impl Scopes {
    pub const ALL: u32 = 0;

    /// Width of `all` in the burn-down order: after every set.
    const ALL_WIDTH: u32 = u32::MAX;

    pub fn width(&self, scope: u32) -> u32 {
        if scope == Scopes::ALL { Scopes::ALL_WIDTH } else { self.meters(scope).len() as u32 }
    }

    pub fn meters(&self, scope: u32) -> &[u16] {
        if scope == Scopes::ALL { &[] } else { &self.sets[scope as usize - 1] }
    }

    pub fn contains(&self, meters: &[u16]) -> bool {
        self.find(meters).is_some()
    }

    /// The id of this sorted set, if it has one; empty means `all`.
    pub fn find(&self, meters: &[u16]) -> Option<u32> {
        if meters.is_empty() {
            return Some(Scopes::ALL);
        }
        self.sets.iter().position(|set| set == meters).map(|at| at as u32 + 1)
    }

    /// The id of this sorted set; empty means `all`.
    pub fn intern(&mut self, meters: &[u16]) -> u32 {
        self.find(meters).unwrap_or_else(|| {
            self.sets.push(meters.to_vec());
            self.sets.len() as u32
        })
    }

    /// Whether a grant of this scope may pay for a charge of `meter` (`None`: a direct debit).
    #[inline]
    pub fn pays_for(&self, scope: u32, meter: Option<u16>) -> bool {
        scope == Scopes::ALL || meter.is_some_and(|m| self.sets[scope as usize - 1].binary_search(&m).is_ok())
    }
}

/// `Policy::limit` of an overage without a cap; every cap itself is 0 or more.
pub const NO_CAP: i64 = -1;

/// What happens at zero (semantics §5.4).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Policy {
    pub kind: PolicyKind,
    /// `overdraft`: the limit; `overage`: the cap per period (`NO_CAP`: none).
    pub limit: i64,
    pub price: String,
}

#[derive(Clone, Debug, Default)]
pub struct Catalog {
    pub credit_types: Vec<CreditType>,
    pub meters: Vec<Meter>,
    pub tables: Vec<String>,
    pub rates: Vec<Rate>,
    /// Canonical dimension sets of rates; match 0, the default, is the empty set.
    pub matches: Vec<Vec<(String, String)>>,
    /// Ids of `matches` in order of their content: a price list of hundreds of models is searched
    /// for every event.
    matches_by_content: Vec<u32>,
    pub scopes: Scopes,
    pub policies: Policies,
    credit_type_ids: BTreeMap<String, u16>,
    meter_ids: BTreeMap<String, u16>,
    table_ids: BTreeMap<String, u32>,
    /// `[table][meter]`.
    meter_rates: Vec<Vec<MeterRates>>,
}

impl Catalog {
    pub fn new() -> Catalog {
        Catalog { matches: vec![Vec::new()], matches_by_content: vec![0], ..Catalog::default() }
    }

    #[inline]
    pub fn meter_id(&self, key: &str) -> Option<u16> {
        self.meter_ids.get(key).copied()
    }

    pub fn credit_type_id(&self, name: &str) -> Option<u16> {
        self.credit_type_ids.get(name).copied()
    }

    pub fn table_id(&self, name: &str) -> Option<u32> {
        self.table_ids.get(name).copied()
    }

    pub fn match_id(&self, dimensions: &[(String, String)]) -> Option<u32> {
        self.find_match(|| dimensions.iter().map(|(key, value)| (key.as_str(), value.as_str()))).ok()
    }

    /// The match of exactly these pairs, sorted by key; else where in `matches_by_content` it belongs.
    #[inline]
    fn find_match<'a, I: Iterator<Item = (&'a str, &'a str)>>(&'a self, pairs: impl Fn() -> I) -> Result<u32, usize> {
        let content = |id: u32| self.matches[id as usize].iter().map(|(key, value)| (key.as_str(), value.as_str()));
        self.matches_by_content
            .binary_search_by(|id| content(*id).cmp(pairs()))
            .map(move |found| self.matches_by_content[found])
    }

    pub fn scale(&self, credit_type: u16) -> u32 {
        u32::from(self.credit_types[usize::from(credit_type)].scale)
    }

    /// Whether a reservation's meter and rate are defined here.
    pub fn has_price_of(&self, reservation: &Reservation) -> bool {
        reservation.meter.is_none_or(|meter| {
            usize::from(meter) < self.meters.len()
                && self.rates.get(reservation.rate as usize).is_some_and(|rate| rate.meter == meter)
        })
    }

    pub fn add_credit_type(&mut self, credit_type: CreditType) {
        self.credit_type_ids.insert(credit_type.name.clone(), self.credit_types.len() as u16);
        self.credit_types.push(credit_type);
    }

    pub fn add_meter(&mut self, meter: Meter) {
        self.meter_ids.insert(meter.key.clone(), self.meters.len() as u16);
        self.meters.push(meter);
    }

    pub fn intern_table(&mut self, name: &str) -> u32 {
        if let Some(id) = self.table_id(name) {
            return id;
        }
        let id = self.tables.len() as u32;
        self.table_ids.insert(name.into(), id);
        self.tables.push(name.into());
        id
    }

    pub fn intern_match(&mut self, dimensions: &[(String, String)]) -> u32 {
        let pairs = || dimensions.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        self.find_match(pairs).unwrap_or_else(|at| {
            let id = self.matches.len() as u32;
            self.matches.push(dimensions.to_vec());
            self.matches_by_content.insert(at, id);
            id
        })
    }

    pub fn add_rate(&mut self, rate: Rate) {
        let id = self.rates.len() as u32;
        let (table, meter) = (rate.table as usize, usize::from(rate.meter));
        if self.meter_rates.len() <= table {
            self.meter_rates.resize_with(table + 1, Vec::new);
        }
        let row = &mut self.meter_rates[table];
        if row.len() <= meter {
            row.resize_with(meter + 1, MeterRates::default);
        }
        let by_match = &mut row[meter].by_match;
        let at = by_match.binary_search_by_key(&rate.match_id, |(m, _)| *m).unwrap_or_else(|at| {
            by_match.insert(at, (rate.match_id, Vec::new()));
            at
        });
        let versions = &mut by_match[at].1;
        // Before equals: the latest defined wins.
        let before = versions.partition_point(|(valid_from, _)| *valid_from > rate.valid_from);
        versions.insert(before, (rate.valid_from, id));
        self.rates.push(rate);
    }

    /// The newest defined rate of exactly this key, to tell a repeat from a change.
    pub fn newest_rate(&self, table: u32, meter: u16, match_id: u32, valid_from: i64) -> Option<&Rate> {
        let rates = self.meter_rates.get(table as usize)?.get(usize::from(meter))?;
        let (_, versions) = rates.by_match.iter().find(|(m, _)| *m == match_id)?;
        let (_, rate) = versions.iter().find(|(from, _)| *from == valid_from)?;
        Some(&self.rates[*rate as usize])
    }

    /// The rate of `meter` in `table` at event time `time`: the exact match of the event's
    /// dimensions cut down to what the meter declares, else the meter's default rate.
    #[inline]
    pub fn rate_at(&self, table: u32, meter: u16, dimensions: &[(&str, &str)], time: i64) -> Option<u32> {
        let rates = self.meter_rates.get(table as usize)?.get(usize::from(meter))?;
        if !dimensions.is_empty() && rates.by_match.len() > usize::from(rates.by_match.first()?.0 == 0) {
            let matched = self.match_of(meter, dimensions).and_then(|m| rates.at(m, time));
            if matched.is_some() {
                return matched;
            }
        }
        rates.at(0, time)
    }

    /// Some rate of `meter` in `table`, where it has one.
    pub fn any_rate(&self, table: u32, meter: u16) -> Option<u32> {
        let rates = self.meter_rates.get(table as usize)?.get(usize::from(meter))?;
        rates.by_match.first()?.1.first().map(|(_, rate)| *rate)
    }

    fn match_of(&self, meter: u16, dimensions: &[(&str, &str)]) -> Option<u32> {
        let declared = &self.meters[usize::from(meter)].dimensions;
        let kept = || dimensions.iter().copied().filter(|(key, _)| declared.iter().any(|d| d == key));
        self.find_match(kept).ok().filter(|id| *id != 0)
    }
}
