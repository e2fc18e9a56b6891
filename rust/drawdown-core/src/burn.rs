//! Who pays: a charge over the grants of a pool in burn-down order, and what happens at zero.
//! Pure: reads a pool, fills draws.

use crate::account::Pool;
use crate::catalog::{NO_CAP, Policy, Scopes};
use crate::command::PolicyKind;
use crate::grant::{Grant, VOIDED};
use crate::overage::BearingPeriod;
use crate::status::Status;
use crate::usage_entry::{Beyond, Draw};

/// The instants that decide which grants may pay.
#[derive(Clone, Copy, Debug)]
pub struct AsOf {
    /// min(event time, received_at).
    pub time: i64,
    /// received_at.
    pub now: i64,
    pub late_grace: i64,
}

/// Fill `draws` with what grants pay of `amount` in burn-down order; returns their sum.
/// The pool has been lived up to `as_of.now`.
#[inline]
pub fn cover(pool: &Pool, scopes: &Scopes, meter: Option<u16>, amount: i64, as_of: AsOf, draws: &mut Vec<Draw>) -> i64 {
    draws.clear();
    if as_of.time >= pool.valid_since {
        // No grant began or ended between the event and its arrival: one set of valid grants.
        return take(pool, pool.first_free, scopes, meter, amount, draws, Grant::is_counted);
    }
    let valid_then = |g: &Grant| g.is_valid_at(as_of.time) && as_of.now < g.expires_at.saturating_add(as_of.late_grace);
    let covered = take(pool, 0, scopes, meter, amount, draws, valid_then);
    let rest = amount - covered;
    covered + take(pool, 0, scopes, meter, rest, draws, |g| g.is_counted() && !valid_then(g))
}

#[inline]
fn take(
    pool: &Pool,
    from: u32,
    scopes: &Scopes,
    meter: Option<u16>,
    amount: i64,
    draws: &mut Vec<Draw>,
    may_pay: impl Fn(&Grant) -> bool,
) -> i64 {
    let mut open = amount;
    let grants = pool.grants.get(from as usize..).unwrap_or(&[]);
    for (position, grant) in (from..).zip(grants) {
        if open == 0 {
            break;
        }
        let free = grant.free();
        if free > 0 && may_pay(grant) && scopes.pays_for(grant.scope, meter) {
            let amount = free.min(open);
            draws.push(Draw { position, number: grant.number, amount });
            open -= amount;
        }
    }
    amount - open
}

/// Why a charge was refused, and by how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    pub status: Status,
    pub shortfall: Option<i64>,
}

/// What becomes of the `uncovered` part of `amount` under `policy` (semantics §5.4).
///
/// # Errors
/// The refusal that applies: `LIMIT_REACHED`, `INSUFFICIENT`, or `OVERFLOW` of a total.
#[inline]
pub fn at_zero(
    pool: Option<&Pool>,
    policy: &Policy,
    amount: i64,
    uncovered: i64,
    period: BearingPeriod,
    force: bool,
) -> Result<Beyond, Refused> {
    if uncovered == 0 {
        return Ok(Beyond::default());
    }
    let refused = match policy.kind {
        PolicyKind::Hard => Refused { status: Status::Insufficient, shortfall: Some(uncovered) },
        PolicyKind::Partial if uncovered < amount && !force => {
            return Ok(Beyond { uncovered, ..Beyond::default() });
        }
        PolicyKind::Partial => Refused { status: Status::Insufficient, shortfall: Some(uncovered) },
        PolicyKind::Overdraft => match within(overdraft_in_use(pool), uncovered, policy.limit) {
            Ok(()) => return into_overdraft(pool, uncovered),
            Err(refused) => refused,
        },
        PolicyKind::Overage if policy.limit == NO_CAP => return into_overage(pool, uncovered, period),
        PolicyKind::Overage => match within(overage_in_use(pool, &period), uncovered, policy.limit) {
            Ok(()) => return into_overage(pool, uncovered, period),
            Err(refused) => refused,
        },
    };
    if force { into_overdraft(pool, uncovered) } else { Err(refused) }
}

fn overdraft_in_use(pool: Option<&Pool>) -> i128 {
    pool.map_or(0, |p| i128::from(p.overdraft()) + i128::from(p.headroom_held()))
}

fn overage_in_use(pool: Option<&Pool>, period: &BearingPeriod) -> i128 {
    pool.map_or(0, |p| i128::from(p.overage_in(period)) + i128::from(p.overage_headroom_held()))
}

/// Reaching the limit exactly is allowed, passing it is `LIMIT_REACHED`, whole.
fn within(in_use: i128, more: i64, limit: i64) -> Result<(), Refused> {
    let over = in_use + i128::from(more) - i128::from(limit);
    if over <= 0 {
        return Ok(());
    }
    let shortfall = i64::try_from(over.min(i128::from(more))).expect("at most `more`");
    Err(Refused { status: Status::LimitReached, shortfall: Some(shortfall) })
}

const TOTAL_OVERFLOW: Refused = Refused { status: Status::Overflow, shortfall: None };

fn into_overdraft(pool: Option<&Pool>, uncovered: i64) -> Result<Beyond, Refused> {
    if overdraft_in_use(pool) + i128::from(uncovered) > i128::from(i64::MAX) {
        return Err(TOTAL_OVERFLOW);
    }
    Ok(Beyond { overdraft: uncovered, ..Beyond::default() })
}

fn into_overage(pool: Option<&Pool>, uncovered: i64, period: BearingPeriod) -> Result<Beyond, Refused> {
    let in_use = pool.map_or(0, |p| p.overage_total() + i128::from(p.overage_headroom_held()));
    let total = in_use + i128::from(uncovered);
    if total > i128::from(i64::MAX) {
        return Err(TOTAL_OVERFLOW);
    }
    Ok(Beyond { overage: uncovered, period: period.since, ..Beyond::default() })
}

/// One debt payment at an activation: which grant pays which meter's debt, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    pub number: u32,
    pub meter: Option<u16>,
    pub amount: i64,
}

/// The next payment due from grants valid at `at` (semantics §4.9): meters by age of their open
/// debt, grants in burn-down order. `None` when no valid grant with free credits can pay a debt.
pub fn next_settlement(pool: &Pool, scopes: &Scopes, at: i64) -> Option<Settlement> {
    let debts = &pool.extra.as_ref()?.debts;
    debts.iter().find_map(|debt| {
        let payer = pool.grants.iter().find(|g| {
            g.flags & VOIDED == 0 && g.is_valid_at(at) && g.free() > 0 && scopes.pays_for(g.scope, debt.meter)
        })?;
        let amount = payer.free().min(debt.amount);
        Some(Settlement { number: payer.number, meter: debt.meter, amount })
    })
}
