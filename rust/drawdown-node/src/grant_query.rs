//! Lists of grants: from the engine's memory, and behind them those that have left it, from the journal.

use crate::error::{NodeError, SubmitError};
use crate::ledger_indexer::with_indexes;
use crate::ledger_reader::{LedgerReader, Wanted};
use crate::node::Node;
use drawdown_core::entry::{Control, GrantsLeft};
use drawdown_core::{Fact, GrantCursor, LeftGrant};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

pub(crate) const GRANTS_MAX: u64 = 100_000;

impl Node {
    /// `grants`: in burn-down order, then those that have left memory in the order in which they did, unless
    /// `ended` is false; one that leaves between two pages may come on both. `grant`: the one of `grant_id`,
    /// wherever it is.
    pub(crate) fn query_grants(&self, request: &Value) -> Result<(u64, Result<Value, String>), NodeError> {
        let text = |field: &str| request[field].as_str();
        let account = text("account").unwrap_or("");
        let limit = request["limit"].as_u64().unwrap_or(1_000).clamp(1, GRANTS_MAX) as usize;
        let is_one = request["type"] == "grant";
        let behind = text("after").and_then(|after| after.parse().ok());
        let asked = self.read_at(|engine, stamp| {
            let left = match text("grant_id").filter(|_| is_one) {
                Some(grant_id) => engine.left_grant(account, grant_id).into_iter().collect(),
                None if is_one || request["ended"] == false => Vec::new(),
                None => engine.left_grants(account, text("credit_type"), behind),
            };
            (engine.query(request, stamp), left, engine.find_account(account))
        });
        let (seq, (answer, mut left, number)) = asked.map_err(halted)?;
        let (mut answer, number) = match (answer, number) {
            (Ok(answer), Some(number)) if !left.is_empty() && answer["next"].is_null() => (answer, number),
            (answer, _) => return Ok((seq, answer)),
        };
        let room = limit - answer["grants"].as_array().map_or(0, Vec::len).min(limit);
        // Nothing is before those that left: a page that ended with the last present one goes on with the first.
        let last = left[..room.min(left.len())].last().map_or((0, 0), |grant| (grant.seq, grant.number()));
        let next = (left.len() > room).then(|| GrantCursor::Left { seq: last.0, number: last.1 }.to_string());
        left.truncate(room);
        let found = self.read_left_grants(number, &left)?;
        let is_lost = found.len() < left.len();
        let mut found = found.into_iter().map(|(_, grant)| grant);
        if !is_one {
            answer["next"] = next.into();
            answer["grants"].as_array_mut().into_iter().for_each(|grants| grants.extend(found.by_ref()));
        } else if let Some(grant) = found.next() {
            answer = json!({"grant": grant});
        } else if is_lost {
            let reason = "the grant has left memory, and the journal kept no longer reaches back to it";
            answer = json!({"status": "BEYOND_RETENTION", "reason": reason});
        }
        Ok((seq, Ok(answer)))
    }

    /// Left grants of one account in their order, as JSON; without those whose entries the journal kept has no
    /// more.
    pub(crate) fn read_left_grants(
        &self,
        account: u32,
        grants: &[LeftGrant],
    ) -> Result<Vec<(LeftGrant, Value)>, NodeError> {
        let Some(last_seq) = grants.iter().map(|grant| grant.seq).max() else { return Ok(Vec::new()) };
        self.require_written(last_seq)?;
        let read = || entries_of(&LedgerReader::new(&self.shared, last_seq)?, account, grants);
        let entries = with_indexes(&self.shared, read)?;
        let shown = self.read(|engine, stamp| {
            let show =
                |grant: &LeftGrant| Some((*grant, engine.left_grant_json(grant, entries.get(&grant.seq)?, stamp)?));
            grants.iter().filter_map(show).collect()
        });
        shown.map_err(halted)
    }
}

/// The entries by which these grants of `account` left, by seq: each segment is looked at once.
pub(crate) fn entries_of(
    reader: &LedgerReader<'_>,
    account: u32,
    grants: &[LeftGrant],
) -> Result<BTreeMap<u64, GrantsLeft>, NodeError> {
    let mut seqs: Vec<u64> = grants.iter().map(|grant| grant.seq).filter(|seq| *seq >= reader.first_seq()).collect();
    seqs.sort_unstable();
    let mut found = BTreeMap::new();
    for near in seqs.chunk_by(|a, b| reader.segment(*a) == reader.segment(*b)) {
        reader.visit(account, near[0]..=near[near.len() - 1], Wanted::Controls, |record| {
            if let Fact::Control(Control::GrantsLeft(entry)) = record.what {
                found.insert(record.seq, entry);
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(found)
}

fn halted(error: SubmitError) -> NodeError {
    NodeError::Halted(error.to_string())
}
