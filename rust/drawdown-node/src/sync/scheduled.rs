//! The same parts under a scheduler that decides at each of them who goes on.
//!
//! The scheduler knows no time. A wait with an end may end early as often as the scenario allows
//! (`begin`), at moments of the scheduler's choice; after that it waits for ever. So a wake-up that
//! never comes is a deadlock, which the scheduler tells, and not a delay.

pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::time::Duration;

// One system thread runs all threads of a scenario, so these are the scenario's own.
std::thread_local! {
    static TIMEOUTS_LEFT: Cell<u32> = const { Cell::new(0) };
    static NOW_US: Cell<u64> = const { Cell::new(0) };
}

/// So many early ends that a thread may look again and again until another has done its part.
pub(crate) const WITHOUT_LIMIT: u32 = u32::MAX;

/// Begin a scenario: time starts anew, and so many waits may end before what they wait for.
pub(crate) fn begin(timeouts: u32) {
    TIMEOUTS_LEFT.set(timeouts);
    NOW_US.set(0);
}

/// A disk is slow: others go on meanwhile.
pub(crate) fn let_others_run() {
    shuttle::thread::sleep(Duration::ZERO);
}

/// Whether this wait is one of those that end early. What is allowed without limit always is.
fn may_time_out() -> bool {
    let left = TIMEOUTS_LEFT.get();
    if left > 0 && left < WITHOUT_LIMIT {
        TIMEOUTS_LEFT.set(left - 1);
    }
    left > 0
}

fn times_out() -> bool {
    use shuttle::rand::Rng;
    TIMEOUTS_LEFT.get() > 0 && shuttle::rand::thread_rng().r#gen::<bool>() && may_time_out()
}

/// A moment that comes a microsecond after the one asked for before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(Duration);

impl Instant {
    pub(crate) fn now() -> Instant {
        NOW_US.set(NOW_US.get() + 1);
        Instant(Duration::from_micros(NOW_US.get()))
    }

    pub(crate) fn elapsed(&self) -> Duration {
        Instant::now().0.saturating_sub(self.0)
    }

    pub(crate) fn checked_add(&self, by: Duration) -> Option<Instant> {
        self.0.checked_add(by).map(Instant)
    }
}

#[derive(Default)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

pub(crate) struct MutexGuard<'a, T> {
    lock: &'a Mutex<T>,
    /// Only while a wait has given it away there is none.
    held: Option<shuttle::sync::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Mutex<T> {
        Mutex(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        MutexGuard { lock: self, held: Some(held) }
    }
}

impl<T> MutexGuard<'_, T> {
    pub(crate) fn unlock_fair(guard: Self) {
        drop(guard);
    }
}

const HELD: &str = "a guard holds its lock";

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.held.as_ref().expect(HELD)
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_mut().expect(HELD)
    }
}

pub(crate) struct WaitEnded {
    timed_out: bool,
}

impl WaitEnded {
    pub(crate) fn timed_out(&self) -> bool {
        self.timed_out
    }
}

pub(crate) struct Condvar(shuttle::sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Condvar {
        Condvar(shuttle::sync::Condvar::new())
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let held = guard.held.take().expect(HELD);
        guard.held = Some(self.0.wait(held).unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _timeout: Duration) -> WaitEnded {
        let timed_out = times_out();
        if timed_out {
            drop(guard.held.take());
            shuttle::thread::yield_now();
            guard.held = guard.lock.lock().held.take();
        } else {
            self.wait(guard);
        }
        WaitEnded { timed_out }
    }

    pub(crate) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _deadline: Instant) -> WaitEnded {
        self.wait_for(guard, Duration::ZERO)
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

pub(crate) mod thread {
    pub(crate) use shuttle::thread::{Builder, JoinHandle, current, park, sleep, yield_now};
    use std::time::Duration;

    pub(crate) fn park_timeout(_timeout: Duration) {
        if super::may_time_out() { yield_now() } else { park() }
    }
}
