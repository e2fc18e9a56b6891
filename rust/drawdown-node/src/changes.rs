//! Changes for the relay: from memory, or from the journal where they have left it.

use crate::error::{NodeError, SubmitError};
use crate::history::scan;
use crate::ledger_indexer::{beside_retention, with_indexes};
use crate::ledger_reader::{LedgerReader, Wanted};
use crate::node::{Node, Shared};
use drawdown_core::changes::{Change, JournaledChange};
use drawdown_core::entry::Control;
use drawdown_core::{Engine, Fact, LedgerRecord, LeftGrant};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::{ControlFlow, RangeInclusive};

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
        let next = found.last().filter(|_| found.len() >= limit).map_or(up_to, |last| last.seq);
        Ok((next.max(cursor), self.shown(&found)?))
    }

    fn shown(&self, found: &[JournaledChange]) -> Result<Vec<Value>, NodeError> {
        // Grants that have left memory since, by account and number; `None`: the journal kept has them no more.
        let mut left: BTreeMap<(u32, u32), Option<Value>> = BTreeMap::new();
        while !found.is_empty() {
            let answered = self.read(|engine, stamp| {
                let gone = found.iter().filter_map(|each| engine.left_grant_of(&each.change));
                let mut missing: Vec<(u32, LeftGrant)> =
                    gone.filter(|(account, grant)| !left.contains_key(&(*account, grant.number()))).collect();
                if missing.is_empty() {
                    let kept = |of: (u32, u32)| left.get(&of).cloned().flatten();
                    let show = |each: &JournaledChange| engine.change_json(each, stamp, kept);
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
    ) -> Result<(u64, Vec<JournaledChange>), NodeError> {
        let up_to = self.read(|engine, _| engine.changes_from()).map_err(halted)?.min(durable);
        let mut found = beside_retention(&self.shared, || self.scan_changes(cursor + 1..=up_to, limit, wanted))?;
        self.give_clocks(&mut found, up_to)?;
        Ok((up_to, found))
    }

    fn scan_changes(
        &self,
        seqs: RangeInclusive<u64>,
        limit: usize,
        wanted: fn(&Change) -> bool,
    ) -> Result<Vec<JournaledChange>, NodeError> {
        let mut found: Vec<JournaledChange> = Vec::new();
        let mut clocks: BTreeMap<u32, Option<i64>> = BTreeMap::new();
        scan(&self.shared, seqs, |record| {
            if record.is_usage() {
                return Ok(ControlFlow::Continue(()));
            }
            let record = record.decode()?;
            if let Fact::Control(control) = &record.what {
                clocks.extend(clock_set(control));
                if let Some(change) = Change::of(control).filter(wanted) {
                    let clock = change.begins().and_then(|account| clocks.get(&account).copied().flatten());
                    found.push(JournaledChange { seq: record.seq, stamp: record.stamp, clock, change });
                }
            }
            Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(found)
    }

    /// What was read does not say where an account's own clock stood if it was set before that.
    fn give_clocks(&self, found: &mut [JournaledChange], up_to: u64) -> Result<(), NodeError> {
        let mut wanted: BTreeMap<u32, u64> = BTreeMap::new();
        for each in found.iter().filter(|each| each.clock.is_none()) {
            if let Some(account) = each.change.begins() {
                wanted.entry(account).or_insert(each.seq);
            }
        }
        // Where the journal kept does not reach back far enough, the clock of now is the best there is.
        let now = |engine: &Engine| -> BTreeMap<u32, i64> {
            wanted.keys().filter_map(|account| Some((*account, engine.own_clock(*account)?))).collect()
        };
        let mut clocks = self.read(|engine, _| now(engine)).map_err(halted)?;
        if clocks.is_empty() {
            return Ok(());
        }
        wanted.retain(|account, _| clocks.contains_key(account));
        clocks.extend(with_indexes(&self.shared, || {
            clocks_before(&self.shared, &LedgerReader::new(&self.shared, up_to)?, wanted.clone())
        })?);
        for each in found.iter_mut().filter(|each| each.clock.is_none()) {
            each.clock = each.change.begins().and_then(|account| clocks.get(&account).copied());
        }
        Ok(())
    }
}

/// Where the clocks of these accounts stood in front of these seqs, as far as the journal kept says so.
fn clocks_before(
    shared: &Shared,
    reader: &LedgerReader<'_>,
    mut wanted: BTreeMap<u32, u64>,
) -> Result<BTreeMap<u32, i64>, NodeError> {
    let mut clocks = BTreeMap::new();
    for at in (0..reader.segment_count()).rev() {
        let seqs = reader.seqs_of(at);
        let mut found: BTreeMap<u32, i64> = BTreeMap::new();
        if reader.index(at)?.is_some() {
            for (account, before) in &wanted {
                let before = *seqs.start()..=(*seqs.end()).min(before - 1);
                let sets = |record: &LedgerRecord| own_clock(&record.what).is_some();
                let newest = reader.newest(*account, before, Wanted::Controls, 1, sets)?;
                found.extend(newest.first().and_then(|record| own_clock(&record.what)));
            }
        } else {
            // Once for all of them: there may be many, and a segment without an index is long.
            scan(shared, seqs, |record| {
                if !record.is_usage()
                    && let Some((account, clock)) = own_clock(&record.decode()?.what)
                    && wanted.get(&account).is_some_and(|before| record.seq < *before)
                {
                    found.insert(account, clock);
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        wanted.retain(|account, _| !found.contains_key(account));
        clocks.extend(found);
        if wanted.is_empty() {
            break;
        }
    }
    Ok(clocks)
}

fn own_clock(what: &Fact) -> Option<(u32, i64)> {
    match what {
        Fact::Control(control) => clock_set(control).and_then(|(account, clock)| Some((account, clock?))),
        Fact::Usage(_) => None,
    }
}

/// The account by number and where an entry puts its own clock; `None` in it: it has none.
fn clock_set(control: &Control) -> Option<(u32, Option<i64>)> {
    match control {
        Control::AccountCreated(e) => Some((e.account, e.test_clock)),
        Control::ClockAdvanced(e) => Some((e.account, Some(e.to))),
        _ => None,
    }
}

fn halted(error: SubmitError) -> NodeError {
    NodeError::Halted(error.to_string())
}
