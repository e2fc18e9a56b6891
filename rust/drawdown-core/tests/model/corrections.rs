//! Corrections in the reference ledger (§7): of a use only the difference moves.

use crate::aggregates::{Burned, aggregate};
use crate::ledger::{Account, Ledger, MAX, Policy, Pool};
use crate::prices::{How, METERS, Rate};
use crate::zero::at_zero;

/// A use as its corrections leave it.
#[derive(Clone, Debug)]
pub struct Applied {
    pub id: String,
    pub at: i64,
    pub credit_type: &'static str,
    pub meter: Option<&'static str>,
    /// With the tier position it was priced from.
    pub rate: Option<(Rate, i128)>,
    pub counter: Option<(String, String, i64)>,
    pub quantity: i64,
    pub units: i128,
    /// Grant and amount, as drawn.
    pub draws: Vec<(String, i128)>,
    pub owed: i128,
    pub overage: i128,
    pub uncovered: i128,
    pub is_cancelled: bool,
    /// Where it stands among the uses of aggregating meters.
    pub burned: Option<usize>,
}

impl Applied {
    fn price(&self) -> i128 {
        self.draws.iter().map(|draw| draw.1).sum::<i128>() + self.owed + self.overage + self.uncovered
    }
}

/// A correction as its caller sends it; no quantity: cancel.
#[derive(Clone, Debug, PartialEq)]
pub struct CorrectSent {
    pub account: String,
    pub event_id: String,
    pub quantity: Option<i64>,
    pub correction_id: Option<String>,
}

impl Ledger {
    pub fn correct(&mut self, sent: &CorrectSent) -> &'static str {
        if sent.quantity.is_some_and(|quantity| quantity < 0) {
            return "INVALID";
        }
        let (floor, now) = (self.floor_of(&sent.account), self.now_of(&sent.account));
        let Some(known) = self.accounts.get(&sent.account) else { return "ACCOUNT_UNKNOWN" };
        let Some(at) = known.applied.iter().rposition(|u| u.id == sent.event_id && u.at >= floor) else {
            return "EVENT_UNKNOWN";
        };
        let was = known.applied[at].clone();
        let known_id = |(first, until): &&(CorrectSent, i64)| {
            *until >= floor && sent.correction_id.is_some() && first.correction_id == sent.correction_id
        };
        if let Some((first, _)) = known.corrections.iter().rev().find(known_id) {
            return if first == sent { "DUPLICATE" } else { "CONFLICT" };
        }
        let is_present = match sent.quantity {
            None => was.is_cancelled,
            Some(quantity) => !was.is_cancelled && was.quantity == quantity,
        };
        match sent.correction_id {
            None if is_present => return "DUPLICATE",
            _ if was.is_cancelled => return "CONFLICT",
            _ => {}
        }
        let Some((units, price)) = target(known, &was, sent.quantity) else { return "OVERFLOW" };
        let mut next = known.clone();
        let mut use_ = Applied { quantity: sent.quantity.unwrap_or(0), units, ..was.clone() };
        use_.is_cancelled = sent.quantity.is_none();
        let difference = price - was.price();
        if difference > 0 {
            if let Err(status) = charge_more(&mut next, &mut use_, difference, now, self.grace) {
                return status;
            }
        } else {
            unwind(&mut next, &mut use_, -difference, now, self.grace);
            if next.remaining(was.credit_type) > MAX {
                return "OVERFLOW";
            }
        }
        if let (Some(counter), Some((rate, _))) = (&was.counter, &was.rate)
            && rate.keeps_a_counter()
        {
            *next.counters.entry(counter.clone()).or_default() += units - was.units;
        }
        if let Some(burned) = was.burned {
            let is_gone = use_.is_cancelled;
            next.burned[burned] =
                Burned { units, quantity: use_.quantity.into(), is_gone, ..next.burned[burned].clone() };
        }
        next.applied[at] = use_;
        // Remembered as long as the use, and as long as what came in now.
        next.corrections.push((sent.clone(), now.max(was.at)));
        next.settle(now);
        self.accounts.insert(sent.account.clone(), next);
        "OK"
    }
}

/// Units and price from now on; `None`: past 64 bits.
fn target(known: &Account, was: &Applied, quantity: Option<i64>) -> Option<(i128, i128)> {
    let Some(quantity) = quantity else { return Some((0, 0)) };
    let Some((rate, before)) = &was.rate else { return Some((quantity.into(), quantity.into())) };
    let meter = METERS.iter().find(|m| Some(m.key) == was.meter)?;
    let units = match meter.how {
        How::Sum => quantity.into(),
        How::Count => 1,
        how => {
            let this = was.burned?;
            let mut uses = known.burned.clone();
            uses[this] = Burned { quantity: quantity.into(), units: 0, is_gone: false, ..uses[this].clone() };
            let counter = uses[this].counter.clone();
            let uses: Vec<&Burned> = uses.iter().filter(|b| b.counter == counter).collect();
            let others: i128 = uses.iter().map(|b| b.units).sum();
            (aggregate(how, &uses) - others).max(0)
        }
    };
    let price = rate.charge(*before, units, meter.quantity_scale).filter(|price| *price <= MAX)?;
    let stands = was.counter.as_ref().and_then(|counter| known.counters.get(counter)).copied().unwrap_or(0);
    let fits = !rate.keeps_a_counter() || before + units <= MAX && stands + units - was.units <= MAX;
    fits.then_some((units, price))
}

fn charge_more(known: &mut Account, use_: &mut Applied, more: i128, now: i64, grace: i64) -> Result<(), &'static str> {
    let payers = known.payers(use_.credit_type, use_.meter, use_.at.min(now), now, grace);
    let can_pay: i128 = payers.iter().map(|i| known.grants[*i].free()).sum();
    let (covered, period) = (can_pay.min(more), known.period_of(use_.at));
    let mut pool = known.pools.get(use_.credit_type).cloned().unwrap_or_default();
    let policy = pool.policy;
    if policy == Policy::Partial {
        pool.policy = Policy::Hard;
    }
    let (owed, overage, _) = at_zero(&pool, covered, more - covered, period).map_err(|(status, _)| status)?;
    pool.policy = policy;
    let totals = [pool.overdraft() + pool.held_overdraft + owed, pool.overage_total() + pool.held_overage + overage];
    if owed > 0 && totals[0] > MAX || overage > 0 && totals[1] > MAX {
        return Err("OVERFLOW");
    }
    pool.owe(use_.meter, owed);
    *pool.overage.entry(period).or_default() += overage;
    pool.charged += more;
    known.pools.insert(use_.credit_type, pool);
    let mut left = covered;
    for i in payers {
        let part = known.grants[i].free().min(left);
        known.grants[i].remaining -= part;
        known.grants[i].burned += part;
        left -= part;
        if part > 0 {
            use_.draws.push((known.grants[i].id.clone(), part));
        }
    }
    (use_.owed, use_.overage) = (use_.owed + owed, use_.overage + overage);
    Ok(())
}

fn unwind(known: &mut Account, use_: &mut Applied, less: i128, now: i64, grace: i64) {
    let Some(mut pool) = known.pools.get(use_.credit_type).cloned() else { return };
    let uncovered = less.min(use_.uncovered);
    let overage = (less - uncovered).min(use_.overage);
    let owed = (less - uncovered - overage).min(use_.owed);
    *pool.overage.entry(known.period_of(use_.at)).or_default() -= overage;
    pool.charged -= less - uncovered;
    let to_payers = owed - forgive(&mut pool, use_.meter, owed);
    let mut left = to_payers;
    while left > 0 {
        let last = pool.settled.iter().rposition(|s| s.0.as_deref() == use_.meter).expect("it was paid");
        let (_, grant, paid) = &mut pool.settled[last];
        let part = left.min(*paid);
        (*paid, left) = (*paid - part, left - part);
        give_back(known, grant, part, now, grace);
        pool.settled.retain(|s| s.2 > 0);
    }
    known.pools.insert(use_.credit_type, pool);
    let mut left = less - uncovered - overage - owed;
    while left > 0 {
        let (grant, drawn) = use_.draws.last_mut().expect("it was drawn");
        let part = left.min(*drawn);
        (*drawn, left) = (*drawn - part, left - part);
        give_back(known, grant, part, now, grace);
        use_.draws.retain(|draw| draw.1 > 0);
    }
    use_.uncovered -= uncovered;
    use_.overage -= overage;
    use_.owed -= owed;
}

/// Less open debt of the meter; how much of it there was.
fn forgive(pool: &mut Pool, meter: Option<&str>, owed: i128) -> i128 {
    let Some(debt) = pool.debts.iter_mut().find(|debt| debt.0.as_deref() == meter) else { return 0 };
    let part = owed.min(debt.1);
    debt.1 -= part;
    pool.debts.retain(|debt| debt.1 > 0);
    part
}

fn give_back(known: &mut Account, id: &str, part: i128, now: i64, grace: i64) {
    let grant = known.grants.iter_mut().find(|g| g.id == id).expect("it paid");
    grant.burned -= part;
    if grant.is_voided {
        grant.voided += part;
    } else if now >= grant.expires_at.saturating_add(grace) {
        grant.expired += part;
    } else {
        grant.remaining += part;
    }
}
