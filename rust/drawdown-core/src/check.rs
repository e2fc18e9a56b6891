//! Entitlement: may this account use this now? (semantics §8)
//!
//! A read never changes anything: a pool whose time has come is lived on a copy.

use crate::account::{Account, NO_CREDIT_TYPE, Pool, SUSPENDED};
use crate::burn::{AsOf, at_zero, cover};
use crate::engine::Engine;
use crate::prefetch::prefetch_whole;
use crate::pricing::{Charge, resolve};
use crate::record::{LOOKAHEAD, prefetch_grants};
use crate::status::Status;
use crate::transitions::lived_copy;
use crate::usage::Subject;
use crate::usage_entry::Draw;
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
    /// Before any pool is known.
    pub fn refused(reason: Status) -> CheckOutcome {
        CheckOutcome { reason, available: None, units: 0, credit_type: NO_CREDIT_TYPE }
    }

    pub fn is_allowed(&self) -> bool {
        self.reason == Status::Ok
    }
}

/// The pool as of `now`: itself if it is lived that far, else a copy that is.
pub(crate) fn pool_at<'a>(engine: &Engine, account: &'a Account, credit_type: u16, now: i64) -> Option<Cow<'a, Pool>> {
    let pool = account.pool(credit_type)?;
    if pool.next_at > now {
        return Some(Cow::Borrowed(pool));
    }
    let (lived, lived_to) = lived_copy(pool, &engine.catalog.scopes, now);
    engine.note_lived(account, lived_to);
    Some(Cow::Owned(lived))
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
                if let Some(account) =
                    self.index.likely(question.account_hash).and_then(|n| self.accounts.get(n as usize))
                {
                    prefetch_whole(account);
                }
            }
            for (found, question) in found.iter_mut().zip(chunk) {
                let id = question.account_id.as_bytes();
                *found = self.index.find(question.account_hash, |n| self.accounts[n as usize].id.as_bytes() == id);
                if let Some(number) = *found {
                    prefetch_grants(&self.accounts[number as usize]);
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
        let priced = self.price(account, resolved, quantity, dimensions, now);
        let suspended = account.flags & SUSPENDED != 0;
        match priced {
            Err(_) if suspended => CheckOutcome::refused(Status::AccountSuspended),
            Err(unpriced) => CheckOutcome::refused(unpriced.status),
            Ok(charge) => {
                let mut outcome = self.check_charge(account, &charge, dimensions, now);
                if suspended {
                    outcome.reason = Status::AccountSuspended;
                }
                outcome
            }
        }
    }

    #[inline]
    fn check_charge(&self, account: &Account, charge: &Charge, dimensions: &[(&str, &str)], now: i64) -> CheckOutcome {
        let pool = pool_at(self, account, charge.credit_type, now);
        let pool = pool.as_deref();
        let available = pool.map(|pool| pool.payable(&self.catalog.scopes, charge.meter));
        let units = self.units_for(account, charge, dimensions, now, available.unwrap_or(0));
        let policy = pool.map_or(&self.catalog.policies[0], |p| &self.catalog.policies[p.policy]);
        let reason = match available {
            // Enough free credits decide alone; debt lowers `available`, so the sum is a bound.
            Some(available) if available >= charge.amount && self.is_plain(pool) => Status::Ok,
            _ => {
                let mut draws: Vec<Draw> = Vec::new();
                let as_of = AsOf { time: now, now, late_grace: self.settings.late_grace_us };
                let covered = pool.map_or(0, |pool| {
                    cover(pool, &self.catalog.scopes, charge.meter, charge.amount, as_of, &mut draws)
                });
                let period = self.period_for(policy, account, pool, now);
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

    /// The credit type an outcome of this subject is in, for showing amounts: that of the rate its
    /// dimensions and time select, else of any rate of the meter in the account's table.
    pub fn credit_type_of_subject(
        &self,
        account_id: &str,
        subject: Subject<'_>,
        dimensions: &[(&str, &str)],
        time_us: Option<i64>,
    ) -> Option<u16> {
        match subject {
            Subject::CreditType(name) => self.catalog.credit_type_id(name),
            Subject::Meter(key) => {
                let account = &self.accounts[self.find_account(account_id)? as usize];
                let time = time_us.unwrap_or_else(|| account.now(self.stamp));
                let meter = self.catalog.meter_id(key)?;
                let table = account.rate_table_at(time).or_else(|| account.rate_table_at(i64::MAX))?;
                let rate = self.catalog.rate_at(table, meter, dimensions, time);
                let rate = rate.or_else(|| self.catalog.any_rate(table, meter))?;
                Some(self.catalog.rates[rate as usize].credit_type)
            }
        }
    }
}
