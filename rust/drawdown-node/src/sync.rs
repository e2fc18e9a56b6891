//! What threads of the node meet at: locks, wake-ups, shared numbers, threads and the time they wait.
//!
//! These are the real ones. Unit tests built with the feature `hand-offs` put those of a scheduler
//! in their place, so that `hand_offs` runs the same code through thousands of orders of events.
//! Whatever hands something from one thread to another takes its parts from here.

#[cfg(not(all(test, feature = "hand-offs")))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
#[cfg(not(all(test, feature = "hand-offs")))]
pub(crate) use std::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize},
    thread,
    time::Instant,
};

/// Called where a simulated disk is changed, which takes long: a place for the scheduler.
#[cfg(not(all(test, feature = "hand-offs")))]
pub(crate) fn let_others_run() {}

#[cfg(all(test, feature = "hand-offs"))]
pub(crate) mod scheduled;
#[cfg(all(test, feature = "hand-offs"))]
pub(crate) use scheduled::{
    AtomicBool, AtomicU64, AtomicUsize, Condvar, Instant, Mutex, MutexGuard, let_others_run, thread,
};

#[cfg(all(not(test), feature = "hand-offs"))]
compile_error!("the feature `hand-offs` is for this crate's unit tests alone: cargo test -p drawdown-node --lib");
