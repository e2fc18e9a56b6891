//! The reference ledger: the contract's text in plain Rust, slow and obvious. 128-bit integers,
//! vectors, nothing cached, no batches. Written apart from the engine.

use crate::aggregates::{Burned, aggregate};
use crate::commands::GrantSent;
use crate::corrections::{Applied, CorrectSent};
pub use crate::grants::Grant;
use crate::holds::{Hold, ReserveSent, SettleSent};
use crate::prices::{How, METERS, Rate};
use crate::zero::at_zero;
use std::collections::BTreeMap;

pub const MAX: i128 = i64::MAX as i128;
pub const FOREVER: i64 = i64::MAX;
pub const CREDIT_TYPES: [&str; 2] = ["credits", "usd"];
const MINUTE: i64 = 60_000_000;
/// The dedupe window: 35 days, whose 50,400 buckets take Miri a second per engine.
pub const WINDOW: i64 = if cfg!(miri) { 1 } else { 35 } * 24 * 60 * MINUTE;

#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Policy {
    #[default]
    Hard,
    Partial,
    Overdraft(i128),
    Overage(Option<i128>),
}

#[derive(Clone, Debug, Default)]
pub struct Pool {
    pub policy: Policy,
    /// Open debt by meter, oldest first; a direct debit has none.
    pub debts: Vec<(Option<String>, i128)>,
    pub overage: BTreeMap<i64, i128>,
    pub charged: i128,
    /// Debt of a meter paid by a grant, oldest first.
    pub settled: Vec<(Option<String>, String, i128)>,
    /// Headroom of open reservations.
    pub held_overdraft: i128,
    pub held_overage: i128,
}

impl Pool {
    pub fn overage_in(&self, period: i64) -> i128 {
        self.overage.get(&period).copied().unwrap_or(0)
    }

    pub fn overdraft(&self) -> i128 {
        self.debts.iter().map(|debt| debt.1).sum()
    }

    pub fn overage_total(&self) -> i128 {
        self.overage.values().sum()
    }

    pub fn owe(&mut self, meter: Option<&str>, amount: i128) {
        match self.debts.iter_mut().find(|debt| debt.0.as_deref() == meter) {
            _ if amount == 0 => {}
            Some(debt) => debt.1 += amount,
            None => self.debts.push((meter.map(str::to_string), amount)),
        }
    }
}

/// One use as its caller sends it.
#[derive(Clone, Debug, PartialEq)]
pub struct Use {
    pub id: String,
    pub account: String,
    pub subject: &'static str,
    pub is_direct: bool,
    pub quantity: i64,
    pub time: Option<i64>,
    /// Value of the one declared dimension, empty: not sent.
    pub model: &'static str,
    /// Whether a dimension nobody declared is sent along.
    pub has_stray_dimension: bool,
    pub force: bool,
}

impl Use {
    fn same_content(&self, other: &Use) -> bool {
        Use { force: false, ..self.clone() } == Use { force: false, ..other.clone() }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: &'static str,
    pub charged: i128,
    pub uncovered: i128,
    pub available: Option<i128>,
    pub shortfall: Option<i128>,
}

impl Answer {
    fn refused(status: &'static str, available: Option<i128>) -> Answer {
        Answer { status, charged: 0, uncovered: 0, available, shortfall: None }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Account {
    /// A clock of its own, and where that stood in the beginning.
    pub clock: Option<i64>,
    pub clock_began: Option<i64>,
    /// Rate tables by the instant each is assigned from, in order of assignment.
    pub tables: Vec<(i64, &'static str)>,
    pub edges: Vec<i64>,
    pub suspended: bool,
    pub grants: Vec<Grant>,
    pub pools: BTreeMap<&'static str, Pool>,
    /// meter, match, period.
    pub counters: BTreeMap<(String, String, i64), i128>,
    /// With the time each was taken at.
    pub uses: Vec<(Use, i64)>,
    pub holds: Vec<Hold>,
    /// With the instant of each.
    pub reserves: Vec<(ReserveSent, i64)>,
    pub settles: Vec<(String, SettleSent, i64)>,
    /// What each applied use of an aggregating meter burned, in order.
    pub burned: Vec<Burned>,
    pub applied: Vec<Applied>,
    /// With the instant each ages by.
    pub corrections: Vec<(CorrectSent, i64)>,
}

impl Account {
    pub fn open_pool(&mut self, credit_type: &'static str) {
        self.pool(credit_type);
    }

    pub fn pool(&mut self, credit_type: &'static str) -> &mut Pool {
        self.pools.entry(credit_type).or_default()
    }

    pub fn available(&self, credit_type: &str, now: i64) -> i128 {
        let free: i128 =
            self.grants.iter().filter(|g| g.credit_type == credit_type && g.is_valid_at(now)).map(Grant::free).sum();
        free - self.pools.get(credit_type).map_or(0, |pool| pool.overdraft() + pool.held_overdraft)
    }

    /// What an answer shows: absent where the account has no such pool.
    pub fn shown(&self, credit_type: &str, now: i64) -> Option<i128> {
        self.pools.contains_key(credit_type).then(|| self.available(credit_type, now))
    }

    pub fn remaining(&self, credit_type: &str) -> i128 {
        self.grants.iter().filter(|g| g.credit_type == credit_type).map(|g| g.remaining).sum()
    }

    /// §4.9, at an instant.
    pub fn settle(&mut self, at: i64) {
        for (credit_type, pool) in &mut self.pools {
            for (meter, debt) in &mut pool.debts {
                let mut payers: Vec<&mut Grant> = self
                    .grants
                    .iter_mut()
                    .filter(|g| g.credit_type == *credit_type && g.is_valid_at(at) && g.can_pay(meter.as_deref()))
                    .collect();
                payers.sort_by_key(|g| g.burns_at());
                for grant in payers {
                    let part = grant.free().min(*debt);
                    grant.remaining -= part;
                    grant.burned += part;
                    *debt -= part;
                    if part > 0 {
                        pool.settled.push((meter.clone(), grant.id.clone(), part));
                    }
                }
            }
            pool.debts.retain(|debt| debt.1 > 0);
        }
    }

    /// Indices of the grants that pay, in order: valid at the use (§7: those expired since, too,
    /// within the grace), then those valid at arrival.
    pub fn payers(&self, credit_type: &str, meter: Option<&str>, at: i64, now: i64, grace: i64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.grants.len()).collect();
        order.retain(|i| self.grants[*i].credit_type == credit_type && self.grants[*i].can_pay(meter));
        order.sort_by_key(|i| self.grants[*i].burns_at());
        let at_use = |g: &Grant| g.is_valid_at(at) && now < g.expires_at.saturating_add(grace);
        let (mut first, rest): (Vec<usize>, Vec<usize>) = order.into_iter().partition(|i| at_use(&self.grants[*i]));
        first.extend(rest.into_iter().filter(|i| self.grants[*i].is_valid_at(now)));
        first
    }
}

#[derive(Clone)]
pub struct Ledger {
    pub accounts: BTreeMap<String, Account>,
    pub rates: Vec<Rate>,
    pub now: i64,
    pub grace: i64,
    pub grants_made: usize,
    /// Grants as they were sent, by account: what uses up an id.
    pub sent: Vec<(String, GrantSent)>,
}

pub struct Priced {
    pub credit_type: &'static str,
    pub meter: Option<&'static str>,
    pub charge: i128,
    pub counter: Option<(String, String, i64)>,
    pub used: i128,
    pub burned: Option<Burned>,
    pub rate: Option<(Rate, i128)>,
}

impl Ledger {
    pub fn new(now: i64, rates: Vec<Rate>) -> Ledger {
        Ledger { accounts: BTreeMap::new(), rates, now, grace: 60 * MINUTE, grants_made: 0, sent: Vec::new() }
    }

    pub fn floor_of(&self, account: &str) -> i64 {
        let lowest = self.now_of(account) - WINDOW;
        lowest + (MINUTE - lowest % MINUTE) % MINUTE
    }

    pub fn rate(&self, account: &Account, meter: &str, model: &str, at: i64) -> Option<&Rate> {
        let table = account.table_at(at);
        let newest = |matches: &str| {
            let is_of = |r: &&Rate| r.table == table && r.meter == meter && r.matches == matches;
            let fits = |r: &&Rate| is_of(r) && r.valid_from.is_none_or(|from| from <= at);
            self.rates.iter().filter(fits).max_by_key(|r| r.valid_from)
        };
        // An empty model was not sent, and no rate matches it but the default.
        newest(model).or_else(|| newest(""))
    }

    pub fn price(&self, account: &Account, u: &Use, at: i64) -> Result<Priced, (&'static str, Option<&'static str>)> {
        if u.is_direct {
            let credit_type =
                ["credits", "usd"].into_iter().find(|c| *c == u.subject).ok_or(("METER_UNKNOWN", None))?;
            return Ok(Priced {
                credit_type,
                meter: None,
                charge: u.quantity.into(),
                counter: None,
                used: 0,
                burned: None,
                rate: None,
            });
        }
        let meter = METERS.iter().find(|m| m.key == u.subject).ok_or(("METER_UNKNOWN", None))?;
        // Only `tokens` declares the dimension.
        let model = if meter.key == "tokens" { u.model } else { "" };
        let rate = self.rate(account, meter.key, model, at).ok_or(("NOT_ENTITLED", None))?;
        let counter = (meter.key.to_string(), rate.matches.to_string(), account.period_of(at));
        let this = Burned {
            counter: counter.clone(),
            at,
            quantity: u.quantity.into(),
            model: u.model,
            units: 0,
            is_gone: false,
        };
        let used = match meter.how {
            How::Sum => i128::from(u.quantity),
            How::Count => 1,
            how => {
                let mut uses: Vec<&Burned> = account.burned.iter().filter(|b| b.counter == counter).collect();
                let others: i128 = uses.iter().map(|b| b.units).sum();
                uses.push(&this);
                (aggregate(how, &uses) - others).max(0)
            }
        };
        let before = account.counters.get(&counter).copied().unwrap_or(0);
        let overflow = ("OVERFLOW", Some(rate.credit_type));
        let charge = rate.charge(before, used, meter.quantity_scale).filter(|c| *c <= MAX).ok_or(overflow)?;
        if rate.keeps_a_counter() && before + used > MAX {
            return Err(overflow);
        }
        let (counter, rate) = (rate.keeps_a_counter().then_some(counter), rate.clone());
        let burned = meter.how.is_aggregate().then_some(Burned { units: used, ..this });
        Ok(Priced {
            credit_type: rate.credit_type,
            meter: Some(meter.key),
            charge,
            counter,
            used,
            burned,
            rate: Some((rate, before)),
        })
    }

    /// §5.1–§5.5.
    pub fn record(&mut self, u: &Use) -> Answer {
        // The contract has no status for a credit type nobody defined: the request is malformed.
        let is_sound = !u.is_direct || CREDIT_TYPES.contains(&u.subject);
        if u.quantity < 0 || !is_sound {
            return Answer::refused("INVALID", None);
        }
        let (now, floor) = (self.now_of(&u.account), self.floor_of(&u.account));
        let at = u.time.unwrap_or(now);
        if at > now + 5 * MINUTE {
            return Answer::refused("TOO_EARLY", None);
        }
        if at < floor {
            return Answer::refused("TOO_LATE", None);
        }
        let Some(account) = self.accounts.get(&u.account) else {
            return Answer::refused("ACCOUNT_UNKNOWN", None);
        };
        let priced = self.price(account, u, at);
        let credit_type = priced.as_ref().map_or_else(|error| error.1, |priced| Some(priced.credit_type));
        let shown = credit_type.and_then(|credit_type| account.shown(credit_type, now));
        // Below the floor an id is forgotten (§5.6).
        let known = account.uses.iter().filter(|(_, at)| *at >= floor);
        if let Some((first, _)) = known.rev().find(|(known, _)| known.id == u.id) {
            return Answer::refused(if first.same_content(u) { "DUPLICATE" } else { "CONFLICT" }, shown);
        }
        if account.suspended && !u.force {
            return Answer::refused("ACCOUNT_SUSPENDED", shown);
        }
        match priced {
            Err((status, _)) => Answer::refused(status, shown),
            Ok(priced) => self.pay(u, &priced, at),
        }
    }

    fn pay(&mut self, u: &Use, priced: &Priced, at: i64) -> Answer {
        let (now, grace) = (self.now_of(&u.account), self.grace);
        let account = self.accounts.get_mut(&u.account).expect("just found");
        let payers = account.payers(priced.credit_type, priced.meter, at.min(now), now, grace);
        let can_pay: i128 = payers.iter().map(|i| account.grants[*i].free()).sum();
        let covered = can_pay.min(priced.charge);
        let rest = priced.charge - covered;
        let shown = account.shown(priced.credit_type, now);
        let period = account.period_of(at);
        let taken = at_zero(account.pools.get(priced.credit_type).unwrap_or(&Pool::default()), covered, rest, period);
        let (owed, overage, uncovered) = match taken {
            Ok((_, _, uncovered)) if u.force && uncovered > 0 => (rest, 0, 0),
            Ok(taken) => taken,
            Err(_) if u.force => (rest, 0, 0),
            Err((status, shortfall)) => {
                return Answer { shortfall: Some(shortfall), ..Answer::refused(status, shown) };
            }
        };
        let mut pool = account.pools.get(priced.credit_type).cloned().unwrap_or_default();
        let totals =
            [pool.overdraft() + pool.held_overdraft + owed, pool.overage_total() + pool.held_overage + overage];
        if owed > 0 && totals[0] > MAX || overage > 0 && totals[1] > MAX {
            return Answer::refused("OVERFLOW", shown);
        }
        pool.owe(priced.meter, owed);
        *pool.overage.entry(period).or_default() += overage;
        pool.charged += priced.charge - uncovered;
        if priced.charge > 0 {
            // A use that costs nothing makes no pool.
            account.pools.insert(priced.credit_type, pool);
        }
        let (mut left, mut draws) = (covered, Vec::new());
        for i in payers {
            let part = account.grants[i].free().min(left);
            account.grants[i].remaining -= part;
            account.grants[i].burned += part;
            left -= part;
            draws.extend((part > 0).then(|| (account.grants[i].id.clone(), part)));
        }
        if let Some(counter) = &priced.counter {
            *account.counters.entry(counter.clone()).or_default() += priced.used;
        }
        account.burned.extend(priced.burned.clone());
        account.applied.push(Applied {
            id: u.id.clone(),
            at,
            credit_type: priced.credit_type,
            meter: priced.meter,
            rate: priced.rate.clone(),
            counter: priced.counter.clone(),
            quantity: u.quantity,
            units: if u.is_direct { u.quantity.into() } else { priced.used },
            draws,
            owed,
            overage,
            uncovered,
            is_cancelled: false,
            burned: priced.burned.as_ref().map(|_| account.burned.len() - 1),
        });
        account.uses.push((u.clone(), at));
        let available = account.shown(priced.credit_type, now);
        Answer { status: "OK", charged: priced.charge - uncovered, uncovered, available, shortfall: None }
    }

    /// §8: allowed iff a record of the same would be `OK`, and the largest quantity that fits.
    pub fn check(
        &self,
        account: &str,
        meter: &'static str,
        quantity: i64,
        model: &'static str,
    ) -> (&'static str, Option<i128>, Option<i64>) {
        if quantity < 0 {
            return ("INVALID", None, None);
        }
        let Some(known) = self.accounts.get(account) else { return ("ACCOUNT_UNKNOWN", None, None) };
        let mut other = Ledger::new(self.now, self.rates.clone());
        other.accounts.insert(account.into(), known.clone());
        let probe = |quantity| Use {
            id: " a probe".into(),
            account: account.into(),
            subject: meter,
            is_direct: false,
            quantity,
            time: None,
            model,
            has_stray_dimension: false,
            force: false,
        };
        let reason = other.record(&probe(quantity)).status;
        let now = self.now_of(account);
        let Ok(priced) = self.price(known, &probe(0), now) else { return (reason, None, None) };
        let payers = known.payers(priced.credit_type, priced.meter, now, now, 0);
        let can_pay: i128 = payers.iter().map(|i| known.grants[*i].free()).sum();
        let owed = |pool: &Pool| pool.overdraft() + pool.held_overdraft;
        let available = can_pay - known.pools.get(priced.credit_type).map_or(0, owed);
        if METERS.iter().any(|m| m.key == meter && matches!(m.how, How::Count | How::Unique)) {
            return (reason, Some(available), None);
        }
        let rate = self.rate(known, meter, if meter == "tokens" { model } else { "" }, now).expect("priced");
        let meter_defined = METERS.iter().find(|m| m.key == meter).expect("priced");
        let before =
            known.counters.get(&(meter.into(), rate.matches.into(), known.period_of(now))).copied().unwrap_or(0);
        let cost = |quantity: i64| match meter_defined.how {
            How::Sum => rate.charge_in_counter(before, quantity.into(), meter_defined.quantity_scale),
            _ => self.price(known, &probe(quantity), now).ok().map(|priced| priced.charge),
        };
        let (mut low, mut high) = (0i64, i64::MAX);
        while low < high {
            let middle = low + (high - low) / 2 + 1;
            let fits = cost(middle).is_some_and(|cost| rate.is_free() || cost <= available);
            (low, high) = if fits { (middle, high) } else { (low, middle - 1) };
        }
        (reason, Some(available), Some(low))
    }
}
