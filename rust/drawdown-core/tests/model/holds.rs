//! The reference ledger's reservations (§6).

use crate::ledger::{Account, Ledger, MAX, Pool, Priced, Use};
use crate::prices::{How, METERS, Rate};
use crate::zero::at_zero;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Quantity,
    MeterCredits,
    Credits,
}

/// A reserve as its caller sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReserveSent {
    pub id: String,
    pub account: String,
    /// Meter, or credit type where the form is `Credits`.
    pub subject: &'static str,
    pub form: Form,
    pub amount: i64,
    pub model: &'static str,
    pub ttl: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettleSent {
    pub by_quantity: bool,
    pub amount: i64,
}

/// An open reservation.
#[derive(Clone, Debug)]
pub struct Hold {
    pub id: String,
    pub credit_type: &'static str,
    pub meter: Option<&'static str>,
    pub rate: Option<Rate>,
    pub by_quantity: bool,
    /// Grant id and amount, in burn-down order of the reserve.
    pub parts: Vec<(String, i128)>,
    pub headroom: i128,
    pub is_overage: bool,
    pub uncovered: i128,
    pub expires_at: i64,
}

impl Hold {
    pub fn held(&self) -> i128 {
        self.parts.iter().map(|part| part.1).sum()
    }
}

/// What a command about a reservation answers; figures are 0 where a status has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HoldAnswer {
    pub status: &'static str,
    pub held: i128,
    pub headroom: i128,
    pub uncovered: i128,
    pub charged: i128,
    pub returned: i128,
    pub extra: i128,
    pub available: Option<i128>,
    pub shortfall: Option<i128>,
}

impl HoldAnswer {
    fn only(status: &'static str) -> HoldAnswer {
        HoldAnswer { status, ..HoldAnswer::default() }
    }
}

const DAY: i64 = 86_400_000_000;
const MOST_OPEN: usize = 1_000;

impl Account {
    /// End the holds whose time is over at `at`.
    pub fn lapse(&mut self, at: i64) {
        while let Some(i) = self.holds.iter().position(|hold| hold.expires_at <= at) {
            let hold = self.holds.remove(i);
            self.end(&hold, 0, at);
        }
    }

    /// Burn so much of what was held, give the rest back.
    fn end(&mut self, hold: &Hold, burned: i128, at: i64) {
        let mut left = burned;
        for (id, part) in &hold.parts {
            let grant = self.grants.iter_mut().find(|g| g.id == *id).expect("grants stay");
            let used = left.min(*part);
            left -= used;
            grant.held -= part;
            grant.returned_at = at;
            grant.remaining -= used;
            grant.burned += used;
            if grant.is_voided {
                grant.remaining -= part - used;
                grant.voided += part - used;
            }
        }
        let pool = self.pool(hold.credit_type);
        if hold.is_overage {
            pool.held_overage -= hold.headroom;
        } else {
            pool.held_overdraft -= hold.headroom;
        }
    }

    fn burn_free(&mut self, payers: &[usize], amount: i128) {
        let mut left = amount;
        for i in payers {
            let part = self.grants[*i].free().min(left);
            self.grants[*i].remaining -= part;
            self.grants[*i].burned += part;
            left -= part;
        }
    }
}

fn as_use(sent: &ReserveSent, quantity: i64) -> Use {
    Use {
        id: String::new(),
        account: sent.account.clone(),
        subject: sent.subject,
        is_direct: sent.form == Form::Credits,
        quantity,
        time: None,
        model: sent.model,
        has_stray_dimension: false,
        force: false,
    }
}

impl Ledger {
    pub fn reserve(&mut self, sent: &ReserveSent) -> HoldAnswer {
        let meter = METERS.iter().find(|m| m.key == sent.subject && sent.form != Form::Credits);
        let is_sound = sent.amount >= 0
            && (1..=DAY).contains(&sent.ttl)
            && (sent.form != Form::Credits || ["credits", "usd"].contains(&sent.subject))
            && !(sent.form == Form::Quantity && meter.is_some_and(|m| m.how != How::Sum));
        if !is_sound {
            return HoldAnswer::only("INVALID");
        }
        let (now, floor) = (self.now_of(&sent.account), self.floor_of(&sent.account));
        let Some(account) = self.accounts.get(&sent.account) else { return HoldAnswer::only("ACCOUNT_UNKNOWN") };
        let open = account.holds.iter().find(|hold| hold.id == sent.id);
        let mut known = account.reserves.iter().rev().filter(|(first, _)| first.id == sent.id);
        let first = known.find(|(_, at)| open.is_some() || *at >= floor);
        let is_settled = account.settles.iter().any(|(id, _, at)| *id == sent.id && *at >= floor);
        match first {
            Some((first, _)) if first == sent => {
                return HoldAnswer {
                    status: "DUPLICATE",
                    held: open.map_or(0, Hold::held),
                    headroom: open.map_or(0, |hold| hold.headroom),
                    uncovered: open.map_or(0, |hold| hold.uncovered),
                    ..HoldAnswer::default()
                };
            }
            None if !is_settled => {}
            _ => return HoldAnswer::only("CONFLICT"),
        }
        if account.suspended {
            return HoldAnswer::only("ACCOUNT_SUSPENDED");
        }
        let asked = if sent.form == Form::MeterCredits { 0 } else { sent.amount };
        match self.price(account, &as_use(sent, asked), now) {
            Err((status, _)) => HoldAnswer::only(status),
            Ok(mut priced) => {
                if sent.form == Form::MeterCredits {
                    priced.charge = sent.amount.into();
                }
                self.hold(sent, &priced)
            }
        }
    }

    fn hold(&mut self, sent: &ReserveSent, priced: &Priced) -> HoldAnswer {
        let now = self.now_of(&sent.account);
        let known = &self.accounts[&sent.account];
        let rate = priced.meter.and_then(|meter| self.rate(known, meter, declared(meter, sent.model), now)).cloned();
        let account = self.accounts.get_mut(&sent.account).expect("was found");
        if account.holds.len() >= MOST_OPEN {
            return HoldAnswer::only("LIMIT_REACHED");
        }
        let payers = account.payers(priced.credit_type, priced.meter, now, now, 0);
        let can_pay: i128 = payers.iter().map(|i| account.grants[*i].free()).sum();
        let covered = can_pay.min(priced.charge);
        let pool = account.pools.get(priced.credit_type).cloned().unwrap_or_default();
        let (owed, overage, uncovered) = match at_zero(&pool, covered, priced.charge - covered, account.period_of(now))
        {
            Ok(taken) => taken,
            Err((status, shortfall)) => {
                return HoldAnswer { shortfall: Some(shortfall), ..HoldAnswer::only(status) };
            }
        };
        if !fits(&pool, owed, overage) {
            return HoldAnswer::only("OVERFLOW");
        }
        let mut left = covered;
        let mut parts = Vec::new();
        for i in payers {
            let part = account.grants[i].free().min(left);
            if part > 0 {
                account.grants[i].held += part;
                parts.push((account.grants[i].id.clone(), part));
                left -= part;
            }
        }
        let pool = account.pool(priced.credit_type);
        pool.held_overdraft += owed;
        pool.held_overage += overage;
        let hold = Hold {
            id: sent.id.clone(),
            credit_type: priced.credit_type,
            meter: priced.meter,
            rate,
            by_quantity: sent.form == Form::Quantity,
            parts,
            headroom: owed + overage,
            is_overage: overage > 0,
            uncovered,
            expires_at: now + sent.ttl,
        };
        account.holds.push(hold);
        account.reserves.push((sent.clone(), now));
        let available = account.shown(priced.credit_type, now);
        HoldAnswer { held: covered, headroom: owed + overage, uncovered, available, ..HoldAnswer::only("OK") }
    }

    pub fn settle_hold(&mut self, account: &str, id: &str, sent: SettleSent, refuse_extra: bool) -> HoldAnswer {
        if sent.amount < 0 {
            return HoldAnswer::only("INVALID");
        }
        let (now, floor) = (self.now_of(account), self.floor_of(account));
        let Some(known) = self.accounts.get_mut(account) else { return HoldAnswer::only("ACCOUNT_UNKNOWN") };
        let Some(hold) = known.holds.iter().find(|hold| hold.id == id).cloned() else {
            let settled = known.settles.iter().rev().find(|(of, _, at)| of == id && *at >= floor);
            let is_known = known.reserves.iter().any(|(first, at)| first.id == id && *at >= floor);
            return HoldAnswer::only(match settled {
                Some((_, first, _)) if *first == sent => "DUPLICATE",
                Some(_) => "CONFLICT",
                None if is_known => "CONFLICT",
                None => "RESERVATION_UNKNOWN",
            });
        };
        let counts = hold.meter.is_none_or(|key| METERS.iter().any(|m| m.key == key && m.how != How::Sum));
        if sent.by_quantity && counts || !sent.by_quantity && hold.by_quantity {
            return HoldAnswer::only("INVALID");
        }
        let Ok((charge, counter)) = price_at_end(known, &hold, sent, now) else {
            return HoldAnswer::only("OVERFLOW");
        };
        let (held, period) = (hold.held(), known.period_of(now));
        let above = (charge - held - hold.headroom).max(0);
        if above > hold.uncovered && refuse_extra {
            return HoldAnswer { shortfall: Some(above), ..HoldAnswer::only("INSUFFICIENT") };
        }
        let own = charge.min(held);
        let payers = known.payers(hold.credit_type, hold.meter, now, now, 0);
        let can_pay: i128 = payers.iter().map(|i| known.grants[*i].free()).sum();
        let drawn = can_pay.min(charge - own);
        let from_headroom = (charge - own - drawn).min(hold.headroom);
        let pool = known.pools.get(hold.credit_type).cloned().unwrap_or_default();
        let paid = own + drawn + from_headroom;
        let (owed, overage, uncovered) = match at_zero(&pool, paid, charge - paid, period) {
            Ok(taken) => taken,
            Err((status, shortfall)) => {
                return HoldAnswer { shortfall: Some(shortfall), ..HoldAnswer::only(status) };
            }
        };
        if !fits(&pool, owed, overage) {
            return HoldAnswer::only("OVERFLOW");
        }
        known.burn_free(&payers, drawn);
        known.end(&hold, own, now);
        known.holds.retain(|open| open.id != id);
        let (more_owed, more_overage) = if hold.is_overage { (0, from_headroom) } else { (from_headroom, 0) };
        let pool = known.pool(hold.credit_type);
        pool.owe(hold.meter, owed + more_owed);
        *pool.overage.entry(period).or_default() += overage + more_overage;
        pool.charged += charge - uncovered;
        if let Some((counter, used)) = counter {
            *known.counters.entry(counter).or_default() += used;
        }
        known.settles.push((id.into(), sent, now));
        known.settle(now);
        HoldAnswer {
            charged: charge - uncovered,
            returned: held - own + hold.headroom - from_headroom,
            extra: (above - uncovered).max(0),
            uncovered,
            available: known.shown(hold.credit_type, now),
            ..HoldAnswer::only("OK")
        }
    }

    pub fn release_hold(&mut self, account: &str, id: &str) -> HoldAnswer {
        let (now, floor) = (self.now_of(account), self.floor_of(account));
        let Some(known) = self.accounts.get_mut(account) else { return HoldAnswer::only("ACCOUNT_UNKNOWN") };
        let Some(i) = known.holds.iter().position(|hold| hold.id == id) else {
            let is_settled = known.settles.iter().any(|(of, _, at)| of == id && *at >= floor);
            let is_known = known.reserves.iter().any(|(first, at)| first.id == id && *at >= floor);
            return HoldAnswer::only(match (is_settled, is_known) {
                (true, _) => "CONFLICT",
                (false, true) => "DUPLICATE",
                (false, false) => "RESERVATION_UNKNOWN",
            });
        };
        let hold = known.holds.remove(i);
        known.end(&hold, 0, now);
        known.settle(now);
        let available = known.shown(hold.credit_type, now);
        HoldAnswer { returned: hold.held() + hold.headroom, available, ..HoldAnswer::only("OK") }
    }
}

type Counter = ((String, String, i64), i128);

/// At the rate of the reserve, at the position in the present period.
fn price_at_end(known: &Account, hold: &Hold, sent: SettleSent, now: i64) -> Result<(i128, Option<Counter>), ()> {
    if !sent.by_quantity {
        return Ok((sent.amount.into(), None));
    }
    let rate = hold.rate.as_ref().expect("a meter has a rate");
    let scale = METERS.iter().find(|m| m.key == rate.meter).expect("known").quantity_scale;
    let counter = (rate.meter.to_string(), rate.matches.to_string(), known.period_of(now));
    let before = known.counters.get(&counter).copied().unwrap_or(0);
    let used = i128::from(sent.amount);
    let charge = rate.charge(before, used, scale).filter(|charge| *charge <= MAX).ok_or(())?;
    if rate.keeps_a_counter() && before + used > MAX {
        return Err(());
    }
    Ok((charge, rate.keeps_a_counter().then_some((counter, used))))
}

/// Only `tokens` declares the dimension.
fn declared(meter: &str, model: &'static str) -> &'static str {
    if meter == "tokens" { model } else { "" }
}

fn fits(pool: &Pool, owed: i128, overage: i128) -> bool {
    (owed == 0 || pool.overdraft() + pool.held_overdraft + owed <= MAX)
        && (overage == 0 || pool.overage_total() + pool.held_overage + overage <= MAX)
}
