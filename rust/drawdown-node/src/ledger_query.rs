//! Queries that the journal answers: `ledger`, `usage_event`, `explain`, and `balance` and `grants` as of
//! an instant. JSON in and out, as `Engine::query`; credits in smallest units, instants in µs.

use crate::account_past::{Reached, Until, misfit, replay_until};
use crate::error::NodeError;
use crate::grant_query::{GRANTS_MAX, entries_of};
use crate::ledger_indexer::Failure;
use crate::ledger_reader::{LedgerReader, Wanted};
use crate::node::Node;
use drawdown_core::{AccountReplay, Explanation, LedgerNames, LedgerRecord, LeftGrant, kind_of};
use serde_json::{Value, json};
use std::ops::ControlFlow;

const ENTRIES_MAX: u64 = 10_000;
/// The kind of an applied event's entry.
const USAGE: &str = "usage";

/// What a query of the journal failed for.
pub(crate) enum LedgerError {
    /// The request can't be understood.
    Invalid(String),
    Node(NodeError),
}

impl From<NodeError> for LedgerError {
    fn from(error: NodeError) -> LedgerError {
        LedgerError::Node(error)
    }
}

impl Failure for LedgerError {
    fn node_error(&self) -> Option<&NodeError> {
        match self {
            LedgerError::Node(error) => Some(error),
            LedgerError::Invalid(_) => None,
        }
    }
}

/// Whether a request is answered from the journal.
pub(crate) fn is_ledger_query(request: &Value) -> bool {
    match request["type"].as_str() {
        Some("ledger" | "usage_event" | "explain") => true,
        Some("balance" | "grants") => !request["at"].is_null(),
        _ => false,
    }
}

impl Node {
    /// Answer a query of the journal, up to the state of now; `(seq of that state, answer)`.
    pub(crate) fn query_ledger(&self, request: &Value) -> Result<(u64, Value), LedgerError> {
        let account = text(request, "account")?;
        let (last_seq, number) = self.written_state(account)?;
        let Some(number) = number else { return Ok((last_seq, json!({"status": "ACCOUNT_UNKNOWN"}))) };
        let question = Question { node: self, reader: LedgerReader::new(&self.shared, last_seq)?, account, number };
        let answer = match request["type"].as_str() {
            Some("ledger") => question.entries(request)?,
            Some("usage_event") => question.usage_event(text(request, "event_id")?)?,
            Some("explain") => question.explain(text(request, "event_id")?)?,
            Some("grants") => question.grants_at(request["credit_type"].as_str(), instant(request)?)?,
            _ => question.balance_at(text(request, "credit_type")?, instant(request)?)?,
        };
        Ok((last_seq, answer))
    }
}

fn text<'a>(request: &'a Value, field: &str) -> Result<&'a str, LedgerError> {
    request[field].as_str().ok_or_else(|| LedgerError::Invalid(format!("the query needs a text field '{field}'")))
}

fn instant(request: &Value) -> Result<i64, LedgerError> {
    request["at"].as_i64().ok_or_else(|| LedgerError::Invalid("'at' is an instant in whole microseconds".into()))
}

fn number(request: &Value, field: &str, default: u64) -> Result<u64, LedgerError> {
    match &request[field] {
        Value::Null => Ok(default),
        value => value.as_u64().ok_or_else(|| LedgerError::Invalid(format!("'{field}' is a whole number from 0 on"))),
    }
}

/// One question about one account.
struct Question<'a> {
    node: &'a Node,
    reader: LedgerReader<'a>,
    account: &'a str,
    number: u32,
}

impl Question<'_> {
    fn names(&self) -> Result<LedgerNames, NodeError> {
        let names = self.node.read(|engine, _| engine.ledger_names(self.number));
        names.map_err(|error| NodeError::Halted(error.to_string()))
    }

    /// Names as they stood in front of `seq`.
    fn names_before(&self, seq: u64) -> Result<LedgerNames, NodeError> {
        let mut names = self.names()?;
        self.reader.visit(self.number, 1..=seq.saturating_sub(1), Wanted::Controls, |record| {
            names.learn(&record);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(names)
    }

    /// A page of entries, newest first unless `oldest_first`.
    fn entries(&self, request: &Value) -> Result<Value, LedgerError> {
        let oldest_first = request["oldest_first"].as_bool().unwrap_or(false);
        let limit = number(request, "limit", 100)?.clamp(1, ENTRIES_MAX) as usize;
        let after = number(request, "after_seq", 0)?;
        let before = number(request, "before_seq", u64::MAX)?;
        let seqs = after.saturating_add(1)..=before.saturating_sub(1).min(self.reader.last_seq());
        let wanted = Filter::of(request, self.names()?)?;
        // One more than asked for tells whether there are more.
        let mut found = if oldest_first {
            let mut found = Vec::new();
            self.reader.visit(self.number, seqs, wanted.records(), |record| {
                if wanted.keeps(&record) {
                    found.push(record);
                }
                Ok(if found.len() > limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            found
        } else {
            self.reader.newest(self.number, seqs, wanted.records(), limit + 1, |record| wanted.keeps(record))?
        };
        let more = found.len() > limit;
        if more && oldest_first {
            found.truncate(limit);
        } else if more {
            found.remove(0);
        }
        let mut entries = self.in_words(&found)?;
        if !oldest_first {
            entries.reverse();
        }
        Ok(json!({"entries": entries, "more": more, "first_kept_seq": self.reader.first_seq()}))
    }

    /// Records, in order, as entries.
    fn in_words(&self, records: &[LedgerRecord]) -> Result<Vec<Value>, NodeError> {
        let Some(first) = records.first() else { return Ok(Vec::new()) };
        let mut names = self.names_before(first.seq)?;
        let mut entries = Vec::with_capacity(records.len());
        let mut waiting = records.iter().peekable();
        let last_seq = records.last().map_or(0, |last| last.seq);
        // Between the entries of a page there may be others that name grants or move the clock.
        self.reader.visit(self.number, first.seq..=last_seq, Wanted::Controls, |control| {
            while let Some(record) = waiting.next_if(|record| record.seq < control.seq) {
                entries.push(names.entry(record));
            }
            names.learn(&control);
            Ok(ControlFlow::Continue(()))
        })?;
        entries.extend(waiting.map(|record| names.entry(record)));
        Ok(entries)
    }

    fn event_unknown(&self, event_id: &str) -> Value {
        let since = match self.reader.first_seq() {
            1 => String::new(),
            first => format!(" in the journal kept, which begins at seq {first}"),
        };
        let reason = format!("account '{}' has no event '{event_id}'{since}", self.account);
        json!({"status": "EVENT_UNKNOWN", "reason": reason, "field": "event_id"})
    }

    /// The event as applied, and its corrections.
    fn usage_event(&self, event_id: &str) -> Result<Value, LedgerError> {
        let Some(record) = self.reader.event(self.number, event_id)? else { return Ok(self.event_unknown(event_id)) };
        let mut records = vec![record];
        let from = records[0].seq + 1;
        self.reader.visit(self.number, from..=self.reader.last_seq(), Wanted::Controls, |record| {
            if record.event_id() == Some(event_id) {
                records.push(record);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut entries = self.in_words(&records)?;
        let corrections = entries.split_off(1);
        Ok(json!({"event": entries.pop(), "corrections": corrections}))
    }

    /// Event → rate → grants drawn → before and after, and what followed from it.
    fn explain(&self, event_id: &str) -> Result<Value, LedgerError> {
        let Some(record) = self.reader.event(self.number, event_id)? else { return Ok(self.event_unknown(event_id)) };
        let names = self.names_before(record.seq)?;
        let Some((replay, _)) = self.replayed(Until::Seq(record.seq))? else {
            return Ok(self.beyond(&format!("the balance before seq {}", record.seq)));
        };
        let mut explanation = Explanation::of(replay, names, &record).map_err(misfit)?;
        self.reader.visit(self.number, record.seq + 1..=self.reader.last_seq(), Wanted::Controls, |later| {
            explanation.follow(&later);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(explanation.into_json())
    }

    /// The pool as of `at`: the last entry received at or before it, and dated transitions.
    fn balance_at(&self, credit_type: &str, at: i64) -> Result<Value, LedgerError> {
        let Some((mut replay, seq)) = self.replayed(Until::Instant(at))? else {
            return Ok(self.beyond("the balance at that instant"));
        };
        if !replay.is_created() {
            return Ok(self.not_created());
        }
        let request = json!({"type": "balance", "account": self.account, "credit_type": credit_type});
        let mut answer = replay.query(&request, at).map_err(LedgerError::Invalid)?;
        if let Some(fields) = answer.as_object_mut() {
            fields.insert("at".into(), at.into());
            fields.insert("entry_seq".into(), seq.into());
        }
        Ok(answer)
    }

    /// Every grant as of `at`, as `balance_at` has it: in burn-down order, then those that had left memory.
    fn grants_at(&self, credit_type: Option<&str>, at: i64) -> Result<Value, LedgerError> {
        let Some((mut replay, seq)) = self.replayed(Until::Instant(at))? else {
            return Ok(self.beyond("what was granted by that instant"));
        };
        if !replay.is_created() {
            return Ok(self.not_created());
        }
        let request =
            json!({"type": "grants", "account": self.account, "credit_type": credit_type, "limit": GRANTS_MAX});
        let mut answer = replay.query(&request, at).map_err(LedgerError::Invalid)?;
        let left = replay.left_grants(credit_type);
        let entries = entries_of(&self.reader, self.number, &left)?;
        // As a list of now has it: without those whose entries the journal kept has no more.
        let show = |grant: &LeftGrant| replay.left_grant_json(grant, entries.get(&grant.seq)?, at);
        let shown: Vec<Value> = left.iter().filter_map(show).collect();
        if !answer["next"].is_null() {
            let what = format!("account '{}' has more than {GRANTS_MAX} grants, too many for one answer", self.account);
            return Err(LedgerError::Invalid(what));
        }
        answer["grants"].as_array_mut().into_iter().for_each(|grants| grants.extend(shown.clone()));
        answer["entry_seq"] = seq.into();
        Ok(answer)
    }

    fn not_created(&self) -> Value {
        let reason = format!("account '{}' did not exist at that instant", self.account);
        json!({"status": "ACCOUNT_UNKNOWN", "reason": reason, "field": "at"})
    }

    /// The account up to `until`, and the seq of the last entry in it. `None`: the journal kept does
    /// not reach back to where it must begin.
    fn replayed(&self, until: Until) -> Result<Option<(AccountReplay, u64)>, NodeError> {
        let made = self.node.read(|engine, _| (engine.account_replay(self.number), engine.has_test_clock(self.number)));
        let (mut replay, has_test_clock) = made.map_err(|error| NodeError::Halted(error.to_string()))?;
        let seq = match replay_until(&self.reader, &mut replay, until, has_test_clock)? {
            Reached::Entry(seq) => Some(seq),
            Reached::NotCreated => Some(0),
            Reached::Beyond => match until {
                Until::Instant(at) => self.load_present(&mut replay, at)?,
                Until::Seq(_) => None,
            },
        };
        Ok(seq.map(|seq| (replay, seq)))
    }

    /// Load the account as it is now, which is as it was at `at` if nothing was done to it since; the seq of its
    /// last entry, or of one behind that. `None`: something was, or the journal kept does not tell.
    fn load_present(&self, replay: &mut AccountReplay, at: i64) -> Result<Option<u64>, NodeError> {
        let present = self.node.read(|engine, _| {
            let clock = engine.own_clock(self.number);
            (engine.account_image(self.number), engine.next_seq() - 1, engine.stamp(), clock)
        });
        let (image, seq, stamp, clock) = present.map_err(|error| NodeError::Halted(error.to_string()))?;
        self.node.require_written(seq)?;
        let reader = LedgerReader::new(&self.node.shared, seq)?;
        let newest = reader.newest(self.number, 1..=seq, Wanted::All, 1, |_| true)?.pop();
        let since = match (&newest, clock) {
            // No entry is later than its account's own clock.
            (_, Some(clock)) => clock,
            (Some(record), None) => record.stamp,
            (None, None) => reader.first_stamp()?.unwrap_or(stamp),
        };
        if at < since {
            return Ok(None);
        }
        replay.load(&image).map_err(|corrupt| misfit(corrupt.0))?;
        Ok(Some(newest.map_or(reader.first_seq() - 1, |record| record.seq)))
    }

    fn beyond(&self, what: &str) -> Value {
        let first = self.reader.first_seq();
        let account = self.account;
        let reason = format!("account '{account}': {what} is not known: the journal kept begins at seq {first}");
        json!({"status": "BEYOND_RETENTION", "reason": reason, "first_kept_seq": first})
    }
}

/// Which entries a page shows.
struct Filter {
    kinds: Option<Vec<String>>,
    credit_type: Option<u16>,
    names: LedgerNames,
}

impl Filter {
    fn of(request: &Value, names: LedgerNames) -> Result<Filter, LedgerError> {
        let refused = || LedgerError::Invalid("'kinds' is a list of texts".into());
        let kinds = match &request["kinds"] {
            Value::Null => None,
            Value::Array(kinds) => {
                let kinds: Option<Vec<String>> = kinds.iter().map(|kind| kind.as_str().map(Into::into)).collect();
                Some(kinds.ok_or_else(refused)?)
            }
            _ => return Err(refused()),
        };
        // No record is of a type that does not exist.
        let credit_type = request["credit_type"].as_str().map(|name| names.credit_type_id(name).unwrap_or(u16::MAX));
        Ok(Filter { kinds, credit_type, names })
    }

    /// The records among which those to show are.
    fn records(&self) -> Wanted {
        match &self.kinds {
            Some(kinds) if kinds.iter().all(|kind| kind == USAGE) => Wanted::Usages,
            Some(kinds) if kinds.iter().all(|kind| kind != USAGE) => Wanted::Controls,
            _ => Wanted::All,
        }
    }

    fn keeps(&self, record: &LedgerRecord) -> bool {
        let kind_fits = self.kinds.as_ref().is_none_or(|kinds| kinds.iter().any(|kind| kind == kind_of(&record.what)));
        kind_fits && self.credit_type.is_none_or(|wanted| self.names.credit_type_of(record) == Some(wanted))
    }
}
