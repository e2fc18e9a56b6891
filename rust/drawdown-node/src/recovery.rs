//! Opening a folder: read everything first, change nothing until all of it fits, then repair,
//! take a new epoch, and be ready.

use crate::checkpoint_file::{CheckpointInfo, CheckpointReader, checkpoint_name, checkpoints};
use crate::checkpoint_load::load_chain;
use crate::checkpointer::{CheckpointStatus, Checkpointer};
use crate::clock::{StampRule, require_plausible};
use crate::commit::{ActiveSegment, Committer, JournalPosition};
use crate::disk::{Access, Disk};
use crate::environment::{Drive, Environment};
use crate::error::NodeError;
use crate::faults;
use crate::frame::chain_start;
use crate::ledger_indexer::remove_stale;
use crate::meta::{META_NAME, Meta, StoreId};
use crate::node::Shared;
use crate::progress::Progress;
use crate::repair;
use crate::replay::replay;
use crate::scan::JournalEnd;
use crate::segment::{ARCHIVE, ASIDE, number_between, segments};
use crate::settings::NodeSettings;
use crate::stats::Counters;
use crate::stored_settings::{require_same_buckets, store_settings};
use crate::supply::{FSYNC_FAILED_NAME, SegmentSupply, remove_leftovers, with_ballast};
use crate::sync::{AtomicU64, Condvar, Instant, Mutex};
use crate::writer::Writer;
use drawdown_core::{Engine, Settings, StoreKey};
use serde::Serialize;
use std::sync::Arc;

/// What opening found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecoveryReport {
    /// The folder was new.
    pub created: bool,
    pub store_id: String,
    pub epoch: u64,
    /// Everything up to here is in the recovered state.
    pub recovery_seq: u64,
    /// Stamp of the last group, microseconds UTC.
    pub recovery_time_us: Option<i64>,
    /// Start seq of the checkpoint used; 0: none.
    pub checkpoint_seq: u64,
    pub checkpoint_files: u32,
    pub accounts_loaded: u64,
    pub key_runs: u32,
    /// Segments read for the event ids of what the checkpoint contains.
    pub key_segments: u32,
    pub segments_read: u32,
    pub frames_read: u64,
    pub journal_bytes: u64,
    pub records_replayed: u64,
    /// Digests in the journal that the replayed state was compared with, and equal to.
    pub digests_compared: u32,
    /// The journal ended in the digest of a clean stop.
    pub was_clean: bool,
    /// What was repaired or passed over, in words.
    pub notes: Vec<String>,
    pub took_ms: u64,
}

pub(crate) struct Recovered {
    pub(crate) engine: Engine,
    pub(crate) meta: Meta,
    pub(crate) report: RecoveryReport,
    end: Option<JournalEnd>,
    checkpointer: Checkpointer,
}

/// State rebuilt from a folder; nothing in it was changed.
pub(crate) struct Rebuilt {
    pub(crate) engine: Engine,
    pub(crate) end: Option<JournalEnd>,
    pub(crate) checkpointer: Checkpointer,
    /// Checkpoints that could not be read, by start seq.
    pub(crate) damaged: Vec<u64>,
}

pub(crate) fn recover(environment: &Environment, engine: Settings, accept_clock: bool) -> Result<Recovered, NodeError> {
    let begun = Instant::now();
    let disk = &*environment.disk;
    let mut report = RecoveryReport::default();
    let found = Meta::read(disk)?;
    require_plausible(environment.clock.read().wall_us, found.is_none(), accept_clock).map_err(NodeError::Refused)?;
    let (mut meta, rebuilt) = match found {
        Some(meta) => {
            require_same_buckets(disk, &engine)?;
            let rebuilt = rebuild(disk, &meta, engine, &mut report)?;
            (meta, rebuilt)
        }
        None => {
            let meta = create_store(disk)?;
            report.created = true;
            let engine = Engine::new(engine, StoreKey::new(meta.store_key));
            (meta, Rebuilt { engine, end: None, checkpointer: Checkpointer::default(), damaged: Vec::new() })
        }
    };
    let Rebuilt { engine, mut end, checkpointer, damaged } = rebuilt;
    let changing = || NodeError::io("repair the data folder");
    // First, as on a full disk they are the room that the rest needs.
    remove_leftovers(disk).map_err(changing())?;
    with_ballast(disk, || make_folders(disk).map_err(NodeError::io("make the folders")))?;
    for start_seq in damaged {
        repair::put_aside(disk, &checkpoint_name(start_seq)).map_err(changing())?;
    }
    if let Some(end) = end.as_mut() {
        with_ballast(disk, || repair::make_durable(disk, end, meta.epoch, &mut report.notes).map_err(changing()))?;
    }
    remove_stale(disk, end.as_ref().map_or(0, |end| end.segment.first_seq)).map_err(changing())?;
    with_ballast(disk, || store_settings(disk, engine.settings()).map_err(changing()))?;
    meta.epoch += 1;
    meta.durable_seq = engine.next_seq() - 1;
    let write_meta = || faults::point("meta-write").and_then(|()| meta.write(disk));
    with_ballast(disk, || write_meta().map_err(NodeError::io("write META")))?;
    if disk.list("").map_err(changing())?.iter().any(|name| name == FSYNC_FAILED_NAME) {
        disk.remove(FSYNC_FAILED_NAME).map_err(changing())?;
    }
    report.store_id = meta.store_id.to_string();
    report.epoch = meta.epoch;
    report.recovery_seq = meta.durable_seq;
    report.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Recovered { engine, meta, report, end, checkpointer })
}

fn make_folders(disk: &dyn Disk) -> std::io::Result<()> {
    for folder in [ARCHIVE, ASIDE] {
        disk.create_folder(folder)?;
    }
    disk.sync_folder("")
}

/// Ids for an empty folder; META itself is written at the end of the opening.
fn create_store(disk: &dyn Disk) -> Result<Meta, NodeError> {
    let listed = disk.list("").map_err(NodeError::io("list the data folder"))?;
    if let Some(name) = listed.iter().find(|name| is_ours(name)) {
        let what = format!("{} holds {name} but no {META_NAME}: this is a damaged data folder", disk.name());
        return Err(NodeError::Refused(what));
    }
    require_no_journal(disk)?;
    let drawn = || disk.random_bytes().map_err(NodeError::io("draw the store's id"));
    Ok(Meta { store_id: StoreId(drawn()?), store_key: drawn()?, epoch: 0, durable_seq: 0, first_seq: 1 })
}

/// Journal of a store that was here, in the archive too: another one's segments would be moved over it.
///
/// # Errors
/// `Refused`, naming the first segment found; `Io`.
pub(crate) fn require_no_journal(disk: &dyn Disk) -> Result<(), NodeError> {
    let found = segments(disk).map_err(NodeError::io("list the journal's segments"))?;
    found.first().map_or(Ok(()), |first| {
        Err(NodeError::Refused(format!(
            "{} is not empty (it holds {}, and no {META_NAME}): the journal of another store is here; put the rest of \
             its files back, or move what is left away, {ARCHIVE}/ included",
            disk.name(),
            first.path()
        )))
    })
}

fn is_ours(name: &str) -> bool {
    number_between(name, "seg-", ".dj").is_some()
        || number_between(name, "ckpt-", ".dc").is_some()
        || name.ends_with(".dk")
}

/// Rebuild the state from the newest checkpoint that can be read and the journal behind it.
/// Changes nothing.
pub(crate) fn rebuild(
    disk: &dyn Disk,
    meta: &Meta,
    settings: Settings,
    report: &mut RecoveryReport,
) -> Result<Rebuilt, NodeError> {
    let starts = checkpoints(disk).map_err(NodeError::io("list checkpoints"))?;
    rebuild_from(disk, meta, settings, starts, report)
}

/// `rebuild` with these checkpoints only (start seqs, ascending); none: from the beginning.
pub(crate) fn rebuild_from(
    disk: &dyn Disk,
    meta: &Meta,
    settings: Settings,
    mut starts: Vec<u64>,
    report: &mut RecoveryReport,
) -> Result<Rebuilt, NodeError> {
    let mut witness_seq = meta.durable_seq;
    let mut damaged = Vec::new();
    let mut loaded = None;
    while let Some(start_seq) = starts.pop() {
        match load_chain(disk, meta, &settings, start_seq, report)? {
            Ok(found) => {
                loaded = Some(found);
                break;
            }
            Err(corruption) => {
                report.notes.push(format!("checkpoint {start_seq} was passed over: {corruption}"));
                witness_seq = witness_seq.max(start_seq);
                damaged.push(start_seq);
            }
        }
    }
    let (mut engine, mut checkpointer) = loaded.unwrap_or_else(|| {
        let engine = Engine::new(settings.clone(), StoreKey::new(meta.store_key));
        (engine, Checkpointer { keys_to: meta.first_seq - 1, ..Checkpointer::default() })
    });
    let newest = checkpointer.chain.last();
    let (start_seq, end_seq) = newest.map_or((meta.first_seq - 1, meta.first_seq - 1), |i| (i.start_seq, i.end_seq));
    if newest.is_none() && meta.first_seq > 1 {
        let why = report.notes.join("; ");
        let what = format!("no checkpoint of this restored folder can be read; restore it again ({why})");
        return Err(NodeError::Refused(what));
    }
    checkpointer.previous_chain = previous_chain(disk, meta.store_id, &checkpointer.chain, &starts);
    let end = replay(disk, meta, &mut engine, start_seq, end_seq, witness_seq.max(end_seq), report)?;
    engine.finish_recovery().map_err(|corrupt| NodeError::Refused(format!("the recovered state: {}", corrupt.0)))?;
    Ok(Rebuilt { engine, end, checkpointer, damaged })
}

/// Infos of the chain before the present one, as far as they can be read.
fn previous_chain(disk: &dyn Disk, store: StoreId, chain: &[CheckpointInfo], starts: &[u64]) -> Vec<CheckpointInfo> {
    let Some(full) = chain.first() else { return Vec::new() };
    let mut found: Vec<CheckpointInfo> = Vec::new();
    for start_seq in starts.iter().rev().filter(|start| **start < full.start_seq) {
        let Ok(reader) = CheckpointReader::open(disk, store, *start_seq) else { break };
        if found.first().is_some_and(|first| first.full_start_seq != reader.info.full_start_seq) {
            break;
        }
        found.insert(0, reader.info);
    }
    found
}

impl Recovered {
    pub(crate) fn into_shared(
        self,
        environment: Environment,
        settings: NodeSettings,
        drive: Drive,
    ) -> Result<Arc<Shared>, NodeError> {
        let Recovered { engine, meta, end, checkpointer, .. } = self;
        let next_seq = engine.next_seq();
        let last_stamp_us = (next_seq > 1 || engine.stamp() > 0).then(|| engine.stamp());
        let gap_max_us = i64::try_from(settings.start_gap_max_s.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
        let trusted = settings.accept_clock || environment.clock.is_synchronised();
        let stamps = StampRule::start(environment.clock.read(), last_stamp_us, gap_max_us, trusted);
        let disk = &environment.disk;
        let segment = match &end {
            None => None,
            Some(end) => {
                let opened = disk.open(&end.segment.path(), Access::Direct);
                let file = opened.map_err(NodeError::io("open the last journal segment"))?;
                Some(ActiveSegment {
                    file,
                    first_seq: end.segment.first_seq,
                    chain: end.segment_chain,
                    offset: end.cursor.offset as u64,
                    size: end.segment_bytes,
                })
            }
        };
        let position = JournalPosition {
            store: meta.store_id,
            epoch: meta.epoch,
            chain: end.as_ref().map_or_else(|| chain_start(meta.store_id), |end| end.cursor.chain),
            next_seq,
            stamp_us: stamps.last_us(),
            last_kind: end.as_ref().and_then(|end| end.last_kind),
            segment,
        };
        let progress = Arc::new(Progress::new(next_seq - 1).map_err(NodeError::io("make an eventfd"))?);
        let counters = Arc::new(Counters::default());
        let supply = Arc::new(SegmentSupply::new(
            Arc::clone(disk),
            settings.segment_bytes,
            settings.segments_ahead,
            settings.reserve_bytes,
        ));
        let committer = Committer::new(
            Arc::clone(disk),
            Arc::clone(&supply),
            Arc::clone(&progress),
            Arc::clone(&counters),
            settings.fsync,
            position,
        );
        let status = CheckpointStatus {
            start_seq: checkpointer.chain.last().map_or(0, |info| info.start_seq),
            image_bytes: checkpointer.chain.last().map_or(0, |info| info.bytes),
            ..CheckpointStatus::default()
        };
        Ok(Arc::new(Shared {
            writer: Mutex::new(Writer::new(engine, stamps, settings.group_bytes_max)),
            work: Condvar::new(),
            committer: Mutex::new(committer),
            supply,
            progress,
            counters,
            checkpointer: Mutex::new(checkpointer),
            checkpoint_status: Mutex::new(status),
            remote: Mutex::default(),
            first_kept_seq: AtomicU64::new(meta.first_seq),
            indexed: Mutex::default(),
            halted: Mutex::new(None),
            environment,
            settings,
            drive,
            meta,
        }))
    }
}
