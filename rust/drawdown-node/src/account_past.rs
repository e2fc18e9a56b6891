//! An account as it stood: replayed from its creation, or from the newest image that is not too new.

use crate::error::NodeError;
use crate::ledger_index::IndexHeader;
use crate::ledger_reader::{LedgerReader, Wanted};
use drawdown_core::{AccountReplay, Fact, LedgerRecord};
use std::ops::ControlFlow;

/// How far a replay shall go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// In front of this seq.
    Seq(u64),
    /// Behind the last entry received at or before this instant.
    Instant(i64),
}

impl Until {
    fn takes(self, record: &LedgerRecord, received_at: i64) -> bool {
        match self {
            Until::Seq(seq) => record.seq < seq,
            Until::Instant(at) => received_at <= at,
        }
    }

    /// Whether everything in a segment lies before it.
    fn is_behind(self, header: &IndexHeader) -> bool {
        match self {
            Until::Seq(seq) => header.last_seq < seq,
            Until::Instant(at) => header.last_stamp <= at,
        }
    }
}

/// How far a replay came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// Up to what was asked; this is the seq of the last entry in it.
    Entry(u64),
    /// The account did not exist yet.
    NotCreated,
    /// The journal kept does not reach back to where the replay must begin.
    Beyond,
}

/// Bring a new `replay` of its account, which exists by now, up to `until`.
pub(crate) fn replay_until(
    reader: &LedgerReader<'_>,
    replay: &mut AccountReplay,
    until: Until,
    has_test_clock: bool,
) -> Result<Reached, NodeError> {
    let mut seq = 0;
    let mut from = 1;
    // An account's own clock is not told by the stamps of a segment.
    if !(has_test_clock && matches!(until, Until::Instant(_)))
        && let Some((image, last_seq)) = newest_image(reader, replay.number(), until)?
    {
        seq = replay.load(&image).map_err(|corrupt| misfit(corrupt.0))?;
        from = last_seq + 1;
    }
    let mut is_cut = false;
    let mut is_idle = true;
    reader.visit(replay.number(), from..=reader.last_seq(), Wanted::All, |record| {
        is_idle = false;
        if !replay.is_created() && !is_creation(&record) {
            is_cut = true;
            return Ok(ControlFlow::Break(()));
        }
        if !until.takes(&record, replay.received_at(&record)) {
            return Ok(ControlFlow::Break(()));
        }
        replay.apply(&record).map_err(misfit)?;
        seq = record.seq;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(match replay.is_created() {
        true => Reached::Entry(seq),
        // Its creation is somewhere: if not in the journal kept, then in front of it.
        false if is_cut || (is_idle && reader.first_seq() > 1) => Reached::Beyond,
        false => Reached::NotCreated,
    })
}

/// The newest image of the account in the indexes, and the last seq of its segment.
fn newest_image(reader: &LedgerReader<'_>, account: u32, until: Until) -> Result<Option<(Vec<u8>, u64)>, NodeError> {
    for at in (0..reader.segment_count()).rev() {
        let Some(index) = reader.index(at)? else { continue };
        if !until.is_behind(&index.header) {
            continue;
        }
        if let Some(image) = index.image(account)? {
            return Ok(Some((image, index.header.last_seq)));
        }
    }
    Ok(None)
}

pub(crate) fn misfit(what: String) -> NodeError {
    NodeError::Refused(format!("the account's entries do not follow each other: {what}"))
}

fn is_creation(record: &LedgerRecord) -> bool {
    use drawdown_core::entry::Control;
    matches!(&record.what, Fact::Control(Control::AccountCreated(_)))
}
