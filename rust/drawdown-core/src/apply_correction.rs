//! Corrections → state: the part of `apply` that moves the difference of one event.

use crate::account::{Account, AccountExtra, Pool, Settled};
use crate::apply::{self, Misfit};
use crate::catalog::Catalog;
use crate::correction_entry::{CounterMoved, ReturnedPart, UsageCorrected, WentTo};
use crate::grant::SETTLES;
use crate::hash::StoreKey;
use crate::period::period_end;
use std::collections::BTreeSet;
use std::sync::Arc;

pub fn apply_corrected(account: &mut Account, catalog: &Catalog, e: &UsageCorrected, stamp: i64) -> Result<(), Misfit> {
    let now = account.now(stamp);
    if e.draws.is_empty() && e.returns.is_empty() && e.overdraft == 0 && e.overage == 0 {
        return Ok(());
    }
    let pool = apply::pool_of_known(account, catalog, e.credit_type)?;
    for draw in &e.draws {
        apply::draw_from(pool, draw.number, 0, draw.amount)?;
    }
    for part in &e.returns {
        if part.is_settlement {
            take_settlement_back(pool, e.meter(), part)?;
        }
        give_back(pool, part)?;
    }
    if e.overdraft > 0 {
        apply::open_debt(pool, e.meter(), e.overdraft)?;
    } else if e.overdraft < 0 {
        apply::lower_debt(pool, e.meter(), e.overdraft.checked_neg().ok_or("no such debt")?)?;
    }
    if e.overage != 0 {
        crate::overage::change_overage(pool, e.period, e.overage)?;
    }
    pool.charged = pool.charged.wrapping_add(e.difference());
    pool.recount(now);
    Ok(())
}

/// Take the returned amount off the latest payment of the meter's debt, which must be this grant's.
fn take_settlement_back(pool: &mut Pool, meter: Option<u16>, part: &ReturnedPart) -> Result<(), Misfit> {
    let settled = &mut pool.extra_mut().settled;
    let at = settled.iter().rposition(|s| s.meter == meter).ok_or("no debt of the meter was ever paid")?;
    if settled[at].number != part.number || settled[at].amount < part.amount {
        return Err(format!("grant {} did not pay the meter's debt last", part.number));
    }
    settled[at].amount -= part.amount;
    if settled[at].amount == 0 {
        settled.remove(at);
        mark_settling(pool);
    }
    Ok(())
}

fn give_back(pool: &mut Pool, part: &ReturnedPart) -> Result<(), Misfit> {
    let at = pool.position(part.number, 0).ok_or_else(|| format!("grant {} is not in the pool", part.number))?;
    let grant = &mut pool.grants[at];
    if part.amount < 0 || part.amount > grant.burned {
        return Err(format!("grant {} burned {}, less than came back", part.number, grant.burned));
    }
    grant.burned -= part.amount;
    match WentTo::of(part.into).ok_or("credits came back to nowhere")? {
        WentTo::Remaining => {
            grant.remaining += part.amount;
            grant.flags &= !crate::grant::EXHAUSTED;
        }
        WentTo::Voided => grant.ended_mut().voided += part.amount,
        WentTo::Expired => grant.ended_mut().expired += part.amount,
        WentTo::Moved => grant.ended_mut().moved += part.amount,
    }
    Ok(())
}

/// Remember that the event was corrected at `seq`, and move its counter.
pub fn note_correction(
    account: &mut Account,
    e: &UsageCorrected,
    seq: u64,
    key: &StoreKey,
    floor: i64,
) -> Result<(), Misfit> {
    let extra = account.extra_mut();
    let corrected = Arc::make_mut(&mut extra.corrected);
    // Below the floor nothing is corrected any more.
    while corrected.first_key_value().is_some_and(|((time, _), _)| *time < floor) {
        corrected.pop_first();
    }
    if e.event_time >= floor {
        corrected.insert((e.event_time, key.event_hash(e.event_id.as_bytes())), seq);
    }
    match (&e.counter, e.meter()) {
        // Nothing can be dated into it any more. A replay that begins with a later floor than the entry was
        // written under has dropped the counter already, or begun it anew.
        (Some(moved), _) if period_end(&extra.period_edges, moved.period).is_some_and(|end| end <= floor) => Ok(()),
        (Some(moved), Some(meter)) => move_counter(extra, meter, moved, seq, key),
        _ => Ok(()),
    }
}

fn move_counter(
    extra: &mut AccountExtra,
    meter: u16,
    moved: &CounterMoved,
    seq: u64,
    key: &StoreKey,
) -> Result<(), Misfit> {
    let is_it =
        |c: &&mut crate::counter::Counter| c.meter == meter && c.match_id == moved.match_id && c.period == moved.period;
    let counter = extra.counters.iter_mut().find(is_it).ok_or("a corrected event without its counter")?;
    let changed = |of: i64, by: i64| of.checked_add(by).filter(|sum| *sum >= 0).ok_or("a counter below zero");
    counter.units = changed(counter.units, moved.units)?;
    if let Some(change) = &moved.aggregate {
        let aggregate = counter.aggregate.as_mut().ok_or("a corrected event without its aggregate")?;
        aggregate.burned = changed(aggregate.burned, change.burned)?;
        (aggregate.value, aggregate.at, aggregate.changed) = (change.value.max(0), change.at, seq);
        if let Some(gone) = &change.gone {
            aggregate.values.remove(&key.event_hash(gone.as_bytes()));
        }
    }
    Ok(())
}

/// Which grants paid debt that may come back to them, as `settled` says.
pub fn mark_settling(pool: &mut Pool) {
    let settled = pool.extra.as_ref().map_or(&[][..], |extra| &extra.settled);
    let numbers: BTreeSet<u32> = settled.iter().map(|payment| payment.number).collect();
    for grant in &mut pool.grants {
        grant.flags &= !SETTLES;
        if numbers.contains(&grant.number) {
            grant.flags |= SETTLES;
        }
    }
}

/// A payment of debt, kept so that a correction can give it back: the latest first.
pub fn note_settlement(pool: &mut Pool, meter: Option<u16>, number: u32, amount: i64) {
    if let Some(at) = pool.position(number, 0) {
        pool.grants[at].flags |= SETTLES;
    }
    let settled = &mut pool.extra_mut().settled;
    match settled.iter_mut().rfind(|s| s.meter == meter) {
        Some(last) if last.number == number && last.amount.checked_add(amount).is_some() => last.amount += amount,
        _ => settled.push(Settled { meter, number, amount }),
    }
}
