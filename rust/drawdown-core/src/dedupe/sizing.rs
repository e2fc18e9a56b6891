//! What a budget of bytes buys: how many sub-tables, how large, and what must stay free.
//!
//! Every figure here is in groups (448 bytes, 16 slots) unless its name says otherwise.

use super::SubTable;
use super::group::{GROUP_SLOTS, LIVE_BUCKETS_MAX};
use super::sub_table::GROUP_BYTES;

/// A smaller budget is taken as this one.
pub(super) const BUDGET_BYTES_MIN: usize = 1 << 20;
/// Bytes of one sub-table at full budget: rebuilding it takes about 0.1 ms.
const SUB_TABLE_BYTES: u64 = 256 << 10;
const SUB_TABLES_MIN: u64 = 16;
/// Above this count sub-tables get larger instead, up to `SUB_TABLE_BYTES_MAX`: their headers
/// should stay in the second-level cache.
const SUB_TABLES_SOME: u64 = 4_096;
/// 32 k slots of 28 bytes.
const SUB_TABLE_BYTES_MAX: u64 = 32_768 * 28;
/// The counts per bucket (4 bytes each) at their largest, with the copy they grow out of.
const BUCKET_COUNTS_BYTES_MAX: u64 = LIVE_BUCKETS_MAX as u64 * 4 * 2;
/// Groups of a sub-table from which on growth is by a quarter, from staggered sizes.
const STAGGER_GROUPS: usize = 32;

#[derive(Clone, Copy)]
pub(super) struct Sizing {
    pub(super) budget_bytes: u64,
    pub(super) sub_tables: usize,
    /// 64 − log2(sub_tables).
    pub(super) shift: u32,
    /// Headers, and the bucket counts at their largest.
    pub(super) fixed_bytes: u64,
    /// What each sub-table may have if all have the same.
    pub(super) fair_groups: usize,
    /// Keys for which growth always leaves room in advance.
    pub(super) batch_keys_max: usize,
    /// Live keys from which on the table is full: 13/16 of all slots. 7/8 was measured to save
    /// 2.5 bytes per key and to read 1.6 groups per new key instead of 1.2.
    pub(super) live_max: u64,
}

impl Sizing {
    pub(super) fn of(budget_bytes: usize) -> Sizing {
        let budget_bytes = budget_bytes.max(BUDGET_BYTES_MIN) as u64;
        let mut sub_tables =
            (budget_bytes / SUB_TABLE_BYTES).next_power_of_two().clamp(SUB_TABLES_MIN, SUB_TABLES_SOME);
        while budget_bytes / sub_tables > SUB_TABLE_BYTES_MAX {
            sub_tables *= 2;
        }
        let batch_keys_max = (budget_bytes / 2_048).min(65_536);
        let fixed_bytes = sub_tables * size_of::<SubTable>() as u64 + BUCKET_COUNTS_BYTES_MAX;
        let all = budget_bytes.saturating_sub(fixed_bytes) / GROUP_BYTES;
        // One sub-table's worth stays free so that any of them can be rebuilt.
        let apart = forced_groups(batch_keys_max, sub_tables) + batch_keys_max / GROUP_SLOTS as u64 + 1;
        let fair_groups = all.saturating_sub(apart) / (sub_tables + 1);
        let slots = fair_groups * sub_tables * GROUP_SLOTS as u64;
        Sizing {
            budget_bytes,
            sub_tables: sub_tables as usize,
            shift: 64 - sub_tables.trailing_zeros(),
            fixed_bytes,
            fair_groups: fair_groups as usize,
            batch_keys_max: batch_keys_max as usize,
            live_max: (slots * 13 / 16).min(u64::from(u32::MAX)),
        }
    }

    /// Bytes that must be free so that `keys` more keys of any hash find room: the groups they
    /// can force on full sub-tables, and a second copy of the largest while it is rebuilt.
    pub(super) fn headroom_bytes(&self, keys: u64, largest_groups: usize) -> u64 {
        let forced = forced_groups(keys, self.sub_tables as u64);
        (forced + largest_groups as u64 + keys / GROUP_SLOTS as u64 + 1) * GROUP_BYTES
    }

    /// The next size of sub-table `index` on its way up to the fair size. Different sub-tables
    /// walk different ladders: with one ladder all would be rebuilt within a few batches.
    pub(super) fn next_groups(&self, index: usize, groups: usize) -> usize {
        let next = if groups * 2 < STAGGER_GROUPS {
            (groups * 2).max(1)
        } else if groups < STAGGER_GROUPS {
            STAGGER_GROUPS + (index % 16) / 2
        } else {
            groups + groups / 4
        };
        next.min(self.fair_groups).max(groups + 1)
    }

    /// Groups that sub-table `index` needs for its share of `keys` keys without growing on the way;
    /// staggered, so that not all of them grow at once behind it.
    pub(super) fn groups_for(&self, index: usize, keys: u64) -> usize {
        let share = keys / self.sub_tables as u64;
        // Chance gives some sub-tables more than their share: by an eighth, of any size that matters.
        let slots = (share + share / 8) * 16 / 13;
        let groups = slots.div_ceil(GROUP_SLOTS as u64) as usize;
        (groups + groups * (index % 16) / 64).min(self.fair_groups)
    }

    /// Keys in a sub-table of this size from which on it should grow.
    pub(super) fn grow_at(&self, groups: usize) -> u32 {
        let slots = groups * GROUP_SLOTS;
        // At the fair size the budget is spoken for: chance alone lifts one sub-table in
        // thousands to 0.93, so only skew goes further.
        let keys = if groups < self.fair_groups { slots / 16 * 13 } else { slots / 16 * 15 };
        keys as u32
    }
}

/// Groups that `keys` keys can force: one more for every 16 that hit one full sub-table, so
/// at worst one in each sub-table and then one per 16.
fn forced_groups(keys: u64, sub_tables: u64) -> u64 {
    keys.min(keys / GROUP_SLOTS as u64 + sub_tables)
}
