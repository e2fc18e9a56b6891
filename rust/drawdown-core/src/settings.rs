//! What shapes the engine's answers and memory; stored with the folder's options.

use serde::{Deserialize, Serialize};

const MINUTE_US: i64 = 60_000_000;

/// Engine settings. Times in microseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Events dated before received_at − this are `TOO_LATE`. Default 35 days.
    pub dedupe_window_us: i64,
    /// The key budget never lifts the floor past received_at − this; then new events are shed.
    pub guaranteed_window_us: i64,
    /// Keys are forgotten in buckets of event time this wide.
    pub dedupe_bucket_us: i64,
    /// Memory for remembered event ids.
    pub dedupe_budget_bytes: usize,
    /// An event further ahead than this is `TOO_EARLY`.
    pub early_margin_us: i64,
    /// A grant expired since still pays for usage dated before, for this long after its end.
    pub late_grace_us: i64,
    /// Open reservations an account may have; one more is `LIMIT_REACHED`.
    pub reservations_max: u32,
    /// Values one counter of a `unique` meter tells apart in a period; the next is `OVERFLOW`.
    pub unique_values_max: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            dedupe_window_us: 35 * 24 * 60 * MINUTE_US,
            guaranteed_window_us: 30_000_000,
            dedupe_bucket_us: MINUTE_US,
            dedupe_budget_bytes: 1 << 30,
            early_margin_us: 5 * MINUTE_US,
            late_grace_us: 60 * MINUTE_US,
            reservations_max: 1_000,
            unique_values_max: 65_536,
        }
    }
}

/// Live time buckets the key table can tell apart.
const BUCKETS_MAX: i64 = 59_000;

/// As many whole units of any scale fit 64 bits, and an image of them one message.
const UNIQUE_VALUES_END: usize = 1_000_000;

impl Settings {
    /// The least floor at `now`: the bucket edge at or above now − window, never before 1970.
    pub fn floor_at(&self, now: i64) -> i64 {
        let lowest = (now - self.dedupe_window_us).max(0);
        let past_edge = lowest.rem_euclid(self.dedupe_bucket_us);
        if past_edge == 0 { lowest } else { lowest - past_edge + self.dedupe_bucket_us }
    }

    /// # Errors
    /// Names the setting and the relation it breaks.
    pub fn validate(&self) -> Result<(), String> {
        if self.dedupe_bucket_us < 1_000_000 {
            return Err(format!("dedupe_bucket_us is {}, the least is 1000000 (1 s)", self.dedupe_bucket_us));
        }
        for (name, value) in [
            ("guaranteed_window_us", self.guaranteed_window_us),
            ("early_margin_us", self.early_margin_us),
            ("late_grace_us", self.late_grace_us),
        ] {
            if value < 0 {
                return Err(format!("{name} is {value}; it can't be negative"));
            }
        }
        if self.guaranteed_window_us > self.dedupe_window_us {
            return Err(format!(
                "guaranteed_window_us ({}) is more than dedupe_window_us ({})",
                self.guaranteed_window_us, self.dedupe_window_us
            ));
        }
        if self.dedupe_window_us < self.dedupe_bucket_us {
            return Err(format!(
                "dedupe_window_us ({}) is less than dedupe_bucket_us ({})",
                self.dedupe_window_us, self.dedupe_bucket_us
            ));
        }
        let buckets = (self.dedupe_window_us + self.early_margin_us) / self.dedupe_bucket_us + 2;
        if buckets > BUCKETS_MAX {
            return Err(format!(
                "dedupe_window_us / dedupe_bucket_us makes {buckets} time buckets, at most {BUCKETS_MAX}: widen dedupe_bucket_us"
            ));
        }
        if !(1..=UNIQUE_VALUES_END).contains(&self.unique_values_max) {
            return Err(format!(
                "unique_values_max is {}, it goes from 1 to {UNIQUE_VALUES_END}",
                self.unique_values_max
            ));
        }
        if self.dedupe_budget_bytes < 4 << 20 {
            return Err(format!("dedupe_budget_bytes is {}, the least is {}", self.dedupe_budget_bytes, 4 << 20));
        }
        Ok(())
    }
}
