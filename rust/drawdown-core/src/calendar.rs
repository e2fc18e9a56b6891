//! When the sweep has something to do where. Derived: rebuilt on recovery.

use std::collections::BTreeMap;

/// Accounts by the second they are due; an account may stand here more than once, and a
/// visit with nothing to do costs little.
#[derive(Debug, Default)]
pub struct Calendar {
    by_second: BTreeMap<i64, Vec<u32>>,
}

const SECOND_US: i64 = 1_000_000;

impl Calendar {
    /// Visit `account` no earlier than `due` and at most a second later.
    pub fn add(&mut self, due: i64, account: u32) {
        if due != i64::MAX {
            let second = due.div_euclid(SECOND_US).saturating_add(1);
            self.by_second.entry(second).or_default().push(account);
        }
    }

    /// The next account due at `now`, removed.
    pub fn pop(&mut self, now: i64) -> Option<u32> {
        let mut first = self.by_second.first_entry()?;
        if *first.key() > now.div_euclid(SECOND_US) {
            return None;
        }
        let account = first.get_mut().pop();
        if first.get().is_empty() {
            first.remove();
        }
        account
    }

    /// Whether an account is due at `now`.
    pub fn is_due(&self, now: i64) -> bool {
        self.by_second.first_key_value().is_some_and(|(second, _)| *second <= now.div_euclid(SECOND_US))
    }
}
