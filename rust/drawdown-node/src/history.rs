//! Reading the ledger back: which records of the journal concern an account, an event, a counter.
//!
//! Everything here runs on the caller's thread over files; of the running engine it takes only
//! a position and an account's number, so that ingest goes on.

use crate::error::NodeError;
use crate::frame::FrameKind;
use crate::ledger_indexer::with_indexes;
use crate::ledger_reader::{LedgerReader, Wanted};
use crate::node::{Node, Shared};
use crate::segment::segments;
use crate::segment_reader::SegmentReader;
use drawdown_core::{CorruptRecord, LedgerRecord, RawRecord, Records};
use std::collections::BTreeSet;
use std::ops::{ControlFlow, RangeInclusive};
use std::time::Duration;

/// How long a reader waits for the disk to have what the engine has.
const WRITTEN_TIMEOUT: Duration = Duration::from_secs(60);

/// An applied event and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct EventHistory {
    /// The entry that applied it: always `Fact::Usage`.
    pub original: LedgerRecord,
    /// Later entries that concern it (corrections), in order.
    pub later: Vec<LedgerRecord>,
    /// The journal was read up to here.
    pub through_seq: u64,
}

/// What one counter was moved by.
#[derive(Clone, Debug, PartialEq)]
pub struct CounterHistory {
    /// Applied events and their corrections, in order.
    pub records: Vec<LedgerRecord>,
    /// Seqs at which the account's own clock was set, and to what; empty if it has none.
    pub clock: Vec<(u64, i64)>,
    /// The journal was read up to here.
    pub through_seq: u64,
}

impl Node {
    /// The newest event of this id on the account, and its corrections, up to the state of now.
    /// `None`: there is no such account or event in the journal kept.
    ///
    /// # Errors
    /// `Corrupt`, `Io`; `Unavailable` if the disk does not follow: retry later.
    pub fn event_history(&self, account: &str, event_id: &str) -> Result<Option<EventHistory>, NodeError> {
        with_indexes(&self.shared, || self.read_event_history(account, event_id))
    }

    fn read_event_history(&self, account: &str, event_id: &str) -> Result<Option<EventHistory>, NodeError> {
        let (through_seq, number) = self.written_state(account)?;
        let Some(number) = number else { return Ok(None) };
        let reader = LedgerReader::new(&self.shared, through_seq)?;
        // An id may be used again once it was forgotten: the newest counts.
        let Some(original) = reader.event(number, event_id)? else { return Ok(None) };
        let mut later = Vec::new();
        reader.visit(number, original.seq + 1..=through_seq, Wanted::Controls, |record| {
            if record.event_id() == Some(event_id) {
                later.push(record);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Some(EventHistory { original, later, through_seq }))
    }

    /// The applied events of one counter (account × meter × match × period) and their corrections,
    /// in order, up to the state of now. Empty if nothing was counted there.
    ///
    /// # Errors
    /// As `event_history`.
    pub fn counter_history(
        &self,
        account: &str,
        meter: u16,
        match_id: u32,
        period: i64,
    ) -> Result<CounterHistory, NodeError> {
        with_indexes(&self.shared, || self.read_counter_history(account, meter, match_id, period))
    }

    fn read_counter_history(
        &self,
        account: &str,
        meter: u16,
        match_id: u32,
        period: i64,
    ) -> Result<CounterHistory, NodeError> {
        let (through_seq, number) = self.written_state(account)?;
        let (mut found, mut clock) = (Vec::new(), Vec::new());
        let Some(number) = number else { return Ok(CounterHistory { records: found, clock, through_seq }) };
        let reader = LedgerReader::new(&self.shared, through_seq)?;
        let mut events = BTreeSet::new();
        reader.visit(number, 1..=through_seq, Wanted::All, |record| {
            let belongs = match record.usage() {
                Some(usage) => {
                    let counts = usage.counted.is_some_and(|c| c.match_id == match_id && c.period == period);
                    let belongs = counts && !usage.is_direct && usage.subject == meter;
                    if belongs {
                        events.insert(usage.event_id.clone())
                    } else {
                        events.remove(&usage.event_id)
                    };
                    belongs
                }
                None => record.event_id().is_some_and(|id| events.contains(id)),
            };
            clock.extend(record.clock_set().map(|at| (record.seq, at)));
            if belongs {
                found.push(record);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(CounterHistory { records: found, clock, through_seq })
    }

    /// A position that may be answered and is in the files, that the engine had at some moment of this call, and
    /// the account's number.
    pub(crate) fn written_state(&self, account: &str) -> Result<(u64, Option<u32>), NodeError> {
        let state = self.read(|engine, _| (engine.next_seq() - 1, engine.find_account(account)));
        let (seq, number) = state.map_err(|error| NodeError::Halted(error.to_string()))?;
        self.require_written(seq)?;
        Ok((seq, number))
    }

    /// Wait until the files have everything up to `seq`.
    ///
    /// # Errors
    /// `Unavailable` if the disk does not follow: retry later.
    pub(crate) fn require_written(&self, seq: u64) -> Result<(), NodeError> {
        if self.await_progress(WRITTEN_TIMEOUT, |progress| progress.acknowledged() >= seq) {
            return Ok(());
        }
        Err(NodeError::Unavailable(format!("the journal did not reach seq {seq} in time; retry later")))
    }
}

/// Give `visit` every record of these seqs in order, until it breaks. The last must be written.
/// Seqs before the first one kept are passed over.
pub(crate) fn scan(
    shared: &Shared,
    seqs: RangeInclusive<u64>,
    mut visit: impl FnMut(RawRecord<'_>) -> Result<ControlFlow<()>, CorruptRecord>,
) -> Result<(), NodeError> {
    let disk = &*shared.environment.disk;
    let all = segments(disk).map_err(NodeError::io("list the journal's segments"))?;
    let start = all.iter().rposition(|name| name.first_seq <= *seqs.start()).unwrap_or(0);
    for name in all.iter().skip(start).take_while(|name| name.first_seq <= *seqs.end()) {
        let mut reader = SegmentReader::open(disk, shared.meta.store_id, name.first_seq)?;
        while let Some(frame) = reader.next(*seqs.end())? {
            if frame.header.kind != FrameKind::Records || frame.header.last_seq < *seqs.start() {
                continue;
            }
            let damaged = |corrupt: CorruptRecord| {
                NodeError::corrupt(&name.path(), frame.body_offset + corrupt.offset as u64, corrupt.what)
            };
            let mut records = Records::of(frame.body, frame.header.first_seq);
            while let Some(record) = records.next().map_err(damaged)? {
                if seqs.contains(&record.seq) && visit(record).map_err(damaged)?.is_break() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}
