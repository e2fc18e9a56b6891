//! The records of one account, found in the journal's files.
//!
//! A reader is made for one question: it knows which segments there were and up to which seq it
//! may read. It runs on the caller's thread; ingest does not wait for it.

use crate::error::NodeError;
use crate::history::scan;
use crate::node::Shared;
use crate::segment::{SegmentName, segments};
use drawdown_core::LedgerRecord;
use std::collections::VecDeque;
use std::ops::{ControlFlow, RangeInclusive};

/// Which of an account's records are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    All,
    /// All but applied usage: few, and cheap to find.
    Controls,
}

pub(crate) struct LedgerReader<'a> {
    shared: &'a Shared,
    kept: Vec<SegmentName>,
    last_seq: u64,
}

impl<'a> LedgerReader<'a> {
    /// Over everything kept up to `last_seq`, which must be written.
    pub(crate) fn new(shared: &'a Shared, last_seq: u64) -> Result<LedgerReader<'a>, NodeError> {
        let kept = segments(&*shared.environment.disk).map_err(NodeError::io("list the journal's segments"))?;
        Ok(LedgerReader { shared, kept, last_seq })
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// The first seq of the journal kept; 1 unless older segments were removed or the folder was
    /// restored.
    pub(crate) fn first_seq(&self) -> u64 {
        self.kept.first().map_or(self.last_seq + 1, |name| name.first_seq)
    }

    /// Give `visit` the account's records of these seqs in order, until it breaks.
    pub(crate) fn visit(
        &self,
        account: u32,
        seqs: RangeInclusive<u64>,
        wanted: Wanted,
        mut visit: impl FnMut(LedgerRecord) -> Result<ControlFlow<()>, NodeError>,
    ) -> Result<(), NodeError> {
        let seqs = *seqs.start()..=(*seqs.end()).min(self.last_seq);
        let mut failed = None;
        scan(self.shared, seqs, |record| {
            if (wanted == Wanted::Controls && record.is_usage()) || record.account()? != Some(account) {
                return Ok(ControlFlow::Continue(()));
            }
            match visit(record.decode()?) {
                Ok(flow) => Ok(flow),
                Err(error) => {
                    failed = Some(error);
                    Ok(ControlFlow::Break(()))
                }
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    /// The newest `limit` records of these seqs that `keep` wants, in order.
    pub(crate) fn newest(
        &self,
        account: u32,
        seqs: RangeInclusive<u64>,
        limit: usize,
        keep: impl Fn(&LedgerRecord) -> bool,
    ) -> Result<Vec<LedgerRecord>, NodeError> {
        let mut found = VecDeque::with_capacity(limit.min(1_024));
        self.visit(account, seqs, Wanted::All, |record| {
            if keep(&record) {
                if found.len() == limit {
                    found.pop_front();
                }
                found.push_back(record);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found.into())
    }

    /// The entry that applied the newest event of this id.
    pub(crate) fn event(&self, account: u32, event_id: &str) -> Result<Option<LedgerRecord>, NodeError> {
        let mut found = None;
        scan(self.shared, 1..=self.last_seq, |record| {
            if record.applies_event(account, event_id.as_bytes()) {
                found = Some(record.decode()?);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}
