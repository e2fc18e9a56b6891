//! Event ids remembered exactly once, in bounded memory (semantics §5.5–5.6).
//!
//! ```text
//! key (128-bit keyed hash)  high bits → sub-table     ┌ sub-table ────────────────────────┐
//!                           32 bits   → home group    │ metadata │ 64 B │ 64 B │ 64 B │ … │
//!                           8 bits    → tag           │ slots    │ 16 × 24 B each     │ … │
//!                           3 bits    → overflow class└───────────────────────────────────┘
//! ```
//!
//! A key is live while its time bucket is at or above the *floor*. Lifting the floor forgets
//! by comparison: no key is touched, and its slot is taken by a later one. A new id reads one
//! metadata line and writes one slot. No live key is ever moved out of reach, dropped or
//! replaced: forgetting is the floor's doing alone.
//!
//! Keys must be spread evenly over all their bits for the stated speed and load; what is
//! remembered, and what `reserve` promises, holds for any keys.

mod bucket_counts;
mod group;
mod sizing;
mod sub_table;
#[cfg(test)]
mod tests;

use std::fmt;

use bucket_counts::BucketCounts;
use group::{GROUP_SLOTS, SWEEP_BUCKETS_MAX};
use sizing::Sizing;
use sub_table::{GROUP_BYTES, Hit, Place, SubTable};

pub use group::LIVE_BUCKETS_MAX;

/// What is remembered of a live key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub fingerprint: u64,
    /// Absolute time bucket: event time / bucket width.
    pub bucket: u32,
}

/// Why a key was not taken. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRefused {
    /// The budget is used up. It helps to lift the floor and retry.
    Full,
    /// The bucket is below the floor, or `LIVE_BUCKETS_MAX` or more above it. A key far above
    /// fits once the floor has risen.
    BucketRange,
}

impl fmt::Display for KeyRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyRefused::Full => f.write_str("the key table's budget is used up; lift its floor or raise its budget"),
            KeyRefused::BucketRange => {
                write!(f, "the event's time bucket is outside the {LIVE_BUCKETS_MAX} buckets from the floor on")
            }
        }
    }
}

impl std::error::Error for KeyRefused {}

/// Remembers keys until the floor passes their bucket.
pub struct KeyTable {
    sizing: Sizing,
    sub_tables: Box<[SubTable]>,
    counts: BucketCounts,
    floor: u32,
    /// Fixed bytes at their largest plus all groups: never above the budget.
    committed_bytes: u64,
    /// Groups of the largest sub-table.
    largest_groups: usize,
    /// Keys promised by the last `reserve` and not yet inserted.
    reserved: u64,
    /// Every key in memory, expired or not, is at or above this bucket.
    clean_floor: u32,
    /// The floor when the running sweep pass began, and where the pass stands.
    pass_floor: u32,
    pass_sub_table: usize,
    pass_group: usize,
}

impl KeyTable {
    /// An empty table with floor 0 that will never hold more than `budget_bytes` bytes (at
    /// least 1 MiB), the copy made while a sub-table grows included; what the
    /// allocator adds is not counted. It starts with 40 bytes per sub-table (164 kB for
    /// budgets from 1 GiB to 3.5 GiB, less below) and grows with its keys.
    pub fn new(budget_bytes: usize) -> KeyTable {
        let sizing = Sizing::of(budget_bytes);
        KeyTable {
            sizing,
            sub_tables: (0..sizing.sub_tables).map(|_| SubTable::empty()).collect(),
            counts: BucketCounts::default(),
            floor: 0,
            committed_bytes: sizing.fixed_bytes,
            largest_groups: 0,
            reserved: 0,
            clean_floor: 0,
            pass_floor: 0,
            pass_sub_table: 0,
            pass_group: 0,
        }
    }

    /// The first bucket whose keys are remembered.
    pub fn floor(&self) -> u32 {
        self.floor
    }

    /// Live keys, exactly.
    pub fn len(&self) -> usize {
        self.counts.live() as usize
    }

    /// Live keys the budget holds: `reserve` refuses beyond it.
    pub fn capacity(&self) -> usize {
        self.sizing.live_max as usize
    }

    /// Bytes in use now; at most the budget.
    pub fn bytes(&self) -> usize {
        self.sub_tables.len() * size_of::<SubTable>()
            + self.counts.bytes()
            + (self.committed_bytes - self.sizing.fixed_bytes) as usize
    }

    /// `reserve` of at most this many keys succeeds whenever few enough keys are live; larger
    /// batches are reserved and inserted in parts.
    pub fn batch_keys_max(&self) -> usize {
        self.sizing.batch_keys_max
    }

    #[inline(always)]
    fn floor_low(&self) -> u16 {
        self.floor as u16
    }

    /// Ask for the key's metadata line. A hint, first of two.
    #[inline(always)]
    pub fn prefetch(&self, key: u128) {
        let place = Place::of(key);
        self.sub_tables[place.sub_table(self.sizing.shift)].prefetch_home(place);
    }

    /// Ask for the slot that `find` or `insert` will touch. Reads the metadata line, so call it
    /// a dozen keys after `prefetch`. A hint.
    #[inline(always)]
    pub fn prefetch_slot(&self, key: u128) {
        let place = Place::of(key);
        self.sub_tables[place.sub_table(self.sizing.shift)].prefetch_slot(place, self.floor_low());
    }

    /// What is remembered of `key`, if its bucket is at or above the floor.
    #[inline(always)]
    pub fn find(&self, key: u128) -> Option<Found> {
        let place = Place::of(key);
        let hit = self.sub_tables[place.sub_table(self.sizing.shift)].find(place, self.floor_low())?;
        Some(self.found(&hit))
    }

    #[inline(always)]
    fn found(&self, hit: &Hit) -> Found {
        let above_floor = u32::from(hit.bucket.wrapping_sub(self.floor_low()));
        Found { fingerprint: hit.fingerprint, bucket: self.floor + above_floor }
    }

    /// `key` is remembered until the floor passes `bucket`. The caller has seen that `find`
    /// does not know it.
    ///
    /// # Errors
    /// `BucketRange`, and `Full` if the key was not reserved and no room can be made.
    #[inline(always)]
    pub fn insert(&mut self, key: u128, fingerprint: u64, bucket: u32) -> Result<(), KeyRefused> {
        let offset = bucket.wrapping_sub(self.floor);
        if offset >= LIVE_BUCKETS_MAX {
            return Err(KeyRefused::BucketRange);
        }
        let place = Place::of(key);
        let index = place.sub_table(self.sizing.shift);
        let floor = self.floor_low();
        if self.sub_tables[index].due_to_grow() {
            self.consider_growth(index);
        }
        while !self.sub_tables[index].place(place, fingerprint, bucket as u16, floor) {
            self.force_room(index)?;
        }
        self.reserved = self.reserved.saturating_sub(1);
        self.counts.add(offset);
        Ok(())
    }

    /// Afterwards the next `keys` inserts within the bucket range cannot be `Full`, whatever
    /// their hashes. The promise replaces the one before; it holds because this many bytes of
    /// the budget are still unallocated: a group for every 16 keys that fall into one full
    /// sub-table, or one for each sub-table hit, and a copy of the largest sub-table.
    ///
    /// # Errors
    /// `Full`: lift the floor (see `oldest_bucket_to_free`) or refuse the batch.
    #[inline]
    pub fn reserve(&mut self, keys: usize) -> Result<(), KeyRefused> {
        let keys = keys as u64;
        self.reserved = 0;
        if self.counts.live() + keys > self.sizing.live_max {
            return Err(KeyRefused::Full);
        }
        if !self.has_headroom(keys) && !self.give_back(keys) {
            return Err(KeyRefused::Full);
        }
        self.reserved = keys;
        Ok(())
    }

    fn has_headroom(&self, keys: u64) -> bool {
        let headroom = self.sizing.headroom_bytes(keys, self.largest_groups);
        self.committed_bytes + headroom <= self.sizing.budget_bytes
    }

    /// Give an empty table the room that `keys` keys will need, so that it has not to grow its way
    /// there. Only a hint: it changes no answer, and the budget stands.
    pub fn expect(&mut self, keys: u64) {
        if self.counts.live() > 0 || self.largest_groups > 0 {
            return;
        }
        for index in 0..self.sub_tables.len() {
            let groups = self.sizing.groups_for(index, keys.min(self.sizing.live_max));
            let keys_at_once = self.sizing.batch_keys_max as u64;
            if groups == 0 || !self.affords(0, groups, keys_at_once) {
                return;
            }
            self.resize(index, groups);
        }
    }

    /// Keys of buckets below `bucket` are forgotten at once; a lower floor changes nothing.
    /// Cost: the buckets passed, and one sweep of everything if the last full sweep lies more
    /// than 5,000 buckets back.
    pub fn set_floor(&mut self, bucket: u32) {
        if bucket <= self.floor {
            return;
        }
        self.counts.lift(bucket - self.floor);
        if bucket - self.clean_floor > SWEEP_BUCKETS_MAX {
            self.sweep_all(bucket);
        }
        self.floor = bucket;
    }

    /// The lowest floor that forgets at least `keys` live keys (all, if there are fewer).
    /// Cost: the buckets passed.
    pub fn oldest_bucket_to_free(&self, keys: usize) -> u32 {
        self.floor + self.counts.lift_to_free(keys as u64)
    }

    /// Empty the expired slots of the next `groups` groups (16 slots each). A few dozen with
    /// each batch keep `set_floor` from ever sweeping everything at once.
    pub fn sweep(&mut self, groups: usize) {
        if self.floor == self.clean_floor {
            return;
        }
        let (base, expired) = self.expired_range(self.floor);
        let floor = self.floor_low();
        let mut left = groups;
        while left > 0 {
            let Some(sub_table) = self.sub_tables.get_mut(self.pass_sub_table) else {
                self.clean_floor = self.pass_floor;
                self.begin_pass();
                return;
            };
            let seen = sub_table.clear_expired(self.pass_group, left, base, expired, floor);
            self.pass_group += seen;
            left -= seen;
            if self.pass_group >= sub_table.groups() {
                self.pass_sub_table += 1;
                self.pass_group = 0;
                // An empty sub-table costs a step too, so that the call stays bounded.
                left = left.saturating_sub(usize::from(seen == 0));
            }
        }
    }

    fn begin_pass(&mut self) {
        self.pass_floor = self.floor;
        self.pass_sub_table = 0;
        self.pass_group = 0;
    }

    /// As wrapping 16-bit buckets: the first that can be in memory, and how many from there on
    /// are below `floor`. One less than `clean_floor` is an overflow mark's "never".
    fn expired_range(&self, floor: u32) -> (u16, u32) {
        ((self.clean_floor as u16).wrapping_sub(1), floor - self.clean_floor + 1)
    }

    #[cold]
    fn sweep_all(&mut self, floor: u32) {
        let (base, expired) = self.expired_range(floor);
        for sub_table in &mut self.sub_tables {
            sub_table.clear_expired(0, usize::MAX, base, expired, floor as u16);
        }
        self.clean_floor = floor;
        self.floor = floor;
        self.begin_pass();
    }

    /// The live keys, in no useful order.
    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = (u128, Found)> + '_ {
        let floor = self.floor_low();
        self.sub_tables.iter().flat_map(move |t| t.live(floor)).map(|hit| (hit.key, self.found(&hit)))
    }

    /// Grow the sub-table if its live keys call for it and the batch headroom stays whole.
    #[cold]
    #[inline(never)]
    fn consider_growth(&mut self, index: usize) {
        let groups = self.clear_sub_table(index);
        let live = self.sub_tables[index].used();
        let grow_at = self.sizing.grow_at(groups);
        if live < grow_at {
            // Look again only after a sixteenth more, or a sub-table of expired keys would be
            // scanned for each new one.
            let step = (groups * GROUP_SLOTS / 16) as u32;
            self.sub_tables[index].grow_at = grow_at.max(live + step);
            return;
        }
        let target = if groups < self.sizing.fair_groups {
            self.sizing.next_groups(index, groups)
        } else {
            groups + groups / 8 + 1
        };
        let keys = self.reserved.max(self.sizing.batch_keys_max as u64);
        if self.affords(groups, target, keys) {
            self.resize(index, target);
        } else {
            // `give_back` sets it again when there is something to grow into.
            self.sub_tables[index].grow_at = u32::MAX;
        }
    }

    /// Every slot of the sub-table is live: add an eighth, or one group if the headroom of what
    /// is still reserved leaves no more.
    #[cold]
    #[inline(never)]
    fn force_room(&mut self, index: usize) -> Result<(), KeyRefused> {
        let groups = self.sub_tables[index].groups();
        let generous = groups + (groups / 8).max(1);
        let target = if self.affords(groups, generous, self.reserved) { generous } else { groups + 1 };
        let copy_bytes = target as u64 * GROUP_BYTES;
        if self.committed_bytes + copy_bytes > self.sizing.budget_bytes {
            return Err(KeyRefused::Full);
        }
        self.resize(index, target);
        Ok(())
    }

    /// Whether growing a sub-table leaves the headroom for `keys` keys.
    fn affords(&self, groups: usize, target: usize, keys: u64) -> bool {
        let grown = (target - groups) as u64 * GROUP_BYTES;
        let headroom = self.sizing.headroom_bytes(keys, self.largest_groups.max(target));
        self.committed_bytes + grown + headroom <= self.sizing.budget_bytes
    }

    /// Empty the sub-table's expired slots; answers its groups.
    fn clear_sub_table(&mut self, index: usize) -> usize {
        let (base, expired) = self.expired_range(self.floor);
        let floor = self.floor_low();
        self.sub_tables[index].clear_expired(0, usize::MAX, base, expired, floor)
    }

    /// To more groups than it has, or to as many as its live keys need.
    fn resize(&mut self, index: usize, groups: usize) {
        let before = self.sub_tables[index].groups();
        let floor = self.floor_low();
        self.sub_tables[index].rebuild(groups, floor);
        self.sub_tables[index].grow_at = self.sizing.grow_at(groups);
        self.committed_bytes += groups as u64 * GROUP_BYTES;
        self.committed_bytes -= before as u64 * GROUP_BYTES;
        self.largest_groups = self.largest_groups.max(groups);
    }

    /// Shrink sub-tables that skewed keys once made large, until `keys` more have headroom.
    /// Answers whether they have. Evenly spread keys never lead here.
    #[cold]
    #[inline(never)]
    fn give_back(&mut self, keys: u64) -> bool {
        let groups = (self.committed_bytes - self.sizing.fixed_bytes) / GROUP_BYTES;
        if self.counts.live() * 4 > groups * GROUP_SLOTS as u64 * 3 {
            return false;
        }
        for index in 0..self.sub_tables.len() {
            let groups = self.clear_sub_table(index);
            let live = self.sub_tables[index].used() as usize;
            let enough = (live + live / 4).div_ceil(GROUP_SLOTS);
            let copy_bytes = enough as u64 * GROUP_BYTES;
            if enough < groups - groups / 4 && self.committed_bytes + copy_bytes <= self.sizing.budget_bytes {
                self.resize(index, enough);
            }
        }
        self.largest_groups = self.sub_tables.iter().map(SubTable::groups).max().unwrap_or(0);
        for sub_table in &mut self.sub_tables {
            sub_table.grow_at = self.sizing.grow_at(sub_table.groups());
        }
        self.has_headroom(keys)
    }
}
