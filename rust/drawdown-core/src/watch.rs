//! Accounts that somebody watches: which of them changed since last asked.
//!
//! A watched account has its `WATCHED` bit of `Account::dirty` clear until it changes. Nobody watches
//! most accounts: their bit is always set, so to them a change costs no more than without watches.

use crate::account::Account;
use crate::engine::Engine;
use crate::passes::WATCH_BIT;
use std::collections::BTreeSet;

#[derive(Debug, Default)]
pub struct Watches {
    watched: BTreeSet<u32>,
    /// Watched ids that no account has yet.
    awaited: BTreeSet<String>,
    /// One of them was created.
    appeared: bool,
    /// A rate changed: every answer may be another.
    catalog_changed: bool,
}

/// What changed since it was last asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Every watched account, for the catalog changed.
    pub all: bool,
    pub accounts: Vec<String>,
}

impl Watches {
    pub(crate) fn created(&mut self, id: &str) {
        self.appeared |= !self.awaited.is_empty() && self.awaited.contains(id);
    }

    pub(crate) fn catalog_changed(&mut self) {
        self.catalog_changed |= !self.watched.is_empty();
    }
}

impl Engine {
    /// Tell of changes of this account from now on, also if it is yet to be created. Twice is once.
    pub fn watch(&mut self, account_id: &str) {
        match self.find_account(account_id) {
            Some(number) => self.watch_number(number),
            None => {
                self.watches.awaited.insert(account_id.to_string());
            }
        }
    }

    fn watch_number(&mut self, number: u32) {
        if self.watches.watched.insert(number) {
            self.accounts[number as usize].dirty &= !WATCH_BIT;
        }
    }

    /// Tell no more.
    pub fn unwatch(&mut self, account_id: &str) {
        self.watches.awaited.remove(account_id);
        if let Some(number) = self.find_account(account_id)
            && self.watches.watched.remove(&number)
        {
            self.accounts[number as usize].dirty |= WATCH_BIT;
        }
    }

    /// Watched accounts that changed since the last call, each once.
    pub fn take_changed(&mut self) -> Changed {
        let mut changed = Changed { all: std::mem::take(&mut self.watches.catalog_changed), ..Changed::default() };
        for number in self.passes.take_watched() {
            let account: &mut Account = &mut self.accounts[number as usize];
            if self.watches.watched.contains(&number) {
                account.dirty &= !WATCH_BIT;
                changed.accounts.push(account.id.as_str().to_string());
            }
        }
        if std::mem::take(&mut self.watches.appeared) {
            let (here, still) = std::mem::take(&mut self.watches.awaited)
                .into_iter()
                .partition::<BTreeSet<String>, _>(|id| self.find_account(id).is_some());
            self.watches.awaited = still;
            for id in here {
                let number = self.find_account(&id).expect("just found");
                self.watch_number(number);
                changed.accounts.push(id);
            }
        }
        changed
    }

    /// When the account's figures next change by the passing of time alone: the earliest start or end
    /// of a grant or lapse of a hold after `stamp_us`. `None`: never, or on a clock of its own.
    pub fn next_transition(&self, account_id: &str, stamp_us: i64) -> Option<i64> {
        let account = &self.accounts[self.find_account(account_id)? as usize];
        if account.test_clock().is_some() {
            return None;
        }
        let now = account.now(self.stamp.max(stamp_us));
        let pools = account.pools().filter_map(|pool| crate::check::pool_at(self, account, pool.credit_type, now));
        pools.map(|pool| pool.next_at).min().filter(|at| *at < crate::grant::NEVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{AccountOnly, Command, CreateAccount};
    use crate::command_json::group_from_json;
    use crate::hash::StoreKey;
    use crate::settings::Settings;
    use crate::usage::Rights;

    const NOW: i64 = 1_800_000_000_000_000;

    fn engine() -> Engine {
        let mut engine = Engine::new(Settings::default(), StoreKey::new([7; 16]));
        create(&mut engine, "a");
        create(&mut engine, "b");
        engine
    }

    fn execute(engine: &mut Engine, group: &[Command]) {
        engine.execute(group, NOW, &Rights::ALL, &mut Vec::new());
    }

    fn create(engine: &mut Engine, id: &str) {
        let account = CreateAccount { account: id.to_string(), customer: None, rate_table: None, test_clock: None };
        execute(engine, &[Command::CreateAccount(account)]);
    }

    fn suspend(engine: &mut Engine, id: &str) {
        execute(engine, &[Command::SuspendAccount(AccountOnly { account: id.to_string() })]);
    }

    fn changed(engine: &mut Engine) -> Vec<String> {
        engine.take_changed().accounts
    }

    #[test]
    fn a_watched_account_is_told_once_per_asking() {
        let mut engine = engine();
        suspend(&mut engine, "a");
        assert!(changed(&mut engine).is_empty(), "nobody watched");
        engine.watch("a");
        assert!(changed(&mut engine).is_empty());
        execute(&mut engine, &[Command::ResumeAccount(AccountOnly { account: "a".into() })]);
        suspend(&mut engine, "a");
        suspend(&mut engine, "b");
        assert_eq!(vec!["a"], changed(&mut engine));
        assert!(changed(&mut engine).is_empty());
        execute(&mut engine, &[Command::ResumeAccount(AccountOnly { account: "a".into() })]);
        assert_eq!(vec!["a"], changed(&mut engine));
        engine.unwatch("a");
        suspend(&mut engine, "a");
        assert!(changed(&mut engine).is_empty());
    }

    #[test]
    fn an_account_that_is_yet_to_come_is_told_when_it_came() {
        let mut engine = engine();
        engine.watch("new");
        create(&mut engine, "other");
        assert!(changed(&mut engine).is_empty());
        create(&mut engine, "new");
        assert_eq!(vec!["new"], changed(&mut engine));
        suspend(&mut engine, "new");
        assert_eq!(vec!["new"], changed(&mut engine));
    }

    #[test]
    fn an_account_of_a_group_that_was_taken_back_is_still_awaited() {
        let mut engine = engine();
        engine.watch("new");
        let group = group_from_json(
            br#"[{"type": "create_account", "account": "new"}, {"type": "suspend_account", "account": "nobody"}]"#,
        );
        execute(&mut engine, &group.expect("commands"));
        assert!(changed(&mut engine).is_empty());
        create(&mut engine, "between");
        suspend(&mut engine, "between");
        assert!(changed(&mut engine).is_empty());
        create(&mut engine, "new");
        assert_eq!(vec!["new"], changed(&mut engine));
    }

    #[test]
    fn a_change_of_the_catalog_is_one_of_all() {
        let mut engine = engine();
        let group = group_from_json(br#"[{"type": "create_credit_type", "name": "credits"}]"#).expect("commands");
        execute(&mut engine, &group);
        assert!(!engine.take_changed().all, "nobody watched");
        engine.watch("a");
        let group = group_from_json(br#"[{"type": "create_credit_type", "name": "cents"}]"#).expect("commands");
        execute(&mut engine, &group);
        assert!(engine.take_changed().all);
        assert!(!engine.take_changed().all);
    }
}
