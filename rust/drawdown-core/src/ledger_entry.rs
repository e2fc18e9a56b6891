//! Ledger entries in words: JSON of what one record says, for people and for other rooms.
//!
//! Every entry has `seq`, `account`, `kind` and `received_at`. Where a pool changed it has
//! `credit_type` and `scale`; `draws` lists grants and what was burned from each, in order;
//! `amounts` are credits in smallest units; `facts` is the rest.

use crate::account::Account;
use crate::catalog::Catalog;
use crate::correction_entry::{UsageCorrected, WentTo};
use crate::engine::Engine;
use crate::entry::{Control, Crossing, GrantCreated, PolicySet};
use crate::ledger_record::{AppliedUsage, Fact, LedgerRecord};
use crate::reservation_entry::{EndedPartEntry, ReservationSettled, Reserved};
use crate::threshold::percent_text;
use crate::{apply, grant::NEVER};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The names that an account's records go by numbers for.
pub struct LedgerNames {
    account: String,
    catalog: Catalog,
    /// Grant number → id and name.
    grants: BTreeMap<u32, (String, String)>,
    /// The account's own clock: where `learn` was told of none, as it stands now. Entries in front of the first
    /// that says so are only read where the journal kept begins behind it.
    clock: Option<i64>,
}

impl Engine {
    /// The names of what is shared, and the account's id; grants are learned from their entries.
    pub fn ledger_names(&self, number: u32) -> LedgerNames {
        let account = self.accounts.get(number as usize);
        LedgerNames {
            account: account.map_or(String::new(), |account| account.id.as_str().into()),
            catalog: self.catalog.clone(),
            grants: BTreeMap::new(),
            clock: self.own_clock(number),
        }
    }

    /// Whether the account lives on a clock of its own.
    pub fn has_test_clock(&self, number: u32) -> bool {
        self.accounts.get(number as usize).is_some_and(|account: &Account| account.test_clock().is_some())
    }
}

/// The kind of a record's entry, by which callers choose.
pub fn kind_of(what: &Fact) -> &'static str {
    match what {
        Fact::Usage(_) => "usage",
        Fact::Control(control) => match control {
            Control::CreditTypeCreated(_) => "credit_type_created",
            Control::MeterCreated(_) => "meter_created",
            Control::RateSet(_) => "rate_set",
            Control::AccountCreated(_) => "account_created",
            Control::RateTableAssigned(_) => "rate_table_assigned",
            Control::PeriodEdgeSet(_) => "period_edge_set",
            Control::ClockAdvanced(_) => "clock_advanced",
            Control::SuspensionSet(e) if e.suspended => "suspended",
            Control::SuspensionSet(_) => "resumed",
            Control::PolicySet(_) => "policy_set",
            Control::ThresholdsSet(_) => "thresholds_set",
            Control::GrantCreated(_) => "granted",
            Control::GrantReleased(_) => "grant_released",
            Control::GrantVoided(_) => "voided",
            Control::GrantIdUsed(_) => "grant_id_used",
            Control::GrantExpired(_) => "expired",
            Control::GrantExhausted(_) => "exhausted",
            Control::GrantsLeft(_) => "grants_left",
            Control::OverdraftSettled(_) => "overdraft_settled",
            Control::Crossed(_) => "crossed",
            Control::FloorRaised(_) => "floor_raised",
            Control::InstantsLived(_) => "instants_lived",
            Control::Reserved(_) => "reserved",
            Control::ReservationSettled(_) => "settled",
            Control::ReservationReleased(e) if e.lapsed => "lapsed",
            Control::ReservationReleased(_) => "released",
            Control::UsageCorrected(_) => "corrected",
        },
    }
}

/// The pool an entry changes, where it changes one.
pub fn credit_type_of(what: &Fact, catalog: &Catalog) -> Option<u16> {
    let number = match what {
        Fact::Usage(usage) if usage.is_direct => return Some(usage.subject),
        Fact::Usage(usage) => return catalog.rates.get(usage.rate as usize).map(|rate| rate.credit_type),
        Fact::Control(control) => match control {
            Control::PolicySet(e) => e.credit_type,
            Control::ThresholdsSet(e) => e.credit_type,
            Control::GrantCreated(e) => e.credit_type,
            Control::GrantReleased(e) => e.credit_type,
            Control::GrantVoided(e) => e.credit_type,
            Control::GrantExpired(e) => e.credit_type,
            Control::GrantExhausted(e) => e.credit_type,
            Control::GrantsLeft(e) => e.credit_type,
            Control::OverdraftSettled(e) => e.credit_type,
            Control::Crossed(e) => e.credit_type,
            Control::Reserved(e) => e.credit_type,
            Control::ReservationSettled(e) => e.credit_type,
            Control::ReservationReleased(e) => e.credit_type,
            Control::UsageCorrected(e) => e.credit_type,
            _ => return None,
        },
    };
    u16::try_from(number).ok()
}

/// An entry being written: its common fields, and what its kind adds.
struct Entry<'a> {
    names: &'a LedgerNames,
    fields: Map<String, Value>,
    draws: Vec<Value>,
    amounts: Map<String, Value>,
    facts: Map<String, Value>,
}

impl Entry<'_> {
    fn field(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.into(), value.into());
    }

    fn amount(&mut self, name: &str, units: i64) {
        self.amounts.insert(name.into(), units.into());
    }

    fn fact(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.insert(name.into(), value.into());
    }

    fn draw(&mut self, number: u32, amount: i64) {
        self.draws.push(json!([self.names.grant_id(number), amount]));
    }

    fn grant(&mut self, number: u32) {
        let id = self.names.grant_id(number);
        self.fact("grant_id", id);
    }
}

impl LedgerNames {
    /// Take note of what later entries go by: grants by number, the account's own clock.
    pub fn learn(&mut self, record: &LedgerRecord) {
        match &record.what {
            Fact::Control(Control::GrantCreated(e)) => {
                let name = e.text.as_ref().map_or("", |text| &text.name);
                let name = if name.is_empty() { &e.id } else { name };
                self.grants.insert(e.number, (e.id.clone(), name.to_owned()));
            }
            Fact::Control(Control::AccountCreated(e)) => self.clock = e.test_clock,
            Fact::Control(Control::ClockAdvanced(e)) => self.clock = Some(e.to),
            _ => {}
        }
    }

    pub fn credit_type_of(&self, record: &LedgerRecord) -> Option<u16> {
        credit_type_of(&record.what, &self.catalog)
    }

    /// Number of the credit type of this name.
    pub fn credit_type_id(&self, name: &str) -> Option<u16> {
        self.catalog.credit_type_id(name)
    }

    pub(crate) fn account(&self) -> &str {
        &self.account
    }

    /// A grant's id; its number where its creation is not in the journal kept.
    pub(crate) fn grant_id(&self, number: u32) -> String {
        self.grants.get(&number).map_or_else(|| format!("#{number}"), |(id, _)| id.clone())
    }

    pub(crate) fn grant_name(&self, number: u32) -> String {
        self.grants.get(&number).map_or_else(|| format!("#{number}"), |(_, name)| name.clone())
    }

    fn meter_key(&self, meter: u32) -> &str {
        self.catalog.meters.get(meter as usize).map_or("", |meter| &meter.key)
    }

    /// The record as an entry. `learn` must have seen the account's records up to this one, as far
    /// as they create grants or move its clock.
    pub fn entry(&self, record: &LedgerRecord) -> Value {
        let mut entry =
            Entry { names: self, fields: Map::new(), draws: Vec::new(), amounts: Map::new(), facts: Map::new() };
        entry.field("seq", record.seq);
        entry.field("account", self.account.as_str());
        entry.field("kind", kind_of(&record.what));
        entry.field("received_at", self.clock.unwrap_or(record.stamp));
        if let Some(credit_type) =
            self.credit_type_of(record).and_then(|c| self.catalog.credit_types.get(usize::from(c)))
        {
            entry.field("credit_type", credit_type.name.as_str());
            entry.field("scale", credit_type.scale);
        }
        match &record.what {
            Fact::Usage(usage) => self.usage(usage, &mut entry),
            Fact::Control(control) => self.control(control, &mut entry),
        }
        let Entry { mut fields, draws, amounts, facts, .. } = entry;
        fields.insert("draws".into(), draws.into());
        fields.insert("amounts".into(), amounts.into());
        fields.insert("facts".into(), facts.into());
        fields.into()
    }

    fn usage(&self, usage: &AppliedUsage, entry: &mut Entry<'_>) {
        entry.field("event_id", usage.event_id.as_str());
        if !usage.is_direct {
            entry.field("meter", self.meter_key(usage.subject.into()));
            let meter = self.catalog.meters.get(usize::from(usage.subject));
            entry.field("quantity_scale", meter.map_or(0, |meter| meter.quantity_scale));
            entry.field("quantity", usage.quantity);
        }
        entry.field("time", usage.time_us);
        entry.field("charged", usage.charged());
        for draw in &usage.draws {
            entry.draw(draw.number, draw.amount);
        }
        let beyond = &usage.beyond;
        for (name, units) in
            [("uncovered", beyond.uncovered), ("overdraft", beyond.overdraft), ("overage", beyond.overage)]
        {
            if units != 0 {
                entry.amount(name, units);
            }
        }
        if beyond.overage != 0 {
            entry.fact("overage_period", beyond.period);
        }
        if let Some(counted) = usage.counted {
            entry.fact("counted_units", counted.units);
            entry.fact("counted_period", counted.period);
        }
        if usage.is_forced {
            entry.fact("forced", true);
        }
        if !usage.dimensions.is_empty() {
            let pairs = usage.dimensions.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
            entry.fact("dimensions", pairs.collect::<Map<_, _>>());
        }
    }

    fn control(&self, control: &Control, entry: &mut Entry<'_>) {
        match control {
            Control::CreditTypeCreated(_)
            | Control::MeterCreated(_)
            | Control::RateSet(_)
            | Control::FloorRaised(_)
            | Control::InstantsLived(_) => {}
            Control::AccountCreated(e) => {
                entry.fact("customer", e.customer.as_str());
                entry.fact("rate_table", if e.rate_table.is_empty() { "default" } else { &e.rate_table });
                entry.fact("test_clock", e.test_clock);
            }
            Control::RateTableAssigned(e) => {
                entry.fact("rate_table", e.table.as_str());
                entry.fact("valid_from", (e.valid_from != i64::MIN).then_some(e.valid_from));
            }
            Control::PeriodEdgeSet(e) => {
                entry.fact("at", e.at);
                entry.fact("withdrawn", e.withdrawn);
            }
            Control::ClockAdvanced(e) => entry.fact("to", e.to),
            Control::SuspensionSet(_) => {}
            Control::PolicySet(e) => policy_facts(e, entry),
            Control::ThresholdsSet(e) => {
                entry.fact("threshold_units", e.thresholds.clone());
                let percents: Vec<String> = e.percents.iter().copied().map(percent_text).collect();
                entry.fact("threshold_percents", percents);
            }
            Control::GrantCreated(e) => self.grant_created(e, entry),
            Control::GrantReleased(e) => {
                entry.grant(e.number);
                entry.fact("effective_at", e.effective_at);
                entry.fact("expires_at", e.expires_at);
            }
            Control::GrantVoided(e) => {
                entry.grant(e.number);
                entry.amount("voided", e.voided);
                entry.amount("moved", e.moved);
                entry.fact("reason", e.reason.as_str());
            }
            Control::GrantIdUsed(e) => entry.fact("grant_id", e.id.as_str()),
            Control::GrantExpired(e) => {
                entry.grant(e.number);
                entry.amount("expired", e.amount);
            }
            Control::GrantExhausted(e) => entry.grant(e.number),
            Control::GrantsLeft(e) => {
                entry.fact("grant_ids", e.grants.iter().map(|grant| grant.id.as_str()).collect::<Vec<_>>());
            }
            Control::OverdraftSettled(e) => {
                entry.draw(e.number, e.amount);
                entry.amount("overdraft", -e.amount);
                if let Some(meter) = e.meter_plus_one.checked_sub(1) {
                    entry.field("meter", self.meter_key(meter));
                }
                entry.fact("at", e.at);
            }
            Control::Crossed(e) => {
                entry.fact("notice", Crossing::of(e.kind).map_or("", Crossing::notice));
                entry.amount("threshold", e.threshold);
                entry.amount("available", e.available);
                if e.percent != 0 {
                    entry.fact("threshold_percent", percent_text(e.percent));
                }
            }
            Control::Reserved(e) => self.reserved(e, entry),
            Control::ReservationSettled(e) => self.settled(e, entry),
            Control::UsageCorrected(e) => self.corrected(e, entry),
            Control::ReservationReleased(e) => {
                entry.fact("reservation_id", e.id.as_str());
                entry.fact("at", e.at);
                ended_parts(&e.parts, entry);
            }
        }
    }

    fn reserved(&self, e: &Reserved, entry: &mut Entry<'_>) {
        entry.fact("reservation_id", e.id.as_str());
        if let Some(meter) = e.meter_plus_one.checked_sub(1) {
            entry.field("meter", self.meter_key(meter));
        }
        if e.is_in_credits {
            entry.amount("asked", e.asked);
        } else {
            entry.field("quantity", e.asked);
        }
        entry.amount("held", e.parts.iter().map(|part| part.amount).sum());
        entry.amount("headroom", e.headroom);
        entry.amount("uncovered", e.uncovered);
        let parts = e.parts.iter().map(|part| json!([self.grant_id(part.number), part.amount]));
        entry.fact("held_units", parts.collect::<Vec<_>>());
        entry.fact("expires_at", e.expires_at);
    }

    fn settled(&self, e: &ReservationSettled, entry: &mut Entry<'_>) {
        entry.fact("reservation_id", e.id.as_str());
        if e.is_in_credits {
            entry.amount("actual", e.actual);
        } else {
            entry.field("quantity", e.actual);
        }
        entry.field("charged", e.charged());
        for part in e.parts.iter().filter(|part| part.burned != 0) {
            entry.draw(part.number, part.burned);
        }
        for draw in &e.draws {
            entry.draw(draw.number, draw.amount);
        }
        ended_parts(&e.parts, entry);
        entry.amount("overdraft", e.overdraft);
        entry.amount("overage", e.overage);
        entry.amount("uncovered", e.uncovered);
        entry.fact("period", e.period);
    }

    fn corrected(&self, e: &UsageCorrected, entry: &mut Entry<'_>) {
        entry.field("event_id", e.event_id.as_str());
        if let Some(meter) = e.meter_plus_one.checked_sub(1) {
            entry.field("meter", self.meter_key(meter));
            let meter = self.catalog.meters.get(meter as usize);
            entry.field("quantity_scale", meter.map_or(0, |meter| meter.quantity_scale));
            entry.field("quantity", e.quantity);
        }
        entry.field("time", e.event_time);
        entry.field("charged", e.difference());
        entry.fact("correction_id", e.correction_id.as_deref());
        entry.fact("cancelled", e.cancelled);
        entry.fact("corrects_seq", e.event_seq);
        entry.fact("period", e.period);
        entry.amount("event_charged", e.charged);
        for draw in &e.draws {
            entry.draw(draw.number, draw.amount);
        }
        let mut gone: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for part in &e.returns {
            entry.draw(part.number, -part.amount);
            let into = match WentTo::of(part.into) {
                Some(WentTo::Voided) => "forfeited_units",
                Some(WentTo::Expired) => "expired_units",
                Some(WentTo::Moved) => "moved_units",
                _ => continue,
            };
            gone.entry(into).or_default().push(json!([self.grant_id(part.number), part.amount]));
        }
        for (into, parts) in gone {
            entry.fact(into, parts);
        }
        for (name, units) in [("uncovered", e.uncovered), ("overdraft", e.overdraft), ("overage", e.overage)] {
            if units != 0 {
                entry.amount(name, units);
            }
        }
        if e.overage != 0 {
            entry.fact("overage_period", e.period);
        }
        if let Some(counter) = &e.counter {
            entry.fact("counted_units", e.units);
            entry.fact("counted_period", counter.period);
        }
    }

    fn grant_created(&self, e: &GrantCreated, entry: &mut Entry<'_>) {
        entry.fact("grant_id", e.id.as_str());
        entry.fact("name", self.grant_name(e.number));
        entry.amount("amount", e.amount);
        entry.fact("priority", e.priority);
        entry.fact("category", if e.promotional { "promotional" } else { "paid" });
        entry.fact("pending", e.pending);
        entry.fact("effective_at", e.effective_at);
        entry.fact("expires_at", e.expires_at.filter(|at| *at != NEVER));
        let scope: Vec<&str> = e.scope.iter().map(|meter| self.meter_key(*meter)).collect();
        entry.fact("scope", (!scope.is_empty()).then_some(scope));
        entry.fact("source", apply::source_of(e.source).ok().and_then(|source| serde_json::to_value(source).ok()));
    }
}

/// What an ended reservation let go, per grant: all it held, and of that what was forfeited.
fn ended_parts(parts: &[EndedPartEntry], entry: &mut Entry<'_>) {
    let names = entry.names;
    let held = parts.iter().map(|p| json!([names.grant_id(p.number), -(p.burned + p.returned + p.forfeited)]));
    entry.fact("held_units", held.collect::<Vec<_>>());
    let forfeited = parts.iter().filter(|p| p.forfeited != 0);
    let forfeited: Vec<Value> = forfeited.map(|p| json!([names.grant_id(p.number), p.forfeited])).collect();
    if !forfeited.is_empty() {
        entry.fact("forfeited_units", forfeited);
    }
    entry.amount("returned", parts.iter().map(|part| part.returned).sum());
}

fn policy_facts(e: &PolicySet, entry: &mut Entry<'_>) {
    let kind = apply::policy_of(e.kind).ok().and_then(|kind| serde_json::to_value(kind).ok());
    entry.fact("policy", kind);
    if e.limit >= 0 {
        entry.amount("limit", e.limit);
    }
    if !e.price.is_empty() {
        entry.fact("price", e.price.as_str());
    }
}
