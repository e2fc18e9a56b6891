//! From an account id's hash to the account's number.
//!
//! ```text
//! hash  63      56 55                       24 23          0
//!      │ sub-table │ tag; its high bits: home │ (not kept)  │
//! entry 63                       32 31                     0
//!      │ tag                       │ number + 1 (0: empty)  │
//! ```
//!
//! 256 sub-tables of 8-byte entries with linear probing, at most 3/4 full, each doubling for
//! itself: at 10 million accounts one doubling moves about 32 thousand entries. The home is a
//! part of the tag, so growing and removing read no account. A tag is not an id: `find` asks
//! the caller to compare ids, which with a spread hash fails for about one candidate in the
//! 2^32 / entries per sub-table.

use crate::prefetch::prefetch;

const SUB_TABLES: usize = 256;
const ENTRIES_MIN: usize = 8;

/// The largest number an account may have.
pub const ACCOUNT_NUMBER_MAX: u32 = u32::MAX - 1;

#[inline(always)]
fn tag_of(hash: u64) -> u32 {
    (hash >> 24) as u32
}

#[inline(always)]
fn sub_table_of(hash: u64) -> usize {
    (hash >> 56) as usize
}

fn entry_of(tag: u32, number: u32) -> u64 {
    u64::from(tag) << 32 | u64::from(number + 1)
}

#[derive(Default)]
struct SubTable {
    /// A power of two, or none.
    entries: Box<[u64]>,
    used: usize,
}

impl SubTable {
    #[inline(always)]
    fn home(&self, tag: u32) -> usize {
        ((u64::from(tag) * self.entries.len() as u64) >> 32) as usize
    }

    #[inline(always)]
    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.entries.len() - 1)
    }

    /// Put an entry where there is room for it.
    fn place(&mut self, entry: u64) {
        let mut at = self.home((entry >> 32) as u32);
        while self.entries[at] != 0 {
            at = self.after(at);
        }
        self.entries[at] = entry;
        self.used += 1;
    }

    #[cold]
    fn grow(&mut self) {
        let size = (self.entries.len() * 2).max(ENTRIES_MIN);
        let mut grown = SubTable { entries: vec![0; size].into_boxed_slice(), used: 0 };
        for entry in self.entries.iter().filter(|entry| **entry != 0) {
            grown.place(*entry);
        }
        *self = grown;
    }

    /// Empty the entry at `hole` and move later ones back, so that no search stops short.
    fn close(&mut self, mut hole: usize) {
        let mask = self.entries.len() - 1;
        let mut at = hole;
        loop {
            at = self.after(at);
            let entry = self.entries[at];
            if entry == 0 {
                break;
            }
            let home = self.home((entry >> 32) as u32);
            // It may move back if its home does not lie behind the hole.
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.entries[hole] = entry;
                hole = at;
            }
        }
        self.entries[hole] = 0;
        self.used -= 1;
    }
}

/// Finds an account's number by the hash of its id.
pub struct AccountIndex {
    sub_tables: Box<[SubTable]>,
}

impl Default for AccountIndex {
    fn default() -> AccountIndex {
        AccountIndex::new()
    }
}

impl AccountIndex {
    pub fn new() -> AccountIndex {
        AccountIndex { sub_tables: (0..SUB_TABLES).map(|_| SubTable::default()).collect() }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.sub_tables.iter().map(|sub_table| sub_table.used).sum()
    }

    /// Bytes in use: 11–22 per account.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        let entries: usize = self.sub_tables.iter().map(|sub_table| sub_table.entries.len()).sum();
        entries * size_of::<u64>() + SUB_TABLES * size_of::<SubTable>()
    }

    /// Ask for the line where a search for `hash` begins. A hint.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        let sub_table = &self.sub_tables[sub_table_of(hash)];
        if let Some(entry) = sub_table.entries.get(sub_table.home(tag_of(hash))) {
            prefetch(entry);
        }
    }

    /// The first number whose tag fits `hash`: nearly always the account's, if it exists. For
    /// asking for the account's own line ahead of `find`; reads the index's line.
    #[inline(always)]
    pub fn likely(&self, hash: u64) -> Option<u32> {
        self.find(hash, |_| true)
    }

    /// The number under `hash` for which `is_account` holds: it compares the account's id with
    /// the one looked for.
    #[inline(always)]
    pub fn find(&self, hash: u64, mut is_account: impl FnMut(u32) -> bool) -> Option<u32> {
        let sub_table = &self.sub_tables[sub_table_of(hash)];
        let tag = tag_of(hash);
        let mut at = sub_table.home(tag);
        loop {
            let entry = *sub_table.entries.get(at)?;
            if entry == 0 {
                return None;
            }
            if (entry >> 32) as u32 == tag {
                let number = entry as u32 - 1;
                if is_account(number) {
                    return Some(number);
                }
            }
            at = sub_table.after(at);
        }
    }

    /// `number` is found under `hash` from now on. The caller has seen that the account is not
    /// there, and keeps numbers at or below `ACCOUNT_NUMBER_MAX`.
    ///
    /// # Panics
    /// If the number is above `ACCOUNT_NUMBER_MAX`.
    pub fn insert(&mut self, hash: u64, number: u32) {
        assert!(number <= ACCOUNT_NUMBER_MAX, "account numbers end at {ACCOUNT_NUMBER_MAX}");
        let sub_table = &mut self.sub_tables[sub_table_of(hash)];
        if (sub_table.used + 1) * 4 > sub_table.entries.len() * 3 {
            sub_table.grow();
        }
        sub_table.place(entry_of(tag_of(hash), number));
    }

    /// `number` is no longer found under `hash`. Answers whether it was.
    pub fn remove(&mut self, hash: u64, number: u32) -> bool {
        let sub_table = &mut self.sub_tables[sub_table_of(hash)];
        if number > ACCOUNT_NUMBER_MAX || sub_table.entries.is_empty() {
            return false;
        }
        let wanted = entry_of(tag_of(hash), number);
        let mut at = sub_table.home(tag_of(hash));
        while sub_table.entries[at] != wanted {
            if sub_table.entries[at] == 0 {
                return false;
            }
            at = sub_table.after(at);
        }
        sub_table.close(at);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn splitmix(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Random inserts, finds and removes against a map; `hash_of` decides how ids collide. Interpreted by
    /// Miri few of them.
    fn agrees_with_a_map(seed: u64, operations: u32, ids: u64, hash_of: impl Fn(u64) -> u64) {
        let mut state = seed;
        let mut index = AccountIndex::new();
        let mut model: HashMap<u64, u32> = HashMap::new();
        let mut id_of: Vec<u64> = Vec::new();
        let operations = if cfg!(miri) { operations / 1_000 } else { operations };
        for _ in 0..operations {
            let id = splitmix(&mut state) % ids;
            let hash = hash_of(id);
            let found = index.find(hash, |number| id_of[number as usize] == id);
            assert_eq!(model.get(&id).copied(), found, "seed {seed}, id {id}");
            match (found, splitmix(&mut state) % 3) {
                (Some(number), 0) => {
                    assert!(index.remove(hash, number));
                    assert!(!index.remove(hash, number));
                    model.remove(&id);
                }
                (None, 1 | 2) => {
                    let number = id_of.len() as u32;
                    id_of.push(id);
                    index.insert(hash, number);
                    model.insert(id, number);
                }
                _ => index.prefetch(hash),
            }
            assert_eq!(model.len(), index.len());
        }
        for (id, number) in &model {
            assert_eq!(Some(*number), index.find(hash_of(*id), |n| id_of[n as usize] == *id));
        }
    }

    #[test]
    fn spread_hashes_agree_with_a_map() {
        agrees_with_a_map(1, 200_000, 20_000, |id| splitmix(&mut id.clone()));
    }

    #[test]
    fn one_crowded_sub_table_agrees_with_a_map() {
        agrees_with_a_map(2, 100_000, 2_000, |id| splitmix(&mut id.clone()) >> 8);
    }

    #[test]
    fn equal_tags_are_told_apart_by_id() {
        agrees_with_a_map(3, 30_000, 60, |id| (id % 4) << 54);
    }

    #[test]
    fn runs_that_wrap_round_the_end_survive_removal() {
        agrees_with_a_map(4, 50_000, 40, |id| 0x00ff_ffff_ff00_0000 | id);
    }

    #[test]
    fn removing_from_an_empty_index_answers_no() {
        let mut index = AccountIndex::new();
        assert!(!index.remove(0, 0));
        assert!(!index.remove(0, u32::MAX));
        assert_eq!(None, index.likely(0));
        assert_eq!(0, index.len());
    }

    #[test]
    #[cfg_attr(miri, ignore = "counts the bytes of a million accounts")]
    fn an_account_costs_at_most_22_bytes() {
        let mut state = 5;
        let mut index = AccountIndex::new();
        for number in 0..1_000_000 {
            index.insert(splitmix(&mut state), number);
            if number > 100_000 && number % 1_000 == 0 {
                assert!(index.bytes() <= 22 * index.len() + 16_384, "{} bytes for {number}", index.bytes());
            }
        }
        assert_eq!(1_000_000, index.len());
    }
}
