//! Reads of one consistent state: entitlement checks, and JSON queries for everything else.
//!
//! A read never changes anything: a pool whose time has come is lived on a copy.

use crate::account::{Account, NO_CREDIT_TYPE, Pool, SUSPENDED};
use crate::amount::format_decimal;
use crate::catalog::NO_CAP;
use crate::burn::{AsOf, at_zero, cover};
use crate::command::{Category, PolicyKind};
use crate::engine::Engine;
use crate::grant::{Grant, NEVER};
use crate::prefetch::prefetch;
use crate::pricing::{Charge, price, resolve, units_for};
use crate::status::Status;
use crate::transitions::lived_copy;
use crate::usage::Subject;
use crate::usage_entry::Draw;
use serde_json::{Value, json};
use std::borrow::Cow;

/// Answer of `check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckOutcome {
    /// What a record of the same, without time and force, would now get.
    pub reason: Status,
    /// Free credits that can pay for this meter, less debt; absent where no pool is known.
    pub available: Option<i64>,
    /// Largest quantity whose price fits `available`.
    pub units: i64,
    pub credit_type: u16,
}

impl CheckOutcome {
    fn refused(reason: Status) -> CheckOutcome {
        CheckOutcome { reason, available: None, units: 0, credit_type: NO_CREDIT_TYPE }
    }

    pub fn is_allowed(&self) -> bool {
        self.reason == Status::Ok
    }
}

/// The pool as of `now`: itself if it is lived that far, else a copy that is.
fn pool_at<'a>(engine: &Engine, account: &'a Account, credit_type: u16, now: i64) -> Option<Cow<'a, Pool>> {
    let pool = account.pool(credit_type)?;
    if pool.next_at > now {
        return Some(Cow::Borrowed(pool));
    }
    Some(Cow::Owned(lived_copy(pool, &engine.catalog.scopes, now)))
}

/// One question of a batch, hashed by whoever decoded it.
#[derive(Clone, Copy, Debug)]
pub struct CheckQuestion<'a> {
    pub account_id: &'a str,
    pub meter: &'a str,
    pub quantity: i64,
    pub dimensions: &'a [(&'a str, &'a str)],
    pub malformed: bool,
    pub account_hash: u64,
}

/// Questions looked up ahead of being answered, so that their cache misses overlap.
const LOOKAHEAD: usize = 32;

impl Engine {
    /// Answer questions in order, all of one state; accounts outside the prefix are unknown.
    pub fn check_batch(
        &self,
        questions: &[CheckQuestion<'_>],
        account_prefix: &str,
        stamp_us: i64,
        mut answer: impl FnMut(CheckOutcome),
    ) {
        let mut found = [None; LOOKAHEAD];
        for chunk in questions.chunks(LOOKAHEAD) {
            for question in chunk {
                self.index.prefetch(question.account_hash);
            }
            for question in chunk {
                if let Some(account) = self.index.likely(question.account_hash).and_then(|n| self.accounts.get(n as usize)) {
                    prefetch(&account.id);
                    prefetch(&account.pool.extra);
                }
            }
            for (found, question) in found.iter_mut().zip(chunk) {
                let id = question.account_id.as_bytes();
                *found = self.index.find(question.account_hash, |n| self.accounts[n as usize].id.as_bytes() == id);
                let account = found.map(|n| &self.accounts[n as usize]);
                if let Some(grant) = account.and_then(|a| a.pool.grants.get(a.pool.first_free as usize)) {
                    prefetch(grant);
                }
            }
            for (found, q) in found.iter().zip(chunk) {
                let number = found.filter(|_| q.account_id.starts_with(account_prefix));
                answer(if q.malformed {
                    CheckOutcome::refused(Status::Invalid)
                } else {
                    self.check_found(number, q.meter, q.quantity, q.dimensions, stamp_us)
                });
            }
        }
    }

    /// May `account` use `quantity` of `meter` at `stamp_us`? (semantics §8)
    #[inline]
    pub fn check(
        &self,
        account_id: &str,
        meter: &str,
        quantity: i64,
        dimensions: &[(&str, &str)],
        stamp_us: i64,
    ) -> CheckOutcome {
        self.check_found(self.find_account(account_id), meter, quantity, dimensions, stamp_us)
    }

    #[inline]
    fn check_found(
        &self,
        number: Option<u32>,
        meter: &str,
        quantity: i64,
        dimensions: &[(&str, &str)],
        stamp_us: i64,
    ) -> CheckOutcome {
        if quantity < 0 {
            return CheckOutcome::refused(Status::Invalid);
        }
        let Some(number) = number else {
            return CheckOutcome::refused(Status::AccountUnknown);
        };
        let account = &self.accounts[number as usize];
        let now = account.now(self.stamp.max(stamp_us));
        let resolved = match resolve(&self.catalog, Subject::Meter(meter)) {
            Ok(resolved) => resolved,
            Err(status) => return CheckOutcome::refused(status),
        };
        let priced = price(account, &self.catalog, resolved, quantity, dimensions, now);
        let suspended = account.flags & SUSPENDED != 0;
        match priced {
            Err(_) if suspended => CheckOutcome::refused(Status::AccountSuspended),
            Err(unpriced) => CheckOutcome::refused(unpriced.status),
            Ok(charge) => {
                let mut outcome = self.check_charge(account, &charge, now);
                if suspended {
                    outcome.reason = Status::AccountSuspended;
                }
                outcome
            }
        }
    }

    #[inline]
    fn check_charge(&self, account: &Account, charge: &Charge, now: i64) -> CheckOutcome {
        let pool = pool_at(self, account, charge.credit_type, now);
        let pool = pool.as_deref();
        let available = pool.map(|pool| pool.payable(&self.catalog.scopes, charge.meter));
        let units = units_for(account, &self.catalog, charge.rate, now, available.unwrap_or(0));
        let policy = pool.map_or(&self.catalog.policies[0], |p| &self.catalog.policies[p.policy as usize]);
        let reason = match available {
            // Enough free credits decide alone; debt lowers `available`, so the sum is a bound.
            Some(available) if available >= charge.amount && self.is_plain(pool) => Status::Ok,
            _ => {
                let mut draws: Vec<Draw> = Vec::new();
                let as_of = AsOf { time: now, now, late_grace: self.settings.late_grace_us };
                let covered = pool.map_or(0, |pool| {
                    cover(pool, &self.catalog.scopes, charge.meter, charge.amount, as_of, &mut draws)
                });
                let period = self.period_for(policy, account, now);
                let uncovered = charge.amount - covered;
                match at_zero(pool, policy, charge.amount, uncovered, period, false) {
                    Ok(_) => Status::Ok,
                    Err(refused) => refused.status,
                }
            }
        };
        CheckOutcome { reason, available, units, credit_type: charge.credit_type }
    }

    fn is_plain(&self, pool: Option<&Pool>) -> bool {
        pool.is_some_and(|pool| pool.extra.is_none())
    }

    /// Scale of a credit type, 0 where unknown.
    pub fn scale_of(&self, credit_type: u16) -> u32 {
        self.catalog.credit_types.get(usize::from(credit_type)).map_or(0, |c| u32::from(c.scale))
    }

    /// The credit type an outcome of this subject is in, for showing amounts.
    pub fn credit_type_of_subject(&self, account_id: &str, subject: Subject<'_>) -> Option<u16> {
        match subject {
            Subject::CreditType(name) => self.catalog.credit_type_id(name),
            Subject::Meter(key) => {
                let account = &self.accounts[self.find_account(account_id)? as usize];
                let table = account.rate_table_at(i64::MAX)?;
                let rate = self.catalog.rate_at(table, self.catalog.meter_id(key)?, &[], i64::MAX)?;
                Some(self.catalog.rates[rate as usize].credit_type)
            }
        }
    }

    /// Answer a JSON query (`{"type": "balance", …}`) as of `stamp_us`; see `_engine.pyi`.
    ///
    /// # Errors
    /// The request is no known query.
    pub fn query(&self, request: &Value, stamp_us: i64) -> Result<Value, String> {
        let text = |field: &str| request[field].as_str();
        let needed = |field: &str| text(field).ok_or_else(|| format!("the query needs a text field '{field}'"));
        let stamp = self.stamp.max(stamp_us);
        match needed("type")? {
            "balance" => Ok(self.query_balance(needed("account")?, needed("credit_type")?, stamp)),
            "balances" => self.on_account(needed("account")?, |engine, account| {
                let now = account.now(stamp);
                let pools = account.pools().map(|pool| engine.balance_json(account, pool.credit_type, now));
                json!({"balances": pools.collect::<Vec<_>>()})
            }),
            "grants" => self.on_account(needed("account")?, |engine, account| {
                let limit = request["limit"].as_u64().unwrap_or(1_000).clamp(1, 100_000) as usize;
                engine.grants_json(account, text("credit_type"), text("after"), limit, stamp)
            }),
            "account" => self.on_account(needed("account")?, |engine, account| engine.account_json(account)),
            "accounts" => {
                let limit = request["limit"].as_u64().unwrap_or(1_000).clamp(1, 100_000) as usize;
                Ok(self.accounts_json(text("prefix").unwrap_or(""), text("after").unwrap_or(""), limit))
            }
            "catalog" => Ok(self.catalog_json()),
            "conservation" => Ok(self.conservation_json(text("account"))),
            other => Err(format!("there is no query '{}'", crate::execute::shown(other))),
        }
    }

    fn on_account(&self, id: &str, answer: impl Fn(&Engine, &Account) -> Value) -> Result<Value, String> {
        Ok(match self.find_account(id) {
            Some(number) => answer(self, &self.accounts[number as usize]),
            None => json!({"status": Status::AccountUnknown.name()}),
        })
    }

    fn query_balance(&self, id: &str, credit_type: &str, stamp: i64) -> Value {
        let Some(number) = self.find_account(id) else {
            return json!({"status": Status::AccountUnknown.name()});
        };
        let account = &self.accounts[number as usize];
        match self.catalog.credit_type_id(credit_type) {
            Some(credit_type) => self.balance_json(account, credit_type, account.now(stamp)),
            None => json!({"status": "CREDIT_TYPE_UNKNOWN"}),
        }
    }

    fn balance_json(&self, account: &Account, credit_type: u16, now: i64) -> Value {
        let empty = Pool::new(credit_type);
        let pool = pool_at(self, account, credit_type, now).unwrap_or(Cow::Borrowed(&empty));
        let policy = &self.catalog.policies[pool.policy as usize];
        let (limit, cap) = match policy.kind {
            PolicyKind::Overdraft => (Some(policy.limit), None),
            PolicyKind::Overage => (None, (policy.limit != NO_CAP).then_some(policy.limit)),
            _ => (None, None),
        };
        let period = crate::period::period_start(account.period_edges(), now);
        json!({
            "account": account.id.as_str(),
            "credit_type": self.catalog.credit_types[usize::from(credit_type)].name,
            "scale": self.scale_of(credit_type),
            "available": pool.available,
            "remaining": pool.grants.iter().filter(|g| g.is_valid_at(now)).map(|g| g.remaining).sum::<i64>(),
            "held": pool.grants.iter().filter(|g| g.is_valid_at(now)).map(|g| g.held).sum::<i64>(),
            "overdraft": pool.overdraft(),
            "overage": pool.overage_in(period),
            "overage_total": pool.overage_total() as i64,
            "charged": pool.charged,
            "burned": pool.grants.iter().fold(0i64, |sum, g| sum.wrapping_add(g.burned)),
            "policy": policy.kind,
            "policy_limit": limit,
            "policy_cap": cap,
            "policy_price": (policy.kind == PolicyKind::Overage).then_some(&policy.price),
            "thresholds": pool.extra.as_ref().map_or(&[][..], |extra| &extra.thresholds),
        })
    }

    fn grants_json(
        &self,
        account: &Account,
        credit_type: Option<&str>,
        after: Option<&str>,
        limit: usize,
        stamp: i64,
    ) -> Value {
        let wanted = credit_type.map(|name| self.catalog.credit_type_id(name));
        let now = account.now(stamp);
        let pools = account.pools().filter(|pool| wanted.is_none_or(|w| w == Some(pool.credit_type)));
        let mut grants = pools.flat_map(|pool| {
            let pool = pool_at(self, account, pool.credit_type, now).expect("its own pool").into_owned();
            pool.grants.iter().map(|g| self.grant_json(account, pool.credit_type, g, now)).collect::<Vec<_>>()
        });
        if let Some(after) = after {
            // An id that is not there leaves nothing to follow it.
            grants.find(|g| g["grant_id"] == after);
        }
        let page: Vec<Value> = grants.by_ref().take(limit).collect();
        json!({"grants": page, "more": grants.next().is_some()})
    }

    fn grant_json(&self, account: &Account, credit_type: u16, grant: &Grant, now: i64) -> Value {
        let ended = grant.ended();
        let text = grant.detail.text.as_deref().cloned().unwrap_or_default();
        let id = grant.detail.id.as_str();
        let scope = self.catalog.scopes.meters(grant.scope);
        let keys: Vec<&str> = scope.iter().map(|m| self.catalog.meters[usize::from(*m)].key.as_str()).collect();
        json!({
            "account": account.id.as_str(),
            "grant_id": id,
            "credit_type": self.catalog.credit_types[usize::from(credit_type)].name,
            "scale": self.scale_of(credit_type),
            "amount": grant.detail.amount,
            "remaining": grant.remaining,
            "held": grant.held,
            "burned": grant.burned,
            "expired": ended.expired,
            "voided": ended.voided,
            "moved": ended.moved,
            "state": grant.state(now).name(),
            "name": if text.name.is_empty() { id } else { &text.name },
            "category": if grant.category() == Category::Promotional { "promotional" } else { "paid" },
            "priority": grant.priority,
            "effective_at": grant.effective_at,
            "expires_at": (grant.expires_at != NEVER).then_some(grant.expires_at),
            "scope": (!keys.is_empty()).then_some(keys),
            "source": grant.source,
            "source_reference": text.source_reference,
            "cost_minor": text.cost_minor,
            "cost_currency": text.cost_currency,
            "reason": text.reason,
            "metadata": text.metadata,
        })
    }

    fn account_json(&self, account: &Account) -> Value {
        let types = account.pools().map(|p| self.catalog.credit_types[usize::from(p.credit_type)].name.as_str());
        json!({
            "account": account.id.as_str(),
            "customer": account.extra.as_ref().map_or("", |extra| extra.customer.as_str()),
            "suspended": account.flags & SUSPENDED != 0,
            "rate_table": self.catalog.tables[account.rate_table as usize],
            "test_clock": account.test_clock().map(|clock| clock.now),
            "credit_types": types.collect::<Vec<_>>(),
        })
    }

    fn accounts_json(&self, prefix: &str, after: &str, limit: usize) -> Value {
        let mut found: Vec<&Account> = self
            .accounts
            .iter()
            .filter(|a| a.id.as_bytes().starts_with(prefix.as_bytes()) && a.id.as_bytes() > after.as_bytes())
            .collect();
        found.sort_unstable_by(|a, b| a.id.as_bytes().cmp(b.id.as_bytes()));
        let more = found.len() > limit;
        found.truncate(limit);
        let page: Vec<Value> = found.into_iter().map(|account| self.account_json(account)).collect();
        json!({"accounts": page, "more": more})
    }

    fn catalog_json(&self) -> Value {
        let catalog = &self.catalog;
        let meters = catalog.meters.iter().map(|m| {
            json!({"key": m.key, "unit": m.unit, "quantity_scale": m.quantity_scale,
                   "aggregation": m.aggregation, "dimensions": m.dimensions})
        });
        let tables = catalog.tables.iter().enumerate().map(|(id, name)| {
            let rates = catalog.rates.iter().filter(|rate| rate.table as usize == id);
            let sent = rates.map(|rate| serde_json::from_str::<Value>(&rate.sent).unwrap_or_default());
            json!({"name": name, "rates": sent.collect::<Vec<_>>()})
        });
        json!({
            "credit_types": catalog.credit_types.iter().map(|c| json!({"name": c.name, "scale": c.scale})).collect::<Vec<_>>(),
            "meters": meters.collect::<Vec<_>>(),
            "rate_tables": tables.collect::<Vec<_>>(),
        })
    }

    /// Counters and gauges, for metrics.
    pub fn stats_json(&self) -> Value {
        let counts = self.counts();
        let by_status: serde_json::Map<String, Value> =
            Status::ALL.iter().map(|s| (s.name().to_string(), Value::from(counts.by_status[*s as usize]))).collect();
        let (keys, key_bytes) = self.key_usage();
        json!({
            "accounts": self.account_count(),
            "events_applied": counts.applied,
            "events_by_status": by_status,
            "batches_shed": counts.shed_batches,
            "dedupe_keys": keys,
            "dedupe_key_bytes": key_bytes,
            "dedupe_floor_us": self.floor,
            "dedupe_window_us": (self.stamp - self.floor).max(0),
            "stamp_us": self.stamp,
            "dirty_accounts_local": self.dirty_count(0),
            "dirty_accounts_remote": self.dirty_count(1),
        })
    }

    /// The conservation law (semantics §4.8) over one account or all.
    pub fn conservation_json(&self, account: Option<&str>) -> Value {
        const VIOLATIONS_MAX: usize = 100;
        let mut violations: Vec<String> = Vec::new();
        let (mut accounts, mut pools, mut grants) = (0u64, 0u64, 0u64);
        let chosen = |a: &&Account| account.is_none_or(|id| a.id.as_bytes() == id.as_bytes());
        for account in self.accounts.iter().filter(chosen) {
            accounts += 1;
            for pool in account.pools() {
                pools += 1;
                grants += pool.grants.len() as u64;
                let name = &self.catalog.credit_types[usize::from(pool.credit_type)].name;
                self.check_pool(account, pool, name, &mut violations);
            }
            violations.truncate(VIOLATIONS_MAX);
        }
        json!({"holds": violations.is_empty(), "accounts": accounts, "pools": pools, "grants": grants,
               "totals": self.totals_json(account), "violations": violations})
    }

    fn check_pool(&self, account: &Account, pool: &Pool, name: &str, violations: &mut Vec<String>) {
        let id = account.id.as_str();
        for grant in pool.grants.iter().filter(|g| !g.is_conserved()) {
            violations.push(format!("{id}/{name}: grant '{}' is not conserved", grant.detail.id.as_str()));
        }
        let burned = pool.grants.iter().fold(0i64, |sum, g| sum.wrapping_add(g.burned));
        let overage = pool.overage_total() as i64;
        if pool.charged != burned.wrapping_add(pool.overdraft()).wrapping_add(overage) {
            violations.push(format!(
                "{id}/{name}: charged {} is not burned {burned} + overdraft {} + overage {overage}",
                pool.charged,
                pool.overdraft()
            ));
        }
        let debts = pool.extra.iter().flat_map(|extra| &extra.debts).map(|debt| debt.amount).sum::<i64>();
        if debts != pool.overdraft() {
            violations.push(format!("{id}/{name}: debts of {debts} are not the overdraft {}", pool.overdraft()));
        }
        let counted: i64 = pool.grants.iter().filter(|g| g.is_counted()).map(Grant::free).sum();
        if pool.available != counted - pool.overdraft() - pool.headroom_held() {
            violations.push(format!("{id}/{name}: available {} is not what its grants say", pool.available));
        }
    }

    /// Sums per credit type, as decimal texts: they may pass 64 bits.
    fn totals_json(&self, account: Option<&str>) -> Value {
        let mut totals = serde_json::Map::new();
        for (id, credit_type) in self.catalog.credit_types.iter().enumerate() {
            let mut sums = [0i128; 8];
            let chosen = self.accounts.iter().filter(|a| account.is_none_or(|id| a.id.as_bytes() == id.as_bytes()));
            for pool in chosen.filter_map(|a| a.pool(id as u16)) {
                for grant in &pool.grants {
                    let ended = grant.ended();
                    let parts = [grant.detail.amount, grant.remaining, grant.burned, ended.expired, ended.voided];
                    for (sum, part) in sums.iter_mut().zip(parts) {
                        *sum += i128::from(part);
                    }
                }
                sums[5] += i128::from(pool.overdraft());
                sums[6] += pool.overage_total();
                sums[7] += i128::from(pool.charged);
            }
            let names = ["granted", "remaining", "burned", "expired", "voided", "overdraft", "overage", "charged"];
            let scale = u32::from(credit_type.scale);
            let shown = names.iter().zip(sums).map(|(name, sum)| ((*name).to_string(), Value::from(wide_decimal(sum, scale))));
            totals.insert(credit_type.name.clone(), Value::Object(shown.collect()));
        }
        Value::Object(totals)
    }
}

fn wide_decimal(value: i128, scale: u32) -> String {
    if let Ok(value) = i64::try_from(value) {
        return format_decimal(value, scale);
    }
    let unit = crate::amount::pow10(scale);
    format!("{}.{:0width$}", value / unit, (value % unit).abs(), width = scale as usize)
}
