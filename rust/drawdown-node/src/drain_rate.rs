//! How fast the disk takes records, and how many may therefore wait for it.

use std::time::Duration;

/// Usage admitted now should be durable within this.
const QUEUE_TIME: Duration = Duration::from_millis(50);
/// A bound below this would starve groups of records: a slow flush is shared by those that wait for it.
const QUEUE_BYTES_MIN: u64 = 1 << 20;
/// A new measurement moves the rate by a quarter of the difference.
const WEIGHT: i128 = 4;

/// Bytes of records per second that become durable while records wait.
#[derive(Debug, Default)]
pub(crate) struct DrainRate {
    /// 0: nothing measured yet.
    bytes_per_s: u64,
}

impl DrainRate {
    /// A group of `bytes` took `took` to write and sync; `backlog`: others waited behind it.
    ///
    /// A small group with nothing behind it says how long a flush takes, not how much it could
    /// have carried; it only counts where it was faster than what is known.
    pub(crate) fn observe(&mut self, bytes: u64, took: Duration, backlog: bool) {
        let nanoseconds = took.as_nanos().max(1);
        let sample = i128::from(bytes) * 1_000_000_000 / i128::try_from(nanoseconds).unwrap_or(i128::MAX);
        let known = i128::from(self.bytes_per_s);
        if sample <= known && !backlog {
            return;
        }
        let rate = if known == 0 { sample } else { known + (sample - known) / WEIGHT };
        self.bytes_per_s = u64::try_from(rate.max(1)).unwrap_or(u64::MAX);
    }

    pub(crate) fn bytes_per_s(&self) -> u64 {
        self.bytes_per_s
    }

    /// Bytes that may wait so that the last of them is durable in time; never above `most`.
    pub(crate) fn queue_bytes_max(&self, most: u64) -> u64 {
        if self.bytes_per_s == 0 {
            return most;
        }
        let in_time = u128::from(self.bytes_per_s) * QUEUE_TIME.as_millis() / 1_000;
        u64::try_from(in_time).unwrap_or(u64::MAX).max(QUEUE_BYTES_MIN).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u64 = 64 << 20;

    #[test]
    fn what_may_wait_follows_the_disk() {
        let mut rate = DrainRate::default();
        assert_eq!(MOST, rate.queue_bytes_max(MOST), "nothing is known yet");
        for _ in 0..40 {
            rate.observe(4 << 20, Duration::from_millis(10), true);
        }
        let fast = rate.queue_bytes_max(MOST);
        assert!((20 << 20..=22 << 20).contains(&fast), "400 MiB/s for 50 ms, not {fast}");
        for _ in 0..40 {
            rate.observe(4 << 20, Duration::from_millis(100), true);
        }
        let slow = rate.queue_bytes_max(MOST);
        assert!((2 << 20..=3 << 20).contains(&slow), "40 MiB/s for 50 ms, not {slow}");
    }

    #[test]
    fn small_groups_without_a_backlog_do_not_lower_it() {
        let mut rate = DrainRate::default();
        rate.observe(4 << 20, Duration::from_millis(10), true);
        let before = rate.bytes_per_s();
        rate.observe(100, Duration::from_millis(1), false);
        assert_eq!(before, rate.bytes_per_s());
        rate.observe(100, Duration::from_millis(1), true);
        assert!(rate.bytes_per_s() < before);
    }

    #[test]
    fn a_group_always_has_room_and_the_setting_is_never_passed() {
        let mut rate = DrainRate::default();
        rate.observe(1, Duration::from_secs(3), true);
        assert_eq!(QUEUE_BYTES_MIN, rate.queue_bytes_max(MOST));
        assert_eq!(16, rate.queue_bytes_max(16));
        rate.observe(u64::MAX, Duration::ZERO, true);
        assert_eq!(MOST, rate.queue_bytes_max(MOST));
    }
}
