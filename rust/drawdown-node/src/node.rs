//! The node: one engine, its journal, and the threads between them.

use crate::checkpointer::Checkpointer;
use crate::commit::Committer;
use crate::environment::{Drive, Environment};
use crate::error::{Fatal, NodeError, SubmitError};
use crate::fork::{Birthplace, Running};
use crate::ledger_indexer::Indexed;
use crate::meta::{Meta, StoreId};
use crate::progress::Progress;
use crate::recovery::{self, RecoveryReport};
use crate::remote_pass::RemotePass;
use crate::settings::NodeSettings;
use crate::stats::{Counters, NodeStats};
use crate::supply::SegmentSupply;
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{AtomicU64, Condvar, Mutex, MutexGuard};
use crate::threads;
use crate::writer::Writer;
use drawdown_core::Changed;
use drawdown_core::{Command, CommandOutcome, Engine, Expired, OutcomeSink, Rights, Settings, UsageEvent};
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Shared {
    pub(crate) environment: Environment,
    pub(crate) settings: NodeSettings,
    pub(crate) drive: Drive,
    /// As the opening wrote it.
    pub(crate) meta: Meta,
    /// Where the journal begins: `meta.first_seq`, until older segments are let go.
    pub(crate) first_kept_seq: AtomicU64,
    pub(crate) writer: Mutex<Writer>,
    /// Wakes the commit thread; goes with `writer`.
    pub(crate) work: Condvar,
    pub(crate) committer: Mutex<Committer>,
    pub(crate) supply: Arc<SegmentSupply>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) checkpointer: Mutex<Checkpointer>,
    pub(crate) checkpoint_status: Mutex<crate::checkpointer::CheckpointStatus>,
    pub(crate) remote: Mutex<RemotePass>,
    /// What is known of the segments' indexes; held while one is made.
    pub(crate) indexed: Mutex<Indexed>,
    pub(crate) halted: Mutex<Option<Fatal>>,
}

impl Shared {
    /// Stop for good: nothing is answered any more.
    pub(crate) fn halt(&self, fatal: Fatal) {
        {
            let mut halted = self.halted.lock();
            if halted.is_some() {
                return;
            }
            *halted = Some(fatal.clone());
        }
        self.progress.stop();
        (self.environment.on_fatal)(&fatal);
    }

    pub(crate) fn halted_error(&self) -> SubmitError {
        let halted = self.halted.lock();
        SubmitError::Halted(
            halted.as_ref().map_or_else(|| "it was closed; open the folder again".into(), |fatal| fatal.what.clone()),
        )
    }

    /// What may wait for the disk when usage is taken: as much as drains in time. Commands may
    /// use all of `pending_bytes_max`, so that a grant is not shed where usage is.
    pub(crate) fn usage_bytes_max(&self, writer: &Writer) -> u64 {
        match self.drive {
            Drive::Threads => writer.drain.queue_bytes_max(self.settings.pending_bytes_max),
            // Bounds that hang on how fast this machine is would make no two runs the same.
            Drive::Steps => self.settings.pending_bytes_max,
        }
    }

    /// Enter the writer to change something, unless more bytes than `waiting_max` wait for the disk.
    fn admit(&self, waiting_max: impl FnOnce(&Writer) -> u64) -> Result<MutexGuard<'_, Writer>, SubmitError> {
        let writer = self.writer.lock();
        if writer.closing || self.progress.is_stopped() {
            return Err(self.halted_error());
        }
        if self.supply.is_short() {
            let why = self.supply.shortage().unwrap_or_else(|| "the disk is full".into());
            return Err(SubmitError::ReadOnly(why));
        }
        let limit_bytes = waiting_max(&writer);
        if writer.pending_bytes >= limit_bytes {
            return Err(SubmitError::Overloaded { pending_bytes: writer.pending_bytes, limit_bytes });
        }
        Ok(writer)
    }

    /// One change: stamp, engine, records into the open group. Returns the seq to wait for.
    pub(crate) fn change<R>(
        &self,
        change: impl FnOnce(&mut Engine, i64, &mut Vec<u8>) -> R,
    ) -> Result<(u64, R), SubmitError> {
        self.change_in(self.admit(|_| self.settings.pending_bytes_max)?, change)
    }

    /// `change` for usage, which is shed before commands are.
    fn change_by_usage<R>(
        &self,
        change: impl FnOnce(&mut Engine, i64, &mut Vec<u8>) -> R,
    ) -> Result<(u64, R), SubmitError> {
        self.change_in(self.admit(|writer| self.usage_bytes_max(writer))?, change)
    }

    fn change_in<R>(
        &self,
        mut writer: MutexGuard<'_, Writer>,
        change: impl FnOnce(&mut Engine, i64, &mut Vec<u8>) -> R,
    ) -> Result<(u64, R), SubmitError> {
        let stamp_us = writer.stamps.stamp(self.environment.clock.read());
        let changed = catch_unwind(AssertUnwindSafe(|| {
            writer.append(stamp_us, |engine, journal| change(engine, stamp_us, journal))
        }));
        let result = match changed {
            Ok(result) => result,
            Err(panic) => {
                writer.closing = true;
                // Half a change must never reach the journal, not even by a group already due.
                writer.open.drop_unnoted();
                drop(writer);
                let what = format!("the engine failed an assertion: {}", panic_text(&*panic));
                self.halt(Fatal { exit_code: Fatal::PANIC, what });
                return Err(self.halted_error());
            }
        };
        let seq = writer.applied_seq();
        self.release(writer);
        Ok((seq, result))
    }

    /// Ids that recovery under smaller settings forgot are behind a journaled floor before anything is asked
    /// of this node: images and key runs that leave it say so too.
    fn keep_floor(&self) -> Result<(), NodeError> {
        if !self.writer.lock().engine.has_forgotten() {
            return Ok(());
        }
        let kept = self.change(|engine, stamp_us, journal| engine.keep_floor(stamp_us, journal));
        kept.map(|_| ()).map_err(|error| {
            let what =
                format!("smaller settings raise the floor of event ids, which could not be written down: {error}");
            NodeError::Refused(what)
        })
    }

    /// Leave the writer, and wake the commit thread if there is something for it.
    pub(crate) fn release(&self, mut writer: MutexGuard<'_, Writer>) {
        if writer.committer_waits && writer.pending_bytes > 0 {
            writer.committer_waits = false;
            drop(writer);
            self.work.notify_one();
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "(no text)".into())
}

/// The engine with its journal in one folder. Every method may be called from any thread.
///
/// Dropping it without `close` stops the threads and leaves the rest to the next recovery.
///
/// In a process that was forked from the one that opened it nothing may be asked of it but `is_here`; a close
/// or a drop does nothing there.
pub struct Node {
    pub(crate) shared: Arc<Shared>,
    birthplace: Birthplace,
    /// While there are threads.
    running: Mutex<Option<Running>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    report: RecoveryReport,
    pub(crate) lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

impl Node {
    /// Lock the folder, recover, and be ready; an absent or empty folder becomes a new store.
    ///
    /// # Errors
    /// `FolderLocked`, `Corrupt` (nothing was changed), `Refused` (a setting), `Io`.
    pub fn open(folder: impl Into<PathBuf>, settings: NodeSettings, engine: Settings) -> Result<Node, NodeError> {
        Node::open_in(Environment::real(folder)?, settings, engine, Drive::Threads)
    }

    /// `open` on a disk and clocks of the caller's choice.
    pub fn open_in(
        environment: Environment,
        settings: NodeSettings,
        engine: Settings,
        drive: Drive,
    ) -> Result<Node, NodeError> {
        settings.validate()?;
        engine.validate().map_err(NodeError::Refused)?;
        let birthplace = Birthplace::here()?;
        let disk = Arc::clone(&environment.disk);
        let lock = disk.lock().map_err(NodeError::io("lock the data folder"))?;
        let lock = lock.or_else(|| cfg!(feature = "planted-second-engine").then(|| Box::new(()) as _));
        let lock = lock.ok_or_else(|| NodeError::FolderLocked { folder: disk.name() })?;
        let recovered = recovery::recover(&environment, engine, settings.accept_clock)?;
        let report = recovered.report.clone();
        let shared = recovered.into_shared(environment, settings, drive)?;
        shared.keep_floor()?;
        let running = (drive == Drive::Threads).then(|| Running::begin(birthplace));
        let node = Node {
            shared,
            birthplace,
            running: Mutex::new(running),
            threads: Mutex::new(Vec::new()),
            report,
            lock: Mutex::new(Some(lock)),
        };
        if drive == Drive::Threads {
            // Those that did start end with the node, before the folder is unlocked.
            threads::start(&node.shared, &mut node.threads.lock()).map_err(NodeError::io("start a thread"))?;
        }
        Ok(node)
    }

    /// Whether this is the process that opened it, and not one forked from that.
    pub fn is_here(&self) -> bool {
        self.birthplace.is_here()
    }

    /// What opening found and did.
    pub fn report(&self) -> &RecoveryReport {
        &self.report
    }

    pub fn store_id(&self) -> StoreId {
        self.shared.meta.store_id
    }

    pub fn epoch(&self) -> u64 {
        self.shared.meta.epoch
    }

    /// Decide and apply a batch; outcomes go to `sink` in order. They may be answered once
    /// `acknowledged_seq()` has reached the returned seq.
    ///
    /// # Errors
    /// `Overloaded`, `ReadOnly`, `Shed`: nothing applied, retry later with the same ids.
    /// `Halted`: unknown.
    pub fn submit<S: OutcomeSink>(
        &self,
        events: &[UsageEvent<'_>],
        rights: &Rights<'_>,
        sink: &mut S,
    ) -> Result<u64, SubmitError> {
        let (seq, recorded) = self.shared.change_by_usage(|engine, stamp_us, journal| {
            engine.record_batch(events, stamp_us, rights, journal, sink)
        })?;
        match recorded {
            Ok(()) => Ok(seq),
            Err(_) => Err(SubmitError::Shed(
                "the event ids of guaranteed_window_s and one dedupe_bucket_s fill dedupe_budget_bytes: raise \
                 that one, or send more slowly; nothing applied, retry later with the same ids"
                    .into(),
            )),
        }
    }

    /// Apply one atomic group of commands; one outcome per command.
    ///
    /// # Errors
    /// As `submit`.
    pub fn execute(&self, group: &[Command], rights: &Rights<'_>) -> Result<(u64, Vec<CommandOutcome>), SubmitError> {
        if group.iter().any(|command| matches!(command, Command::Correct(_))) {
            return self.execute_corrections(group, rights);
        }
        self.shared.change(|engine, stamp_us, journal| engine.execute(group, stamp_us, rights, journal))
    }

    /// Book breakage of at most `max_grants` due grants.
    ///
    /// # Errors
    /// As `submit`.
    pub fn expire_due(&self, max_grants: u32) -> Result<(u64, Expired), SubmitError> {
        self.shared.change(|engine, stamp_us, journal| engine.expire_due(stamp_us, max_grants, journal))
    }

    /// Tell of changes of this account by `take_changed`, until `unwatch`. Nothing is written for it.
    pub fn watch(&self, account_id: &str) {
        self.shared.writer.lock().engine.watch(account_id);
    }

    /// Tell no more.
    pub fn unwatch(&self, account_id: &str) {
        self.shared.writer.lock().engine.unwatch(account_id);
    }

    /// Watched accounts that changed since the last call; the changes may not be durable yet.
    pub fn take_changed(&self) -> Changed {
        self.shared.writer.lock().engine.take_changed()
    }

    /// Position of the newest applied record; it may not be durable yet.
    pub fn applied_seq(&self) -> u64 {
        self.shared.writer.lock().applied_seq()
    }

    /// Everything up to here survives power loss.
    pub fn durable_seq(&self) -> u64 {
        self.shared.progress.durable()
    }

    /// Everything up to here may be answered: durable under the policy `always`, else written.
    pub fn acknowledged_seq(&self) -> u64 {
        self.shared.progress.acknowledged()
    }

    /// Block until `acknowledged_seq() >= seq`; false on time-out or when the node has stopped.
    pub fn wait_durable(&self, seq: u64, timeout: Duration) -> bool {
        self.await_progress(timeout, |progress| progress.acknowledged() >= seq)
    }

    pub(crate) fn await_progress(&self, timeout: Duration, reached: impl Fn(&Progress) -> bool) -> bool {
        threads::await_progress(&self.shared, timeout, reached)
    }

    /// An eventfd written once after each group that may be answered, and when the node stops.
    /// It belongs to the node.
    pub fn notify_fd(&self) -> RawFd {
        self.shared.progress.descriptor()
    }

    /// Follow the wall clock as it is now, after a step that was held (`stats().clock_held_us`).
    pub fn accept_clock(&self) {
        let reading = self.shared.environment.clock.read();
        self.shared.writer.lock().stamps.accept(reading);
    }

    /// Write one waiting group, if there is one; only for `Drive::Steps`. Whether it wrote.
    pub fn step_commit(&self) -> bool {
        threads::commit_next(&self.shared)
    }

    /// Write a seal if the last frame is none; only for `Drive::Steps`.
    pub fn step_seal(&self) {
        threads::seal(&self.shared);
    }

    /// Make one segment ahead; only for `Drive::Steps`.
    pub fn step_prepare(&self) {
        let _ = self.shared.supply.refill(|| {});
    }

    /// Counters and gauges of now.
    pub fn stats(&self) -> NodeStats {
        NodeStats::of(&self.shared)
    }

    /// Write a local checkpoint now; afterwards it is durable and verified. Returns the seq behind
    /// which replay would start.
    ///
    /// # Errors
    /// `Io`: the checkpoint is missing, the journal is not; a retry may help.
    pub fn checkpoint(&self) -> Result<u64, NodeError> {
        crate::checkpointer::run(&self.shared)
    }

    pub(crate) fn stop_threads(&self) {
        self.shared.progress.stop();
        drop(self.shared.writer.lock());
        self.shared.work.notify_all();
        let current = thread::current().id();
        for thread in self.threads.lock().drain(..) {
            thread.thread().unpark();
            if thread.thread().id() != current {
                // A thread that panicked has nothing left to give back.
                let _ = thread.join();
            }
        }
        *self.running.lock() = None;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.is_here() {
            self.stop_threads();
        }
    }
}
