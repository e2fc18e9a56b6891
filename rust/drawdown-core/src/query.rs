//! Reads as JSON, for everything that is not asked a million times a second.

use crate::account::{Account, Pool, SUSPENDED};
use crate::account_list::AccountList;
use crate::catalog::NO_CAP;
use crate::check::pool_at;
use crate::command::{Category, PolicyKind};
use crate::engine::Engine;
use crate::grant::{Grant, NEVER};
use crate::grant_cursor::{BurnKey, GrantCursor};
use crate::status::Status;
use crate::threshold::{absolute_of, percent_text, percents_of};
use serde_json::{Value, json};
use std::borrow::Cow;

/// Start of each usage period with overage, or part that is counted apart, and its credits, oldest first.
fn overage_periods(pool: &Pool) -> Vec<(i64, i64)> {
    let mut periods = pool.extra.as_ref().map_or_else(Vec::new, |extra| extra.overage.clone());
    // A late event may have opened an earlier period behind a later one.
    periods.sort_unstable();
    periods
}

impl Engine {
    /// Answer a JSON query (`{"type": "balance", …}`) as of `stamp_us`; see `_engine.pyi`.
    ///
    /// # Errors
    /// The request is no known query.
    pub fn query(&self, request: &Value, stamp_us: i64) -> Result<Value, String> {
        let text = |field: &str| request[field].as_str();
        let needed = |field: &str| text(field).ok_or_else(|| format!("the query needs a text field '{field}'"));
        let stamp = self.stamp.max(stamp_us);
        let behind = text("after").filter(|_| text("type") == Some("grants")).map(str::parse).transpose()?;
        match needed("type")? {
            "balance" => Ok(self.query_balance(needed("account")?, needed("credit_type")?, stamp)),
            "balances" => self.on_account(needed("account")?, |engine, account| {
                let now = account.now(stamp);
                let pools = account.pools().map(|pool| engine.balance_json(account, pool.credit_type, now));
                json!({"balances": pools.collect::<Vec<_>>()})
            }),
            "grants" => self.on_account(needed("account")?, |engine, account| {
                let limit = request["limit"].as_u64().unwrap_or(1_000).clamp(1, 100_000) as usize;
                engine.grants_json(account, text("credit_type"), behind, limit, stamp)
            }),
            "grant" => {
                let grant_id = needed("grant_id")?;
                self.on_account(needed("account")?, |engine, account| match account.grant(grant_id) {
                    Some((pool, _)) => engine.one_grant_json(account, pool.credit_type, grant_id, stamp),
                    None => json!({"status": Status::GrantUnknown.name()}),
                })
            }
            "account" => self.on_account(needed("account")?, |engine, account| engine.account_json(account)),
            "accounts" => {
                let mut list = AccountList::asked(request);
                self.list_accounts(0..self.account_count(), &mut list);
                Ok(self.listed_json(list))
            }
            "reservations" => self.query_reservations(request, stamp),
            "test_clocks" => Ok(self.test_clocks_json(text("prefix").unwrap_or(""))),
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
        let policy = &self.catalog.policies[pool.policy];
        let (limit, cap) = match policy.kind {
            PolicyKind::Overdraft => (Some(policy.limit), None),
            PolicyKind::Overage => (None, (policy.limit != NO_CAP).then_some(policy.limit)),
            _ => (None, None),
        };
        let period = account.bearing_period(Some(&pool), now);
        let thresholds = pool.extra.as_ref().map_or(&[][..], |extra| &extra.thresholds);
        json!({
            "account": account.id.as_str(),
            "credit_type": self.catalog.credit_types[usize::from(credit_type)].name,
            "scale": self.scale_of(credit_type),
            "available": pool.available,
            "remaining": pool.grants.iter().filter(|g| g.is_valid_at(now)).map(|g| g.remaining).sum::<i64>(),
            "held": pool.grants.iter().filter(|g| g.is_valid_at(now)).map(|g| g.held).sum::<i64>(),
            "headroom_held": pool.headroom_held(),
            "overage_headroom_held": pool.overage_headroom_held(),
            "reservations": pool.reservations().len(),
            "overdraft": pool.overdraft(),
            "overage": pool.overage_in(&period),
            "overage_total": pool.overage_total() as i64,
            "overage_periods": overage_periods(&pool),
            "charged": pool.charged,
            "burned": account.burned(&pool),
            "policy": policy.kind,
            "policy_limit": limit,
            "policy_cap": cap,
            "policy_price": (policy.kind == PolicyKind::Overage).then_some(&policy.price),
            "thresholds": absolute_of(thresholds),
            "percent_thresholds": percents_of(thresholds).into_iter().map(percent_text).collect::<Vec<_>>(),
        })
    }

    fn grants_json(
        &self,
        account: &Account,
        credit_type: Option<&str>,
        behind: Option<GrantCursor>,
        limit: usize,
        stamp: i64,
    ) -> Value {
        let wanted = credit_type.map(|name| self.catalog.credit_type_id(name));
        let now = account.now(stamp);
        let (first, key) = match behind {
            None => (None, None),
            Some(GrantCursor::Present { credit_type, key }) => (Some(credit_type), Some(key)),
            Some(GrantCursor::Left { .. }) => return json!({"grants": [], "next": null}),
        };
        let pools = account.pools().skip_while(|pool| first.is_some_and(|first| first != pool.credit_type));
        let pools = pools.filter(|pool| wanted.is_none_or(|wanted| wanted == Some(pool.credit_type)));
        let mut places = pools.flat_map(|pool| {
            let pool = pool_at(self, account, pool.credit_type, now).expect("its own pool").into_owned();
            let credit_type = pool.credit_type;
            let place = |grant: Grant| (credit_type, grant.burn_key(self.catalog.scopes.width(grant.scope)), grant);
            pool.grants.into_iter().map(place).collect::<Vec<_>>()
        });
        let is_behind = |place: &(u16, BurnKey, Grant)| key.is_none_or(|key| first != Some(place.0) || place.1 > key);
        let page: Vec<_> = places.by_ref().filter(is_behind).take(limit).collect();
        let last = page.last().filter(|_| places.next().is_some());
        let next = last.map(|(credit_type, key, _)| GrantCursor::Present { credit_type: *credit_type, key: *key });
        let shown = page.iter().map(|(credit_type, _, grant)| self.grant_json(account, *credit_type, grant, now));
        json!({"grants": shown.collect::<Vec<_>>(), "next": next.map(|next| next.to_string())})
    }

    fn one_grant_json(&self, account: &Account, credit_type: u16, grant_id: &str, stamp: i64) -> Value {
        let now = account.now(stamp);
        let pool = pool_at(self, account, credit_type, now).expect("its own pool");
        let is_it = |grant: &&Grant| grant.detail.id.as_bytes() == grant_id.as_bytes();
        let grant = pool.grants.iter().find(is_it).expect("it is in the pool");
        json!({"grant": self.grant_json(account, credit_type, grant, now)})
    }

    pub(crate) fn grant_json(&self, account: &Account, credit_type: u16, grant: &Grant, now: i64) -> Value {
        self.scoped_grant_json(account, credit_type, grant, self.catalog.scopes.meters(grant.scope), now)
    }

    /// `grant_json` of a grant whose scope, these meters, may be no other grant's, so that it has no number.
    pub(crate) fn scoped_grant_json(
        &self,
        account: &Account,
        credit_type: u16,
        grant: &Grant,
        scope: &[u16],
        now: i64,
    ) -> Value {
        let ended = grant.ended();
        let text = grant.detail.text.as_deref().cloned().unwrap_or_default();
        let id = grant.detail.id.as_str();
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

    pub(crate) fn account_json(&self, account: &Account) -> Value {
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

    fn catalog_json(&self) -> Value {
        let catalog = &self.catalog;
        let meters = catalog.meters.iter().map(|m| {
            json!({"key": m.key, "unit": m.unit, "quantity_scale": m.quantity_scale,
                   "aggregation": m.aggregation, "dimensions": m.dimensions, "unique_of": m.unique_of})
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
            "reservations_open": self.open_reservations.count(),
            "reservation_oldest_age_us": self.open_reservations.oldest().map_or(0, |at| (self.stamp - at).max(0)),
            "dedupe_keys": keys,
            "dedupe_key_bytes": key_bytes,
            "dedupe_floor_us": self.floor_us(),
            "dedupe_window_us": (self.stamp - self.floor_us()).max(0),
            "stamp_us": self.stamp,
            "dirty_accounts_local": self.dirty_count(0),
            "dirty_accounts_remote": self.dirty_count(1),
        })
    }
}
