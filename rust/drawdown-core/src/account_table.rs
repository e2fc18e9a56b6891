//! Accounts by number, in blocks that never move once full: a new account costs the same at ten
//! million as at ten, where one growing slice would be copied whole at every doubling.

use crate::account::Account;
use std::ops::{Index, IndexMut};

const BLOCK_BITS: u32 = 14;
/// 2 MiB of accounts: one huge page where there are any.
const BLOCK: usize = 1 << BLOCK_BITS;

const _: () = assert!(BLOCK * size_of::<Account>() == 2 << 20);

/// Accounts numbered from 0 without gaps.
#[derive(Default)]
pub(crate) struct AccountTable {
    /// All but the last are full; only the first grows, so that a small store stays small.
    blocks: Vec<Vec<Account>>,
}

#[inline(always)]
fn place_of(number: usize) -> (usize, usize) {
    (number >> BLOCK_BITS, number & (BLOCK - 1))
}

impl AccountTable {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        let full = self.blocks.len().saturating_sub(1);
        self.blocks.last().map_or(0, |last| full * BLOCK + last.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    #[inline(always)]
    pub(crate) fn get(&self, number: usize) -> Option<&Account> {
        let (block, at) = place_of(number);
        self.blocks.get(block)?.get(at)
    }

    #[inline(always)]
    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut Account> {
        let (block, at) = place_of(number);
        self.blocks.get_mut(block)?.get_mut(at)
    }

    pub(crate) fn first(&self) -> Option<&Account> {
        self.get(0)
    }

    pub(crate) fn first_mut(&mut self) -> Option<&mut Account> {
        self.get_mut(0)
    }

    pub(crate) fn push(&mut self, account: Account) {
        if self.blocks.last().is_none_or(|last| last.len() == BLOCK) {
            self.blocks.push(if self.blocks.is_empty() { Vec::new() } else { Vec::with_capacity(BLOCK) });
        }
        let last = self.blocks.last_mut().expect("just made");
        last.push(account);
    }

    pub(crate) fn pop(&mut self) -> Option<Account> {
        let last = self.blocks.last_mut()?;
        let account = last.pop();
        if last.is_empty() {
            self.blocks.pop();
        }
        account
    }

    /// In order of their numbers.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Account> {
        self.blocks.iter_mut().flatten()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Account> {
        self.blocks.iter().flatten()
    }

    /// Those numbered `numbers`, as far as there are any.
    pub(crate) fn range(&self, numbers: std::ops::Range<u32>) -> impl Iterator<Item = &Account> {
        (numbers.start as usize..(numbers.end as usize).min(self.len())).map(|number| &self[number])
    }
}

impl Index<usize> for AccountTable {
    type Output = Account;

    #[inline(always)]
    fn index(&self, number: usize) -> &Account {
        let (block, at) = place_of(number);
        &self.blocks[block][at]
    }
}

impl IndexMut<usize> for AccountTable {
    #[inline(always)]
    fn index_mut(&mut self, number: usize) -> &mut Account {
        let (block, at) = place_of(number);
        &mut self.blocks[block][at]
    }
}

impl FromIterator<Account> for AccountTable {
    fn from_iter<I: IntoIterator<Item = Account>>(accounts: I) -> AccountTable {
        let mut table = AccountTable::default();
        for account in accounts {
            table.push(account);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "makes 33,000 accounts: minutes")]
    fn accounts_keep_their_numbers_and_places_over_the_edges_of_blocks() {
        let mut table = AccountTable::default();
        assert!(table.is_empty() && table.get(0).is_none() && table.pop().is_none());
        let many = 2 * BLOCK + 3;
        for number in 0..many {
            assert_eq!(number, table.len());
            table.push(Account::new(&format!("a{number}")));
        }
        let place: *const Account = &table[BLOCK];
        for number in [0, BLOCK - 1, BLOCK, 2 * BLOCK, many - 1] {
            assert_eq!(format!("a{number}"), table[number].id.as_str());
            assert_eq!(format!("a{number}"), table.get_mut(number).unwrap().id.as_str());
        }
        assert!(table.get(many).is_none());
        assert_eq!(many, table.iter().count());
        let edge: Vec<&str> = table.range(BLOCK as u32 - 1..BLOCK as u32 + 1).map(|a| a.id.as_str()).collect();
        assert_eq!(vec![format!("a{}", BLOCK - 1), format!("a{BLOCK}")], edge);
        assert_eq!(0, table.range(many as u32..many as u32 + 5).count());
        for number in (0..many).rev() {
            assert_eq!(format!("a{number}"), table.pop().unwrap().id.as_str());
            assert_eq!(number, table.len());
            assert!(number <= BLOCK || std::ptr::eq(place, &table[BLOCK]));
        }
        assert!(table.is_empty());
    }
}
