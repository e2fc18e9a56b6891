//! JSON queries of a node: from the engine's state, or from the journal's files.

use crate::error::{NodeError, SubmitError};
use crate::ledger_indexer::with_indexes;
use crate::ledger_query::{LedgerError, is_ledger_query};
use crate::node::Node;
use drawdown_core::{AccountList, Conservation, Engine, LowestBalances};
use serde_json::Value;
use std::ops::Range;

impl Node {
    /// Answer a JSON query of the engine and tell the seq of the state that answered. Conservation
    /// over all accounts, lists of accounts and the lowest balances are looked for a stretch at a time, so that they never
    /// stall ingest.
    ///
    /// What the journal answers (`ledger`, `usage_event`, `explain`, a balance `at` an instant) is
    /// read from its files, off the writer's lock.
    ///
    /// # Errors
    /// `Halted` as `read`; `Corrupt`, `Io` where the files can't be read. The inner error is a query
    /// that can't be understood.
    pub fn query(&self, request: &Value) -> Result<(u64, Result<Value, String>), NodeError> {
        let halted = |error: SubmitError| NodeError::Halted(error.to_string());
        if is_ledger_query(request) || request["type"] == "usage" {
            let answered = match request["type"].as_str() {
                Some("usage") => self.query_usage(request),
                _ => with_indexes(&self.shared, || self.query_ledger(request)),
            };
            return match answered {
                Ok((seq, answer)) => Ok((seq, Ok(answer))),
                Err(LedgerError::Invalid(what)) => Ok((self.acknowledged_seq(), Err(what))),
                Err(LedgerError::Node(error)) => Err(error),
            };
        }
        if matches!(request["type"].as_str(), Some("grants" | "grant")) {
            return self.query_grants(request);
        }
        if request["type"] == "conservation" && request["account"].is_null() {
            return self.conservation().map(|(seq, report)| (seq, Ok(report))).map_err(halted);
        }
        if request["type"] == "lowest_balances" {
            let limit = request["limit"].as_u64().unwrap_or(20) as usize;
            return self.lowest_balances(limit).map(|(seq, found)| (seq, Ok(found))).map_err(halted);
        }
        if request["type"] == "accounts" {
            return self.list_accounts(request).map(|(seq, found)| (seq, Ok(found))).map_err(halted);
        }
        let (seq, answer) = self.read_at(|engine, stamp| engine.query(request, stamp)).map_err(halted)?;
        Ok((if cfg!(feature = "planted-read-before-durable") { 0 } else { seq }, answer))
    }

    fn list_accounts(&self, request: &Value) -> Result<(u64, Value), SubmitError> {
        let mut list = AccountList::asked(request);
        self.look_at_all(|engine, accounts, _| engine.list_accounts(accounts, &mut list))?;
        self.read_at(|engine, _| engine.listed_json(list))
    }

    fn lowest_balances(&self, limit: usize) -> Result<(u64, Value), SubmitError> {
        let mut lowest = LowestBalances::new(limit);
        self.look_at_all(|engine, accounts, stamp| engine.rank_lowest(accounts, &mut lowest, stamp))?;
        self.read_at(|engine, stamp| engine.lowest_json(lowest, stamp))
    }

    fn conservation(&self) -> Result<(u64, Value), SubmitError> {
        let mut report = Conservation::default();
        self.look_at_all(|engine, accounts, _| engine.check_conservation(accounts, &mut report))?;
        self.read_at(|engine, _| report.as_json(engine))
    }

    /// Show every account by its number, a stretch at a time with room for others between.
    fn look_at_all(&self, mut look: impl FnMut(&Engine, Range<u32>, i64)) -> Result<(), SubmitError> {
        const ACCOUNTS_PER_HOLD: u32 = 1_024;
        let mut from = 0;
        while self.read(|engine, stamp| {
            look(engine, from..from + ACCOUNTS_PER_HOLD, stamp);
            from + ACCOUNTS_PER_HOLD < engine.account_count()
        })? {
            from += ACCOUNTS_PER_HOLD;
        }
        Ok(())
    }
}
