//! The pools nearest to zero, for people who watch over many accounts.

use crate::amount::pow10;
use crate::check::pool_at;
use crate::engine::Engine;
use serde_json::{Value, json};
use std::collections::BinaryHeap;
use std::ops::Range;

/// A pool by its available at a common scale, then by account and credit type, so that none tie.
type Ranked = (i128, u32, u16);

/// The `limit` lowest of the pools looked at so far.
#[derive(Debug)]
pub struct LowestBalances {
    limit: usize,
    heap: BinaryHeap<Ranked>,
}

/// Digits that every credit type fits in.
const SCALE_MAX: u32 = 12;

impl LowestBalances {
    pub fn new(limit: usize) -> LowestBalances {
        LowestBalances { limit: limit.clamp(1, 1_000), heap: BinaryHeap::new() }
    }
}

impl Engine {
    /// Look at a stretch of accounts by number; pools without any grant are left out.
    pub fn rank_lowest(&self, accounts: Range<u32>, lowest: &mut LowestBalances, stamp_us: i64) {
        let end = accounts.end.min(self.account_count());
        for number in accounts.start..end {
            let account = &self.accounts[number as usize];
            let now = account.now(self.stamp.max(stamp_us));
            for credit_type in account.pools().map(|pool| pool.credit_type) {
                let has_left = account.left_of(credit_type).is_some();
                let pool = pool_at(self, account, credit_type, now);
                let Some(pool) = pool.filter(|pool| has_left || !pool.grants.is_empty()) else { continue };
                let common = i128::from(pool.available) * (pow10(SCALE_MAX - self.scale_of(credit_type)));
                lowest.heap.push((common, number, credit_type));
                if lowest.heap.len() > lowest.limit {
                    lowest.heap.pop();
                }
            }
        }
    }

    /// The ranking as it is answered: lowest first, in smallest units.
    pub fn lowest_json(&self, lowest: LowestBalances, stamp_us: i64) -> Value {
        let found = lowest.heap.into_sorted_vec().into_iter().filter_map(|(_, number, credit_type)| {
            let account = &self.accounts[number as usize];
            let now = account.now(self.stamp.max(stamp_us));
            let pool = pool_at(self, account, credit_type, now)?;
            Some(json!({
                "account": account.id.as_str(),
                "credit_type": self.catalog.credit_types[usize::from(credit_type)].name,
                "scale": self.scale_of(credit_type),
                "available": pool.available,
            }))
        });
        json!({"balances": found.collect::<Vec<_>>()})
    }
}
