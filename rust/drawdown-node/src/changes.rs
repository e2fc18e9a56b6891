//! Changes for the relay: from memory, or from the journal where they have left it.

use crate::error::{NodeError, SubmitError};
use crate::history::scan;
use crate::node::Node;
use drawdown_core::LeftGrant;
use drawdown_core::changes::Change;
use drawdown_core::ledger_record::Fact;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

impl Node {
    /// Durable crossings after journal position `cursor`, oldest first, at most `limit`, as JSON
    /// objects; and the position to go on from.
    ///
    /// # Errors
    /// `Halted`; `Corrupt` and `Io` where the journal can't be read.
    pub fn crossings(&self, cursor: u64, limit: usize) -> Result<(u64, Vec<Value>), NodeError> {
        self.wanted_changes(cursor, limit, Change::is_crossing)
    }

    /// The same for every change that somebody is told of.
    ///
    /// # Errors
    /// As `crossings`.
    pub fn changes(&self, cursor: u64, limit: usize) -> Result<(u64, Vec<Value>), NodeError> {
        self.wanted_changes(cursor, limit, |_| true)
    }

    fn wanted_changes(
        &self,
        cursor: u64,
        limit: usize,
        wanted: fn(&Change) -> bool,
    ) -> Result<(u64, Vec<Value>), NodeError> {
        let durable = self.acknowledged_seq();
        let from_memory = self.read(|engine, _| engine.changes_after(cursor, durable, limit, wanted));
        let (up_to, found) = match from_memory.map_err(halted)? {
            Some(found) => (durable, found),
            None => self.journaled_changes(cursor, limit, durable, wanted)?,
        };
        // With a full page there may be more behind its last.
        let next = found.last().filter(|_| found.len() >= limit).map_or(up_to, |(seq, _)| *seq);
        Ok((next.max(cursor), self.shown(&found)?))
    }

    fn shown(&self, found: &[(u64, Change)]) -> Result<Vec<Value>, NodeError> {
        // Grants that have left memory since, by account and number; `None`: the journal kept has them no more.
        let mut left: BTreeMap<(u32, u32), Option<Value>> = BTreeMap::new();
        while !found.is_empty() {
            let answered = self.read(|engine, stamp| {
                let gone = found.iter().filter_map(|(_, change)| engine.left_grant_of(change));
                let mut missing: Vec<(u32, LeftGrant)> =
                    gone.filter(|(account, grant)| !left.contains_key(&(*account, grant.number()))).collect();
                if missing.is_empty() {
                    let kept = |of: (u32, u32)| left.get(&of).cloned().flatten();
                    let show = |(seq, change): &(u64, Change)| engine.change_json(*seq, change, stamp, kept);
                    return Ok(found.iter().filter_map(show).collect());
                }
                missing.sort_unstable_by_key(|(account, grant)| (*account, grant.seq, grant.number()));
                missing.dedup();
                Err(missing)
            });
            let missing = match answered.map_err(halted)? {
                Ok(shown) => return Ok(shown),
                Err(missing) => missing,
            };
            for of_one in missing.chunk_by(|a, b| a.0 == b.0) {
                let account = of_one[0].0;
                let grants: Vec<LeftGrant> = of_one.iter().map(|(_, grant)| *grant).collect();
                left.extend(grants.iter().map(|grant| ((account, grant.number()), None)));
                for (grant, value) in self.read_left_grants(account, &grants)? {
                    left.insert((account, grant.number()), Some(value));
                }
            }
        }
        Ok(Vec::new())
    }

    fn journaled_changes(
        &self,
        cursor: u64,
        limit: usize,
        durable: u64,
        wanted: fn(&Change) -> bool,
    ) -> Result<(u64, Vec<(u64, Change)>), NodeError> {
        let up_to = self.read(|engine, _| engine.changes_from()).map_err(halted)?.min(durable);
        let mut found: Vec<(u64, Change)> = Vec::new();
        scan(&self.shared, cursor + 1..=up_to, |record| {
            if record.is_usage() {
                return Ok(ControlFlow::Continue(()));
            }
            let record = record.decode()?;
            if let Fact::Control(control) = &record.what
                && let Some(change) = Change::of(control).filter(wanted)
            {
                found.push((record.seq, change));
            }
            Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok((up_to, found))
    }
}

fn halted(error: SubmitError) -> NodeError {
    NodeError::Halted(error.to_string())
}
