//! A new folder out of a damaged one: as much of the newest state as can still be proven, and a
//! list of what is lost. The damaged folder is only read.
//!
//! ```text
//! base      newest checkpoint whose files are whole, else the beginning of the journal
//! replay    frames behind it, up to the first gap
//! lost      everything behind that gap, readable or not: what follows a gap may rest on it
//! forgotten gaps in front, and damaged runs of event ids: balances hold what was there, but event ids
//!           stood there too. So the floor rises above their events: sent again they are TOO_LATE, never
//!           charged twice
//! ```

use crate::checkpoint_file::{CheckpointInfo, checkpoints};
use crate::checkpoint_load::load_state;
use crate::disk::Disk;
use crate::error::NodeError;
use crate::frame::FrameKind;
use crate::keys::read_run;
use crate::meta::{Meta, StoreId};
use crate::real_disk::RealDisk;
use crate::remote_pass::closed_global;
use crate::restore::Restore;
use crate::stored_settings::stored_settings;
use crate::surviving_frames::{Gap, Survey, each_frame, survey};
use drawdown_core::key_run::KEY_RECORD_BYTES;
use drawdown_core::{Engine, Settings, StoreKey};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// The engine's dirty set for local checkpoints; nobody else uses this engine.
const SLOT: usize = 0;
const ACCOUNTS_PER_STEP: u32 = 256;
const RUN_BYTES: usize = (1 << 20) / KEY_RECORD_BYTES * KEY_RECORD_BYTES;

/// Build a new folder at `target` from what can be read of `source`; without a target only say
/// what would be lost. Facts as a JSON object: `recovered_seq`, `lost` and `forgotten` (ranges of
/// seqs), `damage` in words, `digest` and others.
///
/// # Errors
/// `Corrupt`: META or every way to a state is damaged; nothing can be salvaged. `Refused`: the
/// target is not empty. `FolderLocked`: a process owns one of the folders. `Io`.
pub fn salvage_folder(source: impl Into<PathBuf>, target: Option<PathBuf>) -> Result<Value, NodeError> {
    let source = RealDisk::existing(source);
    let Some(target) = target else { return salvage_disk(&source, None) };
    let target = RealDisk::new(target).map_err(NodeError::io("create the new folder"))?;
    salvage_disk(&source, Some(Arc::new(target)))
}

/// `salvage_folder` on disks of the caller's choice.
pub fn salvage_disk(source: &dyn Disk, target: Option<Arc<dyn Disk>>) -> Result<Value, NodeError> {
    let listed = source.list("").map_err(NodeError::io("list the damaged folder"))?;
    // Making the lock file would be a change.
    let _lock = if listed.iter().any(|name| name == "LOCK") {
        let lock = source.lock().map_err(NodeError::io("lock the damaged folder"))?;
        Some(lock.ok_or_else(|| NodeError::FolderLocked { folder: source.name() })?)
    } else {
        None
    };
    let meta = Meta::read(source)?
        .ok_or_else(|| NodeError::Refused(format!("{} holds no META: it is no data folder", source.name())))?;
    let mut notes = Vec::new();
    let settings = stored_settings(source).unwrap_or_else(|error| {
        notes.push(format!("the engine's settings are damaged, defaults are used: {error}"));
        Settings::default()
    });
    let survey = survey(source, meta.store_id, meta.first_seq)?;
    let mut salvaged = Salvaged::find(source, &meta, settings, &survey, &mut notes)?;
    let recovered_time_us = salvaged.engine.stamp();
    let mut forgotten = salvaged.forget(&meta, &survey.gaps);
    forgotten.extend(salvaged.forget_damaged_runs(source, &meta, &mut notes)?);
    let written = match target {
        Some(target) => Some(salvaged.write(source, &meta, target)?),
        None => None,
    };
    notes.extend(survey.unreadable.iter().cloned());
    notes.extend(survey.gaps.iter().map(|gap| format!("no frame can be read in front of {}", gap.place)));
    let last_seq = survey.last_seq.max(meta.durable_seq).max(salvaged.newest_image_seq);
    let lost = (last_seq > salvaged.recovered_seq).then(|| json!([salvaged.recovered_seq + 1, last_seq]));
    Ok(json!({
        "store_id": meta.store_id.to_string(),
        "new_store_id": written.map(|store| store.to_string()),
        "recovered_seq": salvaged.recovered_seq,
        "recovered_time_us": recovered_time_us,
        "checkpoint_seq": salvaged.base.as_ref().map_or(0, |info| info.start_seq),
        "last_seq": last_seq,
        "lost": lost.into_iter().collect::<Vec<_>>(),
        "forgotten": forgotten.iter().map(|gap| json!([gap.first_seq, gap.last_seq])).collect::<Vec<_>>(),
        "floor_us": salvaged.engine.floor_us(),
        "accounts": salvaged.engine.account_count(),
        "digest": format!("{:032x}", salvaged.engine.digest()),
        "conservation": salvaged.engine.conservation_json(None),
        "damage": notes,
    }))
}

struct Salvaged {
    engine: Engine,
    base: Option<CheckpointInfo>,
    recovered_seq: u64,
    /// Checkpoints hold state up to here, whether or not they could be used.
    newest_image_seq: u64,
}

impl Salvaged {
    /// The newest state that there is a way to.
    fn find(
        source: &dyn Disk,
        meta: &Meta,
        settings: Settings,
        survey: &Survey,
        notes: &mut Vec<String>,
    ) -> Result<Salvaged, NodeError> {
        let mut starts = checkpoints(source).map_err(NodeError::io("list checkpoints"))?;
        let mut newest_image_seq = starts.last().copied().unwrap_or(0);
        while let Some(start_seq) = starts.pop() {
            let (engine, info) = match load_state(source, meta, &settings, start_seq) {
                Ok(loaded) => loaded,
                Err(NodeError::Corrupt(corruption)) => {
                    notes.push(corruption.to_string());
                    continue;
                }
                Err(error) => return Err(error),
            };
            newest_image_seq = newest_image_seq.max(info.end_seq);
            let reached = reach(meta, survey, info.start_seq);
            if reached < info.end_seq {
                // Its images are of different moments, and what lies between them is gone.
                notes.push(format!(
                    "checkpoint {start_seq} needs the journal up to seq {}, which breaks off at {reached}",
                    info.end_seq
                ));
                continue;
            }
            return replayed(source, meta, engine, Some(info), reached, newest_image_seq);
        }
        if meta.first_seq > 1 || survey.gaps.first().is_some_and(|gap| gap.first_seq <= 1) || survey.readable_seq == 0 {
            return Err(NodeError::corrupt(
                "META",
                0,
                format!("no checkpoint can be used and the journal does not begin: {}", notes.join("; ")),
            ));
        }
        let engine = Engine::new(settings, StoreKey::new(meta.store_key));
        replayed(source, meta, engine, None, reach(meta, survey, 0), newest_image_seq)
    }

    /// Raise the floor over every gap whose event ids may still count; answers those gaps.
    fn forget(&mut self, meta: &Meta, gaps: &[Gap]) -> Vec<Gap> {
        let keys_to = self.base.as_ref().map_or(meta.first_seq - 1, |info| info.keys_to);
        let oldest = self.engine.oldest_key_stamp();
        let newest = self.engine.stamp();
        let behind: Vec<Gap> = gaps
            .iter()
            .filter(|gap| gap.first_seq <= self.recovered_seq && gap.last_seq > keys_to)
            .filter(|gap| gap.stamp_us.is_none_or(|stamp| stamp >= oldest))
            .cloned()
            .collect();
        for gap in &behind {
            self.engine.forget_stamped_until(gap.stamp_us.unwrap_or(newest).min(newest));
        }
        behind
    }

    /// Raise the floor over the base's runs of event ids that can't be read to their end; answers them as gaps.
    fn forget_damaged_runs(
        &mut self,
        source: &dyn Disk,
        meta: &Meta,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Gap>, NodeError> {
        let Some(base) = &self.base else { return Ok(Vec::new()) };
        let mut damaged = Vec::new();
        for run in &base.runs {
            match read_run(source, meta.store_id, *run, |_| Ok(())) {
                Err(NodeError::Corrupt(corruption)) => notes.push(corruption.to_string()),
                read => {
                    read?;
                    continue;
                }
            }
            let (first_seq, last_seq) = (run.first_seq, run.last_seq);
            damaged.push(Gap { first_seq, last_seq, stamp_us: Some(base.stamp_us), place: run.path() });
        }
        if !damaged.is_empty() {
            self.engine.forget_stamped_until(base.stamp_us.min(self.engine.stamp()));
        }
        Ok(damaged)
    }

    /// The new folder: a checkpoint of the state and the event ids that are known.
    fn write(&mut self, source: &dyn Disk, meta: &Meta, target: Arc<dyn Disk>) -> Result<StoreId, NodeError> {
        // Another store: what the damaged one wrote elsewhere, above all to Redis, is not its past.
        let store = StoreId(target.random_bytes().map_err(NodeError::io("draw the store's id"))?);
        let manifest = json!({
            "store_id": store.to_string(),
            "epoch": meta.epoch + 1,
            "snapshot_seq": self.recovered_seq,
            "taken_at_us": self.engine.stamp(),
        });
        let settings = self.engine.settings().clone();
        let mut restore = Restore::begin_on(target, manifest.to_string().as_bytes(), settings)?;
        let mut images = Vec::new();
        self.engine.begin_pass(SLOT, true);
        while self.engine.next_images(SLOT, ACCOUNTS_PER_STEP, &mut images) || !images.is_empty() {
            for (_, image) in images.drain(..) {
                restore.image(&image)?;
            }
        }
        self.engine.end_pass(SLOT, true);
        self.write_keys(source, meta, &mut restore)?;
        restore.finish(&closed_global(meta.store_key, &self.engine.global_image()))?;
        Ok(store)
    }

    fn write_keys(&self, source: &dyn Disk, meta: &Meta, restore: &mut Restore) -> Result<(), NodeError> {
        let keys_to = self.base.as_ref().map_or(meta.first_seq - 1, |info| info.keys_to);
        for name in self.base.iter().flat_map(|info| &info.runs) {
            let mut failed = Ok(());
            let read = read_run(source, meta.store_id, *name, |run| {
                failed = std::mem::replace(&mut failed, Ok(())).and_then(|()| restore.keys(run));
                Ok(())
            });
            failed?;
            match read {
                // What stands behind the damage is forgotten (`forget_damaged_runs`).
                Err(NodeError::Corrupt(_)) => {}
                read => read?,
            }
        }
        let extractor = self.engine.key_extractor();
        let oldest = self.engine.oldest_key_stamp();
        let mut run = Vec::new();
        each_frame(source, meta.store_id, |frame, body, place| {
            if frame.first_seq > self.recovered_seq {
                return Ok(false);
            }
            if frame.kind == FrameKind::Records && frame.last_seq > keys_to && frame.stamp_us >= oldest {
                extractor
                    .extract(body, frame.first_seq, &mut run)
                    .map_err(|corrupt| NodeError::Refused(format!("{}: {}", place(), corrupt.what)))?;
            }
            while run.len() >= RUN_BYTES {
                let rest = run.split_off(RUN_BYTES);
                restore.keys(&std::mem::replace(&mut run, rest))?;
            }
            Ok(true)
        })?;
        if run.is_empty() { Ok(()) } else { restore.keys(&run) }
    }
}

/// Up to where frames follow each other without a gap from `start_seq` on.
fn reach(meta: &Meta, survey: &Survey, start_seq: u64) -> u64 {
    let from = (start_seq + 1).max(meta.first_seq);
    let gap = survey.gaps.iter().find(|gap| gap.last_seq >= from);
    gap.map_or(survey.readable_seq.max(start_seq), |gap| gap.first_seq.max(from) - 1)
}

fn replayed(
    source: &dyn Disk,
    meta: &Meta,
    mut engine: Engine,
    base: Option<CheckpointInfo>,
    reached: u64,
    newest_image_seq: u64,
) -> Result<Salvaged, NodeError> {
    let start_seq = base.as_ref().map_or(0, |info| info.start_seq);
    let end_seq = base.as_ref().map_or(0, |info| info.end_seq);
    let mut last_seq = start_seq;
    each_frame(source, meta.store_id, |frame, body, place| {
        // The last digest begins behind all that there is: it has no records of its own.
        if frame.last_seq > reached {
            return Ok(false);
        }
        if frame.kind == FrameKind::Records && frame.last_seq > last_seq {
            engine
                .apply_records(body, frame.first_seq)
                .map_err(|corrupt| NodeError::Refused(format!("{}: {}", place(), corrupt.what)))?;
            last_seq = frame.last_seq;
        }
        let is_comparable = frame.kind == FrameKind::Digest && frame.last_seq >= end_seq;
        if is_comparable && engine.next_seq() == frame.first_seq && body != engine.digest().to_le_bytes() {
            let what = format!("{}: the state of seq {} is not the one journaled there", place(), frame.last_seq);
            return Err(NodeError::Refused(what));
        }
        Ok(true)
    })?;
    engine.finish_recovery().map_err(|corrupt| NodeError::Refused(format!("the salvaged state: {}", corrupt.0)))?;
    let recovered_seq = engine.next_seq() - 1;
    Ok(Salvaged { engine, base, recovered_seq, newest_image_seq })
}
