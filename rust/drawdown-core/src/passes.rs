//! Which accounts changed since each kind of snapshot last imaged them.

use crate::account::Account;
use crate::account_table::AccountTable;
use std::ops::Range;

/// Local checkpoints and remote snapshots go at their own pace.
pub const SLOTS: usize = 2;

/// An account whose bit is set stands in `dirty` or in `waiting`, and in both together once at most: however
/// many passes fail, the lists are no longer than the accounts are many.
#[derive(Debug, Default)]
struct Slot {
    /// Accounts that changed and are in no pass. Their `dirty` bit of this slot is set.
    dirty: Vec<u32>,
    /// Accounts still to be imaged, by the running pass or, if one failed, by the next.
    waiting: Vec<u32>,
    /// The part of `waiting` that a pass over everything put there, whether or not their bit is set. They are
    /// imaged in this order.
    everything: Range<u32>,
    /// Imaged by the running pass; dirty again if it fails.
    imaged: Vec<u32>,
}

#[derive(Debug, Default)]
pub struct Passes {
    slots: [Slot; SLOTS],
    /// Watched accounts that changed, each once.
    watched: Vec<u32>,
}

/// Of `Account::dirty`: no watch has to be told of the next change. Clear only while one has.
pub const WATCH_BIT: u8 = 1 << SLOTS;

const ALL_DIRTY: u8 = (1 << (SLOTS + 1)) - 1;

impl Passes {
    /// `account` (of this number) is about to differ from its images.
    #[inline]
    pub fn mark(&mut self, account: &mut Account, number: u32) {
        if account.dirty == ALL_DIRTY {
            return;
        }
        for (i, slot) in self.slots.iter_mut().enumerate() {
            if account.dirty & (1 << i) == 0 && !slot.everything.contains(&number) {
                slot.dirty.push(number);
            }
        }
        if account.dirty & WATCH_BIT == 0 {
            self.watched.push(number);
        }
        account.dirty = ALL_DIRTY;
    }

    /// Numbers of watched accounts that changed since the last call.
    pub fn take_watched(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.watched)
    }

    pub fn dirty_count(&self, slot: usize) -> u32 {
        (self.slots[slot].dirty.len() + self.slots[slot].waiting.len()) as u32
    }

    /// Start a pass over what is dirty, or over everything.
    pub fn begin(&mut self, slot: usize, full: bool, accounts: u32) {
        let slot = &mut self.slots[slot];
        slot.imaged.clear();
        if full {
            slot.dirty.clear();
            slot.waiting = (0..accounts).rev().collect();
            slot.everything = 0..accounts;
        } else {
            slot.waiting.append(&mut slot.dirty);
        }
    }

    /// The next account of the pass; the caller images it and then clears its bit.
    pub fn next(&mut self, slot: usize) -> Option<u32> {
        let slot = &mut self.slots[slot];
        let number = slot.waiting.pop()?;
        if slot.everything.contains(&number) {
            slot.everything.start = number + 1;
        }
        slot.imaged.push(number);
        Some(number)
    }

    /// The account whose turn comes `ahead` accounts later.
    pub fn peek(&self, slot: usize, ahead: usize) -> Option<u32> {
        let waiting = &self.slots[slot].waiting;
        waiting.len().checked_sub(ahead + 1).map(|at| waiting[at])
    }

    pub fn is_done(&self, slot: usize) -> bool {
        self.slots[slot].waiting.is_empty()
    }

    /// Close the pass; unless it is complete its accounts wait for the next one.
    pub fn end(&mut self, slot: usize, complete: bool, accounts: &mut AccountTable) {
        let bit = 1 << slot;
        let slot = &mut self.slots[slot];
        for number in std::mem::take(&mut slot.imaged) {
            let account = if complete { None } else { accounts.get_mut(number as usize) };
            // One that changed after its image is on the list already.
            if let Some(account) = account.filter(|account| account.dirty & bit == 0) {
                account.dirty |= bit;
                slot.dirty.push(number);
            }
        }
        if slot.waiting.is_empty() {
            slot.waiting = Vec::new();
        }
    }

    /// Drop a rolled-back account from every list.
    pub fn forget_from(&mut self, number: u32) {
        for slot in &mut self.slots {
            slot.dirty.retain(|n| *n < number);
        }
        self.watched.retain(|n| *n < number);
    }
}
