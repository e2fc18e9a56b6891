//! A page of accounts in order of their ids, found stretch by stretch: there is no list of ids in
//! memory, and a look at millions at once would keep everybody else waiting.

use crate::engine::Engine;
use serde_json::{Value, json};
use std::collections::BinaryHeap;
use std::ops::Range;

/// Most accounts of one page.
const PAGE_MAX: u64 = 100_000;
const PAGE_DEFAULT: u64 = 1_000;

/// The first accounts after an id, of those looked at so far.
#[derive(Debug)]
pub struct AccountList {
    prefix: String,
    after: String,
    limit: usize,
    /// The largest id on top: one more than `limit`, so as to know whether there are more.
    heap: BinaryHeap<(Vec<u8>, u32)>,
}

impl AccountList {
    /// From the query `{"type": "accounts", "prefix": …, "after": …, "limit": …}`, each optional.
    pub fn asked(request: &Value) -> AccountList {
        let text = |field: &str| request[field].as_str().unwrap_or("").to_string();
        let limit = request["limit"].as_u64().unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX) as usize;
        AccountList { prefix: text("prefix"), after: text("after"), limit, heap: BinaryHeap::new() }
    }

    fn offer(&mut self, id: &[u8], number: u32) {
        if !id.starts_with(self.prefix.as_bytes()) || id <= self.after.as_bytes() {
            return;
        }
        if self.heap.len() > self.limit {
            if self.heap.peek().is_some_and(|(largest, _)| id >= largest.as_slice()) {
                return;
            }
            self.heap.pop();
        }
        self.heap.push((id.to_vec(), number));
    }
}

impl Engine {
    /// Look at a stretch of accounts by number, as far as they exist.
    pub fn list_accounts(&self, accounts: Range<u32>, list: &mut AccountList) {
        for (number, account) in (accounts.start..).zip(self.accounts.range(accounts)) {
            list.offer(account.id.as_bytes(), number);
        }
    }

    /// The page as it is answered: `{"accounts": […], "more": …}`.
    pub fn listed_json(&self, list: AccountList) -> Value {
        let limit = list.limit;
        let found = list.heap.into_sorted_vec();
        let page = found.iter().take(limit).filter_map(|(_, number)| self.accounts.get(*number as usize));
        json!({"accounts": page.map(|account| self.account_json(account)).collect::<Vec<_>>(), "more": found.len() > limit})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_the_smallest_ids_after_the_last_one_whatever_the_stretches() {
        let mut list = AccountList::asked(&json!({"prefix": "a", "after": "a2", "limit": 2}));
        for (number, id) in ["a9", "b1", "a3", "a1", "a5", "a2", "a4"].iter().enumerate() {
            list.offer(id.as_bytes(), number as u32);
        }
        let ids: Vec<_> = list.heap.into_sorted_vec();
        assert_eq!(vec![(b"a3".to_vec(), 2), (b"a4".to_vec(), 6), (b"a5".to_vec(), 4)], ids);
    }
}
