//! The end of a node: what is written last, and in which order.

use crate::environment::Drive;
use crate::error::NodeError;
use crate::meta::Meta;
use crate::node::Node;
use crate::supply::with_ballast;
use crate::threads;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// A close looks so often whether the disk has come, and on a full one so often.
const CLOSE_LOOK: Duration = Duration::from_secs(1);
const CLOSE_LOOKS: u32 = 60;
const CLOSE_LOOKS_WITHOUT_ROOM: u32 = 3;

impl Node {
    /// Flush, write a checkpoint if the settings want it, leave the digest, unlock. Idempotent.
    ///
    /// # Errors
    /// `Io`, `Refused`: not everything could be made durable; the next opening recovers.
    pub fn close(&self) -> Result<(), NodeError> {
        if !self.is_here() {
            return Ok(());
        }
        let mut lock = self.lock.lock();
        if lock.is_none() {
            return Ok(());
        }
        self.shared.writer.lock().closing = true;
        let done = self.finish();
        self.stop_threads();
        self.shared.supply.discard();
        *lock = None;
        done
    }

    fn finish(&self) -> Result<(), NodeError> {
        let refused = |what: &str| NodeError::Refused(format!("closed, but {what}; the next opening recovers"));
        let applied = self.applied_seq();
        if !self.await_written(applied) {
            let why = self.shared.supply.shortage().map_or_else(String::new, |shortage| format!(": {shortage}"));
            return Err(refused(&format!("not every record reached the disk{why}")));
        }
        let disk = &*self.shared.environment.disk;
        if self.shared.supply.is_short() {
            // Nothing is written into them any more, and what follows needs room.
            self.shared.supply.discard();
        }
        // Without a checkpoint the next start only takes longer.
        let wants_checkpoint = self.shared.settings.checkpoint_on_close;
        let checkpoint = if wants_checkpoint { with_ballast(disk, || self.checkpoint().map(|_| ())) } else { Ok(()) };
        threads::write_digest(&self.shared)?;
        let first_seq = self.shared.first_kept_seq.load(SeqCst);
        let meta = Meta { durable_seq: applied, first_seq, ..self.shared.meta.clone() };
        with_ballast(disk, || meta.write(disk).map_err(NodeError::io("write META")))?;
        checkpoint
    }

    /// Whether the journal reaches `applied`; on a full disk that is known soon.
    fn await_written(&self, applied: u64) -> bool {
        let looks = if self.shared.drive == Drive::Threads { CLOSE_LOOKS } else { 1 };
        for look in 1..=looks {
            if self.await_progress(CLOSE_LOOK, |progress| progress.written() >= applied) {
                return true;
            }
            let is_without_room = self.shared.supply.is_short() && look >= CLOSE_LOOKS_WITHOUT_ROOM;
            if is_without_room || self.shared.progress.is_stopped() {
                return false;
            }
        }
        false
    }
}
