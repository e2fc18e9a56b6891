//! One account as of an earlier instant: its entries applied again, decided never, beside the
//! running engine.
//!
//! An `AccountReplay` is an engine of its own with the whole catalog and one account, so every
//! query answers from it as it would have answered then. It knows no event ids.

use crate::account::Account;
use crate::account_table::AccountTable;
use crate::apply::{self, Misfit};
use crate::apply_correction::note_correction;
use crate::apply_counters::Moment;
use crate::catalog::Catalog;
use crate::engine::Engine;
use crate::entry::{Control, GrantsLeft};
use crate::image::{CorruptImage, account_from, image_of};
use crate::image_messages::AccountImage;
use crate::leaving::apply_left;
use crate::ledger_record::{Fact, LedgerRecord};
use crate::left_grants::LeftGrant;
use crate::replay::live_silently;
use crate::settings::Settings;
use prost::Message;
use serde_json::Value;

/// Nothing is looked up by event id here.
const KEYS_BYTES: usize = 4 << 20;

/// An engine that holds one account at most.
pub struct AccountReplay {
    engine: Engine,
    number: u32,
}

/// An account set aside between two of its records.
#[derive(Default)]
pub struct SetAside {
    account: Option<Account>,
    stamp: i64,
}

impl Engine {
    /// An empty replay of account `number`, with everything shared as it is now: entries name
    /// rates, meters and credit types by numbers that never change.
    pub fn account_replay(&self, number: u32) -> AccountReplay {
        let settings = Settings { dedupe_budget_bytes: KEYS_BYTES, ..self.settings.clone() };
        let mut engine = Engine::new(settings, self.key);
        engine.catalog = self.catalog.clone();
        AccountReplay { engine, number }
    }
}

impl AccountReplay {
    /// Whether the account exists yet.
    pub fn is_created(&self) -> bool {
        !self.engine.accounts.is_empty()
    }

    pub fn number(&self) -> u32 {
        self.number
    }

    /// The instant the account stood at when its newest entry was applied: its own clock's, if it
    /// has one.
    pub fn now(&self) -> i64 {
        self.engine.accounts.first().map_or(self.engine.stamp, |account| account.now(self.engine.stamp))
    }

    /// `received_at` of a record that is about to be applied.
    pub fn received_at(&self, record: &LedgerRecord) -> i64 {
        match (&record.what, self.engine.accounts.first()) {
            (Fact::Control(Control::ClockAdvanced(e)), _) => e.to,
            (Fact::Control(Control::AccountCreated(e)), _) => e.test_clock.unwrap_or(record.stamp),
            (_, Some(account)) => account.now(record.stamp),
            _ => record.stamp,
        }
    }

    /// Go on with another account, as it was set aside; `other` then holds this one.
    pub fn exchange(&mut self, number: u32, other: &mut SetAside) {
        let here = SetAside { account: self.engine.accounts.pop(), stamp: self.engine.stamp };
        let SetAside { account, stamp } = std::mem::replace(other, here);
        self.engine.accounts = account.into_iter().collect();
        self.engine.stamp = stamp;
        self.number = number;
    }

    /// Start from an image instead of from the account's creation.
    ///
    /// # Errors
    /// The bytes are no image of this account.
    pub fn load(&mut self, image: &[u8]) -> Result<u64, CorruptImage> {
        let image = AccountImage::decode(image)?;
        if image.number != self.number {
            return Err(CorruptImage(format!("an image of account {}, not {}", image.number, self.number)));
        }
        let seq = image.seq;
        let account = account_from(image, &mut self.engine.catalog)?;
        self.engine.accounts = AccountTable::from_iter([account]);
        Ok(seq)
    }

    /// The account as an image at `seq`, if it exists.
    pub fn image(&self, seq: u64) -> Option<Vec<u8>> {
        let account = self.engine.accounts.first()?;
        Some(image_of(account, &self.engine.catalog, self.number, seq).encode_to_vec())
    }

    /// Apply the account's next record.
    ///
    /// # Errors
    /// The record does not fit: an earlier one is missing.
    pub fn apply(&mut self, record: &LedgerRecord) -> Result<(), Misfit> {
        self.engine.stamp = self.engine.stamp.max(record.stamp);
        if let Fact::Control(Control::AccountCreated(e)) = &record.what {
            let account = apply::account_of(&mut self.engine.catalog, e);
            self.engine.accounts = AccountTable::from_iter([account]);
            return Ok(());
        }
        let value = record.usage().and_then(|usage| self.engine.counted_value_of(usage));
        let key = self.engine.key;
        let Engine { accounts, catalog, stamp, .. } = &mut self.engine;
        let account = accounts.first_mut().ok_or("the account does not exist yet")?;
        let now = account.now(*stamp);
        live_silently(account, now);
        match &record.what {
            // No counter is dropped: a position in the past may be asked for.
            Fact::Usage(usage) => {
                let time = usage.time_us.unwrap_or(now);
                let moment = Moment { seq: record.seq, time, floor: i64::MIN, value };
                apply::apply_usage(account, catalog, &usage.as_entry(), &moment)
            }
            Fact::Control(control) => {
                apply::apply_account(account, catalog, control, *stamp, i64::MIN)?;
                match control {
                    Control::UsageCorrected(e) => note_correction(account, e, record.seq, &key, i64::MIN),
                    Control::GrantsLeft(e) => apply_left(account, e, record.seq, &key, *stamp),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Answer a query about the account as of `at`, which is not before the newest record applied:
    /// dated transitions up to `at` are in the answer, whatever the account's clock.
    ///
    /// # Errors
    /// The request is no known query.
    pub fn query(&mut self, request: &Value, at: i64) -> Result<Value, String> {
        let Some(account) = self.engine.accounts.first_mut() else { return self.engine.query(request, at) };
        let hash = self.engine.key.account_hash(account.id.as_bytes());
        let clock = account.extra.as_mut().and_then(|extra| extra.test_clock.as_mut());
        let moved = clock.map(|clock| {
            let now = clock.now;
            clock.now = at.max(now);
            now
        });
        let id = account.id.as_str().to_owned();
        if self.engine.find_account(&id).is_none() {
            self.engine.index.insert(hash, 0);
        }
        let answer = self.engine.query(request, at);
        if let Some(now) = moved
            && let Some(clock) = self.engine.accounts[0].extra_mut().test_clock.as_mut()
        {
            clock.now = now;
        }
        answer
    }

    /// Grants that had left memory, of one credit type or of all, in the order in which they left.
    pub fn left_grants(&self, credit_type: Option<&str>) -> Vec<LeftGrant> {
        let account = self.engine.accounts.first();
        account.map_or_else(Vec::new, |account| self.engine.left_grants_of(account, credit_type))
    }

    /// One of them as `grants` shows it as of `at`, out of the entry at its `seq`. `None`: it is not in this entry.
    pub fn left_grant_json(&self, left: &LeftGrant, entry: &GrantsLeft, at: i64) -> Option<Value> {
        self.engine.left_grant_shown(self.engine.accounts.first()?, left, entry, at)
    }

    /// Open debt of one meter (`None`: direct debits), in smallest units.
    pub fn debt(&self, credit_type: u16, meter: Option<u16>) -> i64 {
        let pool = self.engine.accounts.first().and_then(|account| account.pool(credit_type));
        let debts = pool.and_then(|pool| pool.extra.as_ref()).map_or(&[][..], |extra| &extra.debts);
        debts.iter().find(|debt| debt.meter == meter).map_or(0, |debt| debt.amount)
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.engine.catalog
    }
}
