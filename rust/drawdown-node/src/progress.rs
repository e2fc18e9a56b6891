//! How far the journal has come, and whoever waits for it.

use crate::os;
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Condvar, Instant, Mutex};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// Positions of the journal. `durable ≤ written`, and answers may go out up to `acknowledged`:
/// durable under the policy `always`, else written.
pub(crate) struct Progress {
    written: AtomicU64,
    durable: AtomicU64,
    acknowledged: AtomicU64,
    stopped: AtomicBool,
    waiting: AtomicUsize,
    gate: Mutex<()>,
    moved: Condvar,
    notify: File,
}

impl Progress {
    pub(crate) fn new(seq: u64) -> io::Result<Progress> {
        Ok(Progress {
            written: AtomicU64::new(seq),
            durable: AtomicU64::new(seq),
            acknowledged: AtomicU64::new(seq),
            stopped: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            gate: Mutex::new(()),
            moved: Condvar::new(),
            notify: os::eventfd()?,
        })
    }

    pub(crate) fn written(&self) -> u64 {
        self.written.load(SeqCst)
    }

    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(SeqCst)
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(SeqCst)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(SeqCst)
    }

    pub(crate) fn descriptor(&self) -> RawFd {
        self.notify.as_raw_fd()
    }

    #[cfg(all(test, feature = "hand-offs"))]
    pub(crate) fn notifier(&self) -> std::os::fd::BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.notify)
    }

    /// Move on and wake everybody whose seq is reached; one eventfd write per call that moves
    /// what may be answered.
    pub(crate) fn publish(&self, written: u64, durable: u64, acknowledged: u64) {
        assert!(durable <= written && acknowledged <= written, "published more than was written");
        let is_told_first = cfg!(feature = "planted-told-before-moved");
        if is_told_first {
            self.signal();
        }
        self.written.store(written, SeqCst);
        let durable_before = self.durable.swap(durable, SeqCst);
        let before = self.acknowledged.swap(acknowledged, SeqCst);
        assert!(before <= acknowledged && durable_before <= durable, "the journal moved backwards");
        if is_told_first {
            return;
        }
        if before < acknowledged {
            self.signal();
        } else if durable_before < durable {
            self.wake();
        }
    }

    /// Nothing will move any more: wake everybody.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, SeqCst);
        self.signal();
    }

    fn wake(&self) {
        // A waiter counts itself before it looks, so either we see it or it sees our store.
        if self.waiting.load(SeqCst) > 0 {
            if !cfg!(feature = "planted-woken-without-gate") {
                drop(self.gate.lock());
            }
            self.moved.notify_all();
        }
    }

    fn signal(&self) {
        self.wake();
        // Full counter: the reader has not looked for 2^64 groups; it will see the next one.
        let _ = (&self.notify).write(&1_u64.to_ne_bytes());
    }

    /// Wait until `reached()`; false on time-out or when the node stopped before.
    pub(crate) fn wait(&self, timeout: Duration, reached: impl Fn(&Progress) -> bool) -> bool {
        if reached(self) {
            return true;
        }
        let deadline = Instant::now().checked_add(timeout);
        self.waiting.fetch_add(1, SeqCst);
        let mut guard = self.gate.lock();
        while !reached(self) && !self.is_stopped() {
            match deadline {
                Some(deadline) => {
                    if self.moved.wait_until(&mut guard, deadline).timed_out() {
                        break;
                    }
                }
                None => self.moved.wait(&mut guard),
            }
        }
        drop(guard);
        self.waiting.fetch_sub(1, SeqCst);
        reached(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn waiters_wake_at_their_seq_and_at_the_stop() {
        let progress = Arc::new(Progress::new(0).unwrap());
        let waiters: Vec<_> = [1, 2, 9]
            .map(|seq| {
                let progress = Arc::clone(&progress);
                std::thread::spawn(move || progress.wait(Duration::from_secs(20), |p| p.acknowledged() >= seq))
            })
            .into();
        progress.publish(1, 1, 1);
        progress.publish(2, 2, 2);
        progress.stop();
        let woken: Vec<bool> = waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect();
        assert_eq!([true, true, false], woken[..]);
        assert!(!progress.wait(Duration::from_millis(1), |p| p.acknowledged() >= 3));
    }
}
