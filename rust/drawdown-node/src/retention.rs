//! Letting go of old journal: what is archived and older than the ledger is kept for.

use crate::checkpointer::Checkpointer;
use crate::error::NodeError;
use crate::key_window::first_stamp;
use crate::ledger_index::index_path;
use crate::meta::Meta;
use crate::node::Shared;
use crate::segment::{ARCHIVE, SegmentName, segments};
use std::io;
use std::sync::atomic::Ordering::SeqCst;

/// Remove archived segments in which everything is older than the settings keep it, older than any event
/// id still remembered, and in front of what a recovery reads that begins with any checkpoint kept: the
/// journal behind it, and the event ids of its own window, which reaches further back than that of now.
/// META says first where the journal begins from then on, so that a crash in between leaves segments too
/// many, never too few.
pub(crate) fn forget_old_journal(shared: &Shared, checkpointer: &Checkpointer) -> Result<(), NodeError> {
    let retention_us = i64::try_from(shared.settings.retention_s.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
    if retention_us == 0 {
        return Ok(());
    }
    let oldest = {
        let engine = &shared.writer.lock().engine;
        let windows = checkpointer.kept().map(|info| engine.oldest_key_stamp_at(info.stamp_us));
        let oldest_key = windows.fold(engine.oldest_key_stamp(), i64::min);
        oldest_key.min(engine.stamp().saturating_sub(retention_us))
    };
    let start_seq = checkpointer.kept().map(|info| info.start_seq).min().unwrap_or(0);
    let disk = &*shared.environment.disk;
    let all = segments(disk).map_err(NodeError::io("list the journal's segments"))?;
    let replayed_from = all.partition_point(|name| name.first_seq <= start_seq + 1).saturating_sub(1);
    let keep_from = newest_wholly_behind(shared, &all, oldest)?.min(replayed_from);
    let Some(first) = all.get(keep_from).filter(|_| keep_from > 0) else { return Ok(()) };
    let meta = Meta { first_seq: first.first_seq, ..shared.meta.clone() };
    meta.write(disk).map_err(NodeError::io("write META"))?;
    shared.first_kept_seq.store(first.first_seq, SeqCst);
    let remove = || -> io::Result<()> {
        for name in &all[..keep_from] {
            disk.remove(&name.path())?;
            match disk.remove(&index_path(name.first_seq)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        disk.sync_folder(ARCHIVE)
    };
    remove().map_err(NodeError::io("remove journal that is kept no longer"))
}

/// The newest archived segment whose first frame is older than `oldest`: everything in front of it
/// is older too. Its own end may not be, so it stays.
fn newest_wholly_behind(shared: &Shared, all: &[SegmentName], oldest: i64) -> Result<usize, NodeError> {
    let disk = &*shared.environment.disk;
    let archived = all.partition_point(|name| name.archived);
    for at in (1..archived).rev() {
        if first_stamp(disk, shared.meta.store_id, &all[at])?.is_some_and(|stamp| stamp < oldest) {
            return Ok(at);
        }
    }
    Ok(0)
}
