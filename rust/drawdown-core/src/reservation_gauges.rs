//! How many reservations are open, where, and since when the oldest: for metrics and listing, which must
//! not walk all accounts. Derived from the accounts.

use crate::account::Account;
use crate::entry::Control;
use std::collections::BTreeMap;

/// Counted as they come and go, so that asking costs nothing.
#[derive(Debug, Default)]
pub struct OpenReservations {
    count: u64,
    /// Accounts that have any, and how many.
    by_account: BTreeMap<u32, u32>,
    /// How many were made at each instant; those of test clocks live in other times and are left out.
    by_creation: BTreeMap<i64, u32>,
}

impl OpenReservations {
    pub fn of<'a>(accounts: impl IntoIterator<Item = &'a Account>) -> OpenReservations {
        let mut open = OpenReservations::default();
        for (number, account) in (0..).zip(accounts) {
            open.add_all(number, account);
        }
        open
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// Numbers of accounts with open reservations, from `from` on.
    pub fn accounts_from(&self, from: u32) -> impl Iterator<Item = u32> + '_ {
        self.by_account.range(from..).map(|(number, _)| *number)
    }

    /// When the oldest open one was made; `None` if there is none.
    pub fn oldest(&self) -> Option<i64> {
        self.by_creation.first_key_value().map(|(at, _)| *at)
    }

    /// `control` is about to be applied to `account`.
    pub fn follow(&mut self, account: &Account, control: &Control) {
        let is_timed = account.test_clock().is_none();
        match control {
            Control::Reserved(e) => self.add(e.account, e.created_at, is_timed),
            Control::ReservationSettled(e) => self.remove_named(e.account, account, &e.id),
            Control::ReservationReleased(e) => self.remove_named(e.account, account, &e.id),
            _ => {}
        }
    }

    /// An undone account stands as it stood.
    pub fn replace(&mut self, number: u32, undone: &Account, restored: &Account) {
        let is_timed = undone.test_clock().is_none();
        for reservation in undone.pools().flat_map(|pool| pool.reservations()) {
            self.remove(number, reservation.created_at, is_timed);
        }
        self.add_all(number, restored);
    }

    fn add_all(&mut self, number: u32, account: &Account) {
        let is_timed = account.test_clock().is_none();
        for reservation in account.pools().flat_map(|pool| pool.reservations()) {
            self.add(number, reservation.created_at, is_timed);
        }
    }

    fn add(&mut self, number: u32, created_at: i64, is_timed: bool) {
        self.count += 1;
        *self.by_account.entry(number).or_default() += 1;
        if is_timed {
            *self.by_creation.entry(created_at).or_default() += 1;
        }
    }

    fn remove_named(&mut self, number: u32, account: &Account, id: &str) {
        if let Some((_, reservation)) = account.reservation(id) {
            self.remove(number, reservation.created_at, account.test_clock().is_none());
        }
    }

    /// While recovering, one that came with an image may leave before it was counted.
    fn remove(&mut self, number: u32, created_at: i64, is_timed: bool) {
        self.count = self.count.saturating_sub(1);
        take_one(&mut self.by_account, number);
        if is_timed {
            take_one(&mut self.by_creation, created_at);
        }
    }
}

fn take_one<K: Ord>(counts: &mut BTreeMap<K, u32>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}
