//! The key table against a plain map: nothing live is ever forgotten, nothing below the floor
//! is ever found, and memory stays within the budget.

use std::collections::HashMap;

use super::sizing::BUDGET_BYTES_MIN;
use super::*;

/// Interpreted by Miri, a step takes some thousand times as long.
fn fewer(times: u32) -> u32 {
    if cfg!(miri) { times.div_ceil(300) } else { times }
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn spread_key(id: u64) -> u128 {
    let mut state = id.wrapping_mul(0xd134_2543_de82_ef95);
    u128::from(splitmix(&mut state)) << 64 | u128::from(splitmix(&mut state))
}

/// Every key in one sub-table.
fn skewed_key(id: u64) -> u128 {
    spread_key(id) >> 16
}

/// Every key in one sub-table and one home group, with four tags and every overflow class.
fn crowded_key(id: u64) -> u128 {
    let class = (id >> 2) & 7;
    let tag = 1 + (id & 3);
    u128::from(id) << 64 | u128::from(class << 8 | tag)
}

struct Model {
    table: KeyTable,
    keys: HashMap<u128, Found>,
    budget: usize,
    seed: u64,
}

impl Model {
    fn new(budget: usize, seed: u64) -> Model {
        Model { table: KeyTable::new(budget), keys: HashMap::new(), budget, seed }
    }

    fn expected(&self, key: u128) -> Option<Found> {
        self.keys.get(&key).copied().filter(|found| found.bucket >= self.table.floor())
    }

    fn insert_new(&mut self, key: u128, fingerprint: u64, bucket: u32) {
        assert_eq!(self.expected(key), self.table.find(key), "seed {}", self.seed);
        if self.table.find(key).is_none() {
            self.table.insert(key, fingerprint, bucket).expect("reserved");
            self.keys.insert(key, Found { fingerprint, bucket });
            assert_eq!(self.expected(key), self.table.find(key), "seed {}", self.seed);
        }
    }

    /// The whole of both, compared.
    fn check(&mut self) {
        let floor = self.table.floor();
        self.keys.retain(|_, found| found.bucket >= floor);
        assert_eq!(self.keys.len(), self.table.len(), "seed {}", self.seed);
        for (key, found) in &self.keys {
            assert_eq!(Some(*found), self.table.find(*key), "seed {}: a live key is forgotten", self.seed);
        }
        let mut seen = 0;
        for (key, found) in self.table.iter() {
            assert_eq!(Some(&found), self.keys.get(&key), "seed {}", self.seed);
            seen += 1;
        }
        assert_eq!(self.keys.len(), seen);
        assert!(self.table.bytes() <= self.budget, "{} bytes of {}", self.table.bytes(), self.budget);
        assert!(self.table.committed_bytes <= self.budget as u64);
    }
}

/// Batches of new, repeated and expired ids while the floor rises by up to `step`; under
/// pressure the floor is lifted as the engine does.
fn agrees_with_a_map(seed: u64, key_of: fn(u64) -> u128, batches: u32, step: u32, sweep: usize) {
    let mut state = seed;
    let mut model = Model::new(BUDGET_BYTES_MIN, seed);
    let mut ids = 0u64;
    for batch in 0..fewer(batches) {
        let size = 1 + splitmix(&mut state) as usize % model.table.batch_keys_max();
        for _ in 0..100 {
            if model.table.reserve(size).is_ok() {
                break;
            }
            let lift = model.table.oldest_bucket_to_free(size).max(model.table.floor() + 1);
            model.table.set_floor(lift);
        }
        model.table.reserve(size).expect("lifting the floor makes room");
        let span = [1, 3, 500, LIVE_BUCKETS_MAX][splitmix(&mut state) as usize % 4];
        for _ in 0..size {
            let dice = splitmix(&mut state);
            let id = if dice.is_multiple_of(4) { dice % (ids + 1) } else { ids };
            ids += u64::from(id == ids);
            let bucket = model.table.floor() + (splitmix(&mut state) % u64::from(span)) as u32;
            model.insert_new(key_of(id), dice, bucket);
        }
        model.table.sweep(sweep);
        if splitmix(&mut state).is_multiple_of(4) && step > 0 {
            let lift = (splitmix(&mut state) % u64::from(step)) as u32;
            model.table.set_floor(model.table.floor() + lift);
        }
        if batch % 16 == 0 {
            model.check();
        }
    }
    model.check();
}

#[test]
fn spread_keys_agree_with_a_map() {
    agrees_with_a_map(1, spread_key, 600, 20, 64);
    agrees_with_a_map(2, spread_key, 300, 3_000, 16);
    agrees_with_a_map(3, spread_key, 300, 100_000, 0);
}

#[test]
fn keys_of_one_sub_table_agree_with_a_map() {
    agrees_with_a_map(4, skewed_key, 300, 20, 64);
    agrees_with_a_map(5, skewed_key, 200, 9_000, 0);
}

#[test]
fn keys_of_one_home_group_agree_with_a_map() {
    agrees_with_a_map(6, crowded_key, 40, 300, 8);
}

#[test]
fn no_key_is_forgotten_or_revived_over_four_turns_of_the_bucket_number() {
    for (seed, sweep) in [(7, 0), (8, 3), (9, 1_000)] {
        let mut state: u64 = seed;
        let mut model = Model::new(BUDGET_BYTES_MIN, seed);
        let mut id = 0;
        while model.table.floor() < fewer(270_000) {
            model.table.reserve(64).expect("far below the budget");
            for _ in 0..8 {
                let far = [3, 200, LIVE_BUCKETS_MAX][splitmix(&mut state) as usize % 3];
                let bucket = model.table.floor() + (splitmix(&mut state) % u64::from(far)) as u32;
                model.insert_new(spread_key(id), id, bucket);
                let old = splitmix(&mut state) % (id + 1);
                assert_eq!(model.expected(spread_key(old)), model.table.find(spread_key(old)));
                id += 1;
            }
            model.table.sweep(sweep);
            model.table.set_floor(model.table.floor() + (splitmix(&mut state) % 600) as u32);
            if id % 800 == 0 {
                model.check();
            }
        }
        model.check();
    }
}

#[test]
fn an_expired_copy_never_hides_the_live_one() {
    let mut table = KeyTable::new(BUDGET_BYTES_MIN);
    let key = spread_key(1);
    for round in 0..fewer(100_000) {
        table.set_floor(round);
        assert_eq!(None, table.find(key));
        table.insert(key, u64::from(round), round).expect("room for one key");
        assert_eq!(Some(Found { fingerprint: u64::from(round), bucket: round }), table.find(key));
        assert_eq!(1, table.len());
    }
}

#[test]
fn a_bucket_outside_the_range_is_refused_and_changes_nothing() {
    let mut table = KeyTable::new(BUDGET_BYTES_MIN);
    table.set_floor(1_000_000);
    assert_eq!(Err(KeyRefused::BucketRange), table.insert(spread_key(1), 1, 999_999));
    assert_eq!(Err(KeyRefused::BucketRange), table.insert(spread_key(1), 1, 1_060_000));
    assert_eq!((None, 0), (table.find(spread_key(1)), table.len()));
    table.insert(spread_key(1), 1, 1_059_999).expect("the last bucket in range");
    assert_eq!(Some(Found { fingerprint: 1, bucket: 1_059_999 }), table.find(spread_key(1)));
}

#[test]
fn the_floor_never_falls() {
    let mut table = KeyTable::new(BUDGET_BYTES_MIN);
    table.set_floor(70);
    table.set_floor(69);
    assert_eq!(70, table.floor());
}

#[test]
fn lifting_to_the_advised_floor_frees_at_least_the_keys_asked_for() {
    let mut table = KeyTable::new(BUDGET_BYTES_MIN);
    table.set_floor(10);
    for id in 0..1_000u32 {
        table.insert(spread_key(u64::from(id)), 0, 10 + id / 100 * 7).expect("room");
    }
    assert_eq!(10, table.oldest_bucket_to_free(0));
    assert_eq!(11, table.oldest_bucket_to_free(1));
    assert_eq!(11, table.oldest_bucket_to_free(100));
    assert_eq!(18, table.oldest_bucket_to_free(101));
    assert_eq!(10 + 9 * 7 + 1, table.oldest_bucket_to_free(5_000));
    table.set_floor(18);
    assert_eq!(800, table.len());
}

#[test]
#[cfg_attr(miri, ignore = "fills tables of up to 64 MiB: hours")]
fn the_table_is_full_exactly_at_its_capacity_and_within_its_budget() {
    for budget in [4 << 20, 64 << 20] {
        let mut table = KeyTable::new(budget);
        assert!(table.bytes() < 64 << 10, "a fresh table is small");
        let mut id = 0;
        while table.len() < table.capacity() {
            let batch = table.batch_keys_max().min(table.capacity() - table.len());
            table.reserve(batch).expect("below capacity");
            for _ in 0..batch {
                table.insert(spread_key(id), id, (id % 50_000) as u32).expect("reserved");
                id += 1;
            }
            assert!(table.bytes() <= budget);
        }
        assert_eq!(Err(KeyRefused::Full), table.reserve(1));
        let per_key = table.bytes() / table.len();
        let of_budget = budget / table.len();
        println!("{} keys in {budget} bytes: {per_key} used, {of_budget} of budget per key", table.len());
        assert!(table.bytes() <= 40 * table.len(), "{per_key} bytes per key");
        assert!(budget <= 40 * table.len() || budget < 64 << 20, "{of_budget} bytes of budget per key");
        let groups = (table.committed_bytes - table.sizing.fixed_bytes) / GROUP_BYTES;
        assert!(table.len() as u64 * 100 >= groups * GROUP_SLOTS as u64 * 81, "filled to 81 %");
        for known in 0..id {
            assert!(table.find(spread_key(known)).is_some(), "key {known} is forgotten");
        }
        // One bucket's room is enough for as many keys as it held.
        table.set_floor(table.oldest_bucket_to_free(10));
        table.reserve(10).expect("room after lifting the floor");
    }
}

/// The hostile case: the table is filled to the last evenly spread key, then batches fall into
/// one sub-table, or one into each, again and again.
#[test]
#[cfg_attr(miri, ignore = "fills a table of 2 MiB three times: an hour")]
fn a_reserved_batch_fits_whatever_its_hashes() {
    for key_of in [skewed_key, crowded_key, |id| spread_key(id % 7) ^ u128::from(id)] {
        let budget = 2 << 20;
        let mut table = KeyTable::new(budget);
        let mut id = 0u64;
        while table.reserve(64).is_ok() {
            for _ in 0..64 {
                table.insert(spread_key(1 << 40 | id), id, 0).expect("reserved");
                id += 1;
            }
        }
        let mut taken = 0;
        for round in 0..20 {
            let batch = table.batch_keys_max();
            while table.reserve(batch).is_err() {
                table.set_floor(table.oldest_bucket_to_free(batch).max(table.floor() + 1));
                assert!(table.floor() < 200, "an empty table always takes a batch");
            }
            for _ in 0..batch {
                let bucket = table.floor() + round % 3;
                table.insert(key_of(id), id, bucket).expect("reserved");
                assert!(table.committed_bytes <= budget as u64);
                id += 1;
                taken += 1;
            }
        }
        assert_eq!(20 * table.batch_keys_max(), taken);
    }
}

/// Just under the limit in every sub-table, the smallest reserve must cover the worst spread.
#[test]
#[cfg_attr(miri, ignore = "fills a sub-table to its last slot: minutes")]
fn a_reserve_as_large_as_memory_allows_is_kept_too() {
    let mut table = KeyTable::new(BUDGET_BYTES_MIN);
    let mut batch = table.capacity();
    while table.reserve(batch).is_err() {
        batch -= 16;
    }
    assert!(batch > table.batch_keys_max());
    for id in 0..batch as u64 {
        table.insert(skewed_key(id), id, 0).expect("reserved");
        assert!(table.committed_bytes <= BUDGET_BYTES_MIN as u64);
    }
    assert_eq!(batch, table.len());
}

/// Filled as a recovery fills it, without reserving: one sub-table has half of the budget, the upper ones have the rest,
/// and what is left is less than a copy of the first. It shrinks once it is sparse enough for the copy to fit, and forgets nothing for that.
#[test]
#[cfg_attr(miri, ignore = "fills a table of 1 MiB: an hour")]
fn a_table_filled_to_its_last_byte_takes_a_batch_again_once_it_is_sparse_enough() {
    let mut model = Model::new(BUDGET_BYTES_MIN, 10);
    let (mut id, mut full) = (0, 0);
    while full < 2 {
        let key = if full == 0 { skewed_key(id) } else { spread_key(id) | 1 << 127 };
        let bucket = (id % 8) as u32;
        match model.table.insert(key, id, bucket) {
            Ok(()) => drop(model.keys.insert(key, Found { fingerprint: id, bucket })),
            Err(refused) => {
                assert_eq!(KeyRefused::Full, refused);
                full += 1;
            }
        }
        id += 1;
    }
    model.check();
    let batch = model.table.batch_keys_max();
    model.table.set_floor(4);
    assert_eq!(Err(KeyRefused::Full), model.table.reserve(batch), "half of it live, and no room for a copy");
    model.check();
    model.table.set_floor(6);
    assert_eq!(Ok(()), model.table.reserve(batch), "a quarter of it live");
    for id in id..id + batch as u64 {
        model.insert_new(skewed_key(id), id, 6);
    }
    model.check();
}

/// Rebuilding one is the longest step there is: it must not grow with the budget.
#[test]
fn a_budget_of_any_size_is_divided_into_sub_tables_of_32_k_slots_at_most() {
    let mut before = 0;
    for shift in 20..38 {
        let table = KeyTable::new(1 << shift);
        assert!(table.sizing.fair_groups * GROUP_SLOTS <= 32_768, "{shift}: {}", table.sizing.fair_groups);
        assert!(table.bytes() <= (1 << shift) / 512 + (64 << 10), "{shift}: {} bytes at the start", table.bytes());
        assert!(table.capacity() > before * 19 / 10, "{shift}: {} keys of {before}", table.capacity());
        before = table.capacity();
    }
}
