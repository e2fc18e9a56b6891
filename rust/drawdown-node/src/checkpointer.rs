//! Taking checkpoints beside the running engine.
//!
//! A pass images accounts a few at a time under the lock, each at its own seq; the file is
//! published once everything in it is durable in the journal; then it is read back. Afterwards
//! what recovery needs no more leaves it: old checkpoints are removed, old segments archived.

use crate::checkpoint_file::{CheckpointInfo, CheckpointReader, CheckpointWriter, KeyRunName, checkpoint_name};
use crate::disk::Disk;
use crate::environment::Drive;
use crate::error::NodeError;
use crate::faults;
use crate::meta::StoreId;
use crate::node::Shared;
use crate::retention::forget_old_journal;
use crate::segment::{ARCHIVE, SegmentName, segments};
use crate::settings::NodeSettings;
use crate::sync::{Instant, MutexGuard, thread};
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The engine's dirty set for local checkpoints.
const LOCAL_SLOT: usize = 0;
/// Accounts imaged per holding of the lock: well under a millisecond.
const ACCOUNTS_PER_HOLD: u32 = 256;
/// Waiting for the journal to become durable up to the images.
const DURABLE_TIMEOUT: Duration = Duration::from_secs(60);

/// A key run and how long it matters.
#[derive(Clone, Debug)]
pub(crate) struct KeyRun {
    pub(crate) name: KeyRunName,
    /// Newest event time inside; `None`: no keys.
    pub(crate) newest_us: Option<i64>,
}

/// What checkpoints there are.
#[derive(Default)]
pub(crate) struct Checkpointer {
    /// The present chain: one full checkpoint and its deltas.
    pub(crate) chain: Vec<CheckpointInfo>,
    /// The chain before it; kept in case a file of the present one is damaged.
    pub(crate) previous_chain: Vec<CheckpointInfo>,
    /// Key runs that still matter: of the snapshot the folder was restored from, or of an older
    /// version. None is ever added.
    pub(crate) runs: Vec<KeyRun>,
    /// Runs hold every key up to here; behind it keys stand in the journal.
    pub(crate) keys_to: u64,
}

/// What others may see while a pass runs.
#[derive(Default)]
pub(crate) struct CheckpointStatus {
    pub(crate) start_seq: u64,
    pub(crate) image_bytes: u64,
    /// `Counters::journal_bytes` when the last pass began.
    pub(crate) journal_bytes_mark: u64,
    pub(crate) taken: Option<Instant>,
    pub(crate) error: Option<String>,
}

impl CheckpointStatus {
    pub(crate) fn is_due(&self, journal_bytes: u64, settings: &NodeSettings) -> bool {
        let due = settings.checkpoint_journal_bytes_min.max(2 * self.image_bytes);
        journal_bytes.saturating_sub(self.journal_bytes_mark) >= due
    }
}

impl Checkpointer {
    fn next_is_full(&self, deltas_max: u32) -> bool {
        let Some(full) = self.chain.first() else { return true };
        let deltas = &self.chain[1..];
        let delta_bytes: u64 = deltas.iter().map(|info| info.bytes).sum();
        deltas.len() >= deltas_max as usize || delta_bytes > full.bytes
    }

    fn keep(&mut self, info: CheckpointInfo) {
        if info.previous.is_none() {
            self.previous_chain = std::mem::take(&mut self.chain);
        }
        self.chain.push(info);
    }

    /// Whatever a recovery may begin with.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &CheckpointInfo> {
        self.previous_chain.iter().chain(&self.chain)
    }

    /// Behind this seq recovery starts even if the newest checkpoint turns out damaged.
    fn recovery_seq(&self) -> u64 {
        let newest_two = self.chain.iter().rev().chain(self.previous_chain.iter().rev()).nth(1);
        newest_two.map_or(0, |info| info.start_seq)
    }
}

/// Take one checkpoint. Returns its start seq; without new records the last one stands.
pub(crate) fn run(shared: &Shared) -> Result<u64, NodeError> {
    let mut checkpointer = shared.checkpointer.lock();
    let journal_bytes = shared.counters.journal_bytes.load(Relaxed);
    let applied = shared.writer.lock().applied_seq();
    let newest = checkpointer.chain.last();
    if newest.map_or(0, |info| info.end_seq) == applied {
        return Ok(newest.map_or(0, |info| info.start_seq));
    }
    let taken = Pass { shared, checkpointer: &mut checkpointer }.take();
    let taken = taken.and_then(|info| forget_old_journal(shared, &checkpointer).map(|()| info));
    let mut status = shared.checkpoint_status.lock();
    match taken {
        Ok(info) => {
            shared.counters.checkpoints.fetch_add(1, Relaxed);
            status.start_seq = info.start_seq;
            status.image_bytes = info.bytes;
            status.journal_bytes_mark = journal_bytes;
            status.taken = Some(Instant::now());
            status.error = None;
            Ok(info.start_seq)
        }
        Err(error) => {
            shared.counters.checkpoint_failures.fetch_add(1, Relaxed);
            status.error = Some(error.to_string());
            Err(error)
        }
    }
}

struct Pass<'a> {
    shared: &'a Shared,
    checkpointer: &'a mut Checkpointer,
}

impl Pass<'_> {
    fn disk(&self) -> &dyn Disk {
        &*self.shared.environment.disk
    }

    fn store(&self) -> StoreId {
        self.shared.meta.store_id
    }

    fn take(&mut self) -> Result<CheckpointInfo, NodeError> {
        let full = self.checkpointer.next_is_full(self.shared.settings.checkpoint_deltas_max);
        let previous = if full { None } else { self.checkpointer.chain.last().map(|info| info.start_seq) };
        let start_seq = {
            let mut writer = self.shared.writer.lock();
            writer.engine.begin_pass(LOCAL_SLOT, full);
            writer.applied_seq()
        };
        let published = self.write(start_seq, previous);
        self.shared.writer.lock().engine.end_pass(LOCAL_SLOT, published.is_ok());
        let info = match published {
            Ok(info) => info,
            Err(error) => {
                let _ = self.disk().remove(&format!("{}.tmp", checkpoint_name(start_seq)));
                return Err(error);
            }
        };
        self.checkpointer.keep(info.clone());
        self.retire().map_err(NodeError::io("retire what a checkpoint replaced"))?;
        Ok(info)
    }

    fn write(&mut self, start_seq: u64, previous: Option<u64>) -> Result<CheckpointInfo, NodeError> {
        let writing = || NodeError::io("write a checkpoint");
        let mut file = CheckpointWriter::create(self.disk(), self.store(), start_seq, previous).map_err(writing())?;
        self.write_images(&mut file).map_err(writing())?;
        let (global, end_seq, stamp_us, floor_us) = {
            let writer = self.shared.writer.lock();
            let engine = &writer.engine;
            (engine.global_image(), writer.applied_seq(), engine.stamp(), engine.floor_us())
        };
        self.await_durable(end_seq)?;
        // What is below the floor now is below it for ever.
        self.checkpointer.runs.retain(|run| run.newest_us.is_some_and(|newest| newest >= floor_us));
        let full_start_seq = match previous {
            None => start_seq,
            Some(_) => self.checkpointer.chain.first().map_or(start_seq, |info| info.start_seq),
        };
        let info = CheckpointInfo {
            start_seq,
            end_seq,
            full_start_seq,
            previous,
            global_offset: 0,
            accounts: 0,
            stamp_us,
            keys_to: self.checkpointer.keys_to,
            runs: self.checkpointer.runs.iter().map(|run| run.name).collect(),
            bytes: 0,
        };
        let info = file.publish(self.disk(), &global, info).map_err(writing())?;
        self.verify(&info)?;
        Ok(info)
    }

    fn write_images(&self, file: &mut CheckpointWriter) -> io::Result<()> {
        let mut images = Vec::new();
        loop {
            let begun = Instant::now();
            let more = {
                let mut writer = self.shared.writer.lock();
                let held = Instant::now();
                let more = writer.engine.next_images(LOCAL_SLOT, ACCOUNTS_PER_HOLD, &mut images);
                self.shared.counters.imaged(held.elapsed());
                MutexGuard::unlock_fair(writer);
                more
            };
            for (account, image) in images.drain(..) {
                file.add(account, &image)?;
            }
            if !more {
                return Ok(());
            }
            // Half of the time at most, so that ingest keeps the machine.
            if self.shared.drive == Drive::Threads && !self.shared.writer.lock().closing {
                thread::sleep(begun.elapsed());
            }
        }
    }

    /// Nothing may be in a published image that the journal could still lose.
    fn await_durable(&self, seq: u64) -> Result<(), NodeError> {
        use crate::threads::{await_progress, sync_now};
        let written = await_progress(self.shared, DURABLE_TIMEOUT, |progress| progress.written() >= seq);
        if written && self.shared.progress.durable() < seq {
            sync_now(self.shared);
        }
        if self.shared.progress.durable() >= seq {
            return Ok(());
        }
        Err(NodeError::Refused(format!("the journal is not durable up to seq {seq}, so no checkpoint was written")))
    }

    fn verify(&self, info: &CheckpointInfo) -> Result<(), NodeError> {
        let read = CheckpointReader::open(self.disk(), self.store(), info.start_seq)?.images(|_, _| Ok(()))?;
        if read == *info {
            return Ok(());
        }
        Err(NodeError::corrupt(&checkpoint_name(info.start_seq), 0, "reads back otherwise than it was written"))
    }

    /// Remove checkpoints and runs that none of the two kept chains needs; archive segments
    /// behind the second newest checkpoint.
    fn retire(&self) -> io::Result<()> {
        let disk = self.disk();
        let kept: Vec<&CheckpointInfo> = self.checkpointer.kept().collect();
        for name in disk.list("")? {
            let stale_checkpoint = crate::segment::number_between(&name, "ckpt-", ".dc")
                .is_some_and(|start| kept.iter().all(|info| info.start_seq != start));
            let stale_run = KeyRunName::parse(&name).is_some_and(|run| {
                kept.iter().all(|info| !info.runs.contains(&run))
                    && self.checkpointer.runs.iter().all(|kept| kept.name != run)
            });
            if stale_checkpoint || stale_run {
                disk.remove(&name)?;
            }
        }
        archive_segments(disk, self.checkpointer.recovery_seq())
    }
}

/// Move segments that hold nothing behind `recovery_seq` to the archive. Never the last one.
fn archive_segments(disk: &dyn Disk, recovery_seq: u64) -> io::Result<()> {
    let all = segments(disk)?;
    let mut moved = false;
    for (name, next) in all.iter().zip(all.iter().skip(1)) {
        if name.archived || next.first_seq > recovery_seq + 1 {
            continue;
        }
        faults::point("archive-rename")?;
        let archived = SegmentName { archived: true, ..name.clone() };
        disk.rename(&name.path(), &archived.path())?;
        moved = true;
    }
    if moved {
        disk.sync_folder(ARCHIVE)?;
        disk.sync_folder("")?;
    }
    Ok(())
}
