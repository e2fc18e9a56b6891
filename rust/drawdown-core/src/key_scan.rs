//! The dedupe window rebuilt from the journal: keys are read, entries are not applied.
//!
//! A checkpoint holds no event keys: those that still count stand in the journal behind it. Reading
//! only them is several times quicker than a replay, and it can go on beside the loading of
//! account images, which it has nothing in common with.

use crate::dedupe::{KeyRefused, KeyTable};
use crate::dedupe_window::lift_for;
use crate::engine::Engine;
use crate::entry::CorruptRecord;
use crate::key_run::{KeyExtractor, UsageKey};
use crate::record::STAGE;
use crate::settings::Settings;
use std::collections::HashSet;

const RING: usize = 32;
const _: () = assert!(RING > 2 * STAGE, "a key's place in the ring is free when its turn comes");

/// An engine's key table, away from it to be filled.
pub struct KeyScan {
    extractor: KeyExtractor,
    settings: Settings,
    /// They keep their keys in their own images.
    test_clocks: HashSet<u32>,
    keys: KeyTable,
    floor: i64,
    oldest_stamp: i64,
}

impl Engine {
    /// Besides what the scan finds, so many keys will come: room for them is made at once.
    pub fn expect_keys(&mut self, more: u64) {
        self.expected_keys = self.expected_keys.saturating_add(more);
    }

    /// Take the key table out for a scan. The shared image must be loaded, no account, entry or
    /// key run yet; `finish_key_scan` comes before any entry is applied.
    pub fn begin_key_scan(&mut self) -> KeyScan {
        // As the next batch would do. Under a window made smaller, what is behind it needs no place.
        self.forget_below(self.settings.floor_at(self.global_stamp));
        let away = KeyTable::new(self.settings.dedupe_budget_bytes);
        let mut keys = std::mem::replace(&mut self.keys, away);
        keys.expect(self.expected_keys);
        KeyScan {
            extractor: self.key_extractor(),
            settings: self.settings.clone(),
            test_clocks: self.test_clocks.iter().copied().collect(),
            keys,
            floor: self.floor_us(),
            oldest_stamp: self.floor_us().saturating_sub(self.ahead_us),
        }
    }

    /// Take the filled table back.
    pub fn finish_key_scan(&mut self, scan: KeyScan) {
        self.keys = scan.keys;
        self.forget_below(scan.floor);
    }
}

impl KeyScan {
    /// Journal stamped before this instant holds no key that is wanted.
    pub fn oldest_stamp(&self) -> i64 {
        self.oldest_stamp
    }

    /// Remember the keys of a journal body whose entries are all contained in the images that are
    /// loaded. Each entry must come once.
    ///
    /// # Errors
    /// Names the offset of a record that can't be read, or that does not fit the window.
    pub fn scan(&mut self, body: &[u8]) -> Result<(), CorruptRecord> {
        if cfg!(feature = "planted-keys-out-of-snapshots") {
            return Ok(());
        }
        let KeyScan { extractor, settings, test_clocks, keys, floor, .. } = self;
        let mut window = Window { is_each_new: true, ..Window::of_known(settings, keys, floor) };
        let mut refused = Ok(());
        extractor.each_key(body, 0, |_, usage| {
            let is_wanted = usage.time >= *window.floor;
            if !is_wanted || (!test_clocks.is_empty() && test_clocks.contains(&usage.account)) || refused.is_err() {
                return;
            }
            refused = window.take(usage);
        })?;
        refused.and_then(|()| window.drain()).map_err(|what| CorruptRecord { offset: 0, what })
    }
}

/// The table, and the keys on their way into it: while one is put in, memory fetches the slots of
/// those `STAGE` behind and the group lines of those twice as far.
pub(crate) struct Window<'a> {
    settings: &'a Settings,
    keys: &'a mut KeyTable,
    floor: &'a mut i64,
    ring: [UsageKey; RING],
    seen: usize,
    /// No key can be in the table already.
    is_each_new: bool,
}

impl<'a> Window<'a> {
    /// Over a table that may know some of the keys that come.
    pub(crate) fn of_known(settings: &'a Settings, keys: &'a mut KeyTable, floor: &'a mut i64) -> Window<'a> {
        Window { settings, keys, floor, ring: [UsageKey::default(); RING], seen: 0, is_each_new: false }
    }

    pub(crate) fn floor(&self) -> i64 {
        *self.floor
    }

    /// Keys below `floor` are forgotten from here on; a lower one changes nothing.
    pub(crate) fn raise_floor(&mut self, floor: i64) -> Result<(), String> {
        self.drain()?;
        self.seen = 0;
        *self.floor = (*self.floor).max(floor);
        self.keys.set_floor(self.floor.div_euclid(self.settings.dedupe_bucket_us) as u32);
        Ok(())
    }

    #[inline]
    pub(crate) fn take(&mut self, usage: UsageKey) -> Result<(), String> {
        self.keys.prefetch(usage.key);
        self.ring[self.seen % RING] = usage;
        if self.seen >= STAGE {
            self.keys.prefetch_slot(self.ring[(self.seen - STAGE) % RING].key);
        }
        let due = self.seen.checked_sub(2 * STAGE);
        self.seen += 1;
        due.map_or(Ok(()), |due| self.remember(due))
    }

    pub(crate) fn drain(&mut self) -> Result<(), String> {
        for left in self.seen.saturating_sub(2 * STAGE)..self.seen {
            self.remember(left)?;
        }
        Ok(())
    }

    #[inline]
    fn remember(&mut self, number: usize) -> Result<(), String> {
        let usage = self.ring[number % RING];
        if !self.is_each_new && self.keys.find(usage.key).is_some() {
            return Ok(());
        }
        let bucket = usage.time.div_euclid(self.settings.dedupe_bucket_us) as u32;
        match self.keys.insert(usage.key, usage.fingerprint, bucket) {
            Ok(()) => Ok(()),
            Err(refused) => self.remember_in_less_room(&usage, bucket, refused),
        }
    }

    /// The budget is smaller than it was when the journal was written: the oldest keys go, and the
    /// floor says so.
    #[cold]
    fn remember_in_less_room(&mut self, usage: &UsageKey, bucket: u32, refused: KeyRefused) -> Result<(), String> {
        if usage.time < *self.floor {
            // It rose over this key on its way.
            return Ok(());
        }
        let lifted = lift_for(self.keys, refused)?;
        self.keys.set_floor(lifted);
        *self.floor = (*self.floor).max(i64::from(lifted) * self.settings.dedupe_bucket_us);
        if lifted > bucket {
            return Ok(());
        }
        self.keys.insert(usage.key, usage.fingerprint, bucket).map_err(|refused| refused.to_string())
    }
}
