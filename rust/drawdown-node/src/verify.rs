//! A read-only check of a whole folder.

use crate::applied_ids::count_applied_ids;
use crate::checkpoint_file::checkpoints;
use crate::disk::Disk;
use crate::error::NodeError;
use crate::frame::FrameKind;
use crate::meta::Meta;
use crate::real_disk::RealDisk;
use crate::recovery::{Rebuilt, RecoveryReport, rebuild, rebuild_from};
use crate::scan::read_journal;
use crate::segment::segments;
use crate::stored_settings::stored_settings;
use serde::Serialize;
use serde_json::Value;
use std::path::PathBuf;

/// What a folder holds, all of it read and found whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct VerifyReport {
    store_id: String,
    epoch: u64,
    first_seq: u64,
    last_seq: u64,
    segments: u64,
    frames: u64,
    seals: u64,
    journal_bytes: u64,
    checkpoints: u64,
    accounts: u32,
    /// Of the state as the next opening would see it, 32 hex digits.
    digest: String,
    /// The journal was also replayed from its beginning and gave the same digest.
    replayed_from_genesis: bool,
    /// Digests journaled on the way that the replay agreed with.
    digests_compared: u32,
    /// Ids of usage, reservations, settles and corrections in the journal; none was applied twice.
    applied_ids: u64,
    /// Conservation totals as the engine reports them.
    conservation: Value,
    /// What the next opening would repair, and what it would pass over.
    notes: Vec<String>,
}

/// Read everything in a folder that no process owns; a JSON report. Changes nothing.
///
/// # Errors
/// `FolderLocked`; `Corrupt` naming file and offset; `Refused` if this is no data folder, or if an id was
/// applied twice in it.
pub fn verify_folder(folder: impl Into<PathBuf>) -> Result<Value, NodeError> {
    verify_disk(&RealDisk::existing(folder))
}

/// `verify_folder` on any disk.
pub fn verify_disk(disk: &dyn Disk) -> Result<Value, NodeError> {
    let listed = disk.list("").map_err(NodeError::io("list the data folder"))?;
    // Making the lock file would be a change; without one no process has ever owned the folder.
    let _lock = if listed.iter().any(|name| name == "LOCK") {
        let lock = disk.lock().map_err(NodeError::io("lock the data folder"))?;
        Some(lock.ok_or_else(|| NodeError::FolderLocked { folder: disk.name() })?)
    } else {
        None
    };
    let meta = Meta::read(disk)?
        .ok_or_else(|| NodeError::Refused(format!("{} holds no META: it is no data folder", disk.name())))?;
    let settings = stored_settings(disk)?;
    let mut recovery = RecoveryReport::default();
    let Rebuilt { engine, end, .. } = rebuild(disk, &meta, settings.clone(), &mut recovery)?;
    let digest = engine.digest();
    let mut report = VerifyReport {
        store_id: meta.store_id.to_string(),
        epoch: meta.epoch,
        first_seq: meta.first_seq,
        last_seq: engine.next_seq() - 1,
        segments: segments(disk).map_err(NodeError::io("list segments"))?.len() as u64,
        frames: 0,
        seals: 0,
        journal_bytes: 0,
        checkpoints: checkpoints(disk).map_err(NodeError::io("list checkpoints"))?.len() as u64,
        accounts: engine.account_count(),
        digest: format!("{digest:032x}"),
        replayed_from_genesis: false,
        digests_compared: recovery.digests_compared,
        applied_ids: count_applied_ids(disk, &meta, engine.next_seq() - 1, &engine.key_extractor().of_any_age())?,
        conservation: engine.conservation_json(None),
        notes: std::mem::take(&mut recovery.notes),
    };
    drop(engine);
    if let Some(torn) = end.as_ref().and_then(|end| end.torn.as_ref()) {
        report.notes.push(format!("behind seq {}: {}; the next opening repairs it", report.last_seq, torn.what));
    }
    read_journal(disk, meta.store_id, meta.first_seq, meta.durable_seq, |walked| {
        for (frame, _) in &walked.frames {
            report.frames += 1;
            report.seals += u64::from(frame.kind == FrameKind::Seal);
            report.journal_bytes += frame.frame_bytes() as u64;
        }
        Ok(())
    })?;
    if meta.first_seq == 1 && recovery.checkpoint_seq > 0 {
        let mut genesis = RecoveryReport::default();
        let replayed = rebuild_from(disk, &meta, settings, Vec::new(), &mut genesis)?.engine.digest();
        if replayed != digest {
            return Err(NodeError::Refused(format!(
                "replay from the beginning gives digest {replayed:032x}, checkpoint and journal give {digest:032x}"
            )));
        }
        report.digests_compared = report.digests_compared.max(genesis.digests_compared);
    }
    report.replayed_from_genesis = meta.first_seq == 1;
    serde_json::to_value(report).map_err(|error| NodeError::Refused(error.to_string()))
}
