//! Entries of grants → state: the part of `apply` that makes, releases, voids and expires them.

use crate::account::{Account, Pool};
use crate::apply::{Misfit, grant_of, pairs_from, pool_of, pool_of_known, source_of};
use crate::catalog::Catalog;
use crate::entry::{GrantCreated, GrantExpired, GrantReleased, GrantTextEntry, GrantVoided};
use crate::grant::{Grant, GrantDetail, GrantText, NEVER, PENDING, PROMOTIONAL, VOIDED};
use crate::id::SmallId;

pub(crate) fn create_grant(
    account: &mut Account,
    catalog: &mut Catalog,
    e: &GrantCreated,
    stamp: i64,
) -> Result<(), Misfit> {
    let now = account.now(stamp);
    check_new_grant(account, catalog, e)?;
    let scope: Vec<u16> = e.scope.iter().map(|m| *m as u16).collect();
    let mut flags = if e.promotional { PROMOTIONAL } else { 0 };
    if e.pending {
        flags |= PENDING;
    }
    let grant = Grant {
        remaining: e.amount,
        held: 0,
        effective_at: e.effective_at,
        expires_at: e.expires_at.unwrap_or(NEVER),
        burned: 0,
        number: e.number,
        scope: catalog.scopes.intern(&scope),
        flags,
        priority: e.priority as u8,
        source: source_of(e.source)?,
        detail: Box::new(GrantDetail {
            id: SmallId::new(&e.id),
            amount: e.amount,
            fingerprint: e.fingerprint,
            ended: None,
            text: e.text.as_ref().map(|text| Box::new(text_of(text))),
        }),
    };
    let pool = pool_of_known(account, catalog, e.credit_type)?;
    pool.insert_grant(grant, catalog);
    pool.recount(now);
    account.next_grant = e.number + 1;
    Ok(())
}

/// What no new grant can be; nothing has moved yet.
fn check_new_grant(account: &Account, catalog: &Catalog, e: &GrantCreated) -> Result<(), Misfit> {
    let what = |misfit: &str| Err(format!("grant '{}' {misfit}", e.id));
    if e.number < account.next_grant || e.number == u32::MAX {
        return what(&format!("is number {}, the next is {}", e.number, account.next_grant));
    }
    if e.scope.iter().any(|meter| *meter as usize >= catalog.meters.len()) {
        return what("pays for a meter that is unknown");
    }
    if e.priority > u32::from(u8::MAX) {
        return what("has a priority out of range");
    }
    let pool = u16::try_from(e.credit_type).ok().and_then(|known| account.pool(known));
    let total = pool.map_or(0, Pool::remaining_total) + i128::from(e.amount);
    if e.amount <= 0 || (total > i128::from(i64::MAX) && !cfg!(feature = "planted-wrapping-add")) {
        return what(&format!("of {} makes a total of {total}", e.amount));
    }
    Ok(())
}

pub fn text_of(e: &GrantTextEntry) -> GrantText {
    GrantText {
        name: e.name.clone(),
        source_reference: e.source_reference.clone(),
        cost_minor: e.cost_minor,
        cost_currency: e.cost_currency.clone(),
        reason: e.reason.clone(),
        metadata: pairs_from(&e.metadata).into_iter().collect(),
    }
}

pub(crate) fn release_grant(
    account: &mut Account,
    catalog: &Catalog,
    e: &GrantReleased,
    stamp: i64,
) -> Result<(), Misfit> {
    let now = account.now(stamp);
    let pool = pool_of(account, e.credit_type)?;
    let at = pool.position(e.number, 0).ok_or_else(|| format!("grant {} is not in the pool", e.number))?;
    // Its dates may move it in the burn-down order.
    let mut grant = pool.remove_grant(at);
    grant.flags &= !PENDING;
    grant.effective_at = e.effective_at;
    grant.expires_at = e.expires_at.unwrap_or(NEVER);
    pool.insert_grant(grant, catalog);
    pool.recount(now);
    Ok(())
}

pub(crate) fn void_grant(account: &mut Account, e: &GrantVoided, stamp: i64) -> Result<(), Misfit> {
    if e.voided == 0 && e.moved == 0 && account.void_left(e.credit_type as u16, e.number) {
        return Ok(());
    }
    let now = account.now(stamp);
    let pool = pool_of(account, e.credit_type)?;
    let grant = grant_of(pool, e.number)?;
    let gone = e.voided.checked_add(e.moved).filter(|gone| e.voided >= 0 && e.moved >= 0 && *gone <= grant.free());
    grant.remaining -= gone.ok_or_else(|| format!("grant {} has less free than was voided", e.number))?;
    grant.flags |= VOIDED;
    let ended = grant.ended_mut();
    ended.at = now;
    ended.voided += e.voided;
    ended.moved += e.moved;
    pool.recount(now);
    Ok(())
}

pub(crate) fn expire_grant(account: &mut Account, e: &GrantExpired) -> Result<(), Misfit> {
    let grant = grant_of(pool_of(account, e.credit_type)?, e.number)?;
    if e.amount < 0 || e.amount > grant.free() {
        return Err(format!("grant {} has less free than expired", e.number));
    }
    // Past its end, so it is in no derived sum.
    grant.remaining -= e.amount;
    grant.ended_mut().expired += e.amount;
    Ok(())
}
