//! Passes of the remote snapshot: what changed, handed out piece by piece for somebody else to store.
//!
//! Every account is imaged at its own seq, never below the pass's start S. An image may be stored
//! only after every dedupe key up to its seq has been: then a restored account never lacks the
//! key of an event it contains. Hence the order: chunk, wait until it may be answered, keys until there
//! are none, store the keys, store the chunk. Nothing is handed out that the journal could still lose: where
//! answers do not wait for the disk, keys and global image do, and have the journal synced.
//!
//! ```text
//! global image as handed out
//!  0  magic "DJGL"    4
//!  4  version         4   1
//!  8  store key      16   secret; without it the keys of the snapshot mean nothing
//! 24  the engine's global image
//! ```

use crate::checkpoint_file::KeyRunName;
use crate::chunk_file::{ChunkKind, FileKind};
use crate::chunk_reader::ChunkFileReader;
use crate::error::{NodeError, SubmitError};
use crate::journal_reader::JournalReader;
use crate::key_window::KeyWindow;
use crate::meta::array;
use crate::node::Node;
use crate::settings::FsyncPolicy;
use crate::sync::{Instant, MutexGuard};
use crate::threads::sync_now;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

/// The engine's dirty set for remote snapshots.
const REMOTE_SLOT: usize = 1;
/// Accounts imaged per holding of the lock: well under a millisecond.
const ACCOUNTS_PER_HOLD: u32 = 256;
/// A run handed out is about this long: a value a remote store takes without trouble.
const RUN_BYTES: usize = 1 << 20;
const GLOBAL_MAGIC: [u8; 4] = *b"DJGL";
const GLOBAL_VERSION: u32 = 1;
const GLOBAL_HEADER_BYTES: usize = 24;

/// Where the remote snapshot stands.
#[derive(Default)]
pub(crate) struct RemotePass {
    running: bool,
    /// Images handed out so far reach up to here; keys are drawn as far.
    goal_seq: u64,
    /// Keys of the running pass are drawn up to here.
    keys_to: u64,
    /// Key runs of local checkpoints still to be handed out (full passes only).
    runs: VecDeque<KeyRunName>,
    run: Option<ChunkFileReader>,
    journal: Option<JournalReader>,
    /// What is drawn and not yet handed out.
    drawn: VecDeque<Vec<u8>>,
    /// Keys are stored up to here by the last complete pass of this process.
    completed_to: Option<u64>,
}

impl Node {
    /// Start a pass over accounts changed since the last complete one of this process, or over
    /// all; the first is always over all. Facts of the pass as a JSON object.
    ///
    /// # Errors
    /// `Refused`: a pass is under way.
    pub fn snapshot_begin(&self, full: bool) -> Result<Value, NodeError> {
        let mut pass = self.shared.remote.lock();
        if pass.running {
            return Err(NodeError::Refused("a snapshot pass is under way; end it first".into()));
        }
        let completed_to = pass.completed_to;
        let full = full || completed_to.is_none();
        let (runs, runs_to) = {
            let checkpointer = self.shared.checkpointer.lock();
            (checkpointer.runs.iter().map(|run| run.name).collect(), checkpointer.keys_to)
        };
        let keys_to = match completed_to.filter(|_| !full) {
            Some(seq) => seq,
            None => self.keys_begin_behind(runs_to)?,
        };
        let mut writer = self.shared.writer.lock();
        writer.engine.begin_pass(REMOTE_SLOT, full);
        let start_seq = writer.applied_seq();
        let (dirty, start_time_us) = (writer.engine.dirty_count(REMOTE_SLOT), writer.engine.stamp());
        drop(writer);
        *pass = RemotePass {
            running: true,
            goal_seq: start_seq,
            keys_to,
            runs: if full { runs } else { VecDeque::new() },
            completed_to,
            ..RemotePass::default()
        };
        Ok(json!({
            "store_id": self.store_id().to_string(),
            "epoch": self.epoch(),
            "start_seq": start_seq,
            "start_time_us": start_time_us,
            "dirty": dirty,
            "full": full,
        }))
    }

    /// No key at or below this seq counts any more, but for those of the runs.
    fn keys_begin_behind(&self, runs_to: u64) -> Result<u64, NodeError> {
        let oldest_stamp = self.shared.writer.lock().engine.oldest_key_stamp();
        let window = KeyWindow { after_seq: runs_to, to_seq: self.durable_seq(), oldest_stamp };
        let disk = &*self.shared.environment.disk;
        Ok(window.first_seq(disk, self.shared.meta.store_id)? - 1)
    }

    /// Images of the next accounts, and the newest seq any of them may contain; `None` at the end.
    ///
    /// # Errors
    /// `Refused`: no pass is under way.
    #[expect(clippy::type_complexity, reason = "seq, then (account, image) pairs")]
    pub fn snapshot_chunk(&self, max_accounts: u32) -> Result<Option<(u64, Vec<(u32, Vec<u8>)>)>, NodeError> {
        let mut pass = self.running_pass()?;
        let mut images = Vec::new();
        let mut left = max_accounts;
        let mut more = true;
        while more && left > 0 {
            let wanted = left.min(ACCOUNTS_PER_HOLD);
            let mut writer = self.shared.writer.lock();
            let held = Instant::now();
            let before = images.len();
            more = writer.engine.next_images(REMOTE_SLOT, wanted, &mut images);
            self.shared.counters.imaged(held.elapsed());
            // A look that finds nothing more must not ask for keys that nobody waited for.
            if images.len() > before {
                pass.goal_seq = writer.applied_seq();
            }
            MutexGuard::unlock_fair(writer);
            left -= wanted;
        }
        Ok((!images.is_empty()).then_some((pass.goal_seq, images)))
    }

    /// The next run of keys not handed out yet; `None` when every key up to the seq of the last
    /// chunk (at first: the start) was. That seq must be acknowledged; afterwards it is durable.
    ///
    /// # Errors
    /// `Refused`: no pass is under way, or the seq is not written. `Corrupt`, `Io`: the local
    /// journal or a run can't be read.
    pub fn snapshot_keys(&self) -> Result<Option<Vec<u8>>, NodeError> {
        let mut pass = self.running_pass()?;
        loop {
            if let Some(run) = pass.drawn.pop_front() {
                return Ok(Some(run));
            }
            if let Some(run) = self.next_stored_keys(&mut pass)? {
                return Ok(Some(run));
            }
            if pass.keys_to >= pass.goal_seq {
                return Ok(None);
            }
            self.draw_keys(&mut pass)?;
        }
    }

    /// The next chunk of keys out of the local checkpoints' runs.
    fn next_stored_keys(&self, pass: &mut RemotePass) -> Result<Option<Vec<u8>>, NodeError> {
        loop {
            if let Some(run) = &mut pass.run {
                let mut body = Vec::new();
                match run.next(&mut body)? {
                    Some(ChunkKind::Keys) => return Ok(Some(body)),
                    Some(_) => continue,
                    None => pass.run = None,
                }
            }
            let Some(name) = pass.runs.pop_front() else { return Ok(None) };
            let disk = &*self.shared.environment.disk;
            match ChunkFileReader::open(disk, &name.path(), FileKind::KeyRun, self.shared.meta.store_id) {
                Ok(run) => pass.run = Some(run),
                // Retired meanwhile: all its keys are below the floor.
                Err(_) if !self.is_run_wanted(name) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn is_run_wanted(&self, name: KeyRunName) -> bool {
        self.shared.checkpointer.lock().runs.iter().any(|run| run.name == name)
    }

    /// Draw keys from the journal behind the runs: about a run's worth, or what is left.
    fn draw_keys(&self, pass: &mut RemotePass) -> Result<(), NodeError> {
        self.require_durable(pass.goal_seq)?;
        let mut journal = match pass.journal.take() {
            Some(journal) => journal,
            None => {
                let disk = Arc::clone(&self.shared.environment.disk);
                JournalReader::open_at(disk, self.shared.meta.store_id, pass.keys_to + 1)?
            }
        };
        let extractor = self.shared.writer.lock().engine.key_extractor();
        let mut run = Vec::with_capacity(RUN_BYTES);
        while run.len() < RUN_BYTES {
            let Some((frame, body)) = journal.next(pass.goal_seq)? else { break };
            extractor.extract(body, frame.first_seq, &mut run).map_err(|corrupt| {
                let what = format!("keys can't be drawn from the frame of seq {}: {}", frame.first_seq, corrupt.what);
                NodeError::Refused(what)
            })?;
        }
        pass.keys_to = journal.next_seq() - 1;
        pass.journal = Some(journal);
        let longest = RUN_BYTES / drawdown_core::key_run::KEY_RECORD_BYTES * drawdown_core::key_run::KEY_RECORD_BYTES;
        pass.drawn = run.chunks(longest).map(<[u8]>::to_vec).collect();
        Ok(())
    }

    /// `(seq, image)` of what all accounts share and of the store's key. In a pass ask for keys once more when
    /// that seq is acknowledged, and store the image behind them: then the journal cannot lose it any more.
    ///
    /// # Errors
    /// `Halted`.
    pub fn snapshot_global(&self) -> Result<(u64, Vec<u8>), SubmitError> {
        let (seq, image) = self.read(|engine, _| (engine.next_seq() - 1, engine.global_image()))?;
        if self.shared.settings.fsync != FsyncPolicy::Always {
            let mut pass = self.shared.remote.lock();
            pass.goal_seq = pass.goal_seq.max(seq);
        }
        Ok((seq, closed_global(self.shared.meta.store_key, &image)))
    }

    /// Have the journal synced up to `seq` if only that is missing; under `always` it never is.
    fn require_durable(&self, seq: u64) -> Result<(), NodeError> {
        let progress = &self.shared.progress;
        if progress.durable() < seq && progress.written() >= seq {
            sync_now(&self.shared);
        }
        if progress.durable() >= seq {
            return Ok(());
        }
        let what = format!("keys were asked for up to seq {seq}, the journal is durable up to {}", progress.durable());
        Err(NodeError::Refused(what))
    }

    /// Close the pass. Unless it is complete its accounts and keys come again in the next one.
    ///
    /// # Errors
    /// `Refused`: no pass is under way.
    pub fn snapshot_end(&self, complete: bool) -> Result<(), NodeError> {
        let mut pass = self.running_pass()?;
        self.shared.writer.lock().engine.end_pass(REMOTE_SLOT, complete);
        let completed_to = if complete { Some(pass.keys_to) } else { pass.completed_to };
        *pass = RemotePass { completed_to, ..RemotePass::default() };
        Ok(())
    }

    fn running_pass(&self) -> Result<MutexGuard<'_, RemotePass>, NodeError> {
        let pass = self.shared.remote.lock();
        if pass.running {
            return Ok(pass);
        }
        Err(NodeError::Refused("no snapshot pass is under way; begin one first".into()))
    }

    /// Give `visit` the durable records from the frame of `first_seq` on, in order: the seq of a
    /// frame's first record, its stamp in microseconds UTC, and its records. `false` ends it.
    ///
    /// # Errors
    /// `Refused` if the journal does not reach back so far; `Corrupt`, `Io`.
    pub fn read_records(
        &self,
        first_seq: u64,
        mut visit: impl FnMut(u64, i64, &[u8]) -> bool,
    ) -> Result<(), NodeError> {
        let last_seq = self.durable_seq();
        if first_seq > last_seq {
            return Ok(());
        }
        let disk = Arc::clone(&self.shared.environment.disk);
        let mut journal = JournalReader::open_at(disk, self.shared.meta.store_id, first_seq)?;
        while let Some((frame, body)) = journal.next(last_seq)? {
            if !visit(frame.first_seq, frame.stamp_us, body) {
                break;
            }
        }
        Ok(())
    }
}

/// A global image as handed out.
pub(crate) fn closed_global(store_key: [u8; 16], image: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(GLOBAL_HEADER_BYTES + image.len());
    bytes.extend_from_slice(&GLOBAL_MAGIC);
    bytes.extend_from_slice(&GLOBAL_VERSION.to_le_bytes());
    bytes.extend_from_slice(&store_key);
    bytes.extend_from_slice(image);
    bytes
}

/// Store key and engine's image out of a global image as handed out; `None` if it is none.
pub(crate) fn open_global(bytes: &[u8]) -> Option<([u8; 16], &[u8])> {
    let fits = bytes.len() >= GLOBAL_HEADER_BYTES
        && bytes[..4] == GLOBAL_MAGIC
        && u32::from_le_bytes(array(bytes, 4)) == GLOBAL_VERSION;
    fits.then(|| (array(bytes, 8), &bytes[GLOBAL_HEADER_BYTES..]))
}
