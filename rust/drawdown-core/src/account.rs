//! An account and its pools in memory: the state that `apply` writes.

use crate::catalog::{Catalog, Scopes};
use crate::counter::Counter;
use crate::grant::{COUNTED, Grant, NEVER, PENDING, VOIDED};
use crate::id::SmallId;
use crate::left_grants::LeftGrants;
use crate::reservation::Reservation;
use crate::threshold::Threshold;
use std::collections::BTreeMap;
use std::sync::Arc;

/// `Account::flags`: usage, reserve and check are refused.
pub const SUSPENDED: u8 = 1;

/// No pool here yet.
pub const NO_CREDIT_TYPE: u16 = u16::MAX;

/// `Pool::flags`: `balance.depleted` was raised and not yet recovered.
pub const DEPLETED: u8 = 1;

/// The holder of balances; the unit of atomicity. Two cache lines, the first pool inside:
/// an event of an ordinary account touches these and the first grants, nothing else.
#[repr(align(64))]
#[derive(Clone, Debug)]
pub struct Account {
    pub id: SmallId,
    pub flags: u8,
    /// Bit per image slot: already in that slot's dirty list; and `WATCH_BIT`.
    pub dirty: u8,
    /// Number of the next grant.
    pub next_grant: u32,
    /// The newest assignment, from `extra.rate_table_from` on; older ones are in `extra` too.
    pub rate_table: u32,
    pub pool: Pool,
    pub extra: Option<Box<AccountExtra>>,
}

const _: () = assert!(size_of::<Account>() == 128);

/// What most accounts do without.
#[derive(Clone, Debug)]
pub struct AccountExtra {
    pub customer: String,
    /// Fingerprint of `create_account` as sent; 0 when everything was default.
    pub fingerprint: u64,
    pub test_clock: Option<TestClock>,
    /// Event time from which `Account::rate_table` rules.
    pub rate_table_from: i64,
    /// Assignments before the newest, oldest first.
    pub older_tables: Vec<(i64, u32)>,
    /// Ascending.
    pub period_edges: Vec<i64>,
    pub counters: Vec<Counter>,
    /// (event time, keyed hash of the event id) of corrected events at or above the floor, and
    /// the position of their newest correction. Every command keeps its account for undo: shared until the next
    /// correction.
    pub corrected: Arc<BTreeMap<(i64, u128), u64>>,
    pub more_pools: Vec<Pool>,
    /// Grants that have left memory.
    pub left: Option<LeftGrants>,
    /// Ids used up by formulas that computed 0, with their content's fingerprint.
    pub used_grant_ids: Vec<(SmallId, u64)>,
}

impl Default for AccountExtra {
    fn default() -> AccountExtra {
        AccountExtra {
            customer: String::new(),
            fingerprint: 0,
            test_clock: None,
            rate_table_from: i64::MIN,
            older_tables: Vec::new(),
            period_edges: Vec::new(),
            counters: Vec::new(),
            corrected: Arc::default(),
            more_pools: Vec::new(),
            left: None,
            used_grant_ids: Vec::new(),
        }
    }
}

/// A clock of its own, with a floor and event keys of its own (semantics §14, §5.6).
#[derive(Clone, Debug, Default)]
pub struct TestClock {
    pub now: i64,
    pub floor: i64,
    /// Key → (fingerprint, event time).
    pub keys: BTreeMap<u128, (u64, i64)>,
}

/// One account × one credit type.
#[derive(Clone, Debug)]
pub struct Pool {
    pub credit_type: u16,
    pub flags: u8,
    /// Interned policy; 0 is `hard`.
    pub policy: u32,
    /// Σ free of counted grants − overdraft − held headroom. Derived, kept by every write.
    pub available: i64,
    /// The latest transition (a grant's start or end) that has been lived. Derived.
    pub valid_since: i64,
    /// The next transition; the pool has been lived up to just before it.
    pub next_at: i64,
    /// `available` at or below this may be a crossing. Derived.
    pub alert_below: i64,
    /// Σ charged of applied usage, modulo 2^64: only compared with sums taken the same way.
    pub charged: i64,
    /// Grants before this position have nothing free for the present. Derived.
    pub first_free: u32,
    pub extra: Option<Box<PoolExtra>>,
    /// In burn-down order. A plain slice: its address is known without touching it, so the first
    /// grants can be prefetched.
    pub grants: Box<[Grant]>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolExtra {
    /// Open debts, oldest first; meter `None` for direct debits.
    pub debts: Vec<Debt>,
    /// Σ of debts.
    pub overdraft: i64,
    /// Overdraft headroom held by reservations.
    pub headroom_held: i64,
    /// Overage headroom held by reservations; counts against whichever period is charged.
    pub overage_headroom_held: i64,
    /// Open, by the instant they lapse at, then by creation.
    pub reservations: Vec<Arc<Reservation>>,
    /// Payments of debt that corrections may give back, oldest first; of one meter's in a row by
    /// one grant, their sum.
    pub settled: Vec<Settled>,
    /// (start, credits) of usage periods with overage, or of parts of them that are counted apart.
    pub overage: Vec<(i64, i64)>,
    /// Absolute ones, then percentages; each descending.
    pub thresholds: Vec<Threshold>,
    /// Bit i: threshold i has fired and not been cleared.
    pub fired: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debt {
    pub meter: Option<u16>,
    pub amount: i64,
}

/// What a grant paid of one meter's debt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    pub meter: Option<u16>,
    pub number: u32,
    pub amount: i64,
}

impl Account {
    pub fn new(id: &str) -> Account {
        Account {
            id: SmallId::new(id),
            flags: 0,
            dirty: crate::passes::WATCH_BIT,
            next_grant: 0,
            rate_table: 0,
            pool: Pool::new(NO_CREDIT_TYPE),
            extra: None,
        }
    }

    pub fn extra_mut(&mut self) -> &mut AccountExtra {
        self.extra.get_or_insert_default()
    }

    #[inline]
    pub fn test_clock(&self) -> Option<&TestClock> {
        self.extra.as_ref()?.test_clock.as_ref()
    }

    /// `received_at` for this account.
    #[inline]
    pub fn now(&self, stamp: i64) -> i64 {
        self.test_clock().map_or(stamp, |clock| clock.now)
    }

    #[inline]
    pub fn pool(&self, credit_type: u16) -> Option<&Pool> {
        if self.pool.credit_type == credit_type {
            return Some(&self.pool);
        }
        self.extra.as_ref()?.more_pools.iter().find(|pool| pool.credit_type == credit_type)
    }

    #[inline]
    pub fn pool_mut(&mut self, credit_type: u16) -> Option<&mut Pool> {
        if self.pool.credit_type == credit_type {
            return Some(&mut self.pool);
        }
        self.extra.as_mut()?.more_pools.iter_mut().find(|pool| pool.credit_type == credit_type)
    }

    pub fn pool_or_new(&mut self, credit_type: u16) -> &mut Pool {
        if self.pool.credit_type == NO_CREDIT_TYPE {
            self.pool.credit_type = credit_type;
        }
        if self.pool.credit_type == credit_type {
            return &mut self.pool;
        }
        let pools = &mut self.extra_mut().more_pools;
        let at = pools.iter().position(|pool| pool.credit_type == credit_type).unwrap_or_else(|| {
            pools.push(Pool::new(credit_type));
            pools.len() - 1
        });
        &mut pools[at]
    }

    pub fn pools(&self) -> impl Iterator<Item = &Pool> {
        let first = (self.pool.credit_type != NO_CREDIT_TYPE).then_some(&self.pool);
        first.into_iter().chain(self.extra.iter().flat_map(|extra| &extra.more_pools))
    }

    pub fn pools_mut(&mut self) -> impl Iterator<Item = &mut Pool> {
        let first = (self.pool.credit_type != NO_CREDIT_TYPE).then_some(&mut self.pool);
        first.into_iter().chain(self.extra.iter_mut().flat_map(|extra| &mut extra.more_pools))
    }

    /// The rate table assigned at event time `time`: the newest `valid_from` not after it.
    #[inline]
    pub fn rate_table_at(&self, time: i64) -> Option<u32> {
        let Some(extra) = &self.extra else { return Some(self.rate_table) };
        if extra.rate_table_from <= time {
            return Some(self.rate_table);
        }
        extra.older_tables.iter().rev().find(|(from, _)| *from <= time).map(|(_, table)| *table)
    }

    pub fn rate_table_from(&self) -> i64 {
        self.extra.as_ref().map_or(i64::MIN, |extra| extra.rate_table_from)
    }

    pub fn period_edges(&self) -> &[i64] {
        self.extra.as_ref().map_or(&[], |extra| &extra.period_edges)
    }

    pub fn counter(&self, meter: u16, match_id: u32, period: i64) -> Option<&Counter> {
        let counters = self.extra.as_ref().map_or(&[][..], |extra| &extra.counters);
        counters.iter().find(|c| c.meter == meter && c.match_id == match_id && c.period == period)
    }

    /// The grant of this id and its pool.
    pub fn grant(&self, id: &str) -> Option<(&Pool, &Grant)> {
        self.pools().find_map(|pool| {
            let grant = pool.grants.iter().find(|g| g.detail.id.as_bytes() == id.as_bytes())?;
            Some((pool, grant))
        })
    }

    /// The open reservation of this id and its pool.
    pub fn reservation(&self, id: &str) -> Option<(&Pool, &Arc<Reservation>)> {
        self.pools().find_map(|pool| {
            let open = pool.reservations().iter().find(|r| r.id.as_bytes() == id.as_bytes())?;
            Some((pool, open))
        })
    }
}

impl Pool {
    pub fn new(credit_type: u16) -> Pool {
        Pool {
            credit_type,
            flags: 0,
            policy: 0,
            available: 0,
            valid_since: i64::MIN,
            next_at: NEVER,
            alert_below: 0,
            charged: 0,
            first_free: 0,
            extra: None,
            grants: Box::default(),
        }
    }

    pub fn extra_mut(&mut self) -> &mut PoolExtra {
        self.extra.get_or_insert_default()
    }

    #[inline]
    pub fn overdraft(&self) -> i64 {
        self.extra.as_ref().map_or(0, |extra| extra.overdraft)
    }

    #[inline]
    pub fn headroom_held(&self) -> i64 {
        self.extra.as_ref().map_or(0, |extra| extra.headroom_held)
    }

    #[inline]
    pub fn overage_headroom_held(&self) -> i64 {
        self.extra.as_ref().map_or(0, |extra| extra.overage_headroom_held)
    }

    /// Whether time brings this pool something by `now`: `NEVER` does not come, whatever a clock says.
    pub fn is_due(&self, now: i64) -> bool {
        self.next_at <= now && self.next_at != NEVER
    }

    /// Open reservations, the next to lapse first.
    pub fn reservations(&self) -> &[Arc<Reservation>] {
        self.extra.as_ref().map_or(&[], |extra| &extra.reservations)
    }

    /// Free credits of grants valid now that can pay for `meter`, less debt: `check.available`.
    pub fn payable(&self, scopes: &Scopes, meter: Option<u16>) -> i64 {
        let from = self.first_free as usize;
        let free = self.grants[from..]
            .iter()
            .filter(|g| g.is_counted() && scopes.pays_for(g.scope, meter))
            .map(Grant::free)
            .sum::<i64>();
        free - self.overdraft() - self.headroom_held()
    }

    /// Make the derived fields those of instant `at`.
    pub fn recount(&mut self, at: i64) {
        // A lapse that is due stays the next transition until its entry ends the reservation.
        let mut next = self.reservations().first().map_or(NEVER, |first| first.expires_at);
        let (mut available, mut since) = (0i64, i64::MIN);
        for grant in &mut self.grants {
            grant.flags &= !COUNTED;
            if grant.flags & (VOIDED | PENDING) != 0 {
                continue;
            }
            for edge in [grant.effective_at, grant.expires_at] {
                if edge > at {
                    next = next.min(edge);
                } else {
                    since = since.max(edge);
                }
            }
            if grant.is_valid_at(at) {
                grant.flags |= COUNTED;
                available += grant.free();
            }
        }
        self.available = available - self.overdraft() - self.headroom_held();
        self.valid_since = since;
        self.next_at = next;
        self.first_free = 0;
        self.skip_spent();
        self.revalue_thresholds();
    }

    /// Move `first_free` past grants that have nothing to give at present.
    #[inline]
    pub fn skip_spent(&mut self) {
        while let Some(grant) = self.grants.get(self.first_free as usize) {
            if grant.is_counted() && grant.free() > 0 {
                break;
            }
            self.first_free += 1;
        }
    }

    pub fn insert_grant(&mut self, grant: Grant, catalog: &Catalog) {
        let key = |g: &Grant| g.burn_key(catalog.scopes.width(g.scope));
        let new_key = key(&grant);
        let at = self.grants.partition_point(|g| key(g) < new_key);
        let mut grants = std::mem::take(&mut self.grants).into_vec();
        grants.insert(at, grant);
        self.grants = grants.into_boxed_slice();
    }

    pub fn remove_grant(&mut self, at: usize) -> Grant {
        let mut grants = std::mem::take(&mut self.grants).into_vec();
        let grant = grants.remove(at);
        self.grants = grants.into_boxed_slice();
        grant
    }

    #[inline]
    pub fn position(&self, number: u32, hint: u32) -> Option<usize> {
        if self.grants.get(hint as usize).is_some_and(|g| g.number == number) {
            return Some(hint as usize);
        }
        self.grants.iter().position(|g| g.number == number)
    }

    /// Recompute `alert_below` from what has fired.
    pub fn rearm(&mut self) {
        let mut level = if self.flags & DEPLETED == 0 { 0 } else { i64::MIN };
        if let Some(extra) = &self.extra {
            for (i, threshold) in extra.thresholds.iter().enumerate() {
                if extra.fired & (1 << i) == 0 {
                    level = level.max(threshold.units);
                }
            }
        }
        self.alert_below = level;
    }

    /// Σ remaining of all grants, as the total that must fit `i64`.
    pub fn remaining_total(&self) -> i128 {
        self.grants.iter().map(|g| i128::from(g.remaining)).sum()
    }
}
