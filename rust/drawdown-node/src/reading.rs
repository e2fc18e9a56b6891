//! Reading the state, and the time it is read at: what an answer has to wait for.

use crate::error::SubmitError;
use crate::node::Node;
use drawdown_core::Engine;

impl Node {
    /// Read the applied state at the stamp of now, for use in this process.
    ///
    /// # Errors
    /// `Halted` once the engine has failed: its state is then not to be trusted.
    pub fn read<R>(&self, read: impl FnOnce(&Engine, i64) -> R) -> Result<R, SubmitError> {
        self.read_at(read).map(|(_, shown)| shown)
    }

    /// `read`, and the seq to wait for before what was read leaves the process: of the state, and of the
    /// stamp at which something in it ended or began. While nothing can be written (a full disk, a close)
    /// such a stamp is not kept: a kill and a clock set back may then bring back what ended meanwhile.
    ///
    /// # Errors
    /// As `read`.
    pub fn read_at<R>(&self, read: impl FnOnce(&Engine, i64) -> R) -> Result<(u64, R), SubmitError> {
        let mut writer = self.shared.writer.lock();
        if self.shared.progress.is_stopped() {
            return Err(self.shared.halted_error());
        }
        let stamp_us = writer.stamps.stamp(self.shared.environment.clock.read());
        let shown = read(&writer.engine, stamp_us);
        if !writer.closing && !self.shared.supply.is_short() {
            writer.keep_lived(stamp_us);
        }
        let seq = writer.applied_seq();
        self.shared.release(writer);
        Ok((seq, shown))
    }

    /// The stamp of now; nothing is written. It is at or above every stamp told before by this node.
    ///
    /// # Errors
    /// As `read`.
    pub fn now_us(&self) -> Result<i64, SubmitError> {
        self.read(|engine, stamp_us| stamp_us.max(engine.stamp()))
    }

    /// The stamp of now, and the seq from whose durability on no restart goes back behind it. For work
    /// whose results are kept elsewhere.
    ///
    /// # Errors
    /// As `submit`.
    pub fn keep_now(&self) -> Result<(u64, i64), SubmitError> {
        self.shared.change(|engine, stamp_us, journal| {
            engine.keep_stamp(stamp_us, journal);
            engine.stamp()
        })
    }
}
