//! The engine as of a checkpoint: images of accounts and, beside them, the event keys.

use crate::checkpoint_file::{CheckpointInfo, CheckpointReader, checkpoint_name};
use crate::checkpointer::{Checkpointer, KeyRun};
use crate::disk::Disk;
use crate::error::{Corruption, NodeError};
use crate::key_window::KeyWindow;
use crate::keys::read_run;
use crate::meta::Meta;
use crate::recovery::RecoveryReport;
use crate::segment::seqs_behind;
use drawdown_core::key_run::newest_time;
use drawdown_core::{Engine, Settings, StoreKey};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

/// The checkpoint of `start_seq`, loaded with the chain under it, its keys and their runs. The inner
/// error: a file of the chain is damaged, another checkpoint may do.
///
/// # Errors
/// `Corrupt` for the journal that the keys stand in; `Io`.
pub(crate) fn load_chain(
    disk: &dyn Disk,
    meta: &Meta,
    settings: &Settings,
    start_seq: u64,
    report: &mut RecoveryReport,
) -> Result<Result<(Engine, Checkpointer), Corruption>, NodeError> {
    let opened = inner(open_newest(disk, meta, settings, start_seq))?;
    let (reader, mut engine) = match opened {
        Ok(opened) => opened,
        Err(corruption) => return Ok(Err(corruption)),
    };
    let newest = reader.info.clone();
    // Replay will fill the same table: it need not grow its way there.
    engine.expect_keys(seqs_behind(disk, newest.start_seq).map_err(NodeError::io("list the journal's segments"))?);
    let mut scan = engine.begin_key_scan();
    let window = KeyWindow { after_seq: newest.keys_to, to_seq: newest.start_seq, oldest_stamp: scan.oldest_stamp() };
    let is_given_up = AtomicBool::new(false);
    let (images, scanned) = thread::scope(|scope| {
        let keys = scope.spawn(|| window.scan(disk, meta.store_id, &mut scan, &is_given_up));
        let images = load_images(disk, meta, reader, &mut engine);
        if images.is_err() {
            is_given_up.store(true, Relaxed);
        }
        (images, keys.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    let (chain, accounts) = match inner(images)? {
        Ok(loaded) => loaded,
        Err(corruption) => return Ok(Err(corruption)),
    };
    report.key_segments = scanned?;
    engine.finish_key_scan(scan);
    let runs = match inner(load_runs(disk, meta, &newest, &mut engine))? {
        Ok(runs) => runs,
        Err(corruption) => return Ok(Err(corruption)),
    };
    report.checkpoint_seq = newest.start_seq;
    report.checkpoint_files = u32::try_from(chain.len()).unwrap_or(u32::MAX);
    report.accounts_loaded = accounts;
    report.key_runs = u32::try_from(runs.len()).unwrap_or(u32::MAX);
    report.recovery_time_us = Some(newest.stamp_us);
    let checkpointer = Checkpointer { chain, previous_chain: Vec::new(), runs, keys_to: newest.keys_to };
    Ok(Ok((engine, checkpointer)))
}

/// Corruption as a finding instead of an error.
fn inner<T>(result: Result<T, NodeError>) -> Result<Result<T, Corruption>, NodeError> {
    match result {
        Ok(found) => Ok(Ok(found)),
        Err(NodeError::Corrupt(corruption)) => Ok(Err(corruption)),
        Err(other) => Err(other),
    }
}

/// The state as checkpoint `start_seq` and those it builds on hold it, without event ids.
///
/// # Errors
/// `Corrupt` naming the file; `Io`.
pub(crate) fn load_state(
    disk: &dyn Disk,
    meta: &Meta,
    settings: &Settings,
    start_seq: u64,
) -> Result<(Engine, CheckpointInfo), NodeError> {
    let (reader, mut engine) = open_newest(disk, meta, settings, start_seq)?;
    let newest = reader.info.clone();
    load_images(disk, meta, reader, &mut engine)?;
    Ok((engine, newest))
}

fn open_newest(
    disk: &dyn Disk,
    meta: &Meta,
    settings: &Settings,
    start_seq: u64,
) -> Result<(CheckpointReader, Engine), NodeError> {
    let mut reader = CheckpointReader::open(disk, meta.store_id, start_seq)?;
    let global = reader.global()?;
    let mut engine = Engine::new(settings.clone(), StoreKey::new(meta.store_key));
    let loaded = engine.load_global(&global);
    loaded.map_err(|corrupt| NodeError::corrupt(&checkpoint_name(start_seq), 0, corrupt.0))?;
    Ok((reader, engine))
}

/// Images from the newest checkpoint back to the full one: infos, oldest first, and accounts.
fn load_images(
    disk: &dyn Disk,
    meta: &Meta,
    newest: CheckpointReader,
    engine: &mut Engine,
) -> Result<(Vec<CheckpointInfo>, u64), NodeError> {
    let mut chain = Vec::new();
    let mut loaded: Vec<bool> = Vec::new();
    let mut count = 0;
    let mut next = Some(newest);
    while let Some(reader) = next {
        // Newest first: of each account only the first image met counts.
        let info = reader.images(|account, image| {
            let account = account as usize;
            if loaded.len() <= account {
                loaded.resize(account + 1, false);
            }
            if !std::mem::replace(&mut loaded[account], true) {
                engine.load_account(image).map_err(|corrupt| corrupt.0)?;
                count += 1;
            }
            Ok(())
        })?;
        next = match info.previous {
            Some(previous) => Some(CheckpointReader::open(disk, meta.store_id, previous)?),
            None => None,
        };
        chain.insert(0, info);
    }
    Ok((chain, count))
}

/// Key runs of a restored folder, or of one that an older version wrote.
fn load_runs(
    disk: &dyn Disk,
    meta: &Meta,
    newest: &CheckpointInfo,
    engine: &mut Engine,
) -> Result<Vec<KeyRun>, NodeError> {
    let mut runs = Vec::new();
    for name in &newest.runs {
        let mut newest_us = None;
        read_run(disk, meta.store_id, *name, |run| {
            newest_us = newest_us.max(newest_time(run));
            engine.load_keys(run).map_err(|corrupt| corrupt.0)
        })?;
        runs.push(KeyRun { name: *name, newest_us });
    }
    Ok(runs)
}
