//! Entries → state: the only writer of accounts, shared by live traffic and replay.
//!
//! Nothing here decides. An entry that does not fit the state it meets (an unknown account, a
//! draw larger than a grant's rest) is corruption, and said so instead of being bent to fit.

use crate::account::{Account, DEPLETED, Debt, Pool, SUSPENDED, TestClock};
use crate::amount::SCALE_MAX;
use crate::apply_correction::{apply_corrected, note_settlement};
use crate::apply_counters::{Moment, count};
use crate::apply_grants::{create_grant, expire_grant, release_grant, void_grant};
use crate::apply_reservations::{apply_released, apply_reserved, apply_settled};
use crate::catalog::{Catalog, CreditType, Meter, Policy, Rate};
use crate::command::{Aggregation, PolicyKind, Source};
use crate::entry::{
    AccountCreated, Control, Crossed, Crossing, MeterCreated, OverdraftSettled, Pair, PolicySet, RateSet,
};
use crate::grant::Grant;
use crate::id::SmallId;
use crate::period::closed_edges;
use crate::rate::{Price, Tier};
use crate::usage_entry::UsageEntry;

/// Why an entry does not fit the state.
pub type Misfit = String;

const AGGREGATIONS: [Aggregation; 5] =
    [Aggregation::Sum, Aggregation::Count, Aggregation::Max, Aggregation::Last, Aggregation::Unique];
const POLICIES: [PolicyKind; 4] = [PolicyKind::Hard, PolicyKind::Partial, PolicyKind::Overdraft, PolicyKind::Overage];
const SOURCES: [Source; 8] = [
    Source::Purchase,
    Source::Subscription,
    Source::Recharge,
    Source::Promotion,
    Source::Signup,
    Source::Trial,
    Source::Rollover,
    Source::Adjustment,
];

pub fn aggregation_of(number: u32) -> Result<Aggregation, Misfit> {
    AGGREGATIONS.get(number as usize).copied().ok_or_else(|| format!("aggregation {number} is unknown"))
}

pub fn policy_of(number: u32) -> Result<PolicyKind, Misfit> {
    POLICIES.get(number as usize).copied().ok_or_else(|| format!("policy {number} is unknown"))
}

pub fn source_of(number: u32) -> Result<Source, Misfit> {
    SOURCES.get(number as usize).copied().ok_or_else(|| format!("source {number} is unknown"))
}

/// Move what one applied event moved. The event's key is remembered by the engine.
///
/// `floor`: counters of periods closed below it are dropped here.
#[inline]
pub fn apply_usage(
    account: &mut Account,
    catalog: &Catalog,
    entry: &UsageEntry<'_>,
    moment: &Moment,
) -> Result<(), Misfit> {
    let (credit_type, meter) = if entry.is_direct {
        (entry.subject, None)
    } else {
        let rate = catalog.rates.get(entry.rate as usize).ok_or_else(|| format!("rate {} is unknown", entry.rate))?;
        (rate.credit_type, Some(entry.subject))
    };
    if let Some(counted) = entry.counted {
        count(account, catalog, entry, &counted, moment)?;
    }
    let beyond = &entry.beyond;
    if entry.draws.is_empty() && beyond.overdraft | beyond.overage == 0 {
        return Ok(());
    }
    let pool = account.pool_or_new(credit_type);
    let mut charged = 0i64;
    for draw in entry.draws {
        draw_from(pool, draw.number, draw.position, draw.amount)?;
        charged = charged.wrapping_add(draw.amount);
    }
    pool.skip_spent();
    if beyond.overdraft != 0 {
        open_debt(pool, meter, beyond.overdraft)?;
        charged = charged.wrapping_add(beyond.overdraft);
    }
    if beyond.overage != 0 {
        crate::overage::add_overage(pool, beyond.period, beyond.overage)?;
        charged = charged.wrapping_add(beyond.overage);
    }
    pool.charged = pool.charged.wrapping_add(charged);
    Ok(())
}

#[inline]
pub(crate) fn draw_from(pool: &mut Pool, number: u32, hint: u32, amount: i64) -> Result<(), Misfit> {
    let position = pool.position(number, hint).ok_or_else(|| format!("grant {number} is not in the pool"))?;
    let grant = &mut pool.grants[position];
    if amount < 0 || amount > grant.free() {
        return Err(format!("a draw of {amount} from grant {number}, which has {} free", grant.free()));
    }
    grant.remaining -= amount;
    grant.burned += amount;
    if grant.is_counted() {
        pool.available -= amount;
    }
    Ok(())
}

/// More open debt of the meter. No debt is more than the sum of all, and that fits.
pub(crate) fn open_debt(pool: &mut Pool, meter: Option<u16>, amount: i64) -> Result<(), Misfit> {
    let sum = pool.overdraft().checked_add(amount).filter(|_| amount >= 0);
    let sum = sum.ok_or_else(|| format!("{amount} more overdraft than {}", pool.overdraft()))?;
    pool.available = pool.available.checked_sub(amount).ok_or("available would overflow")?;
    let extra = pool.extra_mut();
    extra.overdraft = sum;
    match extra.debts.iter_mut().find(|debt| debt.meter == meter) {
        Some(debt) => debt.amount += amount,
        None => extra.debts.push(Debt { meter, amount }),
    }
    Ok(())
}

/// The meter's open debt is less by `amount`.
pub(crate) fn lower_debt(pool: &mut Pool, meter: Option<u16>, amount: i64) -> Result<(), Misfit> {
    let extra = pool.extra_mut();
    let at = extra.debts.iter().position(|d| d.meter == meter && d.amount >= amount).ok_or("no such open debt")?;
    extra.debts[at].amount -= amount;
    if extra.debts[at].amount == 0 {
        extra.debts.remove(at);
    }
    extra.overdraft -= amount;
    pool.available += amount;
    Ok(())
}

/// A grant pays open debt: burned, and the debt is smaller by as much.
pub fn apply_settlement(pool: &mut Pool, number: u32, meter: Option<u16>, amount: i64) -> Result<(), Misfit> {
    draw_from(pool, number, 0, amount)?;
    lower_debt(pool, meter, amount)?;
    note_settlement(pool, meter, number, amount);
    pool.skip_spent();
    Ok(())
}

/// Apply an entry that concerns the catalog. `Ok(false)`: it concerns an account.
pub fn apply_catalog(catalog: &mut Catalog, entry: &Control) -> Result<bool, Misfit> {
    match entry {
        Control::CreditTypeCreated(e) => {
            check_scale(e.scale)?;
            catalog.add_credit_type(CreditType { name: e.name.clone(), scale: e.scale as u8 });
        }
        Control::MeterCreated(e) => catalog.add_meter(meter_of(e)?),
        Control::RateSet(e) => {
            let rate = rate_of(catalog, e)?;
            catalog.add_rate(rate);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn check_scale(scale: u32) -> Result<(), Misfit> {
    if scale > u32::from(SCALE_MAX) { Err(format!("scale {scale} is above {SCALE_MAX}")) } else { Ok(()) }
}

fn meter_of(e: &MeterCreated) -> Result<Meter, Misfit> {
    check_scale(e.quantity_scale)?;
    Ok(Meter {
        key: e.key.clone(),
        unit: e.unit.clone(),
        quantity_scale: e.quantity_scale as u8,
        aggregation: aggregation_of(e.aggregation)?,
        dimensions: e.dimensions.clone(),
        unique_of: e.unique_of.clone(),
    })
}

fn rate_of(catalog: &mut Catalog, e: &RateSet) -> Result<Rate, Misfit> {
    if e.meter as usize >= catalog.meters.len() || e.credit_type as usize >= catalog.credit_types.len() {
        return Err(format!("a rate of meter {} in credit type {}, unknown here", e.meter, e.credit_type));
    }
    let matches: Vec<(String, String)> = pairs_from(&e.matches);
    let tiers = || e.tiers.iter().map(|t| Tier { up_to: t.up_to, num: t.num }).collect();
    let price = match e.form {
        0 => Price::Flat { num: e.num, den: e.den },
        1 => Price::Tiered { tiers: tiers(), den: e.den },
        2 => Price::Package { size: e.size, num: e.num, den: e.den },
        form => return Err(format!("price form {form} is unknown")),
    };
    if e.den <= 0 || (e.form == 2 && e.size <= 0) {
        return Err("a rate with a denominator or size below 1".into());
    }
    Ok(Rate {
        table: catalog.intern_table(&e.table),
        meter: e.meter as u16,
        credit_type: e.credit_type as u16,
        match_id: catalog.intern_match(&matches),
        valid_from: e.valid_from,
        price,
        sent: e.sent.clone(),
    })
}

pub fn pairs_from(pairs: &[Pair]) -> Vec<(String, String)> {
    pairs.iter().map(|p| (p.key.clone(), p.value.clone())).collect()
}

/// A new account as its entry describes it.
pub fn account_of(catalog: &mut Catalog, e: &AccountCreated) -> Account {
    let mut account = Account::new(&e.id);
    account.rate_table = catalog.intern_table(&e.rate_table);
    if e.fingerprint != 0 {
        let extra = account.extra_mut();
        extra.customer = e.customer.clone();
        extra.fingerprint = e.fingerprint;
        extra.test_clock = e.test_clock.map(|now| TestClock { now, ..TestClock::default() });
    }
    account
}

/// The account an entry concerns; `None` for catalog and engine entries.
pub fn account_number(entry: &Control) -> Option<u32> {
    match entry {
        Control::AccountCreated(e) => Some(e.account),
        Control::RateTableAssigned(e) => Some(e.account),
        Control::PeriodEdgeSet(e) => Some(e.account),
        Control::ClockAdvanced(e) => Some(e.account),
        Control::SuspensionSet(e) => Some(e.account),
        Control::PolicySet(e) => Some(e.account),
        Control::ThresholdsSet(e) => Some(e.account),
        Control::GrantCreated(e) => Some(e.account),
        Control::GrantReleased(e) => Some(e.account),
        Control::GrantVoided(e) => Some(e.account),
        Control::GrantIdUsed(e) => Some(e.account),
        Control::GrantExpired(e) => Some(e.account),
        Control::GrantExhausted(e) => Some(e.account),
        Control::GrantsLeft(e) => Some(e.account),
        Control::OverdraftSettled(e) => Some(e.account),
        Control::Crossed(e) => Some(e.account),
        Control::Reserved(e) => Some(e.account),
        Control::ReservationSettled(e) => Some(e.account),
        Control::ReservationReleased(e) => Some(e.account),
        Control::UsageCorrected(e) => Some(e.account),
        _ => None,
    }
}

/// Apply an entry to the account it concerns. `stamp` is the batch's `received_at`, `floor` the
/// account's: counters of periods closed below it are dropped.
pub fn apply_account(
    account: &mut Account,
    catalog: &mut Catalog,
    entry: &Control,
    stamp: i64,
    floor: i64,
) -> Result<(), Misfit> {
    match entry {
        Control::RateTableAssigned(e) => assign_table(account, catalog.intern_table(&e.table), e.valid_from),
        Control::PeriodEdgeSet(e) => {
            let edges = &mut account.extra_mut().period_edges;
            match edges.binary_search(&e.at) {
                Ok(at) if e.withdrawn => drop(edges.remove(at)),
                Err(at) if !e.withdrawn => edges.insert(at, e.at),
                _ => {}
            }
            if let Some(floor) = e.closed_below {
                drop(edges.drain(..closed_edges(edges, floor)));
            }
        }
        Control::ClockAdvanced(e) => {
            let clock = account.extra_mut().test_clock.as_mut().ok_or("the account has no test clock")?;
            if e.to < clock.now {
                return Err(format!("a test clock set back from {} to {}", clock.now, e.to));
            }
            clock.now = e.to;
        }
        Control::SuspensionSet(e) if e.suspended => account.flags |= SUSPENDED,
        Control::SuspensionSet(_) => account.flags &= !SUSPENDED,
        Control::PolicySet(e) => set_policy(account, catalog, e)?,
        Control::ThresholdsSet(e) => {
            pool_of_known(account, catalog, e.credit_type)?.set_thresholds(&e.thresholds, &e.percents, e.fired)?;
        }
        Control::GrantCreated(e) => create_grant(account, catalog, e, stamp)?,
        Control::GrantReleased(e) => release_grant(account, catalog, e, stamp)?,
        Control::GrantVoided(e) => void_grant(account, e, stamp)?,
        Control::GrantIdUsed(e) => {
            account.extra_mut().used_grant_ids.push((SmallId::new(&e.id), e.fingerprint));
        }
        Control::GrantExpired(e) => expire_grant(account, e)?,
        Control::GrantExhausted(e) => {
            let now = account.now(stamp);
            let grant = grant_of(pool_of(account, e.credit_type)?, e.number)?;
            grant.flags |= crate::grant::EXHAUSTED;
            grant.ended_mut().at = now;
        }
        Control::OverdraftSettled(e) => settle(account, e)?,
        Control::Crossed(e) => cross(account, e)?,
        Control::Reserved(e) => apply_reserved(account, catalog, e)?,
        Control::ReservationSettled(e) => apply_settled(account, e, floor)?,
        Control::ReservationReleased(e) => apply_released(account, e)?,
        Control::UsageCorrected(e) => apply_corrected(account, catalog, e, stamp)?,
        // By `apply_left`, which is told the entry's position.
        Control::GrantsLeft(_) => {}
        _ => return Err("an entry that concerns no account".into()),
    }
    Ok(())
}

fn assign_table(account: &mut Account, table: u32, valid_from: i64) {
    let newest = account.rate_table;
    let extra = account.extra_mut();
    if valid_from >= extra.rate_table_from {
        extra.older_tables.push((extra.rate_table_from, newest));
        extra.rate_table_from = valid_from;
        account.rate_table = table;
        return;
    }
    // Dated before the newest: the latest assigned comes after its equals, and so wins.
    let at = extra.older_tables.partition_point(|(from, _)| *from <= valid_from);
    extra.older_tables.insert(at, (valid_from, table));
}

fn set_policy(account: &mut Account, catalog: &mut Catalog, e: &PolicySet) -> Result<(), Misfit> {
    let policy = Policy { kind: policy_of(e.kind)?, limit: e.limit, price: e.price.clone() };
    let pool = pool_of_known(account, catalog, e.credit_type)?;
    pool.policy = catalog.policies.intern(policy);
    if let Some(since) = e.since {
        crate::overage::count_apart(pool, since);
    }
    Ok(())
}

/// A pool that the account has.
pub(crate) fn pool_of(account: &mut Account, credit_type: u32) -> Result<&mut Pool, Misfit> {
    let pool = u16::try_from(credit_type).ok().and_then(|known| account.pool_mut(known));
    pool.ok_or_else(|| format!("the account has no pool {credit_type}"))
}

/// The pool of a credit type that is defined: the account's, or its first of this type.
pub(crate) fn pool_of_known<'a>(
    account: &'a mut Account,
    catalog: &Catalog,
    credit_type: u32,
) -> Result<&'a mut Pool, Misfit> {
    if credit_type as usize >= catalog.credit_types.len() {
        return Err(format!("credit type {credit_type} is unknown"));
    }
    Ok(account.pool_or_new(credit_type as u16))
}

pub(crate) fn grant_of(pool: &mut Pool, number: u32) -> Result<&mut Grant, Misfit> {
    let at = pool.position(number, 0).ok_or_else(|| format!("grant {number} is not in the pool"))?;
    Ok(&mut pool.grants[at])
}

fn settle(account: &mut Account, e: &OverdraftSettled) -> Result<(), Misfit> {
    let pool = pool_of(account, e.credit_type)?;
    // Replay meets the entry with the pool lived to a later instant than `at`, live traffic just at
    // it. The derived sums are right either way: only a counted grant's draw lowers `available`.
    apply_settlement(pool, e.number, e.meter_plus_one.checked_sub(1).map(|m| m as u16), e.amount)
}

fn cross(account: &mut Account, e: &Crossed) -> Result<(), Misfit> {
    let pool = pool_of(account, e.credit_type)?;
    let kind = Crossing::of(e.kind).ok_or_else(|| format!("crossing {} is unknown", e.kind))?;
    match kind {
        Crossing::Depleted => pool.flags |= DEPLETED,
        Crossing::Recovered => pool.flags &= !DEPLETED,
        Crossing::Low | Crossing::LowCleared => {
            let at = pool.threshold_at(e.threshold, e.percent).ok_or("no such threshold")?;
            let extra = pool.extra_mut();
            if kind == Crossing::Low { extra.fired |= 1 << at } else { extra.fired &= !(1 << at) }
        }
    }
    pool.rearm();
    Ok(())
}
