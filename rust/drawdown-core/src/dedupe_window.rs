//! How far back events are taken and their ids remembered (semantics §5.6): the floor, and room
//! for keys. Forgotten implies refused: the floor rises before a key leaves.

use crate::account::Account;
use crate::apply::Misfit;
use crate::dedupe::{KeyRefused, KeyTable};
use crate::engine::Engine;
use crate::entry::{self, Control, FloorRaised};
use crate::record::Shed;
use crate::settings::Settings;

impl Engine {
    /// Stamp what follows, and raise the floor that time raises.
    pub(crate) fn begin(&mut self, stamp_us: i64, journal: &mut Vec<u8>) {
        self.stamp = if cfg!(feature = "planted-clock-steps-back") { stamp_us } else { self.stamp.max(stamp_us) };
        entry::put_stamp(journal, self.stamp);
        self.raise_floor(self.settings.floor_at(self.stamp).max(self.forgotten_below), journal);
    }

    /// Whether recovery has forgotten ids that the journaled floor says are known.
    pub fn has_forgotten(&self) -> bool {
        self.forgotten_below > self.floor
    }

    /// Write down the floor that recovery under smaller settings calls for.
    pub fn keep_floor(&mut self, stamp_us: i64, journal: &mut Vec<u8>) {
        self.begin(stamp_us, journal);
    }

    fn raise_floor(&mut self, floor: i64, journal: &mut Vec<u8>) {
        if floor > self.floor {
            self.emit(Control::FloorRaised(FloorRaised { floor }), journal);
        }
    }

    /// Have room for `n` more keys, lifting the floor if the budget is used up, but never past
    /// the guaranteed window.
    pub(crate) fn make_room(&mut self, n: usize, journal: &mut Vec<u8>) -> Result<(), Shed> {
        if self.keys.reserve(n).is_ok() {
            return Ok(());
        }
        let bucket = self.settings.dedupe_bucket_us;
        let highest = (self.stamp - self.settings.guaranteed_window_us).max(0).div_euclid(bucket);
        // Free a sixteenth at a time, so that the floor moves in few, visible steps: one, but for a table
        // that a recovery has filled to its last byte, which has to become sparser before it can shrink.
        let keys = (self.keys.capacity() / 16).max(n);
        loop {
            let wanted = i64::from(self.keys.oldest_bucket_to_free(keys));
            let lifted = wanted.min(highest) * bucket;
            let is_last = lifted <= self.floor || wanted >= highest;
            self.raise_floor(lifted, journal);
            if self.keys.reserve(n).is_ok() {
                return Ok(());
            }
            if is_last {
                return Err(Shed);
            }
        }
    }

    /// No record stamped before this instant holds a key at or above the floor.
    pub fn oldest_key_stamp(&self) -> i64 {
        self.floor.saturating_sub(self.ahead_us)
    }

    /// The same of when the stamp was `stamp_us`, if not earlier: a state of then has ids at or above its own floor.
    pub fn oldest_key_stamp_at(&self, stamp_us: i64) -> i64 {
        self.floor.min(self.settings.floor_at(stamp_us)).saturating_sub(self.ahead_us)
    }

    /// Event ids of records stamped until then are not all known: raise the floor over whatever
    /// time such a record can carry, and have the stamp follow: time stands still until the clock
    /// has come so far. Not journaled; for a state that begins a new journal.
    pub fn forget_stamped_until(&mut self, stamp_us: i64) {
        let newest = stamp_us.saturating_add(self.ahead_us);
        let bucket = self.settings.dedupe_bucket_us;
        let edge = newest.div_euclid(bucket).saturating_add(1).saturating_mul(bucket);
        self.set_floor(self.floor.max(edge));
        self.stamp = self.stamp.max(self.floor);
    }

    /// An event of this time is remembered at the present stamp.
    #[inline]
    pub(crate) fn note_ahead(&mut self, time: i64) {
        if time > self.stamp {
            self.ahead_us = self.ahead_us.max(time - self.stamp);
        }
    }

    #[inline]
    pub(crate) fn remember(&mut self, key: u128, fingerprint: u64, time: i64) -> Result<(), Misfit> {
        let bucket = time.div_euclid(self.settings.dedupe_bucket_us) as u32;
        let refused = match self.keys.insert(key, fingerprint, bucket) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        let lifted = lift_for(&self.keys, refused)?;
        self.forget_below(i64::from(lifted) * self.settings.dedupe_bucket_us);
        if lifted > bucket {
            return Ok(());
        }
        self.keys.insert(key, fingerprint, bucket).map_err(|refused| refused.to_string())
    }

    /// Recovery keeps no ids of events dated below `floor`. The floor itself stays as journaled until the
    /// next step: what settings make of it is no part of the state that digests are compared of.
    pub(crate) fn forget_below(&mut self, floor: i64) {
        self.forgotten_below = self.forgotten_below.max(floor);
        self.forget_keys_below(self.forgotten_below);
    }

    pub(crate) fn set_floor(&mut self, floor: i64) {
        self.floor = self.floor.max(floor);
        self.forget_keys_below(self.floor);
    }

    fn forget_keys_below(&mut self, floor: i64) {
        let bucket = floor.div_euclid(self.settings.dedupe_bucket_us) as u32;
        if bucket > self.keys.floor() {
            self.keys.set_floor(bucket);
        }
    }
}

/// The floor that makes room for a key that was refused; it may be above the key itself, which is
/// then forgotten too. Live traffic reserved its room; recovery under a smaller budget than the
/// journal was written with forgets the oldest keys, and the floor says so.
///
/// # Errors
/// No floor helps.
#[cold]
pub(crate) fn lift_for(keys: &KeyTable, refused: KeyRefused) -> Result<u32, Misfit> {
    match refused {
        KeyRefused::Full => Ok(keys.oldest_bucket_to_free(keys.capacity() / 16 + 1)),
        KeyRefused::BucketRange => Err(refused.to_string()),
    }
}

/// The floor of a test clock follows its time, as its entry says; keys below are forgotten. Entries that do
/// not say it are of a time when it was taken from the settings of whoever replays them.
///
/// # Errors
/// A floor above the clock.
pub(crate) fn raise_test_floor(
    account: &mut Account,
    journaled: Option<i64>,
    settings: &Settings,
) -> Result<(), Misfit> {
    let Some(clock) = account.extra.as_mut().and_then(|extra| extra.test_clock.as_mut()) else { return Ok(()) };
    let floor = journaled.unwrap_or_else(|| settings.floor_at(clock.now));
    if floor > clock.now {
        return Err(format!("the floor {floor} of a test clock that stands at {}", clock.now));
    }
    clock.floor = clock.floor.max(floor);
    let floor = clock.floor;
    clock.keys.retain(|_, (_, time)| *time >= floor);
    Ok(())
}
