//! The records of one account, found in the journal's files.
//!
//! A reader is made for one question: it knows which segments there were and up to which seq it
//! may read. Closed segments answer by their index where they have one; the others are gone
//! through. It runs on the caller's thread; ingest does not wait for it.

use crate::error::NodeError;
use crate::history::scan;
use crate::key_window::first_stamp;
use crate::ledger_index::{LedgerIndex, Posting};
use crate::node::Shared;
use crate::segment::{SegmentName, segments};
use crate::segment_records::SegmentRecords;
use drawdown_core::{LedgerRecord, RawRecord, StoreKey};
use std::collections::VecDeque;
use std::ops::{ControlFlow, Range, RangeInclusive};

/// Going through a whole segment costs as much as reading one record in so many bytes.
const BYTES_PER_RECORD_READ: u64 = 2_048;

/// Which of an account's records are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    All,
    /// All but applied usage: few, and cheap to find.
    Controls,
    Usages,
}

impl Wanted {
    fn takes(self, is_usage: bool) -> bool {
        match self {
            Wanted::All => true,
            Wanted::Controls => !is_usage,
            Wanted::Usages => is_usage,
        }
    }
}

pub(crate) type Visited = Result<ControlFlow<()>, NodeError>;

pub(crate) struct LedgerReader<'a> {
    shared: &'a Shared,
    kept: Vec<SegmentName>,
    last_seq: u64,
}

/// What is asked of one segment.
struct Asked {
    account: u32,
    seqs: RangeInclusive<u64>,
    wanted: Wanted,
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

    /// Stamp of the first record of the journal kept, if there is one.
    pub(crate) fn first_stamp(&self) -> Result<Option<i64>, NodeError> {
        let Some(first) = self.kept.first() else { return Ok(None) };
        first_stamp(&*self.shared.environment.disk, self.shared.meta.store_id, first)
    }

    /// How many segments are kept.
    pub(crate) fn segment_count(&self) -> usize {
        self.kept.len()
    }

    /// Which of them begins with `first_seq`, or would hold it.
    pub(crate) fn segment(&self, first_seq: u64) -> usize {
        self.kept.partition_point(|name| name.first_seq <= first_seq).saturating_sub(1)
    }

    /// The index of segment `at`, if it is closed and has one.
    pub(crate) fn index(&self, at: usize) -> Result<Option<LedgerIndex>, NodeError> {
        let Some(next) = self.kept.get(at + 1) else { return Ok(None) };
        let disk = &*self.shared.environment.disk;
        LedgerIndex::open(disk, self.shared.meta.store_id, self.kept[at].first_seq, next.first_seq)
    }

    /// Seqs of segment `at`, as far as they may be read.
    pub(crate) fn seqs_of(&self, at: usize) -> RangeInclusive<u64> {
        let end = self.kept.get(at + 1).map_or(self.last_seq, |next| (next.first_seq - 1).min(self.last_seq));
        self.kept[at].first_seq..=end
    }

    fn overlap(&self, at: usize, seqs: &RangeInclusive<u64>) -> Option<RangeInclusive<u64>> {
        let of = self.seqs_of(at);
        let both = *of.start().max(seqs.start())..=*of.end().min(seqs.end());
        (!both.is_empty()).then_some(both)
    }

    /// Give `visit` the account's records of these seqs in order, until it breaks.
    pub(crate) fn visit(
        &self,
        account: u32,
        seqs: RangeInclusive<u64>,
        wanted: Wanted,
        mut visit: impl FnMut(LedgerRecord) -> Visited,
    ) -> Result<(), NodeError> {
        for at in 0..self.kept.len() {
            let Some(seqs) = self.overlap(at, &seqs) else { continue };
            if self.visit_segment(at, &Asked { account, seqs, wanted }, &mut visit)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn visit_segment(&self, at: usize, asked: &Asked, visit: &mut dyn FnMut(LedgerRecord) -> Visited) -> Visited {
        let Some(index) = self.index(at)? else { return self.go_through(asked, visit) };
        let postings = postings_of(&index, asked)?;
        if postings.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        let records = SegmentRecords::open(&*self.shared.environment.disk, &self.kept[at])?;
        if postings.len() as u64 * BYTES_PER_RECORD_READ > records.bytes()? {
            return self.go_through(asked, visit);
        }
        for posting in postings {
            if visit(records.read(posting, index.stamp_at(posting.offset)?)?)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Look at every record of these seqs.
    fn go_through(&self, asked: &Asked, visit: &mut dyn FnMut(LedgerRecord) -> Visited) -> Visited {
        let mut flow = Ok(ControlFlow::Continue(()));
        scan(self.shared, asked.seqs.clone(), |record: RawRecord<'_>| {
            if !asked.wanted.takes(record.is_usage()) || record.account()? != Some(asked.account) {
                return Ok(ControlFlow::Continue(()));
            }
            flow = visit(record.decode()?);
            Ok(if matches!(flow, Ok(ControlFlow::Continue(()))) {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })?;
        flow
    }

    /// The newest `limit` records of these seqs that `keep` wants, in order.
    pub(crate) fn newest(
        &self,
        account: u32,
        seqs: RangeInclusive<u64>,
        wanted: Wanted,
        limit: usize,
        keep: impl Fn(&LedgerRecord) -> bool,
    ) -> Result<Vec<LedgerRecord>, NodeError> {
        let mut found = VecDeque::new();
        for at in (0..self.kept.len()).rev() {
            let Some(seqs) = self.overlap(at, &seqs) else { continue };
            let asked = Asked { account, seqs, wanted };
            for record in self.newest_in(at, &asked, limit - found.len(), &keep)?.into_iter().rev() {
                found.push_front(record);
            }
            if found.len() == limit {
                break;
            }
        }
        Ok(found.into())
    }

    fn newest_in(
        &self,
        at: usize,
        asked: &Asked,
        limit: usize,
        keep: &impl Fn(&LedgerRecord) -> bool,
    ) -> Result<VecDeque<LedgerRecord>, NodeError> {
        let mut found = VecDeque::new();
        let Some(index) = self.index(at)? else {
            let ended = self.go_through(asked, &mut |record| {
                if keep(&record) {
                    if found.len() == limit {
                        found.pop_front();
                    }
                    found.push_back(record);
                }
                Ok(ControlFlow::Continue(()))
            });
            return ended.map(|_| found);
        };
        let records = SegmentRecords::open(&*self.shared.environment.disk, &self.kept[at])?;
        for posting in postings_of(&index, asked)?.into_iter().rev() {
            if found.len() == limit {
                break;
            }
            let record = records.read(posting, index.stamp_at(posting.offset)?)?;
            if keep(&record) {
                found.push_front(record);
            }
        }
        Ok(found)
    }

    /// The entry that applied the newest event of this id.
    pub(crate) fn event(&self, account: u32, event_id: &str) -> Result<Option<LedgerRecord>, NodeError> {
        let hash = event_hash32(&StoreKey::new(self.shared.meta.store_key), event_id.as_bytes());
        for at in (0..self.kept.len()).rev() {
            let Some(seqs) = self.overlap(at, &(0..=self.last_seq)) else { continue };
            let found = match self.index(at)? {
                Some(index) => self.indexed_event(at, &index, account, event_id, hash)?,
                None => self.scanned_event(seqs, account, event_id)?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn indexed_event(
        &self,
        at: usize,
        index: &LedgerIndex,
        account: u32,
        event_id: &str,
        hash: u32,
    ) -> Result<Option<LedgerRecord>, NodeError> {
        let Some(places) = index.account(account)? else { return Ok(None) };
        let candidates = index.usages_of_event(account, places.usages, hash)?;
        if candidates.is_empty() {
            return Ok(None);
        }
        let records = SegmentRecords::open(&*self.shared.environment.disk, &self.kept[at])?;
        for usage in candidates.into_iter().rev() {
            let posting = index.usage(usage)?;
            let record = records.read(posting, index.stamp_at(posting.offset)?)?;
            if record.event_id() == Some(event_id) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    fn scanned_event(
        &self,
        seqs: RangeInclusive<u64>,
        account: u32,
        event_id: &str,
    ) -> Result<Option<LedgerRecord>, NodeError> {
        let mut found = None;
        scan(self.shared, seqs, |record| {
            if record.applies_event(account, event_id.as_bytes()) {
                found = Some(record.decode()?);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}

/// What an index keeps of an event id: keyed, so that nobody can make many ids of one hash.
pub(crate) fn event_hash32(key: &StoreKey, event_id: &[u8]) -> u32 {
    (key.event_hash(event_id) & u128::from(u32::MAX)) as u32
}

/// Postings of what is asked, in order of seq.
fn postings_of(index: &LedgerIndex, asked: &Asked) -> Result<Vec<Posting>, NodeError> {
    let Some(places) = index.account(asked.account)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    if asked.wanted.takes(false) {
        take_postings(index, asked, places.controls, LedgerIndex::control, &mut found)?;
    }
    if asked.wanted.takes(true) {
        take_postings(index, asked, places.usages, LedgerIndex::usage, &mut found)?;
    }
    if asked.wanted == Wanted::All {
        found.sort_unstable_by_key(|posting| posting.seq);
    }
    Ok(found)
}

fn take_postings(
    index: &LedgerIndex,
    asked: &Asked,
    places: Range<u32>,
    posting: impl Fn(&LedgerIndex, u32) -> Result<Posting, NodeError>,
    found: &mut Vec<Posting>,
) -> Result<(), NodeError> {
    for at in places {
        let posting = posting(index, at)?;
        if asked.seqs.contains(&(index.header.first_seq + u64::from(posting.seq))) {
            found.push(posting);
        }
    }
    Ok(())
}
