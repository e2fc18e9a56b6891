//! The conservation law (semantics §4.8) over the whole state, a stretch of accounts at a time, so
//! that asking does not stall ingest.

use crate::account::{Account, Pool};
use crate::amount::{format_decimal, pow10};
use crate::apply_reservations::check_held;
use crate::engine::Engine;
use crate::grant::Grant;
use crate::left_grants::LeftPool;
use serde_json::{Map, Value, json};

/// Violations kept in words; the count goes on.
const VIOLATIONS_MAX: usize = 100;

/// What was looked at and what was found wrong, so far.
#[derive(Clone, Debug, Default)]
pub struct Conservation {
    accounts: u64,
    pools: u64,
    grants: u64,
    violations_count: u64,
    violations: Vec<String>,
    /// Sums per credit type id.
    totals: Vec<Totals>,
}

/// Sums over the pools of one credit type. Wide: they may pass 64 bits.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    granted: i128,
    remaining: i128,
    held: i128,
    burned: i128,
    expired: i128,
    voided: i128,
    moved: i128,
    overdraft: i128,
    overage: i128,
    charged: i128,
}

impl Totals {
    fn add(&mut self, pool: &Pool, left: Option<&LeftPool>) {
        for grant in &pool.grants {
            let ended = grant.ended();
            self.granted += i128::from(grant.detail.amount);
            self.remaining += i128::from(grant.remaining);
            self.held += i128::from(grant.held);
            self.burned += i128::from(grant.burned);
            self.expired += i128::from(ended.expired);
            self.voided += i128::from(ended.voided);
            self.moved += i128::from(ended.moved);
        }
        if let Some(left) = left {
            self.granted += left.sums.amount;
            self.burned += left.sums.burned;
            self.expired += left.sums.expired;
            self.voided += left.sums.voided;
            self.moved += left.sums.moved;
        }
        self.overdraft += i128::from(pool.overdraft());
        self.overage += pool.overage_total();
        self.charged += i128::from(pool.charged);
    }

    fn as_json(&self, scale: u32) -> Value {
        let text = |sum: i128| wide_decimal(sum, scale);
        json!({
            "granted": text(self.granted),
            "remaining": text(self.remaining),
            "held": text(self.held),
            "burned": text(self.burned),
            "expired": text(self.expired),
            "voided": text(self.voided),
            "moved": text(self.moved),
            "overdraft": text(self.overdraft),
            "overage": text(self.overage),
            "charged": text(self.charged),
        })
    }
}

impl Conservation {
    fn violated(&mut self, what: String) {
        self.violations_count += 1;
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(what);
        }
    }

    /// Whether nothing was found wrong.
    pub fn holds(&self) -> bool {
        self.violations_count == 0
    }

    pub fn as_json(&self, engine: &Engine) -> Value {
        let totals: Map<String, Value> = engine
            .catalog
            .credit_types
            .iter()
            .enumerate()
            .map(|(id, c)| {
                let totals = self.totals.get(id).copied().unwrap_or_default();
                (c.name.clone(), totals.as_json(u32::from(c.scale)))
            })
            .collect();
        json!({
            "holds": self.holds(),
            "accounts": self.accounts,
            "pools": self.pools,
            "grants": self.grants,
            "totals": totals,
            "violations_count": self.violations_count,
            "violations": self.violations,
        })
    }
}

impl Engine {
    /// Look at the accounts of these numbers, as far as they exist.
    pub fn check_conservation(&self, accounts: std::ops::Range<u32>, report: &mut Conservation) {
        for account in self.accounts.range(accounts) {
            report.accounts += 1;
            for pool in account.pools() {
                report.pools += 1;
                let left = account.left_of(pool.credit_type);
                report.grants += (pool.grants.len() + left.map_or(0, LeftPool::count)) as u64;
                let id = usize::from(pool.credit_type);
                if report.totals.len() <= id {
                    report.totals.resize(id + 1, Totals::default());
                }
                report.totals[id].add(pool, left);
                check_pool(account, pool, &self.catalog.credit_types[id].name, report);
            }
        }
    }

    /// The law over one account or all, in one go.
    pub fn conservation_json(&self, account: Option<&str>) -> Value {
        let mut report = Conservation::default();
        let accounts = match account.map(|id| self.find_account(id)) {
            None => 0..self.account_count(),
            Some(Some(number)) => number..number + 1,
            Some(None) => 0..0,
        };
        self.check_conservation(accounts, &mut report);
        report.as_json(self)
    }
}

fn check_pool(account: &Account, pool: &Pool, name: &str, report: &mut Conservation) {
    let id = account.id.as_str();
    if account.left_of(pool.credit_type).is_some_and(|left| !left.sums.is_conserved()) {
        report.violated(format!("{id}/{name}: the sums of grants that left memory are not conserved"));
    }
    for grant in pool.grants.iter().filter(|g| !g.is_conserved()) {
        report.violated(format!("{id}/{name}: grant '{}' is not conserved", grant.detail.id.as_str()));
    }
    let burned = account.burned(pool);
    let (overdraft, overage) = (pool.overdraft(), pool.overage_total() as i64);
    if pool.charged != burned.wrapping_add(overdraft).wrapping_add(overage) {
        report.violated(format!(
            "{id}/{name}: charged {} is not burned {burned} + overdraft {overdraft} + overage {overage}",
            pool.charged
        ));
    }
    let debts = pool.extra.iter().flat_map(|extra| &extra.debts).map(|debt| debt.amount).sum::<i64>();
    if debts != overdraft {
        report.violated(format!("{id}/{name}: debts of {debts} are not the overdraft {overdraft}"));
    }
    if let Err(what) = check_held(pool) {
        report.violated(format!("{id}/{name}: {what}"));
    }
    let counted: i64 = pool.grants.iter().filter(|g| g.is_counted()).map(Grant::free).sum();
    if pool.available != counted - overdraft - pool.headroom_held() {
        report.violated(format!("{id}/{name}: available {} is not what its grants say", pool.available));
    }
}

fn wide_decimal(value: i128, scale: u32) -> String {
    if let Ok(value) = i64::try_from(value) {
        return format_decimal(value, scale);
    }
    let unit = pow10(scale);
    format!("{}.{:0width$}", value / unit, (value % unit).abs(), width = scale as usize)
}
