//! The commit thread, the segment helper and the checkpoint thread, and their single steps.

use crate::commit::CommitError;
use crate::environment::Drive;
use crate::error::NodeError;
use crate::faults;
use crate::frame::FrameKind;
use crate::ledger_indexer::index_next;
use crate::node::Shared;
use crate::progress::Progress;
use crate::sync::Instant;
use crate::sync::thread::{self, JoinHandle};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How often the helper looks for segments to make, and retries on a full disk.
const REFILL_EVERY: Duration = Duration::from_millis(20);
const REFILL_RETRY: Duration = Duration::from_millis(500);
/// The helper leaves the disk to the journal this long between its writes.
const REFILL_PAUSE: Duration = Duration::from_micros(200);
/// How often the checkpoint thread looks whether one is due, and waits after a failure.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(200);
const CHECKPOINT_RETRY: Duration = Duration::from_secs(10);

/// How often the index thread looks for a closed segment without an index.
const INDEX_EVERY: Duration = Duration::from_secs(1);
/// It rests so many times as long as it worked, or not at all while hardly anything is written.
const INDEX_REST: u32 = 49;
const IDLE_BYTES: u64 = 256 << 10;

/// Add the node's threads to `threads`.
///
/// # Errors
/// One could not be started: those before it run, and are the caller's to end.
pub(crate) fn start(shared: &Arc<Shared>, threads: &mut Vec<JoinHandle<()>>) -> io::Result<()> {
    type Loop = (&'static str, fn(&Shared));
    let mut loops: Vec<Loop> =
        vec![("commit", commit_loop), ("segments", refill_loop), ("checkpoint", checkpoint_loop)];
    if shared.settings.index_in_background {
        loops.push(("index", index_loop));
    }
    for (name, run) in loops {
        let shared = Arc::clone(shared);
        faults::point("thread-start")?;
        threads.push(thread::Builder::new().name(format!("drawdown-{name}")).spawn(move || run(&shared))?);
    }
    Ok(())
}

fn commit_loop(shared: &Shared) {
    while !shared.progress.is_stopped() {
        if !commit_next(shared) {
            wait_for_work(shared);
        }
    }
}

/// Sleep until there is a group, the stop, or a sync or seal is due; do what is due.
fn wait_for_work(shared: &Shared) {
    // Before the writer's lock: everywhere else the committer's comes first.
    let (sealed, sync_due) = {
        let committer = shared.committer.lock();
        (committer.is_sealed(), committer.sync_due_in())
    };
    let mut writer = shared.writer.lock();
    if writer.pending_bytes > 0 || shared.progress.is_stopped() {
        return;
    }
    if cfg!(feature = "planted-sleep-after-look") {
        drop(writer);
        writer = shared.writer.lock();
    }
    writer.committer_waits = true;
    let seal_due = (!sealed).then(|| Duration::from_millis(shared.settings.seal_idle_ms.into()));
    let due = [seal_due, sync_due].into_iter().flatten().min();
    let timed_out = match due {
        Some(due) => shared.work.wait_for(&mut writer, due).timed_out(),
        None => {
            shared.work.wait(&mut writer);
            false
        }
    };
    writer.committer_waits = false;
    if !timed_out || writer.pending_bytes > 0 {
        return;
    }
    drop(writer);
    // Something was due, or nobody would have been timed out.
    if sync_due == due {
        sync_now(shared);
    } else {
        seal(shared);
    }
}

/// Write the oldest waiting group. Whether there was one that could be written.
pub(crate) fn commit_next(shared: &Shared) -> bool {
    // The committer first: groups must be written in the order they are taken.
    let mut committer = shared.committer.lock();
    let Some(mut group) = shared.writer.lock().take_group() else { return false };
    let record_bytes = group.body_bytes();
    let begun = Instant::now();
    let committed = committer.commit(&mut group);
    let took = begun.elapsed();
    drop(committer);
    let is_short = matches!(committed, Err(CommitError::NoSpace));
    {
        let mut writer = shared.writer.lock();
        if is_short {
            writer.put_back(group);
        } else {
            writer.give_back(group, record_bytes);
            let backlog = writer.pending_bytes > 0;
            writer.drain.observe(record_bytes, took, backlog);
        }
    }
    settle(shared, committed);
    if is_short && shared.drive == Drive::Threads {
        thread::park_timeout(REFILL_RETRY / 4);
    }
    !is_short
}

pub(crate) fn seal(shared: &Shared) {
    let mut committer = shared.committer.lock();
    if committer.is_sealed() {
        return;
    }
    let sealed = committer.write_seal();
    drop(committer);
    settle(shared, sealed);
}

/// Sync what is written now, whatever the policy.
pub(crate) fn sync_now(shared: &Shared) {
    let synced = shared.committer.lock().sync();
    settle(shared, synced);
}

/// The digest of a state that changes no more, unless the journal already ends in one.
pub(crate) fn write_digest(shared: &Shared) -> Result<(), NodeError> {
    let mut committer = shared.committer.lock();
    if committer.last_kind() == Some(FrameKind::Digest) {
        return Ok(());
    }
    let digest = shared.writer.lock().engine.digest();
    let written = committer.write_digest(digest);
    drop(committer);
    match settle(shared, written) {
        true => Ok(()),
        false => Err(NodeError::Refused("the journal could not be closed with its digest".into())),
    }
}

/// Halt on a fatal end; whether all went well.
fn settle(shared: &Shared, result: Result<(), CommitError>) -> bool {
    match result {
        Ok(()) => true,
        // The supply has taken note; admission refuses until there is room.
        Err(CommitError::NoSpace) => false,
        Err(CommitError::Fatal(fatal)) => {
            shared.halt(fatal);
            false
        }
    }
}

/// Wait for the journal, or move it on where nobody else does.
pub(crate) fn await_progress(shared: &Shared, timeout: Duration, reached: impl Fn(&Progress) -> bool) -> bool {
    if shared.drive == Drive::Steps {
        while !reached(&shared.progress) && !shared.progress.is_stopped() && commit_next(shared) {}
        if !reached(&shared.progress) && !shared.progress.is_stopped() {
            sync_now(shared);
        }
    }
    shared.progress.wait(if shared.drive == Drive::Steps { Duration::ZERO } else { timeout }, reached)
}

fn refill_loop(shared: &Shared) {
    let pause = || {
        if shared.supply.ready_count() > 0 {
            thread::sleep(REFILL_PAUSE);
        }
    };
    let mut wait = Duration::ZERO;
    while !shared.progress.is_stopped() {
        thread::park_timeout(wait);
        wait = match shared.supply.refill(pause) {
            Ok(true) => Duration::ZERO,
            Ok(false) => REFILL_EVERY,
            Err(_) => REFILL_RETRY,
        };
    }
}

fn checkpoint_loop(shared: &Shared) {
    let mut wait = CHECKPOINT_EVERY;
    while !shared.progress.is_stopped() {
        thread::park_timeout(wait);
        wait = CHECKPOINT_EVERY;
        let written = shared.counters.journal_bytes.load(Relaxed);
        if shared.checkpoint_status.lock().is_due(written, &shared.settings)
            && !shared.progress.is_stopped()
            && crate::checkpointer::run(shared).is_err()
        {
            wait = CHECKPOINT_RETRY;
        }
    }
}

/// Indexes of closed segments, so that a question finds them made. Questions make what they need
/// themselves: what fails here is tried again by them, and told to them.
fn index_loop(shared: &Shared) {
    let mut written = shared.counters.journal_bytes.load(Relaxed);
    let mut rest = INDEX_EVERY;
    while !shared.progress.is_stopped() {
        thread::park_timeout(rest);
        if shared.progress.is_stopped() {
            return;
        }
        let begun = Instant::now();
        let more = index_next(shared).is_ok_and(|progress| progress.indexed_segments < progress.closed_segments);
        let now = shared.counters.journal_bytes.load(Relaxed);
        let is_idle = now - written < IDLE_BYTES;
        written = now;
        rest = match (more, is_idle) {
            (true, true) => Duration::ZERO,
            (true, false) => begun.elapsed() * INDEX_REST,
            (false, _) => INDEX_EVERY,
        };
        rest = rest.max(Duration::from_millis(10));
    }
}
